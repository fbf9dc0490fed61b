use crate::support::tokens::{TokenService, unreachable_url};
use airut::base::fault::{Fault, Kind};
use airut::format::config::OAuth2;
use airut::format::secret::Secret;
use airut::tool::token::fetch;
use std::time::Duration;

const SECRET: &str = "cl1ent&s3cret";
const REFRESH: &str = "r3fresh/token";

fn credentials(url: &str) -> OAuth2 {
    OAuth2 {
        command: None,
        token_url: Some(url.to_owned().try_into().unwrap()),
        client_id: Some("the-client".to_owned()),
        client_secret: Some(Secret::Literal(SECRET.to_owned())),
        refresh_token: None,
        scope: Some("https://mail.example.com/.default".to_owned()),
        ca_file: None,
    }
}

fn refresh(url: &str) -> OAuth2 {
    OAuth2 { refresh_token: Some(Secret::Literal(REFRESH.to_owned())), scope: None, ..credentials(url) }
}

fn granted(_: &str) -> (u16, String) {
    (200, r#"{"token_type":"Bearer","expires_in":3599,"access_token":"t0ken"}"#.to_owned())
}

fn fault(oauth2: &OAuth2) -> Fault {
    let error = fetch(oauth2, "repos.x.mail.imap.oauth2").err().unwrap();
    let fault = error.downcast_ref::<Fault>().unwrap_or_else(|| panic!("{error:#}")).clone();
    let all = format!("{error:?} {fault:?}");
    assert!(!all.contains(SECRET) && !all.contains(REFRESH), "{all}");
    fault
}

#[test]
fn a_client_asks_with_its_own_credentials_or_a_refresh_token() {
    let service = TokenService::plain(granted);
    let fresh = fetch(&credentials(&service.url), "key").unwrap();
    assert_eq!((fresh.token.as_str(), fresh.lifetime), ("t0ken", Some(Duration::from_secs(3599))));
    fetch(&refresh(&service.url), "key").unwrap();
    assert_eq!(
        *service.asked.lock().unwrap(),
        [
            "grant_type=client_credentials&client_id=the-client&client_secret=cl1ent%26s3cret\
             &scope=https%3A%2F%2Fmail.example.com%2F.default",
            "grant_type=refresh_token&client_id=the-client&client_secret=cl1ent%26s3cret\
             &refresh_token=r3fresh%2Ftoken",
        ]
    );
}

#[test]
fn a_command_gives_the_token_it_prints() {
    let command = |argv: &[&str]| OAuth2 {
        command: Some(argv.iter().map(|&word| word.to_owned()).collect()),
        token_url: None,
        client_id: None,
        client_secret: None,
        scope: None,
        ..credentials("https://unused.example/")
    };
    let fresh = fetch(&command(&["printf", "t0ken\\n"]), "key").unwrap();
    assert_eq!((fresh.token.as_str(), fresh.lifetime), ("t0ken", None));
    for argv in [&["printf", "two words"], &["printf", "line\\nline"]] {
        assert_eq!(fault(&command(argv)).kind, Kind::Config, "{argv:?}");
    }
    assert_eq!(fault(&command(&["printf", ""])).kind, Kind::TryLater);
    let failed = fault(&command(&["false"]));
    assert_eq!(failed.kind, Kind::TryLater, "what it asks may be away");
    assert!(failed.message.contains("repos.x.mail.imap.oauth2.command"), "{failed:?}");
}

#[test]
fn the_certificate_of_a_token_service_is_verified() {
    let service = TokenService::https("localhost", granted);
    let trusting = OAuth2 { ca_file: Some(service.ca_file.clone()), ..credentials(&service.url) };
    assert_eq!(fetch(&trusting, "key").unwrap().token, "t0ken");
    let unknown = fault(&credentials(&service.url));
    assert_eq!(unknown.kind, Kind::Failed);
    assert!(unknown.message.contains("certificate"), "{unknown:?}");
    assert!(unknown.hint.unwrap().contains("set repos.x.mail.imap.oauth2.ca_file"));
    let other = TokenService::https("other.example", granted);
    let named = fault(&OAuth2 { ca_file: Some(other.ca_file.clone()), ..credentials(&other.url) });
    assert!(named.message.contains("not valid for name"), "{named:?}");
    assert_eq!((service.count(), other.count()), (1, 0), "nothing is sent before that");
}

#[test]
fn each_refusal_names_its_next_step() {
    for (status, body, kind, message, hint) in [
        (401, "invalid_client", Kind::Failed, "refuses: invalid_client: why", "client_id and client_secret"),
        (
            400,
            "invalid_grant",
            Kind::Failed,
            "invalid_grant",
            "the refresh token was revoked or has expired: sign in again",
        ),
        (400, "invalid_scope", Kind::Failed, "invalid_scope", "look at repos.x.mail.imap.oauth2.scope"),
        (400, "unauthorized_client", Kind::Failed, "unauthorized_client", "an administrator has to allow it"),
        (400, "unsupported_grant_type", Kind::Failed, "unsupported_grant_type", "wants another way"),
        (400, "whatever", Kind::Failed, "whatever", "look at repos.x.mail.imap.oauth2 in"),
        (503, "temporarily_unavailable", Kind::TryLater, "temporarily_unavailable", ""),
    ] {
        let json = format!("{{\"error\":\"{body}\",\"error_description\":\"why {SECRET}\\r\\nTrace: 1\"}}");
        let service = TokenService::plain(move |_| (status, json.clone()));
        let found = fault(&refresh(&service.url));
        assert_eq!(found.kind, kind, "{found:?}");
        assert!(found.message.starts_with("the token service localhost:"), "{found:?}");
        assert!(found.message.contains(message) && !found.message.contains("Trace"), "{found:?}");
        assert!(found.hint.clone().unwrap_or_default().contains(hint), "{found:?}");
    }
}

#[test]
fn what_is_no_token_service_is_told_as_that() {
    for (status, body, kind) in [
        (200, "<html>", Kind::Failed),
        (200, "{}", Kind::Failed),
        (404, "no", Kind::Failed),
        (302, "", Kind::Failed),
        (500, "", Kind::TryLater),
        (429, "{}", Kind::TryLater),
    ] {
        let service = TokenService::plain(move |_| (status, body.to_owned()));
        let found = fault(&credentials(&service.url));
        assert_eq!(found.kind, kind, "{status} {body}: {found:?}");
        assert!(
            found.message.ends_with(&format!("does not answer as a token service, with status {status}"))
        );
        assert_eq!(service.count(), 1, "no redirect is followed");
    }
    let mac = TokenService::plain(|_| (200, r#"{"token_type":"mac","access_token":"x"}"#.to_owned()));
    assert!(fault(&credentials(&mac.url)).hint.unwrap().contains("Bearer"));
    let endless = TokenService::plain(|_| (200, "x".repeat(1 << 20)));
    assert!(fault(&credentials(&endless.url)).message.starts_with("cannot ask the token service localhost:"));
    let forged = TokenService::plain(|_| (200, r#"{"access_token":"x\u0001auth=y"}"#.to_owned()));
    assert!(fetch(&credentials(&forged.url), "key").is_err());
}

#[test]
fn a_token_service_that_is_away_is_to_be_tried_later() {
    let away = fault(&credentials(&unreachable_url()));
    assert_eq!(away.kind, Kind::TryLater);
    assert!(away.message.starts_with("cannot ask the token service 127.0.0.1:"), "{away:?}");
    assert!(away.hint.unwrap().contains("token_url"));
    let nowhere = fault(&credentials("https://login.invalid/token"));
    assert_eq!(nowhere.kind, Kind::TryLater, "{nowhere:?}");
}

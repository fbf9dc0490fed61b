use crate::support::mailserver::{mail_server, unique};
use crate::support::tokens::TokenService;
use airut::base::fault::Fault;
use airut::format::config::{Imap, OAuth2, Smtp, Tls};
use airut::format::secret::Secret;
use airut::tool::sign_in::{Outgoing, mailbox};
use std::sync::atomic::{AtomicI64, Ordering};

fn oauth2(service: &TokenService) -> OAuth2 {
    OAuth2 {
        command: None,
        token_url: Some(service.url.clone().try_into().unwrap()),
        client_id: Some("id".to_owned()),
        client_secret: Some(Secret::Literal("s3cret".to_owned())),
        refresh_token: None,
        scope: None,
        ca_file: None,
    }
}

fn imap(user: &str, oauth2: OAuth2) -> Imap {
    Imap {
        host: "localhost".to_owned(),
        port: Some(mail_server().imaps),
        tls: Tls::Implicit,
        ca_file: Some(mail_server().ca.clone()),
        username: user.to_owned(),
        password: None,
        oauth2: Some(oauth2),
        folder: "INBOX".to_owned(),
        move_to: None,
    }
}

fn smtp(user: &str, oauth2: OAuth2) -> Smtp {
    Smtp {
        host: "localhost".to_owned(),
        port: Some(mail_server().smtps),
        tls: Tls::Implicit,
        ca_file: Some(mail_server().ca.clone()),
        username: Some(user.to_owned()),
        password: None,
        oauth2: Some(oauth2),
    }
}

/// Gives tokens that end in so many seconds, the first of them first and the last for ever.
fn service(user: &str, seconds: &'static [i64], says: &'static str) -> TokenService {
    let (user, given) = (user.to_owned(), AtomicI64::new(0));
    TokenService::plain(move |_| {
        let number = given.fetch_add(1, Ordering::Relaxed).unsigned_abs() as usize;
        let token = mail_server().token(&user, seconds[number.min(seconds.len() - 1)]);
        (200, format!("{{\"access_token\":\"{token}\"{says}}}"))
    })
}

#[test]
fn one_token_serves_both_ways_until_it_ends() {
    let user = unique("token");
    let service = service(&user, &[3600], ",\"expires_in\":\"3600\"");
    for _ in 0..2 {
        mailbox(&imap(&user, oauth2(&service)), "repos.x.mail.imap").unwrap().select().unwrap();
        Outgoing::new(&smtp(&user, oauth2(&service)), "repos.x.mail.smtp".to_owned())
            .unwrap()
            .sign_in()
            .unwrap();
    }
    assert_eq!(service.count(), 1);
}

#[test]
fn a_token_that_has_ended_is_not_used_again() {
    let user = unique("token");
    let service = service(&user, &[3600], ",\"expires_in\":60");
    for _ in 0..2 {
        mailbox(&imap(&user, oauth2(&service)), "repos.x.mail.imap").unwrap();
    }
    assert_eq!(service.count(), 2, "one of 60 seconds counts as ended at once");
}

#[test]
fn a_kept_token_that_the_server_refuses_is_renewed_once() {
    let user = unique("token");
    // The service does not say that it has ended.
    let renewed = service(&user, &[-60, 3600], "");
    let config = imap(&user, oauth2(&renewed));
    assert!(
        mailbox(&config, "repos.x.mail.imap").is_err(),
        "a fresh one that is refused is not asked for again"
    );
    assert_eq!(renewed.count(), 1);
    mailbox(&config, "repos.x.mail.imap").unwrap();
    assert_eq!(renewed.count(), 2);
    let renewed = service(&user, &[-60, 3600], "");
    let config = smtp(&user, oauth2(&renewed));
    let sign_in = || Outgoing::new(&config, "repos.x.mail.smtp".to_owned()).unwrap().sign_in();
    sign_in().unwrap_err();
    sign_in().unwrap();
    assert_eq!(renewed.count(), 2);
    let never = service(&user, &[-60], "");
    let config = imap(&user, oauth2(&never));
    for asked in [1, 2, 3] {
        let error = mailbox(&config, "repos.x.mail.imap").unwrap_err();
        let fault = error.downcast_ref::<Fault>().unwrap();
        assert!(fault.message.contains("refuses the token"), "{fault:?}");
        assert_eq!(never.count(), asked, "one renewal for each try");
    }
}

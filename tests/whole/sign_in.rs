//! Signing in with OAuth2 through the whole: a token service, the real mail server, the program.

use crate::support::mailserver::mail_server;
use crate::support::tokens::TokenService;
use crate::support::world::{Repo, Way, World};
use crate::whole::steps::obedient;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

const CLIENT_SECRET: &str = "cl13nt-s3cret";
const REFRESH_TOKEN: &str = "r3fresh-t0ken";

/// A repository whose mail, both ways, wants a token of `service`.
fn repo(world: &World, service: &TokenService) -> Repo {
    let mut setup = obedient();
    setup.way = Way::Server;
    let repo = world.repo(&setup);
    let (secret, refresh) = (world.path("secret"), world.path("refresh"));
    fs::write(&secret, CLIENT_SECRET).unwrap();
    fs::write(&refresh, REFRESH_TOKEN).unwrap();
    let oauth2 = format!(
        "oauth2 = {{ token_url = \"{}\", client_id = \"the-client\", client_secret = {{ file = \"{}\" }}, \
         refresh_token = {{ command = [\"cat\", \"{}\"] }}, ca_file = \"{}\" }}",
        service.url,
        secret.display(),
        refresh.display(),
        service.ca_file.display()
    );
    let toml = fs::read_to_string(world.config()).unwrap();
    let password = "password = { env = \"MAIL_PASSWORD\" }";
    assert_eq!(toml.matches(password).count(), 2);
    fs::write(world.config(), toml.replace(password, &oauth2)).unwrap();
    repo
}

/// What `check` found out about both ways of the mail.
fn mail_findings(world: &World, repo: &Repo) -> (Value, Value) {
    let found: Value = serde_json::from_str(&world.run(&["check", "--json"]).stdout).unwrap();
    let one = |what: &str| {
        let all = found.as_array().unwrap().iter();
        all.clone().find(|one| one["about"] == *repo.name && one["what"] == what).unwrap().clone()
    };
    (one("mail in"), one("mail out"))
}

fn files(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files(&path, found) } else { found.push(path) }
    }
}

#[test]
fn mail_is_fetched_with_a_token_that_stands_in_no_file() {
    let world = World::new();
    // The user's name is known only when the repository is there.
    let user = Arc::new(OnceLock::<String>::new());
    let given = Arc::clone(&user);
    let service = TokenService::https("localhost", move |form| {
        assert!(form.contains(REFRESH_TOKEN) && form.contains(CLIENT_SECRET), "{form}");
        let token = mail_server().token(given.get().unwrap(), 3600);
        (200, format!("{{\"access_token\":\"{token}\",\"expires_in\":3600,\"token_type\":\"bearer\"}}"))
    });
    let repo = repo(&world, &service);
    user.set(repo.user.clone()).unwrap();
    let (way_in, way_out) = mail_findings(&world, &repo);
    assert!(way_in["ok"] == true && way_out["ok"] == true, "{way_in} {way_out}");
    assert_eq!(service.count(), 1, "one token for both ways");
    world.send(&repo, &world.letter(&repo, "Hello", "please"));
    assert_eq!(world.run(&["-v", "fetch"]).ok().stdout.lines().count(), 1);
    assert_eq!(world.run(&["authorize"]).ok().stdout.lines().count(), 1);
    assert_eq!(service.count(), 2, "one for each process");
    let mut kept = Vec::new();
    files(&world.path("state"), &mut kept);
    assert!(kept.len() > 2, "{kept:?}");
    for path in kept {
        let content = String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned();
        for secret in [CLIENT_SECRET, REFRESH_TOKEN, "eyJ"] {
            assert!(!content.contains(secret), "{secret} in {}", path.display());
        }
    }
}

#[test]
fn check_says_what_is_wrong_with_a_token_and_what_to_do() {
    let world = World::new();
    let service = TokenService::https("localhost", |_| {
        let why = format!("Token {REFRESH_TOKEN} has been expired or revoked.");
        (400, format!("{{\"error\":\"invalid_grant\",\"error_description\":\"{why}\"}}"))
    });
    let repo = repo(&world, &service);
    let (way_in, way_out) = mail_findings(&world, &repo);
    for (finding, which) in [(way_in, "imap"), (way_out, "smtp")] {
        assert_eq!(finding["ok"], false);
        let saw = finding["saw"].as_str().unwrap();
        assert!(saw.ends_with("refuses: invalid_grant: Token … has been expired or revoked."), "{saw}");
        let wanted = format!(
            "the refresh token was revoked or has expired: sign in again and put the new one into \
             repos.{}.mail.{which}.oauth2.refresh_token",
            repo.name
        );
        assert_eq!(finding["mend"], *wanted);
    }
    let ran = world.run(&["fetch"]);
    let told = format!("{}{}", ran.stdout, ran.stderr);
    assert!(told.contains("invalid_grant") && told.contains("sign in again"), "{told}");
    assert!(!told.contains(REFRESH_TOKEN) && !told.contains(CLIENT_SECRET), "{told}");
}

//! What the types of the configuration cannot say: what must be there, what excludes what, what two repositories
//! must not share. Works on a configuration whose paths are resolved.

use crate::base::host::HostName;
use crate::base::id::VarName;
use crate::base::limits::{MAIL_AGE_DAYS_MAX, RUNS_MAX};
use crate::format::config::paths::{below, secrets, words};
use crate::format::config::{
    Config, Container, Imap, Limits, Mail, MaskedSecret, OAuth2, Problem, Repo, Smtp, Tls,
};
use crate::format::secret::Secret;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Component, Path};

/// Everything that is wrong; empty when it is sound.
#[must_use]
pub fn check(config: &Config) -> Vec<Problem> {
    let mut found = Problems(Vec::new());
    if !(1..=RUNS_MAX).contains(&config.max_concurrent) {
        let allowed = format!("allowed: 1 to {}", RUNS_MAX);
        found.say(words(&["max_concurrent"]), format!("{} is not; {allowed}", config.max_concurrent));
    }
    if config.repos.is_empty() {
        found.say(words(&["repos"]), "there is no repository; at least one [repos.NAME] is needed");
    }
    for (name, repo) in &config.repos {
        let mut here = Problems(Vec::new());
        one(repo, &mut here);
        found.0.extend(
            here.0.into_iter().map(|problem| Problem { key: below(name.as_str(), problem.key), ..problem }),
        );
    }
    shared_mailboxes(config, &mut found);
    shared_storage(config, &mut found);
    mountable(config, &mut found);
    found.0
}

struct Problems(Vec<Problem>);

impl Problems {
    fn say(&mut self, key: Vec<String>, message: impl Into<String>) {
        self.0.push(Problem { key, message: message.into() });
    }
}

fn one(repo: &Repo, found: &mut Problems) {
    if repo.session_max_age_days == 0 {
        found.say(words(&["session_max_age_days"]), "sessions would end at once; allowed: 1 or more");
    }
    match (&repo.trusted_authserv_id, repo.provider) {
        (None, None) => found.say(
            Vec::new(),
            "trusted_authserv_id is missing, so that nobody could be told apart; allowed: it, or provider",
        ),
        (Some(_), Some(_)) => {
            found.say(words(&["provider"]), "stands beside trusted_authserv_id; allowed: one of the two");
        }
        _ => {}
    }
    if !(1..=MAIL_AGE_DAYS_MAX).contains(&repo.max_mail_age_days) {
        let allowed = format!("allowed: 1 to {}", MAIL_AGE_DAYS_MAX);
        let why = format!("{} is not: older mails are not remembered; {allowed}", repo.max_mail_age_days);
        found.say(words(&["max_mail_age_days"]), why);
    }
    if repo.max_sessions == 0 {
        found.say(words(&["max_sessions"]), "there could be no session; allowed: 1 or more");
    }
    if repo.max_storage.is_some_and(|size| size.0 == 0) {
        found.say(words(&["max_storage"]), "no session would have room; allowed: more than 0");
    }
    mail(&repo.mail, found);
    container(&repo.container, found);
    limits(&repo.limits, found);
    for (key, secret) in secrets(repo) {
        if let Some(why) = unusable(secret) {
            found.say(key, why);
        }
    }
    for (name, secret) in &repo.masked_secrets {
        let key = |last: &str| words(&["masked_secrets", name.as_str(), last]);
        if repo.secrets.contains_key(name) {
            let why = "is among the secrets, too, which enter the container; allowed: one of the two";
            found.say(words(&["masked_secrets", name.as_str()]), why);
        }
        masked(secret, key, found);
    }
}

/// A limit of nothing would answer nobody, and one that is no number would limit nothing.
fn limits(limits: &Limits, found: &mut Problems) {
    let mails = [
        ("session_mails_per_hour", Some(limits.session_mails_per_hour)),
        ("sender_mails_per_hour", limits.sender_mails_per_hour),
        ("sender_mails_per_day", Some(limits.sender_mails_per_day)),
        ("repo_mails_per_hour", limits.repo_mails_per_hour),
        ("repo_mails_per_day", limits.repo_mails_per_day),
    ];
    for (key, _) in mails.iter().filter(|(_, mails)| *mails == Some(0)) {
        found.say(words(&["limits", key]), "nothing would be answered; allowed: 1 or more");
    }
    let usd = [
        ("sender_usd_per_day", limits.sender_usd_per_day),
        ("sender_usd_per_month", limits.sender_usd_per_month),
        ("repo_usd_per_day", limits.repo_usd_per_day),
        ("repo_usd_per_month", limits.repo_usd_per_month),
    ];
    for (key, _) in usd.iter().filter(|(_, usd)| usd.is_some_and(|usd| !(usd.is_finite() && usd > 0.0))) {
        found.say(words(&["limits", key]), "is no amount of money; allowed: more than 0");
    }
}

fn mail(mail: &Mail, found: &mut Problems) {
    let key = |last: &[&str]| [words(&["mail"]), words(last)].concat();
    if mail.imap.is_some() && mail.maildir.is_some() {
        found.say(key(&["maildir"]), "there is imap as well; allowed: one way in");
    }
    let ways = [mail.smtp.is_some(), mail.sendmail.is_some(), mail.reply_maildir.is_some()];
    if ways.iter().filter(|&&there| there).count() != 1 {
        found.say(key(&[]), "there must be exactly one way out; allowed: smtp, sendmail or reply_maildir");
    }
    if mail.maildir.is_some() && mail.maildir == mail.reply_maildir {
        found.say(
            key(&["reply_maildir"]),
            "answers would come back in; allowed: another directory than maildir",
        );
    }
    if let Some(Imap { host, tls, username, password, oauth2, folder, .. }) = &mail.imap {
        server("imap", host, *tls, found);
        if password.is_some() == oauth2.is_some() {
            found.say(key(&["imap"]), ONE_WAY);
        }
        tokens("imap", oauth2.as_ref(), found);
        for (name, value) in [("username", username), ("folder", folder)] {
            if value.is_empty() || value.contains(char::is_control) {
                found.say(key(&["imap", name]), "is empty or holds control characters");
            }
        }
    }
    if let Some(Smtp { host, tls, username, password, oauth2, .. }) = &mail.smtp {
        server("smtp", host, *tls, found);
        match (username, password, oauth2) {
            (None, None, None) | (Some(_), Some(_), None) | (Some(_), None, Some(_)) => {}
            (Some(_), _, _) => found.say(key(&["smtp"]), ONE_WAY),
            (None, _, _) => {
                found.say(key(&["smtp"]), "has a way to sign in and no username; allowed: both or neither");
            }
        }
        tokens("smtp", oauth2.as_ref(), found);
    }
}

const ONE_WAY: &str = "has to sign in by exactly one way; allowed: password or oauth2";

fn tokens(which: &str, oauth2: Option<&OAuth2>, found: &mut Problems) {
    let Some(oauth2) = oauth2 else { return };
    let key = words(&["mail", which, "oauth2"]);
    if let Some(why) = oauth2.command().as_ref().and_then(unusable) {
        found.say([key.clone(), words(&["command"])].concat(), why);
    }
    found.0.extend(oauth2.problems(&key));
}

fn server(which: &str, host: &str, tls: Tls, found: &mut Problems) {
    let address: Option<IpAddr> = host.parse().ok();
    if address.is_none() && host.parse::<HostName>().is_err() {
        found.say(words(&["mail", which, "host"]), "is neither a host name nor an IP address");
    }
    let is_here =
        host.eq_ignore_ascii_case("localhost") || address.is_some_and(|address| address.is_loopback());
    if tls == Tls::None && !is_here {
        let why =
            "mail and password would go in the clear; allowed: implicit, starttls, and none to loopback only";
        found.say(words(&["mail", which, "tls"]), why);
    }
}

fn container(container: &Container, found: &mut Problems) {
    if let Some(memory) = &container.memory {
        let digits = memory.trim_end_matches(|c: char| "bkmgBKMG".contains(c));
        let is_size = digits.parse::<u64>().is_ok_and(|size| size > 0) && memory.len() - digits.len() <= 1;
        if !is_size || digits.starts_with('+') {
            found.say(
                words(&["container", "memory"]),
                "is no size; allowed: a number with b, k, m or g, like 4g",
            );
        }
    }
    if container.cpus.is_some_and(|cpus| !cpus.is_finite() || cpus <= 0.0) {
        found.say(words(&["container", "cpus"]), "is no number of cores; allowed: more than 0, like 1.5");
    }
    if container.pids == 0 {
        found.say(words(&["container", "pids"]), "nothing could run; allowed: 1 or more");
    }
}

fn unusable(secret: &Secret) -> Option<&'static str> {
    match secret {
        Secret::Literal(text) if text.is_empty() => {
            Some("is empty; allowed: the secret, or where to read it")
        }
        Secret::Env(name) if name.parse::<VarName>().is_err() => {
            Some("names no environment variable; allowed: A-Z, a-z, 0-9 and '_'")
        }
        Secret::Command(argv) if argv.first().is_none_or(String::is_empty) => {
            Some("the command is empty; allowed: the program and its arguments, each a string of its own")
        }
        Secret::Command(argv) if argv[0].contains('/') && !argv[0].starts_with('/') => {
            Some("the command is relative; allowed: a program in PATH, or an absolute path")
        }
        Secret::Credential(name) if name.is_empty() || name.starts_with('.') || name.contains('/') => {
            Some("names no systemd credential; allowed: a file name without '/'")
        }
        _ => None,
    }
}

fn masked(secret: &MaskedSecret, key: impl Fn(&str) -> Vec<String>, found: &mut Problems) {
    const HOSTS: &str = "allowed: host names, and *.example.com for any host below it";
    const HEADERS: &str = "allowed: names of headers that carry credentials, like Authorization";
    if secret.scopes.is_empty() {
        found.say(key("scopes"), format!("is empty; {HOSTS}"));
    }
    for scope in &secret.scopes {
        let is_host = match scope.strip_prefix("*.") {
            // `*.com` would hand it to half the world.
            Some(rest) => rest.contains('.') && rest.parse::<HostName>().is_ok(),
            None => scope.parse::<HostName>().is_ok(),
        };
        if !is_host {
            found.say(key("scopes"), format!("{scope:?} is not; {HOSTS}"));
        }
    }
    if secret.headers.is_empty() {
        found.say(key("headers"), format!("is empty; {HEADERS}"));
    }
    for header in &secret.headers {
        if !is_credential_header(header) {
            found.say(key("headers"), format!("{header:?} is not; {HEADERS}"));
        }
    }
}

/// A token (RFC 9110 section 5.6.2) that neither frames nor routes the request.
fn is_credential_header(name: &str) -> bool {
    const FRAMING: [&str; 9] = [
        "host",
        "connection",
        "content-length",
        "transfer-encoding",
        "te",
        "trailer",
        "upgrade",
        "expect",
        "keep-alive",
    ];
    let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    !name.is_empty() && name.bytes().all(token) && !FRAMING.contains(&name.to_ascii_lowercase().as_str())
}

/// Two that take from one mailbox would take each other's mail.
fn shared_mailboxes(config: &Config, found: &mut Problems) {
    let mut first = BTreeMap::new();
    for (name, repo) in &config.repos {
        let mailbox = match (&repo.mail.imap, &repo.mail.maildir) {
            (Some(imap), _) => {
                // INBOX is the one folder whose name has no case (RFC 3501 section 5.1).
                let folder = if imap.folder.eq_ignore_ascii_case("inbox") { "INBOX" } else { &imap.folder };
                format!("{} {} {} {folder}", imap.host.to_ascii_lowercase(), imap.port(), imap.username)
            }
            (None, Some(maildir)) => format!("{}", maildir.components().as_path().display()),
            (None, None) => continue,
        };
        if let Some(other) = first.insert(mailbox, name) {
            let which = if repo.mail.imap.is_some() { "imap" } else { "maildir" };
            let why = format!(
                "is the mailbox of {other} as well; allowed: a mailbox or folder for each repository"
            );
            found.say(below(name.as_str(), words(&["mail", which])), why);
        }
    }
}

/// Podman takes `:` in a mount for the end of its path, and has no way to write it otherwise.
fn mountable(config: &Config, found: &mut Problems) {
    const WHY: &str =
        "holds ':' or is not UTF-8, and cannot be mounted into a container; allowed: another path";
    let is_not = |dir: &Path| dir.to_str().is_none_or(|dir| dir.contains(':'));
    for (name, repo) in &config.repos {
        if repo.storage_dir.as_deref().is_some_and(is_not) {
            found.say(below(name.as_str(), words(&["storage_dir"])), WHY);
        }
    }
}

/// Two in one directory, or one inside the other, would clean up each other's sessions.
fn shared_storage(config: &Config, found: &mut Problems) {
    let mut known: Vec<(&str, &Path)> = Vec::new();
    let state = config.state_dir.as_deref();
    let shared: Vec<_> = state.iter().flat_map(|dir| [dir.join("slots"), dir.join("images")]).collect();
    for (name, repo) in &config.repos {
        let Some(dir) = repo.storage_dir.as_deref() else { continue };
        let key = || below(name.as_str(), words(&["storage_dir"]));
        if dir.components().any(|part| part == Component::ParentDir) {
            found.say(key(), "holds '..'; allowed: a path that goes straight there");
        }
        let inside = |other: &Path| dir.starts_with(other) || other.starts_with(dir);
        if let Some((other, _)) = known.iter().find(|(_, other)| inside(other)) {
            let why = format!("{} overlaps that of {other}; allowed: a directory for each", dir.display());
            found.say(key(), why);
        }
        if state.is_some_and(|state| state.starts_with(dir)) || shared.iter().any(|other| inside(other)) {
            let why = format!(
                "{} holds what all repositories share; allowed: a directory of its own",
                dir.display()
            );
            found.say(key(), why);
        }
        known.push((name.as_str(), dir));
    }
}

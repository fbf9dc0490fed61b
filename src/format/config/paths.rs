//! Every path in the configuration, and every secret: `~/` expanded, defaults filled in, nothing relative, since
//! cron and systemd start airut in another directory than people do.

use crate::format::config::{Config, Problem, Repo};
use crate::format::secret::Secret;
use std::path::{Path, PathBuf};

/// Fills in `state_dir` and every `storage_dir`, and expands `~/`. `state_home` is where state goes by default.
pub fn resolve(config: &mut Config, home: Option<&Path>, state_home: Option<&Path>) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (key, path) in paths(config) {
        if let Ok(rest) = path.strip_prefix("~") {
            match home {
                Some(home) => *path = home.join(rest),
                None => problems
                    .push(problem(key, "there is no HOME to expand ~ with; allowed: an absolute path")),
            }
        } else if !path.is_absolute() {
            problems.push(problem(key, "is relative; allowed: an absolute path, or one that begins with ~/"));
        }
    }
    if let Some(home) = home {
        for repo in config.repos.values_mut() {
            repo.git_url = repo.git_url.clone().below_home(home);
        }
    }
    if config.state_dir.is_none() {
        config.state_dir = state_home.map(|home| home.join("airut"));
    }
    let Some(state_dir) = &config.state_dir else {
        let why = "neither HOME nor XDG_STATE_HOME is set; allowed: an absolute path";
        problems.push(problem(vec!["state_dir".to_owned()], why));
        return problems;
    };
    for (name, repo) in &mut config.repos {
        repo.storage_dir.get_or_insert_with(|| state_dir.join(name.as_str()));
    }
    problems
}

/// The key of the first secret that stands in the file itself.
#[must_use]
pub fn literal_secret(config: &Config) -> Option<Vec<String>> {
    let mut keys = config.repos.iter().flat_map(|(name, repo)| {
        let in_url = repo.git_url.has_secret().then(|| vec!["git_url".to_owned()]);
        let written = secrets(repo)
            .into_iter()
            .filter(|(_, secret)| matches!(secret, Secret::Literal(_)))
            .map(|(key, _)| key);
        in_url.into_iter().chain(written).map(|key| below(name.as_str(), key)).collect::<Vec<_>>()
    });
    keys.next()
}

/// Each with its key below `repos.NAME`.
pub fn secrets(repo: &Repo) -> Vec<(Vec<String>, &Secret)> {
    let mut found = Vec::new();
    let imap = repo.mail.imap.as_ref().map(|imap| ("imap", &imap.password, &imap.oauth2));
    let smtp = repo.mail.smtp.as_ref().map(|smtp| ("smtp", &smtp.password, &smtp.oauth2));
    for (which, password, oauth2) in imap.into_iter().chain(smtp) {
        found.extend(password.iter().map(|password| (words(&["mail", which, "password"]), password)));
        if let Some(oauth2) = oauth2 {
            let key = |last| words(&["mail", which, "oauth2", last]);
            found.extend(oauth2.client_secret.iter().map(|secret| (key("client_secret"), secret)));
            found.extend(oauth2.refresh_token.iter().map(|secret| (key("refresh_token"), secret)));
        }
    }
    found.extend(repo.secrets.iter().map(|(name, secret)| (words(&["secrets", name.as_str()]), secret)));
    let masked = repo.masked_secrets.iter();
    found.extend(masked.map(|(name, one)| (words(&["masked_secrets", name.as_str(), "value"]), &one.value)));
    found
}

pub fn words(parts: &[&str]) -> Vec<String> {
    parts.iter().map(|&part| part.to_owned()).collect()
}

/// The key of something of one repository.
pub fn below(repo: &str, key: Vec<String>) -> Vec<String> {
    [words(&["repos", repo]), key].concat()
}

fn problem(key: Vec<String>, message: &str) -> Problem {
    Problem { key, message: message.to_owned() }
}

fn paths(config: &mut Config) -> Vec<(Vec<String>, &mut PathBuf)> {
    let mut found: Vec<(Vec<String>, &mut PathBuf)> = Vec::new();
    found.extend(config.state_dir.as_mut().map(|path| (words(&["state_dir"]), path)));
    for (name, repo) in &mut config.repos {
        let mail = &mut repo.mail;
        let here: Vec<(&[&str], Option<&mut PathBuf>)> = vec![
            (&["storage_dir"], repo.storage_dir.as_mut()),
            (&["mail", "maildir"], mail.maildir.as_mut()),
            (&["mail", "sendmail"], mail.sendmail.as_mut()),
            (&["mail", "reply_maildir"], mail.reply_maildir.as_mut()),
            (&["network", "upstream_ca_file"], repo.network.upstream_ca_file.as_mut()),
        ];
        let imap = mail.imap.as_mut().map(|to| ("imap", &mut to.ca_file, &mut to.password, &mut to.oauth2));
        let smtp = mail.smtp.as_mut().map(|to| ("smtp", &mut to.ca_file, &mut to.password, &mut to.oauth2));
        let mut servers: Vec<(Vec<String>, Option<&mut PathBuf>)> = Vec::new();
        for (which, ca_file, password, oauth2) in imap.into_iter().chain(smtp) {
            let key = |last: &[&str]| [words(&["mail", which]), words(last)].concat();
            servers.push((key(&["ca_file"]), ca_file.as_mut()));
            servers.push((key(&["password"]), password.as_mut().and_then(file)));
            let Some(oauth2) = oauth2 else { continue };
            servers.push((key(&["oauth2", "ca_file"]), oauth2.ca_file.as_mut()));
            servers.push((key(&["oauth2", "client_secret"]), oauth2.client_secret.as_mut().and_then(file)));
            servers.push((key(&["oauth2", "refresh_token"]), oauth2.refresh_token.as_mut().and_then(file)));
        }
        let here = here.into_iter().map(|(key, path)| (words(key), path));
        let secrets = repo.secrets.iter_mut();
        let secrets = secrets.map(|(name, secret)| (words(&["secrets", name.as_str()]), file(secret)));
        let masked = repo.masked_secrets.iter_mut();
        let masked = masked
            .map(|(name, one)| (words(&["masked_secrets", name.as_str(), "value"]), file(&mut one.value)));
        let all = here.chain(servers).chain(secrets).chain(masked);
        found.extend(all.filter_map(|(key, path)| Some((below(name.as_str(), key), path?))));
    }
    found
}

fn file(secret: &mut Secret) -> Option<&mut PathBuf> {
    match secret {
        Secret::File(path) => Some(path),
        _ => None,
    }
}

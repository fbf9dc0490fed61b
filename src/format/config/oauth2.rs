//! `oauth2` of `mail.imap` and `mail.smtp`: where the access token comes from that stands in for a password. Three ways:
//! a command that prints one, the client's own credentials (RFC 6749 section 4.4), or a refresh token (section 6).

use crate::format::config::Problem;
use crate::format::config::paths::words;
use crate::format::secret::Secret;
use serde::Deserialize;
use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;

/// As written: which keys go together is checked by `problems`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OAuth2 {
    /// Prints an access token; asked anew when the server refuses the one before.
    pub command: Option<Vec<String>>,
    pub token_url: Option<TokenUrl>,
    pub client_id: Option<String>,
    pub client_secret: Option<Secret>,
    pub refresh_token: Option<Secret>,
    /// What the token is to be good for, as the provider names it.
    pub scope: Option<String>,
    /// PEM file of further certificate authorities, for a token service with a private one.
    pub ca_file: Option<PathBuf>,
}

impl OAuth2 {
    /// The command as a secret's place, where there is one.
    #[must_use]
    pub fn command(&self) -> Option<Secret> {
        self.command.clone().map(Secret::Command)
    }

    /// What of the keys does not go together, below `key`.
    #[must_use]
    pub fn problems(&self, key: &[String]) -> Vec<Problem> {
        const WAYS: &str = "allowed: command alone; or token_url and client_id with client_secret, with refresh_token, or with both";
        let problem = |last: &[&str], message: String| Problem { key: [key, &words(last)].concat(), message };
        let others = [
            ("token_url", self.token_url.is_some()),
            ("client_id", self.client_id.is_some()),
            ("client_secret", self.client_secret.is_some()),
            ("refresh_token", self.refresh_token.is_some()),
            ("scope", self.scope.is_some()),
            ("ca_file", self.ca_file.is_some()),
        ];
        let mut found = Vec::new();
        if self.command.is_some() {
            let beside = others.iter().filter(|(_, there)| *there);
            found.extend(beside.map(|(name, _)| problem(&[name], format!("stands beside command; {WAYS}"))));
            return found;
        }
        for (name, there) in &others[..2] {
            if !there {
                found.push(problem(&[], format!("{name} is missing; {WAYS}")));
            }
        }
        if self.client_secret.is_none() && self.refresh_token.is_none() {
            found.push(problem(&[], format!("client_secret or refresh_token is missing; {WAYS}")));
        }
        for (name, text) in [("client_id", &self.client_id), ("scope", &self.scope)] {
            if text.as_ref().is_some_and(|text| text.is_empty() || text.contains(char::is_control)) {
                found.push(problem(&[name], "is empty or holds control characters".to_owned()));
            }
        }
        found
    }
}

/// `https://…`, or `http://…` to this machine: what is sent there are secrets.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct TokenUrl {
    url: String,
    host: String,
}

impl TokenUrl {
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.url
    }

    /// With its port, where one is given.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }
}

impl fmt::Debug for TokenUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.host)
    }
}

impl TryFrom<String> for TokenUrl {
    type Error = String;
    fn try_from(url: String) -> Result<Self, String> {
        const ALLOWED: &str = "allowed: an https:// address, or http:// to this machine only";
        let (rest, plain) = match (url.strip_prefix("https://"), url.strip_prefix("http://")) {
            (Some(rest), _) => (rest, false),
            (None, Some(rest)) => (rest, true),
            (None, None) => return Err(format!("is no address of the web; {ALLOWED}")),
        };
        let host = rest.split(['/', '?', '#']).next().unwrap_or_default().to_owned();
        // Not repeated as it is: somebody may have written a password into it.
        if host.is_empty()
            || host.contains('@')
            || url.contains(|c: char| c.is_whitespace() || c.is_control())
        {
            return Err(format!("has no host, or a user, or blanks in it; {ALLOWED}"));
        }
        if plain && !is_here(&host) {
            return Err(format!("secrets would go in the clear; {ALLOWED}"));
        }
        Ok(Self { url, host })
    }
}

/// Whether `HOST` or `HOST:PORT` is this machine.
fn is_here(host: &str) -> bool {
    let bare = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((v6, _)) => v6,
        None => host.split(':').next().unwrap_or_default(),
    };
    bare.eq_ignore_ascii_case("localhost")
        || bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

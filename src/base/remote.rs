//! Where a git repository comes from. Parsed once, so that no URL becomes an option or a program, and so that a
//! credential written into one is never seen again where the URL is shown, stored or passed on.

use serde::Deserialize;
use std::fmt;
use std::path::Path;
use std::str::FromStr;

/// Why a text is no git URL. Never repeats the text, which may hold a password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotARemote(&'static str);

impl fmt::Display for NotARemote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "not a git URL: {}; allowed: https://HOST/PATH, ssh://USER@HOST/PATH, USER@HOST:PATH, file:///PATH, /PATH",
            self.0
        )
    }
}

impl std::error::Error for NotARemote {}

/// User and password from an `https://USER:PASSWORD@…` URL, percent-decoded.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    pub user: String,
    pub password: Option<String>,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials(…)")
    }
}

/// A git remote: a URL, an `ssh` short form, or an absolute path.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Remote {
    /// Without credentials.
    public: String,
    credentials: Option<Credentials>,
}

impl Remote {
    /// The URL without credentials: what may be shown, stored and stand in an argument list.
    #[must_use]
    pub fn public(&self) -> &str {
        &self.public
    }

    /// What an http URL carried before its host.
    #[must_use]
    pub fn credentials(&self) -> Option<&Credentials> {
        self.credentials.as_ref()
    }

    /// Whether the URL as written holds what others must not read: a password, or a user name long enough to be a
    /// token.
    #[must_use]
    pub fn has_secret(&self) -> bool {
        self.credentials.as_ref().is_some_and(|found| found.password.is_some() || found.user.len() >= 20)
    }

    /// `https://HOST[:PORT]`, which is what credentials belong to.
    #[must_use]
    pub fn origin(&self) -> Option<&str> {
        let after = self.public.find("://")? + 3;
        let end = self.public[after..].find('/').map_or(self.public.len(), |at| after + at);
        Some(&self.public[..end])
    }

    /// `~/PATH` below `home`; any other remote stays as it is.
    #[must_use]
    pub fn below_home(mut self, home: &Path) -> Self {
        if let Some(rest) = self.public.strip_prefix("~/") {
            self.public = home.join(rest).to_string_lossy().into_owned();
        }
        self
    }
}

impl FromStr for Remote {
    type Err = NotARemote;
    fn from_str(text: &str) -> Result<Self, NotARemote> {
        if text.is_empty() || text.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return Err(NotARemote("it is empty or holds white space"));
        }
        if text.starts_with('/') || text.starts_with("~/") {
            return Ok(Self { public: text.to_owned(), credentials: None });
        }
        match text.split_once("://") {
            Some((scheme, rest)) => url(scheme, rest),
            None => short(text),
        }
    }
}

fn url(scheme: &str, rest: &str) -> Result<Remote, NotARemote> {
    let (authority, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
    let (userinfo, host) = match authority.rsplit_once('@') {
        Some((userinfo, host)) => (Some(userinfo), host),
        None => (None, authority),
    };
    if host.starts_with('-') || userinfo.is_some_and(|user| user.starts_with('-')) {
        return Err(NotARemote("it begins like an option"));
    }
    let public = format!("{scheme}://{host}{path}");
    match (scheme, userinfo) {
        ("file", None) if authority.is_empty() => Ok(Remote { public, credentials: None }),
        ("file", _) => Err(NotARemote("a file URL has no host")),
        _ if host.is_empty() => Err(NotARemote("it has no host")),
        ("https" | "http" | "git" | "ssh", None) => Ok(Remote { public, credentials: None }),
        ("https", Some(userinfo)) => Ok(Remote { public, credentials: Some(credentials(userinfo)?) }),
        ("http", Some(userinfo)) if is_loopback(host) => {
            Ok(Remote { public, credentials: Some(credentials(userinfo)?) })
        }
        ("http", Some(_)) => Err(NotARemote("credentials do not go over plain http")),
        ("ssh", Some(user)) if user.contains(':') => Err(NotARemote("ssh takes no password from a URL")),
        ("ssh", Some(user)) => Ok(Remote { public: format!("ssh://{user}@{host}{path}"), credentials: None }),
        ("git", Some(_)) => Err(NotARemote("the git protocol has no users")),
        _ => Err(NotARemote("its scheme is not known")),
    }
}

/// `[USER@]HOST:PATH`, which git takes as ssh. `HELPER::ADDRESS` would run a program.
fn short(text: &str) -> Result<Remote, NotARemote> {
    let (before, path) =
        text.split_once(':').ok_or(NotARemote("it is neither a URL nor an absolute path"))?;
    if before.contains('/') {
        return Err(NotARemote("it is neither a URL nor an absolute path"));
    }
    if before.is_empty() || path.is_empty() || path.starts_with(':') {
        return Err(NotARemote("it names no host or no path"));
    }
    let host = before.rsplit_once('@').map_or(before, |(_, host)| host);
    if before.starts_with('-') || host.starts_with('-') || host.is_empty() {
        return Err(NotARemote("it begins like an option"));
    }
    Ok(Remote { public: text.to_owned(), credentials: None })
}

fn is_loopback(host: &str) -> bool {
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    name == "localhost"
        || name == "[::1]"
        || name.parse::<std::net::Ipv4Addr>().is_ok_and(|ip| ip.is_loopback())
}

fn credentials(userinfo: &str) -> Result<Credentials, NotARemote> {
    let (user, password) = match userinfo.split_once(':') {
        Some((user, password)) => (user, Some(decode(password)?)),
        None => (userinfo, None),
    };
    Ok(Credentials { user: decode(user)?, password })
}

fn decode(text: &str) -> Result<String, NotARemote> {
    const WRONG: NotARemote = NotARemote("its user or password is not well encoded");
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || char::from(rest.next()?).to_digit(16);
        let (high, low) = (digit().ok_or(WRONG)?, digit().ok_or(WRONG)?);
        bytes.push(u8::try_from(high * 16 + low).map_err(|_| WRONG)?);
    }
    let decoded = String::from_utf8(bytes).map_err(|_| WRONG)?;
    if decoded.chars().any(char::is_control) { Err(WRONG) } else { Ok(decoded) }
}

impl TryFrom<String> for Remote {
    type Error = NotARemote;
    fn try_from(text: String) -> Result<Self, NotARemote> {
        text.parse()
    }
}

impl fmt::Display for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.public)
    }
}

//! Host names in their one canonical form.

use crate::base::pattern::Pattern;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Why a text is no host name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotAHost(String);

impl fmt::Display for NotAHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:?} is not a host name: letters, digits and '-' between dots, like api.example.com, with neither scheme nor port nor path",
            self.0
        )
    }
}

impl std::error::Error for NotAHost {}

/// A DNS host name in lower case, without a trailing dot and without a port (RFC 1123 section 2.1;
/// underscores are let through since they are in use). Never an address literal.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HostName(String);

impl HostName {
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Whether two names of one domain, in Unicode or as `xn--…` (RFC 5890), are the same.
#[must_use]
pub fn same_domain(one: &str, other: &str) -> bool {
    let is_plain = |name: &str| name.is_ascii() && !name.to_ascii_lowercase().contains("xn--");
    if one.eq_ignore_ascii_case(other) {
        return true;
    }
    if is_plain(one) && is_plain(other) {
        return false;
    }
    canonical(one).is_some_and(|one| canonical(other) == Some(one))
}

/// With `xn--`. A name that would first be mapped to another, like one in full-width letters, has no such form.
fn canonical(name: &str) -> Option<String> {
    let name = name.to_lowercase();
    let ascii = idna::domain_to_ascii(&name).ok()?;
    let is_itself = name.is_ascii() || idna::domain_to_unicode(&ascii).0 == name;
    is_itself.then_some(ascii)
}

fn label(text: &str) -> bool {
    (1..=63).contains(&text.len())
        && !text.starts_with('-')
        && !text.ends_with('-')
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

impl FromStr for HostName {
    type Err = NotAHost;
    fn from_str(text: &str) -> Result<Self, NotAHost> {
        let name = text.to_ascii_lowercase();
        // A last label of digits is an address to some readers (`127.1`, `0x7f.1`), a name to others.
        let last = name.rsplit('.').next().unwrap_or_default();
        let numeric = last.bytes().all(|b| b.is_ascii_digit()) || last.starts_with("0x");
        if name.len() <= 253 && name.split('.').all(label) && !numeric {
            Ok(Self(name))
        } else {
            Err(NotAHost(text.chars().take(80).collect()))
        }
    }
}

impl TryFrom<String> for HostName {
    type Error = NotAHost;
    fn try_from(text: String) -> Result<Self, NotAHost> {
        text.parse()
    }
}

impl From<HostName> for String {
    fn from(host: HostName) -> String {
        host.0
    }
}

impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Which hosts a rule is about: a name, `*.example.com` for every host below it (not itself), or another shell
/// pattern; matched against the canonical name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HostPattern(Pattern);

impl HostPattern {
    #[must_use]
    pub fn matches(&self, host: &HostName) -> bool {
        self.0.matches(host.as_str())
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// Whether it stands for one host only.
    #[must_use]
    pub fn is_literal(&self) -> bool {
        self.0.is_literal()
    }
}

impl FromStr for HostPattern {
    type Err = NotAHost;
    fn from_str(text: &str) -> Result<Self, NotAHost> {
        // With every wildcard replaced by a letter it has to be a name: no ports, no schemes, no paths, no addresses.
        let is_name = text.replace(['*', '?'], "x").parse::<HostName>().is_ok();
        if is_name {
            Ok(Self(Pattern::new(&text.to_ascii_lowercase())))
        } else {
            Err(NotAHost(text.chars().take(80).collect()))
        }
    }
}

impl TryFrom<String> for HostPattern {
    type Error = NotAHost;
    fn try_from(text: String) -> Result<Self, NotAHost> {
        text.parse()
    }
}

impl From<HostPattern> for String {
    fn from(pattern: HostPattern) -> String {
        pattern.to_string()
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

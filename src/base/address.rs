//! Mail addresses, and the patterns of who may write.

use crate::base::host::same_domain;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Why a text is no address or pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotAnAddress(String);

impl fmt::Display for NotAnAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:?} is not a mail address: one local part, '@' and a domain, like you@example.com",
            self.0
        )
    }
}

impl std::error::Error for NotAnAddress {}

/// One address, `local@domain`, in lower case: addresses are compared without case everywhere in airut
/// (RFC 5321 section 2.4 lets the local part be sensitive; no provider in use makes it so).
///
/// Only the dot-atom form (RFC 5322 section 3.4.1, with the UTF-8 of RFC 6532): quoted local parts and
/// address literals are refused, since two programs seldom read them alike.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Address {
    local: String,
    domain: String,
}

impl Address {
    #[must_use]
    pub fn local(&self) -> &str {
        &self.local
    }

    #[must_use]
    pub fn domain(&self) -> &str {
        &self.domain
    }

    /// The part of `local` after the first `+`, if any: `user+opus@…` → `opus`.
    #[must_use]
    pub fn tag(&self) -> Option<&str> {
        self.local.split_once('+').map(|(_, tag)| tag).filter(|tag| !tag.is_empty())
    }

    /// The address without its `+tag`.
    #[must_use]
    pub fn untagged(&self) -> Address {
        let local = self.local.split('+').next().unwrap_or_default();
        Address { local: local.to_owned(), domain: self.domain.clone() }
    }
}

fn atext(c: char) -> bool {
    c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c) || (!c.is_ascii() && plain_unicode(c))
}

/// Whether a character outside ASCII is seen as itself: not a mark that nobody sees, not the sign of bytes that
/// could not be read, and not one that becomes an ASCII letter in lower case (the Kelvin sign).
fn plain_unicode(c: char) -> bool {
    let unseen = matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{fff0}'..='\u{ffff}'
        | '\u{e0000}'..='\u{effff}');
    !unseen && !c.is_control() && !c.is_whitespace() && !c.to_lowercase().any(|lower| lower.is_ascii())
}

fn dot_atom(text: &str, one: fn(char) -> bool) -> bool {
    text.split('.').all(|atom| !atom.is_empty() && atom.chars().all(one))
}

fn label_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '-' || (!c.is_ascii() && c.is_alphanumeric() && plain_unicode(c))
}

fn is_domain(text: &str) -> bool {
    text.len() <= 253
        && dot_atom(text, label_char)
        && text.split('.').all(|label| label.len() <= 63 && !label.starts_with('-') && !label.ends_with('-'))
}

impl FromStr for Address {
    type Err = NotAnAddress;
    fn from_str(text: &str) -> Result<Self, NotAnAddress> {
        let refuse = || NotAnAddress(text.chars().take(80).collect());
        let (local, domain) = text.split_once('@').ok_or_else(refuse)?;
        if local.len() <= 64 && dot_atom(local, atext) && is_domain(domain) {
            Ok(Self { local: local.to_lowercase(), domain: domain.to_lowercase() })
        } else {
            Err(refuse())
        }
    }
}

impl TryFrom<String> for Address {
    type Error = NotAnAddress;
    fn try_from(text: String) -> Result<Self, NotAnAddress> {
        text.parse()
    }
}

impl From<Address> for String {
    fn from(address: Address) -> String {
        address.to_string()
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.local, self.domain)
    }
}

/// Who may write: `you@example.com`, or `*@example.com` for everyone of exactly that domain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum SenderPattern {
    One(Address),
    Domain(String),
}

impl SenderPattern {
    #[must_use]
    pub fn matches(&self, address: &Address) -> bool {
        match self {
            Self::One(one) => one.local == address.local && same_domain(&one.domain, &address.domain),
            Self::Domain(domain) => same_domain(domain, &address.domain),
        }
    }
}

impl FromStr for SenderPattern {
    type Err = NotAnAddress;
    fn from_str(text: &str) -> Result<Self, NotAnAddress> {
        match text.strip_prefix("*@") {
            Some(domain) if is_domain(domain) => Ok(Self::Domain(domain.to_lowercase())),
            Some(_) => Err(NotAnAddress(text.chars().take(80).collect())),
            None if text.contains('*') => Err(NotAnAddress(text.chars().take(80).collect())),
            None => text.parse().map(Self::One),
        }
    }
}

impl TryFrom<String> for SenderPattern {
    type Error = NotAnAddress;
    fn try_from(text: String) -> Result<Self, NotAnAddress> {
        text.parse()
    }
}

impl From<SenderPattern> for String {
    fn from(pattern: SenderPattern) -> String {
        pattern.to_string()
    }
}

impl fmt::Display for SenderPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::One(address) => address.fmt(f),
            Self::Domain(domain) => write!(f, "*@{domain}"),
        }
    }
}

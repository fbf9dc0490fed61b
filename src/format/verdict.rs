//! `KEY.json` beside a message: who wrote it, whether it is taken, and each check with what it saw.

use crate::base::address::Address;
use crate::base::id::MessageKey;
use crate::base::limits;
use crate::format::version::Versioned;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The format this program writes.
pub const FORMAT: u32 = 1;

/// What was decided about one message, and why. Checks stand in the order they were made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    pub format: u32,
    /// Of which message; none while none is at hand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<MessageKey>,
    pub decision: Decision,
    /// Why it was not accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// The one address of `From`, if it could be read. Believed only where the decision is `Accepted`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Address>,
    pub decided_at: Timestamp,
    pub checks: Vec<Check>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    Accepted,
    Refused,
    /// The mail server could not tell yet (a `temperror`); the message is kept.
    TryLater,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The header block or `From` cannot be read in one way only.
    Malformed,
    /// The own mail server does not vouch for `From`.
    Unauthenticated,
    /// Not on the allowlist.
    Unauthorized,
    /// Written by a program, or by airut itself: answering could go round for ever.
    Automatic,
    /// Taken before.
    Duplicate,
    TooLarge,
    /// By its server's stamp, or by its own signed date.
    TooOld,
    /// The server's check ended in a passing error.
    Unsettled,
    /// Beyond a limit of the configuration.
    Limit,
    /// Let in, and whatever was tried with it failed.
    Failing,
}

/// One check, with what it saw and what it wanted to see.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    pub name: String,
    pub passed: Passed,
    #[serde(default)]
    pub saw: String,
    #[serde(default)]
    pub wanted: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Passed {
    Passed,
    Failed,
    /// Cannot be told now.
    Later,
    /// Not made, since one before it had failed.
    Skipped,
}

impl Check {
    /// `saw` is cut and stripped of control characters: it comes from the message.
    #[must_use]
    pub fn new(name: &str, passed: Passed, saw: &str, wanted: impl Into<String>) -> Self {
        Self { name: name.to_owned(), passed, saw: shown(saw), wanted: wanted.into() }
    }
}

impl Versioned for Verdict {
    const FORMAT: u32 = FORMAT;
    fn format(&self) -> u32 {
        self.format
    }
}

impl Verdict {
    /// A message that could not be judged by its headers at all: nothing of it is believed.
    #[must_use]
    pub fn refused(reason: Reason, check: Check, decided_at: Timestamp) -> Self {
        let checks = vec![check];
        Self {
            format: FORMAT,
            key: None,
            decision: Decision::Refused,
            reason: Some(reason),
            from: None,
            decided_at,
            checks,
        }
    }
}

/// A text from a message, safe to print: one line, no control characters, not longer than its limit.
#[must_use]
pub fn shown(text: &str) -> String {
    let mut shown: String =
        text.chars().take(limits::SAW_CHARS).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.chars().nth(limits::SAW_CHARS).is_some() {
        shown.push('…');
    }
    shown
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed => "malformed",
            Self::Unauthenticated => "unauthenticated",
            Self::Unauthorized => "unauthorized",
            Self::Automatic => "automatic",
            Self::Duplicate => "duplicate",
            Self::TooLarge => "too large",
            Self::TooOld => "too old",
            Self::Unsettled => "unsettled",
            Self::Limit => "beyond a limit",
            Self::Failing => "could not be worked on",
        })
    }
}

//! The names of things, each parsed once at the door: what holds one of these is known to be well formed,
//! so that no name from a mail can become a path, an option or a tag of something else.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Why a text is not the name it was taken for; says what is allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotAName {
    what: &'static str,
    got: String,
    allowed: &'static str,
}

impl fmt::Display for NotAName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown: String = self.got.chars().take(60).collect();
        write!(f, "{:?} is not a {}: {}", shown, self.what, self.allowed)
    }
}

impl std::error::Error for NotAName {}

/// A validated word with `FromStr`, `Display` and serde through its text.
macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $what:literal, $allowed:literal, $test:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = NotAName;
            fn from_str(text: &str) -> Result<Self, NotAName> {
                let test: fn(&str) -> bool = $test;
                if test(text) {
                    Ok(Self(text.to_owned()))
                } else {
                    Err(NotAName { what: $what, got: text.to_owned(), allowed: $allowed })
                }
            }
        }

        impl TryFrom<String> for $name {
            type Error = NotAName;
            fn try_from(text: String) -> Result<Self, NotAName> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

fn lower_hex(text: &str, len: usize) -> bool {
    text.len() == len && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

fn word(text: &str, first: fn(u8) -> bool, rest: fn(u8) -> bool, max: usize) -> bool {
    let bytes = text.as_bytes();
    !bytes.is_empty() && bytes.len() <= max && first(bytes[0]) && bytes[1..].iter().all(|&b| rest(b))
}

name!(
    /// One mail conversation: eight lower-case hex digits.
    SessionId, "session ID", "eight lower-case hex digits, like 3fa9c1d2",
    |text| lower_hex(text, 8)
);

name!(
    /// One inbound mail: the first 32 hex digits of the SHA-256 of its bytes as received, so that a mail
    /// fetched again has the same name.
    MessageKey, "message key", "32 lower-case hex digits",
    |text| lower_hex(text, 32)
);

name!(
    /// The name of a configured repository, `[repos.NAME]`. It stands in container names, labels and paths.
    RepoName, "repository name", "1 to 40 of a-z, 0-9, '-' and '_', beginning with a letter or digit",
    |text| word(
        text,
        |b| b.is_ascii_lowercase() || b.is_ascii_digit(),
        |b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_',
        40
    )
);

name!(
    /// A model as Claude Code's `--model` takes it. The grammar keeps an address like `user+--resume@` from
    /// becoming an option.
    Model, "model", "1 to 64 of a-z, 0-9, '-' and '.', beginning with a letter or digit, like opus",
    |text| word(
        text,
        |b| b.is_ascii_lowercase() || b.is_ascii_digit(),
        |b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'.',
        64
    )
);

impl Default for Model {
    /// What a repository gets that names none.
    fn default() -> Self {
        Self("opus".to_owned())
    }
}

name!(
    /// The name of an environment variable or a secret.
    VarName, "variable name", "1 to 128 of A-Z, a-z, 0-9 and '_', not beginning with a digit",
    |text| word(
        text,
        |b| b.is_ascii_alphabetic() || b == b'_',
        |b| b.is_ascii_alphanumeric() || b == b'_',
        128
    )
);

/// One message's execution within a session: `3fa9c1d2.1`. Tasks are numbered from 1.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TaskId {
    pub session: SessionId,
    pub number: u32,
}

impl FromStr for TaskId {
    type Err = NotAName;
    fn from_str(text: &str) -> Result<Self, NotAName> {
        let refuse = || NotAName {
            what: "task",
            got: text.to_owned(),
            allowed: "a session ID, a dot and a number from 1, like 3fa9c1d2.1",
        };
        let (session, number) = text.split_once('.').ok_or_else(refuse)?;
        let plain = !number.starts_with(['0', '+']);
        match (session.parse(), number.parse()) {
            (Ok(session), Ok(number)) if plain && number > 0 => Ok(Self { session, number }),
            _ => Err(refuse()),
        }
    }
}

impl TryFrom<String> for TaskId {
    type Error = NotAName;
    fn try_from(text: String) -> Result<Self, NotAName> {
        text.parse()
    }
}

impl From<TaskId> for String {
    fn from(task: TaskId) -> String {
        task.to_string()
    }
}

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.session, self.number)
    }
}

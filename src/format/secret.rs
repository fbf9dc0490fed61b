//! Where a secret comes from. The value itself is read only by the step that needs it (`tool/secret.rs`).

use serde::Deserialize;
use std::fmt;
use std::path::PathBuf;

/// A secret in the operator's file: a string, or a place to read it from.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "Written")]
pub enum Secret {
    /// Stands in the file itself; the file must then be readable by its owner only.
    Literal(String),
    /// `{ env = "NAME" }`
    Env(String),
    /// `{ file = "PATH" }`; one trailing newline is dropped.
    File(PathBuf),
    /// `{ command = ["pass", "show", "x"] }`: what it prints, without one trailing newline.
    Command(Vec<String>),
    /// `{ credential = "NAME" }`: a systemd credential, a file below `$CREDENTIALS_DIRECTORY`.
    Credential(String),
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Literal(_) => f.write_str("Literal(…)"),
            Self::Env(name) => write!(f, "Env({name})"),
            Self::File(path) => write!(f, "File({})", path.display()),
            Self::Command(argv) => write!(f, "Command({})", argv.first().map_or("", String::as_str)),
            Self::Credential(name) => write!(f, "Credential({name})"),
        }
    }
}

#[derive(Deserialize)]
#[serde(
    untagged,
    expecting = "a secret is a string, or { env = \"NAME\" }, { file = \"PATH\" }, { command = [\"…\"] } or { credential = \"NAME\" }"
)]
enum Written {
    Literal(String),
    Place(Place),
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
enum Place {
    Env(String),
    File(PathBuf),
    Command(Vec<String>),
    Credential(String),
}

impl From<Written> for Secret {
    fn from(written: Written) -> Self {
        match written {
            Written::Literal(text) => Self::Literal(text),
            Written::Place(Place::Env(name)) => Self::Env(name),
            Written::Place(Place::File(path)) => Self::File(path),
            Written::Place(Place::Command(argv)) => Self::Command(argv),
            Written::Place(Place::Credential(name)) => Self::Credential(name),
        }
    }
}

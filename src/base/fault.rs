//! The few kinds of failure that a caller acts on. Everything else is a plain `anyhow` error.

use crate::base::shortage::Shortage;
use std::fmt;

/// What a failure asks of whoever runs the command; `cli/exit.rs` turns it into an exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The command line asked for something that cannot be.
    Usage,
    /// Busy, or the other side is away: the same command may succeed later.
    TryLater,
    /// The configuration has to be mended first.
    Config,
    /// A newer airut wrote the file; nothing was changed.
    TooNew,
    /// The machine lacks something: the same can be done when it has it.
    Short(Shortage),
    /// Anything else.
    Failed,
}

/// A failure with its kind, one sentence for people and, where there is one, the next step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    pub kind: Kind,
    pub message: String,
    pub hint: Option<String>,
}

impl Fault {
    #[must_use]
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(Kind::Usage, message)
    }

    #[must_use]
    pub fn try_later(message: impl Into<String>) -> Self {
        Self::new(Kind::TryLater, message)
    }

    #[must_use]
    pub fn config(message: impl Into<String>) -> Self {
        Self::new(Kind::Config, message)
    }

    #[must_use]
    pub fn failed(message: impl Into<String>) -> Self {
        Self::new(Kind::Failed, message)
    }

    #[must_use]
    pub fn too_new(message: impl Into<String>) -> Self {
        Self::new(Kind::TooNew, message)
    }

    #[must_use]
    pub fn short(shortage: Shortage, message: impl Into<String>) -> Self {
        Self::new(Kind::Short(shortage), message).hint(shortage.hint())
    }

    fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), hint: None }
    }

    /// Adds what to do next.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Fault {}

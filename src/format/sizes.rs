//! `sizes.json`: what each session takes on the disk, as `gc` measured it. Only what changed since is measured anew;
//! without the file everything is.

use crate::base::id::SessionId;
use crate::format::version::Versioned;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sizes {
    pub format: u32,
    pub sessions: Vec<Measured>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Measured {
    pub session: SessionId,
    /// The session's last activity at that time.
    pub active_at: Timestamp,
    pub bytes: u64,
}

impl Default for Sizes {
    fn default() -> Self {
        Self { format: Self::FORMAT, sessions: Vec::new() }
    }
}

impl Sizes {
    #[must_use]
    pub fn total_bytes(&self) -> u64 {
        self.sessions.iter().fold(0, |sum, measured| sum.saturating_add(measured.bytes))
    }
}

impl Versioned for Sizes {
    const FORMAT: u32 = 1;
    fn format(&self) -> u32 {
        self.format
    }
}

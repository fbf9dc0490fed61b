//! `images/HASH.json`: when the image of that content was last built. Whether Podman still has it, Podman says.

use crate::format::version::Versioned;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Image {
    pub format: u32,
    pub built_at: Timestamp,
    pub used_at: Timestamp,
    /// When building it anew last failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed_at: Option<Timestamp>,
}

impl Versioned for Image {
    const FORMAT: u32 = 1;
    fn format(&self) -> u32 {
        self.format
    }
}

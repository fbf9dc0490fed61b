//! `mailbox.json`: mails that are stored here and not yet removed from the IMAP mailbox, so that a crash between
//! the two costs no second download.

use crate::format::version::Versioned;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mailbox {
    pub format: u32,
    /// RFC 9051 section 2.3.1.1: UIDs mean nothing under another value.
    pub uid_validity: u32,
    pub stored: BTreeSet<u32>,
}

impl Versioned for Mailbox {
    const FORMAT: u32 = 1;
    fn format(&self) -> u32 {
        self.format
    }
}

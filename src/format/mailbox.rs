//! `mailbox.json`: mails that are stored here and not yet removed from the IMAP mailbox, so that a crash between
//! the two costs no second download.

use crate::format::version::Versioned;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mailbox {
    pub format: u32,
    /// RFC 9051 section 2.3.1.1: UIDs mean nothing under another value.
    pub uid_validity: u32,
    pub stored: BTreeSet<u32>,
    /// How often each of these could not be fetched.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub failures: BTreeMap<u32, u32>,
    /// Those that could not too often: they stay in the mailbox and are not tried again.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub set_aside: BTreeSet<u32>,
}

impl Mailbox {
    /// Forgets what is not in the mailbox any more.
    pub fn retain(&mut self, there: &BTreeSet<u32>) {
        self.stored.retain(|uid| there.contains(uid));
        self.failures.retain(|uid, _| there.contains(uid));
        self.set_aside.retain(|uid| there.contains(uid));
    }

    /// One failure more; true where that sets it aside.
    pub fn fail(&mut self, uid: u32, most: u32) -> bool {
        let failures = self.failures.entry(uid).or_default();
        *failures += 1;
        if *failures < most {
            return false;
        }
        self.failures.remove(&uid);
        self.set_aside.insert(uid)
    }
}

impl Versioned for Mailbox {
    const FORMAT: u32 = 1;
    fn format(&self) -> u32 {
        self.format
    }
}

//! The accounts of senders, sessions and the repository: read, and changed under one lock.

use crate::base::address::Address;
use crate::base::id::SessionId;
use crate::base::limits;
use crate::base::shortage::Shortage;
use crate::disk::layout::{Layout, hex};
use crate::disk::lock::Lock;
use crate::disk::write;
use crate::format::account::Account;
use anyhow::Result;
use jiff::Timestamp;
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};

/// Whose account.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Holder {
    Session(SessionId),
    /// By whichever tag of theirs.
    Sender(Address),
    Repo,
}

/// As it stands at `now`; one that nobody wrote yet, or that is damaged, is empty: it must not hold up mail.
///
/// # Errors
/// Where it cannot be read now; what stands in it would be lost.
pub fn read(layout: &Layout, holder: &Holder, now: Timestamp) -> Result<Account> {
    load(&path(layout, holder), now)
}

/// Reads, changes and writes. A power cut may lose the last change, which then was not counted.
pub fn update<T>(
    layout: &Layout,
    holder: &Holder,
    now: Timestamp,
    change: impl FnOnce(&mut Account) -> T,
) -> Result<T> {
    let path = path(layout, holder);
    let _lock = Lock::exclusive(&layout.lock("accounts"), limits::LOCK_WAIT, "the accounts")?;
    let mut account = load(&path, now)?;
    let result = change(&mut account);
    write::json_unsynced(&path, &account)?;
    Ok(result)
}

fn load(path: &Path, now: Timestamp) -> Result<Account> {
    match write::read_json::<Account>(path) {
        Err(error) if Shortage::of(&error).is_some() => Err(error),
        read => Ok(read.ok().flatten().unwrap_or_default().at(now)),
    }
}

fn path(layout: &Layout, holder: &Holder) -> PathBuf {
    match holder {
        Holder::Session(id) => layout.session(id).join("account.json"),
        // An address may hold what a file name may not.
        Holder::Sender(address) => {
            let hash = hex(&Sha256::digest(address.untagged().to_string()));
            layout.accounts().join(format!("{}.json", &hash[..32]))
        }
        Holder::Repo => layout.accounts().join("repo.json"),
    }
}

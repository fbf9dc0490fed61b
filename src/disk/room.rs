//! Room on the disk.

use crate::base::fault::Fault;
use anyhow::{Context, Result};
use std::path::Path;

/// Bytes that may still be written there.
pub fn free_bytes(path: &Path) -> Result<u64> {
    let found = rustix::fs::statvfs(path).with_context(|| format!("cannot look at {}", path.display()))?;
    Ok(found.f_bavail.saturating_mul(found.f_frsize))
}

/// Whether something new may be taken in: what is under way already gets the last of the room.
///
/// # Errors
/// To be tried later, where less than the reserve is free.
pub fn check(path: &Path, reserve_bytes: u64) -> Result<()> {
    let free = free_bytes(path)?;
    if free >= reserve_bytes {
        return Ok(());
    }
    let why = format!(
        "nothing new is taken in: {} MB are free in {}, and {} MB are kept in reserve",
        free >> 20,
        path.display(),
        reserve_bytes >> 20
    );
    Err(Fault::try_later(why)
        .hint("make room there (airut gc removes what has had its time), or lower `reserve`")
        .into())
}

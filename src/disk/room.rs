//! Room on the disk.

use crate::base::fault::Fault;
use crate::base::limits;
use crate::base::shortage::Shortage;
use crate::disk::crash;
use anyhow::{Context, Result};
use rustix::fs::{FallocateFlags, fallocate};
use rustix::io::Errno;
use std::fs::File;
use std::path::Path;

/// Bytes that may still be written there.
pub fn free_bytes(path: &Path) -> Result<u64> {
    let found = rustix::fs::statvfs(path).with_context(|| format!("cannot look at {}", path.display()))?;
    Ok(found.f_bavail.saturating_mul(found.f_frsize))
}

/// What the disk there lacks as it is now: for programs that do not say it.
pub fn lacks(path: &Path) -> Option<Shortage> {
    let found = rustix::fs::statvfs(path).ok()?;
    // Some file systems have no number of files, and say 0 of 0.
    let is_full =
        found.f_bavail * found.f_frsize < limits::FULL_BYTES || found.f_files > 0 && found.f_favail == 0;
    is_full.then_some(Shortage::Room)
}

/// Room that nobody else gets: files without names, gone with who holds them.
#[derive(Debug)]
pub struct Held {
    _files: Vec<File>,
}

/// Holds what recording the outcome of a run takes, bytes and files alike.
///
/// # Errors
/// Where there is not even as much.
pub fn hold(dir: &Path) -> Result<Held> {
    let held = || -> std::io::Result<Vec<File>> {
        let found = rustix::fs::statvfs(dir)?;
        // A file costs time to make; where there are that many, no run uses them up.
        let are_plenty = found.f_files == 0 || found.f_favail >= limits::PLENTY_FILES;
        let count = if are_plenty { 1 } else { limits::HELD_FILES };
        let file = || {
            crash::failing("hold room")?;
            let file = tempfile::tempfile_in(dir)?;
            match fallocate(&file, FallocateFlags::empty(), 0, limits::HELD_BYTES / count) {
                // Not every file system can; then this is less certain, and no reason not to run.
                Ok(()) | Err(Errno::OPNOTSUPP) => Ok(file),
                Err(error) => Err(error.into()),
            }
        };
        (0..count).map(|_| file()).collect()
    };
    let files =
        held().with_context(|| format!("there is no room for a run's outcome in {}", dir.display()))?;
    Ok(Held { _files: files })
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

//! Copies a mirror's objects so that the copy shares nothing with it: no links, no alternates. Where the file
//! system can clone (btrfs, XFS), the kernel does, and the copy costs neither time nor space.

use anyhow::{Context, Result};
use std::ffi::OsStr;
use std::fs::DirEntry;
use std::path::Path;

/// Copies the object directory `from` into `to`. Not synced.
pub fn objects(from: &Path, to: &Path) -> Result<()> {
    for entry in std::fs::read_dir(from).with_context(|| format!("cannot read {}", from.display()))? {
        let entry = entry.with_context(|| format!("cannot read {}", from.display()))?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        let kind = entry.file_type()?;
        if kind.is_dir() && !is_passing(&entry.file_name()) {
            objects(&source, &target)?;
        } else if kind.is_file() && is_wanted(&entry) {
            // Not one that would be empty.
            std::fs::create_dir_all(to).with_context(|| format!("cannot make {}", to.display()))?;
            // The kernel's copy: on file systems that can, a clone of the extents.
            std::fs::copy(&source, &target)
                .with_context(|| format!("cannot copy {} to {}", source.display(), target.display()))?;
        }
    }
    Ok(())
}

/// What an interrupted git left.
fn is_passing(name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    name.starts_with("tmp_") || name.starts_with("incoming")
}

/// Bitmaps serve those who answer fetches; a keep file says that somebody writes; alternates would share.
fn is_wanted(entry: &DirEntry) -> bool {
    let name = entry.file_name();
    let name = name.to_string_lossy();
    let skipped = [".bitmap", ".keep", ".lock"].iter().any(|end| name.ends_with(end));
    !skipped && !is_passing(&entry.file_name()) && !name.contains("alternates")
}

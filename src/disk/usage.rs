//! What a directory tree takes on the disk. The tree may be an agent's: no link is followed, no other file system
//! entered, and however deep or wide it is, two directories are open at once at most. What cannot be looked at (a
//! directory of another user ID, say) is passed over.

use crate::base::limits;
use anyhow::{Context, Result};
use rustix::fd::AsFd;
use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, Stat};
use rustix::path::Arg;
use std::collections::HashSet;
use std::ffi::CString;
use std::path::Path;

/// Bytes of all blocks that are allocated to it, a file of several names once.
///
/// # Errors
/// Where the directory itself cannot be opened.
pub fn bytes(root: &Path) -> Result<u64> {
    let looked_at = || format!("cannot look at {}", root.display());
    let here = open(CWD, root).with_context(looked_at)?;
    let stat = here.stat().with_context(looked_at)?;
    let mut walk = Walk {
        device: stat.st_dev,
        bytes: allocated(&stat),
        several_names: HashSet::new(),
        entries: 0,
        name_bytes: 0,
    };
    walk.descend(here, &stat);
    Ok(walk.bytes)
}

fn open(above: impl AsFd, name: impl Arg) -> rustix::io::Result<Dir> {
    Dir::new(rustix::fs::openat(above, name, DIRECTORY, Mode::empty())?)
}

const DIRECTORY: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

struct Walk {
    device: u64,
    bytes: u64,
    /// Files with more than one name that were counted.
    several_names: HashSet<u64>,
    entries: usize,
    /// Of the directories that are still to be looked into.
    name_bytes: usize,
}

/// A directory between the root and where we are.
struct Level {
    inode: u64,
    /// Directories in it that were not looked into yet.
    todo: Vec<CString>,
}

impl Walk {
    fn descend(&mut self, mut here: Dir, stat: &Stat) {
        let mut level = Level { inode: stat.st_ino, todo: self.list(&mut here) };
        let mut above: Vec<Level> = Vec::new();
        loop {
            if let Some(name) = level.todo.pop() {
                self.name_bytes -= name.as_bytes().len();
                let Ok(mut below) = here.fd().and_then(|here| open(here, name)) else { continue };
                let Some(stat) = self.own(&below) else { continue };
                let todo = self.list(&mut below);
                // Only where there is more below: the way back may be barred from the others (mode 0400).
                if !todo.is_empty() {
                    above.push(std::mem::replace(&mut level, Level { inode: stat.st_ino, todo }));
                    here = below;
                }
                continue;
            }
            let Some(parent) = above.pop() else { return };
            let Ok(up) = here.fd().and_then(|here| open(here, c"..")) else { return };
            // Moved elsewhere by somebody who works in it: what was counted until now has to do.
            if self.own(&up).is_none_or(|stat| stat.st_ino != parent.inode) {
                return;
            }
            (here, level) = (up, parent);
        }
    }

    /// What an open directory is, if it lies on the same file system.
    fn own(&self, dir: &Dir) -> Option<Stat> {
        dir.stat().ok().filter(|stat| stat.st_dev == self.device)
    }

    /// Counts all that is in a directory, and returns the directories in it.
    fn list(&mut self, dir: &mut Dir) -> Vec<CString> {
        let mut todo = Vec::new();
        while let Some(Ok(entry)) = dir.read() {
            let name = entry.file_name();
            if name == c"." || name == c".." {
                continue;
            }
            self.entries += 1;
            if self.entries > limits::USAGE_ENTRIES {
                break;
            }
            let look = |dir| rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW);
            let Ok(stat) = dir.fd().and_then(look) else { continue };
            if stat.st_dev != self.device {
                continue;
            }
            let is_dir = FileType::from_raw_mode(stat.st_mode) == FileType::Directory;
            if is_dir || stat.st_nlink < 2 || self.several_names.insert(stat.st_ino) {
                self.bytes = self.bytes.saturating_add(allocated(&stat));
            }
            if is_dir && self.name_bytes < limits::USAGE_NAME_BYTES {
                self.name_bytes += name.to_bytes().len();
                todo.push(name.to_owned());
            }
        }
        todo
    }
}

/// POSIX leaves the unit open; on Linux it is 512 bytes, whatever the file system's blocks (stat(3type)).
fn allocated(stat: &Stat) -> u64 {
    u64::try_from(stat.st_blocks).unwrap_or_default().saturating_mul(512)
}

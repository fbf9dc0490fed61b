//! Writing that survives a power cut: write beside, sync the file, rename, sync the directory.
//! After any of these returns, the change is on disk; before, the old state stands whole.

use crate::base::limits;
use crate::disk::crash;
use crate::format::version::{Versioned, format_of, too_new};
use anyhow::{Context, Result, bail, ensure};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::time::SystemTime;

/// What a file is called before it has its name; a process that is killed leaves it so.
const UNFINISHED: &str = ".tmp-";

/// Whether a file of this name was never finished.
#[must_use]
pub fn is_unfinished(name: &str) -> bool {
    name.starts_with(UNFINISHED)
}

/// A new file that has no name of its own yet.
pub(in crate::disk) fn unfinished(beside: &Path) -> std::io::Result<tempfile::NamedTempFile> {
    crash::failing("write")?;
    tempfile::Builder::new().prefix(UNFINISHED).tempfile_in(beside)
}

/// What a directory is made with: it is its owner's only.
pub const DIR_MODE: u32 = 0o700;

/// Puts `bytes` at `path`, replacing what was there, readable by the owner only.
pub fn durable(path: &Path, bytes: &[u8]) -> Result<()> {
    durable_by_way_of(parent(path)?, path, bytes)
}

/// The same, written in `beside` first: for directories that are watched, where nothing half may be seen.
pub fn durable_by_way_of(beside: &Path, path: &Path, bytes: &[u8]) -> Result<()> {
    let write = || -> std::io::Result<()> {
        let mut file = unfinished(beside)?;
        file.write_all(bytes)?;
        stamp(file.as_file())?;
        crash::effect("write: sync the file")?;
        file.as_file().sync_all()?;
        crash::effect("write: rename")?;
        file.persist(path)?;
        Ok(())
    };
    write().with_context(|| format!("cannot write {}", path.display()))?;
    sync_dir(parent(path)?)
}

/// Moves a file or directory within one file system, replacing a file that was there.
pub fn rename(from: &Path, to: &Path) -> Result<()> {
    move_unsynced(from, to)?;
    sync_dir(parent(to)?)?;
    if parent(from)? != parent(to)? {
        sync_dir(parent(from)?)?;
    }
    Ok(())
}

pub(in crate::disk) fn move_unsynced(from: &Path, to: &Path) -> Result<()> {
    #[expect(clippy::disallowed_methods, reason = "this is the door")]
    crash::effect("rename")
        .and_then(|()| std::fs::rename(from, to))
        .with_context(|| format!("cannot move {} to {}", from.display(), to.display()))
}

/// The same for what another process may move first; false when it was gone.
pub fn rename_if_there(from: &Path, to: &Path) -> Result<bool> {
    match rename(from, to) {
        Err(_) if is_gone(from) && parent(to)?.is_dir() => Ok(false),
        other => other.map(|()| true),
    }
}

fn is_gone(path: &Path) -> bool {
    std::fs::symlink_metadata(path).is_err_and(|error| error.kind() == ErrorKind::NotFound)
}

/// Removes a file; that it was gone already is no error.
pub fn remove(path: &Path) -> Result<()> {
    match crash::effect("remove").and_then(|()| std::fs::remove_file(path)) {
        Ok(()) => sync_dir(parent(path)?),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error).with_context(|| format!("cannot remove {}", path.display())),
    }
}

/// Makes a directory for the owner only, with its parents; that it is there already is no error.
pub fn create_dir(path: &Path) -> Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    let above = path.parent().filter(|above| !above.as_os_str().is_empty());
    above.map_or(Ok(()), create_dir)?;
    match crash::effect("create_dir").and_then(|()| DirBuilder::new().mode(DIR_MODE).create(path)) {
        // What is stored in it is only as durable as its own name.
        Ok(()) => above.map_or(Ok(()), sync_dir),
        Err(error) if error.kind() == ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        Err(error) => Err(error).with_context(|| format!("cannot make the directory {}", path.display())),
    }
}

/// Makes an empty file unless there is one.
pub fn touch(path: &Path) -> Result<()> {
    let make = || OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    match crash::effect("touch").and_then(|()| make()) {
        Ok(file) => stamp(&file)
            .with_context(|| format!("cannot write {}", path.display()))
            .and_then(|()| sync_dir(parent(path)?)),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error).with_context(|| format!("cannot write {}", path.display())),
    }
}

/// Gives a file, made if need be, the present time. Not synced: for what a power cut may forget.
pub fn mark_time(path: &Path) -> Result<()> {
    let set = |file: File| file.set_modified(std::time::SystemTime::now());
    set(append(path)?).with_context(|| format!("cannot write {}", path.display()))
}

/// Writes a new file, whole or not at all, into a directory the agent may have had its hands on: never through a
/// link, never over what is there. It is written in `beside` first. False when the name is taken.
pub fn create_new(beside: &Path, path: &Path, bytes: &[u8]) -> Result<bool> {
    let write = || -> std::io::Result<bool> {
        let mut file = unfinished(beside)?;
        file.write_all(bytes)?;
        crash::effect("create_new: sync the file")?;
        file.as_file().sync_all()?;
        crash::effect("create_new: link")?;
        match file.persist_noclobber(path) {
            Ok(_) => Ok(true),
            Err(error) if error.error.kind() == ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(error.error),
        }
    };
    let written = write().with_context(|| format!("cannot write {}", path.display()))?;
    if written {
        sync_dir(parent(path)?)?;
    }
    Ok(written)
}

/// A file without a name, gone with who holds it, to be read from its beginning.
pub fn nameless(bytes: &[u8]) -> Result<File> {
    let make = || -> std::io::Result<File> {
        crash::failing("write without a name")?;
        let mut file = tempfile::tempfile()?;
        file.write_all(bytes)?;
        file.rewind()?;
        Ok(file)
    };
    make().context("cannot write a temporary file")
}

/// Opens a file of ours for appending, never through a link.
pub fn append(path: &Path) -> Result<File> {
    let open =
        || OpenOptions::new().append(true).create(true).mode(0o600).custom_flags(nofollow()).open(path);
    crash::effect("append").and_then(|()| open()).with_context(|| format!("cannot write {}", path.display()))
}

/// Opens for reading what the agent may have put there: a regular file, never a link, never a pipe that blocks.
pub fn open_untrusted(path: &Path) -> Result<File> {
    let flags = nofollow() | i32::try_from(rustix::fs::OFlags::NONBLOCK.bits())?;
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(flags)
        .open(path)
        .with_context(|| format!("cannot open {}", path.display()))?;
    if !file.metadata()?.is_file() {
        bail!("{} is not a regular file", path.display());
    }
    Ok(file)
}

/// Reads a file of ours, or nothing where there is none; larger than `max_bytes` is an error.
pub fn read(path: &Path, max_bytes: u64) -> Result<Option<Vec<u8>>> {
    let file = match crash::failing("read").and_then(|()| File::open(path)) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
    };
    let mut bytes = Vec::new();
    file.take(max_bytes + 1)
        .read_to_end(&mut bytes)
        .with_context(|| format!("cannot read {}", path.display()))?;
    if bytes.len() as u64 > max_bytes {
        bail!("{} is larger than {max_bytes} bytes", path.display());
    }
    Ok(Some(bytes))
}

/// Writes a value as readable JSON; not one that was read from a newer airut's file.
pub fn json<T: Serialize + Versioned>(path: &Path, value: &T) -> Result<()> {
    durable(path, &json_text(path, value)?)
}

/// The same without waiting for the disk: whole or not at all, but a power cut may bring back what was there before.
pub fn json_unsynced<T: Serialize + Versioned>(path: &Path, value: &T) -> Result<()> {
    let text = json_text(path, value)?;
    let write = || -> std::io::Result<()> {
        let mut file = unfinished(path.parent().unwrap_or(path))?;
        file.write_all(&text)?;
        crash::effect("write unsynced: rename")?;
        file.persist(path)?;
        Ok(())
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}

/// The same, written in `beside` first.
pub fn json_by_way_of<T: Serialize + Versioned>(beside: &Path, path: &Path, value: &T) -> Result<()> {
    durable_by_way_of(beside, path, &json_text(path, value)?)
}

pub(in crate::disk) fn json_text<T: Serialize + Versioned>(path: &Path, value: &T) -> Result<Vec<u8>> {
    if value.is_newer() {
        return Err(too_new::<T>(path, value.format()).into());
    }
    let mut text = serde_json::to_vec_pretty(value)?;
    text.push(b'\n');
    // What could be written and not read again would be lost.
    ensure!(text.len() as u64 <= limits::JSON_BYTES, "{} would become too large", path.display());
    Ok(text)
}

/// Reads a value that `json` wrote; nothing where there is no file. One of a newer airut is read as far as it is
/// understood.
pub fn read_json<T: DeserializeOwned + Versioned>(path: &Path) -> Result<Option<T>> {
    let Some(bytes) = read(path, limits::JSON_BYTES)? else { return Ok(None) };
    match serde_json::from_slice(&bytes) {
        Ok(value) => Ok(Some(value)),
        Err(error) => match format_of(&bytes).filter(|format| *format > T::FORMAT) {
            Some(format) => Err(too_new::<T>(path, format).into()),
            None => Err(error).with_context(|| format!("cannot understand {}", path.display())),
        },
    }
}

/// Reads a value that is to be changed: one of a newer airut is refused before anything comes of it.
pub fn read_json_to_change<T: DeserializeOwned + Versioned>(path: &Path) -> Result<Option<T>> {
    match read_json::<T>(path)? {
        Some(value) if value.is_newer() => Err(too_new::<T>(path, value.format()).into()),
        value => Ok(value),
    }
}

/// Gives a file the time of now: the kernel's own stamp is the same for all that is written within some milliseconds,
/// and the order of the queue is that of its files' times.
pub(in crate::disk) fn stamp(file: &File) -> std::io::Result<()> {
    file.set_modified(SystemTime::now())
}

/// Makes the directory's entries durable.
pub fn sync_dir(dir: &Path) -> Result<()> {
    crash::effect("sync the directory")
        .and_then(|()| File::open(dir))
        .and_then(|dir| dir.sync_all())
        .with_context(|| format!("cannot sync the directory {}", dir.display()))
}

pub(in crate::disk) fn parent(path: &Path) -> Result<&Path> {
    path.parent().with_context(|| format!("{} has no directory", path.display()))
}

fn nofollow() -> i32 {
    i32::try_from(rustix::fs::OFlags::NOFOLLOW.bits()).unwrap_or_default()
}

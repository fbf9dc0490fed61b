//! Several changes that nothing tells apart, waited for once: what a hundred mails need costs the disk little more
//! than what one does. What has to come after something else goes into a batch after it.

use crate::base::limits;
use crate::disk::crash;
use crate::disk::write::{self, parent, stamp};
use crate::format::version::Versioned;
use anyhow::{Context, Result};
use serde::Serialize;
use std::collections::BTreeSet;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// A file that is written and has no name yet: gone with who holds it.
#[derive(Debug)]
pub struct Unnamed(tempfile::TempPath);

/// Writes a file in `beside` without waiting for the disk. It is not kept open: there may be many.
pub fn unnamed(beside: &Path, bytes: &[u8]) -> Result<Unnamed> {
    let write = || -> std::io::Result<tempfile::TempPath> {
        let mut file = write::unfinished(beside)?;
        file.write_all(bytes)?;
        stamp(file.as_file())?;
        Ok(file.into_temp_path())
    };
    write().map(Unnamed).with_context(|| format!("cannot write in {}", beside.display()))
}

/// Changes of one stage. Before `commit` none of them is to be seen, after it all of them are on disk; in between a
/// crash may leave any part. All of it lies in one file system.
#[derive(Debug, Default)]
pub struct Batch {
    files: Vec<(Unnamed, PathBuf)>,
    /// Further names of files, by their place in `files`.
    links: Vec<(usize, PathBuf)>,
    marks: Vec<PathBuf>,
    gone: Vec<PathBuf>,
    moves: Vec<(PathBuf, PathBuf)>,
    /// Whose entries change.
    dirs: BTreeSet<PathBuf>,
}

impl Batch {
    /// Puts a file under a name, replacing what was there.
    pub fn name(&mut self, file: Unnamed, path: PathBuf) -> Result<()> {
        self.dirs.insert(parent(&path)?.to_owned());
        self.files.push((file, path));
        Ok(())
    }

    /// The same, under further names where those are not taken.
    pub fn name_also(&mut self, file: Unnamed, path: PathBuf, others: Vec<PathBuf>) -> Result<()> {
        for other in others.into_iter().filter(|other| !other.exists()) {
            self.dirs.insert(parent(&other)?.to_owned());
            self.links.push((self.files.len(), other));
        }
        self.name(file, path)
    }

    /// Puts `bytes` at `path`, replacing what was there; written in `beside` first.
    pub fn put(&mut self, beside: &Path, path: PathBuf, bytes: &[u8]) -> Result<()> {
        self.name(unnamed(beside, bytes)?, path)
    }

    /// Puts a value there as readable JSON; not one that was read from a newer airut's file.
    pub fn json<T: Serialize + Versioned>(&mut self, beside: &Path, path: PathBuf, value: &T) -> Result<()> {
        let text = write::json_text(&path, value)?;
        self.put(beside, path, &text)
    }

    /// Makes a directory for the owner only, at once, for the files of this batch; that it is there is no error.
    pub fn dir(&mut self, path: &Path) -> Result<()> {
        if !path.is_dir() {
            match crash::effect("create_dir")
                .and_then(|()| DirBuilder::new().mode(write::DIR_MODE).create(path))
            {
                Err(error) if error.kind() != ErrorKind::AlreadyExists => {
                    return Err(error)
                        .with_context(|| format!("cannot make the directory {}", path.display()));
                }
                _ => {}
            }
            self.dirs.insert(parent(path)?.to_owned());
        }
        Ok(())
    }

    /// Makes an empty file unless there is one.
    pub fn mark(&mut self, path: PathBuf) {
        if !path.exists() {
            self.marks.push(path);
        }
    }

    /// Removes a file; that it is gone already is no error.
    pub fn remove(&mut self, path: PathBuf) {
        self.gone.push(path);
    }

    /// Moves a file, replacing what was there.
    pub fn rename(&mut self, from: PathBuf, to: PathBuf) {
        self.moves.push((from, to));
    }

    /// Makes all of it so.
    pub fn commit(mut self) -> Result<()> {
        // No name before its bytes.
        let written = self.files.iter().map(|(file, _)| file.0.as_ref());
        sync(written, "write: sync the file")?;
        for (at, path) in &self.links {
            let link = || std::fs::hard_link(&self.files[*at].0.0, path);
            match crash::effect("link").and_then(|()| link()) {
                Err(error) if error.kind() != ErrorKind::AlreadyExists => {
                    return Err(error).with_context(|| format!("cannot write {}", path.display()));
                }
                _ => {}
            }
        }
        for (file, path) in std::mem::take(&mut self.files) {
            crash::effect("write: rename")
                .and_then(|()| Ok(file.0.persist(&path)?))
                .with_context(|| format!("cannot write {}", path.display()))?;
        }
        for path in std::mem::take(&mut self.marks) {
            self.touch(&path)?;
        }
        for path in std::mem::take(&mut self.gone) {
            match crash::effect("remove").and_then(|()| std::fs::remove_file(&path)) {
                Ok(()) => self.dirs.extend([parent(&path)?.to_owned()]),
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => {
                    return Err(error).with_context(|| format!("cannot remove {}", path.display()));
                }
            }
        }
        for (from, to) in std::mem::take(&mut self.moves) {
            write::move_unsynced(&from, &to)?;
            self.dirs.extend([parent(&to)?.to_owned(), parent(&from)?.to_owned()]);
        }
        sync(self.dirs.iter().map(PathBuf::as_path), "sync the directory")
    }

    fn touch(&mut self, path: &Path) -> Result<()> {
        let make = || OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
        match crash::effect("touch").and_then(|()| make()).and_then(|file| stamp(&file)) {
            Ok(()) => self.dirs.extend([parent(path)?.to_owned()]),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error).with_context(|| format!("cannot write {}", path.display())),
        }
        Ok(())
    }
}

/// Waits until all of these are on disk. Beyond a handful, one call for the whole file system is quicker than one for
/// each, whatever others have written there.
fn sync<'a>(paths: impl Iterator<Item = &'a Path>, point: &str) -> Result<()> {
    let paths: Vec<_> = paths.collect();
    let wait = |path: &Path| -> std::io::Result<()> {
        crash::effect(point)?;
        let file = File::open(path)?;
        if paths.len() > limits::SYNC_EACH { Ok(rustix::fs::syncfs(&file)?) } else { file.sync_all() }
    };
    let each = if paths.len() > limits::SYNC_EACH { &paths[..1] } else { &paths[..] };
    each.iter().try_for_each(|path| wait(path).with_context(|| format!("cannot sync {}", path.display())))
}

//! Reads the mirror's default branch: single files, and the container directory as a whole. What a tree says is
//! input: names, links, depth and size are checked before anything is believed or written.

use crate::base::fault::Fault;
use crate::base::limits;
use crate::disk::layout::hex;
use crate::disk::write;
use crate::tool::git::mirror::Mirror;
use anyhow::{Context, Result, bail};
use git2::{ObjectType, Oid, Repository, Tree};
use sha2::{Digest, Sha256};
use std::ffi::OsStr;
use std::fs::{File, Permissions};
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

/// The default branch and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// Without `refs/heads/`.
    pub branch: String,
    /// The commit's object ID in hex.
    pub commit: String,
}

impl Mirror {
    pub fn head(&self) -> Result<Head> {
        self.reading(|repo| {
            let head = repo.find_reference("HEAD")?;
            let target = head.symbolic_target()?.context("the git mirror has no default branch")?;
            let branch = target.strip_prefix("refs/heads/").unwrap_or(target).to_owned();
            Ok(Head { branch, commit: head.peel_to_commit()?.id().to_string() })
        })
    }

    /// One file of the default branch; nothing where there is none. A link, a directory, a submodule, or more than
    /// `limits::REPOSITORY_FILE_BYTES` is an error.
    pub fn read(&self, path: &str) -> Result<Option<Vec<u8>>> {
        self.reading(|repo| {
            let Some((oid, kind)) = find(repo, path)? else { return Ok(None) };
            if kind != Kind::File && kind != Kind::Program {
                bail!("{path} in the repository is {}, not a regular file", kind.name());
            }
            let (size, _) = repo.odb()?.read_header(oid)?;
            if size > limits::REPOSITORY_FILE_BYTES {
                bail!("{path} in the repository is larger than {} bytes", limits::REPOSITORY_FILE_BYTES);
            }
            Ok(Some(repo.find_blob(oid)?.content().to_vec()))
        })
    }

    /// The SHA-256, 64 hex digits, over names, modes and contents of all files below `dir` of the default branch;
    /// nothing where there is no such directory. What `export` would refuse is an error here, too.
    pub fn digest(&self, dir: &str) -> Result<Option<String>> {
        self.reading(|repo| {
            let Some(entries) = directory(repo, dir)? else { return Ok(None) };
            let mut sum = Sha256::new();
            for entry in entries.iter().filter(|entry| entry.kind != Kind::Directory) {
                let blob = repo.find_blob(entry.oid)?;
                // Each length before its bytes, so that no two directories are written alike.
                let name = entry.path.as_os_str().as_bytes();
                sum.update(format!("{} {} {} ", entry.kind.name(), name.len(), blob.size()));
                sum.update(name);
                sum.update(blob.content());
            }
            Ok(Some(hex(&sum.finalize())))
        })
    }

    /// Writes `dir` of the default branch into `to`, which is absent or empty: files with their executable bit, and
    /// links that stay inside. Returns what was written, relative to `to`.
    ///
    /// Errors: no such directory, submodules, links that lead out, or more than the limits for it.
    pub fn export(&self, dir: &str, to: &Path) -> Result<Vec<PathBuf>> {
        self.reading(|repo| {
            let entries =
                directory(repo, dir)?.with_context(|| format!("the repository has no directory {dir}"))?;
            write::create_dir(to)?;
            if std::fs::read_dir(to).is_ok_and(|mut found| found.next().is_some()) {
                bail!("{} is not empty", to.display());
            }
            for entry in &entries {
                put(repo, entry, to)
                    .with_context(|| format!("cannot write {}", to.join(&entry.path).display()))?;
            }
            Ok(entries
                .into_iter()
                .filter(|entry| entry.kind != Kind::Directory)
                .map(|entry| entry.path)
                .collect())
        })
    }

    /// Reads; where the mirror itself turns out damaged, notes it and asks to be tried again.
    fn reading<T>(&self, read: impl FnOnce(&Repository) -> Result<T>) -> Result<T> {
        let error = match self.open().and_then(|repo| read(&repo)) {
            Ok(value) => return Ok(value),
            Err(error) => error,
        };
        if error.downcast_ref::<git2::Error>().is_none() {
            return Err(error);
        }
        self.condemn();
        Err(Fault::try_later(format!("the git mirror {} cannot be read: {error:#}", self.path().display()))
            .hint("the next run makes it anew")
            .into())
    }
}

/// What a tree entry is; the name goes into the digest and must not change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    File,
    Program,
    Link,
    Directory,
    Submodule,
}

impl Kind {
    fn of(mode: i32) -> Self {
        match mode & 0o170_000 {
            0o040_000 => Self::Directory,
            0o120_000 => Self::Link,
            0o160_000 => Self::Submodule,
            _ if mode & 0o111 != 0 => Self::Program,
            _ => Self::File,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::File => "a file",
            Self::Program => "a program",
            Self::Link => "a symbolic link",
            Self::Directory => "a directory",
            Self::Submodule => "a submodule",
        }
    }
}

struct Entry {
    path: PathBuf,
    kind: Kind,
    oid: Oid,
}

/// Goes from the default branch's root to `path`, through directories only.
fn find(repo: &Repository, path: &str) -> Result<Option<(Oid, Kind)>> {
    let mut at = (repo.find_reference("HEAD")?.peel_to_tree()?.id(), Kind::Directory);
    let mut walked = PathBuf::new();
    for name in path.split('/') {
        if at.1 != Kind::Directory {
            bail!("{} in the repository is {}, not a directory", walked.display(), at.1.name());
        }
        match repo.find_tree(at.0)?.get_name(name) {
            Some(entry) => at = (entry.id(), Kind::of(entry.filemode_raw())),
            None => return Ok(None),
        }
        walked.push(name);
    }
    Ok(Some(at))
}

/// Everything below `dir`, directories before what is in them, in the tree's own order.
fn directory(repo: &Repository, dir: &str) -> Result<Option<Vec<Entry>>> {
    let tree = match find(repo, dir)? {
        None => return Ok(None),
        Some((oid, Kind::Directory)) => repo.find_tree(oid)?,
        Some((_, kind)) => bail!("{dir} in the repository is {}, not a directory", kind.name()),
    };
    let mut found = Found { entries: Vec::new(), bytes: 0 };
    found.add(repo, &tree, Path::new(""), 0).with_context(|| format!("{dir} in the repository"))?;
    Ok(Some(found.entries))
}

struct Found {
    entries: Vec<Entry>,
    bytes: u64,
}

impl Found {
    fn add(&mut self, repo: &Repository, tree: &Tree, below: &Path, depth: usize) -> Result<()> {
        if depth > limits::CONTEXT_DEPTH {
            bail!("it is nested deeper than {} directories", limits::CONTEXT_DEPTH);
        }
        let odb = repo.odb()?;
        for entry in tree {
            let path = below.join(file_name(entry.name_bytes())?);
            let kind = Kind::of(entry.filemode_raw());
            if self.entries.len() >= limits::CONTEXT_ENTRIES {
                bail!("it has more than {} files", limits::CONTEXT_ENTRIES);
            }
            self.entries.push(Entry { path: path.clone(), kind, oid: entry.id() });
            match kind {
                Kind::Submodule => bail!("{} is a submodule, which airut does not fetch", path.display()),
                Kind::Directory => self.add(repo, &repo.find_tree(entry.id())?, &path, depth + 1)?,
                Kind::File | Kind::Program | Kind::Link => {
                    let (size, kind) = odb.read_header(entry.id())?;
                    self.bytes += size as u64;
                    if kind != ObjectType::Blob || self.bytes > limits::CONTEXT_BYTES {
                        bail!("it is larger than {} MiB", limits::CONTEXT_BYTES >> 20);
                    }
                }
            }
            if kind == Kind::Link {
                stays_inside(repo.find_blob(entry.id())?.content(), depth)
                    .with_context(|| format!("{} is a link", path.display()))?;
            }
        }
        Ok(())
    }
}

/// One plain name. git's own tools write no other; a tree made by hand can hold anything.
fn file_name(bytes: &[u8]) -> Result<&OsStr> {
    let is_git = bytes.eq_ignore_ascii_case(b".git");
    if bytes.is_empty() || bytes == b"." || bytes == b".." || is_git || bytes.contains(&b'/') {
        bail!("{:?} is no file name", String::from_utf8_lossy(bytes));
    }
    Ok(OsStr::from_bytes(bytes))
}

/// A link `depth` directories down may go up as far as the top, and then only down: with `..` after a name the way
/// could lead through another link, and no look at the text tells where it ends.
fn stays_inside(target: &[u8], depth: usize) -> Result<()> {
    let shown = String::from_utf8_lossy(target);
    let parts: Vec<&[u8]> = target.split(|&byte| byte == b'/').collect();
    let ups = parts.iter().take_while(|part| **part == b"..").count();
    let plain = parts[ups..].iter().all(|part| !part.is_empty() && *part != b"." && *part != b"..");
    if target.is_empty() || target.contains(&0) || ups > depth || !plain {
        bail!("to {shown:?}, which may lead out of the directory; allowed: a plain relative path inside it");
    }
    Ok(())
}

fn put(repo: &Repository, entry: &Entry, to: &Path) -> Result<()> {
    let path = to.join(&entry.path);
    match entry.kind {
        // Fails where something stands: two entries of one name would lead one through the other.
        Kind::Directory => std::fs::create_dir(&path)?,
        Kind::Link => symlink(OsStr::from_bytes(repo.find_blob(entry.oid)?.content()), &path)?,
        Kind::File | Kind::Program => {
            // Not synced: it is rebuilt from the mirror whenever it is needed.
            let mut file = File::create_new(&path)?;
            file.write_all(repo.find_blob(entry.oid)?.content())?;
            let mode = if entry.kind == Kind::Program { 0o755 } else { 0o644 };
            file.set_permissions(Permissions::from_mode(mode))?;
        }
        Kind::Submodule => bail!("a submodule is not exported"),
    }
    Ok(())
}

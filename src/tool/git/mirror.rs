//! The bare mirror: made beside and renamed, updated with one question to the remote when nothing changed, made
//! anew when it is damaged. Whoever updates holds the mirror's lock alone; whoever reads holds it shared.

use crate::base::fault::Fault;
use crate::base::limits;
use crate::base::remote::Remote;
use crate::disk::room;
use crate::disk::write;
use crate::exec::program::{End, Program};
use crate::tool::git::command;
use crate::tool::git::listing::{self, Listing};
use anyhow::{Context, Result, bail};
use git2::Repository;
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// In the mirror: reading it failed, so the next update makes it anew.
const CONDEMNED: &str = "airut-condemned";

/// The bare copy of a git remote, branches and tags.
#[derive(Debug, Clone)]
pub struct Mirror {
    path: PathBuf,
}

impl Mirror {
    /// Names it; nothing has to be there yet.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Brings it to the remote's state, its default branch included. Whatever stood there before, sound or not,
    /// stays until the new state is whole. The caller holds the mirror's lock alone.
    ///
    /// Errors: `Fault` to be tried later when the remote is away, a failed one when it has no default branch.
    pub fn update(&self, remote: &Remote) -> Result<()> {
        let parent = self.path.parent().context("the mirror's path has no directory")?;
        write::create_dir(parent)?;
        clear_beside(&self.path)?;
        let listing = list(remote, parent)?;
        let head = listing.default_branch(remote)?;
        let condemned = self.is_condemned();
        if !condemned && self.holds(&listing, head) {
            return Ok(());
        }
        if !condemned && self.open().is_ok() && self.fetch(remote, head)? {
            return Ok(());
        }
        self.remake(remote, head)
    }

    /// Notes that reading the mirror failed. Needs no more than the shared lock.
    pub fn condemn(&self) {
        // If even this fails, the reader's own error says enough.
        let _ = write::touch(&self.path.join(CONDEMNED));
    }

    #[must_use]
    pub fn is_condemned(&self) -> bool {
        self.path.join(CONDEMNED).exists()
    }

    pub(in crate::tool::git) fn open(&self) -> Result<Repository> {
        Repository::open_bare(&self.path)
            .with_context(|| format!("cannot open the git mirror {}", self.path.display()))
    }

    /// Whether the mirror is exactly what the remote listed, and its newest state can be read.
    fn holds(&self, listing: &Listing, head: &str) -> bool {
        let same = || -> Result<bool> {
            let repo = self.open()?;
            let mut refs = BTreeMap::new();
            for reference in repo.references()? {
                let reference = reference?;
                if let (Ok(name), Some(target)) = (reference.name(), reference.target()) {
                    refs.insert(name.to_owned(), target.to_string());
                }
            }
            Ok(refs == listing.refs && self.is_readable(&repo, head)?)
        };
        same().unwrap_or(false)
    }

    fn is_readable(&self, repo: &Repository, head: &str) -> Result<bool> {
        let named = repo.find_reference("HEAD")?;
        let (tree, odb) = (named.peel_to_tree()?, repo.odb()?);
        let is_there = |entry: git2::TreeEntry| {
            entry.kind() == Some(git2::ObjectType::Commit) || odb.read_header(entry.id()).is_ok()
        };
        Ok(named.symbolic_target()? == Some(head) && tree.iter().all(is_there))
    }

    /// False when the remote answers and the mirror is what fails.
    fn fetch(&self, remote: &Remote, head: &str) -> Result<bool> {
        let call = command::to_remote(remote)
            .arg(command::git_dir(&self.path))
            .args([
                "fetch",
                "--quiet",
                "--prune",
                "--no-tags",
                "--no-write-fetch-head",
                "--no-recurse-submodules",
            ])
            .args(["--", remote.public(), "+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*"]);
        let output = command::run(call.deadline(limits::GIT_TIMEOUT))?;
        if output.end == End::TimedOut {
            bail!(command::away(remote, &output));
        }
        if !output.success() {
            return Ok(false);
        }
        let repo = self.open()?;
        point_head(&repo, head, remote)?;
        Ok(self.is_readable(&repo, head).unwrap_or(false))
    }

    fn remake(&self, remote: &Remote, head: &str) -> Result<()> {
        let (new, old) = (beside(&self.path, "new"), beside(&self.path, "old"));
        let output = command::run(clone(remote, &new)).inspect_err(|_| drop(remove_all(&new)))?;
        if !output.success() {
            let lacks = self.path.parent().and_then(room::lacks);
            remove_all(&new)?;
            if let Some(shortage) = lacks {
                bail!(Fault::short(
                    shortage,
                    format!("there is no room for the mirror {}", self.path.display())
                ));
            }
            bail!(command::away(remote, &output));
        }
        let repo = Repository::open_bare(&new)
            .with_context(|| format!("cannot open the git mirror {}", new.display()))?;
        point_head(&repo, head, remote)?;
        if self.path.symlink_metadata().is_ok() {
            write::rename(&self.path, &old)?;
        }
        write::rename(&new, &self.path)?;
        // The mirror stands; what is left of the old one the next update removes.
        let _ = remove_all(&old);
        Ok(())
    }
}

/// A new name in the same directory, by which a crash's leftovers are told. Never one that was there before: a git
/// whose airut was killed goes on writing where it was told to.
pub fn beside(path: &Path, what: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{what}.{}.{}", std::process::id(), Timestamp::now().as_nanosecond()));
    path.with_file_name(name)
}

/// Removes what crashes left beside. What still grows under our hands is in nobody's way, and is left for the next
/// time. The caller holds what guards `path`.
pub fn clear_beside(path: &Path) -> Result<()> {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name().and_then(OsStr::to_str)) else {
        return Ok(());
    };
    for entry in parent.read_dir().with_context(|| format!("cannot list {}", parent.display()))? {
        let entry = entry?;
        let rest = entry.file_name().to_str().and_then(|other| other.strip_prefix(name)).map(str::to_owned);
        if rest.is_some_and(|rest| rest.starts_with(".new") || rest.starts_with(".old")) {
            let _ = remove_all(&entry.path());
        }
    }
    Ok(())
}

/// Removes what a crash left; that there is nothing is no error. Only for what no agent ever saw.
pub fn remove_all(path: &Path) -> Result<()> {
    let gone = match path.symlink_metadata() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Ok(meta) if meta.is_dir() => std::fs::remove_dir_all(path),
        Ok(_) => std::fs::remove_file(path),
        Err(error) => Err(error),
    };
    gone.with_context(|| format!("cannot remove {}", path.display()))
}

/// A bare clone takes branches and tags in one connection. Never git's local short cut, which would link the
/// remote's own files.
fn clone(remote: &Remote, to: &Path) -> Program {
    command::to_remote(remote)
        .args(["clone", "--quiet", "--bare", "--no-local", "--no-recurse-submodules", "--template="])
        .args(["--", remote.public()])
        .arg(to)
        .deadline(limits::GIT_TIMEOUT)
}

fn list(remote: &Remote, parent: &Path) -> Result<Listing> {
    let mut call = command::to_remote(remote)
        .args(["ls-remote", "--symref", "--", remote.public()])
        .deadline(limits::GIT_LIST_TIMEOUT)
        .stdout_max(limits::GIT_LIST_BYTES)
        // In a directory that is no repository, so that a damaged mirror does not look like an absent remote.
        .cwd(parent);
    if let Some(above) = parent.parent() {
        call = call.env("GIT_CEILING_DIRECTORIES", above);
    }
    let output = command::run(call)?;
    if !output.success() {
        bail!(command::away(remote, &output));
    }
    if output.stdout.len() >= limits::GIT_LIST_BYTES {
        bail!(
            "the git remote {remote} lists more than {} MiB of branches and tags",
            limits::GIT_LIST_BYTES >> 20
        );
    }
    Ok(listing::parse(&String::from_utf8_lossy(&output.stdout)))
}

fn point_head(repo: &Repository, head: &str, remote: &Remote) -> Result<()> {
    if repo.find_reference(head).is_err() {
        bail!(Fault::try_later(format!(
            "the git remote {remote} changed its default branch while it was fetched"
        )));
    }
    repo.reference_symbolic("HEAD", head, true, "airut: the remote's default branch")
        .with_context(|| format!("cannot make {head} the mirror's default branch"))?;
    Ok(())
}

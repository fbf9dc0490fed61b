//! The repository as its default branch has it now: what every task begins with. Read from the mirror alone, since
//! the agent can change a workspace, and with it, its own cage.

use crate::base::limits;
use crate::disk::lock::Lock;
use crate::disk::repo::Repo;
use crate::disk::session::SessionDir;
use crate::format::allowlist::{self, Allowlist};
use crate::format::repository::{self, Repository};
use crate::format::session::Session;
use crate::tool::git::{self, Mirror};
use anyhow::{Context, Result, anyhow};
use std::path::Path;
use std::sync::PoisonError;
use std::time::Instant;

pub const CONFIGURATION: &str = ".airut/airut.yaml";
pub const ALLOWLIST: &str = ".airut/network-allowlist.yaml";
pub const CONTAINER: &str = ".airut/container";

/// The mirror, up to date, and not changed by anyone while this lives.
#[derive(Debug)]
pub struct Source {
    mirror: Mirror,
    _shared: Option<Lock>,
}

impl Source {
    /// Fetches what is new.
    pub fn update(repo: &Repo) -> Result<Self> {
        Self::as_of(repo, Instant::now())
    }

    /// As it was at this time or later. Of several that wait for a look at the remote, the first one looks for all.
    pub fn as_of(repo: &Repo, asked: Instant) -> Result<Self> {
        let mirror = Mirror::new(repo.layout.mirror());
        let lock = repo.layout.lock("mirror");
        let mut looked = repo.looked.lock().unwrap_or_else(PoisonError::into_inner);
        if looked.is_none_or(|began| began < asked) || mirror.is_condemned() {
            let _exclusive = Lock::exclusive(&lock, limits::MIRROR_WAIT, "the mirror")?;
            let began = Instant::now();
            mirror.update(&repo.config.git_url).map_err(git::known)?;
            *looked = Some(began);
        }
        drop(looked);
        let shared = Lock::shared(&lock, limits::MIRROR_WAIT, "the mirror")?;
        Ok(Self { mirror, _shared: Some(shared) })
    }

    /// Without looking at the remote, for what changes nothing.
    #[must_use]
    pub fn as_it_is(repo: &Repo) -> Self {
        Self { mirror: Mirror::new(repo.layout.mirror()), _shared: None }
    }

    /// `.airut/airut.yaml`; a repository without one gets the defaults.
    pub fn configuration(&self) -> Result<Repository> {
        match self.text(CONFIGURATION)? {
            Some(text) => repository::parse(&text),
            None => Ok(Repository::default()),
        }
    }

    /// `.airut/network-allowlist.yaml`; without one nothing could be reached, not even the model.
    pub fn allowlist(&self) -> Result<Allowlist> {
        let text = self.text(ALLOWLIST)?.with_context(|| {
            format!("there is no {ALLOWLIST} on the default branch, so that nothing may be reached")
        })?;
        allowlist::parse(&text).with_context(|| format!("{ALLOWLIST} cannot be used"))
    }

    /// The SHA-256 of the container directory's content, in hex.
    pub fn container_hash(&self) -> Result<String> {
        self.mirror
            .digest(CONTAINER)
            .map_err(git::known)?
            .with_context(|| format!("there is no {CONTAINER}/Dockerfile on the default branch"))
    }

    pub fn export_container(&self, to: &Path) -> Result<()> {
        self.mirror.export(CONTAINER, to).map(drop).map_err(git::known)
    }

    /// Clones the workspace, once: after the first run it is hostile ground, where the host runs no git. The caller
    /// holds the session's run lock, and records that it is there. One that is there and not recorded was made by a
    /// process that ended in between.
    pub fn workspace(&self, repo: &Repo, session: &Session) -> Result<()> {
        let dir = SessionDir::new(&repo.layout, &session.id);
        if session.workspace || dir.has_workspace() {
            return Ok(());
        }
        git::clone_workspace(&self.mirror, &repo.config.git_url, &dir.file("workspace"))
            .map(drop)
            .map_err(git::known)
    }

    fn text(&self, file: &str) -> Result<Option<String>> {
        let Some(bytes) = self.mirror.read(file).map_err(git::known)? else { return Ok(None) };
        String::from_utf8(bytes).map(Some).map_err(|_| anyhow!("{file} is not UTF-8 text"))
    }
}

//! What a run needs before its container starts: the repository's own files, the secrets they name, the image, the
//! workspace. Each thing that is missing is a failure with its own reason, for the sender to hear.

use crate::base::shortage::Shortage;
use crate::base::talk::Talk;
use crate::disk::repo::Repo;
use crate::disk::session::{SessionDir, SessionGuard};
use crate::format::allowlist::Allowlist;
use crate::format::repository::Repository;
use crate::format::session::Session;
use crate::format::task::{Failure, Reason};
use crate::proxy::credentials::Masked;
use crate::proxy::variables::variables;
use crate::tool::image::{self, DoesNotBuild};
use crate::tool::source::{CONFIGURATION, Source};
use anyhow::{Context, Error, Result, anyhow};
use jiff::Timestamp;
use std::collections::BTreeMap;

/// Why there is nothing to run.
pub enum Unprepared {
    /// The sender hears of it.
    Failed(Failure),
    /// This machine lacks something: the task waits until it has it.
    Short(Error),
}

/// All that the container needs.
pub struct Prepared {
    pub repository: Repository,
    /// None: the repository asks for no sandbox, and the operator allows it.
    pub allowlist: Option<Allowlist>,
    pub image: String,
    pub image_hash: String,
    /// The variables that the repository asks for.
    pub environment: BTreeMap<String, String>,
    pub masked: Vec<Masked>,
}

/// Reads, checks, clones and builds.
pub fn prepare(
    repo: &Repo,
    session: &Session,
    talk: &dyn Talk,
    give_up: &dyn Fn() -> bool,
) -> std::result::Result<Prepared, Unprepared> {
    let dir = SessionDir::new(&repo.layout, &session.id);
    because(Reason::Internal, dir.check_whole(session.workspace))?;
    let source = because(Reason::Clone, Source::update(repo))?;
    let repository = because(Reason::Configuration, source.configuration())?;
    let allowlist = because(Reason::Configuration, sandbox(repo, &source, &repository, talk))?;
    let (environment, masked) = because(Reason::MissingSecret, variables(repo, &repository))?;
    because(Reason::Clone, workspace(repo, &source, session))?;
    let image_hash = because(Reason::Image, source.container_hash())?;
    let image = container_image(repo, &source, &image_hash, talk, give_up).map_err(without_image)?;
    Ok(Prepared { repository, allowlist, image, image_hash, environment, masked })
}

/// Makes the workspace where `session open` could not.
fn workspace(repo: &Repo, source: &Source, session: &Session) -> Result<()> {
    source.workspace(repo, session)?;
    if session.workspace {
        return Ok(());
    }
    SessionGuard::take(&repo.layout, &session.id)?.update(|session| session.workspace = true).map(drop)
}

/// The image again, after Podman turned out not to have it.
pub fn rebuild(
    repo: &Repo,
    image_hash: &str,
    talk: &dyn Talk,
    give_up: &dyn Fn() -> bool,
) -> std::result::Result<String, Unprepared> {
    let build = || {
        image::forget(&repo.global, image_hash)?;
        container_image(repo, &Source::update(repo)?, image_hash, talk, give_up)
    };
    build().map_err(without_image)
}

/// What keeps Podman from building is not the sender's to mend.
fn without_image(error: Error) -> Unprepared {
    unprepared(if error.is::<DoesNotBuild>() { Reason::Image } else { Reason::Internal }, error)
}

/// Turns an error into the task's failure.
fn because<T>(reason: Reason, result: Result<T>) -> std::result::Result<T, Unprepared> {
    result.map_err(|error| unprepared(reason, error))
}

fn unprepared(reason: Reason, error: Error) -> Unprepared {
    match Shortage::of(&error) {
        Some(_) => Unprepared::Short(error),
        None => Unprepared::Failed(Failure { reason, detail: format!("{error:#}") }),
    }
}

fn sandbox(
    repo: &Repo,
    source: &Source,
    repository: &Repository,
    talk: &dyn Talk,
) -> Result<Option<Allowlist>> {
    if repository.sandbox_enabled {
        return source.allowlist().map(Some);
    }
    if !repo.config.allow_unsandboxed {
        return Err(anyhow!(
            "{CONFIGURATION} sets network.sandbox_enabled to false, which the operator of this address does not allow"
        ));
    }
    talk.warn(&format!(
        "{}: THE SANDBOX IS OFF, the agent has the whole network: {CONFIGURATION} asks for it",
        repo.name
    ));
    Ok(None)
}

fn container_image(
    repo: &Repo,
    source: &Source,
    hash: &str,
    talk: &dyn Talk,
    give_up: &dyn Fn() -> bool,
) -> Result<String> {
    let wanted = image::Wanted { repo: &repo.name, hash, network: repo.config.container.build_network };
    image::ensure(&repo.global, &wanted, Timestamp::now(), talk, give_up, |to| {
        source.export_container(to).context("cannot lay out the container directory")
    })
}

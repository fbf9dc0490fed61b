//! `proxy start`: a session's proxy by hand, as `run` would start it, to look at what goes through.

use crate::base::fault::Fault;
use crate::base::id::SessionId;
use crate::disk::layout::runtime_dir;
use crate::disk::lock::Lock;
use crate::disk::repo::Repo;
use crate::disk::session::SessionDir;
use crate::proxy::process::{self, Running};
use crate::proxy::variables::variables;
use crate::tool::source::Source;
use anyhow::Result;
use std::path::PathBuf;

/// Starts it with the default branch's allowlist and the operator's masked secrets; it stays until `stop`.
pub fn start(repo: &Repo, id: &SessionId, program: PathBuf) -> Result<(Running, PathBuf)> {
    let dir = SessionDir::new(&repo.layout, id);
    if !dir.exists() {
        return Err(Fault::failed(format!("there is no session {id}"))
            .hint("airut session list shows those there are")
            .into());
    }
    // A run has a proxy of its own in the same place.
    let Some(_free) = Lock::attempt(&repo.layout.run_lock(id))? else {
        return Err(Fault::try_later(format!("a task of session {id} is running, with its own proxy")).into());
    };
    let source = Source::update(repo)?;
    let (_, masked) = variables(repo, &source.configuration()?)?;
    let runtime = runtime_dir(&repo.name, id)?;
    let running = process::start_detached(&process::Options {
        program,
        runtime_dir: runtime.clone(),
        allowlist: source.allowlist()?,
        masked,
        network: repo.config.network.clone(),
        log: dir.file("network-sandbox.log"),
    })?;
    Ok((running, runtime))
}

/// Ends it; false when there was none.
pub fn stop(repo: &Repo, id: &SessionId) -> Result<bool> {
    process::stop_detached(&runtime_dir(&repo.name, id)?)
}

/// Whether one runs, by hand or for a task.
pub fn status(repo: &Repo, id: &SessionId) -> Result<Option<Running>> {
    Ok(process::status(&runtime_dir(&repo.name, id)?))
}

//! `session stop`: asks whoever runs a session's task to end it. The process that runs it does the ending, so that it is
//! recorded and answered by the one that knows.

use crate::base::fault::Fault;
use crate::base::id::{SessionId, TaskId};
use crate::disk::repo::Repo;
use crate::disk::session::{SessionDir, ask_to_stop};
use anyhow::Result;

/// Asks; the task is over a moment later.
///
/// # Errors
/// Where nothing of the session runs.
pub fn stop(repo: &Repo, id: &SessionId) -> Result<TaskId> {
    let dir = SessionDir::new(&repo.layout, id);
    if !dir.exists() {
        return Err(Fault::failed(format!("there is no session {id}"))
            .hint("airut session list shows those there are")
            .into());
    }
    ask_to_stop(&repo.layout, &dir.load()?)?.ok_or_else(|| {
        Fault::failed(format!("nothing of session {id} is running, so there is nothing to stop")).into()
    })
}

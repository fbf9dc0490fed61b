//! `session stop`: asks whoever runs a session's task to end it. The process that runs it does the ending, so that it is
//! recorded and answered by the one that knows.

use crate::base::fault::Fault;
use crate::base::id::{SessionId, TaskId};
use crate::disk::lock::Lock;
use crate::disk::repo::Repo;
use crate::disk::session::{SessionDir, task_id};
use crate::disk::write;
use crate::format::task::State;
use anyhow::Result;

/// Asks; the task is over a moment later.
///
/// # Errors
/// Where nothing of the session runs.
pub fn stop(repo: &Repo, id: &SessionId) -> Result<TaskId> {
    let dir = SessionDir::new(&repo.layout, id);
    let nothing =
        || Fault::failed(format!("nothing of session {id} is running, so there is nothing to stop"));
    if !dir.exists() {
        return Err(Fault::failed(format!("there is no session {id}"))
            .hint("airut session list shows those there are")
            .into());
    }
    if Lock::attempt(&repo.layout.run_lock(id))?.is_some() {
        return Err(nothing().into());
    }
    let session = dir.load()?;
    for number in (1..=session.tasks).rev() {
        if dir.load_task(number).is_ok_and(|task| task.state == State::Running) {
            write::touch(&dir.task_dir(number).join("stop"))?;
            return Ok(task_id(id, number));
        }
    }
    Err(nothing().into())
}

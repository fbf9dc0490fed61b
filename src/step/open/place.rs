//! Puts planned messages into their sessions. Everything is written first, the mails are renamed last; a process
//! killed on the way leaves the mails in `queue/authorized`, and the next one finds what is there already.

use crate::base::id::{MessageKey, TaskId};
use crate::base::limits;
use crate::disk::batch::Batch;
use crate::disk::layout::Stage;
use crate::disk::lock::Lock;
use crate::disk::queue::Ticket;
use crate::disk::repo::Repo;
use crate::disk::session::SessionGuard;
use crate::format::task::{DeliveryState, State, Task};
use crate::step::open::desk::Desk;
use crate::step::open::plan::Plan;
use crate::step::open::quota::Tally;
use anyhow::{Context, Result};
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// A message that was let in, and what is to become of it. Its session is there.
pub struct Planned {
    pub key: MessageKey,
    pub plan: Plan,
    /// Why there is no workspace.
    pub clone_failure: Option<String>,
}

/// A message that has its task.
struct Placed<'a> {
    of: &'a Planned,
    number: u32,
    /// Where its mail goes.
    file: PathBuf,
}

/// Places these messages, all or, as far as anybody can see, none; returns the tasks that will answer them. Those that
/// another process placed meanwhile are passed over.
pub fn place(repo: &Repo, planned: &[Planned], tally: &Tally) -> Result<Vec<TaskId>> {
    let _one_at_a_time = lock(repo)?;
    let (mut desks, mut placed) = (BTreeMap::new(), Vec::new());
    for one in planned {
        let queue = repo.queue();
        let is_there = |path: PathBuf| path.exists();
        if !is_there(queue.message(Stage::Authorized, &one.key))
            || !is_there(queue.verdict(Stage::Authorized, &one.key))
        {
            continue;
        }
        let id = one.plan.session_id();
        if !desks.contains_key(id) {
            desks.insert(id, Desk::new(SessionGuard::take(&repo.layout, id)?)?);
        }
        let desk: &mut Desk = desks.get_mut(id).context("there is a desk for each")?;
        let (number, file) = desk.put(repo, one)?;
        placed.push(Placed { of: one, number, file: desk.guard.dir.task_dir(number).join(file) });
    }
    // Counted first: cut off between the two, they are not counted again.
    tally.write(repo, &placed.iter().map(|placed| &placed.of.key).collect(), Timestamp::now())?;
    let mut batch = Batch::default();
    for desk in desks.values() {
        desk.write(repo, &mut batch)?;
    }
    batch.commit()?;
    let mut tasks = Vec::new();
    let mut markers = Batch::default();
    for Placed { of, number, .. } in &placed {
        let desk = &desks[of.plan.session_id()];
        tasks.push(desk.task_id(*number));
        desk.task(*number)
            .into_iter()
            .for_each(|task| mark(repo, &desk.task_id(*number), task, &mut markers));
    }
    markers.commit()?;
    hand_over(repo, &placed)?;
    Ok(tasks)
}

/// The right to place messages. Over all sessions, since two processes may have been told to take one to different
/// ones.
pub fn lock(repo: &Repo) -> Result<Lock> {
    Lock::exclusive(&repo.layout.lock("open"), limits::LOCK_WAIT, "the queue")
}

/// The markers of a task. A marker without its mail waits for it.
fn mark(repo: &Repo, id: &TaskId, task: &Task, markers: &mut Batch) {
    let mut put = |stage, ticket: Ticket| markers.mark(repo.layout.stage(stage).join(ticket.to_string()));
    if task.state == State::Ready {
        put(Stage::Ready, Ticket::task(id.clone()));
    } else if task.state.is_final() {
        put(Stage::Finished, Ticket::task(id.clone()));
    }
    if task.acknowledgement.state == DeliveryState::Pending {
        put(Stage::Finished, Ticket::acknowledgement(id.clone()));
    }
}

/// The mails, last of all. Their verdicts go first: alone in a watched directory they would wake the next step for ever.
/// A mail left without one goes back to be judged again.
fn hand_over(repo: &Repo, placed: &[Placed]) -> Result<()> {
    let queue = repo.queue();
    let (mut verdicts, mut mails) = (Batch::default(), Batch::default());
    for Placed { of, file, .. } in placed {
        verdicts.rename(queue.verdict(Stage::Authorized, &of.key), file.with_extension("json"));
        mails.rename(queue.message(Stage::Authorized, &of.key), file.clone());
    }
    verdicts.commit()?;
    mails.commit()
}

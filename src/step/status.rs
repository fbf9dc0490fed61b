//! `status` and `session list`: what waits, runs and was done, read from the directories. Costs as much as there is at
//! hand: all sessions are counted, only the newest are read.

use crate::base::id::{SessionId, TaskId};
use crate::base::limits;
use crate::disk::layout::Stage;
use crate::disk::lock::Lock;
use crate::disk::repo::Repo;
use crate::disk::session::{self, SessionDir, task_id};
use crate::disk::{notes, write};
use crate::format::mailbox::Mailbox;
use crate::format::session::Session;
use crate::format::size::Size;
use crate::format::sizes::{Measured, Sizes};
use crate::format::task::Task;
use anyhow::Result;
use jiff::Timestamp;
use serde::Serialize;
use std::time::SystemTime;

/// One repository at a glance.
#[derive(Debug, Serialize)]
pub struct Status {
    pub repo: String,
    pub sessions: usize,
    /// What they take on the disk; only where the operator limits it.
    pub storage: Option<Storage>,
    /// Mails that lie in the mailbox and cannot be fetched.
    pub unfetched: usize,
    pub fetched: usize,
    pub authorized: usize,
    pub rejected: usize,
    pub ready: Vec<Row>,
    pub running: Vec<Row>,
    pub finished: usize,
    pub deferred: Vec<Deferred>,
    /// How many of these are tasks that wait for Claude's API.
    pub parked: usize,
    /// Sessions among those that changed last, or wait, whose files cannot be read.
    pub damaged: Vec<SessionId>,
    /// The newest tasks that are over, newest first.
    pub recent: Vec<Row>,
}

/// What the sessions of a repository take, as `gc` found it last.
#[derive(Debug, Serialize)]
pub struct Storage {
    pub bytes: u64,
    /// `max_storage`.
    pub max_bytes: u64,
    /// Those that take the most, the largest first, and below them the others whose people were told.
    pub largest: Vec<Large>,
}

/// A session that takes much.
#[derive(Debug, Serialize)]
pub struct Large {
    pub session: SessionId,
    pub bytes: u64,
    /// Since when its people know that it may go.
    pub told_at: Option<Timestamp>,
    /// When it may go, unless somebody writes.
    pub goes_after: Option<Timestamp>,
}

/// What waits for its next attempt.
#[derive(Debug, Serialize)]
pub struct Deferred {
    pub stage: &'static str,
    pub name: String,
    pub until: Timestamp,
    pub reason: Option<String>,
}

/// One task in a line.
#[derive(Debug, Serialize)]
pub struct Row {
    pub task: TaskId,
    pub state: String,
    pub subject: String,
    pub senders: Vec<String>,
    pub model: String,
    pub started_at: Option<Timestamp>,
    pub finished_at: Option<Timestamp>,
    pub outcome: Option<String>,
    pub reply: String,
    pub cost_usd: Option<f64>,
    pub turns: Option<u64>,
}

const WAITS_FOR_CLAUDE: &str = "waits for Claude:";

/// How many finished tasks `status` shows.
const RECENT: usize = 10;

pub fn status(repo: &Repo) -> Result<Status> {
    let queue = repo.queue();
    let rows = |stage| -> Result<Vec<Row>> {
        Ok(queue.tickets(stage)?.iter().filter_map(|ticket| row(repo, &ticket.task)).collect())
    };
    let mut running = rows(Stage::Running)?;
    for row in &mut running {
        // A marker whose process is gone is no running task, whatever its file says.
        if Lock::attempt(&repo.layout.run_lock(&row.task.session))?.is_some() {
            row.state = "interrupted, to be continued".to_owned();
        }
    }
    let deferred = queue.deferred()?.into_iter().map(|(stage, name, until)| {
        let reason = name.parse::<crate::disk::queue::Ticket>().ok().and_then(|ticket| {
            let task =
                SessionDir::new(&repo.layout, &ticket.task.session).load_task(ticket.task.number).ok()?;
            if stage == Stage::Ready {
                return task.parked.map(|parked| format!("{WAITS_FOR_CLAUDE} {}", parked.reason));
            }
            if ticket.acknowledgement { task.acknowledgement.last_error } else { task.reply.last_error }
        });
        let reason = reason.or_else(|| (stage == Stage::Authorized).then(|| why_it_waits(repo, &name)));
        Deferred { stage: stage.name(), name, until, reason }
    });
    let deferred: Vec<Deferred> = deferred.collect();
    let is_parked =
        |one: &&Deferred| one.reason.as_ref().is_some_and(|why| why.starts_with(WAITS_FOR_CLAUDE));
    let newest = newest(repo, RECENT)?;
    let mut recent: Vec<Row> = newest.iter().filter_map(|(session, _)| last_row(repo, session)).collect();
    recent.retain(|row| row.finished_at.is_some());
    let damaged = damaged(repo, &newest)?;
    Ok(Status {
        repo: repo.name.to_string(),
        sessions: session::all(&repo.layout)?.len(),
        storage: storage(repo)?,
        unfetched: unfetched(repo),
        fetched: queue.messages(Stage::Fetched)?.len(),
        authorized: queue.messages(Stage::Authorized)?.len(),
        rejected: queue.messages(Stage::Rejected)?.len() + queue.tickets(Stage::Rejected)?.len(),
        ready: rows(Stage::Ready)?,
        running,
        finished: queue.tickets(Stage::Finished)?.len() + queue.messages(Stage::Finished)?.len(),
        parked: deferred.iter().filter(is_parked).count(),
        deferred,
        damaged,
        recent,
    })
}

/// Of the sessions at hand those that, or whose last task, cannot be read.
fn damaged(repo: &Repo, newest: &[(SessionId, Option<Session>)]) -> Result<Vec<SessionId>> {
    let queue = repo.queue();
    let mut damaged: Vec<SessionId> = Vec::new();
    for (id, session) in newest {
        let dir = SessionDir::new(&repo.layout, id);
        let is_whole = session
            .as_ref()
            .is_some_and(|session| session.tasks == 0 || dir.load_task(session.tasks).is_ok());
        damaged.extend((!is_whole).then(|| id.clone()));
    }
    for stage in [Stage::Ready, Stage::Running, Stage::Finished] {
        let tasks = queue.tickets(stage)?.into_iter().map(|ticket| ticket.task);
        damaged.extend(tasks.filter(|task| row(repo, task).is_none()).map(|task| task.session));
    }
    damaged.sort();
    damaged.dedup();
    // One that was moved on or removed while we looked is no damage.
    damaged.retain(|id| SessionDir::new(&repo.layout, id).exists());
    Ok(damaged)
}

/// Of a message that was let in.
fn why_it_waits(repo: &Repo, name: &str) -> String {
    let key = name.split('.').next().unwrap_or_default();
    let failed = repo.layout.failures().join(key).exists();
    if failed { "it could not be worked on" } else { "a limit is reached" }.to_owned()
}

fn storage(repo: &Repo) -> Result<Option<Storage>> {
    let Some(Size(max_bytes)) = repo.config.max_storage else { return Ok(None) };
    let sizes = write::read_json::<Sizes>(&repo.layout.sizes())?.unwrap_or_default();
    let bytes = sizes.total_bytes();
    let told = |measured: &Measured| {
        // Below the limit nobody goes.
        let key = (bytes > max_bytes)
            .then(|| notes::of_size(&repo.layout, &measured.session, measured.active_at))?;
        let told_at = notes::went_out(&repo.layout, &key)?;
        // Gone, or somebody wrote, since `gc` looked.
        let session = SessionDir::new(&repo.layout, &measured.session).load().ok()?;
        (session.active_at == measured.active_at).then_some(told_at)
    };
    let mut largest: Vec<Large> = sizes
        .sessions
        .iter()
        .map(|measured| {
            let told_at = told(measured);
            let goes_after = told_at.map(|time| time + limits::NOTICE_PERIOD);
            Large { session: measured.session.clone(), bytes: measured.bytes, told_at, goes_after }
        })
        .collect();
    largest.sort_by(|a, b| b.bytes.cmp(&a.bytes).then_with(|| a.session.cmp(&b.session)));
    let mut rank = 0..;
    largest.retain(|large| {
        rank.next().is_some_and(|rank| rank < limits::LARGEST_SHOWN) || large.told_at.is_some()
    });
    Ok(Some(Storage { bytes, max_bytes, largest }))
}

fn unfetched(repo: &Repo) -> usize {
    let state = write::read_json::<Mailbox>(&repo.layout.mailbox_state()).ok().flatten();
    state.map_or(0, |state| state.set_aside.len())
}

/// The sessions that changed last, newest first, with the last task of each.
pub fn newest(repo: &Repo, count: usize) -> Result<Vec<(SessionId, Option<Session>)>> {
    let mut changed: Vec<(SystemTime, SessionId)> = session::all(&repo.layout)?
        .into_iter()
        .filter_map(|id| {
            let dir = SessionDir::new(&repo.layout, &id);
            // Stamped to the moment with each change; a directory's own time is the same for all within some milliseconds.
            let meta = std::fs::metadata(dir.file("session.json"));
            let modified = meta.or_else(|_| std::fs::metadata(dir.path())).and_then(|meta| meta.modified());
            Some((modified.ok()?, id))
        })
        .collect();
    changed.sort_by(|a, b| b.cmp(a));
    changed.truncate(count);
    Ok(changed
        .into_iter()
        .map(|(_, id)| (id.clone(), SessionDir::new(&repo.layout, &id).load().ok()))
        .collect())
}

/// A session's tasks that can be read, in order.
#[must_use]
pub fn tasks(repo: &Repo, session: &Session) -> Vec<Task> {
    let dir = SessionDir::new(&repo.layout, &session.id);
    (1..=session.tasks).filter_map(|number| dir.load_task(number).ok()).collect()
}

/// The line of a session's last task.
#[must_use]
pub fn last_row(repo: &Repo, id: &SessionId) -> Option<Row> {
    let session = SessionDir::new(&repo.layout, id).load().ok()?;
    row(repo, &task_id(id, session.tasks))
}

/// The line of a task.
#[must_use]
pub fn row(repo: &Repo, id: &TaskId) -> Option<Row> {
    let dir = SessionDir::new(&repo.layout, &id.session);
    let (session, task) = (dir.load().ok()?, dir.load_task(id.number).ok()?);
    Some(Row {
        task: id.clone(),
        state: task.state.name().to_owned(),
        subject: session.subject,
        senders: task.senders().iter().map(ToString::to_string).collect(),
        model: session.model.to_string(),
        started_at: task.started_at,
        finished_at: task.finished_at,
        outcome: outcome(&task),
        reply: name_of(&task.reply.state),
        cost_usd: task.cost_usd,
        turns: task.turns,
    })
}

/// `success`, or why not.
fn outcome(task: &Task) -> Option<String> {
    if !task.state.is_final() {
        return None;
    }
    Some(task.failure.as_ref().map_or_else(|| "success".to_owned(), |failure| name_of(&failure.reason)))
}

/// The name a value has in the files.
fn name_of<T: Serialize>(value: &T) -> String {
    serde_json::to_value(value).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

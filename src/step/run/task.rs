//! One task from ready to finished. Each change is on disk before the next effect, so that a process killed at
//! any point leaves something that is continued, never something that is started afresh unnoticed.

use crate::base::id::TaskId;
use crate::base::limits;
use crate::base::shortage::Shortage;
use crate::disk::accounts::{self, Holder};
use crate::disk::layout::Stage;
use crate::disk::queue::Ticket;
use crate::disk::repo::Repo;
use crate::disk::session::{SessionDir, SessionGuard, discard, is_no_damage};
use crate::disk::write;
use crate::format::session::Session;
use crate::format::task::{Failure, Reason, State, Task};
use crate::mail::notice::Notice;
use crate::step::run::{Options, agent, park};
use crate::tool::claude::Outage;
use crate::tool::podman;
use anyhow::{Context, Result};
use jiff::{SignedDuration, Timestamp};
use std::path::Path;

/// How long a task waits whose message is still being put in place.
const INCOMPLETE_PAUSE: SignedDuration = SignedDuration::from_secs(10);

/// How long a task waits for what this machine lacks.
const SHORTAGE_PAUSE: SignedDuration = SignedDuration::from_mins(1);

/// How long after the task that it waits for one comes back, at the soonest.
const BEHIND: SignedDuration = SignedDuration::from_secs(1);

/// How work on a task came to its end here.
#[derive(Debug)]
pub enum Ending {
    Finished,
    /// Finished, and the answer tells of a failure.
    Failed(String),
    /// Claude's API keeps it from going on: it waits until then.
    Parked(Timestamp, String),
    /// Not ours to finish now: it waits, or goes on later.
    Left,
}

/// What the agent's work came to.
#[derive(Debug, Default)]
pub struct Worked {
    pub state: Option<State>,
    pub failure: Option<Failure>,
    /// The failure passes by itself.
    pub outage: Option<Outage>,
    pub answer: Option<String>,
    pub cost_usd: Option<f64>,
    pub turns: Option<u64>,
    pub web_searches: Option<u64>,
    pub timeout_seconds: Option<u64>,
    /// What the sender is to be told beside the answer.
    pub notes: Vec<String>,
}

impl Worked {
    /// Ended at somebody's word before it had said anything.
    pub fn stopped() -> Self {
        let failure = Failure { reason: Reason::Stopped, detail: "somebody asked for it".to_owned() };
        Self { state: Some(State::Stopped), failure: Some(failure), ..Self::default() }
    }
}

impl From<Failure> for Worked {
    fn from(failure: Failure) -> Self {
        Self { state: Some(State::Failed), failure: Some(failure), ..Self::default() }
    }
}

/// Takes the task as far as it goes. The caller holds the session's run lock and a slot.
pub fn work(repo: &Repo, id: &TaskId, options: &Options) -> Result<Ending> {
    let (session, task) = match begin(repo, id)? {
        Begun::Work(work) => *work,
        Begun::Over(task) => return finish(repo, id, &task),
        Begun::Left => return Ok(Ending::Left),
    };
    options.talk.info(&format!("{}:{id}: running", repo.name));
    let worked = match agent::work(repo, &session, &task, options) {
        Ok(worked) => worked,
        Err(error) if Shortage::of(&error).is_some() => return put_off(repo, id, error),
        Err(error) => Worked::from(agent::internal(&error)),
    };
    let Some(state) = worked.state else {
        release(repo, id)?;
        return Ok(Ending::Left);
    };
    if let Some(outage) = worked.outage
        && let Some(ending) = park::park(repo, id, &session, &worked, outage)?
    {
        return Ok(ending);
    }
    let now = Timestamp::now();
    // Before it is recorded: cut off between the two, the work is done once more, and costs once more.
    spent(repo, &task, worked.cost_usd, now)?;
    let guard = SessionGuard::take(&repo.layout, &id.session)?;
    collect_outbox(repo, &guard.dir, id.number)?;
    let mut task = guard.load_task(id.number)?;
    task.state = state;
    task.finished_at = Some(now);
    task.failure = worked.failure.map(|failure| Failure { detail: tail(failure.detail), ..failure });
    task.answer = worked.answer.map(cut);
    task.add_cost(worked.cost_usd);
    task.turns = worked.turns;
    task.web_searches = worked.web_searches;
    task.timeout_seconds = worked.timeout_seconds;
    task.notes.extend(worked.notes);
    guard.save_both(&task, |session| session.mark_active(now))?;
    drop(guard);
    finish(repo, id, &task)
}

/// On the account of whoever asked first, and of all.
pub fn spent(repo: &Repo, task: &Task, cost_usd: Option<f64>, now: Timestamp) -> Result<()> {
    let Some(cost_usd) = cost_usd.filter(|cost| *cost > 0.0) else { return Ok(()) };
    let asked = task.senders().into_iter().next().map(Holder::Sender);
    for holder in asked.into_iter().chain([Holder::Repo]) {
        accounts::update(&repo.layout, &holder, now, |account| account.spend(cost_usd))?;
    }
    Ok(())
}

enum Begun {
    Work(Box<(Session, Task)>),
    Over(Box<Task>),
    Left,
}

/// Records that the task runs, before anything of it does.
fn begin(repo: &Repo, id: &TaskId) -> Result<Begun> {
    let queue = repo.queue();
    let ticket = Ticket::task(id.clone());
    let guard = SessionGuard::take(&repo.layout, &id.session)?;
    let loaded = guard.load_task(id.number);
    if let Ok(task) = &loaded
        && task.state.is_final()
    {
        queue.advance(&ticket, Stage::Ready, Stage::Running)?;
        return Ok(Begun::Over(task.clone().into()));
    }
    let (session, mut task) = match loaded.and_then(|task| Ok((guard.load()?, task))) {
        Ok(loaded) => loaded,
        Err(error) if is_no_damage(&error) => return Err(error),
        Err(error) => return give_up(repo, &guard, id, &error),
    };
    let dir = guard.dir.task_dir(id.number);
    if let Some(missing) = task.messages.iter().find(|message| !dir.join(&message.file).is_file()) {
        if !queue.is_on_its_way(&missing.key)? {
            let error = anyhow::anyhow!("{} is missing", dir.join(&missing.file).display());
            return give_up(repo, &guard, id, &error);
        }
        queue.defer(Stage::Ready, &ticket.to_string(), Timestamp::now() + INCOMPLETE_PAUSE)?;
        return Ok(Begun::Left);
    }
    let now = Timestamp::now();
    if let Some(until) = park::waits_for(&guard.dir, id.number, now) {
        queue.defer(Stage::Ready, &ticket.to_string(), until + BEHIND)?;
        return Ok(Begun::Left);
    }
    // Before the state: a crash between the two must not count as an interruption.
    queue.advance(&ticket, Stage::Ready, Stage::Running)?;
    if task.state == State::Running {
        // Cut off when its outbox had been taken, and the new one not yet made: that is no damage.
        if dir.join("outbox").exists() {
            write::create_dir(&guard.dir.file("outbox"))?;
        }
        task.interruptions += 1;
        if task.interruptions > limits::INTERRUPTIONS {
            task.state = State::Interrupted;
            task.finished_at = Some(now);
            let detail = "it was cut off, continued, and cut off again".to_owned();
            task.failure = Some(Failure { reason: Reason::Interrupted, detail });
            collect_outbox(repo, &guard.dir, id.number)?;
            guard.save_task(&task)?;
            return Ok(Begun::Over(task.into()));
        }
        let begun = has_begun(&guard.dir, id.number);
        task.notes.push(if begun { Notice::Continued } else { Notice::BegunAgain }.to_string());
    }
    task.state = State::Running;
    task.started_at = task.started_at.or(Some(now));
    guard.save_task(&task)?;
    Ok(Begun::Work(Box::new((session, task))))
}

/// A task whose files are damaged is not run. As long as the mail is there its sender hears of it; else the
/// marker is set aside for the operator.
fn give_up(repo: &Repo, guard: &SessionGuard, id: &TaskId, error: &anyhow::Error) -> Result<Begun> {
    let queue = repo.queue();
    let ticket = Ticket::task(id.clone());
    match guard.rescue_task(id.number, &format!("{error:#}"), Timestamp::now())? {
        Some(task) => {
            queue.advance(&ticket, Stage::Ready, Stage::Running)?;
            Ok(Begun::Over(task.into()))
        }
        None => {
            queue.advance(&ticket, Stage::Ready, Stage::Rejected)?;
            Err(anyhow::anyhow!("{error:#}"))
        }
    }
}

fn finish(repo: &Repo, id: &TaskId, task: &Task) -> Result<Ending> {
    repo.queue().advance(&Ticket::task(id.clone()), Stage::Running, Stage::Finished)?;
    Ok(match &task.failure {
        Some(failure) => Ending::Failed(failure.detail.clone()),
        None => Ending::Finished,
    })
}

/// Whether Claude has said a word.
fn has_begun(dir: &SessionDir, number: u32) -> bool {
    let events = dir.task_dir(number).join("events.jsonl");
    std::fs::metadata(events).is_ok_and(|events| events.len() > 0)
}

/// Lets a task wait for what this machine lacks; not where it is, since whoever watches that would try it at once.
fn put_off(repo: &Repo, id: &TaskId, error: anyhow::Error) -> Result<Ending> {
    // Where not even this can be written, the next step finds the task without its process.
    if release(repo, id).is_ok() {
        let until = Timestamp::now() + SHORTAGE_PAUSE;
        repo.queue().defer(Stage::Ready, &Ticket::task(id.clone()).to_string(), until)?;
    }
    Err(error.context("it waits for another attempt"))
}

/// Left by an orderly stop: it goes on in the same session, and that does not count as an interruption.
fn release(repo: &Repo, id: &TaskId) -> Result<()> {
    let guard = SessionGuard::take(&repo.layout, &id.session)?;
    let begun = has_begun(&guard.dir, id.number);
    guard.update_task(id.number, |task| {
        task.state = State::Ready;
        task.begun |= begun;
    })?;
    drop(guard);
    repo.queue().advance(&Ticket::task(id.clone()), Stage::Running, Stage::Ready)
}

/// Takes what the agent put into `/outbox` away from it, if it did. By renaming alone: nothing in there is opened, and
/// no link in there is followed.
fn collect_outbox(repo: &Repo, dir: &SessionDir, number: u32) -> Result<()> {
    let (outbox, kept) = (dir.file("outbox"), dir.task_dir(number).join("outbox"));
    // A directory that we may not write in cannot be moved.
    podman::take_back(&outbox)?;
    if std::fs::read_dir(&outbox).is_ok_and(|mut entries| entries.next().is_none()) {
        return Ok(());
    }
    if !kept.exists() {
        if outbox.exists() {
            write::rename(&outbox, &kept)?;
        }
    } else if outbox.is_dir() {
        // An earlier attempt came this far; what came since joins it.
        join_directories(repo, &outbox, &kept)?;
    }
    write::create_dir(&outbox)
}

/// The later file of one name is the one that counts.
fn join_directories(repo: &Repo, from: &Path, to: &Path) -> Result<()> {
    for entry in std::fs::read_dir(from).with_context(|| format!("cannot list {}", from.display()))? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if std::fs::symlink_metadata(&target).is_ok() {
            discard(&repo.layout, &target)?;
        }
        write::rename(&entry.path(), &target)?;
    }
    Ok(())
}

/// The end of what a program said, where the reason stands.
pub fn tail(text: String) -> String {
    let start = text.len().saturating_sub(limits::DETAIL_BYTES);
    text[text.ceil_char_boundary(start)..].to_owned()
}

fn cut(mut text: String) -> String {
    if text.len() > limits::ANSWER_BYTES {
        text.truncate(text.floor_char_boundary(limits::ANSWER_BYTES));
        text.push_str("\n\n(cut here: the answer was longer)");
    }
    text
}

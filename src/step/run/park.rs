//! A task that Claude's API keeps from going on (a usage limit, an overload, a network that is away) waits, and goes on
//! in the same conversation. Its sender is told once.

use crate::base::id::TaskId;
use crate::disk::layout::Stage;
use crate::disk::queue::{Ticket, message_key};
use crate::disk::repo::Repo;
use crate::disk::session::{SessionDir, SessionGuard};
use crate::exec::pause;
use crate::format::session::Session;
use crate::format::task::{Parked, State, Task};
use crate::mail::note;
use crate::mail::notice::Notice;
use crate::rule;
use crate::step::run::task::{Ending, Worked, spent, tail};
use crate::tool::claude::Outage;
use anyhow::Result;
use jiff::{SignedDuration, Timestamp};
use std::time::Duration;

/// After a limit has ended, so that not all begin in the same moment.
const SPREAD: Duration = Duration::from_secs(60);

/// Lets the task wait; nothing where it has waited long enough, and fails.
pub fn park(
    repo: &Repo,
    id: &TaskId,
    session: &Session,
    worked: &Worked,
    outage: Outage,
) -> Result<Option<Ending>> {
    let now = Timestamp::now();
    let guard = SessionGuard::take(&repo.layout, &id.session)?;
    let mut task = guard.load_task(id.number)?;
    let Some(until) = until(&task, outage, now)? else { return Ok(None) };
    let reason = tail(worked.failure.as_ref().map(|failure| failure.detail.clone()).unwrap_or_default());
    if task.parked.is_none() {
        tell(repo, id, session, &task, &Notice::Parked { limit: outage != Outage::Away, until }, now)?;
    }
    task.parked = Some(Parked {
        since: task.parked.as_ref().map_or(now, |parked| parked.since),
        until,
        times: task.parked.as_ref().map_or(0, |parked| parked.times) + 1,
        reason: reason.clone(),
    });
    // It goes on where it stopped, which is no interruption.
    task.state = State::Ready;
    task.begun = true;
    task.add_cost(worked.cost_usd);
    task.notes.extend(worked.notes.iter().cloned());
    guard.save_both(&task, |session| session.mark_active(now))?;
    drop(guard);
    spent(repo, &task, worked.cost_usd, now)?;
    let (queue, ticket) = (repo.queue(), Ticket::task(id.clone()));
    queue.advance(&ticket, Stage::Running, Stage::Ready)?;
    queue.defer(Stage::Ready, &ticket.to_string(), until)?;
    Ok(Some(Ending::Parked(until, reason)))
}

fn until(task: &Task, outage: Outage, now: Timestamp) -> Result<Option<Timestamp>> {
    let resets_at = match outage {
        Outage::Limit { resets_at } => resets_at.and_then(|second| Timestamp::from_second(second).ok()),
        Outage::Away => None,
    };
    let until = rule::park::until(task.parked.as_ref(), resets_at, now);
    let spread = SignedDuration::try_from(pause::spread(SPREAD))?;
    Ok(until.and_then(|until| until.saturating_add(spread).ok()))
}

/// Of the task, and never of the message: a note about that may have gone out before.
fn tell(
    repo: &Repo,
    id: &TaskId,
    session: &Session,
    task: &Task,
    notice: &Notice,
    now: Timestamp,
) -> Result<()> {
    let key = message_key(format!("parked {}:{id} {}", repo.name, task.created_at).as_bytes());
    let letter = note::about_task(&repo.config.mail.from, session, task, &key, notice, now)?;
    repo.queue().post(&key, &letter)
}

/// Until when an earlier task of the same session waits, which this one must not overtake.
pub fn waits_for(dir: &SessionDir, number: u32, now: Timestamp) -> Option<Timestamp> {
    let before = (1..number).rev().map_while(|number| dir.load_task(number).ok());
    let open = before.take_while(|task| !task.state.is_final() || task.command.is_some());
    open.filter(|task| task.state == State::Ready)
        .filter_map(|task| task.parked)
        .map(|parked| parked.until)
        .find(|until| *until > now)
}

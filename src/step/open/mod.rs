//! `session open`, `new` and `resume`: a message that was let in becomes a task, of a new session or of the one
//! its headers name. The mail itself is moved last: until then the whole can be done again to the same end.

mod command;
mod failed;
mod place;
mod plan;
mod quota;

use crate::base::fault::Fault;
use crate::base::id::{MessageKey, SessionId};
use crate::base::shortage::Shortage;
use crate::base::talk::Talk;
use crate::disk::layout::Stage;
use crate::disk::repo::Repo;
use crate::disk::session::is_no_damage;
use crate::disk::write;
use crate::format::verdict::{Decision, Verdict};
use crate::step::report::Report;
use anyhow::{Context, Result, anyhow};
use jiff::Timestamp;
use std::panic::{AssertUnwindSafe, catch_unwind};

pub use plan::{Plan, Target};

/// Which session a message may go to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mode {
    /// Whichever its headers say.
    Open,
    /// Always a new one.
    New,
    /// Only one that exists: this one, or the one its headers name.
    Resume(Option<SessionId>),
}

/// Opens or continues a session for each of these messages, or for all that wait.
pub fn open(repo: &Repo, only: Option<&[MessageKey]>, mode: &Mode, talk: &dyn Talk) -> Result<Report> {
    let queue = repo.queue();
    queue.wake(Timestamp::now())?;
    let keys = match only {
        Some(keys) => keys.to_vec(),
        None => queue.messages(Stage::Authorized)?,
    };
    let mut report = Report::default();
    for key in keys {
        let opened = catch_unwind(AssertUnwindSafe(|| one(repo, &key, only.is_some(), mode, talk)));
        match opened.unwrap_or_else(|_| Err(anyhow!("airut itself failed on it (a panic)"))) {
            Ok(Some(task)) => report.moved(&repo.name, &task),
            Ok(None) => {}
            // The next ones would lack it as well.
            Err(error) if Shortage::of(&error).is_some() => {
                report.trouble(&repo.name, &key, error);
                break;
            }
            // Where the operator says to which session it belongs, it may be him who is wrong.
            Err(error) if *mode != Mode::Open => report.trouble(&repo.name, &key, error),
            Err(error) => report.trouble(&repo.name, &key, failed::note(repo, &key, error)),
        }
    }
    Ok(report)
}

/// What `open` would make of a mail that was let in. Changes nothing, and fetches nothing.
pub fn dry_run(repo: &Repo, bytes: &[u8], from: crate::base::address::Address, mode: &Mode) -> Result<Plan> {
    plan::plan(repo, &crate::disk::queue::message_key(bytes), bytes, from, mode, Timestamp::now())
}

/// The one check of a message that the operator wrote.
const BY_HAND: &str = "by hand";

fn is_by_hand(verdict: &Verdict) -> bool {
    verdict.checks.iter().any(|check| check.name == BY_HAND)
}

/// Takes a request that the operator wrote by hand: the queue sees it as a mail that was let in.
pub fn accept_by_hand(repo: &Repo, bytes: &[u8], from: crate::base::address::Address) -> Result<MessageKey> {
    use crate::format::verdict::{Check, FORMAT, Passed};
    let key = crate::disk::queue::message_key(bytes);
    let verdict = Verdict {
        format: FORMAT,
        decision: Decision::Accepted,
        reason: None,
        from: Some(from),
        decided_at: Timestamp::now(),
        checks: vec![Check::new(BY_HAND, Passed::Passed, "airut session new", "the operator's own request")],
    };
    repo.queue().admit(bytes, &verdict)?;
    Ok(key)
}

fn one(
    repo: &Repo,
    key: &MessageKey,
    named: bool,
    mode: &Mode,
    talk: &dyn Talk,
) -> Result<Option<crate::base::id::TaskId>> {
    let queue = repo.queue();
    let Some(bytes) = queue.read(Stage::Authorized, key)? else {
        if !named {
            // Listed a moment ago: another process was first.
            return Ok(None);
        }
        return Err(Fault::failed("there is no such message in queue/authorized").into());
    };
    let Some(verdict) = accepted(repo, key)? else {
        return doubt(repo, key).map(|()| None);
    };
    let from = verdict.from.clone().context("its verdict names no sender")?;
    let now = Timestamp::now();
    let plan = plan::plan(repo, key, &bytes, from, mode, now)?;
    if !place::is_begun(repo, key, &plan)?
        && !is_by_hand(&verdict)
        && let Some(reached) = quota::reached(repo, key, &plan, now)?
    {
        let waits = quota::turn_away(repo, key, &bytes, &plan, verdict, &reached)?;
        let what = if waits { "waits" } else { "is declined" };
        talk.info(&format!("{}:{key}: {what}, beyond {reached}", repo.name));
        return Ok(None);
    }
    place::place(repo, key, &plan, &verdict, talk)
}

/// The verdict beside a message, if it is there and lets the message in.
fn accepted(repo: &Repo, key: &MessageKey) -> Result<Option<Verdict>> {
    let verdict = match write::read_json_to_change::<Verdict>(&repo.queue().verdict(Stage::Authorized, key)) {
        Err(error) if is_no_damage(&error) => return Err(error),
        read => read.unwrap_or_default(),
    };
    Ok(verdict.filter(|verdict| verdict.decision == Decision::Accepted))
}

/// Without its verdict nothing of a message may be believed: it goes back to be judged again. Unless another process
/// is just placing it, which takes the verdict away first.
fn doubt(repo: &Repo, key: &MessageKey) -> Result<()> {
    let _one_at_a_time = place::lock(repo)?;
    let queue = repo.queue();
    if !queue.message(Stage::Authorized, key).exists() || accepted(repo, key)?.is_some() {
        return Ok(());
    }
    queue.send_back(key)?;
    Err(Fault::try_later("its verdict is missing; it goes back to be authorized again").into())
}

//! `session open`, `new` and `resume`: a message that was let in becomes a task, of a new session or of the one
//! its headers name. The mail itself is moved last: until then the whole can be done again to the same end.

mod command;
mod desk;
mod failed;
mod gather;
mod inbox;
mod make;
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
use anyhow::{Error, Result, anyhow};
use jiff::Timestamp;
use std::panic::{AssertUnwindSafe, catch_unwind};

use gather::{Ways, gather};
use place::Planned;
pub use plan::{Plan, Target};
use quota::Tally;

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
    let mut rest = keys.as_slice();
    while !rest.is_empty() {
        let ways = Ways { named: only.is_some(), mode, talk };
        let gathered = gather(repo, rest, &ways, &mut report);
        rest = &rest[gathered.looked_at..];
        let goes_on = place_all(repo, &gathered.planned, &gathered.tally, mode, &mut report);
        if !goes_on || gathered.is_short {
            break;
        }
    }
    Ok(report)
}

/// Together, so that the disk is waited for once; where that fails, one by one, so that each has its own error. False
/// where this machine lacks something: the next ones would lack it as well.
fn place_all(repo: &Repo, planned: &[Planned], tally: &Tally, mode: &Mode, report: &mut Report) -> bool {
    match (unpanicked(|| place::place(repo, planned, tally)), planned) {
        (Ok(tasks), _) => {
            tasks.iter().for_each(|task| report.moved(&repo.name, task));
            true
        }
        (Err(error), [one, ..]) if planned.len() == 1 || Shortage::of(&error).is_some() => {
            let goes_on = Shortage::of(&error).is_none();
            trouble(repo, &one.key, error, mode, report);
            goes_on
        }
        (Err(_), _) => {
            planned.iter().all(|one| place_all(repo, std::slice::from_ref(one), tally, mode, report))
        }
    }
}

fn trouble(repo: &Repo, key: &MessageKey, error: Error, mode: &Mode, report: &mut Report) {
    // Where the operator says to which session it belongs, it may be him who is wrong.
    let is_ours = *mode != Mode::Open || Shortage::of(&error).is_some();
    let error = if is_ours { error } else { failed::note(repo, key, error) };
    report.trouble(&repo.name, key, error);
}

/// One message that makes airut itself fail holds up no other.
fn unpanicked<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    let worked = catch_unwind(AssertUnwindSafe(work));
    worked.unwrap_or_else(|_| Err(anyhow!("airut itself failed on it (a panic)")))
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
        key: Some(key.clone()),
        decision: Decision::Accepted,
        reason: None,
        from: Some(from),
        decided_at: Timestamp::now(),
        checks: vec![Check::new(BY_HAND, Passed::Passed, "airut session new", "the operator's own request")],
    };
    repo.queue().admit(bytes, &verdict)?;
    Ok(key)
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

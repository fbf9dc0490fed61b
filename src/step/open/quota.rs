//! What becomes of a message beyond a limit: its sender is told, once in each period, and it waits or is set aside.

use crate::base::id::MessageKey;
use crate::disk::accounts::{self, Holder};
use crate::disk::repo::Repo;
use crate::format::config::Beyond;
use crate::format::verdict::{Check, Decision, Passed, Reason, Verdict};
use crate::mail::note;
use crate::mail::notice::Notice;
use crate::rule::command::Command;
use crate::rule::quota::{self, Reached, Whose};
use crate::step::open::plan::Plan;
use anyhow::Result;
use jiff::Timestamp;

/// The limit that this message would go beyond. A mail that stops work is always taken, and so is one that a try which
/// was cut off has counted already.
pub fn reached(repo: &Repo, key: &MessageKey, plan: &Plan, now: Timestamp) -> Result<Option<Reached>> {
    if plan.command == Some(Command::Stop) {
        return Ok(None);
    }
    let mut accounts = Vec::new();
    for (whose, holder) in holders(plan) {
        accounts.push((whose, accounts::read(&repo.layout, holder, now)?));
    }
    if accounts.iter().any(|(_, account)| account.last.as_ref() == Some(key)) {
        return Ok(None);
    }
    Ok(quota::reached(&accounts, &repo.config.limits, now))
}

/// One mail more.
pub fn count(repo: &Repo, key: &MessageKey, plan: &Plan) -> Result<()> {
    for (_, holder) in holders(plan) {
        accounts::update(&repo.layout, holder, plan.received_at, |account| account.count(key))?;
    }
    Ok(())
}

/// Takes the message out of the way; true where it comes back.
pub fn turn_away(
    repo: &Repo,
    key: &MessageKey,
    bytes: &[u8],
    plan: &Plan,
    mut verdict: Verdict,
    reached: &Reached,
) -> Result<bool> {
    let (queue, now) = (repo.queue(), Timestamp::now());
    let waits = repo.config.limits.beyond == Beyond::Wait;
    // Everybody is told for himself that there is nothing left for all.
    let holder = match reached.whose {
        Whose::Session => Holder::Session(plan.session_id()),
        Whose::Sender | Whose::Repo => Holder::Sender(&plan.from),
    };
    let told = accounts::read(&repo.layout, holder, now)?.is_told(reached.span);
    if !told {
        let notice = Notice::LimitReached { limit: reached.to_string(), until: reached.until, waits };
        let from = &repo.config.mail.from;
        queue.post(key, &note::compose(from, &plan.from, key, bytes, &notice, now)?)?;
        accounts::update(&repo.layout, holder, now, |account| account.tell(reached.span))?;
    }
    if waits {
        queue.defer_authorized(key, reached.until)?;
    } else {
        verdict.decision = Decision::Refused;
        verdict.reason = Some(Reason::Limit);
        verdict.checks.push(Check::new("limits", Passed::Failed, &reached.to_string(), "less than that"));
        queue.reject(key, &verdict)?;
    }
    Ok(waits)
}

fn holders<'a>(plan: &'a Plan) -> [(Whose, Holder<'a>); 3] {
    [
        (Whose::Session, Holder::Session(plan.session_id())),
        (Whose::Sender, Holder::Sender(&plan.from)),
        (Whose::Repo, Holder::Repo),
    ]
}

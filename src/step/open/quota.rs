//! What becomes of a message beyond a limit: its sender is told, once in each period, and it waits or is set aside.

use crate::base::id::MessageKey;
use crate::disk::accounts::{self, Holder};
use crate::disk::repo::Repo;
use crate::format::account::Account;
use crate::format::config::Beyond;
use crate::format::verdict::{Check, Decision, Passed, Reason, Verdict};
use crate::mail::note;
use crate::mail::notice::Notice;
use crate::rule::command::Command;
use crate::rule::quota::{self, Reached, Whose};
use crate::step::open::plan::Plan;
use anyhow::Result;
use jiff::Timestamp;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, HashSet};

/// What the mails of a batch count for, before any account says so.
#[derive(Debug, Default)]
pub struct Tally(BTreeMap<Holder, Counted>);

#[derive(Debug)]
struct Counted {
    /// As it will be.
    account: Account,
    /// Counted by a try that was cut off.
    before: Vec<MessageKey>,
    keys: Vec<MessageKey>,
}

impl Tally {
    /// The limit that this message would go beyond. A mail that stops work is always taken, and so is one that a try
    /// which was cut off has counted already.
    pub fn reached(
        &mut self,
        repo: &Repo,
        key: &MessageKey,
        plan: &Plan,
        now: Timestamp,
    ) -> Result<Option<Reached>> {
        if plan.command == Some(Command::Stop) {
            return Ok(None);
        }
        let mut accounts = Vec::new();
        for (whose, holder) in holders(plan) {
            let counted = self.of(repo, holder, now)?;
            if counted.before.contains(key) {
                return Ok(None);
            }
            accounts.push((whose, counted.account.clone()));
        }
        Ok(quota::reached(&accounts, &repo.config.limits, now))
    }

    /// One mail more.
    pub fn count(&mut self, repo: &Repo, key: &MessageKey, plan: &Plan, now: Timestamp) -> Result<()> {
        for (_, holder) in holders(plan) {
            let counted = self.of(repo, holder, now)?;
            counted.keys.push(key.clone());
            counted.account.more(u32::from(!counted.before.contains(key)));
        }
        Ok(())
    }

    /// Puts those of it into the accounts that are `placed`.
    pub fn write(&self, repo: &Repo, placed: &HashSet<&MessageKey>, now: Timestamp) -> Result<()> {
        for (holder, counted) in &self.0 {
            let keys: Vec<_> = counted.keys.iter().filter(|key| placed.contains(key)).cloned().collect();
            if !keys.is_empty() {
                accounts::update(&repo.layout, holder, now, |account| account.count(&keys))?;
            }
        }
        Ok(())
    }

    fn of(&mut self, repo: &Repo, holder: Holder, now: Timestamp) -> Result<&mut Counted> {
        Ok(match self.0.entry(holder) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => {
                let mut account = accounts::read(&repo.layout, new.key(), now)?;
                let before = std::mem::take(&mut account.counted);
                new.insert(Counted { account, before, keys: Vec::new() })
            }
        })
    }
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
        Whose::Session => Holder::Session(plan.session_id().clone()),
        Whose::Sender | Whose::Repo => Holder::Sender(plan.from.clone()),
    };
    let told = accounts::read(&repo.layout, &holder, now)?.is_told(reached.span);
    if !told {
        let notice = Notice::LimitReached { limit: reached.to_string(), until: reached.until, waits };
        let from = &repo.config.mail.from;
        queue.post(key, &note::compose(from, &plan.from, key, bytes, &notice, now)?)?;
        accounts::update(&repo.layout, &holder, now, |account| account.tell(reached.span))?;
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

fn holders(plan: &Plan) -> [(Whose, Holder); 3] {
    [
        (Whose::Session, Holder::Session(plan.session_id().clone())),
        (Whose::Sender, Holder::Sender(plan.from.untagged())),
        (Whose::Repo, Holder::Repo),
    ]
}

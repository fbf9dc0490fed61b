//! `authorize`: judges what was fetched, by its headers alone. What is accepted goes on, what is refused is set
//! aside with the reason, what the mail server could not tell yet waits. Nothing is sent to anyone.

use crate::base::fault::Fault;
use crate::base::id::MessageKey;
use crate::base::limits;
use crate::base::shortage::Shortage;
use crate::base::talk::Talk;
use crate::disk::accounts::{self, Holder};
use crate::disk::layout::Stage;
use crate::disk::queue::identity;
use crate::disk::repo::Repo;
use crate::format::account::Span;
use crate::format::verdict::{Check, Decision, Passed, Reason, Verdict};
use crate::mail::headers;
use crate::mail::note;
use crate::mail::notice::Notice;
use crate::rule::authorize::{Policy, may_be_told};
use crate::rule::replay;
use crate::rule::stamp::Stamp;
use crate::step::report::Report;
use anyhow::Result;
use jiff::{SignedDuration, Timestamp};

/// How long a message waits that the mail server could not settle; header results do not change by themselves, but
/// whoever mends the server may deliver it again or move it on.
const PAUSE: SignedDuration = SignedDuration::from_mins(10);

/// Judges these messages, or all that wait.
pub fn authorize(repo: &Repo, only: Option<&[MessageKey]>, talk: &dyn Talk) -> Result<Report> {
    let queue = repo.queue();
    queue.wake(Timestamp::now())?;
    let keys = match only {
        Some(keys) => keys.to_vec(),
        None => queue.messages(Stage::Fetched)?,
    };
    let mut report = Report::default();
    for key in keys {
        match one(repo, &key, only.is_some(), talk) {
            Ok(true) => report.moved(&repo.name, &key),
            Ok(false) => {}
            // The next ones would lack it as well.
            Err(error) if Shortage::of(&error).is_some() => {
                report.trouble(&repo.name, &key, error);
                break;
            }
            Err(error) => report.trouble(&repo.name, &key, error),
        }
    }
    Ok(report)
}

/// The verdict on a mail as the repository's configuration has it. Changes nothing.
#[must_use]
pub fn explain(repo: &Repo, bytes: &[u8], now: Timestamp) -> Verdict {
    let policy = Policy {
        // A configuration that has neither is refused when it is loaded; an empty name is nobody's.
        stamp: Stamp::of(&repo.config).unwrap_or(Stamp::named("")),
        max_mail_age_days: repo.config.max_mail_age_days,
        authorized_senders: &repo.config.authorized_senders,
        own_address: &repo.config.mail.from.address,
    };
    headers::verdict(bytes, &policy, now)
}

fn one(repo: &Repo, key: &MessageKey, named: bool, talk: &dyn Talk) -> Result<bool> {
    let queue = repo.queue();
    let now = Timestamp::now();
    let Some(bytes) = queue.read(Stage::Fetched, key)? else {
        if !named {
            // Listed a moment ago: another process was first.
            return Ok(false);
        }
        return Err(Fault::failed("there is no such message in queue/fetched").into());
    };
    let mut verdict = explain(repo, &bytes, now);
    if verdict.decision == Decision::Accepted && is_replay(repo, key, &verdict, &bytes)? {
        refuse_as(&mut verdict, Reason::Duplicate, "this very mail was accepted before");
    }
    if verdict.decision == Decision::TryLater && is_old(repo, key, now) {
        refuse_as(&mut verdict, Reason::Unsettled, "the mail server never settled it");
    }
    let why = verdict.reason.map_or_else(String::new, |reason| reason.to_string());
    match verdict.decision {
        Decision::Accepted => queue.settle(key, Stage::Authorized, &verdict),
        Decision::Refused => {
            if repo.config.refusal_notice && may_be_told(&verdict) {
                tell(repo, key, &bytes, &verdict, now)?;
            }
            talk.info(&format!("{}:{key}: refused, {why}", repo.name));
            queue.settle(key, Stage::Rejected, &verdict).map(|_| false)
        }
        Decision::TryLater => {
            queue.defer(Stage::Fetched, &format!("{key}.eml"), now + PAUSE)?;
            Err(Fault::try_later(format!("it waits: {why}"))
                .hint("authorize --explain shows what the mail server wrote")
                .into())
        }
    }
}

/// Tells a person that the list has no place for them, once a day.
fn tell(repo: &Repo, key: &MessageKey, bytes: &[u8], verdict: &Verdict, now: Timestamp) -> Result<()> {
    let Some(from) = &verdict.from else { return Ok(()) };
    let holder = Holder::Sender(from);
    if !accounts::read(&repo.layout, holder, now)?.is_told(Span::Day) {
        let own = &repo.config.mail.from;
        let letter = note::compose(own, from, key, bytes, &Notice::NotOnTheList, now)?;
        repo.queue().post(key, &letter)?;
        accounts::update(&repo.layout, holder, now, |account| account.tell(Span::Day))?;
    }
    Ok(())
}

fn refuse_as(verdict: &mut Verdict, reason: Reason, saw: &str) {
    verdict.decision = Decision::Refused;
    verdict.reason = Some(reason);
    verdict.checks.push(Check::new(&reason.to_string(), Passed::Failed, saw, "a mail that is new"));
}

/// A genuine mail that was caught and sent again passes every check but this one.
fn is_replay(repo: &Repo, key: &MessageKey, verdict: &Verdict, bytes: &[u8]) -> Result<bool> {
    let (headers, body) = headers::block(bytes)?;
    let (Some(from), Some(name)) = (&verdict.from, replay::name(&headers)) else {
        return Ok(false);
    };
    repo.queue().is_replay(&identity(&from.to_string(), &name, &replay::relaxed(body)), key)
}

fn is_old(repo: &Repo, key: &MessageKey, now: Timestamp) -> bool {
    let modified =
        std::fs::metadata(repo.queue().message(Stage::Fetched, key)).and_then(|meta| meta.modified());
    let Ok(Ok(modified)) = modified.map(Timestamp::try_from) else { return false };
    // One from the future (the clock was set back) is not old.
    SignedDuration::try_from(limits::UNSETTLED_AGE).is_ok_and(|age| now.duration_since(modified) > age)
}

//! `authorize`: judges what was fetched, by its headers alone. What is accepted goes on, what is refused is set
//! aside with the reason, what the mail server could not tell yet waits. Nothing is sent to anyone.

use crate::base::fault::Fault;
use crate::base::id::MessageKey;
use crate::base::limits;
use crate::base::shortage::Shortage;
use crate::base::talk::Talk;
use crate::disk::accounts::{self, Holder};
use crate::disk::layout::Stage;
use crate::disk::queue::{Judged, identity};
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
    for keys in keys.chunks(limits::BATCH) {
        if !batch(repo, keys, only.is_some(), talk, &mut report) {
            break;
        }
    }
    Ok(report)
}

/// Together, so that the disk is waited for once; where that fails, one by one, so that each has its own error. False
/// where this machine lacks something: the next ones would lack it as well.
fn batch(repo: &Repo, keys: &[MessageKey], named: bool, talk: &dyn Talk, report: &mut Report) -> bool {
    match (together(repo, keys, named, talk, report), keys) {
        (Ok(()), _) => true,
        (Err(error), [key, ..]) if keys.len() == 1 || Shortage::of(&error).is_some() => {
            let goes_on = Shortage::of(&error).is_none();
            report.trouble(&repo.name, key, error);
            goes_on
        }
        // What went well meanwhile is not missed.
        (Err(_), _) => keys.iter().all(|key| batch(repo, std::slice::from_ref(key), false, talk, report)),
    }
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

fn together(
    repo: &Repo,
    keys: &[MessageKey],
    named: bool,
    talk: &dyn Talk,
    report: &mut Report,
) -> Result<()> {
    let (queue, now) = (repo.queue(), Timestamp::now());
    let mut judged = Vec::new();
    for key in keys {
        match look(repo, key, now) {
            Ok(Some(one)) => judged.push(one),
            // Listed a moment ago: another process was first.
            Ok(None) if !named => {}
            Ok(None) => {
                let fault = Fault::failed("there is no such message in queue/fetched");
                report.trouble(&repo.name, key, fault.into());
            }
            Err(error) if Shortage::of(&error).is_some() => return Err(error),
            Err(error) => report.trouble(&repo.name, key, error),
        }
    }
    let mut settled = Vec::new();
    for one in judged {
        match one.verdict.decision {
            Decision::TryLater => report.trouble(&repo.name, &one.key, wait(repo, &one, now)),
            decision => {
                let is_told = decision == Decision::Refused && repo.config.refusal_notice;
                if is_told && may_be_told(&one.verdict) {
                    tell(repo, &one, now)?;
                }
                settled.push(one);
            }
        }
    }
    let is_copy = |verdict: &mut Verdict| {
        refuse_as(verdict, Reason::Duplicate, "this very mail was accepted before");
    };
    let moved = queue.settle(&mut settled, is_copy)?;
    for Judged { key, verdict, .. } in settled.iter().filter(|one| moved.contains(&one.key)) {
        match verdict.decision {
            Decision::Accepted => report.moved(&repo.name, key),
            _ => talk.info(&format!("{}:{key}: refused, {}", repo.name, why(verdict))),
        }
    }
    Ok(())
}

/// Judges one message by what it holds; nothing where another process moved it on.
fn look(repo: &Repo, key: &MessageKey, now: Timestamp) -> Result<Option<Judged>> {
    let Some(bytes) = repo.queue().read(Stage::Fetched, key)? else { return Ok(None) };
    let mut verdict = explain(repo, &bytes, now);
    if verdict.decision == Decision::TryLater && is_old(repo, key, now) {
        refuse_as(&mut verdict, Reason::Unsettled, "the mail server never settled it");
    }
    let identity = if verdict.decision == Decision::Accepted { name(&verdict, &bytes)? } else { None };
    Ok(Some(Judged { key: key.clone(), verdict, identity }))
}

/// Lets a message wait that the mail server could not settle, and returns what is to be said of it.
fn wait(repo: &Repo, one: &Judged, now: Timestamp) -> anyhow::Error {
    match repo.queue().defer(Stage::Fetched, &format!("{}.eml", one.key), now + PAUSE) {
        Ok(()) => Fault::try_later(format!("it waits: {}", why(&one.verdict)))
            .hint("authorize --explain shows what the mail server wrote")
            .into(),
        Err(error) => error,
    }
}

fn why(verdict: &Verdict) -> String {
    verdict.reason.map_or_else(String::new, |reason| reason.to_string())
}

/// Tells a person that the list has no place for them, once a day.
fn tell(repo: &Repo, one: &Judged, now: Timestamp) -> Result<()> {
    let Judged { key, verdict, .. } = one;
    let (Some(from), Some(bytes)) = (&verdict.from, repo.queue().read(Stage::Fetched, key)?) else {
        return Ok(());
    };
    let holder = Holder::Sender(from.clone());
    if !accounts::read(&repo.layout, &holder, now)?.is_told(Span::Day) {
        let own = &repo.config.mail.from;
        let letter = note::compose(own, from, key, &bytes, &Notice::NotOnTheList, now)?;
        repo.queue().post(key, &letter)?;
        accounts::update(&repo.layout, &holder, now, |account| account.tell(Span::Day))?;
    }
    Ok(())
}

fn refuse_as(verdict: &mut Verdict, reason: Reason, saw: &str) {
    verdict.decision = Decision::Refused;
    verdict.reason = Some(reason);
    verdict.checks.push(Check::new(&reason.to_string(), Passed::Failed, saw, "a mail that is new"));
}

/// What a genuine mail that was caught and sent again, and passes every other check, is known by.
fn name(verdict: &Verdict, bytes: &[u8]) -> Result<Option<MessageKey>> {
    let (headers, body) = headers::block(bytes)?;
    let (Some(from), Some(name)) = (&verdict.from, replay::name(&headers)) else {
        return Ok(None);
    };
    Ok(Some(identity(&from.to_string(), &name, &replay::relaxed(body))))
}

fn is_old(repo: &Repo, key: &MessageKey, now: Timestamp) -> bool {
    let modified =
        std::fs::metadata(repo.queue().message(Stage::Fetched, key)).and_then(|meta| meta.modified());
    let Ok(Ok(modified)) = modified.map(Timestamp::try_from) else { return false };
    // One from the future (the clock was set back) is not old.
    SignedDuration::try_from(limits::UNSETTLED_AGE).is_ok_and(|age| now.duration_since(modified) > age)
}

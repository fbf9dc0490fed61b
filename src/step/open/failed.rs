//! A message that cannot be put into a session: it is tried again after a pause, and set aside after the third time,
//! so that it neither holds up the others nor is tried without end. Its sender is told then.

use crate::base::fault::{Fault, Kind};
use crate::base::id::MessageKey;
use crate::base::limits;
use crate::disk::failures;
use crate::disk::layout::Stage;
use crate::disk::repo::Repo;
use crate::format::verdict::{Check, Decision, Passed, Reason};
use crate::mail::note;
use crate::mail::notice::Notice;
use crate::step::open::accepted;
use anyhow::{Error, Result};
use jiff::{SignedDuration, Timestamp};

/// After the first failure; twice after the second.
const PAUSE: SignedDuration = SignedDuration::from_mins(1);

/// Notes the failure, and returns what is to be said of it.
pub fn note(repo: &Repo, key: &MessageKey, error: Error) -> Error {
    if !is_the_messages_own(&error) {
        return error;
    }
    match count(repo, key, &error) {
        Ok(Some(then)) => error.context(then),
        // What cannot be noted is tried again.
        Ok(None) | Err(_) => error,
    }
}

/// Not the disk's, another process's or the configuration's.
fn is_the_messages_own(error: &Error) -> bool {
    let ours = error.chain().any(|cause| {
        cause.is::<std::io::Error>()
            || cause.downcast_ref::<Fault>().is_some_and(|fault| fault.kind != Kind::Failed)
    });
    !ours
}

fn count(repo: &Repo, key: &MessageKey, error: &Error) -> Result<Option<String>> {
    let queue = repo.queue();
    // Gone, or in doubt, which is dealt with.
    let Some(mut verdict) = accepted(repo, key)? else { return Ok(None) };
    let (now, times) = (Timestamp::now(), failures::count(&repo.layout, key)?);
    if times < limits::MESSAGE_FAILURES {
        queue.defer_authorized(key, now + PAUSE * i32::try_from(times)?)?;
        return Ok(Some(format!("it waits for another attempt after failure {times}")));
    }
    if let (Some(bytes), Some(from)) = (queue.read(Stage::Authorized, key)?, &verdict.from) {
        queue
            .post(key, &note::compose(&repo.config.mail.from, from, key, &bytes, &Notice::SetAside, now)?)?;
    }
    verdict.decision = Decision::Refused;
    verdict.reason = Some(Reason::Failing);
    verdict.checks.push(Check::new("opened", Passed::Failed, &format!("{error:#}"), "a session with it"));
    queue.reject(key, &verdict)?;
    Ok(Some(format!("set aside after failure {times}")))
}

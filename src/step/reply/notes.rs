//! Notes: whole mails of airut's own that belong to no task. They lie in `queue/finished` as `KEY.eml`, KEY being the
//! message they are about, and have their Message-ID from the beginning.

use crate::base::id::MessageKey;
use crate::base::limits;
use crate::disk::layout::Stage;
use crate::disk::repo::Repo;
use crate::disk::write;
use crate::exec::interrupt::Interrupt;
use crate::mail::compose;
use crate::step::reply::transport::{Transport, Unsent};
use crate::step::report::Report;
use anyhow::{Context, Result, anyhow};
use jiff::{SignedDuration, Timestamp};

/// How long a note waits for its next attempt.
const PAUSE: SignedDuration = SignedDuration::from_mins(15);

/// Sends all that wait. One that is not taken is dropped: its reader did not ask for it.
pub fn send(
    repo: &Repo,
    transport: &mut Transport,
    interrupt: &Interrupt,
    report: &mut Report,
) -> Result<()> {
    for key in repo.queue().messages(Stage::Finished)? {
        if interrupt.is_set() || transport.is_locked_out() {
            break;
        }
        match one(repo, &key, transport) {
            Ok(()) => report.moved(&repo.name, &key),
            Err(error) => {
                report.trouble(&repo.name, &key, error);
                // Not tried again at once, by a path unit that sees that something is left.
                let _ = repo.queue().defer(Stage::Finished, &format!("{key}.eml"), Timestamp::now() + PAUSE);
            }
        }
    }
    Ok(())
}

fn one(repo: &Repo, key: &MessageKey, transport: &mut Transport) -> Result<()> {
    let path = repo.queue().message(Stage::Finished, key);
    let Some(bytes) = write::read(&path, limits::COMPOSED_BYTES)? else { return Ok(()) };
    let to = compose::recipients(&bytes);
    match transport.send_note(&to, &bytes) {
        Ok(()) => done(repo, key),
        Err(Unsent::Permanent(why)) => {
            done(repo, key)?;
            Err(anyhow!("the note cannot be delivered, and is dropped: {why}"))
        }
        Err(unsent) => {
            let written = std::fs::metadata(&path).and_then(|meta| meta.modified()).context("no time")?;
            if written.elapsed().unwrap_or_default() > limits::NOTE_AGE {
                write::remove(&path)?;
                return Err(anyhow!("the note is dropped after a day: {unsent}"));
            }
            Err(unsent.fault(&format!("it waits {} min for its next attempt", PAUSE.as_mins())).into())
        }
    }
}

/// It has gone out, or nobody can be told: whoever waits for that sees when it was. In mind first, and then away.
fn done(repo: &Repo, key: &MessageKey) -> Result<()> {
    // A mail that is still to be judged is kept in mind with its verdict.
    if !repo.queue().is_on_its_way(key)? {
        repo.queue().remember(key)?;
    }
    write::remove(&repo.queue().message(Stage::Finished, key))
}

//! Keeps what the sessions take within `max_storage`: measures those in which something happened, tells the people of
//! the largest that it goes, and removes it when they had their time and nobody wrote.

use crate::base::address::Address;
use crate::base::id::SessionId;
use crate::base::limits;
use crate::disk::layout::Stage;
use crate::disk::lock::Lock;
use crate::disk::repo::Repo;
use crate::disk::session::{SessionDir, is_too_new};
use crate::disk::{notes, usage, write};
use crate::format::session::Session;
use crate::format::size::Size;
use crate::format::sizes::{Measured, Sizes};
use crate::format::task::Task;
use crate::mail::notice::Notice;
use crate::mail::{decode, headers, note};
use crate::rule::fit::{Room, Step, Told, Weighed, fit};
use crate::rule::retain::Seen;
use crate::rule::route::route;
use crate::step::gc::{Options, session};
use anyhow::{Context, Result};
use jiff::Timestamp;
use std::collections::HashMap;

/// Where the operator set no limit, nothing is measured.
pub fn keep_within(repo: &Repo, sessions: &[Seen], options: &Options) -> Result<()> {
    let Some(Size(max_bytes)) = repo.config.max_storage else { return Ok(()) };
    // Two at once would tell people twice.
    let Some(_lock) = Lock::attempt(&repo.layout.lock("sizes"))? else { return Ok(()) };
    let sizes = measure(repo, sessions, options)?;
    let total = sizes.total_bytes();
    if total <= max_bytes {
        return Ok(());
    }
    let beyond = Size(total - max_bytes);
    options.talk.info(&format!("{}: sessions take {}, {beyond} beyond max_storage", repo.name, Size(total)));
    let mut weighed = weigh(repo, sessions, &sizes)?;
    let (room, now) = (Room { max_bytes, max_sessions: repo.config.max_sessions }, Timestamp::now());
    let going = loop {
        let going = fit(weighed.clone(), room, now);
        // Where nobody can be told, none is removed unawares: another goes in its place.
        let Some(mute) =
            going.iter().position(|(it, step)| *step == Step::Tell && people(repo, it).is_none())
        else {
            break going;
        };
        let id = going[mute].0.id.clone();
        options.talk.warn(&format!("{}:{id}: takes much, and has nobody who could be told", repo.name));
        weighed.iter_mut().filter(|it| it.id == id).for_each(|it| it.busy = true);
    };
    let mut failed = Ok(());
    for (it, step) in going {
        let done = match step {
            Step::Wait => Ok(()),
            Step::Tell => tell(repo, &it, max_bytes, options),
            Step::Remove => remove(repo, &it, options),
        };
        failed = failed.and(done);
    }
    failed
}

/// What each session takes, from the file where nothing happened in it since.
fn measure(repo: &Repo, sessions: &[Seen], options: &Options) -> Result<Sizes> {
    let path = repo.layout.sizes();
    let known = match write::read_json_to_change::<Sizes>(&path) {
        Err(error) if is_too_new(&error) => return Err(error),
        read => read.ok().flatten().unwrap_or_default(),
    };
    let unchanged: HashMap<_, _> = known.sessions.iter().map(|known| (&known.session, known)).collect();
    let mut sizes = Sizes::default();
    for seen in sessions {
        let measured = match unchanged.get(&seen.id).filter(|known| known.active_at == seen.active_at) {
            Some(known) => (*known).clone(),
            None => match usage::bytes(&repo.layout.session(&seen.id)) {
                Ok(bytes) => Measured { session: seen.id.clone(), active_at: seen.active_at, bytes },
                // Removed meanwhile, or not to be looked at by us at all.
                Err(_) => continue,
            },
        };
        sizes.sessions.push(measured);
    }
    if sizes != known && !options.dry_run {
        write::json_by_way_of(&repo.layout.tmp(), &path, &sizes)?;
    }
    Ok(sizes)
}

fn weigh(repo: &Repo, sessions: &[Seen], sizes: &Sizes) -> Result<Vec<Weighed>> {
    let waiting = notes::waiting(&repo.layout)?;
    let bytes: HashMap<_, _> = sizes.sessions.iter().map(|it| (&it.session, it.bytes)).collect();
    let weigh = |seen: &Seen| {
        let key = notes::of_size(&repo.layout, &seen.id, seen.active_at);
        let told = match notes::went_out(&repo.layout, &key) {
            _ if waiting.contains(&key) => Told::OnItsWay,
            Some(time) => Told::At(time),
            None => Told::No,
        };
        let bytes = *bytes.get(&seen.id)?;
        Some(Weighed { id: seen.id.clone(), bytes, active_at: seen.active_at, busy: seen.busy, told })
    };
    Ok(sessions.iter().filter_map(weigh).collect())
}

/// A session that nothing happened in since it was measured, the last task of it that can be read, and whom to tell:
/// who wrote last, and who opened it, if they may still write.
fn people(repo: &Repo, it: &Weighed) -> Option<(Session, Task, Vec<Address>)> {
    let dir = SessionDir::new(&repo.layout, &it.id);
    let session = dir.load().ok().filter(|session| session.active_at == it.active_at)?;
    let last = (1..=session.tasks).rev().find_map(|number| dir.load_task(number).ok())?;
    let mut people = last.senders();
    let may_write =
        |address: &Address| repo.config.authorized_senders.iter().any(|pattern| pattern.matches(address));
    let opener = dir.load_task(1).ok().and_then(|first| first.senders().into_iter().next());
    people.extend(opener.filter(|opener| !last.senders().contains(opener) && may_write(opener)));
    (!people.is_empty()).then_some((session, last, people))
}

/// Puts the mail into the queue. Its name follows from the session's last activity: the same, however often this is
/// cut off, and another one when something happened.
fn tell(repo: &Repo, it: &Weighed, max_bytes: u64, options: &Options) -> Result<()> {
    let verb = if options.dry_run { "would tell" } else { "telling" };
    let what = format!("session {}, which takes {}", it.id, Size(it.bytes));
    options.talk.info(&format!("{}: {verb} the people of {what}, that it goes", repo.name));
    let Some((session, task, to)) = people(repo, it).filter(|_| !options.dry_run) else { return Ok(()) };
    let now = Timestamp::now();
    let notice = Notice::GoesForItsSize { bytes: it.bytes, max_bytes, after: now + limits::NOTICE_PERIOD };
    let key = notes::of_size(&repo.layout, &it.id, it.active_at);
    let from = &repo.config.mail.from;
    let post = || -> Result<()> {
        repo.queue().post(&key, &note::in_thread(from, &session, &task, to, &key, &notice, now)?)
    };
    post().with_context(|| format!("session {}", it.id))
}

fn remove(repo: &Repo, it: &Weighed, options: &Options) -> Result<()> {
    if is_written_to(repo, &it.id)? {
        return Ok(());
    }
    let seen = Seen { id: it.id.clone(), active_at: it.active_at, busy: it.busy };
    let why = format!("takes {}, beyond max_storage, and its people were told", Size(it.bytes));
    session(repo, &seen, &why, options)
}

/// Whether a mail that is not in its session yet may belong to this one: whoever wrote in time is not to be too late
/// because the mail had to wait.
fn is_written_to(repo: &Repo, id: &SessionId) -> Result<bool> {
    let (queue, layout) = (repo.queue(), &repo.layout);
    let mut paths = Vec::new();
    for stage in [Stage::Fetched, Stage::Authorized] {
        paths.extend(queue.messages(stage)?.iter().map(|key| queue.message(stage, key)));
    }
    for (stage, name, until) in queue.deferred()? {
        if name.ends_with(".eml") && matches!(stage, Stage::Fetched | Stage::Authorized) {
            paths.push(layout.deferred(stage).join(format!("{}.{name}", until.as_second())));
        }
    }
    for path in paths {
        let Some(bytes) = write::read(&path, limits::MESSAGE_BYTES as u64)? else { continue };
        let headers = headers::headers(&bytes).unwrap_or_default();
        let subject = headers.first("Subject").map(decode::words).unwrap_or_default();
        if route(&headers, &subject, repo.config.mail.from.address.domain()).candidates.contains(id) {
            return Ok(true);
        }
    }
    Ok(false)
}

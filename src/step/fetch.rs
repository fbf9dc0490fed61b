//! `fetch`: takes mail in. A mail leaves its mailbox only after its bytes, its name and its directory are on disk; a
//! crash between the two is mended by the next fetch, which knows the mail again.

use crate::base::fault::{Fault, Kind};
use crate::base::limits;
use crate::base::shortage::Shortage;
use crate::base::talk::Talk;
use crate::disk::layout::Stage;
use crate::disk::lock::Lock;
use crate::disk::queue::{TakenIn, Unnamed};
use crate::disk::repo::Repo;
use crate::disk::room;
use crate::disk::write;
use crate::exec::interrupt::Interrupt;
use crate::exec::pause;
use crate::format::config::Imap;
use crate::format::mailbox;
use crate::format::version::Versioned;
use crate::mail::headers::{OVERSIZE, UNFETCHED};
use crate::mail::imap::{Gone, IdleEnd, Mailbox};
use crate::mail::maildir::{Content, Maildir};
use crate::step::report::Report;
use crate::tool::sign_in;
use anyhow::{Context, Result};
use jiff::Timestamp;
use std::collections::BTreeSet;
use std::time::Duration;

/// One look into the mailbox.
pub fn fetch(repo: &Repo, talk: &dyn Talk) -> Result<Report> {
    begin(repo)?;
    room(repo)?;
    let _lock = lock(repo)?;
    if let Some(imap) = &repo.config.mail.imap {
        let mut mailbox = connect(repo, imap)?;
        return from_imap(repo, &mut mailbox, talk);
    }
    if let Some(path) = &repo.config.mail.maildir {
        return from_maildir(repo, &Maildir::open(path)?, talk);
    }
    // Only `fetch --stdin` brings mail here.
    Ok(Report::default())
}

/// Takes one mail that was piped in, by procmail, sieve or an alias.
pub fn take(repo: &Repo, bytes: &[u8]) -> Result<Report> {
    begin(repo)?;
    room(repo)?;
    let mut report = Report::default();
    let mail = if bytes.len() > limits::MESSAGE_BYTES {
        repo.queue().unnamed(&oversize(bytes, bytes.len()))?
    } else {
        repo.queue().unnamed(bytes)?
    };
    store(repo, vec![mail], &mut report)?;
    Ok(report)
}

/// Stays on IMAP IDLE and fetches as mail arrives, for ever: a connection that fails is made anew, after a pause that
/// grows to `limits::RECONNECT_MAX`. `arrived` hears of each round.
pub fn watch(
    repo: &Repo,
    talk: &dyn Talk,
    interrupt: &Interrupt,
    mut arrived: impl FnMut(Report),
) -> Result<()> {
    let imap = repo.config.mail.imap.as_ref().ok_or_else(|| {
        Fault::usage(format!("{}: only an IMAP mailbox can be watched", repo.name))
            .hint("use `airut fetch` from a timer for a Maildir")
    })?;
    begin(repo)?;
    let _lock = lock(repo)?;
    let mut pause = Duration::from_secs(1);
    while !interrupt.is_set() {
        match watch_connection(repo, imap, talk, interrupt, &mut arrived, &mut pause) {
            Ok(()) => {}
            Err(error) if is_config(&error) => return Err(error),
            Err(error) => {
                let hint = error.downcast_ref::<Fault>().and_then(|fault| fault.hint.as_deref());
                let hint = hint.map_or_else(String::new, |hint| format!(" ({hint})"));
                let (spread, name) = (pause::spread(pause), &repo.name);
                let seconds = spread.as_secs_f64();
                talk.warn(&format!("{name}: {error:#}{hint}; trying again in {seconds:.1} s"));
                pause::wait(spread, interrupt);
                pause = (pause * 2).min(limits::RECONNECT_MAX);
            }
        }
    }
    Ok(())
}

fn watch_connection(
    repo: &Repo,
    imap: &Imap,
    talk: &dyn Talk,
    interrupt: &Interrupt,
    arrived: &mut impl FnMut(Report),
    pause: &mut Duration,
) -> Result<()> {
    let mut mailbox = connect(repo, imap)?;
    loop {
        // Looks before each IDLE: what came between the last look and now would wait for the next mail.
        repo.queue().wake(Timestamp::now())?;
        room(repo)?;
        let report = from_imap(repo, &mut mailbox, talk)?;
        *pause = Duration::from_secs(1);
        if !report.moved.is_empty() || !report.troubles.is_empty() {
            arrived(report);
        }
        let until_due =
            repo.queue().deferred()?.first().map(|(_, _, until)| until.duration_since(Timestamp::now()));
        let nap = until_due
            .map_or(limits::IDLE_RENEW, |due| due.max(jiff::SignedDuration::from_secs(1)).unsigned_abs());
        let stop = || interrupt.is_set();
        if mailbox.idle(nap.min(limits::IDLE_RENEW), &stop)? == IdleEnd::Stopped {
            return Ok(());
        }
    }
}

/// A connection that is gone is gone for all of them.
fn is_away(error: &anyhow::Error) -> bool {
    error.downcast_ref::<Fault>().is_some_and(|fault| fault.kind == Kind::TryLater)
}

fn is_config(error: &anyhow::Error) -> bool {
    error.downcast_ref::<Fault>().is_some_and(|fault| fault.kind == Kind::Config)
}

fn begin(repo: &Repo) -> Result<()> {
    repo.queue().wake(Timestamp::now())
}

fn room(repo: &Repo) -> Result<()> {
    room::check(repo.layout.root(), repo.config.reserve.0)
}

fn lock(repo: &Repo) -> Result<Lock> {
    Lock::exclusive(&repo.layout.lock("mailbox"), limits::MAILBOX_WAIT, "the mailbox")
}

fn connect(repo: &Repo, imap: &Imap) -> Result<Mailbox> {
    sign_in::mailbox(imap, &format!("repos.{}.mail.imap", repo.name))
}

fn from_imap(repo: &Repo, mailbox: &mut Mailbox, talk: &dyn Talk) -> Result<Report> {
    let mut report = Report::default();
    let path = repo.layout.mailbox_state();
    let uid_validity = mailbox.select()?;
    let known = match write::read_json::<mailbox::Mailbox>(&path) {
        Err(error) if Shortage::of(&error).is_some() => return Err(error),
        known => known.unwrap_or_default(),
    };
    let mut state = match known {
        Some(state) if state.uid_validity == uid_validity => state,
        _ => mailbox::Mailbox { format: mailbox::Mailbox::FORMAT, uid_validity, ..Default::default() },
    };
    let mut listed = mailbox.list()?;
    let there: BTreeSet<u32> = listed.iter().map(|(uid, _)| *uid).collect();
    mailbox.finish_removal(&state.stored.difference(&there).copied().collect::<Vec<_>>())?;
    state.retain(&there);
    listed.retain(|(uid, _)| !state.set_aside.contains(uid));
    if !listed.is_empty() {
        talk.detail(&format!("{}: {} in the mailbox", repo.name, listed.len()));
    }
    let mut failed = Failed::default();
    let taken = take_all(repo, mailbox, &listed, &mut state, &mut failed, &mut report);
    let counted = failed.count(repo, &mut state, &mut report);
    if path.exists() || !state.failures.is_empty() || !state.set_aside.is_empty() {
        write::json_by_way_of(&repo.layout.tmp(), &path, &state)?;
    }
    taken.and(counted).map(|()| report)
}

fn take_all(
    repo: &Repo,
    mailbox: &mut Mailbox,
    listed: &[(u32, u64)],
    state: &mut mailbox::Mailbox,
    failed: &mut Failed,
    report: &mut Report,
) -> Result<()> {
    let mut failures = 0;
    for batch in batches(listed) {
        let (mut mails, mut uids, mut lost) = (Vec::new(), Vec::new(), None);
        for (uid, size) in batch.iter().filter(|(uid, _)| !state.stored.contains(uid)) {
            match one(repo, mailbox, *uid, *size) {
                Ok(mail) => {
                    failures = 0;
                    mails.push(mail);
                    uids.push(*uid);
                }
                // Moved away by somebody else, most likely; it is not listed any more then.
                Err(error) if error.is::<Gone>() && !state.failures.contains_key(uid) => {
                    failed.mails.push((*uid, None));
                }
                Err(error) if is_away(&error) || Shortage::of(&error).is_some() => {
                    lost = Some(error);
                    break;
                }
                Err(error) => {
                    // It stays where it is and holds up no other, unless they all fail alike.
                    failures += 1;
                    failed.note(mailbox, *uid, &error);
                    let error = error.context(format!("the mail with UID {uid} cannot be fetched"));
                    if failures >= limits::FETCH_FAILURES {
                        lost = Some(error);
                        break;
                    }
                    report.trouble(&repo.name, &format!("UID {uid}"), error);
                }
            }
        }
        store(repo, mails, report)?;
        failed.some_went_well |= !uids.is_empty();
        state.failures.retain(|uid, _| !uids.contains(uid));
        state.stored.extend(uids);
        if let Some(error) = lost {
            return Err(error);
        }
        let stored: Vec<u32> =
            batch.iter().map(|(uid, _)| *uid).filter(|uid| state.stored.contains(uid)).collect();
        if stored.is_empty() {
            continue;
        }
        // From here a crash costs no second download.
        write::json_by_way_of(&repo.layout.tmp(), &repo.layout.mailbox_state(), state)?;
        mailbox.remove(&stored).context("what was fetched could not be removed from the mailbox")?;
        state.stored.retain(|uid| !stored.contains(uid));
    }
    Ok(())
}

/// So many at once that the disk is not waited for often, and so few that none waits long for those after it.
fn batches(listed: &[(u32, u64)]) -> impl Iterator<Item = &[(u32, u64)]> {
    let (mut count, mut bytes) = (0, 0);
    listed.chunk_by(move |(_, size), _| {
        (count, bytes) = (count + 1, bytes + size);
        let goes_on = count < limits::FETCH_BATCH && bytes < limits::FETCH_BATCH_BYTES;
        if !goes_on {
            (count, bytes) = (0, 0);
        }
        goes_on
    })
}

/// A mail of the mailbox, on disk without a name: its bytes are not kept, since a batch of them could fill the memory.
fn one(repo: &Repo, mailbox: &mut Mailbox, uid: u32, size: u64) -> Result<Unnamed> {
    if size > limits::MESSAGE_BYTES as u64 {
        let header = mailbox.fetch_header(uid)?;
        return repo.queue().unnamed(&oversize(&header, usize::try_from(size).unwrap_or(usize::MAX)));
    }
    repo.queue().unnamed(&mailbox.fetch(uid)?)
}

/// Mails that the server does not give, each with its header where it gives at least that.
#[derive(Default)]
struct Failed {
    mails: Vec<(u32, Option<Vec<u8>>)>,
    some_went_well: bool,
}

impl Failed {
    /// What is the disk's fault counts against no mail.
    fn note(&mut self, mailbox: &mut Mailbox, uid: u32, error: &anyhow::Error) {
        if !error.chain().any(|cause| cause.is::<std::io::Error>()) {
            self.mails.push((uid, mailbox.fetch_header(uid).ok()));
        }
    }

    /// Sets aside those that failed too often, as long as the server is well otherwise. Their headers go the way of every
    /// mail, so that whoever may write hears of it.
    fn count(self, repo: &Repo, state: &mut mailbox::Mailbox, report: &mut Report) -> Result<()> {
        for (uid, header) in self.mails {
            if !(self.some_went_well || header.is_some()) || !state.fail(uid, limits::MESSAGE_FAILURES) {
                continue;
            }
            if let Some(header) = header {
                let mail = repo.queue().unnamed(&marked(UNFETCHED, &uid.to_string(), &header))?;
                store(repo, vec![mail], report)?;
            }
            let times = limits::MESSAGE_FAILURES;
            let why =
                format!("set aside, since it could not be fetched {times} times; it stays in the mailbox");
            let hint = "look at it with a mail program, and remove it there";
            report.trouble(&repo.name, &format!("UID {uid}"), Fault::failed(why).hint(hint).into());
        }
        Ok(())
    }
}

fn from_maildir(repo: &Repo, maildir: &Maildir, talk: &dyn Talk) -> Result<Report> {
    let mut report = Report::default();
    let listed = maildir.list()?;
    if !listed.is_empty() {
        talk.detail(&format!("{}: {} in the Maildir", repo.name, listed.len()));
    }
    for batch in listed.chunks(limits::FETCH_BATCH) {
        let (mut mails, mut entries) = (Vec::new(), Vec::new());
        for entry in batch {
            let read = maildir.read(entry).and_then(|content| match content {
                Content::Whole(bytes) => repo.queue().unnamed(&bytes),
                Content::TooLarge { header, size } => repo.queue().unnamed(&oversize(&header, size)),
            });
            match read {
                Ok(mail) => {
                    mails.push(mail);
                    entries.push(entry);
                }
                // They would all fail alike.
                Err(error) if Shortage::of(&error).is_some() => return Err(error),
                Err(error) => report.trouble(&repo.name, &entry.name(), error),
            }
        }
        store(repo, mails, &mut report)?;
        for entry in entries {
            if let Err(error) = maildir.remove(entry) {
                report.trouble(&repo.name, &entry.name(), error);
            }
        }
    }
    Ok(report)
}

fn store(repo: &Repo, mails: Vec<Unnamed>, report: &mut Report) -> Result<()> {
    for taken in repo.queue().take_in_all(mails)? {
        match taken {
            TakenIn::New(key) => report.moved(&repo.name, &key),
            // Still waiting here since an interrupted fetch: say so again, so that a pipeline goes on with it.
            TakenIn::Known(key) if repo.queue().message(Stage::Fetched, &key).exists() => {
                report.moved(&repo.name, &key)
            }
            TakenIn::Known(_) => {}
        }
    }
    Ok(())
}

/// The header alone, with a line on top that says why: enough to tell its sender.
fn marked(mark: &str, value: &str, bytes: &[u8]) -> Vec<u8> {
    let window = &bytes[..bytes.len().min(limits::HEADER_BYTES)];
    let end = window.windows(4).position(|four| four == b"\r\n\r\n").map(|at| at + 4);
    let end = end.or_else(|| window.windows(2).position(|two| two == b"\n\n").map(|at| at + 2));
    let mut header = format!("{mark}: {value}\r\n").into_bytes();
    header.extend_from_slice(&window[..end.unwrap_or(window.len())]);
    header
}

fn oversize(bytes: &[u8], size: usize) -> Vec<u8> {
    marked(OVERSIZE, &size.to_string(), bytes)
}

//! One IMAP mailbox (RFC 3501): what lies in it, each mail's bytes, its removal, and waiting for more. The only
//! user of `imap`, whose panics become errors here. UIDs only; reading never marks a mail as seen; nothing is
//! expunged that somebody else marked.

use crate::base::fault::{Fault, Kind};
use crate::base::limits;
use crate::disk::crash;
use crate::format::config::Imap;
use crate::format::verdict::shown;
use crate::mail::folder;
use crate::mail::login::Login;
use crate::mail::net::{Control, Net};
use anyhow::{Context, Result, anyhow};
use imap::types::{Fetch, UnsolicitedResponse};
use imap::{Client, Error, Session};
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

mod greet;
mod sign_in;

/// A mailbox, signed in to. After an error it is best made anew.
#[derive(Debug)]
pub struct Mailbox {
    session: Session<Net>,
    control: Arc<Control>,
    host: String,
    folder: String,
    move_to: Option<String>,
    can: Abilities,
    /// The last wait ended at once, since mail came before it began.
    hurried: bool,
}

/// What of the protocol's extensions the server has.
#[derive(Debug, Clone, Copy)]
struct Abilities {
    /// RFC 6851
    r#move: bool,
    /// RFC 4315
    uidplus: bool,
    /// RFC 2177
    idle: bool,
}

/// Why waiting came to an end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdleEnd {
    /// We were asked to stop.
    Stopped,
    /// There may be mail: something changed, or the time ran out.
    Woken,
}

/// A mail that was listed and is not in the mailbox any more: somebody else was first.
#[derive(Debug)]
pub struct Gone(u32);

impl std::fmt::Display for Gone {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the mail with UID {} is not in the mailbox any more", self.0)
    }
}

impl std::error::Error for Gone {}

impl imap::extensions::idle::SetReadTimeout for Net {
    /// None, which the library sets after IDLE, is our usual patience: a dead server must not block for ever.
    fn set_read_timeout(&mut self, timeout: Option<Duration>) -> imap::Result<()> {
        self.control().set_patience(timeout.unwrap_or(limits::MAIL_TIMEOUT));
        Ok(())
    }
}

impl Mailbox {
    /// Connects and signs in.
    ///
    /// # Errors
    /// A server that is away is to be tried later; a refused login or certificate has to be mended.
    pub fn connect(config: &Imap, login: &Login) -> Result<Self> {
        let control = Arc::new(Control::default());
        control.budget.store(limits::IMAP_ANSWER_BYTES, Ordering::Relaxed);
        let client = Client::new(greet::greet(config, Arc::clone(&control))?);
        let host = config.host.clone();
        crash::point("IMAP login");
        let mut session = catch(|| sign_in::sign_in(client, config, login))??;
        let can = catch(|| session.capabilities())?.map_err(|error| fault(&host, error))?;
        let can = Abilities {
            r#move: can.has_str("MOVE"),
            uidplus: can.has_str("UIDPLUS"),
            idle: can.has_str("IDLE"),
        };
        let folder = folder::encode(&config.folder);
        let move_to = config.move_to.as_deref().map(folder::encode);
        Ok(Self { session, control, host, folder, move_to, can, hurried: false })
    }

    /// Opens the folder; the UIDs of two looks mean the same mails where this number is the same.
    ///
    /// # Errors
    /// Where there is no such folder.
    pub fn select(&mut self) -> Result<u32> {
        let folder = self.folder.clone();
        let mailbox = match self.run(|session| session.select(&folder)) {
            Ok(mailbox) => mailbox,
            Err(error) => return Err(self.no_folder("open", &folder, &error)),
        };
        mailbox
            .uid_validity
            .with_context(|| format!("{} gives the folder {folder} no UIDVALIDITY", self.host))
    }

    /// The UIDs of all mails that nobody marked as deleted, ascending, each with its size in bytes.
    ///
    /// # Errors
    /// Where the server does not tell.
    pub fn list(&mut self) -> Result<Vec<(u32, u64)>> {
        self.mail_came();
        let uids: BTreeSet<u32> =
            self.run(|session| session.uid_search("UNDELETED"))?.into_iter().filter(|&uid| uid > 0).collect();
        let mut listed = Vec::with_capacity(uids.len());
        let all: Vec<u32> = uids.iter().copied().collect();
        for set in all.chunks(limits::IMAP_LISTED).flat_map(|some| uid_sets(&some.iter().copied().collect()))
        {
            let fetches = self.run(|session| session.uid_fetch(&set, "(UID RFC822.SIZE)"))?;
            let sizes = fetches.iter().filter_map(|fetch| Some((fetch.uid?, u64::from(fetch.size?))));
            listed.extend(sizes.filter(|(uid, _)| uids.contains(uid)));
        }
        listed.sort_unstable();
        listed.dedup_by_key(|(uid, _)| *uid);
        Ok(listed)
    }

    /// A mail's bytes.
    ///
    /// # Errors
    /// Where it is not there any more.
    pub fn fetch(&mut self, uid: u32) -> Result<Vec<u8>> {
        self.fetch_part(uid, "(UID BODY.PEEK[])", |fetch| fetch.body().map(<[u8]>::to_vec))
    }

    /// A mail's beginning, with its whole header where that is within its limit.
    ///
    /// # Errors
    /// As `fetch`.
    pub fn fetch_header(&mut self, uid: u32) -> Result<Vec<u8>> {
        let query = format!("(UID BODY.PEEK[HEADER]<0.{}>)", limits::HEADER_BYTES);
        self.fetch_part(uid, &query, |fetch| fetch.header().map(<[u8]>::to_vec))
    }

    fn fetch_part(
        &mut self,
        uid: u32,
        query: &str,
        part: fn(&Fetch<'_>) -> Option<Vec<u8>>,
    ) -> Result<Vec<u8>> {
        self.control.is_mail.store(true, Ordering::Relaxed);
        let fetches = self.run(|session| session.uid_fetch(uid.to_string(), query));
        self.control.is_mail.store(false, Ordering::Relaxed);
        let fetches = fetches?;
        let found = fetches.iter().filter(|fetch| fetch.uid == Some(uid)).find_map(part);
        found.ok_or_else(|| Gone(uid).into())
    }

    /// Takes mails out of the mailbox: into the folder that is configured for it, or for good. On a server without
    /// UIDPLUS (RFC 4315) they may stay, marked as deleted and not listed any more.
    ///
    /// # Errors
    /// Where the server refuses; the mails are then still there.
    pub fn remove(&mut self, uids: &[u32]) -> Result<()> {
        for set in uid_sets(&uids.iter().copied().collect()) {
            match self.move_to.clone() {
                Some(target) if self.can.r#move => {
                    self.put_into(&target, |session| session.uid_mv(&set, &target))?;
                    continue;
                }
                Some(target) => self.put_into(&target, |session| session.uid_copy(&set, &target))?,
                None => {}
            }
            self.run(|session| session.uid_store(&set, "+FLAGS.SILENT (\\Deleted)"))?;
            if self.can.uidplus {
                self.run(|session| session.uid_expunge(&set))?;
            }
        }
        let gone = self.can.uidplus || (self.can.r#move && self.move_to.is_some());
        if gone { Ok(()) } else { self.expunge_ours(uids) }
    }

    /// Removes for good those of these mails that are marked as deleted: a removal that was cut off.
    ///
    /// # Errors
    /// Where the server refuses.
    pub fn finish_removal(&mut self, uids: &[u32]) -> Result<()> {
        let uids = if self.can.uidplus { uids.iter().copied().collect() } else { BTreeSet::new() };
        uid_sets(&uids).iter().try_for_each(|set| self.run(|session| session.uid_expunge(set)).map(drop))
    }

    /// Makes the folder where it is missing.
    fn put_into(
        &mut self,
        target: &str,
        mut put: impl FnMut(&mut Session<Net>) -> imap::Result<()>,
    ) -> Result<()> {
        let Err(refused) = self.run(&mut put) else {
            return Ok(());
        };
        if self.run(|session| session.create(target)).is_err() {
            return Err(self.no_folder("move mail into", target, &refused));
        }
        self.run(&mut put).map_err(|error| self.no_folder("move mail into", target, &error))
    }

    /// A folder that cannot be used, and those that are there.
    fn no_folder(&mut self, what: &str, folder: &str, error: &anyhow::Error) -> anyhow::Error {
        let message = format!("cannot {what} the folder {}: {error:#}", folder::decode(folder));
        if !error.downcast_ref::<Fault>().is_some_and(|fault| fault.kind == Kind::Failed) {
            return Fault::try_later(message).into();
        }
        let Ok(names) = self.run(|session| session.list(Some(""), Some("*"))) else {
            return Fault::failed(message).into();
        };
        let parted = names.iter().find_map(|name| name.delimiter()).unwrap_or("/");
        let mut there: Vec<String> = names.iter().map(|name| folder::decode(name.name())).collect();
        there.sort();
        there.truncate(limits::FOLDERS_TOLD);
        let there = shown(&there.join(", "));
        let hint = format!("it has the folders {there}; {parted:?} parts the levels of a name");
        Fault::failed(message).hint(hint).into()
    }

    /// A plain EXPUNGE takes all that is marked: only where that is nothing but ours.
    fn expunge_ours(&mut self, uids: &[u32]) -> Result<()> {
        let marked = self.run(|session| session.uid_search("DELETED"))?;
        if marked.iter().all(|uid| uids.contains(uid)) {
            self.run(|session| session.expunge())?;
        }
        Ok(())
    }

    /// Waits until something changes in the mailbox, `max` is over, or `stop` says so.
    ///
    /// # Errors
    /// Where the connection is lost.
    pub fn idle(&mut self, max: Duration, stop: &dyn Fn() -> bool) -> Result<IdleEnd> {
        // What the server has to say goes before IDLE, where the library cannot take it.
        self.run(|session| session.noop())?;
        // Told now, it is not told again in IDLE. Only once: there are servers that say it each time.
        self.hurried = self.mail_came() && !self.hurried;
        if self.hurried {
            return Ok(IdleEnd::Woken);
        }
        if !self.can.idle {
            return Ok(pause(max.min(limits::MAILBOX_POLL), stop));
        }
        self.control.budget.store(limits::IMAP_ANSWER_BYTES, Ordering::Relaxed);
        // The server has to begin at once; the library then sets the patience for the wait itself.
        self.control.set_patience(limits::IDLE_START);
        let (session, control) = (&mut self.session, &self.control);
        let waited = std::thread::scope(|scope| {
            // Dropped with the thread's end, however it ends: mail that came is not to wait for the next look at `stop`.
            let (ended, end) = mpsc::channel::<()>();
            let waiting = scope.spawn(move || {
                let _ended = ended;
                wait(session, max)
            });
            while end.recv_timeout(limits::MAIL_POLL) == Err(RecvTimeoutError::Timeout) {
                if stop() {
                    control.stop.store(true, Ordering::Relaxed);
                }
            }
            waiting.join()
        });
        self.control.set_patience(limits::MAIL_TIMEOUT);
        if self.control.stop.load(Ordering::Relaxed) || stop() {
            return Ok(IdleEnd::Stopped);
        }
        match waited {
            Ok(Ok(())) => Ok(IdleEnd::Woken),
            Ok(Err(error)) => Err(fault(&self.host, error).into()),
            Err(_) => Err(Fault::try_later(format!("{} does not IDLE as it should", self.host)).into()),
        }
    }

    /// Whether the server said, beside its answers since the last time, that there is mail.
    fn mail_came(&mut self) -> bool {
        let mut said = self.session.take_all_unsolicited();
        said.any(|said| matches!(said, UnsolicitedResponse::Exists(_)))
    }

    /// One command, within its bounds.
    fn run<T>(&mut self, command: impl FnOnce(&mut Session<Net>) -> imap::Result<T>) -> Result<T> {
        let budget = limits::IMAP_ANSWER_BYTES + 2 * limits::MESSAGE_BYTES as u64;
        self.control.budget.store(budget, Ordering::Relaxed);
        crash::point("IMAP command");
        let answer = catch(|| command(&mut self.session))?;
        crash::point("after the IMAP command");
        answer.map_err(|error| fault(&self.host, error).into())
    }
}

fn wait(session: &mut Session<Net>, max: Duration) -> imap::Result<()> {
    let mut idle = session.idle();
    // Without this it never comes back when the time is over.
    idle.keepalive(false).timeout(max);
    idle.wait_while(|_| false).map(drop)
}

fn pause(max: Duration, stop: &dyn Fn() -> bool) -> IdleEnd {
    let started = Instant::now();
    while started.elapsed() < max {
        if stop() {
            return IdleEnd::Stopped;
        }
        std::thread::sleep(limits::MAIL_POLL.min(max));
    }
    IdleEnd::Woken
}

/// The library gives up by panic on some answers.
fn catch<T>(call: impl FnOnce() -> T) -> Result<T> {
    catch_unwind(AssertUnwindSafe(call))
        .map_err(|_| anyhow!("the IMAP library gave up on an answer of the server"))
}

/// A refusal is to be looked at; everything else is a connection that is gone.
fn fault(host: &str, error: Error) -> Fault {
    match error {
        Error::No(no) => Fault::failed(format!("{host} refuses: {no}")),
        Error::Bad(bad) => Fault::failed(format!("{host} does not understand: {bad}")),
        Error::Validate(error) => Fault::config(format!("{host}: {error}")),
        error => Fault::try_later(format!("the connection to {host} is lost: {error}")),
    }
}

/// UIDs as sets of ranges (`1:5,7`), each short enough for a command.
fn uid_sets(uids: &BTreeSet<u32>) -> Vec<String> {
    let mut ranges: Vec<(u32, u32)> = Vec::new();
    for &uid in uids {
        match ranges.last_mut() {
            Some((_, end)) if end.checked_add(1) == Some(uid) => *end = uid,
            _ => ranges.push((uid, uid)),
        }
    }
    let shown =
        |(start, end): &(u32, u32)| if start == end { start.to_string() } else { format!("{start}:{end}") };
    ranges
        .chunks(limits::IMAP_SET)
        .map(|ranges| ranges.iter().map(shown).collect::<Vec<_>>().join(","))
        .collect()
}

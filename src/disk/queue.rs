//! The queue: a message is in exactly one place, and every move is one rename. Whoever can list the directories
//! can see where everything is.

use crate::base::id::{MessageKey, SessionId, TaskId};
use crate::base::limits;
use crate::disk::layout::{Layout, Stage, hex};
use crate::disk::lock::Lock;
use crate::disk::write;
use crate::format::version::Versioned;
use anyhow::{Context, Result};
use jiff::Timestamp;
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::collections::HashSet;
use std::fmt;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::SystemTime;

/// The name of a mail: the hash of its bytes.
#[must_use]
pub fn message_key(bytes: &[u8]) -> MessageKey {
    named_by_hash(&Sha256::digest(bytes))
}

/// What makes a mail the same mail when it comes by another way, as a name in `seen/`: who wrote it, its
/// Message-ID and its body, as `rule/replay.rs` has them.
#[must_use]
pub fn identity(from: &str, message_id: &str, body: &[u8]) -> MessageKey {
    let mut hash = Sha256::new();
    for part in [b"identity".as_slice(), from.as_bytes(), message_id.as_bytes(), body] {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    named_by_hash(&hash.finalize())
}

fn named_by_hash(hash: &[u8]) -> MessageKey {
    match hex(hash)[..32].parse() {
        Ok(key) => key,
        Err(error) => unreachable!("{error}"),
    }
}

/// A marker in `ready`, `running` or `finished`: a task, or the acknowledgement of one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket {
    pub task: TaskId,
    pub acknowledgement: bool,
}

impl Ticket {
    #[must_use]
    pub fn task(task: TaskId) -> Self {
        Self { task, acknowledgement: false }
    }

    #[must_use]
    pub fn acknowledgement(task: TaskId) -> Self {
        Self { task, acknowledgement: true }
    }
}

impl fmt::Display for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.task, if self.acknowledgement { ".ack" } else { "" })
    }
}

impl FromStr for Ticket {
    type Err = crate::base::id::NotAName;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.strip_suffix(".ack") {
            Some(task) => task.parse().map(Self::acknowledgement),
            None => text.parse().map(Self::task),
        }
    }
}

/// What became of bytes handed to `take_in`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TakenIn {
    New(MessageKey),
    /// It was here before, and may be at work or answered already.
    Known(MessageKey),
}

/// A mail on its way into `fetched`, on disk without a name.
#[derive(Debug)]
pub struct Unnamed {
    key: MessageKey,
    file: write::Unnamed,
}

/// One repository's queue.
#[derive(Debug, Clone, Copy)]
pub struct Queue<'a> {
    layout: &'a Layout,
}

impl<'a> Queue<'a> {
    #[must_use]
    pub fn new(layout: &'a Layout) -> Self {
        Self { layout }
    }

    /// Stores a mail in `fetched`, once: everything that ever left `fetched` is remembered in `seen`, and both
    /// are looked at under one lock.
    pub fn take_in(&self, bytes: &[u8]) -> Result<TakenIn> {
        let known = || TakenIn::Known(message_key(bytes));
        Ok(self.take_in_all(vec![self.unnamed(bytes)?])?.pop().unwrap_or_else(known))
    }

    /// A mail that is written and not taken in yet.
    pub fn unnamed(&self, bytes: &[u8]) -> Result<Unnamed> {
        Ok(Unnamed { key: message_key(bytes), file: write::unnamed(&self.layout.tmp(), bytes)? })
    }

    /// Takes in several at once, as `take_in` does one: the disk is waited for once.
    pub fn take_in_all(&self, mails: Vec<Unnamed>) -> Result<Vec<TakenIn>> {
        let (mut taken, mut files, mut new) = (Vec::new(), Vec::new(), HashSet::new());
        let _lock = self.lock()?;
        for Unnamed { key, file } in mails {
            let path = self.message(Stage::Fetched, &key);
            let is_known = self.layout.seen(&key).exists() || path.exists() || self.is_deferred(&key)?;
            if is_known || !new.insert(key.clone()) {
                taken.push(TakenIn::Known(key));
            } else {
                files.push((file, path));
                taken.push(TakenIn::New(key));
            }
        }
        write::name_all(&self.layout.stage(Stage::Fetched), files)?;
        Ok(taken)
    }

    /// Takes in a mail that is accepted already; it never lies in `fetched`, where another process would judge it.
    pub fn admit<V: Serialize + Versioned>(&self, bytes: &[u8], verdict: &V) -> Result<TakenIn> {
        let key = message_key(bytes);
        let _lock = self.lock()?;
        if self.layout.seen(&key).exists() {
            return Ok(TakenIn::Known(key));
        }
        let tmp = self.layout.tmp();
        write::json_by_way_of(&tmp, &self.verdict(Stage::Authorized, &key), verdict)?;
        write::durable_by_way_of(&tmp, &self.message(Stage::Authorized, &key), bytes)?;
        self.remember(&key)?;
        Ok(TakenIn::New(key))
    }

    /// Whether it still has to be put into its session.
    pub fn is_on_its_way(&self, key: &MessageKey) -> Result<bool> {
        let waits =
            [Stage::Fetched, Stage::Authorized].iter().any(|stage| self.message(*stage, key).exists());
        Ok(waits || self.is_deferred(key)?)
    }

    /// Whether it was set aside to be judged later.
    fn is_deferred(&self, key: &MessageKey) -> Result<bool> {
        let (mut found, wanted) = (false, format!("{key}.eml"));
        each_name(&self.layout.deferred(Stage::Fetched), |_, name| {
            found |= name.split_once('.').is_some_and(|(_, name)| name == wanted);
            Ok(())
        })?;
        Ok(found)
    }

    /// Where a message of that stage lies.
    #[must_use]
    pub fn message(&self, stage: Stage, key: &MessageKey) -> PathBuf {
        self.layout.stage(stage).join(format!("{key}.eml"))
    }

    /// Where the verdict on it lies.
    #[must_use]
    pub fn verdict(&self, stage: Stage, key: &MessageKey) -> PathBuf {
        self.layout.stage(stage).join(format!("{key}.json"))
    }

    /// The messages of a stage, oldest first.
    pub fn messages(&self, stage: Stage) -> Result<Vec<MessageKey>> {
        self.oldest_first(stage, |name| name.strip_suffix(".eml")?.parse().ok())
    }

    /// The markers of a stage, oldest first.
    pub fn tickets(&self, stage: Stage) -> Result<Vec<Ticket>> {
        self.oldest_first(stage, |name| name.parse().ok())
    }

    fn oldest_first<T: Ord>(&self, stage: Stage, parse: impl Fn(&str) -> Option<T>) -> Result<Vec<T>> {
        let mut found: Vec<(SystemTime, T)> = Vec::new();
        each_name(&self.layout.stage(stage), |path, name| {
            if let Some(item) = parse(name) {
                // It may have been moved on while we look.
                if let Ok(meta) = fs::symlink_metadata(path) {
                    found.push((meta.modified().unwrap_or(SystemTime::UNIX_EPOCH), item));
                }
            }
            Ok(())
        })?;
        found.sort();
        Ok(found.into_iter().map(|(_, item)| item).collect())
    }

    /// Reads a message, or nothing where another process moved it on.
    pub fn read(&self, stage: Stage, key: &MessageKey) -> Result<Option<Vec<u8>>> {
        write::read(&self.message(stage, key), limits::MESSAGE_BYTES as u64)
    }

    /// Moves a message out of `fetched` with the verdict beside it. False when it was no longer there.
    pub fn settle<V: Serialize + Versioned>(&self, key: &MessageKey, to: Stage, verdict: &V) -> Result<bool> {
        let _lock = self.lock()?;
        let from = self.message(Stage::Fetched, key);
        if !from.exists() {
            return Ok(false);
        }
        self.remember(key)?;
        write::json_by_way_of(&self.layout.tmp(), &self.verdict(to, key), verdict)?;
        write::rename(&from, &self.message(to, key))?;
        Ok(true)
    }

    /// Whether another mail of the same identity was accepted before; if not, this one is from now on.
    pub fn is_replay(&self, identity: &MessageKey, key: &MessageKey) -> Result<bool> {
        let _lock = self.lock()?;
        let path = self.layout.seen(identity);
        match write::read(&path, 64)? {
            Some(first) => Ok(first != key.as_str().as_bytes()),
            None => {
                create_parent(&path)?;
                write::durable(&path, key.as_str().as_bytes())?;
                Ok(false)
            }
        }
    }

    /// Keeps a name in `seen`: of a mail that was taken, or of a note that has gone out.
    pub fn remember(&self, key: &MessageKey) -> Result<()> {
        let path = self.layout.seen(key);
        create_parent(&path)?;
        write::touch(&path)
    }

    /// Sets a message aside that was let in before. Its verdict goes first: alone in a watched directory it would wake
    /// the next step for ever.
    pub fn reject<V: Serialize + Versioned>(&self, key: &MessageKey, verdict: &V) -> Result<()> {
        write::remove(&self.verdict(Stage::Authorized, key))?;
        write::json_by_way_of(&self.layout.tmp(), &self.verdict(Stage::Rejected, key), verdict)?;
        write::rename(&self.message(Stage::Authorized, key), &self.message(Stage::Rejected, key))
    }

    /// Lets a message that was let in wait until `until`, with its verdict.
    pub fn defer_authorized(&self, key: &MessageKey, until: Timestamp) -> Result<()> {
        self.defer(Stage::Authorized, &format!("{key}.json"), until)?;
        self.defer(Stage::Authorized, &format!("{key}.eml"), until)
    }

    /// Puts a whole mail of airut's own into `finished`: one about the message `key`, which became no task. Once.
    pub fn post(&self, key: &MessageKey, letter: &[u8]) -> Result<()> {
        write::durable_by_way_of(&self.layout.tmp(), &self.message(Stage::Finished, key), letter)
    }

    /// Puts a message back from `authorized` to `fetched`, when its verdict is not to be found.
    pub fn send_back(&self, key: &MessageKey) -> Result<()> {
        let _lock = self.lock()?;
        write::rename(&self.message(Stage::Authorized, key), &self.message(Stage::Fetched, key))
    }

    pub fn put(&self, stage: Stage, ticket: &Ticket) -> Result<()> {
        write::touch(&self.layout.stage(stage).join(ticket.to_string()))
    }

    pub fn advance(&self, ticket: &Ticket, from: Stage, to: Stage) -> Result<()> {
        let name = ticket.to_string();
        write::rename(&self.layout.stage(from).join(&name), &self.layout.stage(to).join(&name))
    }

    pub fn remove(&self, stage: Stage, ticket: &Ticket) -> Result<()> {
        write::remove(&self.layout.stage(stage).join(ticket.to_string()))
    }

    /// Drops every marker of a session, also those that wait.
    pub fn forget(&self, session: &SessionId) -> Result<()> {
        let is_of = |name: &str| name.parse::<Ticket>().is_ok_and(|ticket| ticket.task.session == *session);
        for stage in Stage::ALL {
            each_name(
                &self.layout.stage(stage),
                |path, name| {
                    if is_of(name) { write::remove(path) } else { Ok(()) }
                },
            )?;
        }
        for (stage, name, until) in self.deferred()? {
            if is_of(&name) {
                write::remove(&self.layout.deferred(stage).join(format!("{}.{name}", until.as_second())))?;
            }
        }
        Ok(())
    }

    #[must_use]
    pub fn holds(&self, stage: Stage, ticket: &Ticket) -> bool {
        self.layout.stage(stage).join(ticket.to_string()).exists()
    }

    /// Lets a file of a stage wait until `until`; nothing where another process moved it first.
    pub fn defer(&self, stage: Stage, name: &str, until: Timestamp) -> Result<()> {
        let to = self.layout.deferred(stage).join(format!("{}.{name}", until.as_second()));
        write::rename_if_there(&self.layout.stage(stage).join(name), &to).map(drop)
    }

    /// What waits for its time: the stage it returns to, its name, and when.
    pub fn deferred(&self) -> Result<Vec<(Stage, String, Timestamp)>> {
        let mut waiting = Vec::new();
        for stage in Stage::ALL {
            each_name(&self.layout.deferred(stage), |_, name| {
                if let Some((until, name)) = name.split_once('.')
                    && let Ok(Ok(until)) = until.parse().map(Timestamp::from_second)
                {
                    waiting.push((stage, name.to_owned(), until));
                }
                Ok(())
            })?;
        }
        // A verdict (`.json`) comes back before its message (`.eml`), which would be in doubt without it.
        waiting.sort_by(|(_, a, until_a), (_, b, until_b)| until_a.cmp(until_b).then_with(|| b.cmp(a)));
        Ok(waiting)
    }

    /// Brings back what has waited long enough, and tasks whose process is gone. Every step begins with it, so
    /// that nothing needs a clock of its own.
    pub fn wake(&self, now: Timestamp) -> Result<()> {
        for (stage, name, until) in self.deferred()? {
            let from = self.layout.deferred(stage).join(format!("{}.{name}", until.as_second()));
            if until <= now || is_from_the_future(&from, now) {
                // Another process may have been first.
                write::rename_if_there(&from, &self.layout.stage(stage).join(&name))?;
            }
        }
        for ticket in self.tickets(Stage::Running)? {
            // Held by the process that runs it, from before the marker came here until after it left.
            if let Some(_free) = Lock::attempt(&self.layout.run_lock(&ticket.task.session))?
                && self.holds(Stage::Running, &ticket)
            {
                self.advance(&ticket, Stage::Running, Stage::Ready)?;
            }
        }
        Ok(())
    }

    fn lock(&self) -> Result<Lock> {
        Lock::exclusive(&self.layout.lock("queue"), limits::LOCK_WAIT, "the queue")
    }
}

/// Whether it was put here at a time that is still to come: the clock was set back, and what it waits for is unknown.
fn is_from_the_future(path: &Path, now: Timestamp) -> bool {
    // What no program can set: when the file was last renamed.
    let changed = fs::symlink_metadata(path).map(|meta| meta.ctime());
    changed.is_ok_and(|changed| changed > now.as_second() + limits::CLOCK_STEP_SECONDS)
}

fn create_parent(path: &Path) -> Result<()> {
    path.parent().map_or(Ok(()), |dir| if dir.is_dir() { Ok(()) } else { write::create_dir(dir) })
}

fn each_name(dir: &Path, mut f: impl FnMut(&Path, &str) -> Result<()>) -> Result<()> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error).with_context(|| format!("cannot list {}", dir.display())),
    };
    for entry in entries {
        let entry = entry.with_context(|| format!("cannot list {}", dir.display()))?;
        if let Some(name) = entry.file_name().to_str() {
            f(&entry.path(), name)?;
        }
    }
    Ok(())
}

//! One session with the messages of a batch put into it: in memory, until all of it is written at once. Nobody else
//! changes the session meanwhile.

use crate::base::id::{MessageKey, TaskId};
use crate::base::limits;
use crate::disk::batch::Batch;
use crate::disk::repo::Repo;
use crate::disk::session::{SessionDir, SessionGuard, is_no_damage, message_file, task_id};
use crate::disk::write;
use crate::format::session::Session;
use crate::format::task::{DeliveryState, Message, Reason, State, Task};
use crate::mail::parse::{self, Mail};
use crate::step::open::place::Planned;
use crate::step::open::plan::{Plan, prompt_of, told};
use crate::step::open::{command, inbox};
use anyhow::Result;
use jiff::Timestamp;
use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::path::Path;

/// A session at work.
pub struct Desk<'a> {
    pub guard: SessionGuard,
    session: Session,
    /// Those that change.
    tasks: BTreeMap<u32, Task>,
    /// Read already.
    mails: HashMap<&'a MessageKey, &'a Mail>,
}

impl<'a> Desk<'a> {
    pub fn new(guard: SessionGuard) -> Result<Self> {
        let session = guard.load()?;
        Ok(Self { guard, session, tasks: BTreeMap::new(), mails: HashMap::new() })
    }

    /// The message becomes a task or joins one; returns which, and the name of its file there. Attachments are stored,
    /// and a command is done.
    pub fn put(&mut self, repo: &Repo, one: &'a Planned) -> Result<(u32, String)> {
        let Planned { key, plan, .. } = one;
        let (mut task, at) = self.task_for(key, plan.command.is_some())?;
        let attachments = match task.messages.get(at) {
            Some(known) => known.attachments.clone(),
            None => inbox::store(repo, &self.guard.dir, &plan.mail.attachments)?,
        };
        let message = Message {
            key: key.clone(),
            file: message_file(u32::try_from(at + 1)?),
            from: plan.from.clone(),
            message_id: plan.mail.message_id.clone(),
            received_at: plan.received_at,
            attachments,
        };
        let placed = (task.number, message.file.clone());
        match task.messages.get_mut(at) {
            Some(known) => *known = message,
            None => task.messages.push(message),
        }
        note(&mut task, plan, one.clone_failure.as_deref());
        if let Some(command) = plan.command.as_ref().filter(|_| task.command.is_none()) {
            command::act(repo, &self.guard, &self.session, command, &mut task)?;
        }
        self.change_session(plan, task.number);
        self.tasks.insert(task.number, task);
        self.mails.insert(key, &plan.mail);
        Ok(placed)
    }

    fn change_session(&mut self, plan: &Plan, number: u32) {
        let session = &mut self.session;
        session.tasks = session.tasks.max(number);
        session.model = plan.model_change.clone().unwrap_or_else(|| session.model.clone());
        session.participants.extend(plan.participants.iter().cloned());
        session.active_at = session.active_at.max(plan.received_at);
        session.workspace |= self.guard.dir.has_workspace();
        if let Some(message_id) = &plan.mail.message_id
            && !session.thread.contains(message_id)
        {
            session.thread.push(message_id.clone());
        }
    }

    /// Its tasks and what they ask, and the session itself.
    pub fn write(&self, repo: &Repo, batch: &mut Batch) -> Result<()> {
        for task in self.tasks.values() {
            let dir = self.guard.dir.task_dir(task.number);
            self.guard.put_task(batch, task)?;
            batch.put(&dir, dir.join("prompt.txt"), self.prompt(repo, task)?.as_bytes())?;
        }
        self.guard.put(batch, &self.session)
    }

    #[must_use]
    pub fn task(&self, number: u32) -> Option<&Task> {
        self.tasks.get(&number)
    }

    #[must_use]
    pub fn task_id(&self, number: u32) -> TaskId {
        task_id(&self.guard.dir.id, number)
    }

    /// The prompt of all the task's messages; those that came before are read again from their files.
    fn prompt(&self, repo: &Repo, task: &Task) -> Result<String> {
        let dir = self.guard.dir.task_dir(task.number);
        let mut mails = Vec::new();
        for message in &task.messages {
            let mail = if let Some(mail) = self.mails.get(&message.key) {
                Some(Cow::Borrowed(*mail))
            } else {
                let bytes = write::read(&dir.join(&message.file), limits::MESSAGE_BYTES as u64)?;
                // One that cannot be read was told so when it came.
                let mail = bytes.and_then(|bytes| parse::read(&bytes).ok());
                // Their attachments lie in the inbox already; all of them at once would fill the memory.
                mail.map(|mail| Cow::Owned(Mail { attachments: Vec::new(), ..mail }))
            };
            mails.extend(mail.map(|mail| (mail, message)));
        }
        let parts: Vec<_> = mails
            .iter()
            .map(|(mail, message)| (mail.as_ref(), &message.from, message.received_at, &message.attachments))
            .collect();
        Ok(prompt_of(repo, self.session.claude_session.is_none(), &parts))
    }

    fn load_task(&self, number: u32) -> Result<Task> {
        self.tasks.get(&number).cloned().map_or_else(|| self.guard.load_task(number), Ok)
    }

    /// The task this message joins, and its place in it: the one it was given before a crash; the last, while that
    /// waits; else a new one.
    fn task_for(&self, key: &MessageKey, alone: bool) -> Result<(Task, usize)> {
        let new = |number| Ok((Task::new(number, Vec::new(), Timestamp::now()), 0));
        let last = last_task(&self.guard.dir, &self.session);
        let mut number = last;
        // A command between them does not part two requests.
        let task = loop {
            let task = match self.load_task(number) {
                Ok(task) => task,
                Err(error) if is_no_damage(&error) => return Err(error),
                Err(_) if number == last && is_empty(&self.guard.dir.task_dir(last)) => return new(last),
                // Damaged: what is left of it stays as it is.
                Err(_) => return new(last + 1),
            };
            if let Some(at) = task.messages.iter().position(|message| message.key == *key) {
                return Ok((task, at));
            }
            if task.command.is_none() || number == 1 {
                break task;
            }
            number -= 1;
        };
        let open_to_more =
            task.state == State::Ready && !task.begun && task.messages.len() < limits::JOINED_MESSAGES;
        if open_to_more && !alone {
            let at = task.messages.len();
            return Ok((task, at));
        }
        new(last + 1)
    }
}

/// What the sender is to be told: why nothing is run, what is different from what was asked, that it was taken on.
fn note(task: &mut Task, plan: &Plan, clone_failure: Option<&str>) {
    let mut notes = plan.notes.clone();
    match (&plan.refusal, clone_failure) {
        (Some((reason, detail)), _) if task.messages.len() == 1 => {
            task.fail(*reason, detail, Timestamp::now());
        }
        (Some(refusal), _) => notes.extend(told(refusal)),
        (None, Some(detail)) => task.fail(Reason::Clone, detail, Timestamp::now()),
        (None, None) => {}
    }
    notes.retain(|note| !task.notes.contains(note));
    task.notes.extend(notes);
    // Not again, when a try that was cut off came as far as sending it.
    if plan.is_new()
        && plan.command.is_none()
        && task.state == State::Ready
        && task.acknowledgement.state == DeliveryState::None
    {
        task.acknowledgement.state = DeliveryState::Pending;
    }
}

/// The last there is: a crash may have made one that the session does not know of yet.
fn last_task(dir: &SessionDir, session: &Session) -> u32 {
    let is_last = |number: &u32| !dir.task_dir(*number + 1).exists();
    (session.tasks.max(1)..).find(is_last).unwrap_or(session.tasks)
}

/// What a try that was cut off has come to: whether it has begun to place this message, which then is placed whatever
/// has changed; and whether the message is in a task, and counted, already.
///
/// # Errors
/// Where it cannot be seen now.
pub fn begun(repo: &Repo, key: &MessageKey, plan: &Plan) -> Result<(bool, bool)> {
    let dir = SessionDir::new(&repo.layout, plan.session_id());
    let session = match dir.load() {
        Ok(session) => session,
        Err(error) if is_no_damage(&error) => return Err(error),
        Err(_) => return Ok((false, false)),
    };
    for number in (1..=last_task(&dir, &session)).rev() {
        match dir.load_task(number) {
            Ok(task) if task.messages.iter().any(|message| message.key == *key) => return Ok((true, true)),
            Ok(_) => {}
            Err(error) if is_no_damage(&error) => return Err(error),
            Err(_) => break,
        }
    }
    Ok((plan.is_new(), false))
}

/// Whether there is no such directory, or nothing in it but what was being written when a process was killed.
fn is_empty(dir: &Path) -> bool {
    let is_written = |entry: std::io::Result<std::fs::DirEntry>| {
        entry.is_ok_and(|entry| write::is_unfinished(&entry.file_name().to_string_lossy()))
    };
    std::fs::read_dir(dir).map_or_else(|_| !dir.exists(), |mut entries| entries.all(is_written))
}

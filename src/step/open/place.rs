//! Puts a planned message into its session. Everything is written first, the mail is renamed last; a process
//! killed on the way leaves the mail in `queue/authorized`, and the next one finds what is there already.

use crate::base::fault::Fault;
use crate::base::id::{MessageKey, SessionId, TaskId};
use crate::base::limits;
use crate::base::shortage::Shortage;
use crate::base::talk::Talk;
use crate::disk::layout::Stage;
use crate::disk::lock::Lock;
use crate::disk::queue::Ticket;
use crate::disk::repo::Repo;
use crate::disk::session::{SessionDir, SessionGuard, is_no_damage, message_file, task_id};
use crate::disk::write;
use crate::format::session::Session;
use crate::format::task::{DeliveryState, Message, Reason, State, Task};
use crate::format::verdict::Verdict;
use crate::format::version::Versioned;
use crate::mail::names::unique_names;
use crate::mail::parse::{self, Mail};
use crate::step::open::plan::{Plan, Target, prompt_of, told};
use crate::step::open::{command, quota};
use crate::tool::source::Source;
use anyhow::Result;
use jiff::Timestamp;
use std::borrow::Cow;
use std::path::Path;
use std::time::{Duration, Instant};

/// How often to look whether another process has made the session.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// Makes the session if it is new, and the task; returns the task that will answer the message, or nothing where
/// another process placed it meanwhile.
pub fn place(
    repo: &Repo,
    key: &MessageKey,
    plan: &Plan,
    verdict: &Verdict,
    talk: &dyn Talk,
) -> Result<Option<TaskId>> {
    let id = plan.session_id();
    let clone_failure = match &plan.target {
        Target::New(_) => {
            let Some(_making) = hold(repo, key, id)? else { return Ok(None) };
            make_session(repo, key, plan)?
        }
        Target::Resume(_) => None,
    };
    if let Some(error) = &clone_failure {
        talk.warn(&format!("{}:{id}: the workspace cannot be made: {error:#}", repo.name));
    }
    let _one_at_a_time = lock(repo)?;
    let guard = SessionGuard::take(&repo.layout, id)?;
    if !repo.queue().message(Stage::Authorized, key).exists() {
        return Ok(None);
    }
    let session = guard.load()?;
    let (mut task, at) = task_for(&guard, &session, key, plan.command.is_some())?;
    let attachments = store_attachments(repo, &guard, &task, key, plan)?;
    let message = Message {
        key: key.clone(),
        file: message_file(u32::try_from(at + 1)?),
        from: plan.from.clone(),
        message_id: plan.mail.message_id.clone(),
        received_at: plan.received_at,
        attachments,
    };
    let is_known = at < task.messages.len();
    match task.messages.get_mut(at) {
        Some(known) => *known = message.clone(),
        None => task.messages.push(message.clone()),
    }
    note(&mut task, plan, clone_failure);
    if let Some(command) = plan.command.as_ref().filter(|_| task.command.is_none()) {
        command::act(repo, &guard, &session, command, &mut task)?;
    }
    // What the task holds was counted when it was put there.
    if !is_known {
        quota::count(repo, key, plan)?;
    }
    guard.save_task(&task)?;
    write_prompt(repo, &guard, &session, &task, plan, &message)?;
    guard.update(|session| {
        session.tasks = session.tasks.max(task.number);
        session.model = plan.model_change.clone().unwrap_or_else(|| session.model.clone());
        session.participants.extend(plan.participants.iter().cloned());
        session.active_at = session.active_at.max(plan.received_at);
        if let Some(message_id) = &plan.mail.message_id
            && !session.thread.contains(message_id)
        {
            session.thread.push(message_id.clone());
        }
    })?;
    hand_over(repo, &guard, &task, &message, verdict).map(Some)
}

/// The right to place a message. Over all sessions, since two processes may have been told to take it to different
/// ones.
pub fn lock(repo: &Repo) -> Result<Lock> {
    Lock::exclusive(&repo.layout.lock("open"), limits::LOCK_WAIT, "the queue")
}

/// What the sender is to be told: why nothing is run, what is different from what was asked, that it was taken on.
fn note(task: &mut Task, plan: &Plan, clone_failure: Option<anyhow::Error>) {
    let mut notes = plan.notes.clone();
    match (&plan.refusal, clone_failure) {
        (Some((reason, detail)), _) if task.messages.len() == 1 => {
            task.fail(*reason, detail, Timestamp::now());
        }
        (Some(refusal), _) => notes.extend(told(refusal)),
        (None, Some(error)) => task.fail(Reason::Clone, format!("{error:#}"), Timestamp::now()),
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

/// The markers, then the mail. A marker without its mail waits for it.
fn hand_over(
    repo: &Repo,
    guard: &SessionGuard,
    task: &Task,
    message: &Message,
    verdict: &Verdict,
) -> Result<TaskId> {
    let queue = repo.queue();
    let id = task_id(&guard.dir.id, task.number);
    let dir = guard.dir.task_dir(task.number);
    let file = dir.join(&message.file);
    write::json(&file.with_extension("json"), verdict)?;
    if task.state == State::Ready {
        queue.put(Stage::Ready, &Ticket::task(id.clone()))?;
    } else if task.state.is_final() {
        queue.put(Stage::Finished, &Ticket::task(id.clone()))?;
    }
    if task.acknowledgement.state == DeliveryState::Pending {
        queue.put(Stage::Finished, &Ticket::acknowledgement(id.clone()))?;
    }
    // The verdict goes first: alone in a watched directory it would wake the next step for ever. A mail left without
    // it goes back to be judged again.
    write::remove(&queue.verdict(Stage::Authorized, &message.key))?;
    write::rename(&queue.message(Stage::Authorized, &message.key), &file)?;
    Ok(id)
}

/// The right to make a session's workspace: its run lock, as whoever runs it has. Nothing where the message was
/// placed meanwhile. Taken before the mirror's lock, as `run` does.
fn hold(repo: &Repo, key: &MessageKey, id: &SessionId) -> Result<Option<Lock>> {
    let message = repo.queue().message(Stage::Authorized, key);
    let started = Instant::now();
    while message.exists() {
        if let Some(lock) = Lock::attempt(&repo.layout.run_lock(id))? {
            return Ok(Some(lock));
        }
        if started.elapsed() >= limits::MIRROR_WAIT {
            return Err(Fault::try_later(format!("another process is making session {id}")).into());
        }
        std::thread::sleep(LOOK_AGAIN);
    }
    Ok(None)
}

/// The session with its workspace. A workspace that cannot be made is the sender's to hear, not a reason to lose him.
fn make_session(repo: &Repo, key: &MessageKey, plan: &Plan) -> Result<Option<anyhow::Error>> {
    let id = plan.session_id();
    let runs = plan.refusal.is_none() && plan.command.is_none();
    let source = runs.then(|| Source::update(repo));
    // The model stays with the session: where the remote is away, the last known default is better than none.
    let default = match &source {
        Some(Ok(source)) => source.configuration(),
        _ => Source::as_it_is(repo).configuration(),
    };
    let default = match default {
        Err(error) if Shortage::of(&error).is_some() => return Err(error),
        found => found.unwrap_or_default(),
    };
    let guard = SessionGuard::take(&repo.layout, id)?;
    if !guard.dir.exists() {
        let session = Session {
            format: Session::FORMAT,
            id: id.clone(),
            created_at: plan.received_at,
            active_at: plan.received_at,
            opened_by: Some(key.clone()),
            participants: plan.participants.clone(),
            subject: plan.mail.subject.clone(),
            model: plan.model.clone().unwrap_or(default.default_model),
            claude_session: None,
            workspace: false,
            thread: Vec::new(),
            tasks: 0,
        };
        guard.create(&repo.layout, &session)?;
    }
    let session = guard.load()?;
    drop(guard);
    Ok(match source {
        None => None,
        Some(source) => match source.and_then(|source| source.workspace(repo, &session)) {
            // The mail stays where it is, and is placed when this machine has what it lacks.
            Err(error) if Shortage::of(&error).is_some() => return Err(error),
            made => made.err(),
        },
    })
}

/// The task this message joins, and its place in it: the one it was given before a crash; the last, while that waits;
/// else a new one.
fn task_for(guard: &SessionGuard, session: &Session, key: &MessageKey, alone: bool) -> Result<(Task, usize)> {
    let new = |number| Ok((Task::new(number, Vec::new(), Timestamp::now()), 0));
    let last = last_task(&guard.dir, session);
    let mut number = last;
    // A command between them does not part two requests.
    let task = loop {
        let task = match guard.load_task(number) {
            Ok(task) => task,
            Err(error) if is_no_damage(&error) => return Err(error),
            Err(_) if number == last && is_empty(&guard.dir.task_dir(last)) => return new(last),
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

/// The last there is: a crash may have made one that the session does not know of yet.
fn last_task(dir: &SessionDir, session: &Session) -> u32 {
    let is_last = |number: &u32| !dir.task_dir(*number + 1).exists();
    (session.tasks.max(1)..).find(is_last).unwrap_or(session.tasks)
}

/// Whether a try that was cut off has begun to place this message: then it is placed, whatever has changed.
///
/// # Errors
/// Where it cannot be seen now.
pub fn is_begun(repo: &Repo, key: &MessageKey, plan: &Plan) -> Result<bool> {
    let dir = SessionDir::new(&repo.layout, plan.session_id());
    let session = match dir.load() {
        Ok(session) => session,
        Err(error) if is_no_damage(&error) => return Err(error),
        Err(_) => return Ok(false),
    };
    for number in (1..=last_task(&dir, &session)).rev() {
        match dir.load_task(number) {
            Ok(task) if task.messages.iter().any(|message| message.key == *key) => return Ok(true),
            Ok(_) => {}
            Err(error) if is_no_damage(&error) => return Err(error),
            Err(_) => break,
        }
    }
    Ok(plan.is_new())
}

/// Whether there is no such directory, or nothing in it but what was being written when a process was killed.
fn is_empty(dir: &Path) -> bool {
    let is_written = |entry: std::io::Result<std::fs::DirEntry>| {
        entry.is_ok_and(|entry| write::is_unfinished(&entry.file_name().to_string_lossy()))
    };
    std::fs::read_dir(dir).map_or_else(|_| !dir.exists(), |mut entries| entries.all(is_written))
}

/// Attachments into `inbox/`, never over what lies there. A second try after a crash finds its own.
fn store_attachments(
    repo: &Repo,
    guard: &SessionGuard,
    task: &Task,
    key: &MessageKey,
    plan: &Plan,
) -> Result<Vec<String>> {
    if let Some(known) = task.messages.iter().find(|message| message.key == *key) {
        return Ok(known.attachments.clone());
    }
    let inbox = guard.dir.file("inbox");
    if !inbox.is_dir() {
        let why = format!("session {} is damaged: {} is missing", guard.dir.id, inbox.display());
        let hint = format!("look at it, then remove it with: airut session rm {}", guard.dir.id);
        return Err(Fault::failed(why).hint(hint).into());
    }
    let mut stored: Vec<String> = Vec::new();
    for attachment in &plan.mail.attachments {
        // Names of this mail, and names that hold something else.
        let mut taken = stored.clone();
        loop {
            let name = unique_names(std::slice::from_ref(&attachment.name), &taken).remove(0);
            let path = inbox.join(&name);
            // The same file may be there already: sent before, or stored by a try that was cut off.
            if write::create_new(&repo.layout.tmp(), &path, &attachment.bytes)?
                || holds(&path, &attachment.bytes)?
            {
                stored.push(name);
                break;
            }
            taken.push(name);
        }
    }
    Ok(stored)
}

fn holds(path: &Path, bytes: &[u8]) -> Result<bool> {
    let is_as_long =
        std::fs::symlink_metadata(path).is_ok_and(|meta| meta.is_file() && meta.len() == bytes.len() as u64);
    Ok(is_as_long && write::read(path, limits::MESSAGE_BYTES as u64)?.is_some_and(|there| there == bytes))
}

/// The prompt of all the task's messages, all but this one read again from their files.
fn write_prompt(
    repo: &Repo,
    guard: &SessionGuard,
    session: &Session,
    task: &Task,
    plan: &Plan,
    latest: &Message,
) -> Result<()> {
    let dir = guard.dir.task_dir(task.number);
    let mut mails = Vec::new();
    for message in &task.messages {
        let mail = if message.key == latest.key {
            Some(Cow::Borrowed(&plan.mail))
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
    let text = prompt_of(repo, session.claude_session.is_none(), &parts);
    write::durable(&dir.join("prompt.txt"), text.as_bytes())
}

//! Mail commands: what the first line of a mail changes about it, and what airut does and answers itself.

use crate::base::id::Model;
use crate::base::limits;
use crate::disk::repo::Repo;
use crate::disk::session::{SessionDir, SessionGuard, ask_to_stop};
use crate::disk::write;
use crate::format::session::Session;
use crate::format::task::{State, Task};
use crate::mail::commanded::{Commanded, Conversation};
use crate::mail::names;
use crate::rule::command::{self, Command};
use crate::step::open::plan::is_known;
use anyhow::Result;
use jiff::{SignedDuration, Timestamp};
use std::io::Read;

/// What stood in the first line, if it was a command.
#[derive(Debug, Default)]
pub struct FirstLine {
    pub begins_anew: bool,
    /// The model from now on.
    pub model: Option<Model>,
    /// To be answered by airut; then nothing is run.
    pub command: Option<Command>,
    unknown: Option<String>,
    rest_unread: bool,
}

impl FirstLine {
    /// Takes the command out of the request. What follows a new model or `/new` is the request; what follows another
    /// command is not looked at: it may be no more than a signature.
    pub fn take(request: &mut String, is_reply: bool) -> Self {
        let Some((command, rest)) = command::command(request, is_reply) else { return Self::default() };
        let rest_unread = !rest.is_empty();
        *request = rest;
        match command {
            Command::New => Self { begins_anew: true, ..Self::default() },
            Command::Model(Some(asked)) => {
                let known = asked.as_ref().ok().filter(|model| is_known(model)).cloned();
                let alone = !rest_unread;
                let unknown = if known.is_none() {
                    Some(asked.as_ref().map_or_else(Clone::clone, ToString::to_string))
                } else {
                    None
                };
                let command = alone.then(|| {
                    Command::Model(Some(known.clone().ok_or_else(|| unknown.clone().unwrap_or_default())))
                });
                Self { model: known, unknown, command, ..Self::default() }
            }
            command => Self { command: Some(command), rest_unread, ..Self::default() },
        }
    }

    /// What the sender is to be told beside an answer.
    pub fn note(&self, is_new: bool) -> Option<String> {
        match (&self.command, &self.model, &self.unknown) {
            (Some(_), _, _) => self.rest_unread.then(|| Commanded::RestUnread.to_string()),
            (None, Some(model), _) if !is_new => Some(Commanded::ModelChanged(model.clone()).to_string()),
            (None, None, Some(asked)) => Some(Commanded::ModelUnknown(asked.clone()).to_string()),
            _ => None,
        }
    }
}

/// Does what the command says, and makes the task that answers it. Done again after a crash, it comes to the same end.
pub fn act(
    repo: &Repo,
    guard: &SessionGuard,
    session: &Session,
    command: &Command,
    task: &mut Task,
) -> Result<()> {
    let commanded = match command {
        Command::Stop => stop(repo, guard, session)?,
        Command::Status => Commanded::Status(conversation(repo, &guard.dir, session)),
        Command::Model(None) | Command::New => Commanded::Model(session.model.clone()),
        Command::Model(Some(Ok(model))) => Commanded::ModelChanged(model.clone()),
        Command::Model(Some(Err(asked))) => Commanded::ModelUnknown(asked.clone()),
        Command::Help => Commanded::Help,
        Command::Resend(name) => resend(repo, guard, session, name, task.number)?,
    };
    task.command = Some(command.word().to_owned());
    task.notes.insert(0, commanded.to_string());
    task.state = State::Done;
    task.finished_at = Some(Timestamp::now());
    Ok(())
}

/// What waits is over without an answer of its own; `run` finds it so, and puts its marker away.
fn stop(repo: &Repo, guard: &SessionGuard, session: &Session) -> Result<Commanded> {
    let running = ask_to_stop(&repo.layout, session)?;
    let mut waiting = 0;
    for mut task in tasks(&guard.dir, session) {
        if running.as_ref().is_some_and(|running| running.number == task.number) || task.state.is_final() {
            continue;
        }
        task.state = State::Stopped;
        task.finished_at = Some(Timestamp::now());
        task.reply.state = crate::format::task::DeliveryState::None;
        guard.save_task(&task)?;
        waiting += 1;
    }
    Ok(Commanded::Stop { running: running.is_some(), waiting })
}

fn conversation(repo: &Repo, dir: &SessionDir, session: &Session) -> Conversation {
    let mut seen = Conversation {
        model: session.model.clone(),
        running_since: None,
        waiting: 0,
        answered: 0,
        cost_usd: 0.0,
        kept_until: Timestamp::now()
            .saturating_add(SignedDuration::from_hours(i64::from(repo.config.session_max_age_days) * 24))
            .unwrap_or(Timestamp::MAX),
    };
    for task in tasks(dir, session) {
        seen.cost_usd += task.cost_usd.unwrap_or_default();
        match task.state {
            State::Ready => seen.waiting += 1,
            State::Running => seen.running_since = task.started_at,
            _ if task.command.is_none() && task.answer.is_some() => seen.answered += 1,
            _ => {}
        }
    }
    seen
}

/// The newest file of that name that an answer had, beside this task, whose answer takes it along.
fn resend(
    repo: &Repo,
    guard: &SessionGuard,
    session: &Session,
    name: &str,
    number: u32,
) -> Result<Commanded> {
    let Some(wanted) = names::clean(name) else { return Ok(Commanded::NotThere(name.to_owned())) };
    let to = guard.dir.task_dir(number).join("outbox");
    for earlier in (1..=session.tasks).rev().filter(|earlier| *earlier != number) {
        let outbox = guard.dir.task_dir(earlier).join("outbox");
        let named = std::fs::read_dir(&outbox).into_iter().flatten().filter_map(Result::ok);
        let named = named.filter(|entry| {
            names::clean(&entry.file_name().to_string_lossy()).is_some_and(|there| there == wanted)
        });
        for entry in named {
            let Ok(file) = write::open_untrusted(&entry.path()) else { continue };
            let mut bytes = Vec::new();
            file.take(limits::REPLY_ATTACHMENT_BYTES + 1).read_to_end(&mut bytes)?;
            if bytes.len() as u64 <= limits::REPLY_ATTACHMENT_BYTES {
                write::create_dir(&to)?;
                write::create_new(&repo.layout.tmp(), &to.join(&wanted), &bytes)?;
                return Ok(Commanded::Resent(wanted));
            }
        }
    }
    Ok(Commanded::NotThere(name.to_owned()))
}

fn tasks(dir: &SessionDir, session: &Session) -> impl Iterator<Item = Task> {
    (1..=session.tasks).filter_map(|number| dir.load_task(number).ok())
}

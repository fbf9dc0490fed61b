//! Makes a new session with its workspace, before anything is put into it.

use crate::base::fault::Fault;
use crate::base::id::{MessageKey, SessionId};
use crate::base::limits;
use crate::base::shortage::Shortage;
use crate::disk::layout::Stage;
use crate::disk::lock::Lock;
use crate::disk::repo::Repo;
use crate::disk::session::SessionGuard;
use crate::format::session::Session;
use crate::format::version::Versioned;
use crate::step::open::plan::Plan;
use crate::tool::source::Source;
use anyhow::{Error, Result, anyhow};
use std::time::{Duration, Instant};

/// How often to look whether another process has made the session.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// How a session was made.
pub enum Made {
    /// A workspace that cannot be made is the sender's to hear, not a reason to lose him.
    Whole,
    Without(Error),
    /// The message was placed meanwhile.
    Elsewhere,
}

/// The remote as it is found when a batch first needs it: nothing in the batch was asked for later than that.
#[derive(Default)]
pub struct Remote(Option<std::result::Result<Source, String>>);

impl Remote {
    fn source(&mut self, repo: &Repo) -> Result<&Source> {
        if self.0.is_none() {
            self.0 = Some(match Source::update(repo) {
                // It ends the batch.
                Err(error) if Shortage::of(&error).is_some() => return Err(error),
                found => found.map_err(|error| format!("{error:#}")),
            });
        }
        match &self.0 {
            Some(Ok(source)) => Ok(source),
            Some(Err(why)) => Err(anyhow!("{why}")),
            None => Err(anyhow!("the remote was not asked")),
        }
    }
}

/// Makes the session of a message that opens one, with its workspace.
pub fn make(repo: &Repo, key: &MessageKey, plan: &Plan, remote: &mut Remote) -> Result<Made> {
    let Some(_making) = hold(repo, key, plan.session_id())? else { return Ok(Made::Elsewhere) };
    let runs = plan.refusal.is_none() && plan.command.is_none();
    let source = runs.then(|| remote.source(repo));
    // The model stays with the session: where the remote is away, the last known default is better than none.
    let default = match &source {
        Some(Ok(source)) => source.configuration(),
        _ => Source::as_it_is(repo).configuration(),
    };
    let default = match default {
        Err(error) if Shortage::of(&error).is_some() => return Err(error),
        found => found.unwrap_or_default(),
    };
    let guard = SessionGuard::take(&repo.layout, plan.session_id())?;
    if !guard.dir.exists() {
        let session = Session {
            format: Session::FORMAT,
            id: plan.session_id().clone(),
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
    match source.map_or(Ok(()), |source| source?.workspace(repo, &session)) {
        Ok(()) => Ok(Made::Whole),
        // The mail stays where it is, and is placed when this machine has what it lacks.
        Err(error) if Shortage::of(&error).is_some() => Err(error),
        Err(error) => Ok(Made::Without(error)),
    }
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

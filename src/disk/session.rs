//! Session directories. Anyone may look; only the holder of a session's lock has the methods that change it.

use crate::base::fault::{Fault, Kind};
use crate::base::id::{SessionId, TaskId};
use crate::base::limits;
use crate::base::shortage::Shortage;
use crate::disk::batch::Batch;
use crate::disk::layout::Layout;
use crate::disk::lock::Lock;
use crate::disk::queue::message_key;
use crate::disk::write;
use crate::format::session::Session;
use crate::format::task::{Message, Reason, State, Task};
use crate::format::verdict::Verdict;
use anyhow::Result;
use jiff::Timestamp;
use std::path::{Path, PathBuf};

/// The directories that are mounted, beside `workspace`, which the clone makes.
const MOUNTED: [&str; 4] = ["claude", "inbox", "outbox", "storage"];

/// One session, to look at.
#[derive(Debug, Clone)]
pub struct SessionDir {
    pub id: SessionId,
    path: PathBuf,
}

impl SessionDir {
    #[must_use]
    pub fn new(layout: &Layout, id: &SessionId) -> Self {
        Self { id: id.clone(), path: layout.session(id) }
    }

    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    #[must_use]
    pub fn exists(&self) -> bool {
        self.path.is_dir()
    }

    /// One of the session's files or directories.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    #[must_use]
    pub fn task_dir(&self, number: u32) -> PathBuf {
        self.path.join("tasks").join(number.to_string())
    }

    /// Whether every directory that is mounted is there.
    ///
    /// # Errors
    /// Where one is missing: what the agent had there is lost, and making it anew would hide that.
    pub fn check_whole(&self, workspace: bool) -> Result<()> {
        let wanted = MOUNTED.into_iter().chain(workspace.then_some("workspace"));
        match wanted.map(|name| self.file(name)).find(|path| !path.is_dir()) {
            None => Ok(()),
            Some(path) => Err(damaged(&self.id, &format!("{} is missing", path.display())).into()),
        }
    }

    /// Whether its workspace is there, and then whole: it comes to its name by one rename.
    #[must_use]
    pub fn has_workspace(&self) -> bool {
        self.file("workspace").is_dir()
    }

    pub fn load(&self) -> Result<Session> {
        read_one(&self.file("session.json"), &self.id, write::read_json)
    }

    pub fn load_task(&self, number: u32) -> Result<Task> {
        read_one(&self.task_dir(number).join("task.json"), &self.id, write::read_json)
    }

    /// What the mails of a task say by themselves, for when its `task.json` is lost.
    fn accepted_messages(&self, number: u32, now: Timestamp) -> Result<Vec<Message>> {
        let mut messages = Vec::new();
        for index in 1..=u32::try_from(limits::ATTACHMENT_COUNT)? {
            let file = message_file(index);
            let path = self.task_dir(number).join(&file);
            let Some(bytes) = write::read(&path, limits::MESSAGE_BYTES as u64)? else { break };
            if let Some(verdict) = write::read_json::<Verdict>(&path.with_extension("json"))?
                && let Some(from) = verdict.from
            {
                let key = message_key(&bytes);
                messages.push(Message {
                    key,
                    file,
                    from,
                    message_id: None,
                    received_at: now,
                    attachments: vec![],
                });
            }
        }
        Ok(messages)
    }
}

fn read_one<T>(path: &Path, id: &SessionId, read: fn(&Path) -> Result<Option<T>>) -> Result<T> {
    match read(path) {
        Ok(Some(value)) => Ok(value),
        Ok(None) => Err(damaged(id, &format!("{} is missing", path.display())).into()),
        Err(error) if is_no_damage(&error) => Err(error),
        Err(error) => Err(damaged(id, &format!("{error:#}")).into()),
    }
}

fn damaged(id: &SessionId, why: &str) -> Fault {
    Fault::failed(format!("session {id} is damaged: {why}"))
        .hint(format!("look at it, then remove it with: airut session rm {id}"))
}

/// Whether a newer airut wrote what could not be read or changed: then it is not damaged.
#[must_use]
pub fn is_too_new(error: &anyhow::Error) -> bool {
    error.downcast_ref::<Fault>().is_some_and(|fault| fault.kind == Kind::TooNew)
}

/// Whether what could not be read or changed is sound all the same: a newer airut wrote it, or the machine lacks what it
/// takes.
#[must_use]
pub fn is_no_damage(error: &anyhow::Error) -> bool {
    is_too_new(error) || Shortage::of(error).is_some()
}

/// One session, to change: nobody else does while this lives.
#[derive(Debug)]
pub struct SessionGuard {
    pub dir: SessionDir,
    _lock: Lock,
}

impl SessionGuard {
    /// Waits at most `limits::LOCK_WAIT`; the lock is only ever held for moments.
    pub fn take(layout: &Layout, id: &SessionId) -> Result<Self> {
        let lock = Lock::exclusive(&layout.session_lock(id), limits::LOCK_WAIT, &format!("session {id}"))?;
        Ok(Self { dir: SessionDir::new(layout, id), _lock: lock })
    }

    /// Makes the directory whole, beside and then by one rename.
    pub fn create(&self, layout: &Layout, session: &Session) -> Result<()> {
        let beside = layout.tmp().join(format!("session-{}", session.id));
        if beside.exists() {
            discard(layout, &beside)?;
        }
        let mut batch = Batch::default();
        batch.dir(&beside)?;
        for name in MOUNTED.into_iter().chain(["tasks"]) {
            batch.dir(&beside.join(name))?;
        }
        batch.json(&beside, beside.join("session.json"), session)?;
        batch.commit()?;
        write::rename(&beside, self.dir.path())
    }

    /// The session, to be changed.
    pub fn load(&self) -> Result<Session> {
        read_one(&self.dir.file("session.json"), &self.dir.id, write::read_json_to_change)
    }

    /// A task, to be changed.
    pub fn load_task(&self, number: u32) -> Result<Task> {
        let path = self.dir.task_dir(number).join("task.json");
        read_one(&path, &self.dir.id, write::read_json_to_change)
    }

    pub fn save(&self, session: &Session) -> Result<()> {
        write::json(&self.dir.file("session.json"), session)
    }

    /// Reads, changes and writes the session.
    pub fn update(&self, change: impl FnOnce(&mut Session)) -> Result<Session> {
        let mut session = self.load()?;
        change(&mut session);
        self.save(&session)?;
        Ok(session)
    }

    pub fn save_task(&self, task: &Task) -> Result<()> {
        let dir = self.dir.task_dir(task.number);
        write::create_dir(&dir)?;
        write::json(&dir.join("task.json"), task)
    }

    /// The same, together with others.
    pub fn put(&self, batch: &mut Batch, session: &Session) -> Result<()> {
        batch.json(self.dir.path(), self.dir.file("session.json"), session)
    }

    pub fn put_task(&self, batch: &mut Batch, task: &Task) -> Result<()> {
        let dir = self.dir.task_dir(task.number);
        batch.dir(&dir)?;
        batch.json(&dir, dir.join("task.json"), task)
    }

    /// Reads, changes and writes a task.
    pub fn update_task(&self, number: u32, change: impl FnOnce(&mut Task)) -> Result<Task> {
        let mut task = self.load_task(number)?;
        change(&mut task);
        self.save_task(&task)?;
        Ok(task)
    }

    /// Makes a failed task out of one whose session or state is damaged, as long as a verdict beside its mails says
    /// whom to tell; nothing where none does.
    pub fn rescue_task(&self, number: u32, detail: &str, now: Timestamp) -> Result<Option<Task>> {
        let mut task = match self.load_task(number) {
            Ok(task) => task,
            Err(error) if is_no_damage(&error) => return Err(error),
            Err(_) => Task::new(number, self.dir.accepted_messages(number, now)?, now),
        };
        if task.messages.is_empty() {
            return Ok(None);
        }
        task.fail(Reason::Internal, detail, now);
        self.save_task(&task)?;
        Ok(Some(task))
    }

    /// Saves a task and what changed in its session by it. A session that cannot be read stays as it is: what became of
    /// the task is recorded even so.
    pub fn save_both(&self, task: &Task, change: impl FnOnce(&mut Session)) -> Result<()> {
        let mut batch = Batch::default();
        self.put_task(&mut batch, task)?;
        match self.load() {
            Ok(mut session) => {
                change(&mut session);
                self.put(&mut batch, &session)?;
            }
            Err(error) if Shortage::of(&error).is_some() => return Err(error),
            Err(_) => {}
        }
        batch.commit()
    }
}

/// Moves a directory into the trash, where `gc` removes it: quick, and whole or not at all.
pub fn discard(layout: &Layout, path: &Path) -> Result<()> {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let stamp = Timestamp::now().as_nanosecond();
    write::rename(path, &layout.trash().join(format!("{name}.{stamp}.{}", std::process::id())))
}

/// Asks whoever runs a task of the session to end it; nothing where nothing runs.
pub fn ask_to_stop(layout: &Layout, session: &Session) -> Result<Option<TaskId>> {
    if Lock::attempt(&layout.run_lock(&session.id))?.is_some() {
        return Ok(None);
    }
    let dir = SessionDir::new(layout, &session.id);
    for number in (1..=session.tasks).rev() {
        if dir.load_task(number).is_ok_and(|task| task.state == State::Running) {
            write::touch(&dir.task_dir(number).join("stop"))?;
            return Ok(Some(task_id(&session.id, number)));
        }
    }
    Ok(None)
}

/// All session IDs there are: for `gc`, `status` and `session list` only.
pub fn all(layout: &Layout) -> Result<Vec<SessionId>> {
    let mut ids = Vec::new();
    if !layout.sessions().is_dir() {
        return Ok(ids);
    }
    for entry in std::fs::read_dir(layout.sessions())? {
        if let Some(Ok(id)) = entry?.file_name().to_str().map(str::parse) {
            ids.push(id);
        }
    }
    ids.sort();
    Ok(ids)
}

/// The file of a task's first, second, … mail.
#[must_use]
pub fn message_file(index: u32) -> String {
    if index == 1 { "message.eml".to_owned() } else { format!("message-{index}.eml") }
}

/// `ID.N` of a task of this session.
#[must_use]
pub fn task_id(session: &SessionId, number: u32) -> TaskId {
    TaskId { session: session.clone(), number }
}

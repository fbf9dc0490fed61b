//! Where everything lies. Paths only; nothing here touches the disk but `prepare`.

use crate::base::fault::Fault;
use crate::base::id::{MessageKey, RepoName, SessionId, TaskId};
use crate::disk::write;
use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The stages of the queue. What lies in one can be acted on now, but for `Rejected` and `Running`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stage {
    Fetched,
    Authorized,
    Rejected,
    Ready,
    /// Markers of tasks under way; one whose session nobody holds goes back to `Ready`.
    Running,
    Finished,
}

impl Stage {
    pub const ALL: [Stage; 6] =
        [Stage::Fetched, Stage::Authorized, Stage::Rejected, Stage::Ready, Stage::Running, Stage::Finished];

    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Stage::Fetched => "fetched",
            Stage::Authorized => "authorized",
            Stage::Rejected => "rejected",
            Stage::Ready => "ready",
            Stage::Running => "running",
            Stage::Finished => "finished",
        }
    }
}

/// One repository's storage directory.
#[derive(Debug, Clone)]
pub struct Layout {
    pub repo: RepoName,
    root: PathBuf,
}

impl Layout {
    #[must_use]
    pub fn new(repo: RepoName, root: PathBuf) -> Self {
        Self { repo, root }
    }

    /// Makes the directories that every step relies on.
    pub fn prepare(&self) -> Result<()> {
        if self.accounts().is_dir() && self.deferred(Stage::Finished).is_dir() {
            return Ok(());
        }
        let (locks, seen) = (self.root.join("locks"), self.root.join("seen"));
        for dir in [self.tmp(), self.sessions(), self.trash(), self.accounts(), locks, seen] {
            write::create_dir(&dir)?;
        }
        for stage in Stage::ALL {
            write::create_dir(&self.stage(stage))?;
            write::create_dir(&self.deferred(stage))?;
        }
        Ok(())
    }

    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    #[must_use]
    pub fn mirror(&self) -> PathBuf {
        self.root.join("git-mirror")
    }

    /// What is being written; a crash leaves its remains here.
    #[must_use]
    pub fn tmp(&self) -> PathBuf {
        self.root.join("queue/tmp")
    }

    #[must_use]
    pub fn stage(&self, stage: Stage) -> PathBuf {
        self.root.join("queue").join(stage.name())
    }

    /// What waits to come back to `stage`.
    #[must_use]
    pub fn deferred(&self, stage: Stage) -> PathBuf {
        self.root.join("queue/deferred").join(stage.name())
    }

    #[must_use]
    pub fn sessions(&self) -> PathBuf {
        self.root.join("sessions")
    }

    #[must_use]
    pub fn trash(&self) -> PathBuf {
        self.root.join("trash")
    }

    /// What senders and the repository have had; a session's account lies with it.
    #[must_use]
    pub fn accounts(&self) -> PathBuf {
        self.root.join("accounts")
    }

    /// How often messages could not be worked on.
    #[must_use]
    pub fn failures(&self) -> PathBuf {
        self.root.join("failures")
    }

    /// What the mailbox still holds although it is stored here.
    #[must_use]
    pub fn mailbox_state(&self) -> PathBuf {
        self.root.join("mailbox.json")
    }

    /// What each session takes, as it was measured last.
    #[must_use]
    pub fn sizes(&self) -> PathBuf {
        self.root.join("sizes.json")
    }

    /// The memory of a mail that was taken, or of a note that has gone out: an empty file, spread over 256 directories.
    #[must_use]
    pub fn seen(&self, key: &MessageKey) -> PathBuf {
        self.root.join("seen").join(&key.as_str()[..2]).join(key.as_str())
    }

    /// `name` is one of `mailbox`, `mirror`, `queue`, `open`, `reply`, `accounts`, `sizes`.
    #[must_use]
    pub fn lock(&self, name: &str) -> PathBuf {
        self.root.join("locks").join(format!("{name}.lock"))
    }

    /// Its time is when a task of this repository was last begun.
    #[must_use]
    pub fn turn(&self) -> PathBuf {
        self.root.join("locks/turn")
    }

    /// Its time is when `gc` was last here, by a clock that it believed.
    #[must_use]
    pub fn cleaned(&self) -> PathBuf {
        self.root.join("locks/gc")
    }

    /// Its time is when `gc` first doubted the clock; there only while it does.
    #[must_use]
    pub fn doubted(&self) -> PathBuf {
        self.root.join("locks/gc-doubt")
    }

    /// Held for moments, to change a session's files.
    #[must_use]
    pub fn session_lock(&self, id: &SessionId) -> PathBuf {
        self.lock(id.as_str())
    }

    /// Held for as long as a task of the session runs.
    #[must_use]
    pub fn run_lock(&self, id: &SessionId) -> PathBuf {
        self.lock(&format!("{id}.run"))
    }

    #[must_use]
    pub fn session(&self, id: &SessionId) -> PathBuf {
        self.sessions().join(id.as_str())
    }

    #[must_use]
    pub fn task(&self, task: &TaskId) -> PathBuf {
        self.session(&task.session).join("tasks").join(task.number.to_string())
    }

    /// Tells containers of this storage directory from those of another configuration.
    #[must_use]
    pub fn storage_id(&self) -> String {
        hex(&Sha256::digest(self.root.as_os_str().as_encoded_bytes()))[..16].to_owned()
    }
}

/// What all repositories share: run slots and image stamps.
#[derive(Debug, Clone)]
pub struct Global {
    root: PathBuf,
}

impl Global {
    #[must_use]
    pub fn new(root: PathBuf) -> Self {
        Self { root }
    }

    #[must_use]
    pub fn slot(&self, number: u32) -> PathBuf {
        self.root.join("slots").join(format!("{number}.lock"))
    }

    /// Held by all processes that wait for a slot.
    #[must_use]
    pub fn waiting(&self) -> PathBuf {
        self.root.join("slots/waiting.lock")
    }

    #[must_use]
    pub fn images(&self) -> PathBuf {
        self.root.join("images")
    }

    #[must_use]
    pub fn image_stamp(&self, hash: &str) -> PathBuf {
        self.images().join(format!("{hash}.json"))
    }

    #[must_use]
    pub fn image_lock(&self, hash: &str) -> PathBuf {
        self.images().join(format!("{hash}.lock"))
    }
}

/// The directory for one session's sockets. Short, since a socket's path has at most 107 bytes.
pub fn runtime_dir(repo: &RepoName, session: &SessionId) -> Result<PathBuf> {
    Ok(runtime_base()?.join(format!("{repo}.{session}")))
}

/// The directory that holds them all, ours alone; made if need be.
pub fn runtime_base() -> Result<PathBuf> {
    let uid = rustix::process::getuid().as_raw();
    let base = match std::env::var_os("XDG_RUNTIME_DIR").filter(|dir| !dir.is_empty()) {
        Some(dir) => PathBuf::from(dir).join("airut"),
        None if uid == 0 => PathBuf::from("/run/airut"),
        None if Path::new(&format!("/run/user/{uid}")).is_dir() => {
            PathBuf::from(format!("/run/user/{uid}/airut"))
        }
        None => std::env::temp_dir().join(format!("airut-{uid}")),
    };
    if base.to_str().is_none_or(|base| base.contains(':')) {
        let why =
            format!("{} holds ':' or is not UTF-8, and cannot be mounted into a container", base.display());
        return Err(Fault::config(why).hint("set XDG_RUNTIME_DIR to another directory").into());
    }
    write::create_dir(&base)?;
    // In a directory open to all, another user could have been first.
    let meta =
        std::fs::symlink_metadata(&base).with_context(|| format!("cannot look at {}", base.display()))?;
    if !meta.is_dir() || meta.uid() != uid || meta.mode() & 0o077 != 0 {
        bail!("{} is not a directory of ours alone (mode 0700)", base.display());
    }
    Ok(base)
}

/// Lower-case hex digits.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

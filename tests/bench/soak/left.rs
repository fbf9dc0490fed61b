//! What must not be left over when everything has ended, and `gc` has been there.

use crate::hurry::entries;
use crate::own;
use crate::stage::{REPOS, Stage};
use anyhow::Result;
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

/// One line for each, with where it is.
#[derive(Default)]
pub struct Left {
    pub containers: Vec<String>,
    pub processes: Vec<String>,
    /// Podman's own fault, after it was killed.
    pub unbegun: usize,
    pub runtime: Vec<String>,
    /// In `queue/tmp`, the trash, `$TMPDIR`.
    pub files: Vec<String>,
    /// Half written ones beside what they were to replace.
    pub unfinished: Vec<String>,
    pub locks: Vec<String>,
}

impl Left {
    pub fn look(stage: &Stage) -> Result<Self> {
        let mut left = Self { containers: own::containers(stage)?, ..Self::default() };
        let shown =
            |paths: Vec<PathBuf>| paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>();
        let (unbegun, processes): (Vec<_>, Vec<_>) =
            own::processes(stage).into_iter().partition(own::is_unbegun);
        left.unbegun = unbegun.len();
        unbegun.iter().chain(&processes).for_each(own::end);
        left.processes =
            processes.iter().map(|process| format!("{} {}", process.pid, process.command)).collect();
        left.runtime = shown(entries(&stage.runtime()));
        left.files = shown(entries(&stage.dir.join("tmp")));
        let state = stage.state().join("airut");
        for repo in 0..REPOS.len() {
            let storage = stage.storage(repo);
            left.files.extend(shown(entries(&storage.join("queue/tmp"))));
            left.files.extend(shown(entries(&storage.join("trash"))));
            left.locks.extend(entries(&storage.join("locks")).into_iter().filter_map(|lock| held(&lock)));
        }
        for dir in ["slots", "images"] {
            let locks = entries(&state.join(dir))
                .into_iter()
                .filter(|path| path.extension().is_some_and(|kind| kind == "lock"));
            left.locks.extend(locks.filter_map(|lock| held(&lock)));
        }
        unfinished(&state, &mut left.unfinished);
        Ok(left)
    }

    pub fn rows(&self) -> [(&'static str, &[String]); 6] {
        [
            ("containers", &self.containers),
            ("processes", &self.processes),
            ("runtime directories", &self.runtime),
            ("temporary files", &self.files),
            ("half written files", &self.unfinished),
            ("locks held", &self.locks),
        ]
    }
}

fn held(path: &Path) -> Option<String> {
    let file = File::open(path).ok()?;
    matches!(file.try_lock(), Err(TryLockError::WouldBlock)).then(|| path.display().to_string())
}

/// Not in what belongs to an agent, and not in what goes as a whole: a session's own go with it.
fn unfinished(dir: &Path, found: &mut Vec<String>) {
    for path in entries(dir) {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name.starts_with(".tmp-") {
            found.push(path.display().to_string());
        } else if path.is_dir() && !path.is_symlink() && name != "sessions" && name != "git-mirror" {
            unfinished(&path, found);
        }
    }
}

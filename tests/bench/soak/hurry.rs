//! Two hours in ten minutes: what waits for its time waits a twelfth of it, and at the end no longer.

use crate::stage::{REPOS, Stage};
use std::fs::{self, File};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const TIMES: i64 = 12;

/// The stages that something waits to come back to.
pub const STAGES: [&str; 5] = ["fetched", "authorized", "ready", "running", "finished"];

pub fn entries(dir: &Path) -> Vec<PathBuf> {
    fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path()).collect()
}

/// Lets come back what has waited long enough; all of it, where nothing is to be waited for any more.
pub fn hurry(stage: &Stage, all: bool) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs().cast_signed();
    for repo in 0..REPOS.len() {
        for waiting in STAGES.iter().flat_map(|name| entries(&deferred(stage, repo, name))) {
            let name = waiting.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let Some((until, rest)) = name.split_once('.') else { continue };
            let (Ok(until), Ok(meta)) = (until.parse::<i64>(), waiting.metadata()) else { continue };
            // When it was put there.
            let since = meta.ctime();
            if until > 1 && (all || now >= since + (until - since) / TIMES) {
                // Another process may have been first.
                let _ = fs::rename(&waiting, waiting.with_file_name(format!("1.{rest}")));
            }
        }
    }
}

pub fn deferred(stage: &Stage, repo: usize, name: &str) -> PathBuf {
    stage.storage(repo).join("queue/deferred").join(name)
}

/// Days later: what the mail server never settled is refused.
pub fn unsettled_for_days(stage: &Stage) {
    for repo in 0..REPOS.len() {
        grow_old(&deferred(stage, repo, "fetched"));
    }
}

/// Days later, when nothing is at work: `gc` may clear away what was never finished.
pub fn unfinished_for_days(stage: &Stage) {
    for repo in 0..REPOS.len() {
        let queue = stage.storage(repo).join("queue");
        grow_old(&queue.join("tmp"));
        grow_old(&queue.join("authorized"));
    }
}

fn grow_old(dir: &Path) {
    let then = SystemTime::now() - Duration::from_secs(6 * 24 * 3600);
    for file in entries(dir) {
        let _ = File::open(&file).and_then(|file| file.set_modified(then));
    }
}

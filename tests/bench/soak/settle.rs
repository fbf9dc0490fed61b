//! The end: nothing fails any more, and everything is let run until nothing waits.

use crate::hurry::{self, STAGES, deferred, entries, hurry};
use crate::operator::Operator;
use crate::stage::{REPOS, Stage};
use anyhow::{Result, ensure};
use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How long nothing must have waited.
const QUIET: Duration = Duration::from_secs(4);

/// What still waits, a word for each.
pub fn waiting(stage: &Stage) -> Vec<String> {
    let mut waiting: BTreeMap<String, usize> = BTreeMap::new();
    let mut note = |what: String, dir: &Path| *waiting.entry(what).or_default() += entries(dir).len();
    for (repo, name) in REPOS.iter().enumerate() {
        for sub in ["new", "cur"] {
            note(format!("{name}'s mailbox"), &stage.maildir(name).join(sub));
        }
        for queue in STAGES {
            note(format!("{name} {queue}"), &stage.storage(repo).join("queue").join(queue));
            note(format!("{name} deferred/{queue}"), &deferred(stage, repo, queue));
        }
    }
    for queue in ["maildrop", "incoming", "active", "deferred"] {
        // Postfix spreads what is deferred over directories that stay.
        for dir in [
            vec![stage.mail.join("postfix/spool").join(queue)],
            entries(&stage.mail.join("postfix/spool").join(queue)),
        ]
        .concat()
        {
            let files = entries(&dir).iter().filter(|path| is_whole(path)).count();
            *waiting.entry(format!("Postfix {queue}")).or_default() += files;
        }
    }
    waiting.iter().filter(|(_, count)| **count > 0).map(|(what, count)| format!("{what}: {count}")).collect()
}

/// Returns what waits even so when the time is over.
pub fn settle(
    stage: &Stage,
    operator: &mut Operator,
    patience: Duration,
    stop: &AtomicBool,
) -> Result<Vec<String>> {
    let (began, mut quiet_since) = (Instant::now(), Instant::now());
    while began.elapsed() < patience && quiet_since.elapsed() < QUIET {
        ensure!(!stop.load(Ordering::Relaxed), "interrupted");
        operator.tick()?;
        hurry::unsettled_for_days(stage);
        hurry(stage, true);
        std::thread::sleep(Duration::from_millis(100));
        if !waiting(stage).is_empty() {
            quiet_since = Instant::now();
        }
    }
    operator.end(Duration::from_secs(60))?;
    hurry::unfinished_for_days(stage);
    let log = std::fs::File::create(stage.log("last gc.log"))?;
    let status = stage.airut(&["gc"]).stdout(log.try_clone()?).stderr(log).status()?;
    ensure!(status.success(), "the last gc failed: {status}");
    Ok(waiting(stage))
}

/// Postfix lets its owner execute a mail that it has taken; what it was killed over stays behind without, and was never
/// said to be taken.
fn is_whole(path: &Path) -> bool {
    path.metadata().is_ok_and(|meta| meta.is_file() && meta.mode() & 0o100 != 0)
}

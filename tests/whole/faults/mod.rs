//! Faults put in on purpose: the process ended at each of its points, killed at any moment, the power cut, and what the
//! machine can lack.

mod build;
mod disk;
mod points;
mod power;
mod removal;
mod server;
mod short;
mod trace;

use crate::support::letter::Answer;
use crate::support::world::{Ran, Repo, Setup, World, airut_bin};
use crate::whole::steps::names;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

/// What stands for Podman: as one file, since the ordinary user cannot read the checkout.
const PODMAN: &str = include_str!("podman");
/// How many cycles may pass until nothing waits.
const CYCLES: usize = 5;

/// A world, one repository in it, and a Podman that answers at once.
struct Stage {
    world: World,
    repo: Repo,
    /// What a command goes through to see this world's disk, if that is one of its own.
    through: Option<Vec<OsString>>,
}

impl Stage {
    fn new(toml: &str, tables: &str) -> Self {
        let world = World::new();
        let mut setup = Setup::stand_in("#!/bin/sh\n");
        setup.toml = toml.to_owned();
        setup.tables = tables.to_owned();
        Self::with(world, &setup)
    }

    fn with(world: World, setup: &Setup) -> Self {
        fs::create_dir(world.path("bin")).unwrap();
        fs::write(world.path("bin/podman"), PODMAN).unwrap();
        fs::set_permissions(world.path("bin/podman"), fs::Permissions::from_mode(0o755)).unwrap();
        let repo = world.repo(setup);
        Self { world, repo, through: None }
    }

    fn twin(&self) -> Self {
        let world = self.world.twin();
        let repo = self.world.repo_in(&world, &self.repo);
        Self { world, repo, through: None }
    }

    fn airut(&self, args: &[&str]) -> Command {
        let mut command = match &self.through {
            None => self.world.airut(args),
            Some(through) => {
                let mut command = self.world.command("nsenter");
                command.args(through).arg(airut_bin()).args(args);
                command
            }
        };
        let path = std::env::var("PATH").unwrap();
        command.env("PATH", format!("{}:{path}", self.world.path("bin").display()));
        command
    }

    fn run(&self, args: &[&str]) -> Ran {
        Ran::of(&self.airut(args).output().unwrap())
    }

    /// What is answered to a mail where this stands for Podman.
    fn answer_by(&self, podman: &str) -> String {
        fs::write(self.world.path("bin/podman"), podman).unwrap();
        self.world.send(&self.repo, &self.world.letter(&self.repo, "Hello", "Please."));
        self.settle().unwrap();
        let answers = self.world.answers(&self.repo, 2);
        let is_answer = |answer: &&Answer| !answer.header("Message-ID").unwrap().contains(".ack.");
        answers.iter().find(is_answer).unwrap().text()
    }

    /// Runs a step and returns the points it reached.
    fn record(&self, step: &[&str]) -> Vec<String> {
        let log = self.world.path("points");
        let output = self.airut(step).env("AIRUT_CRASH_LOG", &log).output().unwrap();
        assert!(output.status.code().is_some(), "{output:?}");
        let points = fs::read_to_string(&log).unwrap();
        fs::remove_file(&log).unwrap();
        points.lines().map(str::to_owned).collect()
    }

    /// Ends a step at a point; false where it does not come so far.
    fn crash(&self, step: &[&str], at: &str) -> bool {
        self.airut(step).env("AIRUT_CRASH_AT", at).output().unwrap().status.code().is_none()
    }

    /// `cycle` until nothing waits, then `gc`, when all that a crash left unfinished is old.
    fn settle(&self) -> Result<(), String> {
        let mut said = Vec::new();
        // Once at least: a mail server's mailbox is not looked at.
        while said.is_empty() || self.waits() {
            if said.len() >= CYCLES {
                return Err(format!("something waits after {CYCLES} cycles: {said:?}"));
            }
            said.push(self.run(&["cycle"]).stderr);
            self.pass_time();
        }
        for path in below(&self.repo.storage).iter().filter(|path| is_unfinished(path)) {
            // As a file of its own: under another name it may be there to stay.
            if let Ok(bytes) = fs::read(path) {
                fs::remove_file(path).unwrap();
                fs::write(path, bytes).unwrap();
            }
            fs::File::open(path).unwrap().set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
        }
        let ran = self.run(&["gc"]);
        if self.waits() {
            // It had something to tell.
            self.run(&["reply"]);
        }
        if ran.code == Some(0) { Ok(()) } else { Err(format!("gc: {ran:?}")) }
    }

    /// Until what is put off is due.
    fn pass_time(&self) {
        let deferred = self.repo.storage.join("queue/deferred");
        for path in below(&deferred).into_iter().filter(|path| path.is_file()) {
            let name = path.file_name().unwrap().to_str().unwrap().split_once('.').unwrap().1;
            fs::rename(&path, path.with_file_name(format!("0.{name}"))).unwrap();
        }
    }

    fn waits(&self) -> bool {
        let stages = ["fetched", "authorized", "ready", "running", "finished"];
        let any = |stage: &str| !self.repo.queued(stage).is_empty();
        stages.iter().any(|stage| any(stage) || any(&format!("deferred/{stage}")))
            || !names(&self.repo.maildir.join("new")).is_empty()
    }

    /// The mails sent, by whom they answer and what they are.
    fn sent(&self) -> BTreeMap<String, Mails> {
        let mut sent = BTreeMap::<_, (BTreeSet<_>, BTreeSet<_>)>::new();
        for path in below(&self.repo.reply_maildir.join("new")) {
            let answer = Answer { raw: fs::read(path).unwrap() };
            let header = |name: &str| answer.header(name).unwrap_or_default();
            let id = header("Message-ID");
            let kind = ["note", "ack"].into_iter().find(|kind| id.contains(&format!(".{kind}.")));
            let what = format!("{} to {}: {kind:?}", header("To"), header("In-Reply-To"));
            let attached = answer.attachments().into_iter().map(|(name, _)| name).collect::<Vec<_>>();
            let (ids, words) = sent.entry(what).or_default();
            ids.insert(id);
            words.insert(format!("{} {attached:?}", unmarked(&answer.text())));
        }
        sent.into_iter().map(|(what, (ids, words))| (what, Mails { ids: ids.len(), words })).collect()
    }

    /// Every file below the storage directory, with what is in it as far as it does not tell of times and tries.
    fn tree(&self) -> BTreeMap<String, String> {
        let skipped = [".git", "git-mirror", "locks", "reply.eml", "ack.eml", "events.jsonl", "runs"];
        let mut found = BTreeMap::new();
        for path in below(&self.repo.storage) {
            let name = path.strip_prefix(&self.repo.storage).unwrap().to_str().unwrap().to_owned();
            // What was being written beside a session's file goes with the session.
            let goes = name.starts_with("sessions/") && is_unfinished(&path);
            if goes || name.split('/').any(|part| skipped.contains(&part)) {
                continue;
            }
            let bytes = fs::read(&path).unwrap_or_default();
            if name.contains("account") {
                // The hour may change meanwhile.
                let account: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
                found.insert(name, format!("{} {}", account["day"]["mails"], account["day"]["told"]));
                continue;
            }
            let text = String::from_utf8_lossy(&bytes).replace("[]", "[\n]");
            let passing = [
                "_at\"",
                "\"bytes\"",
                "--- Mail",
                "\"since\"",
                "\"attempts\"",
                "\"interruptions\"",
                "\"begun\"",
                "airut.",
            ];
            let lines = text.lines().filter(|line| !passing.iter().any(|word| line.contains(word)));
            found.insert(
                name,
                unmarked(&lines.map(|line| format!("{}\n", line.trim_start())).collect::<String>()),
            );
        }
        found
    }
}

/// The mails to one person about one mail: how many Message-IDs they have, and what stands in them.
#[derive(Debug, PartialEq)]
struct Mails {
    ids: usize,
    words: BTreeSet<String>,
}

/// Without what airut says of an interruption, and of the time.
fn unmarked(text: &str) -> String {
    let lines = text.lines().filter(|line| !line.contains("interrupted once on our side"));
    let timeless = lines.map(|line| line.split(" it is kept until").next().unwrap_or_default());
    let timeless = timeless.filter(|line| !line.contains(" UTC"));
    // What airut says is parted from what Claude says by a line of its own.
    timeless.filter(|line| !line.is_empty() && *line != "* * *").collect::<Vec<_>>().join("\n")
}

/// Whether a process was writing it when it was ended.
fn is_unfinished(path: &Path) -> bool {
    path.to_str().unwrap().contains("queue/tmp/")
        || path.file_name().unwrap().to_str().unwrap().starts_with(".tmp-")
}

/// Every file below a directory, and every empty directory.
fn below(dir: &Path) -> Vec<std::path::PathBuf> {
    let (mut found, mut todo) = (Vec::new(), vec![dir.to_owned()]);
    while let Some(at) = todo.pop() {
        let inside: Vec<_> =
            fs::read_dir(&at).into_iter().flatten().map(|entry| entry.unwrap().path()).collect();
        if inside.is_empty() && at != dir {
            found.push(at);
            continue;
        }
        let (dirs, files): (Vec<_>, Vec<_>) =
            inside.into_iter().partition(|path| path.is_dir() && !path.is_symlink());
        found.extend(files);
        todo.extend(dirs);
    }
    found.sort();
    found
}

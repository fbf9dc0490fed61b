//! What all these tests do: have a mail go through the steps, and look at what lies on disk.

use crate::support::images::containers;
use crate::support::letter::{Answer, Letter};
use crate::support::world::{Ran, Repo, Setup, World};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

/// How long a test waits for something to become true before it has failed; never how long it takes.
const PATIENCE: Duration = Duration::from_secs(120);

/// An agent that does what a mail says: a line `do: COMMAND` is run with the agent's standard output, a line
/// `sh: COMMAND` for its output, which becomes the answer. `$resumed`, `$model` and `$prompt` are what it was given.
pub const AGENT: &str = r#"#!/bin/sh
id=11111111-2222-4333-8444-555555555555 resumed='' model=''
while [ $# -gt 0 ]; do
    case $1 in --resume) resumed=$2 ;; --model) model=$2 ;; esac
    shift
done
prompt=$(cat)
json() { sed 's/\\/\\\\/g; s/"/\\"/g; s/\t/\\t/g' | awk '{ printf "%s%s", end, $0; end = "\\n" }'; }
init() { printf '{"type":"system","subtype":"init","session_id":"%s"}\n' "$id"; }
say() { printf '{"type":"assistant","message":{"content":[{"type":"text","text":"%s"}]}}\n' "$(printf '%s' "$*" | json)"; }
answer() { printf '{"type":"result","is_error":false,"result":"%s","num_turns":2,"total_cost_usd":0.25}\n' "$(json)"; }
asked() { printf '%s\n' "$prompt" | sed -n "s/^$1: //p"; }
init
eval "$(asked do)"
eval "$(asked sh)" >/tmp/answer 2>&1
[ -s /tmp/answer ] || echo 'Nothing was to be said.' >/tmp/answer
answer </tmp/answer
"#;

/// Has `AGENT` say that it is there, and wait until it is let go.
pub const WAIT: &str = "do: touch /storage/here; until [ -e /storage/go ]; do sleep 0.1; done";

/// A repository whose agent is `AGENT`.
pub fn obedient() -> Setup {
    Setup::stand_in(AGENT)
}

/// Waits until `what` has come true.
#[track_caller]
pub fn wait_until(what: &str, mut is_true: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_true() {
        assert!(Instant::now() < deadline, "not within {PATIENCE:?}: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A command at work; killed when dropped.
#[derive(Debug)]
pub struct Running(pub Child);

impl Running {
    /// Waits for its end.
    pub fn end(mut self) -> Ran {
        let child = std::mem::replace(&mut self.0, nothing());
        Ran::of(&child.wait_with_output().unwrap())
    }

    /// Ends it as the kernel does when memory is short.
    pub fn kill(&mut self) {
        let _ = self.0.kill();
        self.0.wait().unwrap();
    }
}

fn nothing() -> Child {
    std::process::Command::new("true").spawn().unwrap()
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
    }
}

impl World {
    /// Begins a command.
    pub fn begin(&self, args: &[&str]) -> Running {
        let child = self.airut(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        Running(child)
    }

    /// From the mailbox to `ready`.
    pub fn take_in(&self) {
        for step in [&["fetch"][..], &["authorize"], &["session", "open"]] {
            let _ = self.run(step).ok();
        }
    }

    /// All steps for everything that waits; everything must go well.
    pub fn cycle(&self) -> Ran {
        self.run(&["cycle"]).ok()
    }

    /// A first mail, and its answer after the acknowledgement.
    pub fn ask(&self, repo: &Repo, body: &str) -> Answer {
        self.ask_with(repo, &self.letter(repo, "A request", body))
    }

    /// The same with a mail of one's own.
    pub fn ask_with(&self, repo: &Repo, letter: &Letter) -> Answer {
        let before = self.answers_to(repo, &letter.from, 0).len();
        self.send(repo, letter);
        self.cycle();
        self.answers_to(repo, &letter.from, before + 2).remove(before + 1)
    }

    /// Replies to an answer, and returns the next.
    pub fn go_on(&self, repo: &Repo, answer: &Answer, body: &str) -> Answer {
        self.go_on_with(repo, &Letter::reply(&repo.sender, answer, body))
    }

    /// The same with a mail of one's own.
    pub fn go_on_with(&self, repo: &Repo, letter: &Letter) -> Answer {
        let before = self.answers_to(repo, &letter.from, 0).len();
        self.send(repo, letter);
        self.cycle();
        self.answers_to(repo, &letter.from, before + 1).remove(before)
    }

    /// Begins `airut run` and waits until the agent has made `/storage/here` in as many sessions of these.
    pub fn begin_run(&self, repos: &[&Repo], count: usize) -> Running {
        let running = self.begin(&["run"]);
        wait_until("the agents are at work", || {
            let here = |repo: &&Repo| repo.with_storage("here").len();
            repos.iter().map(here).sum::<usize>() >= count
        });
        running
    }

    /// `airut status --json` of a repository.
    pub fn status(&self, repo: &Repo) -> Value {
        let ran = self.run(&["--repo", &repo.name, "status", "--json"]).ok();
        serde_json::from_str::<Vec<Value>>(&ran.stdout).unwrap().remove(0)
    }
}

impl Repo {
    pub fn session(&self, id: &str) -> PathBuf {
        self.storage.join("sessions").join(id)
    }

    /// `task.json` of a session's task.
    pub fn task(&self, id: &str, number: u32) -> Value {
        json(&self.session(id).join("tasks").join(number.to_string()).join("task.json"))
    }

    /// What the agent said last in an answer's session, as it was printed: a mail is set in paragraphs.
    pub fn said(&self, answer: &Answer) -> String {
        let id = answer.session().unwrap();
        let last = json(&self.session(&id).join("session.json"))["tasks"].as_u64().unwrap();
        let task = self.task(&id, u32::try_from(last).unwrap());
        task["answer"].as_str().unwrap().to_owned()
    }

    /// The sessions in whose `/storage` there is such a file.
    pub fn with_storage(&self, name: &str) -> Vec<String> {
        let mut ids = self.sessions();
        ids.retain(|id| self.session(id).join("storage").join(name).exists());
        ids
    }

    /// Lets the agents that wait (`WAIT`) go on.
    pub fn let_go(&self) {
        for id in self.sessions() {
            fs::write(self.session(&id).join("storage/go"), "").unwrap();
        }
    }

    /// The IDs of all sessions.
    pub fn sessions(&self) -> Vec<String> {
        names(&self.storage.join("sessions"))
    }

    /// What lies in a directory of the queue: `ready`, `deferred/finished`.
    pub fn queued(&self, stage: &str) -> Vec<String> {
        names(&self.storage.join("queue").join(stage))
    }

    /// Lets come back at once what waits for its next attempt.
    pub fn wake(&self, stage: &str) {
        let deferred = self.storage.join("queue/deferred").join(stage);
        for name in names(&deferred) {
            let (_, rest) = name.split_once('.').unwrap();
            fs::rename(deferred.join(&name), deferred.join(format!("1.{rest}"))).unwrap();
        }
    }

    /// Demands that nothing waits anywhere.
    #[track_caller]
    pub fn assert_nothing_waits(&self) {
        for stage in ["fetched", "authorized", "ready", "running", "finished"] {
            assert_eq!(self.queued(stage), [""; 0], "{stage}");
            assert_eq!(self.queued(&format!("deferred/{stage}")), [""; 0], "deferred/{stage}");
        }
        assert_eq!(names(&self.maildir.join("new")), [""; 0], "the mailbox");
    }
}

/// The container that runs for a repository; empty when there is none.
pub fn container_of(repo: &Repo) -> String {
    let filter = format!("name=airut-{}", repo.name);
    containers().run(&["ps", "--all", "--quiet", "--filter", &filter]).trim().to_owned()
}

/// The names in a directory, sorted; none where there is no directory.
pub fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).into_iter().flatten();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

pub fn json(path: &Path) -> Value {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap()
}

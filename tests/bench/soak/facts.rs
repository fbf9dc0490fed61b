//! What lies on airut's disk at the end: where each mail is, and what became of each task.

use crate::hurry::{STAGES, deferred, entries};
use crate::stage::{REPOS, Stage};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A task by its repository and its name, `3fa9c1d2.1`.
pub type TaskName = (usize, String);

#[derive(Debug, Clone, PartialEq)]
pub enum Place {
    Task(TaskName),
    /// With the reason of its verdict.
    Rejected(String),
    Waiting(String),
}

#[derive(Default)]
pub struct Facts {
    /// Of each mail, by its token; a mail that was sent twice can be in two.
    pub places: BTreeMap<String, Vec<Place>>,
    /// `task.json` of each.
    pub tasks: BTreeMap<TaskName, Value>,
    /// What the agent noted of its runs: token, `fresh` or `resumed`, `first`, `continued` or `afresh`.
    pub runs: BTreeMap<String, Vec<(TaskName, String)>>,
    /// Mails that the soak did not send (bounces), by what became of them.
    pub strangers: BTreeMap<String, usize>,
    /// What cannot be read.
    pub damaged: Vec<String>,
    /// Markers that were set aside for the operator.
    pub set_aside: Vec<String>,
}

/// The token that a mail carries.
fn token(path: &Path) -> Option<String> {
    let bytes = std::fs::read(path).ok()?;
    let mark = b"X-Soak: ";
    let at = bytes.windows(mark.len()).position(|window| window == mark)? + mark.len();
    let end = bytes[at..].iter().position(|byte| byte.is_ascii_whitespace())?;
    Some(String::from_utf8_lossy(&bytes[at..at + end]).into_owned())
}

fn json(path: &Path) -> Option<Value> {
    serde_json::from_slice(&std::fs::read(path).ok()?).ok()
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

impl Facts {
    pub fn gather(stage: &Stage) -> Self {
        let mut facts = Self::default();
        for (repo, repo_name) in REPOS.iter().enumerate() {
            let storage = stage.storage(repo);
            for session in entries(&storage.join("sessions")) {
                facts.session(repo, &session);
            }
            let rejected = entries(&storage.join("queue/rejected"));
            for path in rejected {
                match path.extension().and_then(|kind| kind.to_str()) {
                    Some("eml") => {
                        let verdict = json(&path.with_extension("json")).unwrap_or_default();
                        let reason = verdict["reason"].as_str().unwrap_or("no reason").to_owned();
                        facts.put(&path, Place::Rejected(reason));
                    }
                    Some("json") => {}
                    _ => facts.set_aside.push(format!("{repo_name}: {}", name(&path))),
                }
            }
            for queue in STAGES {
                let dirs = [storage.join("queue").join(queue), deferred(stage, repo, queue)];
                for path in dirs.iter().flat_map(|dir| entries(dir)) {
                    facts
                        .put_if_known(&path, Place::Waiting(format!("{repo_name}: {queue}/{}", name(&path))));
                }
            }
            for path in ["new", "cur"].iter().flat_map(|sub| entries(&stage.maildir(repo_name).join(sub))) {
                facts.put(&path, Place::Waiting(format!("{repo_name}'s mailbox: {}", name(&path))));
            }
        }
        facts
    }

    fn put(&mut self, path: &Path, place: Place) {
        match token(path) {
            Some(token) => self.places.entry(token).or_default().push(place),
            None => *self.strangers.entry(format!("{place:?}")).or_default() += 1,
        }
    }

    /// Markers and verdicts carry none.
    fn put_if_known(&mut self, path: &Path, place: Place) {
        if let Some(token) = token(path) {
            self.places.entry(token).or_default().push(place);
        }
    }

    fn session(&mut self, repo: usize, dir: &Path) {
        let id = name(dir);
        if json(&dir.join("session.json")).is_none() {
            self.damaged.push(dir.display().to_string());
        }
        let mut last: Option<TaskName> = None;
        let mut of_token: BTreeMap<String, TaskName> = BTreeMap::new();
        for task_dir in entries(&dir.join("tasks")) {
            let task_name = (repo, format!("{id}.{}", name(&task_dir)));
            let Some(task) = json(&task_dir.join("task.json")) else {
                self.damaged.push(task_dir.display().to_string());
                continue;
            };
            for message in task["messages"].as_array().into_iter().flatten() {
                let path: PathBuf = task_dir.join(message["file"].as_str().unwrap_or("message.eml"));
                if let Some(token) = token(&path) {
                    of_token.insert(token, task_name.clone());
                }
                self.put(&path, Place::Task(task_name.clone()));
            }
            self.tasks.insert(task_name.clone(), task);
            last = Some(task_name);
        }
        let runs = std::fs::read_to_string(dir.join("storage/runs")).unwrap_or_default();
        for line in runs.lines() {
            let Some((token, how)) = line.split_once(' ') else { continue };
            if let Some(task) = of_token.get(token).or(last.as_ref()) {
                self.runs.entry(token.to_owned()).or_default().push((task.clone(), how.to_owned()));
            }
        }
    }
}

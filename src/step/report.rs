//! What a step did: the references it moved on, and what went wrong beside.

use crate::base::id::RepoName;
use std::fmt::Display;

/// The result of a step. One bad thing stops nothing else, so both lists may be filled.
#[derive(Debug, Default)]
pub struct Report {
    /// `NAME:KEY` or `NAME:ID.N`, for the next step's arguments.
    pub moved: Vec<String>,
    pub troubles: Vec<Trouble>,
}

/// One thing that failed while the others went on.
#[derive(Debug)]
pub struct Trouble {
    /// What it was about: a repository, a message, a task.
    pub what: String,
    pub error: anyhow::Error,
}

impl Report {
    pub fn moved(&mut self, repo: &RepoName, item: &dyn Display) {
        self.moved.push(format!("{repo}:{item}"));
    }

    pub fn trouble(&mut self, repo: &RepoName, item: &dyn Display, error: anyhow::Error) {
        self.troubles.push(Trouble { what: format!("{repo}:{item}"), error });
    }

    pub fn join(&mut self, other: Report) {
        self.moved.extend(other.moved);
        self.troubles.extend(other.troubles);
    }
}

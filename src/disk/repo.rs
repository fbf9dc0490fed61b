//! A configured repository with its place on disk: what every step is handed.

use crate::base::id::RepoName;
use crate::disk::layout::{Global, Layout};
use crate::disk::queue::Queue;
use crate::format::config;
use std::sync::{Arc, Mutex};
use std::time::Instant;

#[derive(Debug, Clone)]
pub struct Repo {
    pub name: RepoName,
    pub config: config::Repo,
    pub layout: Layout,
    pub global: Global,
    /// When this process began its last look at the remote that succeeded. Held while it looks.
    pub looked: Arc<Mutex<Option<Instant>>>,
}

impl Repo {
    #[must_use]
    pub fn queue(&self) -> Queue<'_> {
        Queue::new(&self.layout)
    }
}

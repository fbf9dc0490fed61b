//! A configured repository with its place on disk: what every step is handed.

use crate::base::id::RepoName;
use crate::disk::layout::{Global, Layout};
use crate::disk::queue::Queue;
use crate::format::config;

#[derive(Debug, Clone)]
pub struct Repo {
    pub name: RepoName,
    pub config: config::Repo,
    pub layout: Layout,
    pub global: Global,
}

impl Repo {
    #[must_use]
    pub fn queue(&self) -> Queue<'_> {
        Queue::new(&self.layout)
    }
}

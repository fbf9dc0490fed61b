//! The repository: a bare mirror of its remote, and the workspaces made from it.
//!
//! The `git` program talks to the remote, since it knows the operator's helpers, keys and proxies; libgit2 reads
//! the mirror. Nothing outside this folder names either. No git ever runs in a workspace after it was handed out:
//! its configuration and hooks are the agent's then.

mod command;
mod copy;
mod listing;
mod mirror;
mod tree;
mod workspace;

use crate::base::fault::Fault;
use crate::base::shortage::Shortage;

pub use command::reason;
pub use listing::{Listing, parse as parse_listing};
pub use mirror::Mirror;
pub use tree::Head;
pub use workspace::clone_workspace;

/// What libgit2 says the machine lacks, as that: it has no other way than words.
pub fn known(error: anyhow::Error) -> anyhow::Error {
    let said = error.chain().filter(|cause| cause.is::<git2::Error>());
    match said.map(ToString::to_string).find_map(|words| Shortage::said(&words)) {
        Some(shortage) => Fault::short(shortage, format!("{error:#}")).into(),
        None => error,
    }
}

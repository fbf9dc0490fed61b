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

pub use command::reason;
pub use listing::{Listing, parse as parse_listing};
pub use mirror::Mirror;
pub use tree::Head;
pub use workspace::clone_workspace;

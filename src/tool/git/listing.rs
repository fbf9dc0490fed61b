//! What a remote says it has: its branches, its tags, and which branch is the default one.

use crate::base::fault::Fault;
use crate::base::remote::Remote;
use anyhow::{Result, bail};
use std::collections::BTreeMap;

/// The answer of `git ls-remote --symref`, branches and tags only: what a clone would carry. A forge lists every
/// pull request as well, which anybody may open; those have no business in the mirror.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listing {
    /// Full name to object ID, as hex.
    pub refs: BTreeMap<String, String>,
    /// What HEAD names, `refs/heads/main`.
    pub head: Option<String>,
    /// Whether HEAD is a commit rather than a name.
    pub detached: bool,
}

/// Reads it. Lines that are none of ours are passed over.
#[must_use]
pub fn parse(text: &str) -> Listing {
    let mut listing = Listing::default();
    let mut head_commit = false;
    for line in text.lines() {
        let Some((left, name)) = line.split_once('\t') else { continue };
        let ours = name.starts_with("refs/heads/") || name.starts_with("refs/tags/");
        match left.strip_prefix("ref: ") {
            Some(target) if name == "HEAD" => listing.head = Some(target.to_owned()),
            // Another name for a branch; its commit stands on a line of its own.
            Some(_) => {}
            None if name == "HEAD" => head_commit = true,
            None if ours && !name.ends_with("^{}") => {
                listing.refs.insert(name.to_owned(), left.to_owned());
            }
            None => {}
        }
    }
    listing.detached = head_commit && listing.head.is_none();
    listing
}

impl Listing {
    /// The default branch's full name; without one no task can be worked on.
    pub fn default_branch(&self, remote: &Remote) -> Result<&str> {
        let has_branches = self.refs.keys().any(|name| name.starts_with("refs/heads/"));
        let (what, hint) = match self.head.as_deref() {
            Some(head) if head.starts_with("refs/heads/") && self.refs.contains_key(head) => return Ok(head),
            _ if !has_branches => ("has no commits yet", "push a first commit to it"),
            _ if self.detached => (
                "has a detached HEAD, so no default branch",
                "git symbolic-ref HEAD refs/heads/main on its server",
            ),
            _ => ("has no default branch", "set one at the forge, or push the branch that its HEAD names"),
        };
        bail!(Fault::failed(format!("the git remote {remote} {what}")).hint(hint))
    }
}

//! What became of a note that something depends on: it waits in the queue, or it has gone out, which `seen/` keeps in
//! mind. One that is neither was never put there, or was dropped unsent.

use crate::base::id::{MessageKey, SessionId};
use crate::disk::layout::{Layout, Stage};
use crate::disk::queue::{Queue, message_key};
use anyhow::Result;
use jiff::Timestamp;
use std::collections::HashSet;

/// The note that a session goes because of what it takes, unless something happens in it after `active_at`.
#[must_use]
pub fn of_size(layout: &Layout, session: &SessionId, active_at: Timestamp) -> MessageKey {
    message_key(format!("size {}:{session} {active_at}", layout.repo).as_bytes())
}

/// The notes on their way. To be asked before `went_out`: one that goes out meanwhile is kept in mind before it leaves.
pub fn waiting(layout: &Layout) -> Result<HashSet<MessageKey>> {
    let queue = Queue::new(layout);
    let mut waiting: HashSet<_> = queue.messages(Stage::Finished)?.into_iter().collect();
    let deferred = queue.deferred()?.into_iter().filter(|(stage, ..)| *stage == Stage::Finished);
    waiting.extend(deferred.filter_map(|(_, name, _)| name.strip_suffix(".eml")?.parse().ok()));
    // One may have been brought back while we looked.
    waiting.extend(queue.messages(Stage::Finished)?);
    Ok(waiting)
}

/// When a note was handed over, if it was.
#[must_use]
pub fn went_out(layout: &Layout, key: &MessageKey) -> Option<Timestamp> {
    let modified = std::fs::symlink_metadata(layout.seen(key)).and_then(|meta| meta.modified()).ok()?;
    Timestamp::try_from(modified).ok()
}

//! Which sessions go so that the others fit into `max_storage`: the largest of those that nobody works in, each only
//! after its people were told and had time to write. Nothing goes that need not.

use crate::base::id::SessionId;
use crate::base::limits;
use jiff::{SignedDuration, Timestamp};
use std::cmp::Reverse;

/// One session as `gc` measured it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Weighed {
    pub id: SessionId,
    pub bytes: u64,
    pub active_at: Timestamp,
    /// A task of it waits, runs, or has an answer to be sent; or there is nobody who could be told.
    pub busy: bool,
    /// Since its last activity.
    pub told: Told,
}

/// Whether a session's people know that it goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    No,
    /// The mail has not gone out yet.
    OnItsWay,
    At(Timestamp),
}

/// What is to be done with a session that has to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    Tell,
    /// Its people were told, or are about to be, and have time yet.
    Wait,
    Remove,
}

/// What the operator set.
#[derive(Debug, Clone, Copy)]
pub struct Room {
    pub max_bytes: u64,
    pub max_sessions: u32,
}

/// The sessions that have to go. Those whose people were told come first, so that nobody else is told without need and
/// the room is there as soon as it can be; then the largest. One that takes no more than its share is left alone, whatever
/// others take that cannot go now: such alone are never too much.
#[must_use]
pub fn fit(mut sessions: Vec<Weighed>, room: Room, now: Timestamp) -> Vec<(Weighed, Step)> {
    let mut left = sessions.iter().fold(0_u64, |sum, session| sum.saturating_add(session.bytes));
    let share = room.max_bytes / u64::from(room.max_sessions.max(1));
    sessions.retain(|session| session.bytes > share && is_free(session, now));
    sessions.sort_by_key(|session| (session.told == Told::No, Reverse(session.bytes), session.id.clone()));
    let mut going = Vec::new();
    for session in sessions {
        if left <= room.max_bytes {
            break;
        }
        left = left.saturating_sub(session.bytes);
        let step = match session.told {
            Told::No => Step::Tell,
            Told::At(time) if now.duration_since(time) >= limits::NOTICE_PERIOD => Step::Remove,
            Told::At(_) | Told::OnItsWay => Step::Wait,
        };
        going.push((session, step));
    }
    going
}

/// Whether nobody works in it. One that was told at a time that is still to come (the clock was set back) would wait
/// for who knows how long, in the place of others.
fn is_free(session: &Weighed, now: Timestamp) -> bool {
    let ahead = SignedDuration::from_secs(limits::CLOCK_STEP_SECONDS);
    let is_possible = !matches!(session.told, Told::At(time) if time.duration_since(now) > ahead);
    let is_quiet = now.duration_since(session.active_at) >= limits::QUIET;
    !session.busy && is_quiet && is_possible
}

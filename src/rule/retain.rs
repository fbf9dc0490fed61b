//! Which sessions go: those without activity for too long, then the oldest above the limit. One in use never does.

use crate::base::id::SessionId;
use crate::base::limits;
use jiff::{SignedDuration, Timestamp};

/// One session as `gc` sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    pub id: SessionId,
    pub active_at: Timestamp,
    /// A task of it waits, runs, or has an answer to be sent.
    pub busy: bool,
}

/// Why a session goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    Expired,
    /// More than `max_sessions`, and the oldest.
    OverLimit,
}

/// What the operator set.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    pub max_age: SignedDuration,
    pub max_sessions: usize,
}

/// Whether ages can be believed: by this clock `gc` was here lately, or that was long ago and it has stood there for
/// a while since it was first doubted. A clock that leaps ahead, and back when somebody sets it, costs no session then.
#[must_use]
pub fn is_clock_sound(last: Option<Timestamp>, doubted: Option<Timestamp>, now: Timestamp) -> bool {
    let longer_ago = |then: Option<Timestamp>, seconds| {
        then.is_some_and(|then| now.duration_since(then) >= SignedDuration::from_secs(seconds))
    };
    !longer_ago(last, limits::GC_GAP_SECONDS) || longer_ago(doubted, limits::CLOCK_DOUBT_SECONDS)
}

/// The sessions to remove, oldest first. A session from the future (the clock was set back) is not old.
#[must_use]
pub fn retain(mut sessions: Vec<Seen>, limits: Limits, now: Timestamp) -> Vec<(SessionId, Why)> {
    sessions.sort_by(|a, b| a.active_at.cmp(&b.active_at).then_with(|| a.id.cmp(&b.id)));
    let mut left = sessions.len();
    let mut going = Vec::new();
    for session in sessions {
        let why = if now.duration_since(session.active_at) > limits.max_age {
            Why::Expired
        } else if left > limits.max_sessions {
            Why::OverLimit
        } else {
            break;
        };
        if !session.busy {
            left -= 1;
            going.push((session.id, why));
        }
    }
    going
}

//! When a task goes on that Claude's API kept from going on: at the time the API named, else after a growing pause; not
//! without end.

use crate::base::limits;
use crate::format::task::Parked;
use jiff::{SignedDuration, Timestamp};

/// The next attempt, or nothing where it has waited often or long enough. `before` is how it waited so far.
#[must_use]
pub fn until(before: Option<&Parked>, resets_at: Option<Timestamp>, now: Timestamp) -> Option<Timestamp> {
    let times = before.map_or(0, |parked| parked.times);
    if times >= limits::PARKED_TIMES {
        return None;
    }
    let soonest = now.saturating_add(pause(times)).ok()?;
    let until = resets_at.map_or(soonest, |reset| reset.max(soonest));
    // A clock that was set back must not make it wait for longer.
    let since = before.map_or(now, |parked| parked.since.min(now));
    (until.duration_since(since).unsigned_abs() <= limits::PARKED_AGE).then_some(until)
}

/// Five minutes, doubling to an hour. Claude Code itself has tried for some minutes by then.
fn pause(times: u32) -> SignedDuration {
    SignedDuration::from_mins(5_i64 << times.min(4)).min(SignedDuration::from_hours(1))
}

use airut::rule::retain::{Limits, Seen, Why, retain};
use jiff::{SignedDuration, Timestamp};

const HOUR: SignedDuration = SignedDuration::from_hours(1);

fn now() -> Timestamp {
    "2026-01-10T00:00:00Z".parse().unwrap()
}

fn seen(number: u32, hours_ago: i64, busy: bool) -> Seen {
    let id = format!("{number:08x}").parse().unwrap();
    Seen { id, active_at: now() - SignedDuration::from_hours(hours_ago), busy }
}

fn limits(hours: i64, max_sessions: usize) -> Limits {
    Limits { max_age: SignedDuration::from_hours(hours), max_sessions }
}

fn going(sessions: &[Seen], limits: Limits) -> Vec<(u32, Why)> {
    let gone = retain(sessions.to_vec(), limits, now());
    gone.into_iter().map(|(id, why)| (u32::from_str_radix(id.as_str(), 16).unwrap(), why)).collect()
}

#[test]
fn what_was_not_touched_for_too_long_goes_and_the_last_hour_still_counts() {
    let sessions = [seen(1, 24, false), seen(2, 25, false), seen(3, 100, false)];
    assert_eq!(going(&sessions, limits(24, 9)), [(3, Why::Expired), (2, Why::Expired)]);
    assert!(retain(sessions.to_vec(), limits(24, 9), now() - HOUR * 80).is_empty());
}

#[test]
fn above_the_limit_the_oldest_go() {
    let sessions = [seen(1, 1, false), seen(2, 4, false), seen(3, 2, false), seen(4, 3, false)];
    assert_eq!(going(&sessions, limits(24, 2)), [(2, Why::OverLimit), (4, Why::OverLimit)]);
}

#[test]
fn expired_ones_count_towards_the_limit() {
    let sessions = [seen(1, 30, false), seen(2, 2, false), seen(3, 1, false)];
    assert_eq!(going(&sessions, limits(24, 2)), [(1, Why::Expired)]);
}

#[test]
fn in_place_of_a_busy_one_the_next_oldest_goes() {
    let sessions = [seen(1, 4, true), seen(2, 3, false), seen(3, 2, false)];
    assert_eq!(going(&sessions, limits(24, 2)), [(2, Why::OverLimit)]);
}

#[test]
fn a_clock_that_was_set_back_makes_nothing_old() {
    let sessions = [seen(1, -1000, false), seen(2, -1, false)];
    assert!(going(&sessions, limits(1, 9)).is_empty());
    // And above the limit the one from the future is the youngest.
    assert_eq!(going(&sessions, limits(1, 1)), [(2, Why::OverLimit)]);
}

#[test]
fn whatever_the_sessions_no_busy_one_goes_and_no_more_than_must() {
    let mut state = 7_u64;
    let mut next = |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 33) % below
    };
    for _ in 0..500 {
        let count = u32::try_from(next(12)).unwrap();
        let sessions: Vec<_> =
            (0..count).map(|n| seen(n, i64::try_from(next(60)).unwrap() - 5, next(3) == 0)).collect();
        let limits = limits(i64::try_from(next(48)).unwrap(), usize::try_from(next(8)).unwrap());
        let gone = retain(sessions.clone(), limits, now());
        let find = |id| sessions.iter().find(|session| session.id == id).unwrap();
        let too_old = |session: &Seen| now().duration_since(session.active_at) > limits.max_age;
        for (id, why) in &gone {
            let session = find(id.clone());
            assert!(!session.busy);
            assert_eq!(too_old(session), *why == Why::Expired);
        }
        let ids: Vec<_> = gone.iter().map(|(id, _)| id).collect();
        let left: Vec<_> = sessions.iter().filter(|session| !ids.contains(&&session.id)).collect();
        assert!(left.iter().all(|session| session.busy || !too_old(session)));
        // Above the limit only where all that is left is busy; and below it nothing went for the limit's sake.
        assert!(left.len() <= limits.max_sessions || left.iter().all(|session| session.busy));
        if gone.iter().any(|(_, why)| *why == Why::OverLimit) {
            assert!(left.len() >= limits.max_sessions);
        }
        // Whoever stays is no older than who went for the limit's sake, but for the busy.
        let youngest = gone
            .iter()
            .filter(|(_, why)| *why == Why::OverLimit)
            .map(|(id, _)| find(id.clone()).active_at)
            .max();
        assert!(
            left.iter()
                .all(|session| session.busy || youngest.is_none_or(|young| session.active_at >= young))
        );
    }
}

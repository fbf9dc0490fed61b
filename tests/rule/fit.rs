use airut::base::limits;
use airut::rule::fit::{Room, Step, Told, Weighed, fit};
use jiff::{SignedDuration, Timestamp};

fn now() -> Timestamp {
    "2026-01-10T00:00:00Z".parse().unwrap()
}

fn ago(hours: i64) -> Timestamp {
    now() - SignedDuration::from_hours(hours)
}

/// Idle for a week.
fn weighed(number: u32, bytes: u64, told: Told) -> Weighed {
    let id = format!("{number:08x}").parse().unwrap();
    Weighed { id, bytes, active_at: ago(7 * 24), busy: false, told }
}

fn going(sessions: &[Weighed], max_bytes: u64) -> Vec<(u32, Step)> {
    going_of(sessions, Room { max_bytes, max_sessions: 1_000_000 })
}

fn going_of(sessions: &[Weighed], room: Room) -> Vec<(u32, Step)> {
    let gone = fit(sessions.to_vec(), room, now());
    gone.into_iter().map(|(it, step)| (u32::from_str_radix(it.id.as_str(), 16).unwrap(), step)).collect()
}

#[test]
fn within_the_limit_nobody_is_told_and_nothing_goes() {
    let sessions = [weighed(1, 60, Told::No), weighed(2, 40, Told::At(ago(100)))];
    assert!(going(&sessions, 100).is_empty());
    assert!(going(&[], 0).is_empty());
}

#[test]
fn beyond_it_the_people_of_the_largest_are_told_and_of_no_more_than_must_be() {
    let sessions = [weighed(1, 10, Told::No), weighed(2, 50, Told::No), weighed(3, 40, Told::No)];
    assert_eq!(going(&sessions, 99), [(2, Step::Tell)]);
    assert_eq!(going(&sessions, 49), [(2, Step::Tell), (3, Step::Tell)]);
}

#[test]
fn it_goes_a_day_after_its_people_were_told_and_not_before() {
    let told = |told| going(&[weighed(1, 50, told)], 0);
    let early = Told::At(now() - limits::NOTICE_PERIOD + SignedDuration::from_secs(1));
    assert_eq!(told(early), [(1, Step::Wait)]);
    assert_eq!(told(Told::OnItsWay), [(1, Step::Wait)], "a mail that has not gone out tells nobody");
    assert_eq!(told(Told::At(now() - limits::NOTICE_PERIOD)), [(1, Step::Remove)]);
}

#[test]
fn whoever_was_told_goes_before_others_are_told_even_of_a_larger_one() {
    let sessions = [weighed(1, 30, Told::At(ago(30))), weighed(2, 90, Told::No)];
    assert_eq!(going(&sessions, 100), [(1, Step::Remove)]);
    assert_eq!(going(&sessions, 80), [(1, Step::Remove), (2, Step::Tell)]);
}

#[test]
fn one_in_use_or_in_which_something_just_happened_is_left_alone() {
    let busy = Weighed { busy: true, ..weighed(1, 90, Told::At(ago(30))) };
    let lately = Weighed { active_at: ago(23), ..weighed(2, 80, Told::No) };
    let ahead = Weighed { active_at: ago(-5), ..weighed(3, 70, Told::No) };
    let idle = Weighed { active_at: ago(24), ..weighed(4, 1, Told::No) };
    assert_eq!(going(&[busy, lately, ahead, idle], 0), [(4, Step::Tell)]);
}

#[test]
fn one_that_takes_no_more_than_its_share_does_not_pay_for_one_that_cannot_go() {
    let busy = Weighed { busy: true, ..weighed(1, 500, Told::No) };
    let sessions = [busy, weighed(2, 10, Told::No), weighed(3, 11, Told::No)];
    assert_eq!(going_of(&sessions, Room { max_bytes: 100, max_sessions: 10 }), [(3, Step::Tell)]);
    // As many as there may be, each with its share, are never too much.
    let all: Vec<_> = (0..10).map(|number| weighed(number, 10, Told::No)).collect();
    assert!(going_of(&all, Room { max_bytes: 100, max_sessions: 10 }).is_empty());
}

#[test]
fn one_told_at_a_time_that_is_still_to_come_does_not_wait_in_the_place_of_others() {
    let sessions = [weighed(1, 90, Told::At(ago(-1000))), weighed(2, 50, Told::No)];
    assert_eq!(going(&sessions, 100), [(2, Step::Tell)]);
    // But for the ordinary correction of a clock.
    let slightly = [weighed(1, 90, Told::At(now() + SignedDuration::from_secs(10)))];
    assert_eq!(going(&slightly, 10), [(1, Step::Wait)]);
}

#[test]
fn whatever_the_sessions_what_goes_is_free_and_told_and_no_more_than_must() {
    let mut state = 11_u64;
    let mut next = |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 33) % below
    };
    for _ in 0..2_000 {
        let sessions: Vec<Weighed> = (0..u32::try_from(next(10)).unwrap())
            .map(|number| {
                let told = match next(4) {
                    0 => Told::OnItsWay,
                    1 => Told::At(ago(i64::try_from(next(60)).unwrap() - 5)),
                    _ => Told::No,
                };
                let active_at = ago(i64::try_from(next(60)).unwrap() - 5);
                Weighed { busy: next(4) == 0, active_at, ..weighed(number, next(50), told) }
            })
            .collect();
        let max_bytes = next(200);
        let max_sessions = 1 + u32::try_from(next(20)).unwrap();
        let going = fit(sessions.clone(), Room { max_bytes, max_sessions }, now());
        let free = |it: &Weighed| {
            let told_ahead = matches!(it.told, Told::At(time) if time > now());
            let is_large = it.bytes > max_bytes / u64::from(max_sessions);
            !it.busy && now().duration_since(it.active_at) >= limits::QUIET && !told_ahead && is_large
        };
        for (it, step) in &going {
            assert!(free(it), "{it:?}");
            let is_due =
                matches!(it.told, Told::At(time) if now().duration_since(time) >= limits::NOTICE_PERIOD);
            assert_eq!(*step == Step::Remove, is_due);
            assert_eq!(*step == Step::Tell, it.told == Told::No);
        }
        let total = |all: &[Weighed]| all.iter().map(|it| it.bytes).sum::<u64>();
        let gone: Vec<Weighed> = going.iter().map(|(it, _)| it.clone()).collect();
        let left = total(&sessions) - total(&gone);
        // Enough goes, if there is enough that may; and the last one had to.
        assert!(left <= max_bytes || sessions.iter().all(|it| gone.contains(it) || !free(it)));
        assert!(gone.last().is_none_or(|last| left + last.bytes > max_bytes));
    }
}

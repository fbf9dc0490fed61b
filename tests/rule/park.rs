use airut::base::limits;
use airut::format::task::Parked;
use airut::rule::park::until;
use jiff::{SignedDuration, Timestamp};

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

fn parked(since: i64, times: u32) -> Parked {
    Parked { since: at(since), until: at(since), times, reason: String::new() }
}

#[test]
fn without_a_time_the_pauses_grow_to_an_hour_and_come_to_an_end() {
    let minutes =
        |times| until(Some(&parked(0, times)), None, at(0)).map(|until| (until - at(0)).get_seconds() / 60);
    assert_eq!(until(None, None, at(0)), Some(at(300)));
    assert_eq!([1, 2, 3, 4, 5, 23].map(minutes), [10, 20, 40, 60, 60, 60].map(Some));
    assert_eq!(minutes(limits::PARKED_TIMES), None);
}

#[test]
fn a_limit_that_ends_at_a_time_is_waited_for_and_one_that_is_over_is_not_believed() {
    assert_eq!(until(None, Some(at(7_200)), at(0)), Some(at(7_200)));
    assert_eq!(until(None, Some(at(-7_200)), at(0)), Some(at(300)));
    assert_eq!(until(None, Some(Timestamp::MAX), at(0)), None, "it fails at once and says so");
}

#[test]
fn in_all_it_waits_for_a_week_and_not_without_end() {
    let day = 24 * 3600;
    assert!(until(Some(&parked(-day, 2)), Some(at(6 * day)), at(0)).is_some());
    assert!(until(Some(&parked(-day, 2)), Some(at(8 * day)), at(0)).is_none());
    assert!(until(Some(&parked(-9 * day, 2)), None, at(0)).is_none());
}

#[test]
fn a_clock_that_was_set_back_makes_nothing_wait_for_longer() {
    let year = SignedDuration::from_hours(366 * 24).as_secs();
    assert_eq!(until(Some(&parked(year, 1)), None, at(0)), Some(at(600)));
}

use airut::format::account::{Account, Span};
use airut::format::config::Limits;
use airut::rule::quota::{Amount, Whose, reached};
use jiff::Timestamp;

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn had(mails: u32, cost_usd: f64, now: Timestamp) -> Account {
    let mut account = Account::default().at(now);
    account.day.mails = mails;
    account.hour.mails = mails;
    account.spend(cost_usd);
    account
}

#[test]
fn a_limit_is_reached_by_as_many_mails_as_it_names_and_free_again_with_the_next_hour() {
    let now = time("2026-03-14T15:59:59Z");
    let limits = Limits { session_mails_per_hour: 3, ..Limits::default() };
    assert_eq!(reached(&[(Whose::Session, had(2, 0.0, now))], &limits, now), None);
    let found = reached(&[(Whose::Session, had(3, 0.0, now))], &limits, now).unwrap();
    assert_eq!((found.whose, found.span, found.limit), (Whose::Session, Span::Hour, Amount::Mails(3)));
    assert_eq!(found.until, time("2026-03-14T16:00:00Z"));
    assert_eq!(found.to_string(), "3 mails an hour for this conversation");
    let later = time("2026-03-14T16:00:00Z");
    assert_eq!(reached(&[(Whose::Session, had(3, 0.0, now).at(later))], &limits, later), None);
}

#[test]
fn of_several_limits_the_one_that_lasts_longest_is_named() {
    let now = time("2026-12-31T23:30:00Z");
    let limits = Limits {
        sender_mails_per_hour: Some(1),
        sender_usd_per_month: Some(10.0),
        repo_usd_per_day: Some(2.5),
        ..Limits::default()
    };
    let sender = had(5, 10.0, now);
    let found = reached(&[(Whose::Sender, sender.clone()), (Whose::Repo, had(9, 1.0, now))], &limits, now);
    // All periods end with the year; the first that was found stands.
    assert_eq!(found.unwrap().until, time("2027-01-01T00:00:00Z"));
    let now = time("2026-02-03T04:05:06Z");
    let found = reached(&[(Whose::Sender, had(5, 10.0, now)), (Whose::Repo, had(9, 3.0, now))], &limits, now)
        .unwrap();
    assert_eq!((found.whose, found.span), (Whose::Sender, Span::Month));
    assert_eq!(found.until, time("2026-03-01T00:00:00Z"));
    assert_eq!(found.to_string(), "$10.00 a month for your address");
}

#[test]
fn what_has_no_limit_is_never_reached() {
    let now = time("2026-02-03T04:05:06Z");
    let accounts = [(Whose::Repo, had(u32::MAX, 1e9, now)), (Whose::Session, had(29, 1e9, now))];
    assert_eq!(reached(&accounts, &Limits::default(), now), None);
}

#[test]
fn who_was_told_is_remembered_until_the_period_is_over() {
    let now = time("2026-02-03T04:05:06Z");
    let mut account = had(1, 0.0, now);
    account.tell(Span::Hour);
    assert!(account.is_told(Span::Hour) && !account.is_told(Span::Day));
    assert!(account.clone().at(time("2026-02-03T04:59:59Z")).is_told(Span::Hour));
    assert!(!account.at(time("2026-02-03T05:00:00Z")).is_told(Span::Hour));
}

#[test]
fn a_clock_that_goes_back_begins_a_new_period_and_limits_nobody_for_long() {
    let now = time("2026-02-03T04:05:06Z");
    let before = time("2026-01-03T04:05:06Z");
    let account = had(500, 99.0, now).at(before);
    assert_eq!((account.hour.mails, account.month.mails), (0, 0));
    assert_eq!(account.day.since, time("2026-01-03T00:00:00Z"));
}

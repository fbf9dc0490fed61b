use airut::base::limits;
use airut::format::verdict::Passed;
use airut::mail::headers::headers;
use airut::rule::age::age;
use jiff::Timestamp;
use std::time::Duration;

const NOW: &str = "2026-11-24T12:00:00Z";

fn check(raw: &str) -> (Passed, String) {
    let now: Timestamp = NOW.parse().unwrap();
    let finding = age(&headers(format!("{raw}\r\nbody").as_bytes()).unwrap(), 7, now);
    assert_eq!(finding.check.wanted, "a mail of the last 7 days (max_mail_age_days)");
    (finding.check.passed, finding.check.saw)
}

#[test]
fn the_date_that_the_own_server_stamped_on_top_decides() {
    for date in [
        "Tue, 24 Nov 2026 11:59:00 +0000",
        "Tue, 24 Nov 2026 12:59:00 +0000 (UTC)",
        "17 Nov 2026 12:00:00 GMT",
        "Tue, 17 Nov 2026 04:00:01 -0800 (PST)",
        // Of another weekday; the date counts.
        "Mon, 24 Nov 2026 11:59:00 +0000",
    ] {
        let raw = format!("Received: from a by b (x; y) for <c>;\r\n\t{date}\r\n");
        assert_eq!(check(&raw).0, Passed::Passed, "{date} {raw}");
    }
    for date in [
        "Tue, 17 Nov 2026 11:59:59 +0000",
        "Wed, 24 Nov 2021 11:59:00 +0000",
        "Wed, 25 Nov 2026 12:00:01 +0000",
        "yesterday",
        "",
    ] {
        let raw =
            format!("Received: from a by b; {date}\r\nReceived: from b by c; 24 Nov 2026 11:59:00 +0000\r\n");
        assert_eq!(check(&raw).0, Passed::Failed, "{date}");
    }
    assert!(
        check("Received: from a by b; 1 Nov 2026 12:00:00 +0000\r\n")
            .1
            .starts_with("Received is 23 days old")
    );
    assert_eq!(check("Received: from a by b\r\n").0, Passed::Failed, "no date at all");
}

#[test]
fn what_came_by_no_mail_server_has_no_age() {
    assert_eq!(
        check("Date: 1 Jan 2020 12:00:00 +0000\r\n"),
        (Passed::Passed, "no Received header".to_owned())
    );
}

#[test]
fn a_signed_mail_that_is_sent_again_is_as_old_as_it_says_itself() {
    let fresh = "Received: from a by b; 24 Nov 2026 11:59:00 +0000\r\n";
    let old = "Date: 1 Oct 2026 12:00:00 +0000\r\n";
    let (passed, saw) = check(&format!("{fresh}DKIM-Signature: v=1\r\n{old}"));
    assert_eq!(passed, Passed::Failed);
    assert!(saw.starts_with("Date is 54 days old"), "{saw}");
    assert_eq!(
        check(&format!("{fresh}DKIM-Signature: v=1\r\nDate: 20 Nov 2026 12:00:00 +0000\r\n")).0,
        Passed::Passed
    );
    assert_eq!(
        check(&format!("{fresh}DKIM-Signature: v=1\r\nDate: 20 Nov 2027 12:00:00 +0000\r\n")).0,
        Passed::Failed
    );
    assert_eq!(check(&format!("{fresh}DKIM-Signature: v=1\r\nDate: soon\r\n")).0, Passed::Failed);
    // A fresh one put above the signed one.
    let above = "Date: 24 Nov 2026 11:59:00 +0000\r\n";
    assert_eq!(check(&format!("{fresh}{above}DKIM-Signature: v=1\r\n{old}")).0, Passed::Failed);
    // Without a signature it cannot be sent again from elsewhere, and its date is the sender's to get wrong.
    assert_eq!(check(&format!("{fresh}{old}")).0, Passed::Passed);
}

#[test]
fn a_mail_is_too_old_before_it_is_forgotten() {
    let oldest = Duration::from_secs(u64::from(limits::MAIL_AGE_DAYS_MAX) * 24 * 3600);
    // Taken as soon as its date allows it, and then for as long as its date allows it.
    assert!(oldest + limits::MAIL_AHEAD.unsigned_abs() < limits::REJECTED_AGE);
}

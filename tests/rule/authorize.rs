use crate::support::mutate::mutations;
use airut::base::address::{Address, SenderPattern};
use airut::format::verdict::{Decision, Passed, Reason, Verdict};
use airut::mail::headers::verdict;
use airut::rule::authorize::Policy;
use airut::rule::stamp::Stamp;
use jiff::Timestamp;

fn judged(raw: &[u8]) -> Verdict {
    let senders: Vec<SenderPattern> =
        ["you@example.com", "*@company.example"].iter().map(|text| text.parse().unwrap()).collect();
    let own: Address = "airut@example.com".parse().unwrap();
    let policy = Policy {
        stamp: Stamp::named("mail.example.com"),
        max_mail_age_days: 7,
        authorized_senders: &senders,
        own_address: &own,
    };
    verdict(raw, &policy, Timestamp::UNIX_EPOCH)
}

fn mail(from: &str, more: &str) -> Vec<u8> {
    format!("Authentication-Results: mail.example.com; dmarc=pass\r\nFrom: {from}\r\n{more}\r\nbody\r\n")
        .into_bytes()
}

#[test]
fn only_those_on_the_list_are_taken() {
    for from in ["you@example.com", "YOU@EXAMPLE.COM", "You <you@example.com>", "anyone@company.example"] {
        assert_eq!(judged(&mail(from, "")).decision, Decision::Accepted, "{from}");
    }
    for from in [
        "other@example.com",
        "you@example.com.evil.example",
        "xyou@example.com",
        "you+x@example.com",
        "a@company.example.evil.example",
        "a@evilcompany.example",
        "a@sub.company.example",
    ] {
        let verdict = judged(&mail(from, ""));
        assert_eq!(
            (verdict.decision, verdict.reason),
            (Decision::Refused, Some(Reason::Unauthorized)),
            "{from}"
        );
    }
}

#[test]
fn no_program_is_answered() {
    for more in [
        "Auto-Submitted: auto-replied\r\n",
        "Auto-Submitted: auto-generated (vacation)\r\n",
        "auto-submitted: AUTO-NOTIFIED; x=y\r\n",
        "Auto-Submitted: no\r\nAuto-Submitted: auto-replied\r\n",
        "Auto-Submitted:\r\n",
        "Precedence: bulk\r\n",
        "Precedence: List\r\n",
        "Precedence: junk\r\n",
        "Precedence: auto_reply\r\n",
        "List-Id: <x.example.com>\r\n",
        "LIST-Unsubscribe: <mailto:x@example.com>\r\n",
        "X-Autoreply: yes\r\n",
        "Return-Path: <>\r\n",
        "Return-Path: < >\r\n",
        "Return-Path: <MAILER-DAEMON@example.com>\r\n",
        "Content-Type: multipart/report; report-type=delivery-status; boundary=x\r\n",
        "Content-Type: Multipart/Report\r\n",
        "Message-ID: <airut.3fa9c1d2.1.abc@example.com>\r\n",
    ] {
        let verdict = judged(&mail("you@example.com", more));
        assert_eq!(
            (verdict.decision, verdict.reason),
            (Decision::Refused, Some(Reason::Automatic)),
            "{more}"
        );
    }
    for from in ["postmaster@company.example", "MAILER-DAEMON@company.example"] {
        assert_eq!(judged(&mail(from, "")).reason, Some(Reason::Automatic), "{from}");
    }
    for more in [
        "Auto-Submitted: no\r\n",
        "Auto-Submitted: no (a person)\r\n",
        "Precedence: first-class\r\n",
        "Return-Path: <you@example.com>\r\n",
        "Message-ID: <airut.3fa9c1d2.1.abc@elsewhere.example>\r\n",
        "Content-Type: multipart/mixed; boundary=report\r\n",
        "In-Reply-To: <airut.3fa9c1d2.1.abc@example.com>\r\n",
    ] {
        assert_eq!(judged(&mail("you@example.com", more)).decision, Decision::Accepted, "{more}");
    }
}

#[test]
fn our_own_address_is_not_answered_even_where_the_list_has_it() {
    let senders: Vec<SenderPattern> = vec!["*@example.com".parse().unwrap()];
    let own: Address = "airut@example.com".parse().unwrap();
    let policy = Policy {
        stamp: Stamp::named("mail.example.com"),
        max_mail_age_days: 7,
        authorized_senders: &senders,
        own_address: &own,
    };
    for from in ["airut@example.com", "airut+opus@example.com", "AIRUT@example.com"] {
        let verdict = verdict(&mail(from, ""), &policy, Timestamp::UNIX_EPOCH);
        assert_eq!(verdict.reason, Some(Reason::Automatic), "{from}");
    }
}

#[test]
fn a_refusal_outweighs_what_the_server_could_not_tell_yet() {
    let raw = b"Authentication-Results: mail.example.com; dmarc=temperror\r\nFrom: you@example.com\r\n\r\n";
    let verdict = judged(raw);
    assert_eq!((verdict.decision, verdict.reason), (Decision::TryLater, Some(Reason::Unsettled)));
    let raw = b"Authentication-Results: mail.example.com; dmarc=temperror\r\nFrom: other@example.com\r\n\r\n";
    assert_eq!(judged(raw).decision, Decision::Refused);
}

#[test]
fn the_first_failure_gives_the_reason() {
    assert_eq!(judged(b"").reason, Some(Reason::Malformed));
    assert_eq!(judged(b"From: other@example.com\r\n").reason, Some(Reason::Unauthenticated));
}

#[test]
fn every_sequence_of_bytes_gets_a_verdict() {
    let good = mail("You <you@example.com>", "Subject: =?utf-8?q?a?=\r\nX: é\r\n");
    assert_eq!(judged(&good).decision, Decision::Accepted);
    mutations(&good, 20_000, |raw| {
        let verdict = judged(raw);
        if verdict.decision == Decision::Accepted {
            assert_eq!(
                verdict.from.unwrap().to_string(),
                "you@example.com",
                "{}",
                String::from_utf8_lossy(raw)
            );
        }
        assert!(verdict.checks.iter().all(|check| !check.saw.contains(char::is_control)));
    });
}

#[test]
fn headers_beyond_their_limits_are_malformed() {
    let long = format!("From: you@example.com\r\nX: {}\r\n\r\n", "a".repeat(1 << 20));
    let many = "A: b\r\n".repeat(5_000);
    let folded = format!("X: {}\r\n", "\r\n a".repeat(300_000));
    for raw in [long, many, folded, "\u{e9}".repeat(1 << 20), "\r".repeat(1 << 20)] {
        let verdict = judged(raw.as_bytes());
        assert_eq!((verdict.decision, verdict.reason), (Decision::Refused, Some(Reason::Malformed)));
    }
}

#[test]
fn a_verdict_is_kept_as_json_and_read_back() {
    let verdict = judged(&mail("you@example.com", ""));
    let text = serde_json::to_string(&verdict).unwrap();
    assert!(text.starts_with(
        r#"{"format":1,"decision":"accepted","from":"you@example.com","decided_at":"1970-01-01T00:00:00Z""#
    ));
    assert_eq!(serde_json::from_str::<Verdict>(&text).unwrap(), verdict);
    assert!(verdict.checks.iter().all(|check| check.passed == Passed::Passed));
}

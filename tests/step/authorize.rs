use crate::step::stand::{BOSS, Stand, done, trouble};
use crate::support::letter::Letter;
use airut::base::fault::{Fault, Kind};
use airut::base::id::MessageKey;
use airut::base::limits;
use airut::base::talk::Silent;
use airut::disk::layout::Stage;
use airut::disk::write;
use airut::format::verdict::{Decision, Reason, Verdict};
use airut::step::report::Report;
use airut::step::{authorize, fetch};
use std::time::{Duration, SystemTime};

fn with_result(letter: &Letter, result: &str) -> Vec<u8> {
    let mut mail = format!("Authentication-Results: mx.example.com; {result}\r\n").into_bytes();
    mail.extend(letter.bytes());
    mail
}

fn judge(stand: &Stand, bytes: &[u8]) -> (Report, MessageKey) {
    fetch::take(&stand.repo, bytes).unwrap();
    (authorize::authorize(&stand.repo, None, &Silent).unwrap(), airut::disk::queue::message_key(bytes))
}

fn rejected(stand: &Stand, key: &MessageKey) -> Reason {
    let path = stand.repo.queue().verdict(Stage::Rejected, key);
    let verdict: Verdict = write::read_json(&path).unwrap().unwrap();
    assert_eq!(verdict.decision, Decision::Refused);
    assert!(stand.repo.queue().message(Stage::Rejected, key).exists());
    verdict.reason.unwrap()
}

#[test]
fn what_is_refused_is_set_aside_with_its_reason_and_nobody_is_told() {
    let stand = Stand::new();
    let good = stand.letter("Hello", "Please.");
    for (bytes, reason) in [
        (with_result(&good, "dmarc=fail header.from=example.com"), Reason::Unauthenticated),
        (good.bytes(), Reason::Unauthenticated),
        (
            with_result(
                &Letter { from: "a@evil.example".to_owned(), ..good.clone() },
                "dmarc=pass header.from=evil.example",
            ),
            Reason::Unauthorized,
        ),
        (
            with_result(
                &good.clone().header("Auto-Submitted", "auto-replied"),
                "dmarc=pass header.from=example.com",
            ),
            Reason::Automatic,
        ),
        (b"no header at all".to_vec(), Reason::Malformed),
    ] {
        let (report, key) = judge(&stand, &bytes);
        assert!(done(report).is_empty());
        assert_eq!(rejected(&stand, &key), reason);
    }
    assert!(stand.stage(Stage::Fetched).is_empty() && stand.sent().is_empty());
}

#[test]
fn a_genuine_mail_that_was_caught_and_sent_again_is_refused() {
    let stand = Stand::new();
    let letter = stand.letter("Deploy", "Please deploy.");
    let original = Stand::delivered(&letter);
    stand.accept_bytes(&original);
    let mut again = original.clone();
    // As it arrives by another way: the headers on top differ.
    let now = jiff::fmt::rfc2822::to_string(&jiff::Zoned::now()).unwrap();
    let received = format!("Received: from evil.example by mx.example.com; {now}\r\n");
    again.splice(0..0, received.bytes());
    let position = received.len();
    let (top, rest) = again.split_at(position);
    let reordered = [
        rest.split_inclusive(|&b| b == b'\n').next().unwrap(),
        top,
        &rest[rest.iter().position(|&b| b == b'\n').unwrap() + 1..],
    ]
    .concat();
    let (report, key) = judge(&stand, &reordered);
    assert!(done(report).is_empty());
    assert_eq!(rejected(&stand, &key), Reason::Duplicate);
    // Its own file judged once more after a crash is no replay.
    stand.repo.queue().send_back(&airut::disk::queue::message_key(&original)).unwrap();
    assert_eq!(done(authorize::authorize(&stand.repo, None, &Silent).unwrap()).len(), 1);
}

#[test]
fn what_a_signature_does_not_cover_makes_no_new_mail() {
    let stand = Stand::new();
    let original =
        String::from_utf8(Stand::delivered(&stand.letter("Deploy", "Please deploy  it."))).unwrap();
    stand.accept_bytes(original.as_bytes());
    let results = original.lines().next().unwrap().to_owned() + "\r\n";
    for again in [
        original.clone() + "\r\n\r\n",
        original.replace("deploy  it.", "deploy it. \t"),
        original.replacen(&results, &format!("{results}Message-ID: <another@example.com>\r\n"), 1),
        original.replace("Message-ID: <", "Message-ID:\r\n  <"),
    ] {
        assert_ne!(again, original);
        let (report, key) = judge(&stand, again.as_bytes());
        assert!(done(report).is_empty(), "{again}");
        assert_eq!(rejected(&stand, &key), Reason::Duplicate, "{again}");
    }
    let other = original.replace("deploy  it.", "deploy that.");
    assert_eq!(done(judge(&stand, other.as_bytes()).0).len(), 1, "another text is another mail");
}

#[test]
fn what_the_server_cannot_tell_yet_waits_and_not_for_ever() {
    let stand = Stand::new();
    let bytes = with_result(&stand.letter("Hello", "Please."), "dmarc=temperror header.from=example.com");
    let (report, key) = judge(&stand, &bytes);
    assert_eq!(report.troubles[0].error.downcast_ref::<Fault>().unwrap().kind, Kind::TryLater);
    assert!(stand.stage(Stage::Fetched).is_empty());
    assert_eq!(stand.repo.queue().deferred().unwrap()[0].1, format!("{key}.eml"));
    let came = |at: SystemTime| {
        stand.wake();
        let path = stand.repo.queue().message(Stage::Fetched, &key);
        std::fs::File::options().write(true).open(path).unwrap().set_modified(at).unwrap();
    };
    // Before the clock was set back by a year.
    came(SystemTime::now() + Duration::from_secs(365 * 24 * 3600));
    authorize::authorize(&stand.repo, None, &Silent).unwrap();
    assert_eq!(stand.repo.queue().deferred().unwrap().len(), 1);
    came(SystemTime::now() - limits::UNSETTLED_AGE - Duration::from_secs(60));
    assert!(done(authorize::authorize(&stand.repo, None, &Silent).unwrap()).is_empty());
    assert_eq!(rejected(&stand, &key), Reason::Unsettled);
}

#[test]
fn explaining_changes_nothing_not_even_the_memory_of_replays() {
    let stand = Stand::new();
    let bytes = Stand::delivered(&stand.letter("Hello", "Please."));
    let before = crate::step::open::place::tree(stand.repo.layout.root());
    let verdict = authorize::explain(&stand.repo, &bytes, jiff::Timestamp::now());
    assert_eq!((verdict.decision, verdict.from), (Decision::Accepted, Some(BOSS.parse().unwrap())));
    assert_eq!(crate::step::open::place::tree(stand.repo.layout.root()), before);
    stand.accept_bytes(&bytes);
}

#[test]
fn a_mail_that_is_named_has_to_be_there() {
    let stand = Stand::new();
    let key: MessageKey = "0123456789abcdef0123456789abcdef".parse().unwrap();
    let report = authorize::authorize(&stand.repo, Some(&[key]), &Silent).unwrap();
    assert!(trouble(&report).contains("no such message"));
}

#[test]
fn many_may_judge_at_once() {
    let stand = Stand::new();
    for n in 0..20 {
        let result = if n % 2 == 0 { "dmarc=pass header.from=example.com" } else { "dmarc=temperror" };
        fetch::take(&stand.repo, &with_result(&stand.letter("Hello", &n.to_string()), result)).unwrap();
    }
    let reports: Vec<_> = std::thread::scope(|scope| {
        let judge = || scope.spawn(|| authorize::authorize(&stand.repo, None, &Silent).unwrap());
        let threads: Vec<_> = (0..4).map(|_| judge()).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(reports.iter().map(|report| report.moved.len()).sum::<usize>(), 10);
    let troubles = reports.iter().flat_map(|report| &report.troubles);
    assert!(troubles.map(|trouble| format!("{:#}", trouble.error)).all(|text| text.contains("it waits")));
    assert_eq!(stand.repo.queue().deferred().unwrap().len(), 10);
}

#[test]
fn where_the_operator_wants_it_a_person_who_is_not_listed_is_told_once_a_day() {
    let mut setup = crate::support::world::Setup::stand_in("#!/bin/sh\n");
    setup.toml.push_str("refusal_notice = true\n");
    let stand = Stand::with(&setup);
    let from = |from: &str| Letter { from: from.to_owned(), ..stand.letter("Hello", "Let me in.") };
    let genuine = "dmarc=pass header.from=evil.example";
    for bytes in [
        with_result(&from("eve@evil.example"), genuine),
        with_result(&from("eve@evil.example"), genuine),
        with_result(&from("eve@evil.example"), "dmarc=fail header.from=evil.example"),
        with_result(&from("no-reply@evil.example"), genuine),
        with_result(&from("bot@evil.example").header("Auto-Submitted", "auto-replied"), genuine),
        with_result(&from("list@evil.example").header("List-Id", "<list.evil.example>"), genuine),
    ] {
        assert!(done(judge(&stand, &bytes).0).is_empty());
    }
    stand.reply();
    let sent = stand.sent();
    assert_eq!(sent.len(), 1, "{:?}", sent.iter().map(|(_, args)| args).collect::<Vec<_>>());
    assert_eq!(sent[0].1.trim(), "-i -f <> -- eve@evil.example");
    assert!(sent[0].0.text().contains("you are not among them"), "{}", sent[0].0.text());
    assert!(airut::disk::session::all(&stand.repo.layout).unwrap().is_empty());
}

//! Every mail that a person can get from airut, as text and as HTML, in `tests/fixtures/replies`: a changed sentence
//! shows there. `AIRUT_TEST_REWRITE=1` writes them anew.

use airut::mail::commanded::{Commanded, Conversation};
use airut::mail::compose::{Attachment, Letter, compose, footer};
use airut::mail::mime::{self, Part};
use airut::mail::note;
use airut::mail::notice::Notice;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

fn letter() -> Letter {
    Letter {
        from: "My project <my-project@example.com>".to_owned().try_into().unwrap(),
        to: vec!["you@example.com".parse().unwrap()],
        cc: vec![],
        subject: "Re: [ID:3fa9c1d2] Größe der Tabelle".to_owned(),
        message_id: "<airut.3fa9c1d2.1.00aa@example.com>".to_owned(),
        in_reply_to: Some("<m1@example.com>".to_owned()),
        references: vec!["<m1@example.com>".to_owned()],
        date: "2026-01-05T09:00:00Z".parse().unwrap(),
        notices: vec![],
        markdown: String::new(),
        footer: None,
        attachments: vec![],
    }
}

fn told(notice: &Notice) -> Letter {
    Letter { notices: vec![notice.to_string()], ..letter() }
}

fn answer(markdown: &str, files: &[(&str, &[u8])]) -> Letter {
    let file = |(name, bytes): &(&str, &[u8])| Attachment::file((*name).to_owned(), bytes.to_vec());
    Letter {
        markdown: markdown.to_owned(),
        footer: footer(&["$0.1234".to_owned(), "7 turns".to_owned(), "2 web searches".to_owned()]),
        attachments: files.iter().map(file).collect(),
        ..letter()
    }
}

/// A red square of eight by eight.
const PNG: &[u8] = include_bytes!("../fixtures/replies/square.png");

fn answers() -> Vec<(&'static str, Letter)> {
    let whole = include_str!("../fixtures/replies/answer.md");
    let partial = Notice::TimedOut { seconds: 300, partial: true };
    let missing = Notice::LeftOut { names: vec!["film.mp4".to_owned(), "data set.zip".to_owned()] };
    let files: &[(&str, &[u8])] =
        &[("chart.png", PNG), ("Übersicht.csv", b"a,b\n"), ("drawing.svg", b"<svg/>")];
    let to_all = vec!["colleague@example.com".parse().unwrap()];
    vec![
        ("answer", Letter { cc: to_all, ..answer(whole, files) }),
        ("answer-bare", answer("All is well.", &[])),
        ("answer-hostile", answer(include_str!("../fixtures/replies/hostile.md"), &[])),
        ("answer-partial", Letter { notices: vec![partial.to_string()], ..answer("Half of it.", &[]) }),
        ("answer-left-out", Letter { notices: vec![missing.to_string()], ..answer("Here you are.", files) }),
    ]
}

/// Its file, where it goes in an answer to a mail. A new notice must be given one.
fn name(notice: &Notice) -> &'static str {
    match notice {
        Notice::Acknowledged { dashboard: None, .. } => "acknowledged",
        Notice::Acknowledged { dashboard: Some(_), .. } => "acknowledged-dashboard",
        Notice::TimedOut { partial: true, .. } => "failed-timeout-partial",
        Notice::TimedOut { partial: false, .. } => "failed-timeout",
        Notice::ImageBuild { .. } => "failed-image",
        Notice::RepositoryConfig { .. } => "failed-configuration",
        Notice::MissingSecret { .. } => "failed-secret",
        Notice::Repository { .. } => "failed-repository",
        Notice::Agent { .. } => "failed-agent",
        Notice::AgentOutput => "failed-output",
        Notice::Stopped { partial: true } => "stopped-partial",
        Notice::Stopped { partial: false } => "stopped",
        Notice::InterruptedTwice { partial: true } => "interrupted-twice-partial",
        Notice::InterruptedTwice { partial: false } => "interrupted-twice",
        Notice::Continued => "continued",
        Notice::BegunAgain => "begun-again",
        Notice::Afresh => "afresh",
        Notice::EmptyRequest => "request-empty",
        Notice::TooLarge { .. } => "request-too-large",
        Notice::Unreadable => "request-unreadable",
        Notice::Encrypted => "request-encrypted",
        Notice::NotTaken { .. } => "request-files-not-taken",
        Notice::EmptyReply => "reply-empty",
        Notice::SessionGone { .. } => "session-gone",
        Notice::NotAParticipant { .. } => "session-of-others",
        Notice::ModelIgnored { .. } => "model-ignored",
        Notice::UnknownModel { .. } => "model-unknown",
        Notice::Sandbox => "failed-sandbox",
        Notice::OutOfMemory { partial: true } => "failed-memory-partial",
        Notice::OutOfMemory { partial: false } => "failed-memory",
        Notice::DiskFull { partial: true } => "failed-disk-partial",
        Notice::DiskFull { partial: false } => "failed-disk",
        Notice::LeftOut { .. } => "files-left-out",
        Notice::NeverSent { .. } => "files-never-sent",
        Notice::Refused { names } if names.len() > 1 => "files-refused",
        Notice::Refused { .. } => "file-refused",
        Notice::Internal => "failed-internal",
        Notice::NotOnTheList => "note-not-on-the-list",
        Notice::LimitReached { waits: true, .. } => "note-limit-waits",
        Notice::LimitReached { waits: false, .. } => "note-limit-declined",
        Notice::SetAside => "note-set-aside",
        Notice::Parked { limit: true, .. } => "parked-limit",
        Notice::Parked { limit: false, .. } => "parked-outage",
        Notice::GoesForItsSize { .. } => "goes-for-its-size",
        Notice::Commanded(commanded) => command_name(commanded),
    }
}

fn command_name(commanded: &Commanded) -> &'static str {
    match commanded {
        Commanded::Stop { running: false, waiting: 0 } => "command-stop-nothing",
        Commanded::Stop { running: true, waiting: 0 } => "command-stop-running",
        Commanded::Stop { running: false, .. } => "command-stop-waiting",
        Commanded::Stop { .. } => "command-stop-both",
        Commanded::Status(Conversation { running_since: None, .. }) => "command-status",
        Commanded::Status(_) => "command-status-running",
        Commanded::Model(_) => "command-model",
        Commanded::ModelChanged(_) => "command-model-changed",
        Commanded::ModelUnknown(_) => "command-model-unknown",
        Commanded::Help => "command-help",
        Commanded::Resent(_) => "command-resend",
        Commanded::NotThere(_) => "command-resend-nothing",
        Commanded::RestUnread => "command-rest-unread",
    }
}

fn commands() -> Vec<Commanded> {
    let model = || "opus".parse().unwrap();
    let conversation = |running: Option<&str>, count, cost_usd| {
        Commanded::Status(Conversation {
            model: model(),
            running_since: running.map(|time| time.parse().unwrap()),
            waiting: count,
            answered: count,
            cost_usd,
            kept_until: "2026-01-12T09:00:00Z".parse().unwrap(),
        })
    };
    vec![
        Commanded::Stop { running: false, waiting: 0 },
        Commanded::Stop { running: true, waiting: 0 },
        Commanded::Stop { running: false, waiting: 1 },
        Commanded::Stop { running: true, waiting: 3 },
        conversation(None, 0, 0.0),
        conversation(Some("2026-01-05T08:57:00Z"), 2, 1.234),
        Commanded::Model(model()),
        Commanded::ModelChanged(model()),
        Commanded::ModelUnknown("gpt`\u{202e}".to_owned()),
        Commanded::Help,
        Commanded::Resent("data set.zip".to_owned()),
        Commanded::NotThere("other.zip".to_owned()),
        Commanded::RestUnread,
    ]
}

fn notices() -> Vec<Notice> {
    let text = "/bin/sh: 1: apt: not found\nerror: building at STEP \"RUN apt install\": exit status 127";
    let old = || "0badc0de".parse().unwrap();
    let model = || "opus".parse().unwrap();
    let until = "2026-01-05T10:00:00Z".parse().unwrap();
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let limit = || "30 mails an hour for this conversation".to_owned();
    let mut notices = vec![
        Notice::Acknowledged { model: model(), dashboard: None },
        Notice::Acknowledged { model: model(), dashboard: Some("https://example.com/s/3fa9c1d2".to_owned()) },
        Notice::TimedOut { seconds: 300, partial: true },
        Notice::TimedOut { seconds: 300, partial: false },
        Notice::ImageBuild { output: text.to_owned() },
        Notice::RepositoryConfig { error: ".airut/airut.yaml: line 3: timeout: not a number".to_owned() },
        Notice::MissingSecret { name: "GH_TOKEN".to_owned() },
        Notice::Repository { error: String::new() },
        Notice::Agent { error: "API Error: 529 Overloaded".to_owned() },
        Notice::AgentOutput,
        Notice::Stopped { partial: true },
        Notice::Stopped { partial: false },
        Notice::InterruptedTwice { partial: true },
        Notice::InterruptedTwice { partial: false },
        Notice::Continued,
        Notice::BegunAgain,
        Notice::Afresh,
        Notice::EmptyRequest,
        Notice::TooLarge { bytes: 60 << 20 },
        Notice::Unreadable,
        Notice::Encrypted,
        Notice::NotTaken { names: names(&["a.txt", "b.txt"]), more: 7 },
        Notice::EmptyReply,
        Notice::SessionGone { old: old() },
        Notice::NotAParticipant { old: old() },
        Notice::ModelIgnored { asked: "haiku".parse().unwrap(), used: model() },
        Notice::UnknownModel { asked: "--resume".to_owned() },
        Notice::Sandbox,
        Notice::OutOfMemory { partial: true },
        Notice::OutOfMemory { partial: false },
        Notice::DiskFull { partial: true },
        Notice::DiskFull { partial: false },
        Notice::LeftOut { names: (1..=22).map(|n| format!("part {n:02}.zip")).collect() },
        Notice::NeverSent { names: names(&["disk.img", "folder"]) },
        Notice::Refused { names: names(&["report.pdf"]) },
        Notice::Refused { names: names(&["report.pdf", "data.csv"]) },
        Notice::Internal,
        Notice::NotOnTheList,
        Notice::LimitReached { limit: limit(), until, waits: true },
        Notice::LimitReached { limit: limit(), until, waits: false },
        Notice::SetAside,
        Notice::Parked { limit: true, until },
        Notice::Parked { limit: false, until },
        Notice::GoesForItsSize { bytes: 8_700_000_000, max_bytes: 20 << 30, after: until },
    ];
    notices.extend(commands().into_iter().map(Notice::Commanded));
    notices
}

/// The notes of airut's own, which answer a mail that became no task.
fn noted(notice: &Notice) -> Vec<u8> {
    let own = letter();
    let original = "From: you@example.com\r\nSubject: AW: Frage\r\nMessage-ID: <m1@example.com>\r\n\r\nHello";
    let key = "0123456789abcdef".repeat(2).parse().unwrap();
    note::compose(&own.from, &own.to[0], &key, original.as_bytes(), notice, own.date).unwrap()
}

fn structure(part: &Part) -> String {
    let name = part.name().map(|name| format!(" {name}")).unwrap_or_default();
    let parts: Vec<String> = part.parts.iter().map(structure).collect();
    let within = if parts.is_empty() { String::new() } else { format!(" ({})", parts.join(", ")) };
    format!("{}{name}{within}", part.kind.value)
}

fn find<'p, 'a>(part: &'p Part<'a>, kind: &str) -> Option<&'p Part<'a>> {
    if part.kind.value == kind && part.name().is_none() {
        return Some(part);
    }
    part.parts.iter().find_map(|part| find(part, kind))
}

/// What `NAME.txt` and `NAME.html` say of a mail.
fn shown(raw: &[u8]) -> (String, String) {
    let whole = mime::message(raw);
    let mut text = String::new();
    for name in ["From", "To", "Cc", "Subject", "References", "Auto-Submitted", "X-Auto-Response-Suppress"] {
        if let Some(value) = whole.headers.first(name) {
            text += &format!("{name}: {}\n", airut::mail::decode::words(value));
        }
    }
    text += &format!("Parts: {}\n\n", structure(&whole));
    for line in find(&whole, "text/plain").unwrap().text().lines() {
        text += &format!("{}\n", line.trim_end());
    }
    (text, find(&whole, "text/html").unwrap().text().replace("\r\n", "\n"))
}

#[test]
fn every_mail_reads_as_it_was_agreed() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/replies");
    let rewrite = std::env::var_os("AIRUT_TEST_REWRITE").is_some();
    let mut mails: Vec<(&str, Vec<u8>)> =
        answers().into_iter().map(|(name, letter)| (name, compose(&letter).unwrap())).collect();
    for notice in notices() {
        let raw = match name(&notice) {
            note if note.starts_with("note-") => noted(&notice),
            _ => compose(&told(&notice)).unwrap(),
        };
        mails.push((name(&notice), raw));
    }
    let mut known: BTreeSet<String> = ["answer.md", "hostile.md", "square.png"].map(str::to_owned).into();
    let mut wrong = Vec::new();
    for (name, raw) in &mails {
        assert!(raw.split(|byte| *byte == b'\n').all(|line| line.len() <= 79), "{name}: a long line");
        let (text, html) = shown(raw);
        for (file, got) in [(format!("{name}.txt"), text), (format!("{name}.html"), html)] {
            if rewrite {
                fs::write(dir.join(&file), &got).unwrap();
            }
            let wanted = fs::read_to_string(dir.join(&file)).unwrap_or_default();
            if got != wanted {
                wrong.push(format!("== {file}\n-- wanted\n{wanted}-- got\n{got}"));
            }
            assert!(known.insert(file), "{name} is there twice");
        }
    }
    assert!(wrong.is_empty(), "{}\n(AIRUT_TEST_REWRITE=1 writes them anew)", wrong.join("\n"));
    let there = fs::read_dir(&dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert_eq!(there.collect::<BTreeSet<_>>(), known);
}

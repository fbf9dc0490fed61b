use crate::step::stand::{BOSS, Stand};
use crate::support::letter::{Answer, Letter};
use crate::support::world::Setup;
use airut::base::id::TaskId;
use airut::base::limits;
use airut::disk::layout::Stage;
use airut::disk::queue::Ticket;
use airut::format::task::{DeliveryState, Reason, Task};
use airut::mail::mime;
use jiff::Timestamp;
use std::fs;
use std::os::unix::fs::symlink;

fn answer(prepare: impl FnOnce(&Stand, &TaskId), change: impl FnOnce(&mut Task)) -> (Stand, TaskId, Answer) {
    let stand = Stand::new();
    let id = stand.arrive(&stand.letter("Grüße an alle", "Please."));
    stand.repo.queue().remove(Stage::Finished, &Ticket::acknowledgement(id.clone())).unwrap();
    fs::create_dir(stand.file(&id, "outbox")).unwrap();
    prepare(&stand, &id);
    stand.finish(&id, |task| {
        task.acknowledgement.state = DeliveryState::None;
        change(task);
    });
    assert_eq!(stand.reply().len(), 1);
    let mail = stand.sent().remove(0).0;
    (stand, id, mail)
}

#[test]
fn it_stays_in_its_thread_and_says_that_a_program_wrote_it() {
    let (stand, id, mail) = answer(|_, _| {}, |_| {});
    let original = &stand.session(&id.session).thread[0];
    assert_eq!(mail.header("In-Reply-To").as_ref(), Some(original));
    assert!(mail.header("References").unwrap().contains(original.as_str()));
    assert_eq!(mail.header("Subject").unwrap(), format!("Re: [ID:{}] Grüße an alle", id.session));
    assert_eq!(mail.header("Auto-Submitted").unwrap(), "auto-replied");
    assert_eq!(mail.header("X-Auto-Response-Suppress").unwrap(), "DR, RN, NRN, OOF, AutoReply");
    for name in ["Cc", "Reply-To", "Precedence", "Return-Receipt-To", "Disposition-Notification-To"] {
        assert!(mail.header(name).is_none(), "{name}");
    }
    assert_eq!(mail.header("To").unwrap(), BOSS);
    assert!(mail.header("From").unwrap().contains(&stand.told.address));
    assert!(mail.header("Message-ID").unwrap().starts_with(&format!("<airut.{id}.")));
}

#[test]
fn a_reply_to_it_comes_back_to_its_session() {
    let (stand, id, mail) = answer(|_, _| {}, |_| {});
    let next = stand.arrive(&Letter {
        to: stand.told.address.clone(),
        ..Letter::reply(BOSS, &mail, "Thanks. One more thing.")
    });
    assert_eq!((next.session, next.number), (id.session, 2));
}

#[test]
fn only_regular_files_go_out_and_the_rest_is_named() {
    let secret = tempfile::NamedTempFile::new().unwrap();
    fs::write(secret.path(), "host secret").unwrap();
    let (_, _, mail) = answer(
        |stand, id| {
            let outbox = stand.file(id, "outbox");
            fs::write(outbox.join("report.txt"), "fine").unwrap();
            fs::write(outbox.join(".hidden"), "h").unwrap();
            symlink(secret.path(), outbox.join("link.txt")).unwrap();
            symlink("report.txt", outbox.join("inner.txt")).unwrap();
            fs::create_dir(outbox.join("folder")).unwrap();
            let mode = rustix::fs::Mode::from_raw_mode(0o600);
            rustix::fs::mkfifoat(rustix::fs::CWD, outbox.join("fifo"), mode).unwrap();
            let large = fs::File::create(outbox.join("large.bin")).unwrap();
            large.set_len(1 << 40).unwrap();
        },
        |_| {},
    );
    let names: Vec<_> = mail.attachments().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["hidden", "report.txt"]);
    for name in ["link.txt", "inner.txt", "folder", "fifo", "large.bin"] {
        assert!(mail.text().contains(name), "{name}: {}", mail.text());
    }
    assert!(!mail.text().contains("/resend"), "none of them could be sent that way: {}", mail.text());
    assert!(!String::from_utf8_lossy(&mail.raw).contains("host secret"));
}

#[test]
fn the_files_share_one_budget() {
    let (_, _, mail) = answer(
        |stand, id| {
            for name in ["a.bin", "b.bin", "c.bin"] {
                let size = if name == "c.bin" { 1000 } else { limits::REPLY_ATTACHMENT_BYTES * 2 / 3 };
                fs::File::create(stand.file(id, "outbox").join(name)).unwrap().set_len(size).unwrap();
            }
        },
        |_| {},
    );
    let names: Vec<_> = mail.attachments().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["a.bin", "c.bin"]);
    assert!(
        mail.text().contains("`b.bin`. To get one of them, reply with `/resend NAME`"),
        "{}",
        mail.text()
    );
}

#[test]
fn of_very_many_files_some_are_named_and_the_others_counted() {
    let (_, _, mail) = answer(
        |stand, id| {
            (0..500).for_each(|n| fs::create_dir(stand.file(id, "outbox").join(format!("d{n:03}"))).unwrap())
        },
        |_| {},
    );
    let text = mail.text().replace('\n', " ");
    assert!(text.contains("d000") && text.contains("d019") && !text.contains("d020"), "{text}");
    assert!(text.contains("480 more"), "{text}");
}

#[test]
fn an_answer_to_several_goes_to_each_of_them_once() {
    let stand = Stand::new();
    let first = stand.arrive(&stand.letter("Hello", "One.").header("Cc", "colleague@example.com"));
    let theirs =
        Letter { from: "colleague@example.com".to_owned(), ..stand.reply_to(&first.session, "Two.") };
    stand.arrive(&theirs);
    stand.arrive(&stand.reply_to(&first.session, "Three."));
    stand.finish(&first, |task| task.acknowledgement.state = DeliveryState::None);
    stand.reply();
    let (mail, args) = stand.sent().pop().unwrap();
    assert_eq!(mail.header("To").unwrap(), format!("{BOSS}, colleague@example.com"));
    assert!(args.trim().ends_with(&format!("-- {BOSS} colleague@example.com")), "{args}");
}

#[test]
fn an_answer_goes_to_the_sender_alone_unless_it_is_set_otherwise() {
    let colleague = "colleague@example.com";
    let ask = |toml: &str, answer: &dyn Fn(&Stand, &TaskId)| {
        let mut setup = Setup::stand_in("#!/bin/sh\n");
        setup.toml.push_str(toml);
        let stand = Stand::with(&setup);
        let own = stand.told.address.replace('@', "+opus@");
        let letter = stand.letter("Hello", "One.").header(
            "Cc",
            &format!("Both <{colleague}>, {BOSS}, {own}, {colleague}, stranger@elsewhere.example"),
        );
        let id = stand.arrive(&letter);
        answer(&stand, &id);
        stand.reply();
        stand.sent()
    };
    let both = |stand: &Stand, id: &TaskId| stand.finish(id, |_| {});
    for (mail, args) in ask("", &both) {
        assert!(mail.header("Cc").is_none() && args.trim().ends_with(&format!("-- {BOSS}")), "{args}");
    }
    let sent = ask("reply_to_all = true\n", &both);
    let (acknowledgement, args) = &sent[0];
    assert!(acknowledgement.header("Cc").is_none() && args.trim().ends_with(&format!("-- {BOSS}")), "{args}");
    let (answer, args) = &sent[1];
    assert_eq!((answer.header("To").unwrap(), answer.header("Cc").unwrap()), (BOSS.into(), colleague.into()));
    assert!(args.trim().ends_with(&format!("-- {BOSS} {colleague}")), "{args}");
    // Who was taken off the list, or is no participant, gets nothing.
    let alone = |stand: &Stand, id: &TaskId| {
        let mut known = stand.session(&id.session).participants;
        known.retain(|address| address.to_string() == BOSS);
        stand.guard(&id.session).update(|session| session.participants = known).unwrap();
        both(stand, id);
    };
    assert!(ask("reply_to_all = true\n", &alone).iter().all(|(mail, _)| mail.header("Cc").is_none()));
    let command = |stand: &Stand, id: &TaskId| {
        stand.finish(id, |task| task.command = Some("/status".to_owned()));
    };
    assert!(ask("reply_to_all = true\n", &command).iter().all(|(mail, _)| mail.header("Cc").is_none()));
}

#[test]
fn a_picture_is_shown_in_its_place_and_the_other_files_are_attached() {
    let (_, _, mail) = answer(
        |stand, id| {
            let outbox = stand.file(id, "outbox");
            fs::write(outbox.join("chart.png"), b"\x89PNG").unwrap();
            fs::write(outbox.join("drawing.svg"), "<svg/>").unwrap();
            fs::write(outbox.join("unnamed.jpg"), "x").unwrap();
        },
        |task| task.answer = Some("![Chart](/outbox/chart.png) ![Drawing](drawing.svg)".to_owned()),
    );
    let whole = mime::message(&mail.raw);
    let kinds = |part: &mime::Part| part.parts.iter().map(|part| part.kind.value.clone()).collect::<Vec<_>>();
    assert_eq!(kinds(&whole), ["multipart/alternative", "image/svg+xml", "image/jpeg"]);
    let both = &whole.parts[0];
    assert_eq!(kinds(both), ["text/plain", "multipart/related"]);
    assert_eq!(kinds(&both.parts[1]), ["text/html", "image/png"]);
    let picture = &both.parts[1].parts[1];
    let raw = String::from_utf8_lossy(&mail.raw);
    let id = raw.split("Content-ID: <").nth(1).unwrap().split('>').next().unwrap();
    let shown = format!("<img src=\"cid:{id}\" alt=\"Chart\"");
    assert!(both.parts[1].parts[0].text().contains(&shown), "{id}");
    assert_eq!((picture.disposition.value.as_str(), picture.name()), ("inline", Some("chart.png")));
    assert!(mail.text().starts_with("[Chart: chart.png] [Drawing: drawing.svg]"), "{}", mail.text());
}

#[test]
fn a_name_that_misleads_is_cleaned_and_two_that_become_one_are_told_apart() {
    let (_, _, mail) = answer(
        |stand, id| {
            for name in ["a\u{202e}fdp.exe", "one\u{200b}.txt", "one.txt", "x\r\nBcc: eve@example.org"] {
                fs::write(stand.file(id, "outbox").join(name), "x").unwrap();
            }
            fs::create_dir(stand.file(id, "outbox").join("b\u{202e}gnp.dir")).unwrap();
        },
        |_| {},
    );
    let names: Vec<_> = mail.attachments().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["afdp.exe", "one.txt", "one-2.txt", "xBcc: eve@example.org"]);
    assert!(mail.text().contains("`bgnp.dir`"), "{}", mail.text());
    assert!(mail.header("Bcc").is_none());
}

#[test]
fn the_footer_tells_cost_turns_and_searches() {
    let (_, _, mail) = answer(
        |_, _| {},
        |task| {
            task.cost_usd = Some(0.0123);
            task.turns = Some(1);
            task.web_searches = Some(2);
        },
    );
    assert!(mail.text().contains("$0.0123 · 1 turn · 2 web searches"), "{}", mail.text());
    assert!(mail.html().unwrap().contains("$0.0123"));
}

#[test]
fn each_failure_is_told_in_plain_words_and_no_detail_of_this_machine() {
    let table = [
        (Reason::Configuration, ".airut/airut.yaml: line 3: timeout", "timeout", "settings"),
        (Reason::MissingSecret, "API_KEY: not given", "API_KEY", "asks for the secret"),
        (Reason::Clone, "cannot fetch into /var/lib/airut/x", "", "could not be fetched"),
        (Reason::Image, "step 3 failed", "step 3 failed", "could not be built"),
        (Reason::OutOfMemory, "/x", "", "ran out of memory"),
        (Reason::DiskFull, "No space left on device (os error 28)", "", "disk became full"),
        (Reason::Sandbox, "the proxy at /run/airut/x ended", "", "sandbox"),
        (Reason::Execution, "API Error: 529", "API Error: 529", "could not finish"),
        (Reason::Output, "it printed more than /x", "", "without an answer"),
        (Reason::Timeout, "/x", "", "5 minutes"),
        (Reason::Stopped, "/x", "", "was stopped"),
        (Reason::Interrupted, "/x", "", "interrupted twice"),
        (Reason::EmptyRequest, "/x", "", "without any text"),
        (Reason::TooLarge, "62914560", "60 MB", "too large"),
        (Reason::Unreadable, "/x", "", "could not be read"),
        (Reason::Internal, "panicked at /build/src", "", "went wrong on our side"),
    ];
    let stand = Stand::new();
    for (reason, detail, shown, words) in table {
        let id = stand.arrive(&stand.letter("Hello", &format!("{reason:?}")));
        stand.finish(&id, |task| {
            task.fail(reason, detail, Timestamp::now());
            task.answer = None;
            task.timeout_seconds = Some(300);
            task.acknowledgement.state = DeliveryState::None;
        });
        stand.reply();
        let text = stand.sent().pop().unwrap().0.text().replace('\n', " ");
        assert!(text.contains(words) && text.contains(shown), "{reason:?}: {text}");
        assert!(
            !text.contains("/x") && !text.contains("/var") && !text.contains("/build"),
            "{reason:?}: {text}"
        );
    }
}

#[test]
fn a_part_of_an_answer_goes_with_its_failure() {
    let (_, _, mail) = answer(
        |_, _| {},
        |task| {
            task.fail(Reason::Timeout, "x", Timestamp::now());
            task.timeout_seconds = Some(60);
            task.answer = Some("Half of it.".to_owned());
        },
    );
    assert!(mail.text().contains("not finished") && mail.text().contains("Half of it."), "{}", mail.text());
}

#[test]
fn an_end_without_a_word_is_told() {
    let (_, _, mail) = answer(|_, _| {}, |task| task.answer = None);
    assert!(mail.text().contains("ended without a word"), "{}", mail.text());
}

#[test]
fn a_damaged_session_is_answered_from_the_mail_alone() {
    let (_, id, mail) =
        answer(|stand, id| fs::write(stand.dir(&id.session).file("session.json"), "{").unwrap(), |_| {});
    assert!(mail.header("Subject").unwrap().contains("Grüße an alle"));
    assert_eq!(mail.session().unwrap(), id.session.as_str());
}

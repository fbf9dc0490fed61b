pub mod place;
mod command;
mod quota;
mod plan;

use crate::step::stand::{Stand, trouble};
use airut::base::fault::{Fault, Kind};
use airut::base::talk::Silent;
use airut::disk::layout::Stage;
use airut::step::open::{Mode, accept_by_hand, open};

#[test]
fn without_its_verdict_a_mail_is_judged_again() {
    let stand = Stand::new();
    let key = stand.accept(&stand.letter("Hello", "Please."));
    let verdict = stand.repo.queue().verdict(Stage::Authorized, &key);
    for damage in
        ["", "{}", r#"{"format":1,"decision":"refused","decided_at":"2026-01-01T00:00:00Z","checks":[]}"#]
    {
        std::fs::write(&verdict, damage).unwrap();
        let report = stand.try_open();
        assert!(trouble(&report).contains("authorized again"));
        assert_eq!(report.troubles[0].error.downcast_ref::<Fault>().unwrap().kind, Kind::TryLater);
        assert_eq!(stand.stage(Stage::Fetched), [format!("{key}.eml")]);
        assert!(std::fs::read_dir(stand.repo.layout.sessions()).unwrap().next().is_none());
        airut::step::authorize::authorize(&stand.repo, None, &Silent).unwrap();
    }
    assert_eq!(stand.open().len(), 1);
}

#[test]
fn a_verdict_of_a_newer_airut_is_left_as_it_is() {
    let stand = Stand::new();
    let key = stand.accept(&stand.letter("Hello", "Please."));
    let path = stand.repo.queue().verdict(Stage::Authorized, &key);
    let text = std::fs::read_to_string(&path).unwrap().replace("\"format\": 1", "\"format\": 2");
    std::fs::write(&path, &text).unwrap();
    assert!(trouble(&stand.try_open()).contains("format 2"));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
    assert_eq!(stand.repo.queue().messages(Stage::Authorized).unwrap(), [key]);
}

#[test]
fn one_mail_that_cannot_be_placed_holds_up_no_other() {
    let stand = Stand::new();
    let first = stand.arrive(&stand.letter("Hello", "Please."));
    std::fs::remove_dir(stand.dir(&first.session).file("inbox")).unwrap();
    stand.accept(&stand.reply_to(&first.session, "More.").attach("a.txt", b"x"));
    stand.accept(&stand.letter("Another", "Please."));
    let report = stand.try_open();
    assert!(trouble(&report).contains("is damaged"));
    assert_eq!(report.moved.len(), 1);
    assert!(stand.stage(Stage::Authorized).is_empty(), "no path unit tries it again at once");
    assert_eq!(stand.repo.queue().deferred().unwrap().len(), 2, "it is kept, with its verdict");

    // Again and again: then it is set aside, and its sender told.
    stand.wake();
    stand.try_open();
    stand.wake();
    assert!(trouble(&stand.try_open()).contains("set aside after failure 3"));
    assert!(stand.repo.queue().deferred().unwrap().is_empty());
    assert_eq!(stand.stage(Stage::Rejected).len(), 2);
    let verdict = stand.stage(Stage::Rejected).into_iter().find(|name| name.ends_with(".json")).unwrap();
    let verdict = std::fs::read_to_string(stand.repo.layout.stage(Stage::Rejected).join(verdict)).unwrap();
    assert!(verdict.contains("\"failing\"") && verdict.contains("is damaged"), "{verdict}");
    stand.reply();
    let told = stand.sent().into_iter().filter(|(mail, _)| mail.text().contains("could not be worked on"));
    assert_eq!(told.count(), 1);
}

#[test]
fn what_is_not_the_mails_fault_does_not_count_against_it() {
    let stand = Stand::new();
    let key = stand.accept(&stand.letter("Hello", "Please."));
    // The disk, say: a directory that cannot be made.
    let sessions = stand.repo.layout.sessions();
    std::fs::rename(&sessions, sessions.with_extension("away")).unwrap();
    std::fs::write(&sessions, "").unwrap();
    for _ in 0..5 {
        trouble(&stand.try_open());
    }
    assert_eq!(stand.repo.queue().messages(Stage::Authorized).unwrap(), [key]);
    std::fs::remove_file(&sessions).unwrap();
    std::fs::rename(sessions.with_extension("away"), &sessions).unwrap();
    assert_eq!(stand.open().len(), 1);
}

#[test]
fn a_mail_that_is_named_has_to_be_there() {
    let stand = Stand::new();
    let key = "0123456789abcdef0123456789abcdef".parse().unwrap();
    let report = open(&stand.repo, Some(&[key]), &Mode::Open, &Silent).unwrap();
    assert!(trouble(&report).contains("no such message"));
}

#[test]
fn a_request_by_hand_becomes_a_session_like_any_other() {
    let stand = Stand::new();
    let mail = b"From: ops@example.com\r\nSubject: Nightly\r\nMessage-ID: <h@example.com>\r\n\r\nDo it.\r\n";
    let key = accept_by_hand(&stand.repo, mail, "ops@example.com".parse().unwrap()).unwrap();
    // Nobody vouches for it but the operator; a step that judges must not get hold of it.
    airut::step::authorize::authorize(&stand.repo, None, &Silent).unwrap();
    let report = open(&stand.repo, Some(&[key]), &Mode::New, &Silent).unwrap();
    let task = report.moved[0].split_once(':').unwrap().1.parse().unwrap();
    assert!(stand.prompt(&task).contains("Do it."));
    assert_eq!(stand.session(&task.session).subject, "Nightly");
}

#[test]
fn when_many_open_the_same_mails_each_is_placed_once() {
    let stand = Stand::new();
    // Makes the mirror, so that the others meet at the placing.
    let first = stand.arrive(&stand.letter("Hello", "Please."));
    for n in 0..6 {
        stand.accept(&stand.letter("New", &format!("Number {n}.")).attach("a.txt", b"same name"));
        stand.accept(&stand.reply_to(&first.session, &format!("More {n}.")).attach("a.txt", &[n]));
    }
    let reports: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(|| stand.try_open())).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(reports.iter().all(|report| report.troubles.is_empty()), "{reports:?}");
    assert_eq!(reports.iter().map(|report| report.moved.len()).sum::<usize>(), 12);
    assert_eq!(stand.stage(Stage::Ready).len(), 7);
    let task = stand.task(&first);
    assert_eq!(task.messages.len(), 7, "one and those that joined it");
    assert!(task.messages.iter().all(|message| stand.file(&first, &message.file).is_file()));
    assert_eq!(stand.inbox(&first.session).len(), 6);
    assert!(
        stand.stage(Stage::Finished).iter().all(|name| name.ends_with(".ack")),
        "nothing is answered yet"
    );
}

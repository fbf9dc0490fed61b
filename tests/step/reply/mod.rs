mod letter;

use crate::step::stand::{BOSS, Stand, done, trouble};
use crate::support::letter::{Answer, Letter};
use crate::support::mailserver::{mail_server, unique};
use airut::base::fault::{Fault, Kind};
use airut::base::id::TaskId;
use airut::base::limits;
use airut::base::talk::Silent;
use airut::disk::layout::Stage;
use airut::disk::queue::Ticket;
use airut::format::config::{Smtp, Tls};
use airut::format::task::{DeliveryState, Reason, State};
use airut::step::reply::{dry_run, reply};
use jiff::{SignedDuration, Timestamp};
use std::fs;

/// A stand with a task that has its answer; its acknowledgement is out of the way.
fn answered() -> (Stand, TaskId) {
    let stand = Stand::new();
    let id = stand.arrive(&stand.letter("Hello", "Please."));
    stand.repo.queue().remove(Stage::Finished, &Ticket::acknowledgement(id.clone())).unwrap();
    stand.finish(&id, |task| task.acknowledgement.state = DeliveryState::None);
    (stand, id)
}

#[test]
fn an_answer_goes_out_once_and_is_recorded() {
    let (stand, id) = answered();
    assert_eq!(stand.reply(), [format!("{}:{id}", stand.repo.name)]);
    let sent = stand.sent();
    let (answer, args) = &sent[0];
    assert_eq!(args.trim(), format!("-i -f {} -- {BOSS}", stand.told.address));
    assert_eq!(answer.raw, fs::read(stand.file(&id, "reply.eml")).unwrap(), "exactly what is on disk");
    assert!(answer.text().contains("The answer."));
    let delivery = stand.task(&id).reply;
    assert_eq!((delivery.state, delivery.attempts), (DeliveryState::Sent, 1));
    assert_eq!(answer.header("Message-ID"), delivery.message_id);
    assert!(delivery.sent_at.is_some());
    assert_eq!(stand.session(&id.session).thread.last(), delivery.message_id.as_ref());
    assert!(stand.stage(Stage::Finished).is_empty());
    assert!(stand.reply().is_empty());
    assert_eq!(stand.sent().len(), 1);
}

#[test]
fn what_cannot_be_sent_now_waits_ever_longer_and_stays_the_same_mail() {
    let (stand, id) = answered();
    stand.sendmail_ends_with("echo the queue is full >&2; exit 75");
    let mut first = None;
    for (attempt, minutes) in (1..).zip([1, 2, 4, 8]) {
        let report = stand.try_reply();
        assert_eq!(report.troubles[0].error.downcast_ref::<Fault>().unwrap().kind, Kind::TryLater);
        assert!(trouble(&report).contains("the queue is full"));
        assert!(stand.stage(Stage::Finished).is_empty(), "nothing stays where it is tried again at once");
        let (stage, name, until) = stand.repo.queue().deferred().unwrap().remove(0);
        assert_eq!((stage, name), (Stage::Finished, id.to_string()));
        let wait = until.duration_since(Timestamp::now());
        assert!(wait <= SignedDuration::from_mins(minutes) && wait > SignedDuration::from_mins(minutes) / 2);
        let delivery = stand.task(&id).reply;
        assert_eq!((delivery.state, delivery.attempts), (DeliveryState::Pending, attempt));
        assert!(delivery.last_error.unwrap().contains("the queue is full"));
        let bytes = fs::read(stand.file(&id, "reply.eml")).unwrap();
        assert_eq!(*first.get_or_insert(bytes.clone()), bytes);
        assert!(done(stand.try_reply()).is_empty(), "before its time");
        stand.wake();
    }
    stand.sendmail_ends_with("exit 0");
    assert_eq!(stand.reply().len(), 1);
    let sent = stand.sent();
    assert_eq!(sent.len(), 5);
    assert!(sent.iter().all(|(answer, _)| Some(&answer.raw) == first.as_ref()));
}

#[test]
fn all_attempts_together_take_about_five_days_and_then_it_is_over() {
    let (stand, id) = answered();
    stand.sendmail_ends_with("exit 75");
    let mut waited = SignedDuration::ZERO;
    for _ in 1..limits::REPLY_ATTEMPTS {
        stand.try_reply();
        let (_, _, until) = stand.repo.queue().deferred().unwrap().remove(0);
        waited += until.duration_since(Timestamp::now()) + SignedDuration::from_secs(1);
        stand.wake();
    }
    assert!((4 * 24..=6 * 24).contains(&waited.as_hours()), "{waited:?}");
    assert!(trouble(&stand.try_reply()).contains("cannot be delivered after"));
    assert_eq!(stand.task(&id).reply.state, DeliveryState::Undeliverable);
    assert_eq!(stand.stage(Stage::Rejected), [id.to_string()]);
    assert!(stand.repo.queue().deferred().unwrap().is_empty());
}

#[test]
fn cut_between_sending_and_sent_it_goes_out_again_as_the_same_mail() {
    let (stand, id) = answered();
    stand.reply();
    stand.guard(&id.session).update_task(1, |task| task.reply.state = DeliveryState::Sending).unwrap();
    stand.repo.queue().put(Stage::Finished, &Ticket::task(id.clone())).unwrap();
    stand.reply();
    let sent = stand.sent();
    assert_eq!(sent.len(), 2);
    assert_eq!(sent[0].0.raw, sent[1].0.raw);
}

#[test]
fn cut_before_its_mail_was_written_it_keeps_the_message_id_it_was_given() {
    let (stand, id) = answered();
    stand
        .guard(&id.session)
        .update_task(1, |task| {
            task.reply.state = DeliveryState::Sending;
            task.reply.message_id = Some(format!("<airut.{id}.fixed@example.com>"));
        })
        .unwrap();
    stand.reply();
    assert_eq!(stand.sent()[0].0.header("Message-ID").unwrap(), format!("<airut.{id}.fixed@example.com>"));
}

#[test]
fn cut_before_its_message_id_was_recorded_it_is_composed_anew() {
    let (stand, id) = answered();
    fs::write(stand.file(&id, "reply.eml"), "Message-ID: <another@example.com>\r\n\r\nNobody saw it.")
        .unwrap();
    stand.reply();
    let (answer, _) = &stand.sent()[0];
    assert_eq!(answer.header("Message-ID"), stand.task(&id).reply.message_id);
    assert_eq!(answer.raw, fs::read(stand.file(&id, "reply.eml")).unwrap());
}

#[test]
fn cut_after_sent_was_recorded_it_does_not_go_out_again_and_the_thread_knows_it() {
    let (stand, id) = answered();
    stand.reply();
    let thread = stand.session(&id.session).thread;
    stand.guard(&id.session).update(|session| session.thread.truncate(1)).unwrap();
    stand.repo.queue().put(Stage::Finished, &Ticket::task(id.clone())).unwrap();
    assert!(stand.reply().is_empty());
    assert_eq!(stand.sent().len(), 1);
    assert!(stand.stage(Stage::Finished).is_empty());
    assert_eq!((stand.session(&id.session).thread, thread.len()), (thread, 2));
}

#[test]
fn a_mail_refused_with_its_files_is_sent_without_and_names_them() {
    let (stand, id) = answered();
    let outbox = stand.file(&id, "outbox");
    fs::create_dir(&outbox).unwrap();
    fs::write(outbox.join("report.pdf"), "x").unwrap();
    stand.sendmail_ends_with("grep -q 'filename=' sent/$n.eml && { echo too large >&2; exit 65; }; exit 0");
    assert_eq!(stand.reply().len(), 1);
    let sent = stand.sent();
    assert_eq!(sent.len(), 2);
    assert_eq!(sent[0].0.attachments().len(), 1);
    assert!(sent[1].0.attachments().is_empty());
    assert!(sent[1].0.text().contains("report.pdf") && sent[1].0.text().contains("The answer."));
    assert_eq!(sent[0].0.header("Message-ID"), sent[1].0.header("Message-ID"));
    let delivery = stand.task(&id).reply;
    assert!(delivery.bare);
    assert_eq!(fs::read(stand.file(&id, "reply.eml")).unwrap(), sent[1].0.raw);
}

#[test]
fn a_mail_too_large_for_the_sendmail_program_is_sent_without_its_files_whatever_it_exits_with() {
    let (stand, id) = answered();
    fs::create_dir(stand.file(&id, "outbox")).unwrap();
    fs::write(stand.file(&id, "outbox/report.pdf"), "x").unwrap();
    // As Postfix's does it.
    let said = "sendmail: fatal: boss(0): message file too big";
    stand.sendmail_ends_with(&format!(
        "grep -q 'filename=' sent/$n.eml && {{ echo '{said}' >&2; exit 75; }}; exit 0"
    ));
    assert_eq!(stand.reply().len(), 1);
    assert!(stand.sent().pop().unwrap().0.text().contains("did not take"));
}

#[test]
fn what_a_real_server_finds_too_large_comes_without_its_files_and_each_can_be_asked_for() {
    let mut stand = Stand::new();
    let (server, sender) = (mail_server(), format!("{}@example.com", unique("size")));
    let letter = |body: &str| Letter { from: sender.clone(), ..stand.letter("Hello", body) };
    let id = stand.arrive(&letter("Please."));
    let again = |name: &str| Letter { from: sender.clone(), ..stand.reply_to(&id.session, name) };
    let (large, small) = (again("/resend large.bin"), again("/resend small.txt"));
    fs::create_dir(stand.file(&id, "outbox")).unwrap();
    fs::write(stand.file(&id, "outbox/large.bin"), vec![7; 120_000]).unwrap();
    fs::write(stand.file(&id, "outbox/small.txt"), "small").unwrap();
    stand.finish(&id, |task| task.acknowledgement.state = DeliveryState::None);
    stand.repo.config.mail.sendmail = None;
    stand.repo.config.mail.smtp = Some(Smtp {
        host: "127.0.0.1".to_owned(),
        port: Some(server.small),
        tls: Tls::None,
        ca_file: None,
        username: None,
        password: None,
        oauth2: None,
    });
    let mut sent = Vec::new();
    for (count, request) in [None, Some(large), Some(small)].into_iter().enumerate() {
        if let Some(request) = request {
            stand.arrive(&request);
        }
        assert_eq!(stand.reply().last().map(|moved| moved.ends_with(&format!("{}", count + 1))), Some(true));
        let mail = server.mailbox(&sender).wait_for(count + 1).pop().unwrap();
        sent.push(Answer { raw: mail });
    }
    assert!(sent[0].attachments().is_empty() && sent[0].text().contains("The answer."), "{}", sent[0].text());
    assert!(sent[0].text().contains("`large.bin`, `small.txt`. To get one of them"), "{}", sent[0].text());
    assert!(
        sent[1].attachments().is_empty() && sent[1].text().contains("in another way"),
        "{}",
        sent[1].text()
    );
    assert_eq!(sent[2].attachments(), [("small.txt".to_owned(), b"small".to_vec())]);
}

#[test]
fn a_file_sent_alone_and_refused_is_not_said_to_be_attached() {
    let (stand, id) = answered();
    fs::create_dir(stand.file(&id, "outbox")).unwrap();
    fs::write(stand.file(&id, "outbox/report.pdf"), "x").unwrap();
    stand.sendmail_ends_with("grep -q 'filename=' sent/$n.eml && exit 65; exit 0");
    stand.reply();
    let first = stand.sent().pop().unwrap().0.text();
    assert!(first.contains("did not take") && first.contains("The answer."), "{first}");
    stand.arrive(&stand.reply_to(&id.session, "/resend report.pdf"));
    stand.reply();
    let second = stand.sent().pop().unwrap().0.text();
    assert!(second.contains("did not take") && !second.contains("Attached is"), "{second}");
    stand.sendmail_ends_with("exit 0");
    stand.arrive(&stand.reply_to(&id.session, "/resend `report.pdf`"));
    stand.reply();
    let third = stand.sent().pop().unwrap().0;
    assert_eq!(third.attachments(), [("report.pdf".to_owned(), b"x".to_vec())]);
}

#[test]
fn cut_while_its_files_were_taken_off_it_is_still_sent() {
    let (stand, id) = answered();
    fs::create_dir(stand.file(&id, "outbox")).unwrap();
    fs::write(stand.file(&id, "outbox/report.pdf"), "x").unwrap();
    stand.sendmail_ends_with("grep -q 'filename=' sent/$n.eml && exit 65; exit 75");
    stand.try_reply();
    // The mail without files is on disk, and that it is so is not yet.
    stand.guard(&id.session).update_task(1, |task| task.reply.bare = false).unwrap();
    stand.wake();
    stand.sendmail_ends_with("grep -q 'filename=' sent/$n.eml && exit 65; exit 0");
    assert_eq!(stand.reply().len(), 1);
    assert_eq!(stand.task(&id).reply.state, DeliveryState::Sent);
}

#[test]
fn a_mail_that_nobody_will_take_is_set_aside_and_said() {
    for code in [65, 67, 68] {
        let (stand, id) = answered();
        stand.sendmail_ends_with(&format!("echo no such user >&2; exit {code}"));
        assert!(trouble(&stand.try_reply()).contains("no such user"));
        assert_eq!(stand.sent().len(), 1, "there is nothing to leave out");
        assert_eq!(stand.task(&id).reply.state, DeliveryState::Undeliverable);
        assert_eq!(stand.stage(Stage::Rejected), [id.to_string()]);
        assert!(stand.reply().is_empty());
    }
}

#[test]
fn one_answer_that_cannot_be_sent_holds_up_no_other() {
    let (stand, first) = answered();
    let second = stand.arrive(&stand.letter("Another", "Please."));
    stand.finish(&second, |task| task.answer = Some("Take this.".to_owned()));
    stand.sendmail_ends_with("grep -q '^The answer[.]' sent/$n.eml && exit 67; exit 0");
    let report = stand.try_reply();
    assert_eq!(report.troubles.len(), 1);
    assert!(report.moved.contains(&format!("{}:{second}", stand.repo.name)));
    assert_eq!(stand.task(&first).reply.state, DeliveryState::Undeliverable);
}

#[test]
fn a_program_that_is_not_there_is_a_reason_to_wait() {
    let (stand, id) = answered();
    fs::remove_file(stand.world.path("sendmail/sendmail")).unwrap();
    assert!(trouble(&stand.try_reply()).contains("sendmail"));
    assert_eq!(stand.task(&id).reply.state, DeliveryState::Pending);
    assert_eq!(stand.repo.queue().deferred().unwrap().len(), 1);
}

#[test]
fn an_answer_that_cannot_be_composed_is_not_tried_without_end() {
    let (stand, id) = answered();
    stand.guard(&id.session).update_task(1, |task| task.messages.clear()).unwrap();
    assert!(trouble(&stand.try_reply()).contains("no message to answer"));
    assert!(stand.stage(Stage::Finished).is_empty());
    assert_eq!((stand.task(&id).reply.attempts, stand.repo.queue().deferred().unwrap().len()), (1, 1));
}

#[test]
fn a_task_of_a_newer_airut_is_left_as_it_is_and_waits() {
    let (stand, id) = answered();
    let path = stand.file(&id, "task.json");
    let text = fs::read_to_string(&path).unwrap().replacen("\"format\": 1", "\"format\": 2", 1);
    fs::write(&path, &text).unwrap();
    assert!(trouble(&stand.try_reply()).contains("format 2"));
    assert_eq!(fs::read_to_string(&path).unwrap(), text);
    assert!(stand.sent().is_empty());
    assert_eq!(
        stand.repo.queue().deferred().unwrap().len(),
        1,
        "not where a path unit would begin again at once"
    );
}

#[test]
fn a_marker_of_a_task_at_work_brings_no_answer_before_its_time() {
    let (stand, id) = answered();
    for state in [State::Ready, State::Running] {
        stand.guard(&id.session).update_task(1, |task| task.state = state).unwrap();
        stand.repo.queue().put(Stage::Finished, &Ticket::task(id.clone())).unwrap();
        assert!(stand.reply().is_empty());
        assert_eq!(stand.task(&id).reply.state, DeliveryState::Pending);
    }
    assert!(stand.sent().is_empty());
}

#[test]
fn the_acknowledgement_goes_first_and_never_after_the_answer() {
    let stand = Stand::new();
    let id = stand.arrive(&stand.letter("Hello", "Please."));
    stand.finish(&id, |_| {});
    assert_eq!(stand.reply(), [format!("{}:{id}.ack", stand.repo.name), format!("{}:{id}", stand.repo.name)]);
    let sent = stand.sent();
    assert!(sent[0].0.text().contains("opus is working on it"), "{}", sent[0].0.text());
    assert_ne!(sent[0].0.header("Message-ID"), sent[1].0.header("Message-ID"));
    stand
        .guard(&id.session)
        .update_task(1, |task| task.acknowledgement.state = DeliveryState::Pending)
        .unwrap();
    stand.repo.queue().put(Stage::Finished, &Ticket::acknowledgement(id)).unwrap();
    assert!(stand.reply().is_empty());
    assert_eq!(stand.sent().len(), 2);
}

#[test]
fn those_named_go_and_the_others_stay() {
    let (stand, first) = answered();
    let second = stand.arrive(&stand.letter("Another", "Please."));
    stand.finish(&second, |_| {});
    let run = |only: &[TaskId]| reply(&stand.repo, Some(only), &Silent, &Default::default()).unwrap();
    assert_eq!(done(run(std::slice::from_ref(&second))).len(), 2, "with its acknowledgement");
    assert_eq!(stand.stage(Stage::Finished), [first.to_string()]);
    assert!(trouble(&run(&["0badc0de.1".parse().unwrap()])).contains("no such task"));
}

#[test]
fn a_task_whose_file_is_damaged_is_answered_as_failed() {
    let (stand, id) = answered();
    fs::write(stand.file(&id, "task.json"), "{").unwrap();
    assert_eq!(stand.reply().len(), 1);
    let (answer, args) = stand.sent().remove(0);
    assert!(args.contains(BOSS) && answer.text().contains("Something went wrong on our side"));
    assert_eq!(stand.task(&id).failure.unwrap().reason, Reason::Internal);
}

#[test]
fn a_task_that_names_nobody_is_set_aside() {
    let (stand, id) = answered();
    fs::write(stand.file(&id, "task.json"), "{").unwrap();
    fs::remove_file(stand.file(&id, "message.json")).unwrap();
    assert!(trouble(&stand.try_reply()).contains("is damaged"));
    assert_eq!(stand.stage(Stage::Rejected), [id.to_string()]);
}

#[test]
fn an_answer_counts_as_activity() {
    let (stand, id) = answered();
    let old = Timestamp::now() - SignedDuration::from_hours(100);
    stand.guard(&id.session).update(|session| session.active_at = old).unwrap();
    stand.reply();
    assert!(stand.session(&id.session).active_at > old);
}

#[test]
fn a_dry_run_shows_the_mail_and_sends_nothing() {
    let (stand, id) = answered();
    let before = crate::step::open::place::tree(stand.repo.layout.root());
    let shown = String::from_utf8(dry_run(&stand.repo, &id).unwrap()).unwrap();
    assert!(shown.contains("The answer."), "{shown}");
    assert_eq!(crate::step::open::place::tree(stand.repo.layout.root()), before);
    let waiting = stand.arrive(&Letter { from: "eve@example.com".to_owned(), ..stand.letter("Hi", "Wait.") });
    assert!(format!("{:#}", dry_run(&stand.repo, &waiting).unwrap_err()).contains("there is no answer yet"));
    stand.reply();
    assert_eq!(dry_run(&stand.repo, &id).unwrap(), fs::read(stand.file(&id, "reply.eml")).unwrap());
}

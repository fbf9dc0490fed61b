use crate::step::stand::{Stand, done};
use airut::base::id::{SessionId, TaskId};
use airut::disk::layout::Stage;
use airut::disk::lock::Lock;
use airut::disk::queue::Ticket;
use airut::format::task::{DeliveryState, State};
use std::fs;

/// A conversation with one answer.
fn begun() -> (Stand, SessionId) {
    let stand = Stand::new();
    let id = stand.arrive(&stand.letter("Hello", "Please."));
    stand.finish(&id, |task| task.cost_usd = Some(0.25));
    stand.reply();
    (stand, id.session)
}

/// Sends a command into the conversation; returns its task and what was answered.
fn command(stand: &Stand, id: &SessionId, body: &str) -> (TaskId, String) {
    let before = stand.sent().len();
    let task = stand.arrive(&stand.reply_to(id, body));
    assert!(stand.task(&task).state.is_final(), "nothing is run for it");
    assert!(!stand.stage(Stage::Ready).contains(&task.to_string()));
    stand.reply();
    let sent = stand.sent();
    assert_eq!(sent.len(), before + 1);
    (task, sent[before].0.text())
}

#[test]
fn stop_ends_what_runs_and_drops_what_waits() {
    let (stand, id) = begun();
    assert!(command(&stand, &id, "/stop").1.contains("There was nothing to stop"));
    let running = stand.arrive(&stand.reply_to(&id, "Work on this."));
    stand.guard(&id).update_task(running.number, |task| task.state = State::Running).unwrap();
    stand.repo.queue().advance(&Ticket::task(running.clone()), Stage::Ready, Stage::Running).unwrap();
    let _held = Lock::attempt(&stand.repo.layout.run_lock(&id)).unwrap().unwrap();
    let waiting = stand.arrive(&stand.reply_to(&id, "Then this."));
    assert_ne!(waiting, running);
    let (_, answer) = command(&stand, &id, "Stop!");
    assert!(answer.contains("is being stopped") && answer.contains("one task that waited"), "{answer}");
    assert!(stand.file(&running, "stop").exists());
    assert_eq!(stand.task(&running).state, State::Running, "its own process ends it");
    let dropped = stand.task(&waiting);
    assert_eq!((dropped.state, dropped.reply.state), (State::Stopped, DeliveryState::None));
    // What the next mail asks for is a task of its own.
    let next = stand.arrive(&stand.reply_to(&id, "And now?"));
    assert_eq!(stand.task(&next).messages.len(), 1);
}

#[test]
fn status_says_what_runs_waits_and_has_been() {
    let (stand, id) = begun();
    stand.arrive(&stand.reply_to(&id, "More."));
    let (task, answer) = command(&stand, &id, "/status\n\nBest\nBob");
    for part in
        ["Nothing is running; opus answers here", "one task waits", "one answer", "$0.25", "kept until"]
    {
        assert!(answer.contains(part), "{part}: {answer}");
    }
    assert!(answer.contains("Only the first line"), "{answer}");
    assert_eq!(stand.task(&task).command.as_deref(), Some("/status"));
}

#[test]
fn a_command_between_two_requests_does_not_part_them() {
    let (stand, id) = begun();
    let first = stand.arrive(&stand.reply_to(&id, "One."));
    command(&stand, &id, "/status");
    assert_eq!(stand.arrive(&stand.reply_to(&id, "Two.")), first);
    assert_eq!(stand.task(&first).messages.len(), 2);
}

#[test]
fn the_model_is_changed_from_then_on_and_what_follows_is_worked_on() {
    let (stand, id) = begun();
    assert!(command(&stand, &id, "/model").1.contains("answered by opus"));
    assert!(
        command(&stand, &id, "/model sonnet")
            .1
            .contains("From now on this conversation is answered by sonnet")
    );
    assert_eq!(stand.session(&id).model.as_str(), "sonnet");
    assert!(command(&stand, &id, "/model nonsense").1.contains("not the name of a model"));
    assert_eq!(stand.session(&id).model.as_str(), "sonnet");
    let task = stand.arrive(&stand.reply_to(&id, "/model haiku\nPlease go on."));
    assert_eq!(stand.session(&id).model.as_str(), "haiku");
    assert_eq!(stand.task(&task).state, State::Ready);
    assert!(stand.prompt(&task).contains("Please go on.") && !stand.prompt(&task).contains("/model"));
    assert!(stand.task(&task).notes[0].contains("answered by haiku"));
    let other = stand.arrive(&stand.letter("Hi", "/model sonnet\nPlease begin."));
    assert_eq!(stand.session(&other.session).model.as_str(), "sonnet");
    assert!(stand.task(&other).notes.is_empty(), "the acknowledgement names it");
}

#[test]
fn new_begins_another_conversation_with_what_follows() {
    let (stand, id) = begun();
    let task = stand.arrive(&stand.reply_to(&id, "/new Look at this.\nAnd that."));
    assert_ne!(task.session, id);
    assert!(stand.prompt(&task).contains("Look at this.\nAnd that."));
    assert!(stand.task(&task).notes.is_empty());
    assert_eq!(stand.session(&id).tasks, 1);
}

#[test]
fn help_names_every_command_also_in_a_first_mail_which_gets_no_workspace() {
    let stand = Stand::new();
    let task = stand.arrive(&stand.letter("Hello", "/help"));
    stand.reply();
    let sent = stand.sent();
    assert_eq!(sent.len(), 1, "and no acknowledgement");
    for word in ["/status", "/stop", "/model", "/new", "/resend", "/help"] {
        assert!(sent[0].0.text().contains(word), "{word}");
    }
    assert!(!stand.dir(&task.session).file("workspace").exists());
}

#[test]
fn a_file_that_was_too_large_for_its_answer_is_sent_alone() {
    let (stand, id) = begun();
    let outbox = stand.file(&TaskId { session: id.clone(), number: 1 }, "outbox");
    fs::create_dir_all(&outbox).unwrap();
    fs::write(outbox.join("Big one.bin"), b"bytes").unwrap();
    std::os::unix::fs::symlink("/etc/passwd", outbox.join("link")).unwrap();
    let (task, answer) = command(&stand, &id, "/resend Big one.bin");
    assert!(answer.contains("Attached is `Big one.bin`") || answer.contains("Attached is"), "{answer}");
    let files = stand.sent().last().unwrap().0.attachments();
    assert_eq!(files, [("Big one.bin".to_owned(), b"bytes".to_vec())]);
    assert!(stand.file(&task, "outbox/Big one.bin").exists());
    for name in ["link", "other.bin", "../../session.json", ".."] {
        let (_, answer) = command(&stand, &id, &format!("/resend {name}"));
        assert!(answer.contains("There is no file"), "{name}: {answer}");
        assert!(stand.sent().last().unwrap().0.attachments().is_empty());
    }
}

#[test]
fn a_command_to_a_conversation_of_others_does_nothing_there() {
    let (stand, id) = begun();
    let running = stand.arrive(&stand.reply_to(&id, "Work on this."));
    let mut letter = stand.reply_to(&id, "/stop");
    letter.from = "eve@example.com".to_owned();
    let task = stand.arrive(&letter);
    assert_ne!(task.session, id);
    assert_eq!(stand.task(&running).state, State::Ready);
    assert!(stand.task(&task).notes.iter().any(|note| note.contains("not part of the conversation")));
}

#[test]
fn done_again_after_a_crash_it_is_answered_once() {
    let (stand, id) = begun();
    let bytes = Stand::delivered(&stand.reply_to(&id, "/status"));
    let key = stand.accept_bytes(&bytes);
    let verdict = fs::read(stand.repo.queue().verdict(Stage::Authorized, &key)).unwrap();
    let task = stand.open().remove(0);
    // As it was before the mail was renamed into its place.
    fs::rename(stand.file(&task, "message.eml"), stand.repo.queue().message(Stage::Authorized, &key))
        .unwrap();
    fs::write(stand.repo.queue().verdict(Stage::Authorized, &key), verdict).unwrap();
    assert_eq!(done(stand.try_open()), [format!("{}:{task}", stand.repo.name)]);
    stand.reply();
    assert_eq!(stand.task(&task).messages.len(), 1);
    assert_eq!(stand.session(&id).tasks, task.number);
}

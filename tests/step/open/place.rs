use crate::step::stand::{Stand, names};
use crate::support::letter::Letter;
use airut::base::id::TaskId;
use airut::disk::layout::Stage;
use airut::disk::queue::Ticket;
use airut::format::task::{DeliveryState, Reason, State};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// Every file below, but for git's, with what is in it as far as it does not tell the time.
pub fn tree(dir: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut todo = vec![dir.to_owned()];
    while let Some(at) = todo.pop() {
        for entry in fs::read_dir(&at).unwrap().map(Result::unwrap) {
            let path = entry.path();
            let name = path.strip_prefix(dir).unwrap().to_str().unwrap().to_owned();
            if [".git", "git-mirror", "locks", "seen", "trash"].iter().any(|part| path.ends_with(part)) {
                continue;
            }
            if path.is_dir() {
                found.insert(name, String::new());
                todo.push(path);
                continue;
            }
            let text = String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned();
            let timeless =
                text.lines().filter(|line| !line.contains("_at\"") && !line.starts_with("--- Mail"));
            found.insert(name, timeless.collect::<Vec<_>>().join("\n"));
        }
    }
    found
}

#[test]
fn a_new_mail_becomes_a_session_with_all_that_a_run_needs() {
    let stand = Stand::new();
    let letter =
        stand.letter("Hello", "Please look.").attach("plan.pdf", b"%PDF").attach("../../etc/passwd", b"x");
    let bytes = Stand::delivered(&letter);
    let key = stand.accept_bytes(&bytes);
    let tasks = stand.open();
    let (id, session) = (&tasks[0], stand.session(&tasks[0].session));
    assert_eq!(id.number, 1);
    assert_eq!(session.opened_by, Some(key));
    assert_eq!((session.subject.as_str(), session.tasks, session.workspace), ("Hello", 1, true));
    assert_eq!(session.thread, [format!("<{}>", letter.message_id)]);
    assert!(stand.dir(&id.session).file("workspace/README.md").is_file());
    assert_eq!(stand.inbox(&id.session), ["passwd", "plan.pdf"]);
    assert_eq!(fs::read(stand.file(id, "message.eml")).unwrap(), bytes);
    assert!(stand.file(id, "message.json").is_file(), "its verdict");
    assert!(stand.prompt(id).contains("Please look.") && stand.prompt(id).contains("plan.pdf, passwd"));
    let task = stand.task(id);
    assert_eq!((task.state, task.messages[0].attachments.len()), (State::Ready, 2));
    assert_eq!(task.acknowledgement.state, DeliveryState::Pending);
    assert_eq!(stand.stage(Stage::Ready), [id.to_string()]);
    assert_eq!(stand.stage(Stage::Finished), [format!("{id}.ack")]);
    assert!(stand.stage(Stage::Authorized).is_empty());
    assert!(names(&stand.repo.layout.tmp()).is_empty());
}

#[test]
fn mails_that_come_while_a_task_waits_join_it_in_their_order() {
    let stand = Stand::new();
    let first = stand.arrive(&stand.letter("Hello", "One.").attach("a.txt", b"1").attach("b.txt", b"same"));
    let second = stand.reply_to(&first.session, "Two.").attach("a.txt", b"2").attach("b.txt", b"same");
    assert_eq!(stand.arrive(&second), first);
    assert_eq!(stand.arrive(&stand.reply_to(&first.session, "Three.").attach("a.txt", b"3")), first);
    let task = stand.task(&first);
    let attachments: Vec<_> = task.messages.iter().map(|message| message.attachments.join(" ")).collect();
    assert_eq!(attachments, ["a.txt b.txt", "a-2.txt b.txt", "a-3.txt"]);
    let read = |name: &str| fs::read(stand.dir(&first.session).file("inbox").join(name)).unwrap();
    assert_eq!(
        (read("a.txt"), read("a-2.txt"), read("a-3.txt")),
        (b"1".to_vec(), b"2".to_vec(), b"3".to_vec())
    );
    let files: Vec<_> = task.messages.iter().map(|message| message.file.as_str()).collect();
    assert_eq!(files, ["message.eml", "message-2.eml", "message-3.eml"]);
    assert!(files.iter().all(|file| stand.file(&first, file).is_file()));
    let prompt = stand.prompt(&first);
    let at = |text: &str| prompt.find(text).unwrap_or_else(|| panic!("{text} is not in {prompt}"));
    assert!(at("3 mails have come in") < at("One.") && at("One.") < at("Two.") && at("Two.") < at("Three."));
    assert!(prompt.contains("a-2.txt, b.txt"), "{prompt}");
    assert_eq!(stand.stage(Stage::Finished), [format!("{first}.ack")], "one acknowledgement");
}

#[test]
fn a_mail_to_a_session_at_work_begins_the_next_task() {
    let stand = Stand::new();
    let first = stand.arrive(&stand.letter("Hello", "One."));
    for change in [State::Running, State::Ready] {
        stand
            .guard(&first.session)
            .update_task(1, |task| {
                task.state = change;
                task.begun = change == State::Ready;
            })
            .unwrap();
        let next = stand.arrive(&stand.reply_to(&first.session, &format!("{change:?}")));
        assert_eq!(next.number, 2, "{change:?}");
    }
    assert_eq!(stand.session(&first.session).tasks, 2);
    assert_eq!(stand.task(&TaskId { number: 2, ..first }).messages.len(), 2);
}

#[test]
fn claude_is_introduced_to_the_work_until_it_has_a_memory_of_it() {
    let stand = Stand::new();
    let first = stand.arrive(&stand.letter("Hello", "One."));
    stand.finish(&first, |task| task.fail(Reason::Image, "x", jiff::Timestamp::now()));
    let second = stand.arrive(&stand.reply_to(&first.session, "Two."));
    assert!(stand.prompt(&second).contains("/outbox is for files"), "{}", stand.prompt(&second));
    stand.finish(&second, |_| {});
    let id = "b7c7841e-29ea-475f-8f68-08669a400894".to_owned();
    stand.guard(&first.session).update(|session| session.claude_session = Some(id)).unwrap();
    let third = stand.arrive(&stand.reply_to(&first.session, "Three."));
    assert!(!stand.prompt(&third).contains("/outbox is for files"));
}

/// The effects of placing a first mail, from the last to the first, each taken back as if it had never been.
fn undo(stand: &Stand, id: &TaskId, step: usize) {
    let queue = stand.repo.queue();
    let dir = stand.dir(&id.session);
    let key = stand.task_key(id);
    match step {
        0 => {
            let verdict = fs::read(stand.file(id, "message.json")).unwrap();
            fs::write(queue.verdict(Stage::Authorized, &key), verdict).unwrap();
        }
        1 => fs::rename(stand.file(id, "message.eml"), queue.message(Stage::Authorized, &key)).unwrap(),
        2 => queue.remove(Stage::Finished, &Ticket::acknowledgement(id.clone())).unwrap(),
        3 => queue.remove(Stage::Ready, &Ticket::task(id.clone())).unwrap(),
        4 => fs::remove_file(stand.file(id, "message.json")).unwrap(),
        5 => drop(stand.guard(&id.session).update(|session| {
            session.tasks = 0;
            session.thread.clear();
        })),
        6 => fs::remove_file(stand.file(id, "prompt.txt")).unwrap(),
        7 => fs::remove_file(stand.file(id, "task.json")).unwrap(),
        8 => fs::remove_dir(stand.repo.layout.task(id)).unwrap(),
        9 => fs::remove_file(dir.file("inbox/a-2.txt")).unwrap(),
        10 => fs::remove_file(dir.file("inbox/a.txt")).unwrap(),
        11 => drop(stand.guard(&id.session).update(|session| session.workspace = false)),
        12 => fs::remove_dir_all(dir.file("workspace")).unwrap(),
        _ => fs::remove_dir_all(dir.path()).unwrap(),
    }
}

impl Stand {
    fn task_key(&self, id: &TaskId) -> airut::base::id::MessageKey {
        // Also when its task is not written any more.
        let waiting = self.repo.queue().messages(Stage::Authorized).unwrap();
        waiting.first().cloned().unwrap_or_else(|| self.task(id).messages[0].key.clone())
    }
}

#[test]
fn whatever_instruction_it_was_killed_at_the_second_try_ends_as_the_first_would_have() {
    let stand = Stand::new();
    // Two files of one name, as some clients send them.
    let letter = stand.letter("Hello", "Please.").attach("a.txt", b"1").attach("a.txt", b"2");
    let id = stand.arrive(&letter);
    let whole = tree(stand.repo.layout.root());
    assert!(whole.contains_key(&format!("sessions/{}/inbox/a-2.txt", id.session)));
    for last in 1..=13 {
        (0..=last).for_each(|step| undo(&stand, &id, step));
        assert_eq!(stand.open(), std::slice::from_ref(&id), "killed before effect {last}");
        assert_eq!(tree(stand.repo.layout.root()), whole, "killed before effect {last}");
    }
}

#[test]
fn a_verdict_that_outlived_its_mail_is_no_mail() {
    let stand = Stand::new();
    let id = stand.arrive(&stand.letter("Hello", "Please."));
    undo(&stand, &id, 0);
    assert!(stand.open().is_empty());
}

#[test]
fn killed_in_the_middle_of_an_attachment_it_leaves_no_half_one() {
    let stand = Stand::new();
    let first = stand.arrive(&stand.letter("Hello", "Please.").attach("a.txt", b"1"));
    let letter = stand.reply_to(&first.session, "More.").attach("a.txt", b"2").attach("a.txt", b"3");
    stand.accept(&letter);
    // The first of the two had been stored.
    fs::write(stand.dir(&first.session).file("inbox/a-2.txt"), b"2").unwrap();
    stand.open();
    assert_eq!(stand.task(&first).messages[1].attachments.len(), 2);
    assert_eq!(stand.inbox(&first.session), ["a-2-2.txt", "a-2.txt", "a.txt"]);
}

#[test]
fn a_mail_that_is_placed_again_keeps_its_place_among_those_it_joined() {
    let stand = Stand::new();
    let id = stand.arrive(&stand.letter("Hello", "One."));
    let first = stand.task(&id).messages[0].clone();
    // Killed before the move; then a later mail was placed by name.
    let queue = stand.repo.queue();
    fs::copy(stand.file(&id, "message.json"), queue.verdict(Stage::Authorized, &first.key)).unwrap();
    fs::rename(stand.file(&id, "message.eml"), queue.message(Stage::Authorized, &first.key)).unwrap();
    let later = stand.accept_alone(&stand.reply_to(&id.session, "Two."));
    airut::step::open::open(
        &stand.repo,
        Some(&[later]),
        &airut::step::open::Mode::Open,
        &airut::base::talk::Silent,
    )
    .unwrap();
    assert_eq!(stand.open(), std::slice::from_ref(&id));
    let files: Vec<_> = stand.task(&id).messages.into_iter().map(|message| message.file).collect();
    assert_eq!(files, ["message.eml", "message-2.eml"]);
    assert_eq!(stand.task(&id).messages[0].key, first.key);
    let read = |file: &str| fs::read_to_string(stand.file(&id, file)).unwrap();
    assert!(read("message.eml").contains("One.") && read("message-2.eml").contains("Two."));
    let prompt = stand.prompt(&id);
    assert!(prompt.find("One.").unwrap() < prompt.find("Two.").unwrap(), "{prompt}");
}

impl Stand {
    /// Let in beside what waits there already.
    fn accept_alone(&self, letter: &Letter) -> airut::base::id::MessageKey {
        let bytes = Self::delivered(letter);
        airut::step::fetch::take(&self.repo, &bytes).unwrap();
        airut::step::authorize::authorize(&self.repo, None, &airut::base::talk::Silent).unwrap();
        airut::disk::queue::message_key(&bytes)
    }
}

#[test]
fn an_acknowledgement_that_went_out_before_the_crash_does_not_go_out_again() {
    let stand = Stand::new();
    let id = stand.arrive(&stand.letter("Hello", "Please."));
    assert_eq!(stand.reply(), [format!("{}:{id}.ack", stand.repo.name)]);
    undo(&stand, &id, 0);
    undo(&stand, &id, 1);
    assert_eq!(stand.open(), std::slice::from_ref(&id));
    assert!(stand.reply().is_empty());
    assert_eq!(stand.sent().len(), 1);
}

#[test]
fn an_oversize_mail_is_answered_and_when_it_joins_others_the_answer_says_so() {
    let stand = Stand::new();
    let mut huge = Stand::delivered(&stand.letter("Hello", "Look."));
    huge.resize(airut::base::limits::MESSAGE_BYTES + 1, b'x');
    stand.accept_bytes(&huge);
    let id = stand.open().remove(0);
    let failure = stand.task(&id).failure.unwrap();
    assert_eq!((failure.reason, failure.detail), (Reason::TooLarge, huge.len().to_string()));
    assert!(fs::metadata(stand.file(&id, "message.eml")).unwrap().len() < 10_000, "only its header is kept");
    let waiting = stand.arrive(&stand.letter("Small", "Please."));
    let mut huge = Stand::delivered(&stand.reply_to(&waiting.session, "And this."));
    huge.resize(airut::base::limits::MESSAGE_BYTES + 1, b'x');
    stand.accept_bytes(&huge);
    assert_eq!(stand.open(), std::slice::from_ref(&waiting));
    let task = stand.task(&waiting);
    assert_eq!(task.state, State::Ready);
    assert!(task.notes.join(" ").contains("too large to be taken"), "{:?}", task.notes);
}

#[test]
fn a_remote_that_is_away_is_told_and_the_next_mail_tries_again() {
    let stand = Stand::new();
    fs::rename(&stand.told.remote, stand.told.remote.with_extension("away")).unwrap();
    let id = stand.arrive(&stand.letter("Hello", "Please."));
    assert_eq!(stand.task(&id).failure.unwrap().reason, Reason::Clone);
    assert_eq!(stand.stage(Stage::Finished), [id.to_string()]);
    assert!(!stand.session(&id.session).workspace);
    fs::rename(stand.told.remote.with_extension("away"), &stand.told.remote).unwrap();
    let next = stand.arrive(&stand.reply_to(&id.session, "Again, please."));
    assert_eq!((next.number, stand.task(&next).state), (2, State::Ready));
}

#[test]
fn a_damaged_task_keeps_no_mail_out_of_its_session_and_lends_it_no_answer() {
    for damage in ["{", ""] {
        let stand = Stand::new();
        let id = stand.arrive(&stand.letter("Hello", "Please."));
        stand.finish(&id, |_| {});
        fs::write(stand.file(&id, "reply.eml"), "an old answer").unwrap();
        let path = stand.file(&id, "task.json");
        if damage.is_empty() {
            fs::remove_file(path).unwrap()
        } else {
            fs::write(path, damage).unwrap()
        }
        let next = stand.arrive(&stand.reply_to(&id.session, "More."));
        assert_eq!(next.number, 2);
        assert_eq!(fs::read_to_string(stand.file(&id, "reply.eml")).unwrap(), "an old answer");
        assert_eq!(
            names(&stand.repo.layout.task(&next)),
            ["message.eml", "message.json", "prompt.txt", "task.json"]
        );
    }
}

#[test]
fn so_many_mails_join_and_the_next_begins_another_task() {
    let stand = Stand::new();
    let id = stand.arrive(&stand.letter("Hello", "Please."));
    for n in 1..=airut::base::limits::JOINED_MESSAGES {
        stand.accept(&stand.reply_to(&id.session, &format!("Mail {n}.")));
    }
    let tasks = stand.open();
    assert_eq!(
        tasks.iter().filter(|task| task.number == 1).count(),
        airut::base::limits::JOINED_MESSAGES - 1
    );
    assert_eq!(tasks.last().unwrap().number, 2);
}

use airut::base::fault::{Fault, Kind};
use airut::base::id::SessionId;
use airut::disk::layout::Layout;
use airut::disk::queue::message_key;
use airut::disk::session::{self, SessionDir, SessionGuard, is_too_new, message_file};
use airut::disk::write;
use airut::format::session::Session;
use airut::format::task::{Message, Reason, State, Task};
use airut::format::verdict::{Decision, Verdict};
use jiff::{SignedDuration, Timestamp};
use std::fs;
use std::os::unix::fs::MetadataExt as _;

struct Store {
    _dir: tempfile::TempDir,
    layout: Layout,
    id: SessionId,
}

impl Store {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::new("one".parse().unwrap(), dir.path().to_owned());
        layout.prepare().unwrap();
        Self { _dir: dir, layout, id: "3fa9c1d2".parse().unwrap() }
    }

    fn guard(&self) -> SessionGuard {
        SessionGuard::take(&self.layout, &self.id).unwrap()
    }

    fn session(&self) -> Session {
        let now = "2026-01-02T03:04:05Z".parse().unwrap();
        Session {
            format: 1,
            id: self.id.clone(),
            created_at: now,
            active_at: now,
            opened_by: None,
            participants: ["you@example.com".parse().unwrap()].into(),
            subject: "Hello".to_owned(),
            model: "opus".parse().unwrap(),
            claude_session: None,
            workspace: false,
            thread: Vec::new(),
            tasks: 0,
        }
    }

    fn created() -> (Self, SessionGuard) {
        let store = Self::new();
        let guard = store.guard();
        guard.create(&store.layout, &store.session()).unwrap();
        (store, guard)
    }
}

fn message(bytes: &[u8]) -> Message {
    Message {
        key: message_key(bytes),
        file: "message.eml".to_owned(),
        from: "you@example.com".parse().unwrap(),
        message_id: None,
        received_at: Timestamp::now(),
        attachments: Vec::new(),
    }
}

fn damaged(error: &anyhow::Error, what: &str) {
    let fault = error.downcast_ref::<Fault>().unwrap_or_else(|| panic!("{error:#}"));
    assert!(fault.message.contains("session 3fa9c1d2 is damaged"), "{fault}");
    assert!(fault.message.contains(what), "{fault}");
    assert!(fault.hint.as_ref().unwrap().contains("airut session rm 3fa9c1d2"), "{fault:?}");
}

#[test]
fn a_session_is_there_whole_or_not_at_all() {
    let store = Store::new();
    let guard = store.guard();
    // What a killed process left of its try.
    let beside = store.layout.tmp().join("session-3fa9c1d2");
    fs::create_dir_all(beside.join("inbox")).unwrap();
    fs::write(beside.join("inbox/half"), "x").unwrap();
    guard.create(&store.layout, &store.session()).unwrap();
    let dir = SessionDir::new(&store.layout, &store.id);
    assert_eq!(dir.load().unwrap(), store.session());
    for name in ["claude", "inbox", "outbox", "storage", "tasks"] {
        assert_eq!(fs::read_dir(dir.file(name)).unwrap().count(), 0, "{name}");
        assert_eq!(fs::metadata(dir.file(name)).unwrap().mode() & 0o7777, 0o700, "{name}");
    }
    assert!(!dir.file("workspace").exists(), "the clone makes it");
    assert_eq!(fs::read_dir(store.layout.tmp()).unwrap().count(), 0);
}

#[test]
fn a_session_that_is_there_is_not_made_over() {
    let (store, guard) = Store::created();
    fs::write(guard.dir.file("storage/precious"), "x").unwrap();
    assert!(guard.create(&store.layout, &store.session()).is_err());
    assert!(guard.dir.file("storage/precious").exists());
}

#[test]
fn nobody_else_changes_a_session_meanwhile() {
    let (store, guard) = Store::created();
    let seen = std::thread::scope(|scope| {
        let other = scope.spawn(|| store.guard().update(|session| session.subject += " and you").unwrap());
        for n in 1..=20 {
            guard.update(|session| session.tasks = n).unwrap();
        }
        drop(guard);
        other.join().unwrap()
    });
    assert_eq!((seen.tasks, seen.subject.as_str()), (20, "Hello and you"));
}

#[test]
fn a_damaged_file_is_named_with_what_to_do() {
    let (_store, guard) = Store::created();
    damaged(&guard.dir.load_task(1).unwrap_err(), "tasks/1/task.json is missing");
    for text in ["", "{", "[]", "{\"format\": 1}", "\u{0}"] {
        fs::write(guard.dir.file("session.json"), text).unwrap();
        damaged(&guard.dir.load().unwrap_err(), "session.json");
        damaged(&guard.update(|_| {}).unwrap_err(), "session.json");
    }
    fs::remove_file(guard.dir.file("session.json")).unwrap();
    damaged(&guard.load().unwrap_err(), "session.json is missing");
    fs::create_dir(guard.dir.file("session.json")).unwrap();
    damaged(&guard.load().unwrap_err(), "session.json");
}

#[test]
fn a_session_of_a_newer_airut_is_looked_at_and_not_changed() {
    let (store, guard) = Store::created();
    let newer = Session { format: 2, ..store.session() };
    fs::write(guard.dir.file("session.json"), serde_json::to_vec(&newer).unwrap()).unwrap();
    assert_eq!(guard.dir.load().unwrap().subject, "Hello");
    let before = fs::read(guard.dir.file("session.json")).unwrap();
    let errors = [guard.update(|session| session.tasks = 9).unwrap_err(), guard.load().unwrap_err()];
    assert!(errors.iter().all(is_too_new));
    assert_eq!(fs::read(guard.dir.file("session.json")).unwrap(), before);
}

#[test]
fn a_task_of_a_newer_airut_is_not_taken_for_a_damaged_one() {
    let (_store, guard) = Store::created();
    guard.save_task(&Task::new(1, vec![message(b"x")], Timestamp::now())).unwrap();
    let path = guard.dir.task_dir(1).join("task.json");
    fs::write(&path, r#"{"format": 7}"#).unwrap();
    let error = guard.rescue_task(1, "x", Timestamp::now()).unwrap_err();
    assert_eq!(error.downcast_ref::<Fault>().unwrap().kind, Kind::TooNew);
    assert_eq!(fs::read_to_string(path).unwrap(), r#"{"format": 7}"#);
}

#[test]
fn a_lost_task_becomes_a_failed_one_for_those_whose_mails_were_accepted() {
    let (_store, guard) = Store::created();
    let dir = guard.dir.task_dir(1);
    fs::create_dir_all(&dir).unwrap();
    assert_eq!(guard.rescue_task(1, "lost", Timestamp::now()).unwrap(), None, "nobody to tell");
    let mails = [b"one".as_slice(), b"two", b"three"];
    for (index, (bytes, from)) in mails.iter().zip(["a@example.com", "b@example.com", ""]).enumerate() {
        let path = dir.join(message_file(u32::try_from(index).unwrap() + 1));
        fs::write(&path, bytes).unwrap();
        if !from.is_empty() {
            let verdict = Verdict {
                format: 1,
                key: None,
                decision: Decision::Accepted,
                reason: None,
                from: Some(from.parse().unwrap()),
                decided_at: Timestamp::now(),
                checks: Vec::new(),
            };
            write::json(&path.with_extension("json"), &verdict).unwrap();
        }
    }
    let task = guard.rescue_task(1, "lost", Timestamp::now()).unwrap().unwrap();
    assert_eq!(task.state, State::Failed);
    assert_eq!(task.failure.as_ref().unwrap().reason, Reason::Internal);
    let from: Vec<_> = task.messages.iter().map(|message| message.from.to_string()).collect();
    assert_eq!(from, ["a@example.com", "b@example.com"]);
    assert_eq!(guard.dir.load_task(1).unwrap(), task);
}

#[test]
fn activity_never_goes_back() {
    let (store, guard) = Store::created();
    let before = store.session().active_at;
    guard.update(|session| session.mark_active(before - SignedDuration::from_mins(1))).unwrap();
    assert_eq!(guard.dir.load().unwrap().active_at, before);
    guard.update(|session| session.mark_active(before + SignedDuration::from_hours(1))).unwrap();
    assert_eq!(guard.dir.load().unwrap().active_at, before + SignedDuration::from_hours(1));
    // The clock was set back by a year.
    let back = before - SignedDuration::from_hours(365 * 24);
    guard.update(|session| session.mark_active(back)).unwrap();
    assert_eq!(guard.dir.load().unwrap().active_at, back);
}

#[test]
fn a_task_is_saved_with_its_session_and_even_where_that_is_damaged() {
    let (store, guard) = Store::created();
    let mut task = Task::new(1, Vec::new(), Timestamp::now());
    guard.save_both(&task, |session| session.tasks = 1).unwrap();
    assert_eq!((guard.dir.load_task(1).unwrap(), guard.dir.load().unwrap().tasks), (task.clone(), 1));
    for (damage, change) in [("{", State::Running), ("", State::Done)] {
        fs::write(store.layout.session(&store.id).join("session.json"), damage).unwrap();
        task.state = change;
        guard.save_both(&task, |session| session.tasks = 2).unwrap();
        assert_eq!(guard.dir.load_task(1).unwrap(), task);
        assert_eq!(fs::read_to_string(guard.dir.file("session.json")).unwrap(), damage);
    }
}

#[test]
fn what_is_discarded_is_in_the_trash_under_a_name_of_its_own() {
    let store = Store::new();
    for _ in 0..3 {
        let guard = store.guard();
        guard.create(&store.layout, &store.session()).unwrap();
        session::discard(&store.layout, guard.dir.path()).unwrap();
        assert!(!guard.dir.exists());
    }
    assert_eq!(fs::read_dir(store.layout.trash()).unwrap().count(), 3);
}

#[test]
fn only_directories_with_a_sessions_name_are_sessions() {
    let (store, _guard) = Store::created();
    for name in ["README", "3fa9c1d", "3FA9C1D3", ".tmp-x"] {
        fs::create_dir(store.layout.sessions().join(name)).unwrap();
    }
    assert_eq!(session::all(&store.layout).unwrap(), std::slice::from_ref(&store.id));
    let empty = Layout::new("two".parse().unwrap(), store.layout.root().join("nothing"));
    assert!(session::all(&empty).unwrap().is_empty());
}

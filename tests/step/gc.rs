use crate::step::stand::{Listener, Stand, names};
use airut::base::id::SessionId;
use airut::base::limits;
use airut::base::talk::Silent;
use airut::disk::layout::Stage;
use airut::disk::lock::Lock;
use airut::disk::queue::Ticket;
use airut::step::gc::{Options, gc, remove};
use airut::step::{authorize, fetch};
use jiff::{SignedDuration, Timestamp};
use std::fs;
use std::path::Path;
use std::time::SystemTime;

/// What is over and was answered.
pub fn idle(stand: &Stand, days: i64) -> SessionId {
    let id = stand.arrive(&stand.letter("Hello", &days.to_string()));
    stand.repo.queue().forget(&id.session).unwrap();
    let then = Timestamp::now() - SignedDuration::from_hours(24 * days);
    stand.guard(&id.session).update(|session| session.active_at = then).unwrap();
    id.session
}

/// Cleans; of containers there are none, and whether Podman is here is not the matter.
pub fn clean(stand: &Stand, dry_run: bool) -> Vec<String> {
    let talk = Listener::default();
    let report = gc(&stand.repo, &Options { dry_run, talk: &talk }).unwrap();
    let other = report.troubles.iter().filter(|trouble| !trouble.what.ends_with("containers"));
    assert_eq!(other.count(), 0, "{report:?}");
    talk.0.into_inner().unwrap()
}

pub fn age(path: &Path, age: std::time::Duration) {
    let file = fs::File::open(path).unwrap();
    file.set_modified(SystemTime::now() - age - std::time::Duration::from_secs(60)).unwrap();
}

#[test]
fn a_session_without_activity_goes_and_one_in_use_never() {
    let stand = Stand::new();
    let (old, young) = (idle(&stand, 8), idle(&stand, 6));
    let (waiting, running, answering, deferred) =
        (idle(&stand, 9), idle(&stand, 9), idle(&stand, 9), idle(&stand, 9));
    let queue = stand.repo.queue();
    let ticket = |id: &SessionId| Ticket::task(format!("{id}.1").parse().unwrap());
    queue.put(Stage::Ready, &ticket(&waiting)).unwrap();
    let held = Lock::attempt(&stand.repo.layout.run_lock(&running)).unwrap().unwrap();
    queue.put(Stage::Finished, &Ticket::acknowledgement(ticket(&answering).task)).unwrap();
    queue.put(Stage::Finished, &ticket(&deferred)).unwrap();
    let later = Timestamp::now() + SignedDuration::from_hours(1);
    queue.defer(Stage::Finished, &ticket(&deferred).to_string(), later).unwrap();
    assert!(clean(&stand, true).iter().any(|line| line.contains(old.as_str())));
    assert!(stand.dir(&old).exists(), "a dry run leaves it");
    clean(&stand, false);
    assert!(!stand.dir(&old).exists());
    for id in [&young, &waiting, &running, &answering, &deferred] {
        assert!(stand.dir(id).exists(), "{id}");
    }
    drop(held);
    assert!(names(&stand.repo.layout.trash()).is_empty());
}

#[test]
fn a_damaged_session_goes_when_its_directory_is_old() {
    let stand = Stand::new();
    let (old, young) = (idle(&stand, 1), idle(&stand, 1));
    for id in [&old, &young] {
        fs::write(stand.dir(id).file("session.json"), "{").unwrap();
    }
    age(stand.dir(&old).path(), std::time::Duration::from_secs(8 * 24 * 3600));
    clean(&stand, false);
    assert!(!stand.dir(&old).exists() && stand.dir(&young).exists());
}

#[test]
fn rejected_mail_and_remains_have_their_time() {
    let stand = Stand::new();
    for n in 0..2 {
        fetch::take(&stand.repo, format!("no header {n}").as_bytes()).unwrap();
    }
    authorize::authorize(&stand.repo, None, &Silent).unwrap();
    let rejected = stand.repo.layout.stage(Stage::Rejected);
    let first = names(&rejected)[0].clone();
    for name in names(&rejected).iter().filter(|name| name[..32] == first[..32]) {
        age(&rejected.join(name), limits::REJECTED_AGE);
    }
    for name in [".tmp-old", ".tmp-new"] {
        fs::write(stand.repo.layout.tmp().join(name), "x").unwrap();
    }
    age(&stand.repo.layout.tmp().join(".tmp-old"), limits::UNFINISHED_AGE);
    let orphan = stand.repo.layout.stage(Stage::Authorized).join(format!("{}.json", "0".repeat(32)));
    fs::write(&orphan, "{}").unwrap();
    age(&orphan, limits::UNFINISHED_AGE);
    let waiting = stand.accept(&stand.letter("Hello", "Please."));
    age(&stand.repo.queue().verdict(Stage::Authorized, &waiting), limits::UNFINISHED_AGE);
    clean(&stand, false);
    assert_eq!(names(&rejected).len(), 2);
    assert!(!names(&rejected).contains(&first));
    assert_eq!(names(&stand.repo.layout.tmp()), [".tmp-new"]);
    assert!(!orphan.exists());
    assert!(stand.repo.queue().verdict(Stage::Authorized, &waiting).exists(), "its mail waits still");
}

#[test]
fn the_operators_word_removes_a_session_with_all_that_waits_for_it() {
    let stand = Stand::new();
    let id = stand.arrive(&stand.letter("Hello", "Please."));
    let held = Lock::attempt(&stand.repo.layout.run_lock(&id.session)).unwrap().unwrap();
    assert!(!remove(&stand.repo, &id.session).unwrap(), "not while it runs");
    drop(held);
    assert!(remove(&stand.repo, &id.session).unwrap());
    assert!(!stand.dir(&id.session).exists());
    assert!(stand.stage(Stage::Ready).is_empty() && stand.stage(Stage::Finished).is_empty());
    assert!(stand.reply().is_empty());
}

#[test]
fn when_the_clock_leaps_nothing_goes_for_its_age_until_it_has_stood_there_for_half_a_day() {
    let stand = Stand::new();
    let (cleaned, doubted) = (stand.repo.layout.cleaned(), stand.repo.layout.doubted());
    assert!(clean(&stand, false).is_empty());
    let year = std::time::Duration::from_secs(365 * 24 * 3600);
    // As if it stood a year ahead: all is a year older.
    let id = idle(&stand, 365);
    age(&cleaned, year);
    for _ in 0..2 {
        let said = clean(&stand, false);
        assert!(said.iter().any(|line| line.contains("the clock was set wrong")), "{said:?}");
        assert!(stand.dir(&id).exists());
    }
    // Set back: the doubt lies in the future, and what was active lately is as young as it was.
    fs::File::open(&doubted).unwrap().set_modified(SystemTime::now() + year).unwrap();
    age(&cleaned, year / 365);
    let young = idle(&stand, 1);
    stand.guard(&id).update(|session| session.active_at = Timestamp::now()).unwrap();
    assert!(clean(&stand, false).is_empty());
    assert!(stand.dir(&id).exists() && stand.dir(&young).exists() && !doubted.exists());
    // Whoever does this once in a month waits half a day longer.
    let old = idle(&stand, 30);
    age(&cleaned, year / 12);
    assert!(clean(&stand, true).iter().any(|line| line.contains("the clock")));
    assert!(!doubted.exists(), "a dry run notes nothing");
    clean(&stand, false);
    assert!(stand.dir(&old).exists());
    age(&doubted, std::time::Duration::from_secs(12 * 3600));
    assert!(clean(&stand, false).iter().any(|line| line.contains(old.as_str())));
    assert!(!stand.dir(&old).exists() && stand.dir(&young).exists());
}

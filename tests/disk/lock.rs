use crate::support::helper;
use airut::base::fault::{Fault, Kind};
use airut::disk::lock::Lock;
use std::fs;
use std::path::Path;
use std::time::Duration;

const LONG: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_millis(30);

fn holding(argument: &str) {
    let (kind, path) = argument.split_once(' ').unwrap();
    let _lock = match kind {
        "shared" => Lock::shared(Path::new(path), LONG, "it"),
        _ => Lock::exclusive(Path::new(path), LONG, "it"),
    }
    .unwrap();
    helper::say("held");
    helper::stay();
}

fn hold(kind: &str, path: &Path) -> helper::Helper {
    let mut process = helper::start(&format!("{kind} {}", path.display()));
    process.wait_for("held");
    process
}

#[test]
fn what_another_process_holds_is_not_taken_until_it_is_killed() {
    if let Some(argument) = helper::argument() {
        return holding(&argument);
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("locks/a.lock");
    let mut process = hold("exclusive", &path);
    assert!(Lock::attempt(&path).unwrap().is_none());
    assert!(Lock::shared(&path, SHORT, "it").is_err());
    // SIGKILL: nothing of its own can free it.
    process.kill();
    assert!(Lock::attempt(&path).unwrap().is_some());
}

#[test]
fn waiting_ends_with_what_is_busy_and_try_later() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.lock");
    let _held = Lock::exclusive(&path, LONG, "it").unwrap();
    let error = Lock::exclusive(&path, SHORT, "the mirror").unwrap_err();
    let fault = error.downcast_ref::<Fault>().unwrap();
    assert_eq!(fault.kind, Kind::TryLater);
    assert!(fault.message.contains("the mirror") && fault.message.contains("a.lock"), "{fault}");
}

#[test]
fn sharers_share_and_keep_the_exclusive_out() {
    if let Some(argument) = helper::argument() {
        return holding(&argument);
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.lock");
    let mut process = hold("shared", &path);
    let shared = Lock::shared(&path, SHORT, "it").unwrap();
    assert!(Lock::attempt(&path).unwrap().is_none());
    process.kill();
    assert!(Lock::attempt(&path).unwrap().is_none());
    drop(shared);
    assert!(Lock::attempt(&path).unwrap().is_some());
}

#[test]
fn threads_exclude_each_other_too() {
    let dir = tempfile::tempdir().unwrap();
    let (path, counter) = (dir.path().join("a.lock"), dir.path().join("counter"));
    fs::write(&counter, "0").unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..25 {
                    let _lock = Lock::exclusive(&path, LONG, "it").unwrap();
                    let number: u32 = fs::read_to_string(&counter).unwrap().parse().unwrap();
                    std::thread::yield_now();
                    fs::write(&counter, (number + 1).to_string()).unwrap();
                }
            });
        }
    });
    assert_eq!(fs::read_to_string(&counter).unwrap(), "100");
}

#[test]
fn a_program_that_was_started_meanwhile_does_not_keep_the_lock() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.lock");
    let lock = Lock::exclusive(&path, LONG, "it").unwrap();
    let mut child = std::process::Command::new("sleep").arg("1000").spawn().unwrap();
    drop(lock);
    let taken = Lock::attempt(&path).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(taken.is_some());
}

#[test]
fn a_lock_that_cannot_be_opened_says_which() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("a.lock")).unwrap();
    let error = Lock::attempt(&dir.path().join("a.lock")).unwrap_err();
    assert!(format!("{error:#}").contains("a.lock"), "{error:#}");
}

#[test]
fn a_program_that_is_just_being_started_does_not_keep_a_lock_that_was_given_back() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.lock");
    std::thread::scope(|scope| {
        let starting = scope.spawn(|| {
            for _ in 0..200 {
                assert!(std::process::Command::new("true").status().unwrap().success());
            }
        });
        // Between fork and exec the other program has the lock's file open, too.
        while !starting.is_finished() {
            assert!(Lock::attempt(&path).unwrap().is_some());
        }
    });
}

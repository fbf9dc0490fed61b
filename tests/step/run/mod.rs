//! What `run` does before and without a container; with one, see `whole/`.

mod judge;

use crate::step::stand::{Stand, done, names, trouble};
use crate::support::world::{Setup, airut_bin};
use airut::base::id::TaskId;
use airut::base::limits;
use airut::base::talk::Silent;
use airut::disk::layout::Stage;
use airut::disk::lock::Lock;
use airut::disk::queue::Ticket;
use airut::exec::interrupt::Interrupt;
use airut::format::task::{Reason, State};
use airut::step::report::Report;
use airut::step::run::{Options, run};
use std::fs;
use std::time::Duration;

fn options<'a>(interrupt: &'a Interrupt) -> Options<'a> {
    Options {
        only: None,
        max_concurrent: 2,
        wait_for_others: false,
        shutdown_timeout: Duration::from_secs(1),
        program: airut_bin(),
        interrupt,
        talk: &Silent,
    }
}

fn work(stand: &Stand) -> Report {
    run(std::slice::from_ref(&stand.repo), &options(&Interrupt::default())).unwrap()
}

/// A stand whose tasks end before they would need a container: the repository has no allowlist.
fn without_allowlist() -> Stand {
    let mut setup = Setup::stand_in("#!/bin/sh\n");
    setup.files.retain(|(path, _)| path != ".airut/network-allowlist.yaml");
    Stand::with(&setup)
}

fn failure(stand: &Stand, id: &TaskId) -> (Reason, String) {
    let task = stand.task(id);
    assert_eq!(task.state, State::Failed);
    let failure = task.failure.unwrap();
    (failure.reason, failure.detail)
}

#[test]
fn what_the_repository_gets_wrong_ends_the_task_with_its_reason() {
    let table = [
        (".airut/airut.yaml", "timeout: 1\n", Reason::Configuration, "timeout"),
        (".airut/airut.yaml", "what: 1\n", Reason::Configuration, "what"),
        (".airut/network-allowlist.yaml", "domains: 7\n", Reason::Configuration, "network-allowlist.yaml"),
        (
            ".airut/airut.yaml",
            "network:\n  sandbox_enabled: false\n",
            Reason::Configuration,
            "does not allow",
        ),
        (".airut/airut.yaml", "container_env:\n  A: !secret NO_SUCH\n", Reason::MissingSecret, "NO_SUCH"),
    ];
    for (file, content, reason, word) in table {
        let mut setup = Setup::stand_in("#!/bin/sh\n");
        setup.file(file, content);
        let stand = Stand::with(&setup);
        let id = stand.arrive(&stand.letter("Hello", "Please."));
        let report = work(&stand);
        assert_eq!(report.moved, [format!("{}:{id}", stand.repo.name)], "there is an answer to send");
        assert!(report.troubles.is_empty(), "its sender hears of it: {:?}", report.troubles);
        let (why, detail) = failure(&stand, &id);
        assert!(detail.contains(word), "{detail}");
        assert_eq!(why, reason, "{content}: {detail}");
        assert!(stand.stage(Stage::Finished).contains(&id.to_string()));
        assert!(stand.stage(Stage::Ready).is_empty() && stand.stage(Stage::Running).is_empty());
    }
}

#[test]
fn a_repository_without_an_allowlist_or_a_dockerfile_says_so() {
    let stand = without_allowlist();
    let id = stand.arrive(&stand.letter("Hello", "Please."));
    work(&stand);
    assert!(failure(&stand, &id).1.contains(".airut/network-allowlist.yaml"));
    let mut setup = Setup::stand_in("#!/bin/sh\n");
    setup.files.retain(|(path, _)| !path.starts_with(".airut/container"));
    let stand = Stand::with(&setup);
    let id = stand.arrive(&stand.letter("Hello", "Please."));
    work(&stand);
    let (reason, detail) = failure(&stand, &id);
    assert_eq!(reason, Reason::Image);
    assert!(detail.contains(".airut/container/Dockerfile"), "{detail}");
}

#[test]
fn a_remote_that_is_away_ends_the_task_and_the_next_one_goes_on() {
    let stand = Stand::new();
    let id = stand.arrive(&stand.letter("Hello", "Please."));
    fs::rename(&stand.told.remote, stand.told.remote.with_extension("away")).unwrap();
    work(&stand);
    assert_eq!(failure(&stand, &id).0, Reason::Clone);
}

#[test]
fn a_task_that_ended_before_the_crash_is_only_handed_on() {
    let stand = Stand::new();
    let id = stand.arrive(&stand.letter("Hello", "Please."));
    stand
        .guard(&id.session)
        .update_task(1, |task| {
            task.state = State::Done;
            task.answer = Some("The answer.".to_owned());
        })
        .unwrap();
    // Killed between the state and the marker: it is in running/, and nobody holds the session.
    stand.repo.queue().advance(&Ticket::task(id.clone()), Stage::Ready, Stage::Running).unwrap();
    fs::write(stand.dir(&id.session).file("session.json"), "damaged meanwhile").unwrap();
    assert_eq!(done(work(&stand)), [format!("{}:{id}", stand.repo.name)]);
    assert_eq!(
        (stand.task(&id).state, stand.task(&id).answer.unwrap().as_str()),
        (State::Done, "The answer.")
    );
}

#[test]
fn cut_off_once_it_is_continued_and_says_so_and_the_second_time_it_ends() {
    let stand = without_allowlist();
    let id = stand.arrive(&stand.letter("Hello", "Please."));
    let cut = |interruptions| {
        let update = |task: &mut airut::format::task::Task| {
            task.state = State::Running;
            task.interruptions = interruptions;
        };
        stand.guard(&id.session).update_task(1, update).unwrap();
        stand.repo.queue().put(Stage::Running, &Ticket::task(id.clone())).unwrap();
        let _ = stand.repo.queue().remove(Stage::Finished, &Ticket::task(id.clone()));
    };
    stand.repo.queue().remove(Stage::Ready, &Ticket::task(id.clone())).unwrap();
    cut(0);
    work(&stand);
    let task = stand.task(&id);
    assert_eq!(task.interruptions, 1);
    assert!(task.notes.join(" ").contains("was interrupted once on our side"), "{:?}", task.notes);
    assert_eq!(task.failure.unwrap().reason, Reason::Configuration, "it was begun again");
    cut(limits::INTERRUPTIONS);
    fs::write(stand.dir(&id.session).file("outbox/half.txt"), "x").unwrap();
    work(&stand);
    assert_eq!(stand.task(&id).state, State::Interrupted);
    assert_eq!(stand.task(&id).failure.unwrap().reason, Reason::Interrupted);
    assert_eq!(names(&stand.file(&id, "outbox")), ["half.txt"]);
    assert!(stand.stage(Stage::Finished).contains(&id.to_string()));
}

#[test]
fn killed_before_its_state_was_written_it_was_not_interrupted() {
    let stand = without_allowlist();
    let id = stand.arrive(&stand.letter("Hello", "Please."));
    stand.repo.queue().advance(&Ticket::task(id.clone()), Stage::Ready, Stage::Running).unwrap();
    work(&stand);
    assert_eq!((stand.task(&id).interruptions, stand.task(&id).notes.len()), (0, 0));
}

#[test]
fn what_lies_in_the_outbox_is_taken_away_from_the_agent_and_the_later_file_counts() {
    let stand = without_allowlist();
    let id = stand.arrive(&stand.letter("Hello", "Please."));
    let outbox = stand.dir(&id.session).file("outbox");
    // An attempt that was killed after the first move.
    fs::create_dir_all(stand.file(&id, "outbox/dir")).unwrap();
    fs::write(stand.file(&id, "outbox/a.txt"), "earlier").unwrap();
    fs::write(stand.file(&id, "outbox/b.txt"), "only then").unwrap();
    fs::write(outbox.join("a.txt"), "later").unwrap();
    fs::write(outbox.join("dir"), "now a file").unwrap();
    std::os::unix::fs::symlink("/etc/passwd", outbox.join("link")).unwrap();
    work(&stand);
    assert!(names(&outbox).is_empty());
    assert_eq!(names(&stand.file(&id, "outbox")), ["a.txt", "b.txt", "dir", "link"]);
    assert_eq!(fs::read_to_string(stand.file(&id, "outbox/a.txt")).unwrap(), "later");
    assert!(
        fs::symlink_metadata(stand.file(&id, "outbox/link")).unwrap().is_symlink(),
        "moved, not followed"
    );
}

#[test]
fn a_task_whose_mail_is_lost_ends_and_one_whose_mail_is_on_its_way_waits() {
    let stand = without_allowlist();
    let id = stand.arrive(&stand.letter("Hello", "Please."));
    let key = stand.task(&id).messages[0].key.clone();
    let (mail, waiting) =
        (stand.file(&id, "message.eml"), stand.repo.queue().message(Stage::Authorized, &key));
    fs::rename(&mail, &waiting).unwrap();
    assert!(done(work(&stand)).is_empty());
    assert_eq!(stand.repo.queue().deferred().unwrap()[0].1, id.to_string());
    assert_eq!(stand.task(&id).state, State::Ready);
    fs::remove_file(&waiting).unwrap();
    stand.wake();
    work(&stand);
    let (reason, detail) = failure(&stand, &id);
    assert_eq!(reason, Reason::Internal);
    assert!(detail.contains("message.eml is missing"), "{detail}");
    assert!(stand.stage(Stage::Finished).contains(&id.to_string()), "its sender hears of it");
}

#[test]
fn a_damaged_session_is_told_to_its_sender_and_harms_no_other() {
    let stand = without_allowlist();
    let broken = stand.arrive(&stand.letter("One", "Please."));
    let nobody = stand.arrive(&stand.letter("Two", "Please."));
    let fine = stand.arrive(&stand.letter("Three", "Please."));
    fs::write(stand.dir(&broken.session).file("session.json"), "{").unwrap();
    fs::remove_dir_all(stand.dir(&nobody.session).path()).unwrap();
    let report = work(&stand);
    assert_eq!(failure(&stand, &broken).0, Reason::Internal);
    assert_eq!(failure(&stand, &fine).0, Reason::Configuration);
    assert_eq!(
        stand.stage(Stage::Rejected),
        [nobody.to_string()],
        "there is nobody to tell but the operator"
    );
    assert_eq!((report.moved.len(), report.troubles.len()), (2, 1));
    assert!(stand.stage(Stage::Ready).is_empty() && stand.stage(Stage::Running).is_empty());
}

#[test]
fn a_session_of_a_newer_airut_is_not_run_and_not_changed() {
    let stand = without_allowlist();
    let id = stand.arrive(&stand.letter("Hello", "Please."));
    let path = stand.dir(&id.session).file("session.json");
    let text = fs::read_to_string(&path).unwrap().replacen("\"format\": 1", "\"format\": 2", 1);
    fs::write(&path, &text).unwrap();
    assert!(trouble(&work(&stand)).contains("format 2"));
    assert_eq!(fs::read_to_string(&path).unwrap(), text);
    assert_eq!((stand.task(&id).state, stand.stage(Stage::Ready)), (State::Ready, vec![id.to_string()]));
}

#[test]
fn a_task_whose_session_or_slot_another_process_holds_is_left_to_it() {
    let stand = without_allowlist();
    let id = stand.arrive(&stand.letter("Hello", "Please."));
    let held = Lock::attempt(&stand.repo.layout.run_lock(&id.session)).unwrap().unwrap();
    assert!(done(work(&stand)).is_empty());
    drop(held);
    let slots: Vec<_> = (0..2).map(|n| Lock::attempt(&stand.repo.global.slot(n)).unwrap().unwrap()).collect();
    assert!(done(work(&stand)).is_empty());
    assert_eq!(stand.stage(Stage::Ready), [id.to_string()]);
    drop(slots);
    assert_eq!(work(&stand).moved.len(), 1);
}

#[test]
fn one_that_stays_runs_it_when_the_other_is_done() {
    let stand = without_allowlist();
    let id = stand.arrive(&stand.letter("Hello", "Please."));
    let held = Lock::attempt(&stand.repo.layout.run_lock(&id.session)).unwrap().unwrap();
    let interrupt = Interrupt::default();
    let moved = std::thread::scope(|scope| {
        let staying = Options { wait_for_others: true, ..options(&interrupt) };
        let repos = std::slice::from_ref(&stand.repo);
        let thread = scope.spawn(move || run(repos, &staying).unwrap());
        std::thread::sleep(Duration::from_millis(300));
        drop(held);
        thread.join().unwrap().moved
    });
    assert_eq!(moved, [format!("{}:{id}", stand.repo.name)]);
}

#[test]
fn those_named_run_the_others_stay_and_the_unknown_are_said() {
    let stand = without_allowlist();
    let first = stand.arrive(&stand.letter("One", "Please."));
    let second = stand.arrive(&stand.letter("Two", "Please."));
    let interrupt = Interrupt::default();
    let unknown: TaskId = "0badc0de.1".parse().unwrap();
    let only = [&second, &unknown].map(|id| (stand.repo.name.clone(), id.clone())).to_vec();
    let options = Options { only: Some(only), ..options(&interrupt) };
    let report = run(std::slice::from_ref(&stand.repo), &options).unwrap();
    assert_eq!(report.moved, [format!("{}:{second}", stand.repo.name)]);
    assert!(report.troubles.iter().any(|trouble| trouble.what.ends_with("0badc0de.1")), "{report:?}");
    assert_eq!(stand.stage(Stage::Ready), [first.to_string()]);
}

#[test]
fn many_processes_run_each_task_once() {
    let stand = without_allowlist();
    let ids: Vec<_> = (0..6).map(|n| stand.arrive(&stand.letter("Hello", &n.to_string()))).collect();
    let moved: Vec<String> = std::thread::scope(|scope| {
        let interrupt = Interrupt::default();
        let stand = &stand;
        let threads: Vec<_> = (0..3)
            .map(|_| {
                let interrupt = interrupt.clone();
                scope.spawn(move || {
                    let staying = Options { wait_for_others: true, ..options(&interrupt) };
                    run(std::slice::from_ref(&stand.repo), &staying).unwrap().moved
                })
            })
            .collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(moved.len(), 6, "{moved:?}");
    assert!(ids.iter().all(|id| stand.task(id).interruptions == 0 && stand.task(id).notes.is_empty()));
}

#[test]
fn a_failure_without_end_is_kept_so_that_it_can_be_read_again() {
    let mut setup = Setup::stand_in("#!/bin/sh\n");
    setup.file(".airut/airut.yaml", &format!("{}: 1\n", "k".repeat(100_000)));
    let stand = Stand::with(&setup);
    let id = stand.arrive(&stand.letter("Hello", "Please."));
    work(&stand);
    assert!(failure(&stand, &id).1.len() <= limits::DETAIL_BYTES);
}

#[test]
fn with_one_slot_a_repository_with_many_tasks_lets_the_other_have_its_turn() {
    let stand = without_allowlist();
    for n in 0..6 {
        stand.arrive(&stand.letter("Hello", &n.to_string()));
    }
    let (other, told) = beside(&stand);
    let one_slot = |interrupt| Options { max_concurrent: 1, ..options(interrupt) };
    let interrupt = Interrupt::default();
    let moved = run(&[stand.repo.clone(), other.clone()], &one_slot(&interrupt)).unwrap().moved;
    let at = moved.iter().position(|moved| moved.starts_with(&told)).unwrap();
    assert!(moved.len() == 7 && at <= 1, "{moved:?}");
    // In another process, begun anew, the turn is not forgotten.
    assert!(last_turn(&other) < last_turn(&stand.repo));
}

#[test]
fn a_process_that_has_much_to_run_lets_one_that_waits_have_the_slot() {
    let stand = without_allowlist();
    let many: Vec<_> = (0..12).map(|n| stand.arrive(&stand.letter("Hello", &n.to_string()))).collect();
    let (other, _) = beside(&stand);
    let task = other.queue().tickets(Stage::Ready).unwrap().remove(0).task;
    let held = Lock::attempt(&stand.repo.global.slot(0)).unwrap().unwrap();
    std::thread::scope(|scope| {
        let interrupt = Interrupt::default();
        for repo in [&stand.repo, &other] {
            let interrupt = interrupt.clone();
            scope.spawn(move || {
                let options = Options { max_concurrent: 1, wait_for_others: true, ..options(&interrupt) };
                run(std::slice::from_ref(repo), &options).unwrap()
            });
        }
        std::thread::sleep(Duration::from_millis(500));
        drop(held);
    });
    let dir = airut::disk::session::SessionDir::new(&other.layout, &task.session);
    let begun = dir.load_task(task.number).unwrap().started_at.unwrap();
    let later = many.iter().filter(|id| stand.task(id).started_at.unwrap() > begun).count();
    assert!(later >= 9, "it waited for all but {later} of them");
}

/// A second repository, with one task.
fn beside(stand: &Stand) -> (airut::disk::repo::Repo, String) {
    let other = stand.another();
    let letter = crate::support::letter::Letter::new(
        crate::step::stand::BOSS,
        &other.config.mail.from.address.to_string(),
        "Hello",
        "Please.",
    );
    airut::step::fetch::take(&other, &Stand::delivered(&letter)).unwrap();
    done(airut::step::authorize::authorize(&other, None, &Silent).unwrap());
    done(airut::step::open::open(&other, None, &airut::step::open::Mode::Open, &Silent).unwrap());
    // It fails before it would want a container, as the first does.
    let remote = stand.world.path("remotes").join(format!("{}.git", other.name));
    fs::rename(&remote, remote.with_extension("away")).unwrap();
    let name = other.name.to_string();
    (other, name)
}

fn last_turn(repo: &airut::disk::repo::Repo) -> std::time::SystemTime {
    fs::metadata(repo.layout.turn()).unwrap().modified().unwrap()
}

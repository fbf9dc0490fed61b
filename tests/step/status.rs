use crate::step::stand::Stand;
use airut::disk::layout::Stage;
use airut::disk::lock::Lock;
use airut::disk::queue::Ticket;
use airut::format::task::State;
use airut::step::status::{newest, status};
use jiff::Timestamp;

#[test]
fn every_stage_is_counted_and_every_task_is_in_a_line() {
    let stand = Stand::new();
    let running = stand.arrive(&stand.letter("One", "Please."));
    let ready = stand.arrive(&stand.letter("Two", "Please."));
    let finished = stand.arrive(&stand.letter("Three", "Please."));
    stand.finish(&finished, |task| task.finished_at = Some(Timestamp::now()));
    // Without its process it would be woken to be continued.
    let held = Lock::attempt(&stand.repo.layout.run_lock(&running.session)).unwrap().unwrap();
    stand.repo.queue().advance(&Ticket::task(running.clone()), Stage::Ready, Stage::Running).unwrap();
    stand.guard(&running.session).update_task(1, |task| task.state = State::Running).unwrap();
    stand.accept(&stand.letter("Four", "Please."));
    let until = Timestamp::now() + jiff::SignedDuration::from_mins(5);
    stand
        .guard(&finished.session)
        .update_task(1, |task| task.reply.last_error = Some("away".into()))
        .unwrap();
    stand.repo.queue().defer(Stage::Finished, &finished.to_string(), until).unwrap();
    let seen = status(&stand.repo).unwrap();
    assert_eq!((seen.sessions, seen.authorized, seen.fetched, seen.rejected), (3, 1, 0, 0));
    assert_eq!(seen.ready.iter().map(|row| &row.task).collect::<Vec<_>>(), [&ready]);
    assert_eq!((seen.running[0].task.clone(), seen.running[0].state.as_str()), (running, "running"));
    assert_eq!(seen.recent[0].outcome.as_deref(), Some("success"));
    assert_eq!(seen.deferred[0].reason.as_deref(), Some("away"));
    drop(held);
    assert!(status(&stand.repo).unwrap().running[0].state.contains("interrupted"), "its process is gone");
}

#[test]
fn the_newest_session_is_the_one_that_changed_last() {
    let stand = Stand::new();
    let first = stand.arrive(&stand.letter("One", "Please."));
    let second = stand.arrive(&stand.letter("Two", "Please."));
    let order = || newest(&stand.repo, 10).unwrap().into_iter().map(|(id, _)| id).collect::<Vec<_>>();
    assert_eq!(order(), [second.session.clone(), first.session.clone()]);
    stand.guard(&first.session).update(|session| session.mark_active(Timestamp::now())).unwrap();
    assert_eq!(order(), [first.session, second.session]);
    assert_eq!(newest(&stand.repo, 1).unwrap().len(), 1);
}

#[test]
fn a_session_that_cannot_be_read_is_named() {
    let stand = Stand::new();
    let (broken, whole) =
        (stand.arrive(&stand.letter("One", "One.")), stand.arrive(&stand.letter("Two", "Two.")));
    assert!(status(&stand.repo).unwrap().damaged.is_empty());
    std::fs::write(stand.dir(&broken.session).file("session.json"), "{").unwrap();
    assert_eq!(status(&stand.repo).unwrap().damaged, [broken.session]);
    std::fs::remove_file(stand.file(&whole, "task.json")).unwrap();
    assert_eq!(status(&stand.repo).unwrap().damaged.len(), 2);
}

//! `fetch --watch`: mail is fetched as it arrives.

use crate::support::world::{Setup, Way, World};
use crate::whole::steps::{Running, obedient, wait_until};
use std::fs;
use std::io::{BufRead as _, BufReader};

/// The next reference that the watching command prints.
fn next_line(watching: &mut Running) -> String {
    let mut line = String::new();
    BufReader::new(watching.0.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    line
}

#[test]
fn mail_is_fetched_as_it_arrives_until_the_watch_is_ended() {
    let world = World::new();
    let repo = world.repo(&Setup { way: Way::Server, ..obedient() });
    world.send(&repo, &world.letter(&repo, "Before", "I was there first."));
    let mut watching = world.begin(&["fetch", "--watch"]);
    assert!(next_line(&mut watching).starts_with(&format!("{}:", repo.name)));

    // Submitted without waiting for it in the mailbox: it may be gone from there again before one could look.
    let letter = world.letter(&repo, "While", "I came while it watched.");
    crate::support::mailserver::mail_server().submit(&letter.from, &letter.to, &letter.bytes());
    assert!(next_line(&mut watching).starts_with(&format!("{}:", repo.name)));
    assert_eq!(fs::read_dir(repo.storage.join("queue/fetched")).unwrap().count(), 2);
    wait_until("the mailbox is empty", || {
        crate::support::mailserver::mail_server().mailbox(&repo.user).count() == 0
    });

    // A second one does not come in between.
    let other = world.run(&["fetch"]);
    assert_eq!(other.code, Some(75), "{}", other.stderr);
    rustix::process::kill_process(
        rustix::process::Pid::from_child(&watching.0),
        rustix::process::Signal::TERM,
    )
    .unwrap();
    let _ = watching.end().ok();
}

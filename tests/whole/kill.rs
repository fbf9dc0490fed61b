//! Whatever is killed at whatever moment: run again, every mail is answered once, and nothing is left over.

use crate::support::letter::Letter;
use crate::support::world::{Repo, Way, World};
use crate::whole::steps::{WAIT, container_of, json, names, obedient, wait_until};
use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

/// The steps before a task is ready.
const STEPS: [&[&str]; 3] = [&["fetch"], &["authorize"], &["session", "open"]];

/// Begins a step and kills it as soon as something is true, unless it was quicker.
fn kill_when(world: &World, args: &[&str], mut is_true: impl FnMut() -> bool) {
    let mut step = world.begin(args);
    while !is_true() && step.0.try_wait().unwrap().is_none() {
        std::thread::yield_now();
    }
    step.kill();
}

/// Begins a step and kills it after a while.
fn kill_after(world: &World, args: &[&str], micros: u64) {
    let mut step = world.begin(args);
    std::thread::sleep(Duration::from_micros(micros));
    step.kill();
}

/// All steps again and again, as a timer would, until nothing waits.
fn finish(world: &World, repo: &Repo) {
    wait_until("everything is answered", || {
        let _ = world.run(&["cycle"]);
        let stages = ["fetched", "authorized", "ready", "running", "finished"];
        let waits = |stage: &str| {
            !repo.queued(stage).is_empty() || !repo.queued(&format!("deferred/{stage}")).is_empty()
        };
        !stages.iter().any(|stage| waits(stage)) && names(&repo.maildir.join("new")).is_empty()
    });
    assert_eq!(container_of(repo), "");
}

/// Demands one acknowledgement and one answer for a mail; a second copy only where a mail may have been on its way,
/// and then with the same Message-ID.
fn assert_answered_once(world: &World, repo: &Repo, letter: &Letter, may_be_copied: bool) {
    let answers = world.answers_to(repo, &letter.from, 2);
    let mine = format!("<{}>", letter.message_id);
    let mine: Vec<_> =
        answers.iter().filter(|answer| answer.header("In-Reply-To").as_ref() == Some(&mine)).collect();
    let ids: BTreeSet<_> = mine.iter().map(|answer| answer.header("Message-ID").unwrap()).collect();
    let said = || mine.iter().map(|answer| answer.text()).collect::<Vec<_>>();
    assert_eq!(ids.len(), 2, "{ids:?}: {:?}", said());
    assert!(may_be_copied || mine.len() == 2, "{ids:?}");
    let sessions: BTreeSet<_> = mine.iter().map(|answer| answer.session()).collect();
    assert_eq!(sessions.len(), 1, "{sessions:?}");
    assert!(mine.iter().any(|answer| answer.text().contains("the answer")), "{}", mine[0].text());
}

/// A mail whose run leaves a line in `/storage/runs`.
fn send(world: &World, repo: &Repo) -> Letter {
    let letter = world.letter(repo, "Hello", "do: echo run >>/storage/runs\nsh: echo the answer");
    world.send(repo, &letter);
    letter
}

fn runs(repo: &Repo) -> Vec<usize> {
    let file = |id: String| repo.session(&id).join("storage/runs");
    repo.sessions().into_iter().map(|id| fs::read_to_string(file(id)).unwrap().lines().count()).collect()
}

#[test]
fn a_step_killed_before_the_run_at_any_time_loses_nothing_and_doubles_nothing() {
    let world = World::with_containers();
    let repo = world.repo(&obedient());
    let mut letters = Vec::new();
    for (at, step) in STEPS.iter().enumerate() {
        // To the end of what each takes here, and beyond.
        for part in 0..6 {
            letters.push(send(&world, &repo));
            for before in &STEPS[..at] {
                let _ = world.run(before).ok();
            }
            let whole: u64 = if at == 2 { 60_000 } else { 12_000 };
            kill_after(&world, step, 500 + whole * part / 5);
        }
    }
    finish(&world, &repo);
    for letter in &letters {
        assert_answered_once(&world, &repo, letter, false);
    }
    assert_eq!(runs(&repo), vec![1; letters.len()]);
    assert_eq!(world.answers(&repo, 0).len(), 2 * letters.len());
}

#[test]
fn a_step_killed_between_two_of_its_writes_is_taken_up_again() {
    let world = World::with_containers();
    let repo = world.repo(&obedient());
    let queue = repo.storage.join("queue");
    let some = |dir: &str| !names(&queue.join(dir)).is_empty();
    let new_session = |known: usize, file: &str| {
        let ids = names(&repo.storage.join("sessions"));
        ids.len() > known && ids.iter().all(|id| repo.session(id).join(file).exists())
    };
    let mut letters = Vec::new();
    // Stored, and still in the mailbox; judged, and not yet moved on.
    letters.push(send(&world, &repo));
    kill_when(&world, STEPS[0], || some("fetched"));
    letters.push(send(&world, &repo));
    let _ = world.run(STEPS[0]).ok();
    kill_when(&world, STEPS[1], || some("authorized"));
    let _ = world.run(STEPS[2]);
    for file in ["session.json", "workspace", "tasks/1", "tasks/1/task.json", "tasks/1/prompt.txt"] {
        let known = repo.sessions().len();
        letters.push(send(&world, &repo));
        let _ = world.run(STEPS[0]).ok();
        let _ = world.run(STEPS[1]).ok();
        kill_when(&world, STEPS[2], || new_session(known, file));
        // The rest of it, so that the next one is told apart.
        wait_until("the mail has its task", || {
            let _ = world.run(STEPS[2]);
            !some("authorized")
        });
    }
    let known = repo.queued("ready").len();
    letters.push(send(&world, &repo));
    let _ = world.run(STEPS[0]).ok();
    let _ = world.run(STEPS[1]).ok();
    kill_when(&world, STEPS[2], || names(&queue.join("ready")).len() > known);
    finish(&world, &repo);
    for letter in &letters {
        assert_answered_once(&world, &repo, letter, false);
    }
    assert_eq!(runs(&repo), vec![1; letters.len()]);
}

#[test]
fn a_run_killed_at_any_time_is_answered_once() {
    let world = World::with_containers();
    let repo = world.repo(&obedient());
    let mut letters = vec![send(&world, &repo)];
    // The image is there: what follows is the run alone.
    finish(&world, &repo);
    for part in 0..6 {
        letters.push(send(&world, &repo));
        world.take_in();
        kill_after(&world, &["run"], 2_000 + 160_000 * part);
        // Before the next mail joins it: a second cut would end it.
        finish(&world, &repo);
    }
    for letter in &letters {
        assert_answered_once(&world, &repo, letter, false);
    }
    assert!(runs(&repo).into_iter().all(|count| count == 1 || count == 2), "{:?}", runs(&repo));
}

#[test]
fn an_interrupted_run_is_continued_in_its_conversation_and_says_so_and_a_second_time_it_is_left() {
    let world = World::with_containers();
    let repo = world.repo(&obedient());
    let body = format!("{WAIT}\nsh: echo resumed=$resumed; echo \"$prompt\" | head -1; echo the answer");
    let letter = world.letter(&repo, "Hello", &body);
    world.send(&repo, &letter);
    world.take_in();
    let mut running = world.begin_run(&[&repo], 1);
    let id = repo.sessions().remove(0);
    wait_until("Claude's session is noted", || {
        json(&repo.session(&id).join("session.json"))["claude_session"].is_string()
    });
    running.kill();
    let status = world.status(&repo);
    assert_ne!(status["running"][0]["state"], "running", "{status:#}");
    // The container that nobody waits for is replaced.
    let first = container_of(&repo);
    fs::remove_file(repo.session(&id).join("storage/here")).unwrap();
    let again = world.begin_run(&[&repo], 1);
    assert_ne!(container_of(&repo), first);
    repo.let_go();
    let _ = again.end().ok();
    finish(&world, &repo);
    assert_answered_once(&world, &repo, &letter, false);
    let answer = world.answers(&repo, 2).remove(1);
    for sentence in [
        "resumed=11111111-2222-4333-8444-555555555555",
        "was interrupted before you could answer",
        "interrupted once on our side, and was continued",
    ] {
        assert!(answer.text().contains(sentence), "{}", answer.text());
    }

    let storage = repo.session(&id).join("storage");
    fs::remove_file(storage.join("go")).unwrap();
    world.send(&repo, &Letter::reply(&repo.sender, &answer, &format!("do: say Half of it.\n{WAIT}")));
    world.take_in();
    for _ in 0..2 {
        fs::remove_file(storage.join("here")).unwrap();
        world.begin_run(&[&repo], 1).kill();
    }
    finish(&world, &repo);
    let last = world.answers(&repo, 3).remove(2);
    assert!(last.text().contains("was interrupted twice on our side"), "{}", last.text());
    assert_eq!(repo.task(&id, 2)["state"], "interrupted");
    let next = world.go_on(&repo, &last, "sh: echo resumed=$resumed");
    assert!(next.text().contains("resumed=11111111"), "{}", next.text());
}

#[test]
fn a_reply_killed_at_any_time_is_sent_again_only_as_the_same_mail() {
    let world = World::with_containers();
    let repo = world.repo(&obedient());
    let mut letters = Vec::new();
    let out = repo.reply_maildir.clone();
    for part in 0..10 {
        letters.push(send(&world, &repo));
        world.take_in();
        let _ = world.run(&["run"]).ok();
        let sent = names(&out.join("new")).len();
        match part {
            // Written out, and perhaps not yet noted as sent.
            8 => kill_when(&world, &["reply"], || !names(&out.join("tmp")).is_empty()),
            9 => kill_when(&world, &["reply"], || names(&out.join("new")).len() > sent),
            _ => kill_after(&world, &["reply"], 500 + 2_500 * part),
        }
    }
    finish(&world, &repo);
    for letter in &letters {
        assert_answered_once(&world, &repo, letter, true);
    }
    assert_eq!(runs(&repo), vec![1; letters.len()]);
}

#[test]
fn a_fetch_from_the_real_mail_server_killed_at_any_time_takes_each_mail_once() {
    let world = World::with_containers();
    let repo = world.repo(&crate::support::world::Setup { way: Way::Server, ..obedient() });
    let letters: Vec<_> = (0..4).map(|_| send(&world, &repo)).collect();
    for part in 0..6 {
        kill_after(&world, &["fetch"], 5_000 + 20_000 * part);
    }
    let _ = world.run(&["fetch"]).ok();
    assert_eq!(crate::support::mailserver::mail_server().mailbox(&repo.user).count(), 0);
    finish(&world, &repo);
    world.answers(&repo, 2 * letters.len());
    for letter in &letters {
        assert_answered_once(&world, &repo, letter, false);
    }
    assert_eq!(runs(&repo), vec![1; letters.len()]);
}

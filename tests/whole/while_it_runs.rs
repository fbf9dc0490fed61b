//! What can be seen and done while an agent is at work.

use crate::support::letter::Letter;
use crate::support::world::World;
use crate::whole::steps::{WAIT, container_of, names, obedient};
use std::fs;
use std::io::{BufRead as _, BufReader};

#[test]
fn events_are_on_disk_as_they_come_and_can_be_followed() {
    let world = World::with_containers();
    let repo = world.repo(&obedient());
    let body = format!("do: say The first thing.\n{WAIT}\ndo: say The second thing.");
    world.send(&repo, &world.letter(&repo, "Hello", &body));
    world.take_in();
    let running = world.begin_run(&[&repo], 1);
    let id = repo.sessions().remove(0);
    let mut follow = world.begin(&["session", "log", "--follow", &id]);
    let mut lines = BufReader::new(follow.0.stdout.take().unwrap()).lines();
    assert_eq!(lines.next().unwrap().unwrap(), "The first thing.");
    let status = world.status(&repo);
    assert_eq!(status["running"][0]["task"], format!("{id}.1"), "{status:#}");
    assert_eq!(status["running"][0]["state"], "running");
    let told = world.run(&["status"]).ok().stdout;
    assert!(told.contains("running:") && told.contains(&repo.sender), "{told}");
    repo.let_go();
    assert_eq!(lines.next().unwrap().unwrap(), "The second thing.");
    let rest: Vec<_> = lines.map(Result::unwrap).collect();
    assert!(rest.last().unwrap().contains("2 turns"), "{rest:?}");
    let _ = running.end().ok();
}

#[test]
fn a_run_can_be_stopped_and_its_sender_hears_what_there_was() {
    let world = World::with_containers();
    let repo = world.repo(&obedient());
    world.send(&repo, &world.letter(&repo, "Hello", &format!("do: say Half of it.\n{WAIT}")));
    world.take_in();
    let running = world.begin_run(&[&repo], 1);
    let id = repo.sessions().remove(0);
    assert_eq!(world.run(&["session", "stop", &id]).ok().stdout, format!("{}:{id}.1\n", repo.name));
    let _ = running.end().ok();
    assert_eq!(container_of(&repo), "");
    assert_eq!(repo.task(&id, 1)["state"], "stopped");
    world.cycle();
    let answer = world.answers(&repo, 2).remove(1);
    assert!(answer.text().contains("was stopped"), "{}", answer.text());
    assert!(answer.text().contains("Half of it."), "{}", answer.text());
    let again = world.run(&["session", "stop", &id]).exit(1);
    assert!(again.stderr.contains("nothing of session"), "{}", again.stderr);
    let next = world.go_on(&repo, &answer, "sh: echo resumed=$resumed");
    assert!(next.text().contains("resumed=11111111"), "{}", next.text());
    let unknown = world.run(&["session", "stop", "00000000"]).exit(1);
    assert!(unknown.stderr.contains("there is no session"), "{}", unknown.stderr);
}

#[test]
fn mails_to_a_busy_conversation_wait_and_become_one_next_task_in_order() {
    let world = World::with_containers();
    let repo = world.repo(&obedient());
    let first = world.ask(&repo, "sh: echo first");
    let id = first.session().unwrap();
    world.send(&repo, &Letter::reply(&repo.sender, &first, &format!("{WAIT}\nsh: echo second")));
    world.take_in();
    let running = world.begin_run(&[&repo], 1);
    for word in ["third", "fourth", "fifth"] {
        world.send(&repo, &Letter::reply(&repo.sender, &first, &format!("sh: echo {word}")));
        world.take_in();
    }
    assert_eq!(repo.queued("ready"), [format!("{id}.3")]);
    repo.let_go();
    // The process that was busy with the conversation goes on with what came meanwhile.
    let moved = running.end().ok().stdout;
    assert_eq!(moved, format!("{0}:{id}.2\n{0}:{id}.3\n", repo.name));
    world.cycle();
    let answers = world.answers(&repo, 4);
    assert_eq!(answers.len(), 4);
    assert!(answers[2].text().contains("second"), "{}", answers[2].text());
    assert!(answers[3].text().contains("third\nfourth\nfifth"), "{}", answers[3].text());
    assert_eq!(repo.task(&id, 3)["messages"].as_array().unwrap().len(), 3);
    repo.assert_nothing_waits();
}

#[test]
fn three_mails_and_three_cycles_at_once_come_to_three_answers() {
    let world = World::with_containers();
    let repo = world.repo(&obedient());
    for word in ["one", "two", "three"] {
        world.send(
            &repo,
            &world.letter(&repo, "Hello", &format!("sh: echo {word}\ndo: echo x >>/storage/runs")),
        );
    }
    let cycles = [(); 3].map(|()| world.begin(&["cycle"]));
    for cycle in cycles {
        let _ = cycle.end().ok();
    }
    world.cycle();
    let answers = world.answers(&repo, 6);
    assert_eq!(answers.len(), 6);
    for word in ["one", "two", "three"] {
        let mine = answers.iter().filter(|answer| answer.text().lines().any(|line| line == word));
        assert_eq!(mine.count(), 1, "{word}");
    }
    for id in repo.sessions() {
        assert_eq!(fs::read_to_string(repo.session(&id).join("storage/runs")).unwrap(), "x\n");
    }
    repo.assert_nothing_waits();
}

#[test]
fn a_changed_configuration_holds_for_the_next_step_and_a_broken_one_leaves_what_runs_alone() {
    let world = World::with_containers();
    let repo = world.repo(&obedient());
    world.send(&repo, &world.letter(&repo, "Hello", &format!("{WAIT}\nsh: echo whole")));
    world.take_in();
    let running = world.begin_run(&[&repo], 1);
    let sound = fs::read_to_string(world.config()).unwrap();
    fs::write(world.config(), format!("max_concurent = 1\n{sound}")).unwrap();
    let told = world.run(&["status"]).exit(78).stderr;
    assert!(told.contains("airut.toml:1:") && told.contains("max_concurent"), "{told}");
    repo.let_go();
    let _ = running.end().ok();
    fs::write(world.config(), sound.replace("Airut <", "The New Name <")).unwrap();
    world.cycle();
    let answer = world.answers(&repo, 2).remove(1);
    assert!(answer.text().contains("whole"), "{}", answer.text());
    assert!(answer.header("From").unwrap().contains("The New Name"));
}

#[test]
fn a_run_that_is_told_to_end_leaves_its_task_to_the_next_which_continues_it() {
    let world = World::with_containers();
    let repo = world.repo(&obedient());
    let toml = fs::read_to_string(world.config()).unwrap();
    fs::write(world.config(), format!("shutdown_timeout = 1\n{toml}")).unwrap();
    let body =
        format!("do: echo x >>/storage/runs\n{WAIT}\nsh: echo resumed=$resumed; echo \"$prompt\" | head -1");
    world.send(&repo, &world.letter(&repo, "Hello", &body));
    world.take_in();
    let running = world.begin_run(&[&repo], 1);
    let pid = rustix::process::Pid::from_child(&running.0);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    let _ = running.end().ok();
    let id = repo.sessions().remove(0);
    assert_eq!(container_of(&repo), "");
    assert_eq!(repo.queued("ready"), [format!("{id}.1")]);
    repo.let_go();
    world.cycle();
    let answer = world.answers(&repo, 2).remove(1);
    assert!(answer.text().contains("resumed=11111111"), "{}", answer.text());
    assert!(answer.text().contains("was interrupted before you could answer"), "{}", answer.text());
    // It was asked to end: nothing went wrong that the sender should read of.
    assert!(!answer.text().contains("interrupted once on our side"), "{}", answer.text());
    assert_eq!(names(&repo.session(&id).join("tasks")), ["1"]);
}

#[test]
fn a_mail_of_one_word_stops_what_runs_and_is_answered_at_once() {
    let world = World::with_containers();
    let repo = world.repo(&obedient());
    world.send(&repo, &world.letter(&repo, "Hello", &format!("do: say Half of it.\n{WAIT}")));
    world.take_in();
    let running = world.begin_run(&[&repo], 1);
    let _ = world.run(&["reply"]).ok();
    let acknowledged = world.answers(&repo, 1).remove(0);
    for (word, told) in [("/status", "opus is working, since"), ("Stop.", "is being stopped")] {
        world.send(&repo, &Letter::reply(&repo.sender, &acknowledged, word));
        world.take_in();
        let _ = world.run(&["reply"]).ok();
        let answer = world.answers(&repo, 0).pop().unwrap();
        assert!(answer.text().contains(told), "{word}: {}", answer.text());
    }
    let _ = running.end().ok();
    world.cycle();
    let answer = world.answers(&repo, 4).remove(3);
    assert!(
        answer.text().contains("was stopped") && answer.text().contains("Half of it."),
        "{}",
        answer.text()
    );
    let next = world.go_on(&repo, &answer, "/model sonnet\nsh: echo $model resumed=$resumed");
    assert!(next.text().contains("sonnet resumed=11111111"), "{}", next.text());
    let account = crate::whole::steps::json(&repo.storage.join("accounts/repo.json"));
    assert_eq!(
        (&account["day"]["mails"], &account["day"]["cost_usd"]),
        (&4.into(), &0.25.into()),
        "{account:#}"
    );
}

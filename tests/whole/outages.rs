//! Claude's API does not answer, or what runs is ended from outside: the work goes on by itself, and nothing is lost.

use crate::support::api::say;
use crate::support::images::containers;
use crate::support::letter::Letter;
use crate::support::world::{Setup, World};
use crate::whole::steps::{container_of, obedient, wait_until};
use std::fs;

/// Once fails with these keys of a `result` event, having said something.
fn fails_once(keys: &str, then: &str) -> String {
    let result = format!(r#"{{"type":"result","is_error":true,"total_cost_usd":0.5,{keys}}}"#);
    format!(
        "do: [ -e /storage/went ] || {{ touch /storage/went; echo x >/outbox/early; say Half.; echo '{result}'; exit 1; }}\n{then}"
    )
}

#[test]
fn a_task_that_claudes_api_keeps_from_going_on_waits_is_told_of_once_and_goes_on_in_its_conversation() {
    let world = World::with_containers();
    let repo = world.repo(&obedient());
    let reset = jiff::Timestamp::now().as_second() + 7_200;
    let limit = format!(r#""api_error_status":429,"result":"Claude AI usage limit reached|{reset}""#);
    let body = fails_once(&limit, "sh: echo resumed=$resumed; echo \"$prompt\" | head -1");
    world.send(&repo, &world.letter(&repo, "Hello", &body));
    let ran = world.cycle();
    assert!(ran.stderr.contains("it waits until"), "{}", ran.stderr);

    let answers = world.answers(&repo, 2);
    assert_eq!(answers.len(), 2, "an acknowledgement and one word that it waits");
    let told = &answers[1];
    let id = answers[0].session().unwrap();
    assert_eq!(told.session().unwrap(), id);
    assert!(told.text().contains("The usage limit at Claude is reached"), "{}", told.text());
    let references = told.header("References").unwrap();
    assert!(references.contains(&told.header("In-Reply-To").unwrap()), "{references}");
    let (task, status) = (repo.task(&id, 1), world.status(&repo));
    assert_eq!((task["state"].as_str(), task["parked"]["times"].as_u64()), (Some("ready"), Some(1)));
    assert_eq!(status["parked"], 1, "{status:#}");
    let until: jiff::Timestamp = status["deferred"][0]["until"].as_str().unwrap().parse().unwrap();
    assert!((reset..reset + 61).contains(&until.as_second()), "{until}");
    let shown = world.run(&["status"]).ok().stdout;
    assert!(shown.contains("waiting for Claude's API") && shown.contains("usage limit reached"), "{shown}");

    // A reply to the word that it waits does not overtake what waits.
    world.send(&repo, &Letter::reply(&repo.sender, told, "sh: echo the second"));
    let _ = world.cycle();
    assert_eq!(repo.queued("deferred/ready").len(), 2);
    assert_eq!(repo.sessions().len(), 1, "it found its conversation");
    assert_eq!(world.answers(&repo, 2).len(), 2);

    repo.wake("ready");
    let task_file = repo.session(&id).join("tasks/1/task.json");
    let past = fs::read_to_string(&task_file).unwrap().replace(&until.to_string(), "2026-01-01T00:00:00Z");
    fs::write(&task_file, past).unwrap();
    let _ = world.cycle();
    let answers = world.answers(&repo, 4);
    assert_eq!(answers.len(), 4);
    assert!(answers[2].text().contains("resumed=11111111"), "{}", answers[2].text());
    assert!(answers[2].text().contains("had to wait for Claude's API"), "{}", answers[2].text());
    assert_eq!(answers[2].attachments().len(), 1, "what it had put into the outbox before");
    assert!(answers[3].text().contains("the second"), "{}", answers[3].text());
    assert_eq!(repo.task(&id, 1)["cost_usd"], 0.75);
    repo.assert_nothing_waits();
}

#[test]
fn an_overload_that_does_not_end_is_told_once_and_at_last_fails_with_its_reason() {
    let world = World::with_containers();
    let repo = world.repo(&obedient());
    let result =
        r#"{"type":"result","is_error":true,"api_error_status":529,"result":"API Error: 529 Overloaded."}"#;
    world.send(&repo, &world.letter(&repo, "Hello", &format!("do: echo '{result}'; exit 1")));
    let _ = world.cycle();
    repo.wake("ready");
    let _ = world.cycle();
    assert_eq!(world.answers(&repo, 2).len(), 2, "told once");
    let id = &repo.sessions()[0];
    assert_eq!(repo.task(id, 1)["parked"]["times"], 2);
    // As after a day of it.
    let file = repo.session(id).join("tasks/1/task.json");
    let text = fs::read_to_string(&file).unwrap().replace("\"times\": 2", "\"times\": 24");
    fs::write(&file, text).unwrap();
    repo.wake("ready");
    let _ = world.cycle();
    let answers = world.answers(&repo, 3);
    assert!(answers[2].text().contains("API Error: 529 Overloaded."), "{}", answers[2].text());
    assert_eq!(repo.task(id, 1)["failure"]["reason"], "execution");
    repo.assert_nothing_waits();
}

#[test]
fn a_container_that_is_killed_from_outside_goes_on_once_in_the_same_conversation() {
    let world = World::with_containers();
    let repo = world.repo(&obedient());
    let wait = "do: say First words.; touch /storage/here; [ -n \"$resumed\" ] || sleep 1000";
    world.send(
        &repo,
        &world.letter(
            &repo,
            "Hello",
            &format!("{wait}\nsh: echo resumed=$resumed; echo \"$prompt\" | head -1"),
        ),
    );
    world.take_in();
    let running = world.begin_run(&[&repo], 1);
    containers().run(&["kill", &container_of(&repo)]);
    let _ = running.end().ok();
    let _ = world.run(&["reply"]).ok();
    let answers = world.answers(&repo, 2);
    let text = answers[1].text();
    assert!(text.contains("resumed=11111111") && text.contains("was interrupted once on our side"), "{text}");
    assert!(text.contains("ended from outside"), "{text}");
    assert_eq!(container_of(&repo), "");
    repo.assert_nothing_waits();
}

#[test]
fn an_agent_that_is_killed_twice_goes_on_once_and_then_all_that_it_had_said_is_sent() {
    let world = World::with_containers();
    let repo = world.repo(&obedient());
    // As the kernel ends it when its memory is spent.
    let body = "do: echo run >>/storage/runs; say Words before it.; kill -KILL $$";
    let answer = world.ask(&repo, body);
    let said = "interrupted twice on our side, so the answer below is not finished";
    assert!(answer.text().contains(said) && !answer.text().contains("once"), "{}", answer.text());
    assert_eq!(answer.text().matches("Words before it.").count(), 2, "{}", answer.text());
    let id = answer.session().unwrap();
    assert_eq!(fs::read_to_string(repo.session(&id).join("storage/runs")).unwrap(), "run\nrun\n");
    assert_eq!(repo.task(&id, 1)["interruptions"], 1);
    wait_until("the container is gone", || container_of(&repo).is_empty());
}

#[test]
fn an_agent_that_goes_beyond_its_memory_goes_on_once_and_then_its_sender_hears_why() {
    let world = World::with_containers();
    let mut setup = obedient();
    setup.tables = "[repos.NAME.container]\nmemory = \"64m\"\n".to_owned();
    let repo = world.repo(&setup);
    // Where this machine gives a container no limit, as to the ordinary user's with control groups of version 1, it ends
    // itself as the kernel would have ended it.
    let body = "do: echo \"$prompt\" | head -1 >>/storage/runs; say Words before it.; \
        cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/memory/memory.limit_in_bytes >/storage/limit; \
        grep -qx 67108864 /storage/limit || kill -KILL $$; a=0123456789abcdef; while :; do a=$a$a; done";
    let answer = world.ask(&repo, body);
    let (text, id) = (answer.text(), answer.session().unwrap());
    let storage = repo.session(&id).join("storage");
    let runs = fs::read_to_string(storage.join("runs")).unwrap();
    assert_eq!(runs.lines().count(), 2, "{runs}");
    assert_eq!(text.matches("Words before it.").count(), 2, "{text}");
    let is_limited = fs::read_to_string(storage.join("limit")).unwrap().contains("67108864");
    if is_limited {
        assert!(runs.contains("it ran out of the memory that its container has"), "{runs}");
        assert!(text.contains("ran out of memory, also when it was taken up again"), "{text}");
        assert_eq!(repo.task(&id, 1)["failure"]["reason"], "out_of_memory");
    } else {
        assert!(text.contains("interrupted twice"), "{text}");
    }
    repo.assert_nothing_waits();
    let next = world.go_on(&repo, &answer, "sh: echo resumed=$resumed");
    assert!(next.text().contains("resumed=11111111"), "{}", next.text());
}

#[test]
fn a_usage_limit_of_the_real_claude_code_is_waited_for_and_its_conversation_goes_on() {
    let world = World::with_containers();
    let api = world.api();
    let mut setup = Setup::claude(&api);
    // Whoever pays by subscription signs in so; only then the API names the time.
    let yaml = "default_model: opus\ntimeout: 240\ncontainer_env:\n  CLAUDE_CODE_OAUTH_TOKEN: !secret ANTHROPIC_API_KEY\n";
    setup.file(".airut/airut.yaml", yaml);
    let repo = world.repo(&setup);
    let first = world.ask(&repo, &say("The parcel is in the attic."));
    let reset = jiff::Timestamp::now().as_second() + 3_600;
    api.limit_until(reset);
    world.send(&repo, &Letter::reply(&repo.sender, &first, "How long have we talked? [[history]]"));
    let _ = world.cycle();
    let told = world.answers(&repo, 3).remove(2);
    assert!(told.text().contains("The usage limit at Claude is reached"), "{}", told.text());
    let until: jiff::Timestamp =
        world.status(&repo)["deferred"][0]["until"].as_str().unwrap().parse().unwrap();
    assert!((reset..=reset + 61).contains(&until.as_second()), "{until}");

    api.limit_until(0);
    repo.wake("ready");
    let _ = world.cycle();
    let answer = world.answers(&repo, 4).remove(3);
    // Two before, the question that had to wait, what Claude Code said of the limit, and the question again.
    assert!(
        answer.text().contains("began: ") && !answer.text().contains("has 1 messages"),
        "{}",
        answer.text()
    );
    assert_eq!(answer.session(), first.session());
    repo.assert_nothing_waits();
}

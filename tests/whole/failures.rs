//! Whatever goes wrong, the sender hears of it in one plain sentence, and the operator can see why.

use crate::support::api::run;
use crate::support::images::BUSYBOX;
use crate::support::letter::Answer;
use crate::support::world::{KEY, Repo, Setup, World};
use crate::whole::steps::{AGENT, container_of, names, obedient};
use std::fs;

fn assert_told(repo: &Repo, answer: &Answer, reason: &str, sentence: &str) {
    let id = answer.session().unwrap();
    let last = names(&repo.session(&id).join("tasks")).len();
    let task = repo.task(&id, u32::try_from(last).unwrap());
    assert_eq!(task["failure"]["reason"], reason, "{task:#}");
    assert!(answer.text().contains(sentence), "{}", answer.text());
    // Nothing of the host or of the program's insides.
    for word in ["panicked", "backtrace", "src/", repo.storage.to_str().unwrap(), KEY] {
        assert!(!answer.text().contains(word), "{word}: {}", answer.text());
    }
}

#[test]
fn what_is_wrong_in_the_repository_is_told_and_is_over_with_the_next_mail_once_it_is_mended() {
    let world = World::with_containers();
    let repo = world.repo(&obedient());
    let config = ".airut/airut.yaml";
    let (missing, dockerfile) = ("container_env:\n  X: !secret NOT_THERE\n", ".airut/container/Dockerfile");
    let copy = format!("FROM {BUSYBOX}\nCOPY not-there /\n");
    let mut last = world.ask(&repo, "sh: echo well");
    for (file, broken, reason, sentence) in [
        (config, "timeout: soon\n", "configuration", "`.airut` directory could not be used"),
        (config, "timeot: 60\n", "configuration", "timeot"),
        (config, "container_env:\n  X: !env HOME\n", "configuration", "!env"),
        (config, "network:\n  sandbox_enabled: false\n", "configuration", "operator of this address"),
        (config, missing, "missing_secret", "the secret `NOT_THERE`"),
        (".airut/network-allowlist.yaml", "domains: {\n", "configuration", "network-allowlist.yaml"),
        (dockerfile, &copy, "image", "could not be built"),
    ] {
        let before = fs::read_to_string(repo.session(&last.session().unwrap()).join("workspace").join(file));
        world.commit(&repo, &[(file.to_owned(), broken.to_owned())]);
        last = world.go_on(&repo, &last, "sh: echo unreachable");
        assert_told(&repo, &last, reason, sentence);
        world.commit(&repo, &[(file.to_owned(), before.unwrap())]);
    }
    let mended = world.go_on(&repo, &last, "sh: echo well again");
    assert!(mended.text().contains("well again"), "{}", mended.text());
    repo.assert_nothing_waits();
}

#[test]
fn a_repository_without_an_allowlist_runs_nothing_and_says_so() {
    let world = World::with_containers();
    let mut setup = obedient();
    setup.files.retain(|(path, _)| path != ".airut/network-allowlist.yaml");
    let repo = world.repo(&setup);
    let answer = world.ask(&repo, "sh: echo unreachable");
    assert_told(&repo, &answer, "configuration", "network-allowlist.yaml");
}

#[test]
fn a_repository_that_cannot_be_fetched_is_told_at_once_and_the_reply_goes_on_when_it_is_back() {
    let world = World::with_containers();
    let repo = world.repo(&obedient());
    let away = world.path("away.git");
    fs::rename(&repo.remote, &away).unwrap();
    world.send(&repo, &world.letter(&repo, "Hello", "sh: cat README.md"));
    world.cycle();
    let answers = world.answers(&repo, 1);
    assert_eq!(answers.len(), 1, "no acknowledgement of what is not begun");
    assert_told(&repo, &answers[0], "clone", "could not be fetched");
    fs::rename(&away, &repo.remote).unwrap();
    let next = world.go_on(&repo, &answers[0], "sh: cat README.md");
    assert!(next.text().contains("A test repository."), "{}", next.text());
    // Away again: the mirror does not stand in for it.
    fs::rename(&repo.remote, &away).unwrap();
    let last = world.go_on(&repo, &next, "sh: cat README.md");
    assert_told(&repo, &last, "clone", "could not be fetched");
}

#[test]
fn an_agent_that_ends_badly_or_says_nothing_that_can_be_read_is_told_of() {
    let world = World::with_containers();
    let repo = world.repo(&obedient());
    let mut last = world.ask(&repo, "do: say I began.; exit 3");
    assert_told(&repo, &last, "execution", "could not finish");
    assert!(last.text().contains("I began."), "{}", last.text());
    let error = r#"do: echo '{"type":"result","is_error":true,"result":"It hurts."}'; exit 1"#;
    for (body, reason, sentence) in [
        // An exit code alone is no success, nor are words without one, nor a result that is an error.
        ("do: say Well.; exit 0", "execution", "could not finish"),
        (error, "execution", "It hurts."),
        // Seen from outside, that is as if its container were ended: it is continued, and does it again.
        ("do: kill -KILL $$", "interrupted", "interrupted twice"),
    ] {
        last = world.go_on(&repo, &last, body);
        assert_told(&repo, &last, reason, sentence);
    }
    assert!(world.go_on(&repo, &last, "sh: echo well again").text().contains("well again"));
}

#[test]
fn a_run_that_takes_too_long_is_ended_and_what_it_said_so_far_is_sent() {
    let world = World::with_containers();
    let mut setup = obedient();
    setup.file(".airut/airut.yaml", "timeout: 10\n");
    let repo = world.repo(&setup);
    let answer = world.ask(&repo, "do: say So far so good.; echo x >/outbox/x; sleep 1000");
    assert_told(&repo, &answer, "timeout", "10 seconds, ran out, so the answer below is not finished");
    assert!(answer.text().contains("So far so good."), "{}", answer.text());
    assert_eq!(answer.attachments().len(), 1);
    assert_eq!(repo.task(&answer.session().unwrap(), 1)["state"], "timed_out");
    assert_eq!(container_of(&repo), "");
    let next = world.go_on(&repo, &answer, "sh: echo resumed=$resumed");
    assert!(next.text().contains("resumed=11111111"), "{}", next.text());
}

#[test]
fn an_error_of_claudes_api_is_told_in_its_words_and_the_next_mail_is_answered() {
    let world = World::with_containers();
    let api = world.api();
    let repo = world.repo(&Setup::claude(&api));
    let answer = world.ask(&repo, "[[err413]]");
    assert_told(&repo, &answer, "execution", "Claude Code could not finish this task.");
    let next = world.go_on(&repo, &answer, &run("echo well again"));
    assert!(next.text().contains("well again"), "{}", next.text());
}

/// A repository whose answers leave by a program that ends with what stands in a file.
fn with_sendmail(world: &World) -> Repo {
    let repo = world.repo(&Setup::stand_in(AGENT));
    let sendmail = world.path("sendmail");
    let to = repo.reply_maildir.join("new");
    let script = format!(
        "#!/bin/sh\ncat >{0}/sent.$$\nread -r code <{1}\n[ \"$code\" = 0 ] && mv {0}/sent.$$ {2}/\nexit \"$code\"\n",
        world.path("tmp").display(),
        world.path("code").display(),
        to.display()
    );
    fs::write(&sendmail, script).unwrap();
    fs::set_permissions(&sendmail, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let toml = fs::read_to_string(world.config()).unwrap();
    let maildir = format!("reply_maildir = \"{}\"", repo.reply_maildir.display());
    let toml = toml.replace(&maildir, &format!("sendmail = \"{}\"", sendmail.display()));
    fs::write(world.config(), toml).unwrap();
    repo
}

#[test]
fn an_answer_that_cannot_be_sent_now_is_sent_later_as_the_same_mail_and_nothing_runs_again() {
    let world = World::with_containers();
    let repo = with_sendmail(&world);
    fs::write(world.path("code"), "75\n").unwrap();
    world.send(&repo, &world.letter(&repo, "Hello", "do: echo run >>/storage/runs"));
    let ran = world.run(&["cycle"]).exit(75);
    assert!(ran.stderr.contains("waits 1 min for its next attempt"), "{}", ran.stderr);
    let id = &repo.sessions()[0];
    let task = repo.task(id, 1);
    assert_eq!(task["state"], "done");
    assert_eq!(task["reply"]["state"], "pending");
    assert_eq!(world.status(&repo)["deferred"].as_array().unwrap().len(), 2);

    fs::write(world.path("code"), "0\n").unwrap();
    let _ = world.run(&["reply"]).ok();
    assert_eq!(world.answers(&repo, 0).len(), 0, "before its time");
    let deferred = repo.storage.join("queue/deferred/finished");
    for name in names(&deferred) {
        let (_, rest) = name.split_once('.').unwrap();
        fs::rename(deferred.join(&name), deferred.join(format!("1.{rest}"))).unwrap();
    }
    let _ = world.run(&["reply"]).ok();
    let answers = world.answers(&repo, 2);
    assert_eq!(answers.len(), 2);
    let message_id = task["reply"]["message_id"].as_str().unwrap();
    assert!(answers.iter().any(|answer| answer.header("Message-ID").unwrap() == message_id));
    assert_eq!(fs::read_to_string(repo.session(id).join("storage/runs")).unwrap(), "run\n");
    repo.assert_nothing_waits();
}

#[test]
fn an_answer_that_nobody_takes_is_undeliverable_and_the_operator_sees_it() {
    let world = World::with_containers();
    let repo = with_sendmail(&world);
    fs::write(world.path("code"), "67\n").unwrap();
    world.send(&repo, &world.letter(&repo, "Hello", "sh: echo hello"));
    let ran = world.run(&["cycle"]).exit(3);
    assert!(ran.stderr.contains("cannot be delivered"), "{}", ran.stderr);
    repo.assert_nothing_waits();
    let status = world.status(&repo);
    assert_eq!(status["rejected"], 2, "{status:#}");
    assert_eq!(status["recent"][0]["reply"], "undeliverable", "{status:#}");
    // Once: it does not come back.
    world.cycle();
}

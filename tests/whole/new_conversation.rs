//! The first mail of a conversation.

use crate::support::api::say;
use crate::support::letter::Letter;
use crate::support::world::{KEY, Setup, World};
use crate::whole::steps::{names, obedient};
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::Stdio;

#[test]
fn a_mail_is_acknowledged_then_answered_by_the_real_claude_code_in_its_thread() {
    let world = World::with_containers();
    let api = world.api();
    let repo = world.repo(&Setup::claude(&api));
    let letter = world.letter(&repo, "Grüße", &format!("Please say it. {}", say("It is *said*.")));
    world.send(&repo, &letter);

    let fetched = world.run(&["fetch"]).ok().stdout;
    let authorized = world.run(&["authorize"]).ok().stdout;
    assert_eq!(fetched, authorized);
    assert!(fetched.starts_with(&format!("{}:", repo.name)), "{fetched}");
    let ready = world.run(&["session", "open"]).ok().stdout;
    assert_eq!(ready, format!("{}:{}.1\n", repo.name, repo.sessions()[0]));
    let _ = world.run(&["reply"]).ok();
    let acknowledgement = world.answers(&repo, 1).remove(0);
    assert_eq!(world.run(&["run"]).ok().stdout, ready);
    assert_eq!(world.run(&["reply"]).ok().stdout, ready);
    let answer = world.answers(&repo, 2).remove(1);
    assert!(acknowledgement.text().contains("opus is working on it"), "{}", acknowledgement.text());
    assert!(answer.text().contains("It is _said_."), "{}", answer.text());
    assert!(answer.html().unwrap().contains("<em>said</em>"));

    let session = &repo.sessions()[0];
    assert!(session.len() == 8 && session.bytes().all(|byte| b"0123456789abcdef".contains(&byte)));
    let id = format!("<{}>", letter.message_id);
    for mail in [&acknowledgement, &answer] {
        assert_eq!(mail.header("Subject").unwrap(), format!("Re: [ID:{session}] Grüße"));
        assert_eq!(mail.header("In-Reply-To").unwrap(), id);
        assert!(mail.header("References").unwrap().contains(&id));
        assert_eq!(mail.header("Auto-Submitted").unwrap(), "auto-replied");
        assert!(mail.header("From").unwrap().contains(&repo.address));
        assert_eq!(mail.header("To").unwrap(), repo.sender);
    }
    assert_ne!(acknowledgement.header("Message-ID"), answer.header("Message-ID"));
    repo.assert_nothing_waits();
    assert_eq!(world.answers(&repo, 2).len(), 2);

    // It reached the API through the proxy, by its name, with its key.
    let seen = api.seen();
    assert!(seen.iter().any(|seen| seen.word == "say" && seen.key.as_deref() == Some(KEY)), "{seen:?}");
    let log = fs::read_to_string(repo.session(session).join("network-sandbox.log")).unwrap();
    assert!(log.contains(" ALLOWED POST https://api.anthropic.com/v1/messages"), "{log}");
    assert_eq!(repo.task(session, 1)["state"], "done");
}

#[test]
fn the_steps_work_as_one_pipe() {
    let world = World::with_containers();
    let repo = world.repo(&obedient());
    world.send(&repo, &world.letter(&repo, "Hello", "sh: echo through the pipe"));
    let airut = world.airut(&[]);
    let program = airut.get_program().to_str().unwrap();
    let pipe = "\"$0\" fetch | \"$0\" authorize - | \"$0\" session open - | \"$0\" run - | \"$0\" reply -";
    let output = world.command("sh").args(["-c", pipe, program]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(world.answers(&repo, 2)[1].text().contains("through the pipe"));
    repo.assert_nothing_waits();
}

#[test]
fn a_mail_can_come_by_a_pipe_and_its_answer_leave_by_a_sendmail_program() {
    let world = World::with_containers();
    let repo = world.repo(&obedient());
    let sendmail = world.path("sendmail");
    let script = format!("#!/bin/sh\n{{ echo \"$@\"; cat; }} >>{}/sent\n", world.path("tmp").display());
    fs::write(&sendmail, script).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(&sendmail, mode).unwrap();
    let toml = fs::read_to_string(world.config()).unwrap();
    let mail = toml.split("\nmaildir = ").next().unwrap();
    fs::write(world.config(), format!("{mail}\nsendmail = \"{}\"\n", sendmail.display())).unwrap();

    let mut bytes =
        b"Authentication-Results: mx.example.com; dmarc=pass header.from=example.com\r\n".to_vec();
    bytes.extend(world.letter(&repo, "Hello", "sh: echo piped in").bytes());
    let mut child = world.airut(&["fetch", "--stdin"]).stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(&bytes).unwrap();
    assert!(child.wait().unwrap().success());
    world.cycle();
    let sent = fs::read_to_string(world.path("tmp/sent")).unwrap();
    // The acknowledgement, which nothing ever comes back for, and the answer.
    assert!(sent.starts_with(&format!("-i -f <> -- {}\n", repo.sender)), "{sent}");
    assert!(sent.contains(&format!("\n-i -f {} -- {}\n", repo.address, repo.sender)), "{sent}");
    assert!(sent.contains("piped in"), "{sent}");
}

#[test]
fn the_workspace_is_the_default_branch_as_it_is_now_and_shares_nothing() {
    let world = World::with_containers();
    let repo = world.repo(&obedient());
    let first = world.ask(&repo, "sh: ls");
    assert!(first.text().contains("README.md") && !first.text().contains("NEW.md"), "{}", first.text());
    world.commit(&repo, &[("NEW.md".to_owned(), "pushed between\n".to_owned())]);
    let second = world.ask(&repo, "sh: cat NEW.md");
    assert!(second.text().contains("pushed between"), "{}", second.text());
    assert_ne!(first.session(), second.session());

    let git = repo.session(&second.session().unwrap()).join("workspace/.git");
    let config = fs::read_to_string(git.join("config")).unwrap();
    assert!(config.contains(&format!("url = file://{}", repo.remote.display())), "{config}");
    assert!(fs::read_to_string(git.join("HEAD")).unwrap().contains("refs/heads/main"));
    assert!(!git.join("objects/info/alternates").exists());
    fn files(dir: &Path) -> Vec<std::path::PathBuf> {
        let paths = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
        paths.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
    }
    let objects = files(&git.join("objects"));
    assert!(!objects.is_empty());
    assert!(objects.iter().all(|path| fs::metadata(path).unwrap().nlink() == 1), "{objects:?}");
}

#[test]
fn the_prompt_tells_where_claude_is_and_has_the_subject_on_the_first_mail_only() {
    let world = World::with_containers();
    let repo = world.repo(&obedient());
    let letter = world.letter(&repo, "The blue door", "Please paint it.");
    let first = world.ask_with(&repo, &letter.attach("colours.txt", b"blue\n"));
    let _ = world.go_on(&repo, &first, "Now the frame.");
    let tasks = repo.session(&first.session().unwrap()).join("tasks");
    let prompt = fs::read_to_string(tasks.join("1/prompt.txt")).unwrap();
    for word in
        [&repo.address, "/inbox", "/outbox", "/workspace", "/storage", "last from one mail to the next"]
    {
        assert!(prompt.contains(word), "{word}: {prompt}");
    }
    for word in [&*repo.sender, "The blue door", "Please paint it.", "colours.txt"] {
        assert!(prompt.contains(word), "{word}: {prompt}");
    }
    let second = fs::read_to_string(tasks.join("2/prompt.txt")).unwrap();
    assert!(second.contains("Now the frame."), "{second}");
    assert!(!second.contains("The blue door") && !second.contains("Please paint it."), "{second}");
}

#[test]
fn the_address_picks_the_model_of_a_new_conversation_and_of_no_other() {
    let world = World::with_containers();
    let repo = world.repo(&obedient());
    let tagged = |tag: &str| repo.address.replace('@', &format!("+{tag}@"));
    let letter = Letter { to: tagged("haiku"), ..world.letter(&repo, "Hello", "sh: echo model=$model") };
    let first = world.ask_with(&repo, &letter);
    assert!(first.text().contains("model=haiku"), "{}", first.text());
    let reply = Letter::reply(&repo.sender, &first, "sh: echo model=$model");
    let second = world.go_on_with(&repo, &Letter { to: tagged("sonnet"), ..reply });
    assert!(second.text().contains("model=haiku"), "{}", second.text());
    assert!(second.text().contains("answered by haiku and not by sonnet"), "{}", second.text());
    let letter = Letter { to: tagged("--resume"), ..world.letter(&repo, "Hello", "sh: echo model=$model") };
    let third = world.ask_with(&repo, &letter);
    assert!(third.text().contains("model=opus"), "{}", third.text());
    assert!(third.text().contains("is not the name of a model"), "{}", third.text());
}

#[test]
fn a_subject_alone_is_a_request_and_an_empty_reply_is_answered_without_running_anything() {
    let world = World::with_containers();
    let repo = world.repo(&obedient());
    let letter = world.letter(&repo, "Count the files", "");
    let first = world.ask_with(&repo, &letter);
    let id = first.session().unwrap();
    let prompt = fs::read_to_string(repo.session(&id).join("tasks/1/prompt.txt")).unwrap();
    assert!(prompt.contains("Count the files"), "{prompt}");
    assert!(first.text().contains("Nothing was to be said."), "{}", first.text());
    let second = world.go_on(&repo, &first, "\n> Nothing was to be said.\n");
    assert!(second.text().contains("nothing to work on"), "{}", second.text());
    assert_eq!(repo.sessions(), std::slice::from_ref(&id));
    assert!(!names(&repo.session(&id).join("tasks/2")).contains(&"events.jsonl".to_owned()));
}

#[test]
fn a_request_by_hand_is_answered_to_whom_it_names() {
    let world = World::with_containers();
    let repo = world.repo(&obedient());
    fs::write(world.path("task.txt"), "sh: echo the nightly report\n").unwrap();
    let file = world.path("task.txt");
    let args = ["session", "new", "--prompt-file", file.to_str().unwrap(), "--subject", "Nightly"];
    let _ = world.run(&[&args[..], &["--to", &repo.sender]].concat()).ok();
    world.cycle();
    let answer = world.answers(&repo, 2).remove(1);
    assert!(answer.text().contains("the nightly report"), "{}", answer.text());
    assert!(answer.header("Subject").unwrap().ends_with("] Nightly"));
}

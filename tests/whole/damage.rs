//! Session directories with files missing or broken: said plainly, to the sender where there is one, and no other
//! session is harmed.

use crate::support::letter::Letter;
use crate::support::world::{Repo, World};
use crate::whole::steps::obedient;
use std::fs;

/// What can be wrong with a file.
const DAMAGES: [(&str, Option<&[u8]>); 4] = [
    ("missing", None),
    ("empty", Some(b"")),
    ("cut", Some(b"{\"format\": 1, \"id")),
    ("noise", Some(b"\xff\0\xfe")),
];

/// A session that waits to run, with one file replaced.
fn damaged(world: &World, repo: &Repo, file: &str, content: Option<&[u8]>) -> (String, Letter) {
    let known = repo.sessions();
    let letter = world.letter(repo, "Hello", "sh: echo ran");
    world.send(repo, &letter);
    world.take_in();
    let id = repo.sessions().into_iter().find(|id| !known.contains(id)).unwrap();
    let path = repo.session(&id).join(file);
    fs::remove_file(&path).unwrap();
    if let Some(content) = content {
        fs::write(&path, content).unwrap();
    }
    (id, letter)
}

#[test]
fn a_task_whose_files_are_damaged_is_not_run_and_its_sender_hears_of_it() {
    let world = World::with_containers();
    let repo = world.repo(&obedient());
    let mut cases = Vec::new();
    for file in ["session.json", "tasks/1/task.json", "tasks/1/prompt.txt"] {
        for (what, content) in DAMAGES {
            // A prompt is any text.
            if file != "tasks/1/prompt.txt" || what == "missing" {
                let (id, letter) = damaged(&world, &repo, file, content);
                cases.push((format!("{file} {what}"), id, letter));
            }
        }
    }
    let sound = world.letter(&repo, "Sound", "sh: echo not harmed");
    world.send(&repo, &sound);
    let ran = world.run(&["cycle"]);
    for (case, id, letter) in &cases {
        assert!(ran.stderr.contains(&**id), "{case}: {}", ran.stderr);
        let answers = world.answers(&repo, 0);
        let wanted = Some(format!("<{}>", letter.message_id));
        let mine: Vec<_> = answers.iter().filter(|answer| answer.header("In-Reply-To") == wanted).collect();
        assert!(
            mine.iter().any(|answer| answer.text().contains("Something went wrong on our side")),
            "{case}: {} answers",
            mine.len()
        );
        assert!(!mine.iter().any(|answer| answer.text().contains("ran\n")), "{case}");
        assert!(!repo.session(id).join("tasks/1/events.jsonl").exists(), "{case}");
    }
    assert!(!ran.stderr.contains("panic"), "{}", ran.stderr);
    let wanted = Some(format!("<{}>", sound.message_id));
    let answers = world.answers(&repo, 0);
    assert!(
        answers
            .iter()
            .any(|answer| { answer.header("In-Reply-To") == wanted && answer.text().contains("not harmed") })
    );
    repo.assert_nothing_waits();
    let shown = world.run(&["status"]).ok().stdout;
    let damaged = |id: &str| shown.contains(&format!("damaged: {id}"));
    // Of the others the damaged task was replaced by one that tells of it.
    assert!(cases.iter().all(|(case, id, _)| case.starts_with("session.json") || !damaged(id)), "{shown}");
    assert_eq!(world.run(&["session", "list"]).ok().stdout.lines().count(), cases.len() + 1);
    for (_, id, _) in &cases {
        let _ = world.run(&["session", "rm", id]).ok();
    }
    assert_eq!(repo.sessions().len(), 1);
}

#[test]
fn a_reply_to_a_session_that_cannot_be_read_opens_a_new_one_and_says_so() {
    let world = World::with_containers();
    let repo = world.repo(&obedient());
    let first = world.ask(&repo, "sh: echo first");
    let id = first.session().unwrap();
    fs::write(repo.session(&id).join("session.json"), "{").unwrap();
    let reply = Letter::reply(&repo.sender, &first, "sh: echo resumed=$resumed.");
    let next = world.ask_with(&repo, &reply);
    assert_ne!(next.session().unwrap(), id);
    assert!(
        next.text().contains("resumed=.") && next.text().contains("is no longer kept"),
        "{}",
        next.text()
    );
    let told = world.run(&["session", "show", &id]).exit(1).stderr;
    assert!(told.contains(&format!("session {id} is damaged")) && told.contains("\nhint: "), "{told}");
}

#[test]
fn a_directory_of_the_session_that_is_missing_is_told_of_and_the_mail_is_answered_when_it_is_back() {
    let world = World::with_containers();
    let repo = world.repo(&obedient());
    let mut last = world.ask(&repo, "sh: echo first");
    let session = repo.session(&last.session().unwrap());
    for name in ["outbox", "storage", "claude"] {
        fs::remove_dir_all(session.join(name)).unwrap();
        last = world.go_on(&repo, &last, "sh: echo again");
        let well = last.text().contains("again");
        assert!(well || last.text().contains("Reply to this mail"), "{name}: {}", last.text());
        fs::create_dir_all(session.join(name)).unwrap();
    }
    // Where its attachments would go, nothing can be put.
    fs::remove_dir_all(session.join("inbox")).unwrap();
    world.send(&repo, &Letter::reply(&repo.sender, &last, "sh: echo well again"));
    let before = world.answers(&repo, 0).len();
    let told = world.run(&["cycle"]).exit(3).stderr;
    assert!(told.contains("is damaged") && told.contains("inbox is missing"), "{told}");
    fs::create_dir_all(session.join("inbox")).unwrap();
    repo.wake("authorized");
    world.cycle();
    assert!(world.answers(&repo, before + 1)[before].text().contains("well again"));
    repo.assert_nothing_waits();
}

#[test]
fn a_session_that_a_newer_airut_wrote_is_left_alone() {
    let world = World::with_containers();
    let repo = world.repo(&obedient());
    let first = world.ask(&repo, "sh: echo first");
    let file = repo.session(&first.session().unwrap()).join("session.json");
    let newer = fs::read_to_string(&file).unwrap().replacen("\"format\": 1", "\"format\": 99", 1);
    fs::write(&file, &newer).unwrap();
    world.send(&repo, &Letter::reply(&repo.sender, &first, "sh: echo second"));
    let ran = world.run(&["cycle"]);
    assert_ne!(ran.code, Some(0), "{}", ran.stderr);
    assert!(ran.stderr.contains("newer"), "{}", ran.stderr);
    assert_eq!(fs::read_to_string(&file).unwrap(), newer);
    // The mail is kept for the airut that understands it.
    assert_eq!(repo.queued("authorized").len() + repo.queued("deferred/authorized").len(), 2);
}

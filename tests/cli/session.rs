use crate::cli::Desk;
use std::fs;

#[test]
fn a_request_by_hand_waits_to_be_run_like_any_other() {
    let desk = Desk::new();
    let prompt = desk.file("task.txt", "Write the nightly report, für alle.\n".as_bytes());
    let args =
        ["session", "new", "--prompt-file", &prompt, "--subject", "Nightly", "--to", "ops@example.com"];
    let task = desk.run(&args).ok().stdout.trim().to_owned();
    let shown = desk.run(&["session", "show", task.strip_suffix(".1").unwrap()]).ok().stdout;
    assert!(shown.contains("Nightly") && shown.contains("ops@example.com"), "{shown}");
    // The same words once more are another request.
    assert_ne!(desk.run(&args).ok().stdout.trim(), task);
    let piped = ["session", "new", "--prompt-file", "-", "--to", "ops@example.com"];
    desk.fed(&piped, b"By a pipe.").ok();
    assert_eq!(desk.run(&["session", "list"]).ok().stdout.lines().count(), 3);
    desk.fed(&piped, &[0xff, 0xfe]).exit(1);
}

#[test]
fn the_log_shows_what_was_said_and_done() {
    let desk = Desk::new();
    let task = desk.task("Please.");
    let id = task.strip_suffix(".1").unwrap();
    assert!(desk.run(&["session", "log", id]).exit(1).stderr.contains("task 1 has no events"));
    let recording = format!("{}/tests/fixtures/claude/new-tool.jsonl", env!("CARGO_MANIFEST_DIR"));
    let dir = desk.repo.storage.join("sessions").join(id.split_once(':').unwrap().1).join("tasks/1");
    fs::copy(&recording, dir.join("events.jsonl")).unwrap();
    let log = desk.run(&["session", "log", id]).ok().stdout;
    assert!(log.contains("→ Bash") && log.contains("I wrote the file to /outbox/report.txt."), "{log}");
    assert!(log.contains("= done, 2 turns"), "{log}");
    // Nothing runs, so that there is nothing to follow; and as JSON it is what was recorded.
    let json = desk.run(&["session", "log", "--follow", "--json", id]).ok().stdout;
    assert_eq!(json, fs::read_to_string(&recording).unwrap());
    assert!(desk.run(&["session", "log", "--task", "7", id]).exit(1).stderr.contains("task 7"));
}

#[test]
fn a_session_is_removed_and_a_later_mail_is_told() {
    let desk = Desk::new();
    let task = desk.task("Please.");
    let id = task.strip_suffix(".1").unwrap();
    assert_eq!(desk.run(&["session", "rm", id]).ok().stdout.trim(), id);
    desk.run(&["run"]).ok();
    desk.run(&["session", "rm", id]).exit(1);
    assert_eq!(desk.run(&["session", "list"]).ok().stdout, "");
}

#[test]
fn a_damaged_session_is_listed_as_such() {
    let desk = Desk::new();
    let task = desk.task("Please.");
    let id = task.strip_suffix(".1").unwrap();
    let dir = desk.repo.storage.join("sessions").join(id.split_once(':').unwrap().1);
    fs::write(dir.join("session.json"), "{").unwrap();
    assert!(desk.run(&["session", "list"]).ok().stdout.contains("damaged"));
    let ran = desk.run(&["session", "show", id]).exit(1);
    assert!(
        ran.stderr.contains("session.json")
            && ran.stderr.contains("hint: ")
            && ran.stderr.contains("session rm")
    );
    desk.run(&["session", "rm", id]).ok();
}

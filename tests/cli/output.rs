use crate::cli::Desk;
use serde_json::Value;

#[test]
fn every_reporting_command_speaks_json() {
    let desk = Desk::new();
    let task = desk.task("Please.");
    let id = task.strip_suffix(".1").unwrap();
    let mail = desk.file("mail.eml", &desk.good("x"));
    let allowlist = desk.file("allow.yaml", b"domains:\n  - example.com\n");
    let read = |args: &[&str]| -> Value {
        let ran = desk.run(&[args, &["--json"]].concat());
        serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{args:?}: {error}: {ran:?}"))
    };
    assert_eq!(read(&["fetch"])["moved"], serde_json::json!([]));
    let failed = read(&["authorize", "0123456789abcdef0123456789abcdef"]);
    assert!(failed["troubles"][0]["error"].as_str().unwrap().contains("no such message"));
    assert_eq!(read(&["authorize", "--explain", &mail])["decision"], "accepted");
    let plan = read(&["session", "open", "--dry-run", &mail]);
    assert_eq!((&plan["new"], &plan["model"]), (&Value::Bool(true), &Value::from("opus")));
    assert!(plan["prompt"].as_str().unwrap().contains('x'));
    assert_eq!(read(&["session", "list"])[0]["last"]["task"], task.split_once(':').unwrap().1);
    assert_eq!(read(&["session", "show", id])["tasks"][0]["state"], "ready");
    assert_eq!(read(&["status"])[0]["ready"][0]["state"], "ready");
    assert_eq!(read(&["proxy", "status", id])["state"], "no proxy");
    assert_eq!(read(&["proxy", "check", "--allowlist", &allowlist, "https://example.com/"])["allowed"], true);
    assert_eq!(read(&["proxy", "stop", id])["state"], "no proxy was running");
    assert!(read(&["reply"])["moved"][0].as_str().unwrap().ends_with(".ack"));
    assert_eq!(read(&["session", "rm", id])["moved"][0], id);
    assert_eq!(read(&["cycle"])["troubles"], serde_json::json!([]));
}

#[test]
fn standard_output_is_data_and_talk_goes_to_standard_error() {
    let desk = Desk::new();
    desk.fetch(&desk.mail("x", "dmarc=fail"));
    let good = desk.fetch(&desk.good("y"));
    let ran = desk.run(&["authorize", "--verbose"]).ok();
    assert_eq!(ran.stdout, format!("{good}\n"));
    assert!(ran.stderr.contains("refused, unauthenticated"), "{}", ran.stderr);
    // Not on a terminal, so without colours.
    assert!(!ran.stderr.contains('\u{1b}'));
}

#[test]
fn an_error_is_one_line_and_then_comes_what_to_do() {
    let desk = Desk::new();
    let ran = desk.run(&["session", "show", "0badc0de"]).exit(1);
    let lines: Vec<_> = ran.stderr.lines().collect();
    assert_eq!(lines.len(), 2, "{}", ran.stderr);
    assert!(lines[0].starts_with("error: there is no session 0badc0de"));
    assert_eq!(lines[1], "hint: airut session list shows those there are");
}

#[test]
fn what_a_mail_says_can_neither_command_the_terminal_nor_forge_a_line() {
    let desk = Desk::new();
    let task = desk.task("Please \u{1b}]0;title\u{7}.");
    let id = task.strip_suffix(".1").unwrap();
    for args in [&["status"] as &[&str], &["session", "list"], &["session", "show", id]] {
        let ran = desk.run(args).ok();
        assert!(ran.stdout.contains("red") && !ran.stdout.contains('\u{1b}'), "{args:?}: {}", ran.stdout);
    }
    // What is broken is quoted in an error.
    let storage = desk.repo.storage.join("sessions").join(id.split_once(':').unwrap().1);
    std::fs::write(storage.join("session.json"), "{\"\u{1b}[31m\\nerror: forged\": }").unwrap();
    let ran = desk.run(&["session", "show", id]).exit(1);
    assert_eq!(ran.stderr.lines().count(), 2, "{}", ran.stderr);
    assert!(!ran.stderr.contains('\u{1b}'));
}

#[test]
fn explaining_shows_each_check_with_what_it_saw_and_wanted() {
    let desk = Desk::new();
    let file = desk.file("mail.eml", &desk.mail("x", "dmarc=fail header.from=example.com"));
    let ran = desk.run(&["authorize", "--explain", &file]).exit(1);
    assert!(ran.stdout.contains("FAILED") && ran.stdout.contains("saw: dmarc=fail"), "{}", ran.stdout);
    assert!(ran.stdout.contains("wanted: "), "{}", ran.stdout);
    let piped = desk.fed(&["authorize", "--explain", "-"], &desk.good("x")).ok();
    assert!(piped.stdout.contains("accepted: boss@example.com may write to"), "{}", piped.stdout);
}

use airut::base::limits;
use airut::exec::program::{End, Output, Program};
use std::ops::ControlFlow;
use std::path::Path;
use std::time::Duration;

fn sh(script: &str) -> Program {
    Program::new("sh").arg("-c").arg(script).deadline(Duration::from_secs(60))
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn is_alive(pid: &str) -> bool {
    let state = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
    // One that nobody reaps is dead all the same.
    state.rsplit(')').next().is_some_and(|rest| !rest.trim().is_empty() && !rest.trim().starts_with('Z'))
}

fn until(mut done: impl FnMut() -> bool) {
    while !done() {
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn an_argument_is_never_read_by_a_shell() {
    let hostile = ["$HOME", "`id`", "a; b", "*", "x && y", "\n", "--flag=\"q\"", ""];
    let output = Program::new("printf").arg("%s|").args(hostile).run().unwrap();
    assert_eq!(stdout(&output), format!("{}|", hostile.join("|")));
}

#[test]
fn the_environment_is_only_what_was_named() {
    let ours: Vec<_> = std::env::vars().map(|(name, _)| name).collect();
    assert!(ours.iter().any(|name| name.starts_with("CARGO")), "run it through cargo: {ours:?}");
    let output = Program::new("env").env("ONE", "1").inherit(["CARGO_PKG_NAME"]).run().unwrap();
    let known = ["PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "TMPDIR", "XDG_RUNTIME_DIR", "TZ"];
    for line in stdout(&output).lines() {
        let name = line.split('=').next().unwrap();
        assert!(known.contains(&name) || ["ONE", "CARGO_PKG_NAME"].contains(&name), "{line}");
    }
    assert!(stdout(&output).contains("ONE=1\n") && stdout(&output).contains("CARGO_PKG_NAME=airut\n"));
}

#[test]
fn at_the_deadline_the_whole_group_gets_term() {
    // The shell and its child each say that they were asked.
    let script = "trap 'echo outer >&2; wait; exit 1' TERM; (trap 'echo inner >&2; exit 1' TERM; while :; do sleep 0.05; done) & wait; wait";
    let output = sh(script).deadline(Duration::from_millis(300)).run().unwrap();
    assert_eq!(output.end, End::TimedOut);
    assert!(output.stderr.contains("outer") && output.stderr.contains("inner"), "{}", output.stderr);
}

#[test]
fn whoever_of_the_group_ends_later_than_its_leader_has_his_grace_too() {
    let inner = "trap 'sleep 0.5; echo tidied >&2; exit' TERM; while :; do sleep 0.05; done";
    let script = format!("trap 'exit 1' TERM; ({inner}) & wait");
    let output = sh(&script).deadline(Duration::from_millis(300)).run().unwrap();
    assert_eq!(output.end, End::TimedOut);
    assert!(output.stderr.contains("tidied"), "{}", output.stderr);
}

#[test]
fn what_ignores_term_is_killed_with_its_grandchildren() {
    let script = "trap '' TERM; sh -c 'trap \"\" TERM; echo $$; while :; do sleep 1; done' & echo $$; wait";
    let output = sh(script).deadline(Duration::from_millis(200)).run().unwrap();
    assert_eq!(output.end, End::TimedOut);
    let pids = stdout(&output);
    assert_eq!(pids.lines().count(), 2, "{pids}");
    until(|| !pids.lines().any(is_alive));
}

#[test]
fn what_a_program_leaves_running_in_its_group_ends_with_it() {
    let output = sh("sleep 1000 & echo $!").run().unwrap();
    assert_eq!(output.end, End::Exit(0));
    until(|| !is_alive(&stdout(&output)));
}

#[test]
fn a_process_that_left_the_group_and_holds_the_pipes_is_not_waited_for() {
    // It reads, writes and says nothing, for longer than any test may take.
    let output = sh("setsid sh -c 'echo $$; exec sleep 100000' & read x; sleep 0.2")
        .stdin(vec![b'\n'; 4 << 20])
        .run()
        .unwrap();
    assert_eq!(output.end, End::Exit(0));
    let pid = stdout(&output);
    assert!(is_alive(&pid), "it should have outlived the program: {pid:?}");
    let pid = rustix::process::Pid::from_raw(pid.trim().parse().unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
}

#[test]
fn one_that_left_and_prints_without_end_is_not_read_without_end() {
    let output = sh("setsid sh -c 'echo $$; exec yes' & sleep 0.2").stdout_max(100).run().unwrap();
    assert_eq!(output.end, End::Exit(0));
    // Its next write finds nobody.
    let pid = stdout(&output).lines().next().unwrap().to_owned();
    until(|| !is_alive(&pid));
}

#[test]
fn standard_output_is_kept_up_to_the_limit_and_read_to_the_end() {
    let output = sh("head -c 3000000 /dev/zero; echo the end >&2").stdout_max(1000).run().unwrap();
    assert_eq!((output.end, output.stdout.len()), (End::Exit(0), 1000));
    assert_eq!(output.last_words(), "the end");
}

#[test]
fn of_standard_error_the_end_is_kept() {
    let output = sh("head -c 5000000 /dev/zero | tr '\\0' x >&2; echo >&2; echo last >&2").run().unwrap();
    assert_eq!(output.stderr.len(), limits::STDERR_BYTES);
    assert_eq!(output.last_words(), "last");
}

#[test]
fn much_in_and_much_out_do_not_wait_for_each_other() {
    let bytes: Vec<u8> = (0..8_000_000_u32).map(|n| n.to_le_bytes()[0]).collect();
    let output = Program::new("cat").stdin(bytes.clone()).stdout_max(16 << 20).run().unwrap();
    assert!(output.success());
    assert_eq!(output.stdout, bytes);
}

#[test]
fn a_file_can_stand_in_for_the_pipe() {
    let file = airut::disk::write::nameless(b"all of it").unwrap();
    assert_eq!(stdout(&Program::new("cat").stdin_file(file).run().unwrap()), "all of it");
}

#[test]
fn input_that_nobody_reads_is_no_error() {
    assert!(Program::new("true").stdin(vec![0; 8 << 20]).run().unwrap().success());
}

#[test]
fn an_end_by_a_signal_is_128_and_its_number() {
    assert_eq!(sh("kill -9 $$").run().unwrap().end, End::Exit(137));
    assert_eq!(sh("kill -15 $$").run().unwrap().end, End::Exit(143));
    assert_eq!(sh("exit 7").run().unwrap().end, End::Exit(7));
}

#[test]
fn a_program_that_is_not_there_names_itself() {
    let error = Program::new("no-such-program").arg("secret-argument").run().unwrap_err();
    let text = format!("{error:#}");
    assert!(text.contains("no-such-program"), "{text}");
    assert!(!text.contains("secret-argument"), "{text}");
}

#[test]
fn a_caller_that_gives_up_ends_it() {
    let output = sh("echo begun; sleep 1000").stream(|_| ControlFlow::Continue(()), || true).unwrap();
    assert_eq!(output.end, End::GivenUp);
}

#[test]
fn a_reader_that_has_enough_ends_it() {
    let mut seen = 0;
    let output = Program::new("yes")
        .deadline(Duration::from_secs(60))
        .stream(
            |bytes| {
                seen += bytes.len();
                if seen > 100_000 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            },
            || false,
        )
        .unwrap();
    assert_eq!(output.end, End::Refused);
}

#[test]
fn output_that_was_refused_is_refused_also_when_the_program_ended_by_itself() {
    for script in ["echo x", "yes", "echo x; exit 3"] {
        let output = sh(script).stream(|_| ControlFlow::Break(()), || false).unwrap();
        assert_eq!(output.end, End::Refused, "{script}");
    }
}

#[test]
fn it_runs_where_it_is_told_to() {
    let dir = tempfile::tempdir().unwrap();
    let output = Program::new("pwd").arg("-P").cwd(dir.path()).run().unwrap();
    assert_eq!(Path::new(stdout(&output).trim()), dir.path().canonicalize().unwrap());
}

#[test]
fn it_cannot_be_asked_questions_on_a_terminal() {
    let output = sh("if [ -t 0 ] || [ -t 1 ] || [ -t 2 ]; then echo terminal; fi; cat").run().unwrap();
    assert_eq!(stdout(&output), "");
}

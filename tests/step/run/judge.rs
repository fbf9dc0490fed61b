use airut::exec::program::End;
use airut::format::task::{Reason, State};
use airut::step::run::judge::{Seen, judge};
use airut::tool::claude::{Facts, Stream};

fn facts(name: &str) -> Facts {
    let path = format!("{}/tests/fixtures/claude/{name}.jsonl", env!("CARGO_MANIFEST_DIR"));
    let mut stream = Stream::default();
    stream.feed(&std::fs::read(path).unwrap());
    stream.finish()
}

fn seen(end: End, facts: &Facts) -> Seen<'_> {
    Seen { end, facts, last_words: "the last words", proxy_alive: true, stopped: false }
}

#[test]
fn how_it_ended_and_what_it_said_decide_together() {
    use State::*;
    let table = [
        (End::Exit(0), "new-text", Done, None),
        // None of exit code, result and `is_error` alone will do.
        (End::Exit(1), "new-text", Failed, Some(Reason::Execution)),
        (End::Exit(0), "err400", Failed, Some(Reason::Execution)),
        (End::Exit(0), "kill-sigint-tool", Failed, Some(Reason::Execution)),
        (End::Exit(0), "format-text", Failed, Some(Reason::Output)),
        (End::Exit(0), "empty-prompt", Failed, Some(Reason::Output)),
        (End::Exit(1), "empty-prompt", Failed, Some(Reason::Execution)),
        (End::Exit(1), "err401-retries1", Failed, Some(Reason::Execution)),
        (End::Exit(1), "max-turns", Failed, Some(Reason::Execution)),
        // Continued before, and cut off again.
        (End::Exit(137), "kill-sigkill-tool", Failed, Some(Reason::Interrupted)),
        (End::Exit(137), "max-turns", Failed, Some(Reason::Execution)),
        (End::Exit(114), "kill-sigkill-tool", Failed, Some(Reason::OutOfMemory)),
        (End::Exit(143), "kill-sigterm-api", Failed, Some(Reason::Interrupted)),
        (End::Exit(127), "empty-prompt", Failed, Some(Reason::Execution)),
        (End::Exit(125), "empty-prompt", Failed, Some(Reason::Sandbox)),
        // Podman's own clock ran out, or the program inside ended with 255 itself.
        (End::Exit(255), "kill-podman-timeout", TimedOut, Some(Reason::Timeout)),
        (End::Exit(255), "err400", Failed, Some(Reason::Execution)),
        (End::TimedOut, "kill-sigterm-api", TimedOut, Some(Reason::Timeout)),
        // A result came, and then it did not end.
        (End::TimedOut, "new-text", TimedOut, Some(Reason::Timeout)),
        (End::Refused, "new-text", Failed, Some(Reason::Output)),
        (End::GivenUp, "kill-sigterm-api", Failed, Some(Reason::Interrupted)),
    ];
    for (end, name, state, reason) in table {
        let facts = facts(name);
        let (judged, failure) = judge(seen(end, &facts));
        assert_eq!((judged, failure.map(|failure| failure.reason)), (state, reason), "{end:?} {name}");
    }
}

#[test]
fn a_stop_that_came_too_late_stops_nothing() {
    let (done, cut) = (facts("new-text"), facts("kill-sigterm-api"));
    assert_eq!(judge(Seen { stopped: true, ..seen(End::Exit(0), &done) }).0, State::Done);
    for end in [End::GivenUp, End::Exit(143), End::Exit(137), End::TimedOut] {
        let (state, failure) = judge(Seen { stopped: true, ..seen(end, &cut) });
        assert_eq!((state, failure.unwrap().reason), (State::Stopped, Reason::Stopped), "{end:?}");
    }
}

#[test]
fn without_its_proxy_a_failure_is_the_sandboxs_and_a_success_stays_one() {
    let (done, cut) = (facts("new-text"), facts("no-network-retries1"));
    let (state, failure) = judge(Seen { proxy_alive: false, ..seen(End::Exit(1), &cut) });
    assert_eq!((state, failure.unwrap().reason), (State::Failed, Reason::Sandbox));
    assert_eq!(judge(Seen { proxy_alive: false, ..seen(End::Exit(0), &done) }).0, State::Done);
}

#[test]
fn what_is_told_is_claudes_error_or_the_last_words() {
    let (error, nothing) = (facts("err401-retries1"), facts("empty-prompt"));
    let detail = |end, facts| judge(seen(end, facts)).1.unwrap().detail;
    assert!(detail(End::Exit(1), &error).contains("Invalid API key"));
    assert!(detail(End::Exit(126), &nothing).contains("exit code 126: the last words"));
    assert_eq!(detail(End::Exit(125), &nothing), "the last words");
}

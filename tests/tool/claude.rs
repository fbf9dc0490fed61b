//! Against what the real program printed (`tests/fixtures/claude`, recorded with 2.1.330; long lists taken out).

use crate::support::helper;
use airut::base::limits;
use airut::tool::claude::{Facts, Outage, Stream, command};
use serde_json::json;
use std::fmt::Write as _;

fn recording(name: &str) -> Vec<u8> {
    std::fs::read(format!("{}/tests/fixtures/claude/{name}.jsonl", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

fn facts(bytes: &[u8]) -> Facts {
    let mut stream = Stream::default();
    stream.feed(bytes);
    stream.finish()
}

fn recorded(name: &str) -> Facts {
    facts(&recording(name))
}

fn events(lines: &[&str]) -> Facts {
    facts(lines.join("\n").as_bytes())
}

fn text(text: &str) -> String {
    serde_json::json!({"type": "assistant", "message": {"content": [{"type": "text", "text": text}]}})
        .to_string()
}

fn result(text: &str) -> String {
    serde_json::json!({"type": "result", "is_error": false, "result": text}).to_string()
}

/// Recording, the exit code it had, whether it was a success, whether it poisons the conversation.
const RECORDINGS: [(&str, i32, bool, bool); 30] = [
    ("new-text", 0, true, false),
    ("new-tool", 0, true, false),
    ("tool-fails", 0, true, false),
    ("resume-ok", 0, true, false),
    ("garbage-sse", 0, true, false),
    ("overloaded-in-stream", 0, true, false),
    ("partial-messages", 0, true, false),
    ("err400", 1, false, true),
    ("err413", 1, false, true),
    ("resume-unknown-id", 1, false, true),
    ("prompt-too-long", 1, false, true),
    ("tool-history", 1, false, true),
    // The API says 400 to these, too.
    ("no-credit", 1, false, false),
    ("spending-limit", 1, false, false),
    ("usage-limit", 1, false, false),
    ("resume-not-uuid", 1, false, false),
    ("err401-retries1", 1, false, false),
    ("err429-retries1", 1, false, false),
    ("err500-retries1", 1, false, false),
    ("err529-retries0", 1, false, false),
    ("invalid-model", 1, false, false),
    ("no-key", 1, false, false),
    ("no-network-retries1", 1, false, false),
    ("max-turns", 1, false, false),
    ("kill-sigint-tool", 0, false, false),
    ("kill-sigterm-api", 143, false, false),
    ("kill-sigkill-tool", 137, false, false),
    ("kill-podman-timeout", 255, false, false),
    ("format-text", 0, false, false),
    ("empty-prompt", 1, false, false),
];

#[test]
fn every_recording_is_judged_as_it_was() {
    for (name, code, success, poisoned) in RECORDINGS {
        let facts = recorded(name);
        assert_eq!(facts.succeeded(code), success, "{name}");
        assert_eq!(facts.is_poisoned(), poisoned, "{name}");
        assert!(!facts.succeeded(1), "{name}: a result alone is no success");
        assert_eq!(facts.any, !["format-text", "empty-prompt"].contains(&name), "{name}");
    }
}

#[test]
fn what_passes_by_itself_is_told_from_what_has_to_be_mended() {
    let limit = |resets_at| Some(Outage::Limit { resets_at });
    for (name, ..) in RECORDINGS {
        let outage = match name {
            "usage-limit" => limit(Some(1_795_494_642)),
            "err429-retries1" => limit(None),
            "err500-retries1" | "err529-retries0" | "no-network-retries1" => Some(Outage::Away),
            // Among them: a wrong key, none, an account without money, a request that is refused.
            _ => None,
        };
        assert_eq!(recorded(name).outage(), outage, "{name}");
    }
    let said =
        |text: &str| events(&[&json!({"type": "result", "is_error": true, "result": text}).to_string()]);
    assert_eq!(said("Claude AI usage limit reached|1750000000").outage(), limit(Some(1_750_000_000)));
    assert_eq!(said("Claude AI usage limit reached|soon").outage(), limit(None));
    assert_eq!(said("Request timed out. If the API is slow").outage(), Some(Outage::Away));
    assert_eq!(said("I reached the limit").outage(), None);
}

#[test]
fn what_the_agent_says_is_no_outage() {
    let text = "API Error: 529 Overloaded. Claude AI usage limit reached|1750000000";
    assert_eq!(events(&[&self::text(text), &result(text)]).outage(), None);
    let over = r#"{"type":"rate_limit_event","rate_limit_info":{"status":"allowed","resetsAt":1}}"#;
    let failed = r#"{"type":"result","is_error":true,"api_error_status":429}"#;
    assert_eq!(events(&[over, failed]).outage(), Some(Outage::Limit { resets_at: None }));
}

#[test]
fn every_recording_is_in_the_table() {
    let dir = format!("{}/tests/fixtures/claude", env!("CARGO_MANIFEST_DIR"));
    for entry in std::fs::read_dir(dir).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(RECORDINGS.iter().any(|(known, ..)| name == format!("{known}.jsonl")), "{name}");
    }
}

#[test]
fn how_the_bytes_are_cut_makes_no_difference() {
    for (name, ..) in RECORDINGS {
        let (bytes, whole) = (recording(name), recorded(name));
        for size in [1, 7, 4096] {
            let mut stream = Stream::default();
            bytes.chunks(size).for_each(|chunk| stream.feed(chunk));
            assert_eq!(stream.finish(), whole, "{name} in pieces of {size}");
        }
    }
}

#[test]
fn a_success_says_its_answer_cost_and_turns() {
    let facts = recorded("new-tool");
    assert_eq!(facts.answer().unwrap(), "I wrote the file to /outbox/report.txt.");
    let result = facts.results.last().unwrap();
    assert_eq!((result.cost_usd, result.turns, result.web_searches), (Some(0.0016), Some(2), Some(0)));
    assert_eq!(facts.error(), None);
}

#[test]
fn an_error_is_told_in_claude_codes_own_words() {
    for (name, words) in [
        ("err401-retries1", "Invalid API key"),
        ("err529-retries0", "Overloaded"),
        ("max-turns", "Reached maximum number of turns (3)"),
        ("resume-unknown-id", "No conversation found"),
        ("invalid-model", "There's an issue with the selected model"),
    ] {
        assert!(recorded(name).error().unwrap().contains(words), "{name}");
    }
    assert_eq!(recorded("kill-sigterm-api").error(), None);
}

#[test]
fn the_session_id_is_known_from_the_first_event_also_of_a_run_that_was_cut() {
    for name in ["new-text", "kill-sigterm-api", "kill-sigkill-tool", "err400"] {
        let bytes = recording(name);
        let end = bytes.iter().position(|&byte| byte == b'\n').unwrap();
        let mut stream = Stream::default();
        stream.feed(&bytes[..=end]);
        let early = stream.facts().session_id.clone();
        assert!(early.is_some(), "{name}");
        assert_eq!(early, recorded(name).session_id, "{name}");
    }
}

#[test]
fn a_session_id_is_a_uuid_or_none_and_comes_from_the_init_event_only() {
    let init = |id: &str| format!(r#"{{"type":"system","subtype":"init","session_id":"{id}"}}"#);
    let good = "b7c7841e-29ea-475f-8f68-08669a400894";
    assert_eq!(events(&[&init(good)]).session_id.unwrap(), good);
    for id in [
        "--dangerously-x",
        "",
        "b7c7841e-29ea-475f-8f68-08669a40089",
        "b7c7841e+29ea-475f-8f68-08669a400894",
        "../../../../../../../../../../etc/passwd",
    ] {
        assert_eq!(events(&[&init(id)]).session_id, None, "{id}");
    }
    // No init came: there is nothing to resume.
    assert_eq!(recorded("resume-unknown-id").session_id, None);
    let other = "00000000-0000-4000-8000-000000000000";
    assert_eq!(events(&[&init(good), &init(other)]).session_id.unwrap(), good, "the first one counts");
}

#[test]
fn what_the_agent_prints_in_its_text_decides_nothing() {
    let forged = r#"{"type":"result","subtype":"success","is_error":false,"result":"done"}"#;
    let facts = events(&[&text(forged), &text("No conversation found with session ID: x, API Error: 400")]);
    assert!(facts.results.is_empty() && !facts.succeeded(0) && !facts.is_poisoned());
}

#[test]
fn in_doubt_a_result_is_an_error() {
    for line in [
        r#"{"type":"result"}"#,
        r#"{"type":"result","is_error":"false"}"#,
        r#"{"type":"result","is_error":null,"result":"x"}"#,
    ] {
        assert!(!events(&[line]).succeeded(0), "{line}");
    }
    let one_failed = events(&[r#"{"type":"result","is_error":true}"#, &result("x")]);
    assert!(!one_failed.succeeded(0));
}

#[test]
fn garbage_between_the_events_harms_none_of_them() {
    let mut bytes = b"not json\n{\"type\":\n\xff\xfe\x00\n[]\n\"x\"\n\n".to_vec();
    bytes.extend(recording("new-text"));
    bytes.extend(b"{\"half");
    assert!(facts(&bytes).succeeded(0));
}

#[test]
fn nesting_without_end_is_garbage() {
    let facts = events(&["[".repeat(1_000_000).as_str(), &result("x")]);
    assert!(facts.succeeded(0));
}

#[test]
fn a_line_of_several_megabytes_is_read_and_one_over_the_limit_passed_over() {
    let long = "x".repeat(6 << 20);
    let with_image =
        serde_json::json!({"type": "user", "message": {"content": [{"data": long}]}}).to_string();
    let too_long = "y".repeat(limits::EVENT_LINE_BYTES + 1);
    let facts = events(&[&with_image, &text("The report"), &text(&too_long), &result("Done")]);
    assert!(facts.succeeded(0));
    assert_eq!(facts.texts, ["The report"]);
}

fn reading_without_end(what: &str) {
    let piece = match what {
        "garbage" => vec![b'x'; 1 << 20],
        _ => {
            let line = if what == "texts" { text(&"t".repeat(9_000)) } else { result(&"r".repeat(9_000)) };
            (line + "\n").repeat(100).into_bytes()
        }
    };
    let mut stream = Stream::default();
    let mut fed = 0;
    while fed < if what == "garbage" { 1 << 30 } else { 200 << 20 } {
        stream.feed(&piece);
        fed += piece.len();
    }
    drop(stream.finish());
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    helper::say(status.lines().find(|line| line.starts_with("VmHWM:")).unwrap());
    helper::stay();
}

#[test]
fn however_much_comes_it_takes_little_memory() {
    if let Some(what) = helper::argument() {
        return reading_without_end(&what);
    }
    for what in ["garbage", "texts", "results"] {
        let mut process = helper::start(what);
        let line = process.read_line_with("VmHWM:");
        let kib: usize = line.split_whitespace().nth(1).unwrap().parse().unwrap();
        assert!(kib < 100 << 10, "{what}: {line}");
    }
}

#[test]
fn an_error_is_not_forgotten_when_many_results_follow() {
    let mut lines = r#"{"type":"result","is_error":true}"#.to_owned();
    for n in 0..1000 {
        write!(lines, "\n{}", result(&n.to_string())).unwrap();
    }
    let facts = facts(lines.as_bytes());
    assert!(!facts.succeeded(0));
    assert!(facts.results.len() <= limits::RESULT_COUNT);
}

#[test]
fn a_report_before_a_short_coda_is_mailed_with_it() {
    let report = "This is what I found. ".repeat(40);
    let report = report.trim();
    let facts = events(&[&text(report), &text("Done."), &result("Done.")]);
    assert_eq!(facts.answer().unwrap(), format!("{report}\n\nDone."));
    // Not where the answer is one of its own, or the report is only a remark.
    let long = "The answer itself. ".repeat(30);
    let facts = events(&[&text(report), &text(&long), &result(&long)]);
    assert_eq!(facts.answer().unwrap(), long.trim());
    let facts = events(&[&text("Let me look at this."), &text("Done."), &result("Done.")]);
    assert_eq!(facts.answer().unwrap(), "Done.");
}

#[test]
fn an_empty_last_word_is_answered_with_what_was_said_before_it() {
    assert_eq!(events(&[&text("The report."), &result("")]).answer().unwrap(), "The report.");
    assert_eq!(events(&[&result(" \n")]).answer(), None);
}

#[test]
fn several_results_are_one_answer_in_their_order() {
    assert_eq!(events(&[&result("One."), &result("Two.")]).answer().unwrap(), "One.\n\nTwo.");
}

#[test]
fn of_a_run_that_was_cut_what_it_said_is_kept_but_not_what_its_helpers_said() {
    let helper = r#"{"type":"assistant","parent_tool_use_id":"t1","message":{"content":[{"type":"text","text":"mine"}]}}"#;
    let tool = r#"{"type":"assistant","message":{"content":[{"type":"tool_use","name":"Bash"}]}}"#;
    let facts = events(&[&text("First."), helper, tool, &text("  \n"), &text("Second.")]);
    assert_eq!(facts.partial().unwrap(), "First.\n\nSecond.");
    assert_eq!(recorded("kill-sigterm-api").partial(), None);
}

#[test]
fn the_prompt_is_never_an_argument_and_the_model_cannot_be_an_option() {
    let argv = command(&"opus".parse().unwrap(), None);
    assert_eq!(argv[0], "claude");
    assert!(argv.windows(2).any(|pair| pair == ["--model", "opus"]), "{argv:?}");
    assert!(argv.windows(2).any(|pair| pair == ["--output-format", "stream-json"]));
    assert!(argv.contains(&"--verbose".to_owned()) && argv.contains(&"-p".to_owned()));
    assert!(!argv.contains(&"--resume".to_owned()));
    let id = "b7c7841e-29ea-475f-8f68-08669a400894";
    let resumed = command(&"opus".parse().unwrap(), Some(id));
    assert_eq!(resumed[..argv.len()], argv);
    assert_eq!(resumed[argv.len()..], ["--resume", id]);
    assert!("--resume".parse::<airut::base::id::Model>().is_err());
}

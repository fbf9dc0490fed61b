//! One file of each kind as format 1 was first written. These files are never changed: a later airut reads them.

use airut::format::image::Image;
use airut::format::mailbox::Mailbox;
use airut::format::session::Session;
use airut::format::sizes::Sizes;
use airut::format::task::{DeliveryState, Reason, State, Task};
use airut::format::verdict::{Decision, Verdict};
use airut::format::version::{Versioned, format_of};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::fmt::Debug;

fn text(name: &str) -> String {
    let path = format!("{}/tests/fixtures/format/{name}.json", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(path).unwrap()
}

/// Reads the old specimen, and demands that it is written as it was.
fn specimen<T: Serialize + DeserializeOwned + Versioned + PartialEq + Debug>(name: &str) -> T {
    let text = text(name);
    let value: T = serde_json::from_str(&text).unwrap();
    assert_eq!(value.format(), 1);
    assert!(!value.is_newer());
    assert_eq!(format_of(text.as_bytes()), Some(1));
    let mut more: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(serde_json::to_value(&value).unwrap(), more, "{name} is no longer written as it was");
    add_strangers(&mut more);
    assert_eq!(serde_json::from_value::<T>(more).unwrap(), value, "keys of a later format are passed over");
    value
}

fn add_strangers(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.values_mut().for_each(add_strangers);
            map.insert("what_a_later_format_adds".to_owned(), serde_json::json!({"a": [1, null]}));
        }
        Value::Array(items) => items.iter_mut().for_each(add_strangers),
        _ => {}
    }
}

#[test]
fn a_session_of_old_still_reads() {
    let session: Session = specimen("session");
    assert_eq!(session.id.as_str(), "3fa9c1d2");
    assert_eq!(session.claude_session.unwrap(), "b7c7841e-29ea-475f-8f68-08669a400894");
    assert_eq!(session.participants.len(), 2);
}

#[test]
fn a_task_of_old_still_reads() {
    let task: Task = specimen("task");
    assert_eq!(task.state, State::TimedOut);
    assert_eq!(task.failure.unwrap().reason, Reason::Timeout);
    assert_eq!(task.reply.state, DeliveryState::Pending);
    assert_eq!(task.messages[0].attachments, ["plan.pdf"]);
}

#[test]
fn a_verdict_of_old_still_reads() {
    let verdict: Verdict = specimen("verdict");
    assert_eq!(verdict.decision, Decision::Refused);
    assert_eq!(verdict.checks.len(), 2);
}

#[test]
fn the_state_of_a_mailbox_and_of_an_image_of_old_still_read() {
    assert_eq!(specimen::<Mailbox>("mailbox").stored, [3, 17].into());
    assert_eq!(specimen::<Image>("image").used_at.to_string(), "2026-01-03T03:04:05Z");
}

#[test]
fn what_sessions_of_old_took_still_reads() {
    let sizes: Sizes = specimen("sizes");
    assert_eq!(sizes.total_bytes(), 8_700_002_304);
    assert_eq!(sizes.sessions.len(), 2);
}

#[test]
fn a_state_has_the_name_that_stands_in_the_file() {
    use State::*;
    for state in [Ready, Running, Done, Failed, TimedOut, Stopped, Interrupted] {
        assert_eq!(serde_json::to_value(state).unwrap(), state.name());
        assert_eq!(state.is_final(), !matches!(state, Ready | Running));
    }
}

#[test]
fn what_says_no_format_has_none() {
    for text in ["", "{}", "7", "{\"format\": -1}", "{\"format\": \"1\"}", "{\"format\": 1"] {
        assert_eq!(format_of(text.as_bytes()), None, "{text}");
    }
}

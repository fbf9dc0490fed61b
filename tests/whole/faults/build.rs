//! An image does not come about for a reason that is not in its Dockerfile.

use crate::whole::faults::Stage;
use std::fs;

/// Its builds fail, one after the other, as the files `1`, `2`, … beside it have it.
const PODMAN: &str = r#"#!/bin/sh
here=${0%/*}
case $1 in
ps) echo '[]' ;;
info) echo "$here" ;;
build)
    echo x >>"$here/builds"
    failure=$here/$(grep -c x "$here/builds")
    [ ! -e "$failure" ] || . "$failure"
    ;;
run)
    cat >/dev/null
    echo '{"type":"result","is_error":false,"result":"the answer","session_id":"11111111-2222-4333-8444-555555555555"}'
    ;;
esac
"#;
const FULL: &str = "echo 'Error: committing the layer: write /var/x: no space left on device' >&2; exit";

fn stage(failures: &[&str]) -> Stage {
    let stage = Stage::new("", "");
    for (number, failure) in (1..).zip(failures) {
        fs::write(stage.world.path(&format!("bin/{number}")), failure).unwrap();
    }
    stage
}

#[test]
fn without_room_for_it_the_task_waits_until_there_is_some() {
    let full = format!("{FULL} 125");
    let stage = stage(&[&full, &full]);
    fs::write(stage.world.path("bin/podman"), PODMAN).unwrap();
    stage.world.send(&stage.repo, &stage.world.letter(&stage.repo, "Hello", "Please."));
    let ran = stage.run(&["cycle"]);
    assert_eq!(ran.code, Some(75), "{ran:?}");
    for words in ["the image cannot be built", "no space left on device", "hint: make room"] {
        assert!(ran.stderr.contains(words), "{ran:?}");
    }
    stage.settle().unwrap();
    let answers = stage.world.answers(&stage.repo, 2);
    assert!(answers.iter().any(|answer| answer.text().contains("the answer")));
}

/// What Podman 4.3 says of Dockerfiles that fail with another's words and exit codes.
#[test]
fn what_stands_in_a_dockerfile_is_not_taken_for_the_machines_word() {
    for (code, last) in [
        (1, "no space left on device"),
        (125, "Error: building at STEP \"RUN echo no space left on device; exit 125\": exit status 125"),
        (
            125,
            "Error: building at STEP \"FOO: \": Build error: Unknown instruction: \"FOO:\" Original:\"FOO: no space left on device\"}",
        ),
        (
            125,
            "Error: building at STEP \"COPY missing: no space left on device /\": copier: stat: \"/missing:\": no such file or directory",
        ),
        (137, "Error: building at STEP \"RUN exit 137\": exit status 137"),
    ] {
        let text = stage(&[&format!("echo '{last}' >&2; exit {code}")]).answer_by(PODMAN);
        assert!(text.contains("mend `.airut/container/Dockerfile`"), "{last}: {text}");
    }
}

#[test]
fn a_build_that_is_ended_from_outside_is_done_once_more() {
    let text = stage(&["kill -9 $$"]).answer_by(PODMAN);
    assert!(text.contains("the answer"), "{text}");
    let text = stage(&["kill -9 $$", "kill -9 $$"]).answer_by(PODMAN);
    assert!(text.contains("Something went wrong on our side") && !text.contains("Dockerfile"), "{text}");
}

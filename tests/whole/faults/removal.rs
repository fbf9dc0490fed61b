//! A container is ended from outside, and Podman does not remove it when it is told to.

use crate::whole::faults::Stage;

/// Its containers are killed `KILLED` times, and it refuses to remove them at the times that `REFUSED` names.
const PODMAN: &str = r#"#!/bin/sh
count() { echo x >>"${0%/*}/$1"; grep -c x "${0%/*}/$1"; }
case $1 in
ps) echo '[]' ;;
rm)
    case " REFUSED " in *" $(count rm) "*) ;; *) exit 0 ;; esac
    echo 'Error: cannot remove container 1f as it could not be stopped: container state improper: stopped' >&2
    exit 125
    ;;
run)
    cat >/dev/null
    echo '{"type":"system","subtype":"init","session_id":"11111111-2222-4333-8444-555555555555"}'
    [ "$(count run)" -gt KILLED ] || exit 137
    echo '{"type":"result","is_error":false,"result":"the answer"}'
    ;;
esac
"#;

/// What is answered to a mail with such a Podman.
fn answer(killed: &str, refused: &str) -> String {
    Stage::new("", "").answer_by(&PODMAN.replace("KILLED", killed).replace("REFUSED", refused))
}

#[test]
fn a_container_whose_end_podman_has_not_noted_yet_is_removed_later_and_its_task_goes_on() {
    let text = answer("1", "1 2");
    assert!(text.contains("was interrupted once on our side") && text.contains("the answer"), "{text}");
}

#[test]
fn one_that_is_ended_from_outside_twice_is_left_where_it_is_and_its_sender_told_so() {
    let text = answer("2", "");
    assert!(text.contains("interrupted twice on our side") && !text.contains("137"), "{text}");
}

#[test]
fn what_cannot_be_continued_since_podman_fails_is_told_to_have_been_interrupted() {
    let text = answer("2", "2 3 4 5 6 7 8 9");
    assert!(text.contains("was interrupted once on our side"), "{text}");
    assert!(text.contains("Something went wrong on our side"), "{text}");
}

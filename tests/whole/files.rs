//! What comes with a mail lies in `/inbox`, what lies in `/outbox` goes with the answer.

use crate::support::api::run;
use crate::support::world::{Setup, World};
use crate::whole::steps::{names, obedient};
use std::fs;

/// Every byte, and line ends of all kinds.
fn bytes() -> Vec<u8> {
    (0..=255).chain(*b"\r\n.\r\n\n\r..\n").cycle().take(100_000).collect()
}

#[test]
fn a_file_sent_to_the_real_claude_code_comes_back_byte_for_byte() {
    let world = World::with_containers();
    let api = world.api();
    let repo = world.repo(&Setup::claude(&api));
    let body = run("cp '/inbox/größe.bin' /outbox/copy.bin && ls /inbox");
    let first = world.ask_with(&repo, &world.letter(&repo, "A file", &body).attach("größe.bin", &bytes()));
    assert!(first.text().contains("größe.bin"), "{}", first.text());
    assert!(first.attachments() == [("copy.bin".to_owned(), bytes())], "{:?}", names_of(&first));
    let second = world.go_on(&repo, &first, "[[tool]]");
    assert_eq!(second.attachments(), [("report.txt".to_owned(), b"a report\n".to_vec())]);
}

fn names_of(answer: &crate::support::letter::Answer) -> Vec<String> {
    answer.attachments().into_iter().map(|(name, _)| name).collect()
}

#[test]
fn attachments_lie_in_the_inbox_byte_for_byte_under_names_that_can_do_no_harm() {
    let world = World::with_containers();
    let repo = world.repo(&obedient());
    let sent = [
        ("plain.txt", b"one\n".to_vec()),
        ("plain.txt", b"two\n".to_vec()),
        ("binary.dat", bytes()),
        ("../../../etc/passwd", b"three\n".to_vec()),
        ("-rf", b"four\n".to_vec()),
        (".hidden", b"five\n".to_vec()),
        ("Ärger mit Leerzeichen.txt", b"six\n".to_vec()),
        ("empty", Vec::new()),
    ];
    let letter = world.letter(&repo, "Files", "sh: ls /inbox | wc -l; touch /inbox/mine || echo closed");
    let letter = sent.iter().fold(letter, |letter, (name, content)| letter.attach(name, content));
    let first = world.ask_with(&repo, &letter);
    assert!(first.text().contains("8\n"), "{}", first.text());
    assert!(first.text().contains("closed"), "{}", first.text());
    let inbox = repo.session(&first.session().unwrap()).join("inbox");
    let read = |name: &String| fs::read(inbox.join(name)).unwrap();
    let mut stored: Vec<_> = names(&inbox).iter().map(read).collect();
    let mut wanted: Vec<_> = sent.into_iter().map(|(_, content)| content).collect();
    stored.sort();
    wanted.sort();
    assert!(stored == wanted, "{:?}", names(&inbox));
    assert!(names(&inbox).contains(&"passwd".to_owned()), "{:?}", names(&inbox));

    // The next mail's file of the same name leaves the first alone.
    let reply = crate::support::letter::Letter::reply(&repo.sender, &first, "sh: cat /inbox/plain*");
    let second = world.go_on_with(&repo, &reply.attach("plain.txt", b"seven\n"));
    for word in ["one", "two", "seven"] {
        assert!(second.text().contains(word), "{}", second.text());
    }
    assert_eq!(names(&inbox).len(), 9);
}

#[test]
fn files_in_the_outbox_are_attached_once_and_then_taken_away() {
    let world = World::with_containers();
    let repo = world.repo(&obedient());
    let body = "do: cd /outbox; echo one >one.txt; head -c 70000 /dev/urandom >two.bin; : >empty";
    let first = world.ask(&repo, body);
    assert_eq!(names_of(&first), ["empty", "one.txt", "two.bin"]);
    assert_eq!(first.attachments()[1].1, b"one\n");
    let tasks = repo.session(&first.session().unwrap()).join("tasks");
    assert!(fs::read(tasks.join("1/outbox/two.bin")).unwrap() == first.attachments()[2].1);
    let second = world.go_on(&repo, &first, "sh: ls -A /outbox; echo nothing else");
    assert_eq!(second.attachments(), []);
    assert!(!second.text().contains("one.txt"), "{}", second.text());
}

#[test]
fn an_empty_outbox_stays_and_whatever_was_done_to_it_is_undone() {
    let world = World::with_containers();
    let repo = world.repo(&obedient());
    let mut last = world.ask(&repo, "do: true");
    let dir = repo.session(&last.session().unwrap());
    for (number, change) in (2..).zip(["chmod 500", "chmod 0", "chown 7:7", "chmod 700"]) {
        assert!(
            names(&dir.join("outbox")).is_empty()
                && !dir.join(format!("tasks/{}/outbox", number - 1)).exists()
        );
        last = world.go_on(&repo, &last, &format!("do: {change} /outbox"));
        assert!(last.text().contains("Nothing was to be said."), "{change}: {}", last.text());
    }
    let change = "echo fine >/outbox/fine.txt; chown 7:7 /outbox; chmod 500 /outbox";
    for _ in 0..2 {
        last = world.go_on(&repo, &last, &format!("do: {change}"));
        assert_eq!(names_of(&last), ["fine.txt"]);
    }
}

#[test]
fn a_run_that_fails_attaches_what_there_is_too() {
    let world = World::with_containers();
    let repo = world.repo(&obedient());
    let answer = world.ask(&repo, "do: echo half >/outbox/half.txt; exit 3");
    assert_eq!(answer.attachments(), [("half.txt".to_owned(), b"half\n".to_vec())]);
    assert!(answer.text().contains("could not finish"), "{}", answer.text());
}

#[test]
fn what_the_agent_plants_in_the_outbox_never_mails_a_file_of_the_host() {
    let world = World::with_containers();
    let repo = world.repo(&obedient());
    let secret = world.path("tmp/host-secret");
    fs::write(&secret, "the host's own\n").unwrap();
    let body = format!(
        "do: cd /outbox; ln -s {} link; ln -s {} linked; mkfifo pipe; mkdir directory; echo fine >file",
        secret.display(),
        secret.parent().unwrap().display()
    );
    let answer = world.ask(&repo, &body);
    assert_eq!(names_of(&answer), ["file"]);
    assert!(!String::from_utf8_lossy(&answer.raw).contains("the host's own"));
    for name in ["link", "linked", "pipe", "directory"] {
        assert!(answer.text().contains(&format!("`{name}`")), "{}", answer.text());
    }
    // The outbox itself replaced: a mount cannot be, its content can.
    let next = world.go_on(&repo, &answer, "do: rm -rf /outbox/*; rmdir /outbox; ln -s /etc /outbox");
    assert_eq!(next.attachments(), []);
}

#[test]
fn what_is_too_large_for_a_mail_is_named_in_it() {
    let world = World::with_containers();
    let repo = world.repo(&obedient());
    let body = "do: cd /outbox; head -c 20000000 /dev/zero >large.bin; echo small >small.txt";
    let answer = world.ask(&repo, body);
    assert_eq!(names_of(&answer), ["small.txt"]);
    assert!(answer.text().contains("`large.bin`"), "{}", answer.text());
}

//! Who is let in, and that nobody else notices anything at all.

use crate::support::letter::Letter;
use crate::support::mailserver::{mail_server, unique};
use crate::support::world::{Repo, Setup, Way, World};
use crate::whole::steps::{json, names, obedient};
use std::fs;

/// Puts bytes into the repository's Maildir as they are.
fn put(repo: &Repo, bytes: &[u8]) {
    fs::write(repo.maildir.join("new").join(unique("1700000000.raw")), bytes).unwrap();
}

/// The reasons why the mails in `queue/rejected` are there.
fn reasons(repo: &Repo) -> Vec<String> {
    let dir = repo.storage.join("queue/rejected");
    let verdicts = names(&dir).into_iter().filter(|name| name.ends_with(".json"));
    verdicts.map(|name| json(&dir.join(name))["reason"].as_str().unwrap().to_owned()).collect()
}

fn assert_nothing_happened(world: &World, repo: &Repo, rejected: usize) {
    assert_eq!(repo.sessions(), [""; 0]);
    assert_eq!(names(&repo.reply_maildir.join("new")), [""; 0]);
    assert_eq!(world.status(repo)["rejected"], rejected, "{:?}", reasons(repo));
    repo.assert_nothing_waits();
}

#[test]
fn strangers_get_no_answer_and_leave_nothing_but_a_reason_for_the_operator() {
    let world = World::new();
    let repo = world.repo(&obedient());
    let letter = world.letter(&repo, "Let me in", "sh: id");
    // Authenticated, and not on the list; on the list, and not authenticated.
    world.send(&repo, &Letter { from: "bob@elsewhere.example".to_owned(), ..letter.clone() });
    world.send(&repo, &Letter { from: "mallory@evil.example".to_owned(), ..letter.clone() });
    let results = "Authentication-Results: mx.example.com; ";
    let plain = letter.bytes();
    for header in [
        "",
        "Authentication-Results: mx.other.example; dmarc=pass header.from=example.com\r\n",
        &format!("{results}dmarc=fail header.from=example.com\r\n"),
        &format!("{results}dmarc=pass header.from=other.example\r\n"),
        &format!("{results}dmarc=none\r\n{results}dmarc=pass header.from=example.com\r\n"),
        &format!("{results}dmarc=pass header.from=example.com\r\nFrom: x@evil.example\r\n"),
    ] {
        put(&repo, &[header.as_bytes(), &plain].concat());
    }
    let ran = world.cycle();
    assert_eq!(ran.stdout.lines().count(), 8, "only fetched: {}", ran.stdout);
    assert_eq!(ran.stderr.matches("refused, ").count(), 8, "{}", ran.stderr);
    assert_nothing_happened(&world, &repo, 8);
    assert_eq!(reasons(&repo).len(), 8);
}

#[test]
fn results_that_a_stranger_wrote_himself_are_not_believed_over_those_of_the_real_mail_server() {
    let world = World::new();
    let repo = world.repo(&Setup { way: Way::Server, ..obedient() });
    let forged = world
        .letter(&repo, "Let me in", "sh: id")
        .header("Authentication-Results", "mx.example.com; dmarc=pass header.from=example.com");
    mail_server().submit("mallory@evil.example", &repo.address, &forged.bytes());
    mail_server().mailbox(&repo.user).wait_for(1);
    let ran = world.cycle();
    assert_eq!(repo.sessions(), [""; 0]);
    assert_eq!(reasons(&repo).len(), 1, "{}", ran.stderr);
    assert_eq!(mail_server().mailbox(&repo.user).count(), 0);
    assert_eq!(world.answers(&repo, 0).len(), 0);
}

#[test]
fn mail_that_a_machine_wrote_is_not_answered() {
    let world = World::new();
    let repo = world.repo(&obedient());
    let letter = || world.letter(&repo, "Out of office", "sh: id");
    world.send(&repo, &letter().header("Auto-Submitted", "auto-replied"));
    world.send(&repo, &letter().header("Precedence", "bulk"));
    world.send(&repo, &letter().header("List-Id", "<list.example.com>"));
    world.send(&repo, &letter().header("Return-Path", "<>"));
    world.send(&repo, &Letter { from: "mailer-daemon@example.com".to_owned(), ..letter() });
    world.send(&repo, &Letter { from: repo.address.clone(), ..letter() });
    world.cycle();
    assert_nothing_happened(&world, &repo, 6);
}

#[test]
fn case_does_not_matter_and_the_answer_goes_to_who_asked_whatever_reply_to_says() {
    let world = World::with_containers();
    let repo = world.repo(&obedient());
    let letter = Letter { from: "Dora@EXAMPLE.com".to_owned(), ..world.letter(&repo, "Hi", "sh: echo hi") };
    world.send(&repo, &letter.header("Reply-To", "mallory@evil.example"));
    world.cycle();
    let raw: Vec<_> = names(&repo.reply_maildir.join("new"));
    assert_eq!(raw.len(), 2);
    for name in raw {
        let mail = fs::read_to_string(repo.reply_maildir.join("new").join(name)).unwrap();
        assert!(mail.to_lowercase().contains("to: dora@example.com"), "{mail}");
        assert!(!mail.contains("mallory"), "{mail}");
    }
}

#[test]
fn two_senders_at_once_have_two_conversations_and_two_answers() {
    let world = World::with_containers();
    let repo = world.repo(&obedient());
    let (alice, bob) = (repo.sender.clone(), "bob@example.com".to_owned());
    for who in [&alice, &bob] {
        let body = format!("sh: echo for {who}; ls /storage\ndo: touch /storage/{who}");
        world.send(&repo, &Letter { from: who.clone(), ..world.letter(&repo, "Same subject", &body) });
    }
    world.cycle();
    for (who, other) in [(&alice, &bob), (&bob, &alice)] {
        let answers = world.answers_to(&repo, who, 2);
        assert_eq!(answers.len(), 2);
        let text = answers[1].text();
        assert!(text.contains(&format!("for {who}")) && !text.contains(&**other), "{text}");
    }
    assert_eq!(repo.sessions().len(), 2);
}

#[test]
fn a_mail_that_comes_again_is_not_worked_on_again() {
    let world = World::with_containers();
    let repo = world.repo(&obedient());
    let letter = world.letter(&repo, "Once", "sh: echo once");
    let first = world.ask_with(&repo, &letter);
    assert!(first.text().contains("once"));
    // The very bytes again, and the same mail caught and sent by another way.
    world.send(&repo, &letter);
    let now = jiff::fmt::rfc2822::to_string(&jiff::Zoned::now()).unwrap();
    let mut other = format!(
        "Authentication-Results: mx.example.com; dmarc=pass header.from=example.com\r\n\
         Received: from elsewhere by mx.example.com; {now}\r\n"
    )
    .into_bytes();
    other.extend(letter.bytes());
    put(&repo, &other);
    world.cycle();
    assert_eq!(world.answers(&repo, 2).len(), 2);
    assert_eq!(repo.sessions().len(), 1);
    repo.assert_nothing_waits();
}

#[test]
fn a_mail_its_server_could_not_settle_waits_and_is_neither_lost_nor_answered() {
    let world = World::new();
    let repo = world.repo(&obedient());
    let header = b"Authentication-Results: mx.example.com; dmarc=temperror header.from=example.com\r\n";
    put(&repo, &[&header[..], &world.letter(&repo, "Hi", "sh: id").bytes()].concat());
    let _ = world.run(&["fetch"]).ok();
    let ran = world.run(&["authorize"]).exit(75);
    assert!(ran.stderr.contains("hint: authorize --explain"), "{}", ran.stderr);
    assert_eq!(repo.queued("deferred/fetched").len(), 1);
    assert_eq!(world.status(&repo)["deferred"].as_array().unwrap().len(), 1);
    let _ = world.run(&["authorize"]).ok();
    assert_eq!(repo.sessions(), [""; 0]);
}

#[test]
fn explain_says_of_any_mail_what_would_become_of_it_and_changes_nothing() {
    let world = World::new();
    let repo = world.repo(&obedient());
    let file = world.path("mail.eml");
    let explain = |header: &str, code| {
        let mail = [header.as_bytes(), &world.letter(&repo, "Hi", "Hi.").bytes()].concat();
        fs::write(&file, mail).unwrap();
        world.run(&["authorize", "--explain", file.to_str().unwrap()]).exit(code).stdout
    };
    let results = |word| format!("Authentication-Results: mx.example.com; dmarc={word}\r\n");
    assert!(explain(&results("pass"), 0).contains("accepted: "));
    let refused = explain(&results("fail"), 1);
    assert!(refused.contains("FAILED") && refused.contains("refused: "), "{refused}");
    assert!(explain("", 1).contains("FAILED"));
    assert!(explain(&results("temperror"), 75).contains("later: "));
    repo.assert_nothing_waits();
    assert_eq!(repo.queued("rejected"), [""; 0]);
}

//! Replies: the same conversation, or honestly another one.

use crate::support::api::{run, say};
use crate::support::letter::Letter;
use crate::support::world::{Setup, World};
use crate::whole::steps::obedient;
use std::fs;

#[test]
fn a_reply_continues_claudes_conversation_in_the_same_workspace() {
    let world = World::with_containers();
    let api = world.api();
    let repo = world.repo(&Setup::claude(&api));
    let body = format!("Remember the word umbrella. {}", run("echo unsaved >draft.txt; echo written"));
    let first = world.ask(&repo, &body);
    assert!(first.text().contains("written"), "{}", first.text());
    let second = world.go_on(&repo, &first, "How long have we talked? [[history]]");
    assert!(second.text().contains("has 5 messages"), "{}", second.text());
    assert!(second.text().contains("umbrella"), "{}", second.text());
    let third = world.go_on(&repo, &second, &run("cat draft.txt; git status --short"));
    assert!(third.text().contains("    unsaved\n    ?? draft.txt"), "{}", third.text());
    let id = first.session().unwrap();
    assert_eq!([second.session().unwrap(), third.session().unwrap()], [&*id, &*id]);
    let references = third.header("References").unwrap();
    for mail in [&first, &second] {
        assert!(references.contains(&mail.header("Message-ID").unwrap()), "{references}");
    }
    for number in 1..=3 {
        let events = fs::read_to_string(repo.session(&id).join(format!("tasks/{number}/events.jsonl")));
        assert!(events.unwrap().contains("\"type\":\"result\""));
    }
    repo.assert_nothing_waits();
}

#[test]
fn a_conversation_that_cannot_be_resumed_is_answered_afresh_with_the_last_answer_and_says_so() {
    let world = World::with_containers();
    let api = world.api();
    let repo = world.repo(&Setup::claude(&api));
    let first = world.ask(&repo, &say("The parcel is in the attic."));
    // The API refuses the conversation as it stands.
    let second = world.go_on(&repo, &first, "Where is it? [[poisoned]]");
    assert!(second.text().contains("The answer is 42."), "{}", second.text());
    assert!(second.text().contains("Claude began afresh"), "{}", second.text());
    let seen = api.seen();
    let asked: Vec<_> = seen.iter().filter(|seen| seen.word == "poisoned").collect();
    assert!(asked[0].messages > 1 && asked.last().unwrap().messages == 1, "{asked:?}");
    assert!(asked.last().unwrap().body.to_string().contains("The parcel is in the attic."));
    // Its transcript is gone.
    let id = first.session().unwrap();
    fs::remove_dir_all(repo.session(&id).join("claude/projects")).unwrap();
    let third = world.go_on(&repo, &second, "And now? [[history]]");
    assert!(third.text().contains("has 1 messages"), "{}", third.text());
    assert!(third.text().contains("Claude began afresh"), "{}", third.text());
    // Once: the new conversation goes on as any other.
    let fourth = world.go_on(&repo, &third, "And then? [[history]]");
    assert!(fourth.text().contains("has 3 messages"), "{}", fourth.text());
    assert!(!fourth.text().contains("Claude began afresh"), "{}", fourth.text());
}

#[test]
fn a_session_is_found_by_its_headers_without_the_tag_and_by_the_tag_without_headers() {
    let world = World::with_containers();
    let repo = world.repo(&obedient());
    let first = world.ask(&repo, "do: echo $((1 + $(cat /storage/n 2>/dev/null || echo 0))) >/storage/n");
    let count = "sh: echo resumed=$resumed";
    let reply = Letter::reply(&repo.sender, &first, count);
    let second = world.go_on_with(&repo, &Letter { subject: "Quite another subject".to_owned(), ..reply });
    assert_eq!(second.session(), first.session());
    assert!(second.text().contains("resumed=11111111-2222"), "{}", second.text());
    let subject = format!("AW: {}", first.header("Subject").unwrap());
    let third = world.go_on_with(&repo, &world.letter(&repo, &subject, count));
    assert_eq!(third.session(), first.session());
    assert!(third.text().contains("resumed=11111111-2222"), "{}", third.text());
    // Only its headers: not even a Message-ID in In-Reply-To, as some clients leave it.
    let mut reply = Letter::reply(&repo.sender, &third, count);
    reply.in_reply_to = None;
    reply.subject = "References alone".to_owned();
    assert_eq!(world.go_on_with(&repo, &reply).session(), first.session());
    assert_eq!(repo.sessions(), [first.session().unwrap()]);
}

#[test]
fn an_id_that_is_expired_guessed_or_of_another_repository_opens_a_new_conversation() {
    let world = World::with_containers();
    let (repo, other) = (world.repo(&obedient()), world.repo(&obedient()));
    let first = world.ask(&repo, "do: echo mine >/storage/secret");
    let id = first.session().unwrap();
    let look = "sh: cat /storage/secret 2>/dev/null || echo nothing here";

    // Guessed by somebody who may write, and is no part of it.
    let letter = Letter { from: "bob@example.com".to_owned(), ..world.letter(&repo, "", look) };
    let guessed = world.ask_with(&repo, &Letter { subject: format!("Re: [ID:{id}] Hi"), ..letter });
    assert_ne!(guessed.session().unwrap(), id);
    assert!(guessed.text().contains("nothing here"), "{}", guessed.text());
    assert!(guessed.text().contains("You were not part of the conversation"), "{}", guessed.text());

    // Of another repository.
    let letter = world.letter(&other, &format!("Re: [ID:{id}] Hi"), look);
    let foreign = world.ask_with(&other, &Letter { from: repo.sender.clone(), ..letter });
    assert_ne!(foreign.session().unwrap(), id);
    assert!(foreign.text().contains("nothing here"), "{}", foreign.text());

    // Gone.
    let _ = world.run(&["session", "rm", &format!("{}:{id}", repo.name)]).ok();
    assert!(!repo.session(&id).exists());
    let gone = world.ask_with(&repo, &Letter::reply(&repo.sender, &first, look));
    assert_ne!(gone.session().unwrap(), id);
    assert!(gone.text().contains(&format!("(ID {id}) is no longer kept")), "{}", gone.text());
    assert_eq!((repo.sessions().len(), other.sessions().len()), (2, 1));
}

#[test]
fn somebody_the_mail_was_copied_to_may_go_on_with_the_conversation() {
    let world = World::with_containers();
    let repo = world.repo(&obedient());
    let letter = world.letter(&repo, "For both", "do: echo shared >/storage/note");
    let first = world.ask_with(&repo, &letter.header("Cc", "Carol <carol@example.com>"));
    let reply = Letter::reply("carol@example.com", &first, "sh: cat /storage/note");
    let second = world.go_on_with(&repo, &reply);
    assert_eq!(second.session(), first.session());
    assert_eq!(second.header("To").unwrap(), "carol@example.com");
    assert!(second.text().contains("shared"), "{}", second.text());
}

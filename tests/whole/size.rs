//! Conversations that take more than `max_storage`: their people hear of it before one goes.

use crate::support::letter::Letter;
use crate::support::world::World;
use crate::whole::steps::{json, obedient};
use std::fs;
use std::time::{Duration, SystemTime};

const LARGE: &str = "do: head -c 6000000 /dev/zero >/storage/large\nsh: echo done";

#[test]
fn a_conversation_that_takes_too_much_goes_a_day_after_its_people_heard_of_it_unless_they_write() {
    let world = World::with_containers();
    let mut setup = obedient();
    setup.toml = "max_storage = \"4m\"\nmax_sessions = 10\n".to_owned();
    let repo = world.repo(&setup);
    let [first, second, small] = [LARGE, LARGE, "sh: echo small"].map(|body| world.ask(&repo, body));
    let ids = [&first, &second, &small].map(|answer| answer.session().unwrap());
    for id in &ids {
        let file = repo.session(id).join("session.json");
        let mut session = json(&file);
        let then = jiff::Timestamp::now() - jiff::SignedDuration::from_hours(48);
        session["active_at"] = then.to_string().into();
        fs::write(&file, session.to_string()).unwrap();
    }
    let told = world.run(&["gc"]).ok().stderr;
    assert!(
        told.contains("beyond max_storage") && told.contains(&ids[0]) && told.contains(&ids[1]),
        "{told}"
    );
    assert!(!told.contains(&ids[2]), "{told}");
    let _ = world.run(&["reply"]).ok();
    let mails = world.answers(&repo, 8);
    assert_eq!(mails.len(), 8, "an acknowledgement and an answer to each of three, and two notes");
    let note = mails.iter().find(|mail| {
        mail.header("Message-ID").unwrap().contains(".note.") && mail.session().as_ref() == Some(&ids[1])
    });
    let note = note.unwrap();
    assert!(note.text().contains("The conversation will be cleared"), "{}", note.text());
    assert_eq!(note.header("In-Reply-To"), second.header("In-Reply-To"), "in its thread");
    let shown = world.run(&["status"]).ok().stdout;
    assert!(shown.contains("max_storage is 4 MB") && shown.contains("goes after"), "{shown}");

    // Who answers the note goes on in the conversation.
    let kept = world.go_on(&repo, note, "sh: ls /storage");
    assert_eq!((kept.session().unwrap(), kept.text().contains("large")), (ids[1].clone(), true));
    let seen = fs::read_dir(repo.storage.join("seen")).unwrap().map(|entry| entry.unwrap().path());
    for path in seen.flat_map(|dir| fs::read_dir(dir).unwrap()).map(|entry| entry.unwrap().path()) {
        let yesterday = SystemTime::now() - Duration::from_secs(25 * 3600);
        fs::File::open(path).unwrap().set_modified(yesterday).unwrap();
    }
    let gone = world.run(&["gc"]).ok().stderr;
    assert!(gone.contains(&format!("removing session {}", ids[0])), "{gone}");
    let mut left = vec![ids[1].clone(), ids[2].clone()];
    left.sort();
    assert_eq!(repo.sessions(), left);

    let late = world.ask_with(&repo, &Letter::reply(&repo.sender, &first, "sh: ls /storage"));
    assert_ne!(late.session().unwrap(), ids[0]);
    assert!(late.text().contains("no longer kept"), "{}", late.text());
}

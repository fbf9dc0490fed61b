//! Every point of every step (`src/disk/crash.rs`): the process is ended there, the steps are run again, and all ends as
//! if nothing had happened.

use crate::support::letter::{Answer, Letter};
use crate::support::world::World;
use crate::whole::faults::Stage;
use crate::whole::steps::{container_of, obedient};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

/// How many worlds at once.
const THREADS: usize = 3;

/// Ends the step at each of its points, each time in a twin of this world, and demands the end that the undisturbed run
/// comes to. Returns the points.
fn walk(stage: &Stage, step: &[&str]) -> Vec<String> {
    let undisturbed = stage.twin();
    let points = undisturbed.record(step);
    undisturbed.settle().unwrap();
    let (sent, tree) = (undisturbed.sent(), undisturbed.tree());
    assert!(sent.values().all(|mails| mails.ids == 1 && mails.words.len() == 1), "{sent:?}");
    let (next, not_reached, faults) = (AtomicUsize::new(1), AtomicUsize::new(0), Mutex::new(Vec::new()));
    let at = |number: usize| -> Result<(), String> {
        let twin = stage.twin();
        if !twin.crash(step, &number.to_string()) {
            not_reached.fetch_add(1, Ordering::Relaxed);
        }
        twin.settle()?;
        same(&tree, &twin.tree())?;
        same(&sent, &twin.sent())
    };
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let Some(name) = points.get(number - 1) else { return };
                    // The process's end frees it all the same.
                    if name == "free the lock" && number < points.len() {
                        continue;
                    }
                    if let Err(fault) = at(number) {
                        faults
                            .lock()
                            .unwrap()
                            .push(format!("{step:?} {number} of {}, {name}: {fault}", points.len()));
                    }
                }
            });
        }
    });
    // Two threads of `run` look for work and take and free a lock now and then, as often as time allows.
    let not_reached = not_reached.into_inner();
    assert!(not_reached <= if step == ["run"] { 4 } else { 0 }, "{not_reached} were not reached");
    let faults = faults.into_inner().unwrap();
    assert!(faults.is_empty(), "{} of {}:\n{}", faults.len(), points.len(), faults.join("\n"));
    points
}

/// What the two do not have in common, line by line.
pub fn same<T: PartialEq + std::fmt::Debug>(
    wanted: &BTreeMap<String, T>,
    found: &BTreeMap<String, T>,
) -> Result<(), String> {
    let mut differ = String::new();
    let names: BTreeSet<_> = wanted.keys().chain(found.keys()).collect();
    for name in names.into_iter().filter(|name| wanted.get(*name) != found.get(*name)) {
        let text =
            |map: &BTreeMap<String, T>| map.get(name).map(|value| format!("{value:#?}").replace("\\n", "\n"));
        let (wanted, found) = (text(wanted).unwrap_or_default(), text(found).unwrap_or_default());
        let lacks = |text: &str, line: &&str| !text.lines().any(|other| other == *line);
        differ += &format!("\n  {name}");
        wanted
            .lines()
            .filter(|line| lacks(&found, line))
            .for_each(|line| differ += &format!("\n    - {line}"));
        found
            .lines()
            .filter(|line| lacks(&wanted, line))
            .for_each(|line| differ += &format!("\n    + {line}"));
    }
    if differ.is_empty() { Ok(()) } else { Err(differ) }
}

impl Stage {
    pub fn letter(&self, from: &str, subject: &str, body: &str) -> Letter {
        Letter::new(from, &self.repo.address, subject, body)
    }

    /// Through the steps before; one after the other, so that their order is that of their times.
    pub fn bring(&self, letters: &[Letter], steps: &[&[&str]]) {
        for letter in letters {
            self.world.send(&self.repo, letter);
            for step in steps {
                let ran = self.run(step);
                assert!(matches!(ran.code, Some(0)), "{ran:?}");
            }
        }
    }

    /// The first mail of a conversation, answered.
    pub fn conversation(&self) -> Answer {
        let letter = self.letter("alice@example.com", "Hello", "Please look.");
        self.bring(&[letter], &[&["cycle"]]);
        let answers = self.world.answers_to(&self.repo, "alice@example.com", 2);
        answers.into_iter().find(|answer| !answer.header("Message-ID").unwrap().contains(".ack.")).unwrap()
    }
}

fn with_attachments(letter: Letter) -> Letter {
    letter.attach("a.txt", b"1").attach("a.txt", b"2")
}

#[test]
fn wherever_fetch_is_ended_each_mail_is_taken_once() {
    let stage = Stage::new("", "");
    let letters = [
        with_attachments(stage.letter("alice@example.com", "Hello", "Please.")),
        stage.letter("mallory@evil.example", "Hello", "Please."),
    ];
    stage.bring(&letters, &[]);
    let points = walk(&stage, &["fetch"]);
    assert!(points.len() > 10, "{points:?}");
}

#[test]
fn wherever_authorize_is_ended_each_mail_is_judged_once() {
    let stage = Stage::new("refusal_notice = true", "");
    let letters = [
        stage.letter("alice@example.com", "Hello", "Please."),
        stage.letter("mallory@evil.example", "Hello", "Please."),
        stage.letter("bob@elsewhere.example", "Hello", "Please."),
    ];
    stage.bring(&letters, &[&["fetch"]]);
    let points = walk(&stage, &["authorize"]);
    assert!(points.len() > 20, "{points:?}");
}

#[test]
fn wherever_a_session_is_opened_or_continued_the_mail_is_placed_once() {
    let tables = "[repos.NAME.limits]\nsender_mails_per_day = 3\n";
    let stage = Stage::new("session_access = \"authorized\"", tables);
    let first = stage.conversation();
    let letters = [
        with_attachments(stage.letter("bob@example.com", "Another", "Please.")),
        with_attachments(Letter::reply("alice@example.com", &first, "More, please.")),
        Letter::reply("alice@example.com", &first, "/status"),
        Letter::reply("alice@example.com", &first, "This is beyond the limit."),
    ];
    stage.bring(&letters, &[&["fetch"], &["authorize"]]);
    let points = walk(&stage, &["session", "open"]);
    assert!(points.len() > 60, "{points:?}");
}

#[test]
fn wherever_a_run_is_ended_it_is_continued_and_answered_once() {
    let stage = Stage::new("", "");
    let letter = stage.letter("alice@example.com", "Hello", "Please.");
    stage.bring(&[letter], &[&["fetch"], &["authorize"], &["session", "open"], &["reply"]]);
    let points = walk(&stage, &["run"]);
    assert!(points.len() > 30, "{points:?}");
}

#[test]
fn wherever_a_reply_is_ended_it_is_sent_as_the_same_mail() {
    let stage = Stage::new("refusal_notice = true", "");
    let letters = [
        stage.letter("alice@example.com", "Hello", "Please."),
        stage.letter("bob@elsewhere.example", "Hello", "Please."),
    ];
    stage.bring(&letters, &[&["fetch"], &["authorize"], &["session", "open"]]);
    assert_eq!(stage.run(&["run"]).code, Some(0));
    let points = walk(&stage, &["reply"]);
    assert!(points.len() > 20, "{points:?}");
}

#[test]
fn wherever_gc_is_ended_it_removes_the_same_the_next_time() {
    let stage = Stage::new("", "");
    let first = stage.conversation();
    let refused = stage.letter("mallory@evil.example", "Hello", "Please.");
    stage.bring(&[refused], &[&["cycle"]]);
    stage.bring(&[stage.letter("bob@example.com", "Another", "Please.")], &[&["cycle"]]);
    let session = stage.repo.session(&first.session().unwrap()).join("session.json");
    let text = fs::read_to_string(&session).unwrap();
    let aged = text.lines().map(|line| {
        if line.contains("\"active_at\"") {
            "  \"active_at\": \"2020-01-01T00:00:00Z\",\n".to_owned()
        } else {
            format!("{line}\n")
        }
    });
    fs::write(&session, aged.collect::<String>()).unwrap();
    let long_ago = SystemTime::now() - Duration::from_secs(400 * 24 * 3600);
    for name in stage.repo.queued("rejected") {
        let file = fs::File::open(stage.repo.storage.join("queue/rejected").join(name)).unwrap();
        file.set_modified(long_ago).unwrap();
    }
    let points = walk(&stage, &["gc"]);
    assert_eq!(stage.twin().repo.sessions().len(), 2);
    assert!(points.len() > 8, "{points:?}");
}

#[test]
fn wherever_gc_or_reply_is_ended_people_hear_once_that_their_conversation_goes_for_its_size() {
    let stage = Stage::new("max_storage = \"1k\"", "");
    let id = stage.conversation().session().unwrap();
    let session = stage.repo.session(&id).join("session.json");
    let mut text = crate::whole::steps::json(&session);
    let then = jiff::Timestamp::now() - jiff::SignedDuration::from_hours(48);
    text["active_at"] = then.to_string().into();
    fs::write(&session, text.to_string()).unwrap();
    assert!(walk(&stage, &["gc"]).len() > 8);
    assert_eq!(stage.run(&["gc"]).code, Some(0));
    assert_eq!(stage.repo.queued("finished").len(), 1);
    assert!(walk(&stage, &["reply"]).len() > 5);
    stage.settle().unwrap();
    let notes = stage.sent().into_iter().filter(|(what, _)| what.contains("note")).collect::<Vec<_>>();
    assert!(notes.len() == 1 && notes[0].1.ids == 1, "{notes:?}");
    assert!(stage.repo.session(&id).exists());
}

#[test]
fn a_real_container_is_replaced_when_its_run_was_ended_beside_it() {
    let stage = Stage::with(World::with_containers(), &obedient());
    fs::remove_file(stage.world.path("bin/podman")).unwrap();
    let arrive = || {
        let letter = stage.letter("alice@example.com", "Hello", "sh: echo the answer");
        stage.bring(&[letter], &[&["fetch"], &["authorize"], &["session", "open"]]);
    };
    // The first makes the image.
    arrive();
    stage.settle().unwrap();
    arrive();
    let points = stage.record(&["run"]);
    stage.settle().unwrap();
    for name in ["start the program", "after the program's end"] {
        let number = points.iter().rposition(|point| point == name).unwrap() + 1;
        arrive();
        assert!(stage.crash(&["run"], &number.to_string()), "{name}");
        stage.settle().unwrap();
        assert_eq!(container_of(&stage.repo), "", "{name}");
    }
    let sent = stage.sent();
    assert_eq!(sent.len(), 8, "an acknowledgement and an answer to each: {sent:?}");
    assert!(sent.values().all(|mails| mails.ids == 1), "{sent:?}");
    let answers = sent.values().filter(|mails| mails.words.iter().all(|words| words.contains("the answer")));
    assert_eq!(answers.count(), 4, "{sent:?}");
}

//! The real mail server on both sides, and the process ended between its commands and at any moment.

use crate::support::letter::{Answer, Letter};
use crate::support::mailserver::{mail_server, unique};
use crate::support::world::{Setup, Way, World};
use crate::whole::faults::Stage;
use crate::whole::steps::{Running, wait_until};
use std::collections::BTreeSet;
use std::time::Duration;

/// How often a process is killed while the mails of one mailbox are worked off.
const KILLS: usize = 200;
const MAILS: usize = 50;

fn stage() -> Stage {
    let setup = Setup { way: Way::Server, ..Setup::stand_in("#!/bin/sh\n") };
    Stage::with(World::new(), &setup)
}

impl Stage {
    /// A mail of somebody new, in the mailbox as the server would put it there.
    fn arrive(&self) -> Letter {
        let from = format!("{}@example.com", unique("alice"));
        let letter = Letter::new(&from, &self.repo.address, "Hello", "Please.");
        let mut mail =
            b"Authentication-Results: mx.example.com; dmarc=pass header.from=example.com\r\n".to_vec();
        mail.extend(letter.bytes());
        mail_server().mailbox(&self.repo.user).append(&mail);
        letter
    }

    /// The Message-IDs of what was sent for a mail: its answer's and its acknowledgement's.
    fn ids(letter: &Letter) -> (BTreeSet<String>, BTreeSet<String>) {
        let user = letter.from.split_once('@').unwrap().0;
        let mails = mail_server().mailbox(user).mails().into_iter().map(|raw| Answer { raw });
        let wanted = Some(format!("<{}>", letter.message_id));
        let mine = mails.filter(|answer| answer.header("In-Reply-To") == wanted);
        mine.map(|answer| answer.header("Message-ID").unwrap()).partition(|id| !id.contains(".ack."))
    }

    #[track_caller]
    fn assert_answered_once(letters: &[Letter]) {
        for letter in letters {
            wait_until("the answer has come", || !Self::ids(letter).0.is_empty());
        }
        for letter in letters {
            let (answers, acknowledgements) = Self::ids(letter);
            assert!(answers.len() == 1 && acknowledgements.len() <= 1, "{answers:?} {acknowledgements:?}");
        }
    }

    /// Ends the step once at each of its points of that kind, with one mail each time; returns how many these are.
    fn walk_with(&self, before: &[&[&str]], step: &[&str], kind: &str) -> usize {
        let arrive = || {
            let letter = self.arrive();
            before.iter().for_each(|step| assert_eq!(self.run(step).code, Some(0)));
            letter
        };
        // The first finds what is made once for all.
        let mut letters = vec![arrive()];
        self.settle().unwrap();
        letters.push(arrive());
        let points = self.record(step);
        self.settle().unwrap();
        let wanted = points.iter().enumerate().filter(|(_, name)| name.contains(kind));
        let numbers: Vec<_> = wanted.map(|(index, _)| (index + 1).to_string()).collect();
        for number in &numbers {
            letters.push(arrive());
            assert!(self.crash(step, number), "{number} of {points:?} was not reached");
            self.settle().unwrap();
        }
        assert_eq!(mail_server().mailbox(&self.repo.user).count(), 0);
        Self::assert_answered_once(&letters);
        assert_eq!(self.repo.sessions().len(), letters.len());
        numbers.len()
    }
}

#[test]
fn wherever_an_imap_conversation_is_cut_each_mail_is_taken_once() {
    let count = stage().walk_with(&[], &["fetch"], "IMAP");
    assert!(count > 10, "{count}");
}

#[test]
fn wherever_an_smtp_conversation_is_cut_each_mail_is_sent_as_one() {
    let before: [&[&str]; 4] = [&["fetch"], &["authorize"], &["session", "open"], &["run"]];
    let count = stage().walk_with(&before, &["reply"], "SMTP");
    assert_eq!(count, 8, "an acknowledgement and an answer");
}

#[test]
fn killed_at_random_moments_again_and_again_it_answers_each_mail_of_a_mailbox_once() {
    let stage = stage();
    let letters: Vec<_> = (0..MAILS).map(|_| stage.arrive()).collect();
    let mut seed = 5_u64;
    let mut chance = |below: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % below
    };
    // What lies in a pipe that nobody reads would hold the process up.
    let begin = || {
        let mut command = stage.airut(&["cycle"]);
        Running(
            command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null()).spawn().unwrap(),
        )
    };
    let mut at_work = [begin(), begin()];
    for _ in 0..KILLS {
        std::thread::sleep(Duration::from_millis(chance(200)));
        let one = &mut at_work[usize::try_from(chance(2)).unwrap()];
        one.kill();
        *one = begin();
    }
    for cycle in at_work {
        let _ = cycle.end();
    }
    stage.settle().unwrap();
    assert_eq!(mail_server().mailbox(&stage.repo.user).count(), 0);
    Stage::assert_answered_once(&letters);
    assert_eq!(stage.repo.sessions().len(), MAILS);
    for id in stage.repo.sessions() {
        assert_eq!(stage.repo.task(&id, 1)["messages"].as_array().unwrap().len(), 1, "{id}");
        assert!(!stage.repo.session(&id).join("tasks/2").exists(), "{id}");
    }
}

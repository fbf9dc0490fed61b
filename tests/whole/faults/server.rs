//! The real mail server on both sides, and the process ended between its commands and at any moment.

use crate::support::letter::{Answer, Letter};
use crate::support::mailserver::{mail_server, unique};
use crate::support::world::{Setup, Way, World};
use crate::whole::faults::Stage;
use crate::whole::steps::{Running, names, wait_until};
use airut::base::limits;
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, chown};
use std::time::Duration;

/// How often a process is killed while the mails of one mailbox are worked off.
const KILLS: usize = 200;
const MAILS: usize = 50;
/// Mails of a mailbox that nobody looked after; and as many as there may be, where all is asked for.
const HEAP: usize = 5_000;
const LARGE_HEAP: usize = 50_000;
/// What `fetch` may take of memory, however many mails there are.
const MEMORY_KIB: usize = 60 << 10;

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

/// Puts small mails into a mailbox as the server itself keeps them, one of which it has.
fn heap_up(user: &str, count: usize) {
    let maildir = mail_server().ca.with_file_name("mail").join(user).join("Maildir");
    let owner = fs::metadata(maildir.join("new")).unwrap();
    for number in 1..count {
        let mail = format!(
            "Authentication-Results: mx.example.com; dmarc=fail header.from=evil.example\n\
             From: mallory@evil.example\nSubject: {number}\nMessage-ID: <{number}.{user}@evil.example>\n\n{}\n",
            "Buy now. ".repeat(30)
        );
        let path = maildir.join("new").join(format!("{}.M{number}P1.mx", 1_700_000_000 + number));
        fs::write(&path, mail).unwrap();
        chown(&path, Some(owner.uid()), Some(owner.gid())).unwrap();
    }
}

/// How many mails the server has given out whole to a user whose connections have ended.
fn given(user: &str) -> usize {
    let log = fs::read_to_string(mail_server().ca.with_file_name("log").join("dovecot.log")).unwrap();
    let ended = log.lines().filter(|line| line.contains(&format!("imap({user})")));
    let counts =
        ended.filter_map(|line| line.split_once("body_count=")?.1.split(' ').next()?.parse::<usize>().ok());
    counts.sum()
}

/// The most memory that a process has had, as long as it lives.
fn peak_kib(process: &Running) -> Option<usize> {
    let status = fs::read_to_string(format!("/proc/{}/status", process.0.id())).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

#[test]
fn a_heap_of_mails_is_taken_in_little_memory_and_each_is_downloaded_once_though_it_is_killed_between() {
    let all = std::env::var_os("AIRUT_TEST_ALL").is_some();
    let count = if all { LARGE_HEAP } else { HEAP };
    let stage = stage();
    let (user, fetched) = (&stage.repo.user, stage.repo.storage.join("queue/fetched"));
    mail_server().mailbox(user).append(b"From: a@example.com\r\nSubject: the first\r\n\r\nHello.\r\n");
    heap_up(user, count);
    let begin = || {
        let mut command = stage.airut(&["fetch"]);
        let null = std::process::Stdio::null;
        Running(command.stdout(null()).stderr(null()).spawn().unwrap())
    };
    let started = std::time::Instant::now();
    let (mut peak, mut halves) = (0, 2);
    while halves > 0 {
        let mut process = begin();
        loop {
            peak = peak.max(peak_kib(&process).unwrap_or(0));
            if process.0.try_wait().unwrap().is_some() {
                halves = 0;
                break;
            }
            if halves == 2 && names(&fetched).len() > count / 2 {
                process.kill();
                halves = 1;
                break;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }
    if all {
        let told = format!("{count} mails: {:?}, {peak} KiB\n", started.elapsed());
        std::io::Write::write_all(&mut std::io::stderr(), told.as_bytes()).unwrap();
    }
    assert_eq!((names(&fetched).len(), mail_server().mailbox(user).count()), (count, 0));
    assert!(peak > 0 && peak < MEMORY_KIB, "{peak} KiB");
    wait_until("the server has told what it gave", || given(user) >= count);
    // What was under way when it was killed.
    assert!(given(user) <= count + limits::FETCH_BATCH, "{} of {count}", given(user));
}

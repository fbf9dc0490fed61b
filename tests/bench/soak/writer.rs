//! Who writes what, and when. The same seed gives the same row of mails; to which answer a reply goes depends on what
//! has come by then.

use crate::chance::Chance;
use crate::letters::Expect;
use crate::post::{self, Handed, Inboxes};
use crate::stage::{REPOS, Stage};
use crate::support::letter::Letter;
use anyhow::Result;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

mod kinds;

use kinds::{KINDS, Kind};

const PEOPLE: usize = 12;

/// Milliseconds between two mails, at most; they come in crowds.
const PAUSE_MS: usize = 2_200;

/// A mail that was sent.
#[derive(Debug, Clone)]
pub struct Sent {
    pub token: String,
    /// In a word or two, for people.
    pub kind: String,
    pub from: String,
    pub repo: usize,
    pub message_id: String,
    pub expect: Expect,
    pub handed: Handed,
    /// How often it was sent on purpose.
    pub copies: usize,
    /// Files that its answer has to have.
    pub gives: Vec<String>,
    /// The session that it is a reply to.
    pub session: Option<String>,
    /// A session that is not its sender's, or is not there, and into which it must not get.
    pub guessed: Option<String>,
}

pub struct Writer<'a> {
    stage: &'a Stage,
    chance: Chance,
    inboxes: Inboxes,
    pub sent: Vec<Sent>,
    last_mail: Vec<u8>,
    /// The Message-ID of what is to be stopped.
    to_stop: Option<String>,
    /// Mails that take everybody's time are sent in long runs alone.
    is_long: bool,
    large: usize,
}

pub fn people() -> impl Iterator<Item = String> {
    (0..PEOPLE).map(|number| format!("s{number}"))
}

/// All who may have got something, rightly or not.
pub fn everybody() -> impl Iterator<Item = String> {
    people().chain(["mallory", "nobody", "stranger", "flaky", "robot"].map(str::to_owned))
}

impl<'a> Writer<'a> {
    pub fn new(stage: &'a Stage, seed: u64, is_long: bool) -> Self {
        let (chance, inboxes) = (Chance::new(seed, "writer"), Inboxes::default());
        Self {
            stage,
            chance,
            inboxes,
            sent: Vec::new(),
            last_mail: Vec::new(),
            to_stop: None,
            is_long,
            large: 0,
        }
    }

    /// Writes until it is told to stop, or the time is over.
    pub fn write(mut self, until: Instant, stop: &AtomicBool) -> Result<Vec<Sent>> {
        while Instant::now() < until && !stop.load(Ordering::Relaxed) {
            self.inboxes.look(self.stage, people());
            self.stop()?;
            let kind = self.chance.weighed(&KINDS).unwrap_or(Kind::Request);
            self.one(kind)?;
            let pause = self.chance.below(PAUSE_MS) as u64;
            std::thread::sleep(Duration::from_millis(pause));
        }
        Ok(self.sent)
    }

    /// The next mail's.
    fn token(&self) -> String {
        format!("T{:04}", self.sent.len() + 1)
    }

    fn letter(&self, from: &str, repo: usize) -> Letter {
        let (token, to) = (self.token(), format!("{}@example.com", REPOS[repo]));
        Letter::new(from, &to, &format!("Request {token}"), &format!("Please.\r\ntoken: {token}"))
    }

    fn send(&mut self, mut letter: Letter, kind: &str, expect: Expect) -> Result<()> {
        let token = self.token();
        letter.message_id = format!("{token}@{}", letter.from.rsplit('@').next().unwrap_or_default());
        let letter = letter.header("X-Soak", &token);
        let repo = REPOS.iter().position(|name| letter.to.starts_with(name)).unwrap_or_default();
        self.post(&letter.from, repo, &letter.message_id, &letter.bytes(), kind, expect)
    }

    fn post(
        &mut self,
        from: &str,
        repo: usize,
        id: &str,
        bytes: &[u8],
        kind: &str,
        expect: Expect,
    ) -> Result<()> {
        let to = format!("{}@example.com", REPOS[repo]);
        let handed = post::hand_over(self.stage.smtp_port()?, from, &to, bytes)?;
        self.last_mail = bytes.to_vec();
        self.sent.push(Sent {
            token: self.token(),
            kind: kind.to_owned(),
            from: from.to_owned(),
            repo,
            message_id: id.to_owned(),
            expect,
            handed,
            copies: 1,
            gives: Vec::new(),
            session: None,
            guessed: None,
        });
        Ok(())
    }

    fn last(&mut self, change: impl FnOnce(&mut Sent)) {
        if let Some(last) = self.sent.last_mut() {
            change(last);
        }
    }

    /// The last mail was a reply to this one.
    fn replied(&mut self, to: usize) {
        let session = self.inboxes.all[to].answer.session();
        self.last(|sent| sent.session = session);
    }

    /// The very mail once more, as somebody would who caught it.
    fn again(&mut self) -> Result<()> {
        let Some(sent) = self.sent.last_mut() else { return Ok(()) };
        let to = format!("{}@example.com", REPOS[sent.repo]);
        post::hand_over(self.stage.smtp_port()?, &sent.from, &to, &self.last_mail)?;
        sent.copies += 1;
        Ok(())
    }
}

//! Each kind of mail, and how often it comes.

use crate::letters::{self, AUTOMATIC, Expect, POISONS, TOO_LARGE};
use crate::post::{Received, What};
use crate::stage::REPOS;
use crate::support::letter::Letter;
use crate::writer::{PEOPLE, Writer, people};
use anyhow::Result;
use std::time::Duration;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Request,
    Attached,
    Giving,
    Slow,
    Reply,
    Crowd,
    Command,
    Stop,
    Turn,
    Poison,
    Expired,
    Guessed,
    Twice,
    Unlisted,
    Forged,
    Automatic,
    Unsettled,
}

/// How often each of them comes.
pub const KINDS: [(usize, Kind); 17] = [
    (14, Kind::Request),
    (5, Kind::Attached),
    (6, Kind::Giving),
    (7, Kind::Slow),
    (22, Kind::Reply),
    (7, Kind::Crowd),
    (9, Kind::Command),
    (5, Kind::Stop),
    (10, Kind::Turn),
    (12, Kind::Poison),
    (3, Kind::Expired),
    (3, Kind::Guessed),
    (3, Kind::Twice),
    (2, Kind::Unlisted),
    (4, Kind::Forged),
    (3, Kind::Automatic),
    (2, Kind::Unsettled),
];

const TURNS: [&str; 10] =
    ["silent", "silent", "fail", "fail", "crash", "hang", "hang", "limit", "overload", "overload"];

/// Commands that are sent as a reply; the last ones with a request.
const COMMANDS: [&str; 7] =
    ["/status", "/help", "/model", "/model nonsense", "/resend nothing.bin", "/model haiku\n", "/new\n"];

impl Writer<'_> {
    pub fn one(&mut self, kind: Kind) -> Result<()> {
        let (repo, person) = (self.chance.below(REPOS.len()), self.chance.below(PEOPLE));
        let letter = self.letter(&format!("s{person}@example.com"), repo);
        match kind {
            Kind::Request => self.send(letter, "request", Expect::Answer),
            Kind::Attached => {
                let name = format!("{}.txt", self.token());
                let body = format!("{}\r\nwant: {name}", letter.body);
                let content = vec![b'a'; self.chance.between(1, 200_000)];
                self.send(Letter { body, ..letter }.attach(&name, &content), "attached", Expect::Answer)
            }
            Kind::Giving => {
                let gives = format!("{}.md", self.token());
                let body = format!("{}\r\nwork: 1\r\ngive: {gives}", letter.body);
                self.send(Letter { body, ..letter }, "giving", Expect::Answer)?;
                self.last(|sent| sent.gives.push(gives));
                Ok(())
            }
            Kind::Slow => {
                let body = format!("{}\r\nwork: {}", letter.body, self.chance.between(3, 7));
                self.send(Letter { body, ..letter }, "slow", Expect::Answer)
            }
            Kind::Turn => {
                let turn = self.chance.of(&TURNS).copied().unwrap_or("fail");
                let body = format!("{}\r\nturn: {turn}", letter.body);
                self.send(Letter { body, ..letter }, turn, Expect::Answer)
            }
            Kind::Reply => self.reply(1),
            Kind::Crowd => {
                let count = self.chance.between(3, 5);
                self.reply(count)
            }
            Kind::Command => self.command(),
            Kind::Stop => self.something_to_stop(letter),
            Kind::Poison => self.poison(letter),
            Kind::Expired => {
                let id = format!("{:08x}", self.chance.below(1 << 31));
                self.astray(letter, &id, "expired")
            }
            Kind::Guessed => self.guessed(),
            Kind::Twice => {
                self.send(letter, "twice", Expect::Answer)?;
                self.again()
            }
            Kind::Unlisted => self.send(
                Letter { from: "stranger@other.example".to_owned(), ..letter },
                "unlisted",
                Expect::Refusal,
            ),
            Kind::Unsettled => self.send(
                Letter { from: "flaky@flaky.example".to_owned(), ..letter },
                "unsettled",
                Expect::Refusal,
            ),
            Kind::Automatic => {
                let (name, value) = AUTOMATIC[self.chance.below(AUTOMATIC.len())];
                let letter = Letter { from: "robot@example.com".to_owned(), ..letter };
                self.send(letter.header(name, value), "automatic", Expect::Refusal)
            }
            Kind::Forged => {
                let (token, which) = (self.token(), self.chance.below(4));
                let (from, bytes) = letters::forged(which, &letter.to, &token);
                let id = format!("{token}@evil.example");
                self.post(&from, repo, &id, &bytes, "forged", Expect::Refusal)
            }
        }
    }

    /// An answer or an acknowledgement that came not long ago.
    fn came(&mut self, is_wanted: fn(&What) -> bool) -> Option<usize> {
        let all = &self.inboxes.all;
        let some: Vec<usize> =
            (all.len().saturating_sub(60)..all.len()).filter(|at| is_wanted(&all[*at].what)).collect();
        self.chance.of(&some).copied()
    }

    fn answering(&self, to: &Received, body: &str) -> Letter {
        let letter = Letter::reply(&format!("{}@example.com", to.user), &to.answer, body);
        letters::quoting(letter, &to.answer.text())
    }

    fn reply(&mut self, count: usize) -> Result<()> {
        let Some(at) = self.came(|what| matches!(what, What::Answer(_) | What::Acknowledgement(_))) else {
            return Ok(());
        };
        for number in 0..count {
            let mut body = format!("And then.\r\ntoken: {}", self.token());
            if self.chance.below(4) == 0 {
                body += "\r\nwork: 2";
            }
            let letter = self.answering(&self.inboxes.all[at], &body);
            self.send(letter, if count > 1 { "crowd" } else { "reply" }, Expect::Answer)?;
            self.replied(at);
            if number + 1 < count {
                std::thread::sleep(Duration::from_millis(self.chance.below(400) as u64));
            }
        }
        Ok(())
    }

    fn command(&mut self) -> Result<()> {
        let command = self.chance.of(&COMMANDS).copied().unwrap_or("/help");
        let request =
            if command.ends_with('\n') { format!("token: {}", self.token()) } else { String::new() };
        let body = format!("{command}{request}");
        let word = command.trim();
        match self.came(|what| matches!(what, What::Answer(_))) {
            Some(at) => {
                let letter = self.answering(&self.inboxes.all[at], &body);
                self.send(letter, word, Expect::Answer)?;
                self.replied(at);
                Ok(())
            }
            None => {
                let letter = Letter { body, ..self.letter("s0@example.com", 0) };
                self.send(letter, word, Expect::Answer)
            }
        }
    }

    /// Something long, which is to be stopped when it is acknowledged.
    fn something_to_stop(&mut self, letter: Letter) -> Result<()> {
        let body = format!("{}\r\nwork: 12", letter.body);
        self.send(Letter { body, ..letter }, "to be stopped", Expect::Answer)?;
        self.to_stop = self.sent.last().map(|sent| sent.message_id.clone());
        Ok(())
    }

    /// As soon as it is acknowledged; now and then with something behind it that has not begun.
    pub fn stop(&mut self) -> Result<()> {
        let Some(id) = &self.to_stop else { return Ok(()) };
        let is_its = |came: &Received| matches!(came.what, What::Acknowledgement(_)) && came.names(id);
        let Some(at) = self.inboxes.all.iter().position(is_its) else { return Ok(()) };
        self.to_stop = None;
        std::thread::sleep(Duration::from_millis(self.chance.below(1_500) as u64));
        if self.chance.below(2) == 0 {
            let letter =
                self.answering(&self.inboxes.all[at], &format!("And then.\r\ntoken: {}", self.token()));
            self.send(letter, "behind", Expect::Answer)?;
            self.replied(at);
            std::thread::sleep(Duration::from_millis(self.chance.below(1_500) as u64));
        }
        let body = self.chance.of(&["/stop", "stop", "Stop!"]).copied().unwrap_or("/stop");
        let letter = self.answering(&self.inboxes.all[at], body);
        self.send(letter, "/stop", Expect::Answer)?;
        self.replied(at);
        Ok(())
    }

    fn poison(&mut self, letter: Letter) -> Result<()> {
        let mut which = self.chance.below(POISONS.len());
        if which == TOO_LARGE {
            self.large += 1;
            // Few are enough, and none where there is no time for it.
            if !self.is_long || self.large > 3 {
                which = 0;
            }
        } else if self.is_long && self.large == 0 && self.sent.len() > 100 {
            (which, self.large) = (TOO_LARGE, 1);
        }
        let (poison, token) = (&POISONS[which], self.token());
        let id = format!("{token}@example.com");
        let mail = poison.mail(&letter.from, &letter.to, &id, &token);
        let repo = REPOS.iter().position(|name| letter.to.starts_with(name)).unwrap_or_default();
        self.post(&letter.from, repo, &id, &mail, poison.name, poison.expect)
    }

    /// A reply to a session of this ID that its sender has no part in.
    fn astray(&mut self, letter: Letter, id: &str, kind: &str) -> Result<()> {
        let named = format!("<airut.{id}.1.0123456789abcdef@example.com>");
        let subject = format!("Re: [ID:{id}] something");
        let letter = Letter { subject, in_reply_to: Some(named.clone()), references: Some(named), ..letter };
        self.send(letter, kind, Expect::Answer)?;
        self.last(|sent| sent.guessed = Some(id.to_owned()));
        Ok(())
    }

    fn guessed(&mut self) -> Result<()> {
        let Some(at) = self.came(|what| matches!(what, What::Answer(_))) else { return Ok(()) };
        let theirs = &self.inboxes.all[at];
        let Some(id) = theirs.answer.session() else { return Ok(()) };
        let repo = REPOS.iter().position(|name| *name == theirs.repo).unwrap_or_default();
        let other = people().find(|user| *user != theirs.user).unwrap_or_default();
        let letter = self.letter(&format!("{other}@example.com"), repo);
        self.astray(letter, &id, "guessed")
    }
}

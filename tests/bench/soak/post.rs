//! The people's side: handing mails to Postfix, and looking into the mailboxes that answers come to.

use crate::stage::Stage;
use crate::support::letter::Answer;
use anyhow::{Result, bail};
use lettre::address::Envelope;
use lettre::{SmtpTransport, Transport as _};
use std::collections::HashSet;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// How long somebody tries to hand a mail over whose mail server is away.
const PATIENCE: Duration = Duration::from_secs(90);

/// What became of handing a mail over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Handed {
    Once,
    /// At least once: an attempt before ended without a word, and may have been taken.
    Perhaps,
    /// The mail server does not take it.
    Not,
}

pub fn hand_over(port: u16, from: &str, to: &str, mail: &[u8]) -> Result<Handed> {
    let envelope = Envelope::new(Some(from.parse()?), vec![to.parse()?])?;
    let (began, mut handed) = (Instant::now(), Handed::Once);
    loop {
        let way =
            SmtpTransport::builder_dangerous("127.0.0.1").port(port).timeout(Some(Duration::from_secs(20)));
        match way.build().send_raw(&envelope, mail) {
            Ok(_) => return Ok(handed),
            Err(error) if error.is_permanent() => return Ok(Handed::Not),
            Err(error) if began.elapsed() > PATIENCE => bail!("Postfix takes no mail: {error}"),
            // Nobody was there, or somebody said so: then it was not taken.
            Err(error) if error.is_transient() || error.to_string().contains("refused") => {}
            Err(_) => handed = Handed::Perhaps,
        }
        std::thread::sleep(Duration::from_millis(300));
    }
}

/// What a mail of airut's is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum What {
    /// Of a task, `3fa9c1d2.1`.
    Answer(String),
    Acknowledgement(String),
    /// About a message or a task that waits.
    Note,
    /// Not airut's: a bounce.
    Other,
}

/// A mail that came.
pub struct Received {
    /// In whose mailbox.
    pub user: String,
    pub answer: Answer,
    /// Which repository's, by its `From`.
    pub repo: String,
    pub what: What,
    pub message_id: String,
    pub in_reply_to: String,
    pub references: String,
}

impl Received {
    fn of(user: &str, raw: Vec<u8>) -> Self {
        let answer = Answer { raw };
        let header = |name: &str| answer.header(name).unwrap_or_default();
        let from = header("From");
        let address = from.rsplit('<').next().unwrap_or_default();
        let message_id = header("Message-ID");
        Self {
            user: user.to_owned(),
            repo: address.split('@').next().unwrap_or_default().to_owned(),
            what: what(&message_id),
            in_reply_to: header("In-Reply-To"),
            references: header("References"),
            message_id,
            answer,
        }
    }

    /// Whether it says that it answers the mail of this Message-ID, without angle brackets.
    pub fn names(&self, message_id: &str) -> bool {
        let id = format!("<{message_id}>");
        self.in_reply_to.contains(&id) || self.references.contains(&id)
    }
}

fn what(message_id: &str) -> What {
    let words: Vec<&str> = message_id.trim_matches(['<', '>']).split(['.', '@']).collect();
    match words[..] {
        ["airut", "note", ..] => What::Note,
        ["airut", id, number, "ack", ..] => What::Acknowledgement(format!("{id}.{number}")),
        ["airut", id, number, ..] => What::Answer(format!("{id}.{number}")),
        _ => What::Other,
    }
}

/// All mailboxes that airut may write to. Read where Dovecot keeps them, so that its outages do not matter here.
#[derive(Default)]
pub struct Inboxes {
    seen: HashSet<PathBuf>,
    pub all: Vec<Received>,
}

impl Inboxes {
    /// Takes what has come since.
    pub fn look(&mut self, stage: &Stage, users: impl Iterator<Item = String>) {
        for user in users {
            let mut files: Vec<PathBuf> = ["new", "cur"]
                .iter()
                .flat_map(|sub| std::fs::read_dir(stage.maildir(&user).join(sub)).into_iter().flatten())
                .flatten()
                .map(|entry| entry.path())
                .filter(|path| !self.seen.contains(path))
                .collect();
            files.sort();
            for path in files {
                if let Ok(raw) = std::fs::read(&path) {
                    self.all.push(Received::of(&user, raw));
                    self.seen.insert(path);
                }
            }
        }
    }
}

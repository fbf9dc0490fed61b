//! The ways out: SMTP, a sendmail program, a Maildir.

use crate::base::address::Address;
use crate::base::fault::Fault;
use crate::base::limits;
use crate::base::shortage::Shortage;
use crate::disk::repo::Repo;
use crate::disk::write;
use crate::exec::program::{End, Program};
use crate::mail::maildir;
use crate::mail::smtp::SendError;
use crate::tool::sign_in::Outgoing;
use anyhow::Result;
use std::fmt;
use std::path::PathBuf;

/// Why a mail was not sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unsent {
    /// This mail will never be taken.
    Permanent(String),
    Temporary(String),
    /// This machine lacks something.
    Short(Shortage, String),
    /// The server does not let us in: no other mail will fare better now.
    Login(String),
}

impl fmt::Display for Unsent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Permanent(why) | Self::Temporary(why) | Self::Short(_, why) | Self::Login(why) => {
                f.write_str(why)
            }
        }
    }
}

impl Unsent {
    /// What fails on our side may pass.
    pub fn ours(error: &anyhow::Error) -> Self {
        let why = format!("{error:#}");
        match Shortage::of(error) {
            Some(shortage) => Self::Short(shortage, why),
            None => Self::Temporary(why),
        }
    }

    pub fn fault(&self, then: &str) -> Fault {
        match self {
            Self::Login(why) => Fault::failed(format!("{why}; {then}"))
                .hint("look at mail.smtp in the configuration; airut check tries it"),
            Self::Short(shortage, why) => Fault::short(*shortage, format!("{why}; {then}")),
            _ => Fault::try_later(format!("{self}; {then}")),
        }
    }
}

pub struct Transport<'a> {
    repo: &'a Repo,
    way: Way<'a>,
    locked_out: bool,
}

enum Way<'a> {
    Smtp(Box<Outgoing<'a>>),
    Sendmail(PathBuf),
    Maildir(PathBuf),
}

impl<'a> Transport<'a> {
    pub fn open(repo: &'a Repo) -> Result<Self> {
        let mail = &repo.config.mail;
        let way = if let Some(config) = &mail.smtp {
            Way::Smtp(Box::new(Outgoing::new(config, format!("repos.{}.mail.smtp", repo.name))?))
        } else if let Some(program) = &mail.sendmail {
            Way::Sendmail(program.clone())
        } else if let Some(path) = &mail.reply_maildir {
            Way::Maildir(path.clone())
        } else {
            return Err(Fault::config(format!(
                "repos.{}.mail has no way to send: smtp, sendmail or reply_maildir",
                repo.name
            ))
            .into());
        };
        Ok(Self { repo, way, locked_out: false })
    }

    /// Whether the server refused the login, so that asking again would only lock the account.
    pub fn is_locked_out(&self) -> bool {
        self.locked_out
    }

    /// Sends an answer: what cannot be delivered comes back to the own address, which is seen by whoever reads it.
    pub fn send(&mut self, to: &[Address], bytes: &[u8]) -> std::result::Result<(), Unsent> {
        self.submit(Some(&self.repo.config.mail.from.address), to, bytes)
    }

    /// Sends a note that nobody asked for. With no envelope sender, nothing ever comes back for it (RFC 5321 section
    /// 4.5.5).
    pub fn send_note(&mut self, to: &[Address], bytes: &[u8]) -> std::result::Result<(), Unsent> {
        self.submit(None, to, bytes)
    }

    fn submit(
        &mut self,
        from: Option<&Address>,
        to: &[Address],
        bytes: &[u8],
    ) -> std::result::Result<(), Unsent> {
        let sent = match &mut self.way {
            Way::Smtp(connection) => connection.send(from, to, bytes).map_err(|error| match error {
                SendError::Permanent(why) => Unsent::Permanent(why),
                SendError::Temporary(why) => Unsent::Temporary(why),
                SendError::Login(why) => Unsent::Login(why),
            }),
            Way::Sendmail(program) => sendmail(program, from, to, bytes),
            Way::Maildir(path) => {
                maildir::deliver(path, bytes).map(drop).map_err(|error| Unsent::ours(&error))
            }
        };
        self.locked_out |= matches!(sent, Err(Unsent::Login(_)));
        sent
    }
}

/// What programs say of a mail beyond their limit, whatever they exit with: Postfix's has 75, as if it might pass.
const TOO_LARGE: [&str; 3] = ["too big", "too large", "size limit"];

/// `sysexits.h`: 65 (data), 67 (no such user) and 68 (no such host) are about this mail; all else may pass.
fn sendmail(
    program: &PathBuf,
    from: Option<&Address>,
    to: &[Address],
    bytes: &[u8],
) -> std::result::Result<(), Unsent> {
    // Not by a pipe: were we killed while it is filled, a part of the mail would be sent as if it were all.
    let mail = write::nameless(bytes).map_err(|error| Unsent::ours(&error))?;
    let output = Program::new(program)
        .args(["-i", "-f"])
        .arg(from.map_or_else(|| "<>".to_owned(), ToString::to_string))
        .arg("--")
        .args(to.iter().map(ToString::to_string))
        .stdin_file(mail)
        .deadline(limits::MAIL_TIMEOUT)
        .run()
        .map_err(|error| Unsent::ours(&error))?;
    let why = format!("{} said: {}", program.display(), output.last_words());
    match output.end {
        End::Exit(0) => Ok(()),
        End::Exit(65 | 67 | 68) => Err(Unsent::Permanent(why)),
        End::Exit(_) if TOO_LARGE.iter().any(|words| output.last_words().to_lowercase().contains(words)) => {
            Err(Unsent::Permanent(why))
        }
        _ => Err(Unsent::Temporary(why)),
    }
}

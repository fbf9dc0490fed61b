//! The mail for one ticket: the answer or the acknowledgement, what airut has to say beside it, and the files.

use crate::base::address::Address;
use crate::base::id::Model;
use crate::base::limits;
use crate::base::shortage::Shortage;
use crate::disk::queue::Ticket;
use crate::disk::repo::Repo;
use crate::disk::session::{SessionDir, is_no_damage};
use crate::disk::write;
use crate::format::session::Session;
use crate::format::task::{Failure, Reason, Task};
use crate::mail::compose::{self, Attachment};
use crate::mail::names;
use crate::mail::notice::Notice;
use crate::mail::parse;
use anyhow::{Context, Error, Result};
use jiff::Timestamp;
use std::io::Read as _;
use std::path::Path;

/// What a mail is made of.
pub struct Letter<'a> {
    pub repo: &'a Repo,
    pub dir: &'a SessionDir,
    pub task: &'a Task,
    pub ticket: &'a Ticket,
    pub message_id: &'a str,
    /// Without attachments, which were refused.
    pub bare: bool,
}

impl Letter<'_> {
    pub fn compose(&self) -> Result<Vec<u8>> {
        let last = self.task.messages.last().context("the task has no message to answer")?;
        let mail = self.original(&last.file)?;
        // A damaged session is answered from the mail alone.
        let session = match self.dir.load() {
            Err(error) if is_no_damage(&error) => return Err(error),
            loaded => loaded.ok(),
        };
        let subject = match &session {
            Some(session) if !session.subject.trim().is_empty() => session.subject.clone(),
            _ => mail.as_ref().map(|mail| mail.subject.clone()).unwrap_or_default(),
        };
        let in_reply_to =
            last.message_id.clone().or_else(|| mail.as_ref().and_then(|mail| mail.message_id.clone()));
        let mut references = mail.map(|mail| mail.references).unwrap_or_default();
        references.extend(session.iter().flat_map(|session| session.thread.iter().cloned()));
        let (notices, markdown, footer, attachments) = if self.ticket.acknowledgement {
            (vec![self.acknowledgement(session.as_ref())], String::new(), None, Vec::new())
        } else {
            let (files, left_out) = self.files()?;
            let notices = [self.notices(), left_out].concat();
            (notices, self.task.answer.clone().unwrap_or_default(), self.footer(), files)
        };
        compose::compose(&compose::Letter {
            from: self.repo.config.mail.from.clone(),
            to: self.task.senders(),
            cc: session.as_ref().map(|session| self.copies(session)).transpose()?.unwrap_or_default(),
            subject: compose::reply_subject(&self.dir.id, &subject),
            message_id: self.message_id.to_owned(),
            references: compose::references(&references, in_reply_to.as_deref()),
            in_reply_to,
            date: Timestamp::now(),
            notices,
            markdown,
            footer,
            attachments,
        })
    }

    /// The participants, besides the senders, whom their mails were addressed to.
    fn copies(&self, session: &Session) -> Result<Vec<Address>> {
        let config = &self.repo.config;
        if !config.reply_to_all || self.ticket.acknowledgement || self.task.command.is_some() {
            return Ok(Vec::new());
        }
        let (own, senders) = (config.mail.from.address.untagged(), self.task.senders());
        let is_wanted = |address: &Address| {
            let may_write = config.authorized_senders.iter().any(|pattern| pattern.matches(address));
            may_write
                && session.participants.contains(address)
                && address.untagged() != own
                && !senders.contains(address)
        };
        let mut copies = Vec::new();
        for message in &self.task.messages {
            let Some(mail) = self.original(&message.file)? else { continue };
            for address in [mail.to, mail.cc].concat().into_iter().filter(is_wanted) {
                if copies.len() < limits::REPLY_CC_COUNT && !copies.contains(&address) {
                    copies.push(address);
                }
            }
        }
        Ok(copies)
    }

    /// A mail as it came; nothing where it is damaged.
    fn original(&self, file: &str) -> Result<Option<parse::Mail>> {
        let path = self.dir.task_dir(self.task.number).join(file);
        match write::read(&path, limits::MESSAGE_BYTES as u64) {
            Err(error) if Shortage::of(&error).is_some() => Err(error),
            read => Ok(read.ok().flatten().and_then(|bytes| parse::read(&bytes).ok())),
        }
    }

    fn acknowledgement(&self, session: Option<&Session>) -> String {
        let model = session.map(|session| session.model.clone()).or_else(|| "opus".parse::<Model>().ok());
        model.map_or_else(String::new, |model| Notice::Acknowledged { model, dashboard: None }.to_string())
    }

    fn notices(&self) -> Vec<String> {
        let mut notices = self.task.notes.clone();
        if self.bare && self.task.command.as_deref() == Some("/resend") {
            // That the file is attached, which it is not.
            notices.truncate(0);
        }
        if self.task.failure.as_ref().is_some_and(|failure| failure.reason == Reason::Interrupted) {
            // That it was for the second time is said next.
            let once = [Notice::Continued, Notice::BegunAgain].map(|notice| notice.to_string());
            notices.retain(|notice| !once.contains(notice));
        }
        match &self.task.failure {
            Some(failure) => notices.push(self.told(failure).to_string()),
            None if self.task.answer.is_none() && self.task.command.is_none() => {
                notices.push(Notice::EmptyReply.to_string())
            }
            None => {}
        }
        notices
    }

    /// A failure as the sender hears it; details that are not theirs stay with the operator.
    fn told(&self, failure: &Failure) -> Notice {
        let partial = self.task.answer.is_some();
        let error = failure.detail.clone();
        match failure.reason {
            Reason::Configuration => Notice::RepositoryConfig { error },
            Reason::MissingSecret => {
                Notice::MissingSecret { name: error.split(':').next().unwrap_or_default().to_owned() }
            }
            // git's words name paths of this machine, and nothing that the sender could mend.
            Reason::Clone => Notice::Repository { error: String::new() },
            Reason::Image => Notice::ImageBuild { output: error },
            Reason::Sandbox => Notice::Sandbox,
            Reason::OutOfMemory => Notice::OutOfMemory { partial },
            Reason::DiskFull => Notice::DiskFull { partial },
            Reason::Execution => Notice::Agent { error },
            Reason::Output => Notice::AgentOutput,
            Reason::Timeout => {
                Notice::TimedOut { seconds: self.task.timeout_seconds.unwrap_or_default(), partial }
            }
            Reason::Stopped => Notice::Stopped { partial },
            Reason::Interrupted => Notice::InterruptedTwice { partial },
            Reason::EmptyRequest => Notice::EmptyRequest,
            Reason::TooLarge => Notice::TooLarge { bytes: error.parse().unwrap_or_default() },
            Reason::Unreadable => Notice::Unreadable,
            Reason::Encrypted => Notice::Encrypted,
            Reason::Internal => Notice::Internal,
        }
    }

    fn footer(&self) -> Option<String> {
        let count =
            |number: u64, one: &str, many: &str| format!("{number} {}", if number == 1 { one } else { many });
        let mut parts: Vec<String> =
            self.task.cost_usd.map(|cost| format!("${cost:.4}")).into_iter().collect();
        parts.extend(self.task.turns.map(|turns| count(turns, "turn", "turns")));
        let searches = self.task.web_searches.filter(|&searches| searches > 0);
        parts.extend(searches.map(|searches| count(searches, "web search", "web searches")));
        compose::footer(&parts)
    }

    /// The regular files of the task's outbox within the budget, and what is to be said of the others.
    fn files(&self) -> Result<(Vec<Attachment>, Vec<String>)> {
        let outbox = self.dir.task_dir(self.task.number).join("outbox");
        let (mut files, mut later, mut never) = (Vec::new(), Vec::new(), Vec::new());
        let mut budget = limits::REPLY_ATTACHMENT_BYTES;
        let listed = match std::fs::read_dir(&outbox) {
            Err(error) => whole(error.into()).map(|_| None)?,
            Ok(listed) => Some(listed),
        };
        let mut entries: Vec<_> = listed.into_iter().flatten().filter_map(Result::ok).collect();
        entries.sort_by_key(std::fs::DirEntry::file_name);
        let cleaned = entries.iter().map(|entry| names::clean(&entry.file_name().to_string_lossy()));
        let cleaned: Vec<String> = cleaned.map(|name| name.unwrap_or_else(|| "file".to_owned())).collect();
        for (entry, name) in entries.iter().zip(names::unique_names(&cleaned, &[])) {
            match read_within(&entry.path(), budget)? {
                Read::All(bytes) if files.len() < limits::REPLY_ATTACHMENT_COUNT => {
                    budget -= bytes.len() as u64;
                    files.push(Attachment::file(name, bytes));
                }
                Read::All(_) | Read::Beyond => later.push(name),
                Read::Never => never.push(name),
            }
        }
        let refused = if self.bare { files.drain(..).map(|file| file.name).collect() } else { Vec::new() };
        let told = [
            (Notice::Refused { names: refused.clone() }, refused),
            (Notice::LeftOut { names: later.clone() }, later),
            (Notice::NeverSent { names: never.clone() }, never),
        ];
        let told = told.into_iter().filter(|(_, names)| !names.is_empty());
        Ok((files, told.map(|(notice, _)| notice.to_string()).collect()))
    }
}

/// What there is of a file for a mail.
enum Read {
    All(Vec<u8>),
    /// More than there is room for now.
    Beyond,
    /// More than any mail takes, or no regular file.
    Never,
}

fn read_within(path: &Path, budget: u64) -> Result<Read> {
    let file = match write::open_untrusted(path) {
        Ok(file) => file,
        Err(error) => return whole(error).map(|_| Read::Never),
    };
    if file.metadata().is_ok_and(|meta| meta.len() > limits::REPLY_ATTACHMENT_BYTES) {
        return Ok(Read::Never);
    }
    let mut bytes = Vec::new();
    Ok(match file.take(budget + 1).read_to_end(&mut bytes) {
        Ok(_) if bytes.len() as u64 <= budget => Read::All(bytes),
        Ok(_) => Read::Beyond,
        Err(_) => Read::Never,
    })
}

/// What the machine lacks is no reason to send a mail without its files.
fn whole(error: Error) -> Result<Error> {
    if Shortage::of(&error).is_some() { Err(error) } else { Ok(error) }
}

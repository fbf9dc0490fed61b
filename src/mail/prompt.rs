//! The prompt that Claude gets: where it is, what lasts, and the mails to answer. Pure.

use crate::base::address::Address;
use crate::base::limits;
use crate::mail::parse::Mail;
use jiff::Timestamp;
use std::fmt::Write;

/// What a prompt is made of.
#[derive(Debug, Clone, Copy)]
pub struct PromptInput<'a> {
    pub repo: &'a str,
    /// The repository's own address.
    pub address: &'a Address,
    /// Whether Claude has no memory of this conversation yet.
    pub first: bool,
    /// The mails to answer, oldest first.
    pub messages: &'a [Msg<'a>],
    /// What Claude has to know besides, a sentence each.
    pub notes: &'a [String],
}

/// The prompt for a conversation that could not be resumed: it knows nothing but the last answer.
#[must_use]
pub fn afresh(repo: &str, address: &Address, last_answer: Option<&str>, prompt: &str) -> String {
    let mut out = introduction(repo, address);
    out.push_str(
        "\nThe conversation so far could not be continued; its files are still in /workspace and /storage.",
    );
    if let Some(answer) = last_answer {
        let _ = write!(out, " Your last answer was:\n\n-----\n{}\n-----\n", answer.trim());
    }
    let _ = write!(out, "\n{prompt}");
    out
}

/// The prompt for work that was cut off; `what` goes on with "Your work on the following mail".
#[must_use]
pub fn continued(what: &str, prompt: &str) -> String {
    format!(
        "Your work on the following mail {what} before you could answer. Look at what is already done in /workspace and \
/outbox, then finish it and answer.\n\n{prompt}"
    )
}

/// One mail.
#[derive(Debug, Clone, Copy)]
pub struct Msg<'a> {
    pub from: &'a Address,
    pub date: Timestamp,
    /// Its request, or all of its text; empty: the subject is the request.
    pub text: &'a str,
    /// Names in `/inbox`.
    pub attachments: &'a [String],
    pub mail: &'a Mail,
}

/// The whole prompt.
#[must_use]
pub fn prompt(input: &PromptInput) -> String {
    let mut out = if input.first { introduction(input.repo, input.address) } else { reminder() };
    for note in input.notes {
        let _ = write!(out, "\nPlease note: {}\n", note.trim());
    }
    let many = input.messages.len() > 1;
    if many {
        let _ = write!(out, "\n{} mails have come in; answer them together.\n", input.messages.len());
    }
    for (at, message) in input.messages.iter().enumerate() {
        out.push('\n');
        mail(&mut out, message, input.first && at == 0);
    }
    out
}

fn introduction(repo: &str, address: &Address) -> String {
    let megabytes = limits::REPLY_ATTACHMENT_BYTES >> 20;
    format!(
        "You answer the mail sent to {address}, which is about the repository {repo}. Your final message is mailed back to \
the sender as it is, so write it as the answer: in Markdown, complete in itself, in the language of the mail. Nothing else that you \
print reaches them, and nobody can be asked while you work; where something is unclear, take the most sensible way and say so.

- /workspace is a git checkout of the repository, and where you are.
- /inbox holds the files that came with the mails. It can only be read.
- /outbox is for files to send: whatever you put there is attached to your answer ({megabytes} MB in all), and a PNG, JPEG, GIF or WebP \
is shown where your answer has ![what it shows](/outbox/NAME).
- /storage is yours to keep files in.

Only /workspace, /storage, /inbox, /outbox and your memory of this conversation last from one mail to the next; anything else, \
installed packages too, is gone after this answer. Files in /outbox are taken away once they are sent. Only the hosts that the \
repository allows can be reached; where one is refused, the response says how to ask for it.
"
    )
}

fn reminder() -> String {
    "Another mail in this conversation. As before, your final message is mailed back as the answer, and files in /outbox are \
attached to it.\n"
        .to_owned()
}

fn mail(out: &mut String, message: &Msg, with_subject: bool) {
    let time = message.date.strftime("%Y-%m-%d %H:%M UTC");
    let _ = writeln!(out, "--- Mail from {}, {time} ---", message.from);
    let request = message.text.trim();
    let subject = message.mail.subject.trim();
    // Without text the subject is all there is, on a later mail too.
    if !subject.is_empty() && (with_subject || request.is_empty()) {
        let _ = writeln!(out, "Subject: {subject}");
    }
    if !message.attachments.is_empty() {
        let _ = writeln!(out, "Attached, in /inbox: {}", message.attachments.join(", "));
    }
    remarks(out, message.mail);
    out.push('\n');
    if request.is_empty() {
        out.push_str(if subject.is_empty() {
            "(The mail is empty.)\n"
        } else {
            "(The mail has no text; its subject is the request.)\n"
        });
    } else {
        let _ = writeln!(out, "{request}");
    }
}

/// What came with a mail besides its text and files, or did not come.
fn remarks(out: &mut String, mail: &Mail) {
    for event in &mail.events {
        let _ = writeln!(out, "In the calendar file: {event}");
    }
    if !mail.left_out.is_empty() {
        let mut names = mail.left_out.names.clone();
        names.extend((mail.left_out.more > 0).then(|| format!("{} more", mail.left_out.more)));
        let (most, names) = (limits::ATTACHMENT_COUNT, names.join(", "));
        let _ = writeln!(
            out,
            "Not in /inbox, since no more than {most} attachments are taken (the sender is told): {names}"
        );
    }
    if mail.encrypted {
        out.push_str("A part of this mail is encrypted and could not be read.\n");
    }
    if mail.cut {
        let _ = writeln!(
            out,
            "The text of this mail was too long; what is beyond {} KB of it is missing.",
            limits::REQUEST_BYTES >> 10
        );
    }
}

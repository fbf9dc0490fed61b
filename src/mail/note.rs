//! A mail of airut's own beside the answers: about a message that became no task (not let in, or beyond a limit), about
//! a task that waits, or about a conversation that is to go.

use crate::base::address::Address;
use crate::base::id::MessageKey;
use crate::format::config;
use crate::format::session::Session;
use crate::format::task::Task;
use crate::mail::compose;
use crate::mail::notice::Notice;
use crate::mail::parse;
use crate::mail::subject::topic;
use anyhow::Result;
use jiff::Timestamp;

/// The mail's bytes, about a task that waits: in the thread of its conversation, to everybody who wrote.
pub fn about_task(
    from: &config::From,
    session: &Session,
    task: &Task,
    key: &MessageKey,
    notice: &Notice,
    now: Timestamp,
) -> Result<Vec<u8>> {
    in_thread(from, session, task, task.senders(), key, notice, now)
}

/// The mail's bytes, to these people, as an answer to the last mail of a task.
pub fn in_thread(
    from: &config::From,
    session: &Session,
    task: &Task,
    to: Vec<Address>,
    key: &MessageKey,
    notice: &Notice,
    now: Timestamp,
) -> Result<Vec<u8>> {
    let in_reply_to = task.messages.last().and_then(|message| message.message_id.clone());
    compose::compose(&compose::Letter {
        from: from.clone(),
        to,
        cc: Vec::new(),
        subject: compose::reply_subject(&session.id, &session.subject),
        message_id: message_id(from, key),
        references: compose::references(&session.thread, in_reply_to.as_deref()),
        in_reply_to,
        date: now,
        notices: vec![notice.to_string()],
        markdown: String::new(),
        footer: None,
        attachments: Vec::new(),
    })
}

fn message_id(from: &config::From, key: &MessageKey) -> String {
    format!("<airut.note.{key}@{}>", from.address.domain())
}

/// The mail's bytes. Its Message-ID follows from the message's key, so that it is the same mail however often it is
/// made.
pub fn compose(
    from: &config::From,
    to: &Address,
    key: &MessageKey,
    original: &[u8],
    notice: &Notice,
    now: Timestamp,
) -> Result<Vec<u8>> {
    let mail = parse::read(original).unwrap_or_default();
    compose::compose(&compose::Letter {
        from: from.clone(),
        to: vec![to.clone()],
        cc: Vec::new(),
        subject: format!("Re: {}", topic(&mail.subject)).trim_end().to_owned(),
        message_id: message_id(from, key),
        references: compose::references(&mail.references, mail.message_id.as_deref()),
        in_reply_to: mail.message_id,
        date: now,
        notices: vec![notice.to_string()],
        markdown: String::new(),
        footer: None,
        attachments: Vec::new(),
    })
}

//! A mail of airut's own about a message that became no task: not let in, or beyond a limit.

use crate::base::address::Address;
use crate::base::id::MessageKey;
use crate::format::config;
use crate::mail::compose;
use crate::mail::notice::Notice;
use crate::mail::parse;
use crate::mail::subject::topic;
use anyhow::Result;
use jiff::Timestamp;

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
        message_id: format!("<airut.note.{key}@{}>", from.address.domain()),
        references: compose::references(&mail.references, mail.message_id.as_deref()),
        in_reply_to: mail.message_id,
        date: now,
        notices: vec![notice.to_string()],
        markdown: String::new(),
        footer: None,
        attachments: Vec::new(),
    })
}

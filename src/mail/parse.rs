//! What a message says: who to whom, about what, the request, the attachments. Reads whatever came. Decides nothing.

use crate::base::address::Address;
use crate::base::limits;
use crate::format::headers::Headers;
use crate::mail::body::{Body, File, LeftOut};
use crate::mail::decode::{self, cut};
use crate::mail::headers;
use crate::mail::mime;
use crate::mail::names;
use crate::mail::subject::is_forward;
use crate::rule::sender::sender;
use anyhow::{Result, bail};
use jiff::Timestamp;

/// A message, read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mail {
    pub from: Option<Address>,
    pub from_name: Option<String>,
    pub to: Vec<Address>,
    pub cc: Vec<Address>,
    /// What the own server noted as the address it delivered to.
    pub delivered_to: Vec<Address>,
    /// Decoded, on one line.
    pub subject: String,
    /// With its angle brackets, as are the next two.
    pub message_id: Option<String>,
    pub in_reply_to: Option<String>,
    pub references: Vec<String>,
    pub date: Option<Timestamp>,
    /// What the sender wrote, without quotes and signature. Empty: the subject is the request.
    pub request: String,
    /// The same with everything that was quoted.
    pub full_text: String,
    pub attachments: Vec<Attachment>,
    /// Attachments beyond the limit.
    pub left_out: LeftOut,
    /// Some of it was encrypted, and not read.
    pub encrypted: bool,
    /// The text was longer than is taken.
    pub cut: bool,
    /// What the calendar entries say that came with it, a line each.
    pub events: Vec<String>,
}

/// A file that came with a message. The name is a clean base name, unique within the message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attachment {
    pub name: String,
    pub content_type: String,
    pub bytes: Vec<u8>,
}

impl Mail {
    /// Whether there is something in it that could not be read, and nothing else.
    #[must_use]
    pub fn is_sealed(&self) -> bool {
        self.encrypted && self.request.is_empty() && self.attachments.is_empty()
    }

    /// Whether it answers another mail.
    #[must_use]
    pub fn is_reply(&self) -> bool {
        self.in_reply_to.is_some() || !self.references.is_empty()
    }

    /// Every address that the message was sent or delivered to.
    #[must_use]
    pub fn recipients(&self) -> Vec<Address> {
        self.delivered_to.iter().chain(&self.to).chain(&self.cc).cloned().collect()
    }
}

/// Reads a message.
///
/// # Errors
/// Where there is nothing: no header and no text.
pub fn read(raw: &[u8]) -> Result<Mail> {
    let whole = mime::message(raw);
    let mut mail = head(&whole.headers);
    if mail.subject.contains('\u{fffd}')
        && let Some(bytes) = headers::bytes_of(raw, "Subject")
    {
        // In the charset of the text, most likely.
        mail.subject = decode::words(&decode::text(bytes, whole.charset()));
    }
    let mut body = Body::new(is_forward(&mail.subject));
    body.take(&whole);
    if whole.headers.fields().is_empty()
        && body.request.is_empty()
        && body.files.is_empty()
        && !body.encrypted
    {
        bail!("the message is empty: it has neither headers nor text");
    }
    mail.request = cleaned(&body.request);
    mail.full_text = cleaned(&body.full_text);
    mail.left_out = body.left_out;
    mail.encrypted = body.encrypted;
    mail.cut = body.cut;
    mail.events = body.events;
    mail.attachments = attachments(body.files);
    Ok(mail)
}

fn head(headers: &Headers) -> Mail {
    let from = headers.first("From").and_then(|from| sender(from).ok());
    let list = |name: &str| -> Vec<Address> {
        headers.all(name).flat_map(decode::addresses).take(limits::RECIPIENT_COUNT).collect()
    };
    let ids = |name: &str| -> Vec<String> { headers.all(name).flat_map(message_ids).collect() };
    let mut delivered_to = list("Delivered-To");
    delivered_to.extend(list("X-Original-To"));
    Mail {
        from_name: from.as_ref().and_then(|from| from.name.as_deref()).map(decode::words),
        from: from.map(|from| from.address),
        to: list("To"),
        cc: list("Cc"),
        delivered_to,
        subject: decode::words(headers.first("Subject").unwrap_or_default()),
        message_id: ids("Message-ID").into_iter().next(),
        in_reply_to: ids("In-Reply-To").into_iter().next(),
        references: ids("References"),
        date: headers.first("Date").and_then(decode::date),
        ..Mail::default()
    }
}

/// The `<…>` of a value; what is between them is passed over, since clients write all kinds of things there.
fn message_ids(value: &str) -> Vec<String> {
    let id = |rest: &str| {
        let (id, _) = rest.split_once('>')?;
        let plain = id.contains('@') && id.len() <= 500 && id.bytes().all(|b| b.is_ascii_graphic());
        plain.then(|| format!("<{id}>"))
    };
    value.split('<').skip(1).filter_map(id).collect()
}

/// Without control characters, within the limit, with no more than two empty lines together.
fn cleaned(text: &str) -> String {
    let text = cut(text, limits::REQUEST_BYTES);
    let mut out = String::with_capacity(text.len());
    let mut newlines = 0;
    for c in text.chars().filter(|&c| !c.is_control() || c == '\n' || c == '\t') {
        newlines = if c == '\n' { newlines + 1 } else { 0 };
        if newlines <= 3 {
            out.push(if c == '\u{a0}' { ' ' } else { c });
        }
    }
    out.trim().to_owned()
}

fn attachments(files: Vec<File>) -> Vec<Attachment> {
    let named: Vec<String> = files.iter().map(|file| file.name.clone()).collect();
    let unique = names::unique_names(&named, &[]);
    let attachment = |(file, name): (File, String)| Attachment {
        name,
        content_type: file.content_type,
        bytes: file.bytes,
    };
    files.into_iter().zip(unique).map(attachment).collect()
}

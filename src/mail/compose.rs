//! Builds every mail that airut sends, by `lettre`. One letter, one sender, one recipient; what comes from a mail
//! or an agent can fill a header's value, never make a header.

use crate::base::address::Address;
use crate::base::id::TaskId;
use crate::base::limits;
use crate::format::config;
use crate::mail::decode::cut;
use crate::mail::markdown;
use crate::mail::types;
use anyhow::{Context, Result};
use jiff::Timestamp;
use lettre::message::header::{ContentTransferEncoding, ContentType, Header, HeaderName, HeaderValue};
use lettre::message::{self, Body, Mailbox, MultiPart, SinglePart};
use std::time::SystemTime;

pub use crate::mail::parse::Attachment;
pub use crate::mail::subject::reply_subject;

/// A mail to send.
#[derive(Debug, Clone)]
pub struct Letter {
    pub from: config::From,
    /// Everyone whose mail it answers.
    pub to: Vec<Address>,
    /// As it shall stand there; see `reply_subject`.
    pub subject: String,
    /// With angle brackets; see `message_id`.
    pub message_id: String,
    pub in_reply_to: Option<String>,
    /// Oldest first.
    pub references: Vec<String>,
    pub date: Timestamp,
    /// What airut has to say before the answer, a sentence each.
    pub notices: Vec<String>,
    /// The answer.
    pub markdown: String,
    pub footer: Option<String>,
    pub attachments: Vec<Attachment>,
}

/// The Message-ID of a task's answer; `rule/route.rs` reads it back from replies.
#[must_use]
pub fn message_id(task: &TaskId, nonce: &str, domain: &str) -> String {
    format!("<airut.{task}.{nonce}@{domain}>")
}

/// The Message-ID of the note that a task was taken on.
#[must_use]
pub fn ack_message_id(task: &TaskId, nonce: &str, domain: &str) -> String {
    format!("<airut.{task}.ack.{nonce}@{domain}>")
}

/// The last line: cost, turns and the like. Not joined by `|`, which Markdown takes for a table.
#[must_use]
pub fn footer(parts: &[String]) -> Option<String> {
    (!parts.is_empty()).then(|| parts.join(" · "))
}

/// What an answer to a message refers to: what that one referred to, and itself, within the limit; the first and
/// the newest stay (RFC 5322 section 3.6.4).
#[must_use]
pub fn references(of: &[String], message_id: Option<&str>) -> Vec<String> {
    let mut ids: Vec<String> = Vec::new();
    for id in of.iter().map(String::as_str).chain(message_id) {
        if is_message_id(id) && !ids.iter().any(|known| known == id) {
            ids.push(id.to_owned());
        }
    }
    let over = ids.len().saturating_sub(limits::REFERENCES_COUNT);
    if over > 0 {
        ids.drain(1..=over);
    }
    ids
}

impl Attachment {
    /// A file for an answer, its type by its name.
    #[must_use]
    pub fn file(name: String, bytes: Vec<u8>) -> Self {
        Self { content_type: types::of_name(&name).to_owned(), name, bytes }
    }
}

/// The bytes of the mail, ready to send.
///
/// # Errors
/// Where an address cannot be written into a mail.
pub fn compose(letter: &Letter) -> Result<Vec<u8>> {
    let mut attachments: Vec<SinglePart> = letter.attachments.iter().map(attached).collect();
    let (text, whole) = text(letter);
    attachments.extend(whole.as_ref().map(attached));
    let mut builder = message::Message::builder()
        .from(Mailbox::new(letter.from.name.as_deref().map(one_line), address(&letter.from.address)?))
        .subject(one_line(&letter.subject))
        .date(SystemTime::from(letter.date))
        .message_id(Some(letter.message_id.clone()))
        .header(AutoSubmitted("auto-replied".to_owned()));
    for to in &letter.to {
        builder = builder.to(Mailbox::new(None, address(to)?));
    }
    if let Some(id) = letter.in_reply_to.as_deref().filter(|id| is_message_id(id)) {
        builder = builder.in_reply_to(id.to_owned());
    }
    let references = references(&letter.references, None);
    if !references.is_empty() {
        builder = builder.references(references.join(" "));
    }
    let both = MultiPart::alternative_plain_html(plain(&text, letter), document(&text, letter));
    let built = if attachments.is_empty() {
        builder.multipart(both)
    } else {
        builder.multipart(
            attachments.into_iter().fold(MultiPart::mixed().multipart(both), MultiPart::singlepart),
        )
    };
    Ok(built.context("cannot build the mail")?.formatted())
}

/// A request as if `from` had mailed it, for one that the operator gives by hand.
///
/// # Errors
/// As `compose`.
pub fn request(from: &Address, to: &Address, message_id: &str, subject: &str, text: &str) -> Result<Vec<u8>> {
    let built = message::Message::builder()
        .from(Mailbox::new(None, address(from)?))
        .to(Mailbox::new(None, address(to)?))
        .subject(one_line(subject))
        .message_id(Some(message_id.to_owned()))
        .singlepart(SinglePart::plain(text.to_owned()))
        .context("cannot build the mail")?;
    Ok(built.formatted())
}

/// The answer within its limit; a longer one as a file as well.
fn text(letter: &Letter) -> (String, Option<Attachment>) {
    let mut paragraphs = letter.notices.clone();
    let answer = letter.markdown.trim();
    if answer.len() <= limits::REPLY_TEXT_BYTES {
        paragraphs.push(answer.to_owned());
        return (paragraphs.join("\n\n").trim().to_owned(), None);
    }
    paragraphs.push(cut(answer, limits::REPLY_TEXT_BYTES).to_owned());
    paragraphs.push(
        "*(The answer is longer than a mail should be; all of it is attached as answer.md.)*".to_owned(),
    );
    let whole = Attachment::file("answer.md".to_owned(), answer.as_bytes().to_vec());
    (paragraphs.join("\n\n"), Some(whole))
}

/// Markdown is made to be read as it is.
fn plain(text: &str, letter: &Letter) -> String {
    let footer = letter.footer.as_ref().map(|footer| format!("\n\n-- \n{footer}")).unwrap_or_default();
    format!("{text}{footer}\n")
}

fn document(text: &str, letter: &Letter) -> String {
    let body = markdown::to_html(text);
    let footer = letter.footer.as_deref().map(|footer| {
        format!("<hr style=\"border:none;border-top:1px solid #9ca3af\">\n<p style=\"font-size:12px;color:#6b7280\">{}</p>\n", escaped(footer))
    });
    format!(
        "<!DOCTYPE html>\n<html><head><meta charset=\"utf-8\"><meta name=\"color-scheme\" content=\"light dark\"></head>\n\
         <body style=\"font-family:system-ui,-apple-system,'Segoe UI',Helvetica,Arial,sans-serif;font-size:15px;line-height:1.5;max-width:50em\">\n\
         {body}{}</body></html>\n",
        footer.unwrap_or_default()
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// Always base64: line ends of a file must not change on the way.
fn attached(file: &Attachment) -> SinglePart {
    // A message may not be encoded (RFC 2046 section 5.2.1), so that it travels as bytes.
    let kind = if file.content_type.starts_with("message/") || file.content_type.starts_with("multipart/") {
        "application/octet-stream"
    } else {
        &file.content_type
    };
    let kind = ContentType::parse(kind).unwrap_or(octets());
    let bytes = file.bytes.clone();
    let body = Body::new_with_encoding(bytes, ContentTransferEncoding::Base64).unwrap_or_else(Body::new);
    message::Attachment::new(one_line(&file.name)).body(body, kind)
}

fn octets() -> ContentType {
    ContentType::parse("application/octet-stream").unwrap_or(ContentType::TEXT_PLAIN)
}

fn address(address: &Address) -> Result<lettre::Address> {
    lettre::Address::new(address.local(), address.domain())
        .with_context(|| format!("the address {address} cannot be written into a mail"))
}

/// The library takes a line break in a name or value badly.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

fn is_message_id(id: &str) -> bool {
    id.starts_with('<') && id.ends_with('>') && id.len() <= 500 && id.bytes().all(|b| b.is_ascii_graphic())
}

/// RFC 3834: no other program answers this mail.
#[derive(Clone)]
struct AutoSubmitted(String);

impl Header for AutoSubmitted {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(text: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self(text.to_owned()))
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), self.0.clone())
    }
}

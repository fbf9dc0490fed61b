//! Builds every mail that airut sends, by `lettre`. What comes from a mail or an agent can fill a header's value,
//! never make a header.
//!
//! So that no program answers: `Auto-Submitted` (RFC 3834), and for Exchange its own word. No `Precedence`, which that
//! RFC does not recommend and some take for bulk mail. No `Reply-To`: `From` is the address to reply to.

use crate::base::address::Address;
use crate::base::id::TaskId;
use crate::base::limits;
use crate::format::config;
use crate::mail::decode::{self, cut};
use crate::mail::headers;
use crate::mail::markdown::{self, File, Html};
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
    pub cc: Vec<Address>,
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
    let (texts, whole) = texts(letter);
    let files: Vec<File> =
        letter.attachments.iter().enumerate().map(|(at, file)| known(at, file, &letter.message_id)).collect();
    let page = document(&texts, &files, letter.footer.as_deref());
    let html = single("text/html; charset=utf-8", &page.body);
    let plain = single("text/plain; charset=utf-8; format=flowed", &plain(&texts, &files, letter));
    let both = MultiPart::alternative().singlepart(plain);
    let both = if page.shown.is_empty() {
        both.singlepart(html)
    } else {
        let shown =
            page.shown.iter().map(|at| part(&letter.attachments[*at], files[*at].content_id.as_deref()));
        both.multipart(shown.fold(MultiPart::related().singlepart(html), MultiPart::singlepart))
    };
    let others = letter.attachments.iter().enumerate().filter(|(at, _)| !page.shown.contains(at));
    let mut others = others.map(|(_, file)| file).chain(&whole).peekable();
    let builder = head(letter)?;
    let built = if others.peek().is_none() {
        builder.multipart(both)
    } else {
        let mixed = MultiPart::mixed().multipart(both);
        builder.multipart(others.fold(mixed, |mixed, file| mixed.singlepart(part(file, None))))
    };
    Ok(built.context("cannot build the mail")?.formatted())
}

fn head(letter: &Letter) -> Result<message::MessageBuilder> {
    let mut builder = message::Message::builder()
        .from(Mailbox::new(letter.from.name.as_deref().map(one_line), address(&letter.from.address)?))
        .subject(one_line(&letter.subject))
        .date(SystemTime::from(letter.date))
        .message_id(Some(letter.message_id.clone()))
        .header(AutoSubmitted("auto-replied".to_owned()))
        .header(Suppress("DR, RN, NRN, OOF, AutoReply".to_owned()));
    for to in &letter.to {
        builder = builder.to(Mailbox::new(None, address(to)?));
    }
    for cc in &letter.cc {
        builder = builder.cc(Mailbox::new(None, address(cc)?));
    }
    if let Some(id) = letter.in_reply_to.as_deref().filter(|id| is_message_id(id)) {
        builder = builder.in_reply_to(id.to_owned());
    }
    let references = references(&letter.references, None);
    Ok(if references.is_empty() { builder } else { builder.references(references.join(" ")) })
}

/// Everyone a mail of ours goes to, as its headers say: what was written once is sent so in every attempt.
#[must_use]
pub fn recipients(mail: &[u8]) -> Vec<Address> {
    let headers = headers::headers(mail).unwrap_or_default();
    headers.all("To").chain(headers.all("Cc")).flat_map(decode::addresses).collect()
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

/// What the mail says, each a text of its own in Markdown, so that none can reach into another; and an answer beyond
/// its limit as a file.
fn texts(letter: &Letter) -> (Vec<String>, Option<Attachment>) {
    let answer = letter.markdown.trim();
    let mut texts = vec![letter.notices.join("\n\n")];
    if !letter.notices.is_empty() && !answer.is_empty() {
        // What airut says is not what Claude says.
        texts.push("---".to_owned());
    }
    texts.push(cut(answer, limits::REPLY_TEXT_BYTES).to_owned());
    let whole = (answer.len() > limits::REPLY_TEXT_BYTES).then(|| {
        texts.push(
            "*(The answer is longer than a mail should be; all of it is attached as answer.md.)*".to_owned(),
        );
        Attachment::file("answer.md".to_owned(), answer.as_bytes().to_vec())
    });
    texts.retain(|text| !text.trim().is_empty());
    (texts, whole)
}

/// A file as the text may refer to it. Pictures that every mail program knows are shown where it does.
fn known(at: usize, file: &Attachment, message_id: &str) -> File {
    let is_shown =
        matches!(file.content_type.as_str(), "image/png" | "image/jpeg" | "image/gif" | "image/webp");
    let id = message_id.trim_matches(['<', '>']);
    File { name: file.name.clone(), content_id: is_shown.then(|| format!("file{}.{id}", at + 1)) }
}

fn plain(texts: &[String], files: &[File], letter: &Letter) -> String {
    let texts: Vec<String> = texts.iter().map(|text| markdown::to_text(text, files)).collect();
    let footer = letter.footer.as_ref().map(|footer| format!("\n\n-- \n{}", one_line(footer)));
    format!("{}{}\n", texts.join("\n\n"), footer.unwrap_or_default())
}

fn document(texts: &[String], files: &[File], footer: Option<&str>) -> Html {
    let mut page = Html::default();
    for text in texts {
        let html = markdown::to_html(text, files);
        page.body.push_str(&html.body);
        page.shown.extend(html.shown);
    }
    let footer = footer.map(|footer| {
        format!(
            "<hr style=\"border:none;border-top:1px solid #8b8b8b\">\n<p style=\"font-size:12px;opacity:0.75\">{}</p>\n",
            markdown::escaped(&one_line(footer))
        )
    });
    page.body = format!("{PAGE}{}{}</body></html>\n", page.body, footer.unwrap_or_default());
    page
}

/// Both ways to say that light and dark will do: Apple Mail reads one or the other, by its age.
const PAGE: &str = "<!DOCTYPE html>\n<html><head><meta charset=\"utf-8\">\
<meta name=\"viewport\" content=\"width=device-width\">\
<meta name=\"color-scheme\" content=\"light dark\"><meta name=\"supported-color-schemes\" content=\"light dark\">\
<style>:root{color-scheme:light dark;supported-color-schemes:light dark}</style></head>\n\
<body style=\"font-family:system-ui,-apple-system,'Segoe UI',Helvetica,Arial,sans-serif;font-size:15px;line-height:1.5;\
max-width:50em;overflow-wrap:break-word\">\n";

/// A text part whose lines are short enough for every mail system, whatever the text's.
fn single(kind: &str, text: &str) -> SinglePart {
    // Here, since the library takes a quadratic time for it.
    let text = text.replace("\r\n", "\n").replace('\n', "\r\n");
    // Three bytes for each that is not ASCII, or four for any three.
    let beyond = text.bytes().filter(|byte| !byte.is_ascii()).count();
    let encoding = if beyond > text.len() / 6 {
        ContentTransferEncoding::Base64
    } else {
        ContentTransferEncoding::QuotedPrintable
    };
    let body = Body::new_with_encoding(text, encoding).unwrap_or_else(Body::new);
    SinglePart::builder().header(ContentType::parse(kind).unwrap_or(ContentType::TEXT_PLAIN)).body(body)
}

/// A file as it goes along, or as it is shown where the text refers to its Content-ID. Always base64: line ends of a
/// file must not change on the way.
fn part(file: &Attachment, content_id: Option<&str>) -> SinglePart {
    // A message may not be encoded (RFC 2046 section 5.2.1), so that it travels as bytes.
    let kind = if file.content_type.starts_with("message/") || file.content_type.starts_with("multipart/") {
        "application/octet-stream"
    } else {
        &file.content_type
    };
    let kind = ContentType::parse(kind).unwrap_or(octets());
    let bytes = file.bytes.clone();
    let body = Body::new_with_encoding(bytes, ContentTransferEncoding::Base64).unwrap_or_else(Body::new);
    let name = one_line(&file.name);
    match content_id {
        Some(id) => message::Attachment::new_inline_with_name(id.to_owned(), name),
        None => message::Attachment::new(name),
    }
    .body(body, kind)
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

/// A header with a name of its own; its values are ours.
macro_rules! header {
    ($type:ident, $name:literal) => {
        #[derive(Clone)]
        struct $type(String);

        impl Header for $type {
            fn name() -> HeaderName {
                HeaderName::new_from_ascii_str($name)
            }

            fn parse(text: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
                Ok(Self(text.to_owned()))
            }

            fn display(&self) -> HeaderValue {
                HeaderValue::new(Self::name(), self.0.clone())
            }
        }
    };
}

header!(AutoSubmitted, "Auto-Submitted");
header!(Suppress, "X-Auto-Response-Suppress");

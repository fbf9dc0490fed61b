//! What a message says: who to whom, about what, the request, the attachments. Reads whatever came; a part that
//! cannot be read does not keep the others from being read. Decides nothing.

use crate::base::address::Address;
use crate::base::limits;
use crate::format::headers::Headers;
use crate::mail::decode::{self, cut};
use crate::mail::html;
use crate::mail::mime::{self, Part};
use crate::mail::names;
use crate::mail::plain::{self, Quotes};
use crate::mail::subject::is_forward;
use crate::mail::types;
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
    /// Attachments beyond the limit, which were left out.
    pub left_out: usize,
}

/// A file that came with a message. The name is a clean base name, unique within the message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attachment {
    pub name: String,
    pub content_type: String,
    pub bytes: Vec<u8>,
}

impl Mail {
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
    let mut body = Body { forward: is_forward(&mail.subject), ..Body::default() };
    body.take(&whole);
    if whole.headers.fields().is_empty() && body.request.is_empty() && body.files.is_empty() {
        bail!("the message is empty: it has neither headers nor text");
    }
    mail.request = cleaned(&body.request);
    mail.full_text = cleaned(&body.full_text);
    mail.left_out = body.left_out;
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

#[derive(Default)]
struct Body<'a> {
    forward: bool,
    request: String,
    full_text: String,
    files: Vec<(&'a Part<'a>, Option<String>)>,
    left_out: usize,
}

impl<'a> Body<'a> {
    fn take(&mut self, part: &'a Part<'a>) {
        match part.kind.value.as_str() {
            "multipart/alternative" => self.alternative(part),
            kind if kind.starts_with("multipart/") => part.parts.iter().for_each(|part| self.take(part)),
            "text/plain" | "text/html" | "text/enriched" | "text" if is_inline(part) => self.text(part),
            "application/pgp-signature" | "application/pkcs7-signature" | "application/x-pkcs7-signature" => {
            }
            _ if self.files.len() < limits::ATTACHMENT_COUNT => {
                self.files.push((part, part.name().and_then(names::clean)));
            }
            _ => self.left_out += 1,
        }
    }

    /// One form of the text, plain where there is one; everything that is no text is attached.
    fn alternative(&mut self, whole: &'a Part<'a>) {
        let is = |part: &&Part, kind: &str| part.kind.value == kind && is_inline(part);
        let plain = whole.parts.iter().find(|part| is(part, "text/plain") && !part.text().trim().is_empty());
        let html = whole.parts.iter().rfind(|part| is(part, "text/html"));
        let chosen = plain.or(html).map(std::ptr::from_ref);
        for part in &whole.parts {
            let is_chosen = chosen == Some(std::ptr::from_ref(part));
            let is_text =
                is(&part, "text/plain") || is(&part, "text/html") || part.kind.value == "text/enriched";
            if is_chosen || !is_text {
                self.rest(part, plain.is_some());
            }
        }
    }

    /// A branch beside the plain text may hold the HTML again, with its images.
    fn rest(&mut self, part: &'a Part<'a>, has_plain: bool) {
        let before = (self.request.len(), self.full_text.len());
        self.take(part);
        if has_plain && part.kind.value.starts_with("multipart/") {
            self.request.truncate(before.0);
            self.full_text.truncate(before.1);
        }
    }

    fn text(&mut self, part: &Part) {
        if self.full_text.len() >= limits::REQUEST_BYTES {
            return;
        }
        let text = part.text().replace("\r\n", "\n").replace('\r', "\n");
        let (request, full) = if part.kind.value == "text/html" {
            (html::request(&text, self.forward), html::request(&text, true))
        } else {
            let text = cut(&text, limits::REQUEST_BYTES);
            let text = if part.kind.flowed { plain::unflow(text, part.kind.delsp) } else { text.to_owned() };
            let how = if self.forward { Quotes::Keep } else { Quotes::Lines };
            (plain::strip(&text, how), text.trim().to_owned())
        };
        append(&mut self.request, &request);
        append(&mut self.full_text, &full);
    }
}

fn append(text: &mut String, more: &str) {
    if !more.is_empty() {
        if !text.is_empty() {
            text.push_str("\n\n");
        }
        text.push_str(more);
    }
}

/// A text part that was not sent as a file.
fn is_inline(part: &Part) -> bool {
    part.disposition.value != "attachment" && part.name().is_none()
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

fn attachments(files: Vec<(&Part, Option<String>)>) -> Vec<Attachment> {
    let named: Vec<String> =
        files.iter().map(|(part, name)| name.clone().unwrap_or_else(|| unnamed(part))).collect();
    let unique = names::unique_names(&named, &[]);
    let attachment = |((part, _), name): ((&Part, Option<String>), String)| Attachment {
        name,
        content_type: part.kind.value.clone(),
        bytes: part.bytes(),
    };
    files.into_iter().zip(unique).map(attachment).collect()
}

/// A name for a file that came without one.
fn unnamed(part: &Part) -> String {
    let kind = part.kind.value.as_str();
    if kind == "message/rfc822" {
        let inner = mime::message(part.body);
        let subject = decode::words(inner.headers.first("Subject").unwrap_or_default());
        let name = names::clean(&subject.replace(['/', '\\'], " ")).unwrap_or_else(|| "message".to_owned());
        return names::clean(&format!("{}.eml", cut(&name, limits::FILE_NAME_BYTES / 2))).unwrap_or(name);
    }
    let stem = kind.split('/').next().filter(|stem| matches!(*stem, "image" | "audio" | "video" | "text"));
    format!("{}.{}", stem.unwrap_or("attachment"), types::extension(kind))
}

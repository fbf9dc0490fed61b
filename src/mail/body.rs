//! Walks through the parts of a message: what of it is the request, what is a file, what cannot be read. A part that
//! cannot be read does not keep the others from being read. Decides nothing.

use crate::base::limits;
use crate::mail::calendar;
use crate::mail::decode::{self, cut};
use crate::mail::html;
use crate::mail::markup;
use crate::mail::mime::{self, Part};
use crate::mail::names;
use crate::mail::pgp;
use crate::mail::pictures;
use crate::mail::pkcs7::{self, Opened};
use crate::mail::plain::{self, Quotes};
use crate::mail::tnef::{self, Tnef};
use crate::mail::types;
use crate::mail::uu;
use std::borrow::Cow;
use std::collections::HashSet;
use std::hash::{DefaultHasher, Hasher};

/// What was found.
#[derive(Debug, Default)]
pub struct Body {
    forward: bool,
    pub request: String,
    pub full_text: String,
    pub files: Vec<File>,
    pub left_out: LeftOut,
    /// Some of it was encrypted.
    pub encrypted: bool,
    /// The text was longer than is taken.
    pub cut: bool,
    /// A line for each event of a calendar.
    pub events: Vec<String>,
    /// Messages within signed blocks that are open.
    opened: usize,
    /// Calendar files, by what is in them but for white space.
    calendars: HashSet<u64>,
}

/// A file, named as its sender named it, cleaned.
#[derive(Debug)]
pub struct File {
    pub name: String,
    pub content_type: String,
    pub bytes: Vec<u8>,
}

/// Files that were not taken: the names of the first, and how many more there were.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LeftOut {
    pub names: Vec<String>,
    pub more: usize,
}

impl LeftOut {
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.names.is_empty() && self.more == 0
    }

    fn add(&mut self, name: String) {
        if self.names.len() < limits::LEFT_OUT_NAMES {
            self.names.push(name);
        } else {
            self.more += 1;
        }
    }
}

/// Signed blocks within signed blocks.
const OPENED: usize = 4;
/// Calendar entries that are told; the files hold the rest.
const EVENTS: usize = 10;

impl Body {
    /// With `forward` the mail passes another one on: then its quotes are its content.
    #[must_use]
    pub fn new(forward: bool) -> Self {
        Self { forward, ..Self::default() }
    }

    /// Takes a part and all within it.
    pub fn take(&mut self, part: &Part) {
        self.left_out.more += part.left_out;
        match part.kind.value.as_str() {
            "multipart/alternative" => self.alternative(part),
            "multipart/encrypted" | "application/pgp-encrypted" => self.encrypted = true,
            kind if kind.starts_with("multipart/") => part.parts.iter().for_each(|part| self.take(part)),
            "text/plain" | "text/html" | "text/enriched" | "text/markdown" | "text" if is_inline(part) => {
                self.text(part.text(), &part.kind)
            }
            "text/calendar" | "application/ics" => self.calendar(part),
            "application/pgp-signature" | "application/pkcs7-signature" | "application/x-pkcs7-signature" => {
            }
            "application/pkcs7-mime" | "application/x-pkcs7-mime" => self.smime(part),
            "application/ms-tnef" | "application/vnd.ms-tnef" => self.tnef(part),
            "application/octet-stream" => match part.name().unwrap_or_default().to_ascii_lowercase().as_str()
            {
                "smime.p7m" => self.smime(part),
                "winmail.dat" | "win.dat" => self.tnef(part),
                "encrypted.asc" => self.encrypted = true,
                _ => self.attach(part),
            },
            _ => self.attach(part),
        }
    }

    /// One form of the text, plain where there is one; everything that is no text is attached.
    fn alternative(&mut self, whole: &Part) {
        let is = |part: &&Part, kind: &str| part.kind.value == kind && is_inline(part);
        let plain = whole.parts.iter().find(|part| is(part, "text/plain") && !part.text().trim().is_empty());
        let html = whole.parts.iter().rfind(|part| is(part, "text/html"));
        let chosen = plain.or(html).map(std::ptr::from_ref);
        for part in &whole.parts {
            let is_chosen = chosen == Some(std::ptr::from_ref(part));
            let is_text = ["text/plain", "text/html", "text/enriched", "text/x-amp-html", "text/watch-html"]
                .iter()
                .any(|kind| is(&part, kind));
            if is_chosen || !is_text {
                self.rest(part, plain.is_some());
            } else if is(&part, "text/html") {
                // As pictures beside it come with it.
                self.without_pictures(part.text());
            }
        }
    }

    /// A branch beside the plain text may hold the HTML again, with its images.
    fn rest(&mut self, part: &Part, has_plain: bool) {
        let before = (self.request.len(), self.full_text.len());
        self.take(part);
        if has_plain && part.kind.value.starts_with("multipart/") {
            self.request.truncate(before.0);
            self.full_text.truncate(before.1);
        }
    }

    /// Each step hands its text on and keeps nothing: a text may be three times as long as its mail.
    fn text(&mut self, text: String, kind: &decode::Parameters) {
        let text = plain::unix(text);
        let is_html = kind.value == "text/html";
        let text = if is_html { self.without_pictures(text) } else { self.without_files(text) };
        if self.full_text.len() >= limits::REQUEST_BYTES {
            self.cut |= !text.trim().is_empty();
            return;
        }
        let (request, full) = if is_html { self.html(&text) } else { self.plain(&text, kind) };
        append(&mut self.request, &request);
        append(&mut self.full_text, &full);
    }

    fn html(&mut self, text: &str) -> (String, String) {
        let read = html::read(text, self.forward);
        let (request, encrypted) = pgp::unframed(&read.request);
        self.cut |= read.cut;
        self.encrypted |= encrypted;
        (request.into_owned(), read.full_text)
    }

    fn plain(&mut self, text: &str, kind: &decode::Parameters) -> (String, String) {
        self.cut |= text.len() > limits::REQUEST_BYTES;
        let text = cut(text, limits::REQUEST_BYTES);
        let text = match kind.value.as_str() {
            "text/enriched" => Cow::Owned(markup::enriched(text)),
            _ if kind.flowed => Cow::Owned(plain::unflow(text, kind.delsp)),
            _ => Cow::Borrowed(text),
        };
        let how = if self.forward { Quotes::Keep } else { Quotes::Lines };
        (plain::strip(&text, how), text.trim().to_owned())
    }

    /// A plain text without the frames of OpenPGP and the files that stand in it.
    fn without_files(&mut self, text: String) -> String {
        let (unframed, encrypted) = pgp::unframed(&text);
        self.encrypted |= encrypted;
        let text = changed(unframed).unwrap_or(text);
        let left = uu::taken_out(&text, |name, bytes| {
            let name = names::clean(name).unwrap_or_else(|| "attachment.bin".to_owned());
            let kind = types::of_name(&name);
            self.file(name, kind, bytes);
        });
        changed(left).unwrap_or(text)
    }

    /// HTML that names the pictures in it as they are named among the files.
    fn without_pictures(&mut self, html: String) -> String {
        let left = pictures::taken_out(&html, |picture| {
            if self.files.len() >= limits::ATTACHMENT_COUNT {
                self.left_out.add(picture.name.clone());
                return picture.name;
            }
            let taken: Vec<String> = self.files.iter().map(|file| file.name.clone()).collect();
            let name = names::unique_names(&[picture.name], &names::unique_names(&taken, &[])).concat();
            self.file(name.clone(), &picture.content_type, picture.bytes);
            name
        });
        changed(left).unwrap_or(html)
    }

    /// The same invitation often comes twice, to be seen and to be saved.
    fn calendar(&mut self, part: &Part) {
        let bytes = part.bytes();
        for event in
            calendar::summaries(&decode::text(&bytes, part.kind.charset.as_deref().or(Some("utf-8"))))
        {
            if self.events.len() < EVENTS && !self.events.contains(&event) {
                self.events.push(event);
            }
        }
        let mut hasher = DefaultHasher::new();
        bytes.iter().filter(|byte| !byte.is_ascii_whitespace()).for_each(|&byte| hasher.write_u8(byte));
        if self.calendars.insert(hasher.finish()) {
            let name = part.name().and_then(names::clean).unwrap_or_else(|| "invite.ics".to_owned());
            self.file(name, "text/calendar", bytes);
        }
    }

    fn smime(&mut self, part: &Part) {
        // Not in the match, which would keep the bytes until what is within has been read.
        let opened = pkcs7::open(&part.bytes());
        match opened {
            Opened::Signed(content) if self.opened < OPENED => {
                self.opened += 1;
                self.take(&mime::message(&content));
                self.opened -= 1;
            }
            Opened::Encrypted => self.encrypted = true,
            Opened::Signed(_) | Opened::Other => self.attach(part),
        }
    }

    /// Its text counts only where the mail has no other.
    fn tnef(&mut self, part: &Part) {
        let bytes = part.bytes();
        if !tnef::is_tnef(&bytes) {
            return self.attach(part);
        }
        let mut read = tnef::read(&bytes);
        drop(bytes);
        if self.full_text.trim().is_empty() {
            let (text, kind) = read.take_shown();
            self.text(text, &decode::Parameters { value: kind.to_owned(), ..Default::default() });
        }
        self.tnef_files(read);
    }

    fn tnef_files(&mut self, read: Tnef) {
        self.left_out.more += read.more;
        for file in read.files {
            let name = file.name.as_deref().and_then(names::clean);
            if tnef::is_tnef(&file.bytes) && self.opened < OPENED {
                let mut within = tnef::read(&file.bytes);
                drop(file.bytes);
                let text = match within.take_shown() {
                    (html, "text/html") => html::read(&html, true).request,
                    (text, _) => text,
                };
                let name = format!("{}.txt", name.as_deref().unwrap_or("message"));
                self.file(names::clean(&name).unwrap_or(name), "text/plain", text.into_bytes());
                self.opened += 1;
                self.tnef_files(within);
                self.opened -= 1;
                continue;
            }
            let name = name.unwrap_or_else(|| "attachment.bin".to_owned());
            let kind = types::of_name(&name);
            self.file(name, kind, file.bytes);
        }
    }

    fn attach(&mut self, part: &Part) {
        let name = part.name().and_then(names::clean).unwrap_or_else(|| unnamed(part));
        if self.files.len() < limits::ATTACHMENT_COUNT {
            self.file(name, &part.kind.value, part.bytes());
        } else {
            self.left_out.add(name);
        }
    }

    fn file(&mut self, name: String, content_type: &str, bytes: Vec<u8>) {
        if self.files.len() < limits::ATTACHMENT_COUNT {
            self.files.push(File { name, content_type: content_type.to_owned(), bytes });
        } else {
            self.left_out.add(name);
        }
    }
}

/// What was made of a text, if it was not left as it is.
fn changed(text: Cow<str>) -> Option<String> {
    match text {
        Cow::Owned(text) => Some(text),
        Cow::Borrowed(_) => None,
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

/// A name for a file that came without one.
fn unnamed(part: &Part) -> String {
    let kind = part.kind.value.as_str();
    if kind == "message/rfc822" {
        let inner = mime::message(part.body);
        let subject = decode::words(inner.headers.first("Subject").unwrap_or_default());
        let name = names::clean(&subject.replace(['/', '\\'], " ")).unwrap_or_else(|| "message".to_owned());
        return names::clean(&format!("{}.eml", cut(&name, limits::FILE_NAME_BYTES / 2))).unwrap_or(name);
    }
    if let Some(name) = part.encoded_name().as_deref().and_then(names::clean) {
        return name;
    }
    let stem = kind.split('/').next().filter(|stem| matches!(*stem, "image" | "audio" | "video" | "text"));
    format!("{}.{}", stem.unwrap_or("attachment"), types::extension(kind))
}

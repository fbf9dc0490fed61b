//! Takes a message apart into its parts (RFC 2046), by slices of what was received: nothing is copied or
//! decoded here. Never fails: a multipart that is none is one part of text.

use crate::base::limits;
use crate::format::headers::Headers;
use crate::mail::decode::{self, Parameters};
use crate::mail::headers;
use crate::mail::uu;

/// A message or one part of it.
#[derive(Debug)]
pub struct Part<'a> {
    /// Of the whole message; those of its parts are read and not kept.
    pub headers: Headers,
    /// `Content-Transfer-Encoding`, as it stands there.
    encoding: String,
    /// What stands after the part's headers, undecoded.
    pub body: &'a [u8],
    pub kind: Parameters,
    pub disposition: Parameters,
    /// Of a multipart; else empty.
    pub parts: Vec<Part<'a>>,
    /// Parts of a multipart beyond the limit.
    pub left_out: usize,
}

impl Part<'_> {
    /// The body's bytes, decoded.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        decode::transfer(self.body, &self.encoding)
    }

    /// The body as text.
    #[must_use]
    pub fn text(&self) -> String {
        decode::text(&self.bytes(), self.kind.charset.as_deref())
    }

    /// The charset of the first part that names one.
    #[must_use]
    pub fn charset(&self) -> Option<&str> {
        self.kind.charset.as_deref().or_else(|| self.parts.iter().find_map(Part::charset))
    }

    /// The file name that it was sent with, decoded, not cleaned.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.disposition.name.as_deref().or(self.kind.name.as_deref())
    }

    /// The one that its encoding gives it.
    #[must_use]
    pub fn encoded_name(&self) -> Option<String> {
        let is_named = decode::is_uuencode(&self.encoding);
        is_named.then(|| uu::only(self.body)).flatten().map(|(name, _)| name)
    }
}

/// The whole message.
#[must_use]
pub fn message(raw: &[u8]) -> Part<'_> {
    Reader { left: limits::MIME_PARTS }.part(raw, "text/plain", 0)
}

struct Reader {
    /// Parts that may still be made.
    left: usize,
}

impl Reader {
    fn part<'a>(&mut self, raw: &'a [u8], default: &str, depth: usize) -> Part<'a> {
        let (headers, body) = headers::block(raw).unwrap_or((Headers::default(), raw));
        let mut kind = decode::parameters(headers.first("Content-Type").unwrap_or_default());
        if !kind.value.contains('/') {
            kind.value = default.to_owned();
        }
        let disposition = decode::parameters(headers.first("Content-Disposition").unwrap_or_default());
        let encoding = headers.first("Content-Transfer-Encoding").unwrap_or_default().to_owned();
        let headers = if depth == 0 { headers } else { Headers::default() };
        let mut part = Part { headers, encoding, body, kind, disposition, parts: Vec::new(), left_out: 0 };
        if part.kind.value.starts_with("multipart/") {
            self.divide(&mut part, depth);
        }
        part
    }

    fn divide(&mut self, whole: &mut Part, depth: usize) {
        let default = if whole.kind.value == "multipart/digest" { "message/rfc822" } else { "text/plain" };
        let boundary = whole.kind.boundary.clone().unwrap_or_default();
        if depth < limits::MIME_DEPTH && !boundary.is_empty() {
            let bodies = Bodies { rest: whole.body, delimiter: format!("--{boundary}").into_bytes() };
            for body in bodies {
                if self.left == 0 {
                    whole.left_out += 1;
                    continue;
                }
                self.left -= 1;
                whole.parts.push(self.part(body, default, depth + 1));
            }
        }
        if whole.parts.is_empty() {
            whole.kind.value = "text/plain".to_owned();
        }
    }
}

/// The bodies between the delimiter lines; one that is not closed reaches to the end.
struct Bodies<'a> {
    rest: &'a [u8],
    delimiter: Vec<u8>,
}

enum Delimiter {
    Open,
    Close,
}

impl<'a> Iterator for Bodies<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let text = self.rest;
        let (mut start, mut at) = (None, 0);
        // The first time the preamble is passed over, later the line that ended the part before.
        while at < text.len() {
            let end = text[at..].iter().position(|&b| b == b'\n').map_or(text.len(), |end| at + end + 1);
            match (self.delimiter(&text[at..end]), start) {
                (Some(_), Some(start)) => {
                    self.rest = &text[at..];
                    return Some(unbroken(&text[start..at]));
                }
                (Some(Delimiter::Open), None) => start = Some(end),
                (Some(Delimiter::Close), None) => break,
                (None, _) => {}
            }
            at = end;
        }
        self.rest = &[];
        start.map(|start| &text[start..])
    }
}

impl Bodies<'_> {
    fn delimiter(&self, line: &[u8]) -> Option<Delimiter> {
        match line.strip_prefix(self.delimiter.as_slice())?.trim_ascii_end() {
            b"" => Some(Delimiter::Open),
            b"--" => Some(Delimiter::Close),
            _ => None,
        }
    }
}

/// The line end before a delimiter belongs to the delimiter (RFC 2046 section 5.1.1).
fn unbroken(body: &[u8]) -> &[u8] {
    let body = body.strip_suffix(b"\n").unwrap_or(body);
    body.strip_suffix(b"\r").unwrap_or(body)
}

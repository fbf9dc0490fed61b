//! Reads the header block of a message, and nothing after it. Any bytes are taken: what is no header is
//! kept apart as broken, never skipped in silence and never a panic.

use crate::base::limits;
use crate::format::headers::{Header, Headers};
use crate::format::verdict::{Check, Passed, Reason, Verdict};
use crate::rule::authorize::{Policy, judge};
use anyhow::{Result, bail};
use jiff::Timestamp;

/// On top of a mail of which only the header was taken: the size it had, in bytes. Who writes it himself only has
/// his own mail answered as too large.
pub const OVERSIZE: &str = "X-Airut-Oversize";
/// Put on top of the header of a mail that its server does not give whole, however often it is asked.
pub const UNFETCHED: &str = "X-Airut-Unfetched";

/// The header block, up to the first empty line (RFC 5322 section 2.1).
///
/// # Errors
/// Where it is longer than `limits::HEADER_BYTES` or has more fields than `limits::HEADER_COUNT`.
pub fn headers(raw: &[u8]) -> Result<Headers> {
    Ok(block(raw)?.0)
}

/// The header block and the bytes after its empty line.
///
/// # Errors
/// As `headers`.
pub fn block(raw: &[u8]) -> Result<(Headers, &[u8])> {
    let mut reader = Reader { rest: raw, fields: Vec::new(), broken: Vec::new() };
    let mut taken = 0;
    while let Some(line) = reader.line() {
        taken = raw.len() - reader.rest.len();
        if line.is_empty() {
            break;
        }
        if taken > limits::HEADER_BYTES || reader.fields.len() > limits::HEADER_COUNT {
            break;
        }
        reader.take(line);
    }
    if taken > limits::HEADER_BYTES {
        bail!("the header block is longer than {} bytes", limits::HEADER_BYTES);
    }
    if reader.fields.len() > limits::HEADER_COUNT || reader.broken.len() > limits::HEADER_COUNT {
        bail!("the header block has more than {} fields", limits::HEADER_COUNT);
    }
    for field in &mut reader.fields {
        field.value = field.value.trim().to_owned();
    }
    Ok((Headers::new(reader.fields, reader.broken), reader.rest))
}

/// The bytes of a field's first line, for what was sent in no known charset.
#[must_use]
pub fn bytes_of<'a>(raw: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let head = &raw[..raw.len().min(limits::HEADER_BYTES)];
    head.split(|&b| b == b'\n').take_while(|line| !line.trim_ascii().is_empty()).find_map(|line| {
        let (field, value) = line.split_at_checked(name.len() + 1)?;
        let is_it = field[..name.len()].eq_ignore_ascii_case(name.as_bytes()) && field.ends_with(b":");
        is_it.then(|| value.trim_ascii())
    })
}

/// The verdict on a message by its headers; one whose headers cannot be read is refused.
#[must_use]
pub fn verdict(raw: &[u8], policy: &Policy, now: Timestamp) -> Verdict {
    match headers(raw) {
        Ok(headers) => judge(&headers, policy, now),
        Err(error) => {
            let check =
                Check::new("headers", Passed::Failed, &error.to_string(), "a header block within limits");
            Verdict::refused(Reason::Malformed, check, now)
        }
    }
}

struct Reader<'a> {
    rest: &'a [u8],
    fields: Vec<Header>,
    broken: Vec<String>,
}

impl<'a> Reader<'a> {
    /// The next line without its CR LF or LF.
    fn line(&mut self) -> Option<&'a [u8]> {
        if self.rest.is_empty() {
            return None;
        }
        // Nothing beyond the limit is looked at, so that a message without line ends costs no more.
        let window = &self.rest[..self.rest.len().min(limits::HEADER_BYTES + 2)];
        let end = window.iter().position(|&b| b == b'\n');
        let (line, used) = end.map_or((window, window.len()), |end| (&window[..end], end + 1));
        self.rest = &self.rest[used..];
        Some(line.strip_suffix(b"\r").unwrap_or(line))
    }

    fn take(&mut self, line: &[u8]) {
        let text = String::from_utf8_lossy(line);
        // A CR or NUL within a line ends it for some readers and not for others.
        if line.contains(&b'\r') || line.contains(&0) {
            self.broken.push(text.into_owned());
            return;
        }
        if line[0] == b' ' || line[0] == b'\t' {
            match self.fields.last_mut() {
                Some(field) => field.value.push_str(&text),
                None => self.broken.push(text.into_owned()),
            }
            return;
        }
        match text.split_once(':') {
            Some((name, value)) if is_name(name) => {
                self.fields.push(Header { name: name.to_owned(), value: value.to_owned() });
            }
            _ if self.fields.is_empty() && self.broken.is_empty() && is_mbox_line(&text) => {}
            _ => self.broken.push(text.into_owned()),
        }
    }
}

/// Printable ASCII but the colon (RFC 5322 section 3.6.8); a blank before the colon is not let pass.
fn is_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_graphic())
}

/// `From user date` above the headers, which mbox files and delivery programs put there.
fn is_mbox_line(line: &str) -> bool {
    let user = line.strip_prefix('>').unwrap_or(line).strip_prefix("From ");
    user.is_some_and(|user| user.starts_with(|c: char| c.is_ascii_graphic() && c != ':'))
}

//! The encodings of mail: words in headers (RFC 2047), parameters (RFC 2231), transfer encodings (RFC 2045) and
//! charsets. The only user of `mailparse`. Nothing here fails: what is wrong is read as well as it can be.

use crate::base::address::Address;
use crate::base::limits;
use crate::mail::uu;
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;
use mailparse::{ParsedContentType, body::Body};

/// A header's value with its encoded words decoded, on one line.
#[must_use]
pub fn words(value: &str) -> String {
    let one_line =
        |text: &str| -> String { text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect() };
    let field = format!("X: {}", one_line(cut(value, limits::HEADER_VALUE_BYTES)));
    let decoded = mailparse::parse_header(field.as_bytes()).map(|(header, _)| header.get_value());
    one_line(&decoded.unwrap_or_else(|_| value.to_owned())).trim().to_owned()
}

/// `Content-Type` or `Content-Disposition`: the leading word and the parameters that are asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Parameters {
    /// In lower case, without parameters; empty where there is none.
    pub value: String,
    /// A MIME type's boundary.
    pub boundary: Option<String>,
    pub charset: Option<String>,
    /// `filename` or `name`, decoded, not cleaned.
    pub name: Option<String>,
    /// `format=flowed` (RFC 3676).
    pub flowed: bool,
    /// `delsp=yes` (RFC 3676): the blank before a soft break is not part of the text.
    pub delsp: bool,
}

/// Reads a value with parameters.
#[must_use]
pub fn parameters(value: &str) -> Parameters {
    let value = cut(value, limits::HEADER_VALUE_BYTES);
    let parsed = mailparse::parse_content_disposition(value);
    let get = |name: &str| parsed.params.get(name).filter(|value| !value.is_empty()).cloned();
    let is = |name: &str, wanted: &str| get(name).is_some_and(|value| value.eq_ignore_ascii_case(wanted));
    let word = value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    Parameters {
        value: word,
        boundary: get("boundary"),
        charset: get("charset"),
        name: get("filename").or_else(|| get("name")).map(|name| words(&apart(&name))),
        flowed: is("format", "flowed"),
        delsp: is("delsp", "yes"),
    }
}

/// Programs put an encoded word right before a file's extension, where RFC 2047 knows none: the extension is encoded
/// too, so that it is read as one.
fn apart(name: &str) -> String {
    let Some((word, rest)) = name.rsplit_once("?=") else { return name.to_owned() };
    let is_extension = rest.starts_with('.') && rest.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'.');
    if is_extension { format!("{word}?= =?us-ascii?Q?{rest}?=") } else { name.to_owned() }
}

/// The addresses of `To`, `Cc` and the like. Groups, names and comments are passed over, what is no plain
/// address is left out: nothing here decides who may do something.
#[must_use]
pub fn addresses(value: &str) -> Vec<Address> {
    let mut found = Vec::new();
    let (mut entry, mut quoted, mut escaped, mut comment) = (String::new(), false, false, 0_usize);
    for c in value.chars().chain([',']) {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted || comment > 0 => escaped = true,
            '"' if comment == 0 => quoted = !quoted,
            '(' if !quoted => comment += 1,
            ')' if !quoted => comment = comment.saturating_sub(1),
            _ if quoted || comment > 0 => {}
            '<' | ':' => entry.clear(),
            ',' | ';' | '>' if found.len() < limits::RECIPIENT_COUNT => {
                found.extend(entry.trim().parse::<Address>());
                entry.clear();
            }
            c => entry.push(c),
        }
    }
    found
}

/// The time of a `Date` header (RFC 5322 section 3.3); `None` where it is none.
#[must_use]
pub fn date(value: &str) -> Option<Timestamp> {
    DateTimeParser::new().relaxed_weekday(true).parse_timestamp(value.trim()).ok()
}

/// The bytes of a body by its `Content-Transfer-Encoding`.
#[must_use]
pub fn transfer(body: &[u8], encoding: &str) -> Vec<u8> {
    match encoding.trim().to_ascii_lowercase().as_str() {
        "base64" => base64(body),
        "quoted-printable" => {
            let kind = ParsedContentType::default();
            match Body::new(body, &kind, &Some("quoted-printable".to_owned())) {
                Body::QuotedPrintable(encoded) => encoded.get_decoded().unwrap_or_else(|_| body.to_vec()),
                _ => body.to_vec(),
            }
        }
        _ if is_uuencode(encoding) => uu::only(body).map_or_else(|| body.to_vec(), |(_, bytes)| bytes),
        _ => body.to_vec(),
    }
}

/// Never standardized, and so of several names.
#[must_use]
pub fn is_uuencode(encoding: &str) -> bool {
    ["x-uuencode", "x-uue", "uuencode"].iter().any(|name| encoding.trim().eq_ignore_ascii_case(name))
}

/// Takes whatever of base64 there is: line ends, stray characters and a cut end do no harm.
fn base64(body: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(body.len() / 4 * 3 + 3);
    let (mut bits, mut held) = (0_u32, 0_u32);
    for &byte in body {
        let six = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            b'=' => {
                (bits, held) = (0, 0);
                continue;
            }
            _ => continue,
        };
        bits = (bits << 6) | u32::from(six);
        held += 6;
        if held >= 8 {
            held -= 8;
            out.push((bits >> held) as u8);
            bits &= (1 << held) - 1;
        }
    }
    out
}

/// Base64 that is whole: blanks aside, nothing but its letters, and none too few.
#[must_use]
pub fn whole_base64(encoded: &[u8]) -> Option<Vec<u8>> {
    let letters = || encoded.iter().filter(|b| !b.is_ascii_whitespace());
    let padding = letters().rev().take_while(|&&b| b == b'=').count();
    let count = letters().count() - padding;
    let is_letter = |&b: &&u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/');
    (padding <= 2 && count % 4 != 1 && letters().take(count).all(|b| is_letter(&b))).then(|| base64(encoded))
}

/// Text by its declared charset; where that is missing, unknown or plainly wrong, UTF-8, else Windows-1252,
/// which gives every byte some letter.
#[must_use]
pub fn text(bytes: &[u8], charset: Option<&str>) -> String {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let label = charset.unwrap_or("us-ascii").trim().to_ascii_lowercase();
    let plain = matches!(label.as_str(), "utf-8" | "utf8" | "us-ascii" | "ascii" | "");
    // No other charset begins its letters so.
    if plain && bytes.windows(3).any(|three| matches!(three, b"\x1b$B" | b"\x1b$@")) {
        return by_label(bytes, "iso-2022-jp");
    }
    if is_latin(&label)
        && let Ok(text) = std::str::from_utf8(bytes)
    {
        return text.to_owned();
    }
    if !plain {
        let decoded = by_label(bytes, &label);
        if !decoded.contains('\u{fffd}') {
            return decoded;
        }
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        // A few bad bytes in good UTF-8 are damage, not another charset.
        Err(error) if plain && mostly_utf8(bytes, &error) => String::from_utf8_lossy(bytes).into_owned(),
        Err(_) => by_label(bytes, "windows-1252"),
    }
}

/// Where every byte is a letter and programs set the label without looking: what is good UTF-8 is that, since text in
/// these charsets is hardly ever so by chance.
fn is_latin(label: &str) -> bool {
    ["iso-8859-1", "latin1", "windows-125", "cp125"].iter().any(|start| label.starts_with(start))
}

fn mostly_utf8(bytes: &[u8], error: &std::str::Utf8Error) -> bool {
    bytes[..error.valid_up_to()].iter().any(|b| !b.is_ascii())
}

fn by_label(bytes: &[u8], label: &str) -> String {
    if matches!(label, "utf-7" | "utf7" | "unicode-1-1-utf-7") {
        return utf7(bytes);
    }
    by_label_at_once(bytes, label)
}

/// The library decodes UTF-7 in quadratic time: some lines at a time, since a line end is never within a letter.
fn utf7(mut rest: &[u8]) -> String {
    let mut out = String::new();
    while !rest.is_empty() {
        let window = &rest[..rest.len().min(limits::UTF7_BYTES)];
        let line = window.iter().rposition(|&b| b == b'\n').map(|at| at + 1);
        let end = if window.len() == rest.len() { rest.len() } else { line.unwrap_or(window.len()) };
        out.push_str(&by_label_at_once(&rest[..end], "utf-7"));
        rest = &rest[end..];
    }
    out
}

fn by_label_at_once(bytes: &[u8], label: &str) -> String {
    let kind = ParsedContentType { charset: label.to_owned(), ..ParsedContentType::default() };
    match Body::new(bytes, &kind, &Some("8bit".to_owned())) {
        Body::EightBit(body) => {
            body.get_as_string().unwrap_or_else(|_| String::from_utf8_lossy(bytes).into_owned())
        }
        _ => String::from_utf8_lossy(bytes).into_owned(),
    }
}

/// At most `max` bytes of a text, cut between characters.
#[must_use]
pub fn cut(text: &str, max: usize) -> &str {
    let mut end = text.len().min(max);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

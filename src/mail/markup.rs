//! Reads HTML as a flat list of tags and text, the way a browser cuts it up (comments, quoted attributes,
//! raw-text elements), in linear time and for any input. It builds no tree and understands no page: it is
//! for finding marks, and for taking the bare text where the real converter gives up.

use std::ops::Range;

/// A piece of the source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece<'a> {
    pub what: What<'a>,
    /// Where it stands in the source, in bytes.
    pub at: Range<usize>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What<'a> {
    Text(&'a str),
    /// A start tag: its name in lower case and what stands after the name.
    Open(String, &'a str),
    Close(String),
    /// Comments, declarations, and elements whose text nobody sees.
    Unseen,
}

/// Elements that have no end tag.
const VOID: &[&str] =
    &["area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"];
/// Elements whose content is not markup and not seen.
const RAW: &[&str] =
    &["script", "style", "title", "textarea", "noscript", "template", "xmp", "iframe", "noembed", "noframes"];
/// Elements that begin a new line.
const BLOCK: &[&str] = &[
    "address",
    "article",
    "blockquote",
    "br",
    "dd",
    "div",
    "dl",
    "dt",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "hr",
    "li",
    "ol",
    "p",
    "pre",
    "section",
    "table",
    "tr",
    "ul",
];

/// Whether an element has no end tag.
#[must_use]
pub fn is_void(name: &str) -> bool {
    VOID.contains(&name)
}

/// The pieces in order; together they are the whole source.
pub fn pieces(source: &str) -> impl Iterator<Item = Piece<'_>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let rest = source.get(at..).filter(|rest| !rest.is_empty())?;
        let (what, len) = piece(rest);
        let start = at;
        at += len;
        Some(Piece { what, at: start..at })
    })
}

fn piece(rest: &str) -> (What<'_>, usize) {
    let bytes = rest.as_bytes();
    match (bytes[0], bytes.get(1)) {
        (b'<', Some(b'!')) if rest.starts_with("<!--") => (What::Unseen, after(rest, 4, "-->")),
        (b'<', Some(b'!' | b'?')) => (What::Unseen, after(rest, 2, ">")),
        (b'<', Some(b'/')) if bytes.get(2).is_some_and(u8::is_ascii_alphabetic) => {
            let len = after(rest, 2, ">");
            (What::Close(name(&rest[2..len])), len)
        }
        (b'<', Some(letter)) if letter.is_ascii_alphabetic() => open(rest),
        _ => {
            let end = rest.char_indices().skip(1).find(|&(_, c)| c == '<').map_or(rest.len(), |(end, _)| end);
            (What::Text(&rest[..end]), end)
        }
    }
}

/// The length up to and with `mark`, or all.
fn after(rest: &str, from: usize, mark: &str) -> usize {
    rest[from..].find(mark).map_or(rest.len(), |end| from + end + mark.len())
}

fn name(text: &str) -> String {
    let end = text.find(|c: char| !(c.is_ascii_alphanumeric() || c == '-' || c == ':')).unwrap_or(text.len());
    text[..end].to_ascii_lowercase()
}

fn open(rest: &str) -> (What<'_>, usize) {
    let tag = name(&rest[1..]);
    let (mut len, mut quote) = (rest.len(), None);
    for (at, byte) in rest.bytes().enumerate().skip(1 + tag.len()) {
        match (quote, byte) {
            (None, b'>') => {
                len = at + 1;
                break;
            }
            // Only after '=' does a quotation mark open something; a stray one is a letter to browsers.
            (None, b'"' | b'\'') if rest[..at].trim_end().ends_with('=') => quote = Some(byte),
            (Some(open), close) if open == close => quote = None,
            _ => {}
        }
    }
    if RAW.contains(&tag.as_str()) {
        return (What::Unseen, raw_end(rest, len, &tag));
    }
    let attributes = rest[1 + tag.len()..len].trim_end_matches('>');
    (What::Open(tag, attributes), len)
}

/// The length up to and with the end tag of a raw-text element.
fn raw_end(rest: &str, from: usize, tag: &str) -> usize {
    let mut at = from;
    while let Some(found) = rest[at..].find("</") {
        at += found + 2;
        if rest[at..].get(..tag.len()).is_some_and(|name| name.eq_ignore_ascii_case(tag)) {
            return at + after(&rest[at..], 0, ">");
        }
    }
    rest.len()
}

/// The value of an attribute in what follows a tag's name.
#[must_use]
pub fn attribute<'a>(attributes: &'a str, wanted: &str) -> Option<&'a str> {
    let mut rest = attributes;
    loop {
        rest = rest.trim_start_matches(|c: char| c.is_whitespace() || c == '/');
        if rest.is_empty() {
            return None;
        }
        let ends = |&(at, c): &(usize, char)| at > 0 && (c.is_whitespace() || c == '=' || c == '/');
        let end = rest.char_indices().find(ends).map_or(rest.len(), |(end, _)| end);
        let key = rest.get(..end)?;
        rest = rest[end..].trim_start();
        let mut value = "";
        if let Some(given) = rest.strip_prefix('=') {
            let given = given.trim_start();
            let (text, after) = match given.chars().next() {
                Some(quote @ ('"' | '\'')) => given[1..].split_once(quote).unwrap_or((&given[1..], "")),
                _ => given.split_once(char::is_whitespace).unwrap_or((given, "")),
            };
            (value, rest) = (text, after);
        }
        if key.eq_ignore_ascii_case(wanted) {
            return Some(value);
        }
    }
}

/// Whether a text shows anything: neither blanks nor entities for them.
#[must_use]
pub fn is_visible(text: &str) -> bool {
    entities(text).chars().any(|c| {
        !c.is_whitespace() && !matches!(c, '\u{200b}'..='\u{200f}' | '\u{feff}' | '\u{ad}' | '\u{2060}')
    })
}

/// The bare text, a line for each block.
#[must_use]
pub fn bare_text(source: &str) -> String {
    let mut out = String::new();
    for piece in pieces(source) {
        match piece.what {
            What::Text(text) => {
                let text = entities(text);
                let mut words = text.split_whitespace();
                if text.starts_with(char::is_whitespace) && !out.ends_with(['\n', ' ']) && !out.is_empty() {
                    out.push(' ');
                }
                if let Some(first) = words.next() {
                    out.push_str(first);
                    words.for_each(|word| out.extend([" ", word]));
                    if text.ends_with(char::is_whitespace) {
                        out.push(' ');
                    }
                }
            }
            What::Open(name, _) | What::Close(name) if BLOCK.contains(&name.as_str()) => {
                if out.ends_with(' ') {
                    out.pop();
                }
                if !out.ends_with("\n\n") && !out.is_empty() {
                    out.push('\n');
                }
            }
            _ => {}
        }
    }
    out.trim().to_owned()
}

/// The text of `text/enriched` (RFC 1896): commands and their parameters left out, one line end a blank, several one less.
#[must_use]
pub fn enriched(source: &str) -> String {
    let mut out = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(at) = rest.find(['<', '\n']) {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        if rest.starts_with('\n') {
            let lines = rest.len() - rest.trim_start_matches('\n').len();
            out.push_str(if lines == 1 { " " } else { &rest[..lines - 1] });
            rest = &rest[lines..];
        } else if let Some(after) = rest.strip_prefix("<<") {
            out.push('<');
            rest = after;
        } else {
            let end = if rest.starts_with("<param>") { "</param>" } else { ">" };
            rest = &rest[after(rest, 0, end)..];
        }
    }
    out.push_str(rest);
    out
}

/// The commonest character references replaced, and numeric ones.
#[must_use]
pub fn entities(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        // References are short: the end is looked for nearby only.
        let end = rest.bytes().take(12).position(|b| b == b';');
        match end.and_then(|end| Some((reference(&rest[..end])?, end))) {
            Some((c, end)) => {
                out.push(c);
                rest = &rest[end + 1..];
            }
            None => out.push('&'),
        }
    }
    out.push_str(rest);
    out
}

fn reference(name: &str) -> Option<char> {
    if let Some(number) = name.strip_prefix('#') {
        let hex = number.strip_prefix(['x', 'X']);
        let code = hex.map_or_else(|| number.parse().ok(), |hex| u32::from_str_radix(hex, 16).ok())?;
        return char::from_u32(code).filter(|&c| c != '\0');
    }
    Some(match name {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        "nbsp" | "ensp" | "emsp" | "thinsp" => ' ',
        "zwnj" | "zwj" | "shy" => '\u{200b}',
        "ndash" => '–',
        "mdash" => '—',
        "hellip" => '…',
        _ => return None,
    })
}

//! `network-sandbox.log`: what the sandbox asked of the network, one line each.
//!
//! ```text
//! TIME ALLOWED|BLOCKED|ERROR|OPEN METHOD URL status=N sent=BYTES received=BYTES ms=N why="TEXT" [TAG]...
//! TIME DNS TYPE NAME answer=WORD
//! TIME NOTE "TEXT"
//! ```
//!
//! `OPEN` is a request that has been going on for long; its other line follows when it ends. Whatever a request holds
//! stays within its word or its quotes, all of it visible ASCII, so that no request can write a line or a part of one.

use crate::base::limits;
use jiff::Timestamp;
use serde::Serialize;
use std::fmt::Write as _;
use std::time::Duration;

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    Allowed,
    Blocked,
    /// Allowed, and then something failed.
    Error,
    /// Allowed, and not yet over.
    Open,
}

const VERDICTS: [(Verdict, &str); 4] = [
    (Verdict::Allowed, "ALLOWED"),
    (Verdict::Blocked, "BLOCKED"),
    (Verdict::Error, "ERROR"),
    (Verdict::Open, "OPEN"),
];

/// One request, when all of it is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Entry {
    pub verdict: Verdict,
    pub method: String,
    /// Canonical, or what arrived where nothing canonical could be made of it.
    pub url: String,
    /// 0 where no answer was given.
    pub status: u16,
    /// Of the request's body.
    pub sent_bytes: u64,
    /// Of the answer's body.
    pub received_bytes: u64,
    /// In whole milliseconds.
    #[serde(rename = "ms", serialize_with = "milliseconds")]
    pub took: Duration,
    /// The deciding rule, or the reason.
    pub why: String,
    /// Such as `masked: GH_TOKEN`.
    pub tags: Vec<String>,
}

fn milliseconds<S: serde::Serializer>(took: &Duration, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_u64(u64::try_from(took.as_millis()).unwrap_or(u64::MAX))
}

/// A line, taken apart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Line {
    Request(Entry),
    Dns { question: String, name: String, answer: String },
    Note { text: String },
}

/// One line with its end.
#[must_use]
pub fn write(now: Timestamp, line: &Line) -> String {
    match line {
        Line::Request(entry) => request(now, entry),
        Line::Dns { question, name, answer } => format!(
            "{now:.3} DNS {} {} answer={}\n",
            escaped(question, 16),
            escaped(name, 300),
            escaped(answer, 40)
        ),
        Line::Note { text } => format!("{now:.3} NOTE {}\n", quoted(text)),
    }
}

/// The line of a request.
#[must_use]
pub fn request(now: Timestamp, entry: &Entry) -> String {
    let verdict =
        VERDICTS.iter().find(|(verdict, _)| *verdict == entry.verdict).map_or("-", |(_, word)| word);
    let mut line = format!(
        "{now:.3} {verdict} {} {} status={} sent={} received={} ms={} why={}",
        escaped(&entry.method, 32),
        escaped(&entry.url, limits::LOG_TEXT_BYTES),
        entry.status,
        entry.sent_bytes,
        entry.received_bytes,
        entry.took.as_millis(),
        quoted(&entry.why)
    );
    for tag in &entry.tags {
        let _ = write!(line, " [{}]", escaped(tag, 200).replace("%20", " "));
    }
    line.push('\n');
    line
}

/// Takes a line apart; nothing where it is none of ours. Words stay as they were escaped.
#[must_use]
pub fn read(line: &str) -> Option<(Timestamp, Line)> {
    let (time, rest) = line.split_once(' ')?;
    let time = time.parse().ok()?;
    let (what, rest) = rest.split_once(' ')?;
    let line = match what {
        "DNS" => {
            let mut words = rest.split(' ').map(str::to_owned);
            let (question, name, answer, None) = (words.next()?, words.next()?, words.next()?, words.next())
            else {
                return None;
            };
            Line::Dns { question, name, answer: answer.strip_prefix("answer=")?.to_owned() }
        }
        "NOTE" => {
            let (text, rest) = unquoted(rest)?;
            rest.is_empty().then_some(Line::Note { text })?
        }
        _ => {
            let verdict = VERDICTS.iter().find(|(_, word)| *word == what).map(|(verdict, _)| *verdict)?;
            Line::Request(entry(verdict, rest)?)
        }
    };
    Some((time, line))
}

fn entry(verdict: Verdict, text: &str) -> Option<Entry> {
    let mut words = text.splitn(7, ' ');
    let (method, url) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut number = |name: &str| words.next()?.strip_prefix(name)?.strip_prefix('=')?.parse::<u64>().ok();
    let (status, sent_bytes) = (number("status")?, number("sent")?);
    let (received_bytes, took) = (number("received")?, Duration::from_millis(number("ms")?));
    let (why, tags) = unquoted(words.next()?.strip_prefix("why=")?)?;
    let tags = match tags {
        "" => Vec::new(),
        tags => tags.strip_prefix(" [")?.strip_suffix(']')?.split("] [").map(str::to_owned).collect(),
    };
    let status = u16::try_from(status).ok()?;
    Some(Entry { verdict, method, url, status, sent_bytes, received_bytes, took, why, tags })
}

/// One word: everything but visible ASCII is percent-encoded; cut after `max` bytes.
fn escaped(text: &str, max: usize) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        if out.len() >= max {
            out.push_str("...");
            break;
        }
        match byte {
            0x21..=0x7e if !b"\"\\[]".contains(&byte) => out.push(char::from(byte)),
            _ => {
                let _ = write!(out, "%{byte:02X}");
            }
        }
    }
    if out.is_empty() { "-".to_owned() } else { out }
}

/// A sentence in double quotes; what could end them or the line becomes an escape.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        if out.len() >= limits::LOG_TEXT_BYTES {
            out.push_str("...");
            break;
        }
        match c {
            '"' | '\\' => {
                out.push('\\');
                out.push(c);
            }
            ' '..='~' => out.push(c),
            _ => out.extend(c.escape_unicode()),
        }
    }
    out.push('"');
    out
}

/// What stands in the quotes that a text begins with, and what follows them.
fn unquoted(text: &str) -> Option<(String, &str)> {
    let mut rest = text.strip_prefix('"')?;
    let mut out = String::new();
    loop {
        let at = rest.find(['"', '\\'])?;
        out.push_str(&rest[..at]);
        let special = &rest[at..];
        if let Some(rest) = special.strip_prefix('"') {
            return Some((out, rest));
        }
        rest = &special[1..];
        if let Some(code) = rest.strip_prefix("u{") {
            let (code, after) = code.split_once('}')?;
            out.push(u32::from_str_radix(code, 16).ok().and_then(char::from_u32)?);
            rest = after;
        } else {
            let c = rest.chars().next().filter(|c| ['"', '\\'].contains(c))?;
            out.push(c);
            rest = &rest[1..];
        }
    }
}

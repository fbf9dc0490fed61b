//! Subjects: how an answer's is made, and what a received one's prefix says. Pure.

use crate::base::id::SessionId;
use crate::mail::decode::cut;

/// `Re:` as mail programs write it, in lower case.
const REPLY: &[&str] = &[
    "re", "aw", "antw", "antwort", "sv", "vs", "odp", "rif", "r", "res", "rsp", "ynt", "vá", "atb", "ref",
    "回复", "答复", "返信", "回覆",
];
/// `Fwd:` likewise.
const FORWARD: &[&str] = &[
    "fwd", "fw", "wg", "tr", "rv", "i", "enc", "doorst", "vb", "vl", "pd", "wtr", "trs", "转发", "轉寄",
    "転送",
];
/// A subject in an answer; longer ones are cut.
const SUBJECT_BYTES: usize = 200;

/// The subject of an answer: `Re: [ID:3fa9c1d2] what it was about`, whatever prefixes and tags stood there.
#[must_use]
pub fn reply_subject(id: &SessionId, original: &str) -> String {
    let topic = topic(original);
    let topic = cut(&topic, SUBJECT_BYTES).trim_end();
    format!("Re: [ID:{id}] {topic}").trim_end().to_owned()
}

/// The subject without `Re:` and its like, without `[ID:…]`, on one line.
#[must_use]
pub fn topic(subject: &str) -> String {
    let line: String = subject.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let mut rest = line.trim();
    loop {
        let bare = without_prefix(rest, REPLY).unwrap_or(rest);
        let bare = without_tag(bare).unwrap_or(bare).trim_start();
        if bare.len() == rest.len() {
            return without_inner_tags(rest);
        }
        rest = bare;
    }
}

/// Whether the subject says that the mail passes another one on; an answer to one that did begins with `Re:`.
#[must_use]
pub fn is_forward(subject: &str) -> bool {
    let mut rest = subject.trim();
    while let Some(bare) = without_tag(rest) {
        rest = bare.trim_start();
    }
    without_prefix(rest, FORWARD).is_some()
}

/// What follows `Re:`, `RE :`, `Re[2]:`, `AW：`.
fn without_prefix<'a>(text: &'a str, prefixes: &[&str]) -> Option<&'a str> {
    let end = text.find([':', '：'])?;
    // Longer than any prefix: then there is none, and nothing long is looked at.
    if end > 24 {
        return None;
    }
    let word = text[..end].trim_end();
    let word = word.strip_suffix(']').and_then(|word| word.rsplit_once('[')).map_or(word, |(word, _)| word);
    let is_one = prefixes.contains(&word.trim_end().to_lowercase().as_str());
    is_one.then(|| text[end..].trim_start_matches([':', '：']))
}

/// What follows `[ID:xxxxxxxx]`.
fn without_tag(text: &str) -> Option<&str> {
    let rest = text.strip_prefix('[')?;
    let (start, rest) = (rest.get(..3)?, rest.get(3..)?);
    let (id, rest) = (rest.get(..8)?, rest.get(8..)?.strip_prefix(']')?);
    let is_tag = start.eq_ignore_ascii_case("id:") && id.bytes().all(|b| b.is_ascii_hexdigit());
    is_tag.then_some(rest)
}

/// A second tag would make the next answer ambiguous.
fn without_inner_tags(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('[') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        match without_tag(rest) {
            Some(after) => rest = after.trim_start(),
            None => {
                out.push('[');
                rest = &rest[1..];
            }
        }
    }
    out.push_str(rest);
    out.trim_end().to_owned()
}

//! Files that stand in a text as letters (`uuencode`, as POSIX has it): `begin 644 name`, lines, `end`. Takes them out and
//! leaves what only looks like one. Linear, never a panic, and what comes out is at most twice as long as what went in.

use std::borrow::Cow;

/// What was found at the beginning of a text.
struct Found<'a> {
    name: &'a str,
    bytes: Vec<u8>,
    /// What stands behind it.
    rest: &'a str,
    /// Whether its `end` was there.
    ended: bool,
}

/// The text without the files in it, which `take` gets: their names as they were sent, and their bytes. Quoted ones are
/// quotes, and stay.
pub fn taken_out<'a>(text: &'a str, mut take: impl FnMut(&str, Vec<u8>)) -> Cow<'a, str> {
    if !text.contains("begin ") {
        return Cow::Borrowed(text);
    }
    let (mut out, mut kept, mut rest) = (String::new(), text, text);
    while !rest.is_empty() {
        match found(rest).filter(|found| found.ended) {
            Some(found) => {
                out.push_str(&kept[..kept.len() - rest.len()]);
                (kept, rest) = (found.rest, found.rest);
                take(found.name, found.bytes);
            }
            None => rest = line(rest).1,
        }
    }
    if kept.len() == text.len() {
        return Cow::Borrowed(text);
    }
    out.push_str(kept);
    Cow::Owned(out)
}

/// The file that a part holds which is said to be encoded so: its name, and its bytes as far as they came.
#[must_use]
pub fn only(body: &[u8]) -> Option<(String, Vec<u8>)> {
    let text = String::from_utf8_lossy(body);
    let mut rest = text.as_ref();
    while !rest.is_empty() {
        if let Some(found) = found(rest) {
            return Some((found.name.to_owned(), found.bytes));
        }
        rest = line(rest).1;
    }
    None
}

/// A file at the very beginning of a text. Neither `begin` nor `end` can be one of its lines, so that no line is looked at
/// for two of them.
fn found(text: &str) -> Option<Found<'_>> {
    let (first, lines) = line(text);
    let name = begun(first)?;
    let (mut rest, mut ended, mut length) = (lines, false, 0);
    while !rest.is_empty() && !ended {
        let (next, after) = line(rest);
        ended = next == "end";
        match count(next) {
            Some(count) => length += count,
            None if ended => {}
            None => break,
        }
        rest = after;
    }
    // Blanks at the end of a line stand for zeros and get lost on the way; a file of hardly anything else was none.
    if length == 0 || length > 2 * (text.len() - rest.len()) {
        return None;
    }
    let mut bytes = Vec::with_capacity(length);
    let mut taken = &lines[..lines.len() - rest.len()];
    while !taken.is_empty() {
        let (next, after) = line(taken);
        decode(next, &mut bytes);
        taken = after;
    }
    Some(Found { name, bytes, rest, ended })
}

/// A line without blanks at its end, and what follows it.
fn line(text: &str) -> (&str, &str) {
    let (line, rest) = text.split_once('\n').unwrap_or((text, ""));
    (line.trim_end_matches([' ', '\t', '\r']), rest)
}

/// The name in `begin 644 name`.
fn begun(line: &str) -> Option<&str> {
    let (mode, name) = line.strip_prefix("begin ")?.split_once(' ')?;
    let is_mode = matches!(mode.len(), 3..=6) && mode.bytes().all(|b| matches!(b, b'0'..=b'7'));
    is_mode.then(|| name.trim().trim_matches('"'))
}

/// How many bytes a line of a file holds: that comes first, then four letters for each three of them.
fn count(line: &str) -> Option<usize> {
    let Some((&count, letters)) = unstuffed(line).split_first() else { return Some(0) };
    let count = usize::from(six(count)?);
    // Some programs add a letter that checks the others.
    let fits = letters.len() <= count.div_ceil(3) * 4 + 1;
    (fits && letters.iter().all(|&letter| six(letter).is_some())).then_some(count)
}

fn decode(line: &str, out: &mut Vec<u8>) {
    let letters = unstuffed(line);
    let value = |at: usize| letters.get(at).copied().and_then(six).unwrap_or(0);
    out.extend((0..count(line).unwrap_or(0)).map(|at| {
        let (first, shift) = (1 + at / 3 * 4 + at % 3, at % 3 * 2);
        value(first) << (2 + shift) | value(first + 1) >> (4 - shift)
    }));
}

/// `format=flowed` sets a blank before what looks like a quote.
fn unstuffed(line: &str) -> &[u8] {
    line.strip_prefix(' ').unwrap_or(line).as_bytes()
}

/// Six bits; none of them is a blank or, where blanks would get lost, a backquote.
fn six(letter: u8) -> Option<u8> {
    matches!(letter, b' '..=b'`').then(|| (letter - b' ') & 0x3f)
}

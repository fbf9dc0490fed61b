//! The sandbox's resolver as a pure function: every name leads to loopback, where the relay listens; nothing is
//! ever asked of anybody. Strict: one question, no compression, nothing behind it but an EDNS record. std only.

use std::fmt::Write;

/// The largest question that is read; a name has 255 bytes, EDNS options a few dozen.
pub const QUESTION_BYTES: usize = 1232;

const NOERROR: u8 = 0;
const FORMERR: u8 = 1;
const NOTIMP: u8 = 4;
const REFUSED: u8 = 5;

const A: u16 = 1;
const AAAA: u16 = 28;
const OPT: u16 = 41;
const IN: u16 = 1;

/// What was asked and what was said, as words without white space.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    pub kind: String,
    /// With every byte but letters, digits, `-` and `_` written as `\DDD` (RFC 1035 section 5.1).
    pub name: String,
    pub answer: &'static str,
}

/// The reply to one packet; none to what is no question at all. A malformed question has no `Asked`.
pub fn reply(packet: &[u8]) -> Option<(Vec<u8>, Option<Asked>)> {
    let header: &[u8; 12] = packet.first_chunk()?;
    let is_answer = header[2] & 0x80 != 0;
    if is_answer {
        return None;
    }
    if header[2] & 0x78 != 0 {
        return Some((head(header, NOTIMP, false, false), None));
    }
    let Some((name, kind, class, end)) = question(packet) else {
        return Some((head(header, FORMERR, false, false), None));
    };
    let (code, answer) = match (class, kind) {
        (IN, A) => (NOERROR, "127.0.0.1"),
        (IN, AAAA) => (NOERROR, "none"),
        _ => (REFUSED, "refused"),
    };
    let is_a = code == NOERROR && kind == A;
    let mut out = head(header, code, true, is_a);
    out.extend_from_slice(&packet[12..end]);
    if is_a {
        // The name as a pointer to the question; A, IN, one second to live, four bytes.
        out.extend_from_slice(&[0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 1, 0, 4, 127, 0, 0, 1]);
    }
    let kind = match kind {
        A => "A".to_owned(),
        AAAA => "AAAA".to_owned(),
        other => format!("TYPE{other}"),
    };
    Some((out, Some(Asked { kind, name, answer })))
}

/// A reply's header: the question's ID and its wish for recursion, which we grant.
fn head(asked: &[u8; 12], code: u8, with_question: bool, with_answer: bool) -> Vec<u8> {
    let flags = 0x80 | (asked[2] & 0x01);
    vec![asked[0], asked[1], flags, 0x80 | code, 0, with_question.into(), 0, with_answer.into(), 0, 0, 0, 0]
}

/// Name, type, class, and where the question ends; none unless the whole packet is well formed.
fn question(packet: &[u8]) -> Option<(String, u16, u16, usize)> {
    if packet.len() > QUESTION_BYTES {
        return None;
    }
    let counts = [word(packet, 4)?, word(packet, 6)?, word(packet, 8)?, word(packet, 10)?];
    let [1, 0, 0, additional @ (0 | 1)] = counts else { return None };
    let (name, at) = name(packet, 12)?;
    let (kind, class, end) = (word(packet, at)?, word(packet, at + 2)?, at + 4);
    let mut whole = end;
    if additional == 1 {
        // The root name, OPT, sizes and flags, then options of a stated length (RFC 6891 section 6.1.2).
        if *packet.get(end)? != 0 || word(packet, end + 1)? != OPT {
            return None;
        }
        whole = end + 11 + usize::from(word(packet, end + 9)?);
    }
    (whole == packet.len()).then_some((name, kind, class, end))
}

/// A name without compression, which no question needs, and where it ends.
fn name(packet: &[u8], start: usize) -> Option<(String, usize)> {
    let mut text = String::new();
    let mut at = start;
    loop {
        let length = usize::from(*packet.get(at)?);
        at += 1;
        if at - start > 255 || length > 63 {
            return None;
        }
        if length == 0 {
            break;
        }
        for &byte in packet.get(at..at + length)? {
            if byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_' {
                text.push(char::from(byte));
            } else {
                let _ = write!(text, "\\{byte:03}");
            }
        }
        text.push('.');
        at += length;
    }
    if text.len() > 1 {
        text.pop();
    }
    Some((if text.is_empty() { ".".to_owned() } else { text }, at))
}

fn word(packet: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes([*packet.get(at)?, *packet.get(at + 1)?]))
}

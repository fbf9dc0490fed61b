//! What stays the same of a signed mail however it is sent again. Whoever caught one can change what its signature does
//! not cover: blanks and the empty lines at its end (RFC 6376 section 3.4.4), and further headers above the signed
//! ones, of which a verifier takes the lowest (section 5.4.2).

use crate::format::headers::Headers;

/// The name that its writer gave it: the lowest `Message-ID`, or, without one, the lowest `Date`; no blanks.
#[must_use]
pub fn name(headers: &Headers) -> Option<String> {
    let lowest = |name| headers.all(name).last().map(|value| value.split_whitespace().collect::<String>());
    lowest("Message-ID").or_else(|| lowest("Date"))
}

/// The body as its signature sees it, the looser of the two ways.
#[must_use]
pub fn relaxed(body: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(body.len());
    for line in body.split(|&byte| byte == b'\n') {
        let mut blank = false;
        for &byte in line.strip_suffix(b"\r").unwrap_or(line) {
            if byte == b' ' || byte == b'\t' {
                blank = true;
                continue;
            }
            if std::mem::take(&mut blank) {
                out.push(b' ');
            }
            out.push(byte);
        }
        out.push(b'\n');
    }
    while out.last() == Some(&b'\n') {
        out.pop();
    }
    out
}

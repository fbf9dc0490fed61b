//! Names of IMAP folders as they stand in commands: modified UTF-7 (RFC 3501 section 5.1.3). Pure.

use base64::Engine;
use base64::alphabet::IMAP_MUTF7;
use base64::engine::GeneralPurpose;
use base64::engine::general_purpose::NO_PAD;

/// `Entw&APw-rfe` → `Entwürfe`; what is no such name stays as it is.
#[must_use]
pub fn decode(name: &str) -> String {
    let engine = GeneralPurpose::new(&IMAP_MUTF7, NO_PAD);
    let (mut out, mut rest) = (String::new(), name);
    while let Some((before, after)) = rest.split_once('&') {
        let Some((shifted, behind)) = after.split_once('-') else { return name.to_owned() };
        out.push_str(before);
        if shifted.is_empty() {
            out.push('&');
        } else {
            let Ok(bytes) = engine.decode(shifted) else { return name.to_owned() };
            let (pairs, rest) = bytes.as_chunks::<2>();
            if !rest.is_empty() {
                return name.to_owned();
            }
            let units: Vec<u16> = pairs.iter().map(|pair| u16::from_be_bytes(*pair)).collect();
            let Ok(text) = String::from_utf16(&units) else { return name.to_owned() };
            out.push_str(&text);
        }
        rest = behind;
    }
    out + rest
}

/// `Entwürfe` → `Entw&APw-rfe`.
#[must_use]
pub fn encode(name: &str) -> String {
    let engine = GeneralPurpose::new(&IMAP_MUTF7, NO_PAD);
    let mut out = String::new();
    let mut shifted: Vec<u8> = Vec::new();
    let close = |shifted: &mut Vec<u8>, out: &mut String| {
        if !shifted.is_empty() {
            out.push('&');
            out.push_str(&engine.encode(&shifted));
            out.push('-');
            shifted.clear();
        }
    };
    for c in name.chars() {
        if (' '..='~').contains(&c) {
            close(&mut shifted, &mut out);
            out.push(c);
            if c == '&' {
                out.push('-');
            }
        } else {
            shifted.extend(c.encode_utf16(&mut [0; 2]).iter().flat_map(|unit| unit.to_be_bytes()));
        }
    }
    close(&mut shifted, &mut out);
    out
}

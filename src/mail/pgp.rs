//! OpenPGP within a text (RFC 9580 sections 6 and 7): takes the frame from what was signed, and takes out what was
//! encrypted, since nobody here can read it. Checks no signature.

use std::borrow::Cow;

const SIGNED: &str = "-----BEGIN PGP SIGNED MESSAGE-----";
const SIGNATURE: &str = "-----BEGIN PGP SIGNATURE-----";
const SIGNATURE_END: &str = "-----END PGP SIGNATURE-----";
const MESSAGE: &str = "-----BEGIN PGP MESSAGE-----";
const MESSAGE_END: &str = "-----END PGP MESSAGE-----";

/// A text without the frames, and whether any of it was encrypted.
#[must_use]
pub fn unframed(text: &str) -> (Cow<'_, str>, bool) {
    if !text.contains("-----BEGIN PGP ") {
        return (Cow::Borrowed(text), false);
    }
    let (mut out, mut encrypted) = (String::with_capacity(text.len()), false);
    let mut at = Place::Outside;
    for line in text.lines() {
        let mark = line.trim_end();
        at = match (at, mark) {
            (Place::Outside, SIGNED) => Place::Head,
            (Place::Outside, MESSAGE) => {
                encrypted = true;
                Place::Until(MESSAGE_END)
            }
            // The names of hashes, up to an empty line.
            (Place::Head, "") => Place::Signed,
            (Place::Head, _) => Place::Head,
            (Place::Outside | Place::Signed, SIGNATURE) => Place::Until(SIGNATURE_END),
            (Place::Until(end), line) if line == end => Place::Outside,
            (Place::Until(end), _) => Place::Until(end),
            (Place::Signed, _) => {
                out.extend([line.strip_prefix("- ").unwrap_or(line), "\n"]);
                Place::Signed
            }
            (Place::Outside, _) => {
                out.extend([line, "\n"]);
                Place::Outside
            }
        };
    }
    (Cow::Owned(out), encrypted)
}

#[derive(Clone, Copy)]
enum Place {
    Outside,
    /// Between the first line of a signed text and the text.
    Head,
    Signed,
    /// In a block that says nothing to people.
    Until(&'static str),
}

//! S/MIME messages that are one block (RFC 8551): takes out what was signed, and knows what was encrypted. Reads BER
//! as mail programs write it, with lengths left open and octets in pieces; checks no signature. Linear, never a panic.

/// What a CMS message (RFC 5652) holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Opened {
    /// Signed, and this is what: a MIME part.
    Signed(Vec<u8>),
    Encrypted,
    /// Compressed, certificates only, damaged, or none at all.
    Other,
}

const SIGNED: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02";
const ENVELOPED: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x07\x03";
const AUTH_ENVELOPED: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x09\x10\x01\x17";

const INTEGER: u8 = 0x02;
const OCTETS: u8 = 0x04;
const OCTETS_IN_PIECES: u8 = 0x24;
const OID: u8 = 0x06;
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const CONTEXT_0: u8 = 0xa0;

/// Nested elements; real messages have under ten where this looks.
const DEPTH: usize = 32;

/// Reads a message.
#[must_use]
pub fn open(bytes: &[u8]) -> Opened {
    let mut reader = Reader { rest: bytes };
    let kind = reader.enter(SEQUENCE).and_then(|()| reader.value(OID));
    match kind {
        Some(SIGNED) => signed(&mut reader).map_or(Opened::Other, Opened::Signed),
        Some(ENVELOPED | AUTH_ENVELOPED) => Opened::Encrypted,
        _ => Opened::Other,
    }
}

fn signed(reader: &mut Reader) -> Option<Vec<u8>> {
    reader.enter(CONTEXT_0)?;
    reader.enter(SEQUENCE)?;
    reader.value(INTEGER)?;
    reader.pass(SET, DEPTH)?;
    reader.enter(SEQUENCE)?;
    reader.value(OID)?;
    reader.enter(CONTEXT_0)?;
    let mut content = Vec::new();
    reader.octets(&mut content, DEPTH)?;
    (!content.is_empty()).then_some(content)
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// An element's tag and length; none: its end is marked.
    fn head(&mut self) -> Option<(u8, Option<usize>)> {
        let (&[tag, first], rest) = self.rest.split_first_chunk()?;
        // Tags of several bytes have no place in these messages.
        if tag & 0x1f == 0x1f {
            return None;
        }
        self.rest = rest;
        let length = match first {
            0x80 => return Some((tag, None)),
            short @ ..0x80 => usize::from(short),
            long => {
                let (digits, rest) = self.rest.split_at_checked(usize::from(long & 0x7f))?;
                self.rest = rest;
                let digit = |sum: usize, &byte: &u8| sum.checked_mul(256)?.checked_add(usize::from(byte));
                digits.iter().try_fold(0, digit)?
            }
        };
        Some((tag, Some(length)))
    }

    /// Goes into an element; what stands behind it is never needed.
    fn enter(&mut self, wanted: u8) -> Option<()> {
        let (tag, _) = self.head()?;
        (tag == wanted).then_some(())
    }

    fn value(&mut self, wanted: u8) -> Option<&'a [u8]> {
        let (tag, length) = self.head()?;
        let (value, rest) = self.rest.split_at_checked(length?)?;
        self.rest = rest;
        (tag == wanted).then_some(value)
    }

    fn pass(&mut self, wanted: u8, depth: usize) -> Option<()> {
        let (tag, length) = self.head()?;
        if tag != wanted {
            return None;
        }
        match length {
            Some(length) => self.rest = self.rest.get(length..)?,
            None => {
                let depth = depth.checked_sub(1)?;
                while !self.at_end()? {
                    let next = *self.rest.first()?;
                    self.pass(next, depth)?;
                }
            }
        }
        Some(())
    }

    /// Whether the mark that ends an element of open length comes next; then it is passed.
    fn at_end(&mut self) -> Option<bool> {
        let ended = self.rest.get(..2)? == [0, 0];
        if ended {
            self.rest = &self.rest[2..];
        }
        Some(ended)
    }

    /// A cut end is taken as far as it goes.
    fn octets(&mut self, out: &mut Vec<u8>, depth: usize) -> Option<()> {
        match self.head()? {
            (OCTETS, Some(length)) => {
                let (value, rest) = self.rest.split_at(length.min(self.rest.len()));
                out.extend_from_slice(value);
                self.rest = rest;
            }
            (OCTETS_IN_PIECES, Some(length)) => {
                let (inner, rest) = self.rest.split_at(length.min(self.rest.len()));
                let mut inner = Reader { rest: inner };
                while !inner.rest.is_empty() {
                    inner.octets(out, depth.checked_sub(1)?)?;
                }
                self.rest = rest;
            }
            (OCTETS_IN_PIECES, None) => {
                while !self.rest.is_empty() && !self.at_end()? {
                    self.octets(out, depth.checked_sub(1)?)?;
                }
            }
            _ => return None,
        }
        Some(())
    }
}

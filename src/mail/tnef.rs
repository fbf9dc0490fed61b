//! `winmail.dat`: what Outlook sends to those it takes for Outlook (TNEF, [MS-OXTNEF]). Takes out the files and the
//! text, as far as they can be read. Every length is checked against what is there; linear, never a panic.

use crate::base::limits;
use crate::mail::{decode, rtf};

/// What was in it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tnef {
    pub text: Option<String>,
    pub html: Option<String>,
    /// Rich text (RTF) as text.
    pub rich: Option<String>,
    pub files: Vec<TnefFile>,
    /// Files beyond the limit.
    pub more: usize,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TnefFile {
    pub name: Option<String>,
    pub bytes: Vec<u8>,
}

const SIGNATURE: u32 = 0x223e_9f78;
/// Attributes: the level, the number and the type.
const MESSAGE_BODY: (u8, u16) = (1, 0x800c);
const MESSAGE_PROPERTIES: (u8, u16) = (1, 0x9003);
const CODE_PAGE: (u8, u16) = (1, 0x9007);
const NEXT_FILE: (u8, u16) = (2, 0x9002);
const FILE_TITLE: (u8, u16) = (2, 0x8010);
const FILE_DATA: (u8, u16) = (2, 0x800f);
const FILE_PROPERTIES: (u8, u16) = (2, 0x9005);

/// Properties of a message.
const BODY: u16 = 0x1000;
const RTF_COMPRESSED: u16 = 0x1009;
const HTML: u16 = 0x1013;
/// Properties of a file.
const DATA: u16 = 0x3701;
const SHORT_NAME: u16 = 0x3704;
const LONG_NAME: u16 = 0x3707;

/// Whether these bytes begin like one.
#[must_use]
pub fn is_tnef(bytes: &[u8]) -> bool {
    bytes.starts_with(&SIGNATURE.to_le_bytes())
}

/// Reads one; what is damaged ends it, and what was read until then is kept.
#[must_use]
pub fn read(bytes: &[u8]) -> Tnef {
    let mut source = Source { rest: bytes, charset: "windows-1252" };
    let mut tnef = Tnef::default();
    if is_tnef(bytes) && source.take(6).is_some() {
        while attribute(&mut source, &mut tnef).is_some() {}
    }
    tnef.files.retain(|file| !file.bytes.is_empty());
    tnef
}

fn attribute(source: &mut Source, tnef: &mut Tnef) -> Option<()> {
    let level = source.take(1)?[0];
    let number = source.u16()?;
    source.take(2)?;
    let length = source.length()?;
    let mut value = Source { rest: source.take(length)?, charset: source.charset };
    source.take(2)?;
    match (level, number) {
        CODE_PAGE => {
            source.charset = value.u32().map_or(source.charset, charset);
        }
        MESSAGE_BODY if tnef.text.is_none() => {
            tnef.text = value.shown(&Property { number: BODY, kind: STRING, value: value.rest });
        }
        MESSAGE_PROPERTIES => {
            for _ in 0..value.u32().unwrap_or_default() {
                let Some(property) = value.property() else { break };
                tnef.take(&property, &value);
            }
        }
        NEXT_FILE if tnef.files.len() < limits::ATTACHMENT_COUNT => tnef.files.push(TnefFile::default()),
        NEXT_FILE => tnef.more += 1,
        _ if tnef.more > 0 => {}
        _ => {
            if let Some(file) = tnef.files.last_mut() {
                file.take((level, number), &mut value);
            }
        }
    }
    Some(())
}

impl Tnef {
    /// The best of its texts, and what it is; the others go.
    #[must_use]
    pub fn take_shown(&mut self) -> (String, &'static str) {
        match (self.text.take(), self.html.take(), self.rich.take()) {
            (Some(text), _, _) | (None, None, Some(text)) => (text, "text/plain"),
            (None, Some(html), _) => (html, "text/html"),
            (None, None, None) => (String::new(), "text/plain"),
        }
    }

    fn take(&mut self, property: &Property, source: &Source) {
        match property.number {
            BODY => self.text = source.shown(property),
            HTML => self.html = source.shown(property),
            RTF_COMPRESSED => self.rich = rtf::decompressed(property.value).map(|rtf| rtf::text(&rtf)),
            _ => {}
        }
    }
}

impl TnefFile {
    fn take(&mut self, attribute: (u8, u16), value: &mut Source) {
        match attribute {
            FILE_TITLE if self.name.is_none() => {
                self.name = value.shown(&Property { number: SHORT_NAME, kind: STRING, value: value.rest });
            }
            FILE_DATA => self.bytes = value.rest.to_vec(),
            FILE_PROPERTIES => {
                for _ in 0..value.u32().unwrap_or_default() {
                    let Some(property) = value.property() else { break };
                    match property.number {
                        LONG_NAME => self.name = value.shown(&property).or_else(|| self.name.take()),
                        SHORT_NAME if self.name.is_none() => self.name = value.shown(&property),
                        DATA if self.bytes.is_empty() && property.kind == BINARY => {
                            self.bytes = property.value.to_vec();
                        }
                        // A mail within, behind what names its kind.
                        DATA if self.bytes.is_empty() && property.kind == OBJECT => {
                            self.bytes = property.value.get(16..).unwrap_or_default().to_vec();
                        }
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
}

/// Types of properties.
const STRING: u16 = 0x1e;
const UNICODE: u16 = 0x1f;
const OBJECT: u16 = 0x0d;
const BINARY: u16 = 0x102;
/// Added to a type: several values.
const SEVERAL: u16 = 0x1000;

/// A property's first value.
struct Property<'a> {
    number: u16,
    kind: u16,
    value: &'a [u8],
}

struct Source<'a> {
    rest: &'a [u8],
    /// Of texts that are not in UTF-16.
    charset: &'static str,
}

impl<'a> Source<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(taken)
    }

    fn u16(&mut self) -> Option<u16> {
        let (&bytes, rest) = self.rest.split_first_chunk()?;
        self.rest = rest;
        Some(u16::from_le_bytes(bytes))
    }

    fn u32(&mut self) -> Option<u32> {
        let (&bytes, rest) = self.rest.split_first_chunk()?;
        self.rest = rest;
        Some(u32::from_le_bytes(bytes))
    }

    fn length(&mut self) -> Option<usize> {
        usize::try_from(self.u32()?).ok()
    }

    /// Up to the next boundary of four bytes; the last value may end without.
    fn padded(&mut self, length: usize) -> Option<&'a [u8]> {
        let value = self.take(length)?;
        self.rest = self.rest.get(length.wrapping_neg() % 4..).unwrap_or_default();
        Some(value)
    }

    fn property(&mut self) -> Option<Property<'a>> {
        let (kind, number) = (self.u16()?, self.u16()?);
        if number >= 0x8000 {
            self.named()?;
        }
        let (one, several) = (kind & !SEVERAL, kind & SEVERAL != 0);
        let fixed = match one {
            0x02 | 0x03 | 0x04 | 0x0a | 0x0b => Some(4),
            0x05 | 0x06 | 0x07 | 0x14 | 0x40 => Some(8),
            0x48 => Some(16),
            STRING | UNICODE | OBJECT | BINARY => None,
            _ => return None,
        };
        let count = if several || fixed.is_none() { self.u32()? } else { 1 };
        let mut first: &[u8] = &[];
        for at in 0..count {
            let length = fixed.map_or_else(|| self.length(), Some)?;
            let value = self.padded(length)?;
            if at == 0 {
                first = value;
            }
        }
        Some(Property { number, kind: one, value: first })
    }

    /// Passes over what identifies a property that has no number of its own.
    fn named(&mut self) -> Option<()> {
        self.take(16)?;
        let by_name = self.u32()? == 1;
        let length = self.length()?;
        if by_name {
            self.padded(length)?;
        }
        Some(())
    }

    /// A property as text, up to its NUL; none where it is empty.
    fn shown(&self, property: &Property) -> Option<String> {
        let charset = if property.kind == UNICODE { "utf-16le" } else { self.charset };
        let mut text = decode::text(property.value, Some(charset));
        text.truncate(text.find('\0').unwrap_or(text.len()));
        (!text.trim().is_empty()).then_some(text)
    }
}

/// The name of a Windows code page.
fn charset(page: u32) -> &'static str {
    match page {
        932 => "shift_jis",
        936 => "gbk",
        949 => "euc-kr",
        950 => "big5",
        874 => "windows-874",
        1250 => "windows-1250",
        1251 => "windows-1251",
        1253 => "windows-1253",
        1254 => "windows-1254",
        1255 => "windows-1255",
        1256 => "windows-1256",
        1257 => "windows-1257",
        1258 => "windows-1258",
        20866 => "koi8-r",
        28592 => "iso-8859-2",
        50220..=50222 => "iso-2022-jp",
        54936 => "gb18030",
        65001 => "utf-8",
        _ => "windows-1252",
    }
}

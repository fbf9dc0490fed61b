//! Pictures that stand in the source of HTML mail (`<img src="data:image/png;base64,…">`, RFC 2397). Takes them out, and
//! leaves in the place of each what it is called. Linear, and the source only gets shorter.

use crate::base::limits;
use crate::mail::decode;
use crate::mail::markup::{What, attribute, entities, pieces};
use crate::mail::names;
use crate::mail::types;
use std::borrow::Cow;
use std::collections::HashMap;

/// A picture. The name is clean.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    pub name: String,
    pub content_type: String,
    pub bytes: Vec<u8>,
}

/// The source without the pictures in it, which `take` gets, and which it gives the names that they are to be shown by.
/// One that comes several times is taken once. What is no image or cannot be decoded is left out.
pub fn taken_out<'a>(html: &'a str, take: impl FnMut(Picture) -> String) -> Cow<'a, str> {
    if !html.contains("data:") && !html.contains("DATA:") {
        return Cow::Borrowed(html);
    }
    let mut pictures = Pictures { known: HashMap::new(), unnamed: 0, take };
    let (mut out, mut at) = (String::new(), 0);
    for piece in pieces(html) {
        let What::Open(tag, attributes) = piece.what else { continue };
        let source = (tag == "img").then(|| attribute(attributes, "src")).flatten();
        let Some(data) = source.and_then(|source| after(source.trim(), "data:")) else { continue };
        let name = pictures.take(data, attributes).or_else(|| label(attributes)).unwrap_or_default();
        let tag = format!("<img alt=\"{}\">", name.replace('&', "&amp;").replace('"', "&quot;"));
        out.push_str(&html[at..piece.at.start]);
        out.push_str(if tag.len() > piece.at.len() { "" } else { &tag });
        at = piece.at.end;
    }
    out.push_str(&html[at..]);
    Cow::Owned(out)
}

struct Pictures<'a, T> {
    /// Those that were taken, and their names.
    known: HashMap<&'a str, String>,
    unnamed: usize,
    take: T,
}

impl<'a, T: FnMut(Picture) -> String> Pictures<'a, T> {
    fn take(&mut self, data: &'a str, attributes: &str) -> Option<String> {
        if let Some(name) = self.known.get(data) {
            return Some(name.clone());
        }
        let (content_type, bytes) = decoded(data)?;
        let name = name(attributes, &content_type).unwrap_or_else(|| {
            self.unnamed += 1;
            format!("image-{}.{}", self.unnamed, extension(&content_type))
        });
        let name = (self.take)(Picture { name, content_type, bytes });
        if self.known.len() < limits::ATTACHMENT_COUNT {
            self.known.insert(data, name.clone());
        }
        Some(name)
    }
}

/// What follows `word` at the beginning of a text, in any case.
fn after<'a>(text: &'a str, word: &str) -> Option<&'a str> {
    text.get(..word.len()).filter(|start| start.eq_ignore_ascii_case(word)).map(|_| &text[word.len()..])
}

/// Of what stands before the comma.
const HEAD_BYTES: usize = 200;

/// The type and the bytes of `image/png;base64,…`.
fn decoded(data: &str) -> Option<(String, Vec<u8>)> {
    let (head, encoded) = data.split_at(decode::cut(data, HEAD_BYTES).find(',')?);
    let (kind, encoding) = head.rsplit_once(';')?;
    let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let is_type = |c: char| c.is_ascii_alphanumeric() || "/+-.".contains(c);
    if !kind.starts_with("image/")
        || !kind.chars().all(is_type)
        || !encoding.trim().eq_ignore_ascii_case("base64")
    {
        return None;
    }
    let encoded = if encoded.contains('&') { Cow::Owned(entities(encoded)) } else { Cow::Borrowed(encoded) };
    let bytes = decode::whole_base64(encoded[1..].as_bytes())?;
    (!bytes.is_empty()).then_some((kind, bytes))
}

/// What somebody who cannot see the picture is told.
fn label(attributes: &str) -> Option<String> {
    shown(attributes, "alt").or_else(|| shown(attributes, "title"))
}

fn shown(attributes: &str, wanted: &str) -> Option<String> {
    Some(entities(attribute(attributes, wanted)?)).filter(|text| !text.trim().is_empty())
}

/// The name of its file, which web editors keep, else what it is called.
fn name(attributes: &str, content_type: &str) -> Option<String> {
    let label = || Some(label(attributes)?.replace(['/', '\\'], " "));
    let name = names::clean(&shown(attributes, "data-filename").or_else(label)?)?;
    if types::of_name(&name) == content_type {
        return Some(name);
    }
    let stem = decode::cut(&name, limits::FILE_NAME_BYTES / 2);
    names::clean(&format!("{stem}.{}", extension(content_type)))
}

/// The usual one, else the type's own name.
fn extension(content_type: &str) -> &str {
    let own = content_type.rsplit('/').next().unwrap_or_default();
    match types::extension(content_type) {
        "bin" if matches!(own.len(), 1..=5) && own.bytes().all(|b| b.is_ascii_alphanumeric()) => own,
        known => known,
    }
}

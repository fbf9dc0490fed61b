//! HTML mail reduced to what shows as text: the elements that shape it, and of their attributes the few that say
//! something. Mail programs write ten times as much; what is left is small, and the same to every reader of it.

use crate::mail::markup::{What, attribute, pieces};

/// Elements that shape a text, and what they are written as.
const ELEMENTS: &[(&str, &str)] = &[
    ("a", "a"),
    ("address", "div"),
    ("article", "div"),
    ("aside", "div"),
    ("b", "b"),
    ("blockquote", "blockquote"),
    ("br", "br"),
    ("caption", "caption"),
    ("center", "div"),
    ("cite", "i"),
    ("code", "code"),
    ("dd", "dd"),
    ("del", "s"),
    ("details", "div"),
    ("div", "div"),
    ("dl", "dl"),
    ("dt", "dt"),
    ("em", "em"),
    ("figcaption", "div"),
    ("figure", "div"),
    ("footer", "div"),
    ("form", "div"),
    ("h1", "h1"),
    ("h2", "h2"),
    ("h3", "h3"),
    ("h4", "h4"),
    ("h5", "h5"),
    ("h6", "h6"),
    ("header", "div"),
    ("hr", "hr"),
    ("i", "i"),
    ("img", "img"),
    ("kbd", "code"),
    ("li", "li"),
    ("main", "div"),
    ("nav", "div"),
    ("ol", "ol"),
    ("p", "p"),
    ("pre", "pre"),
    ("s", "s"),
    ("samp", "code"),
    ("section", "div"),
    ("strike", "s"),
    ("strong", "strong"),
    ("summary", "div"),
    ("table", "table"),
    ("tbody", "tbody"),
    ("td", "td"),
    ("tfoot", "tfoot"),
    ("th", "th"),
    ("thead", "thead"),
    ("tr", "tr"),
    ("tt", "code"),
    ("ul", "ul"),
];

/// Attributes that say something.
const ATTRIBUTES: &[&str] = &["href", "alt", "src", "start", "colspan"];
/// Of one of them; longer ones are images, or follow the reader about.
const VALUE_BYTES: usize = 2_000;

/// Stands where a block of code begins or ends.
pub const FENCE: char = '\u{e003}';

/// At most `max` bytes, and whether anything that shows was beyond that.
#[must_use]
pub fn lean(html: &str, max: usize) -> (String, bool) {
    let mut out = String::with_capacity(html.len().min(max));
    // Whether each block of code that is open has a fence.
    let mut code: Vec<bool> = Vec::new();
    for piece in pieces(html) {
        let before = out.len();
        match piece.what {
            What::Text(text) => out.extend(text.chars().filter(|c| *c != FENCE)),
            What::Open(name, attributes) => open(&mut out, &mut code, &name, attributes),
            What::Close(name) => close(&mut out, &mut code, &name),
            What::Unseen => {}
        }
        if out.len() > max {
            out.truncate(before);
            return (out, true);
        }
    }
    (out, false)
}

fn element(name: &str) -> Option<&'static str> {
    let at = ELEMENTS.binary_search_by_key(&name, |(known, _)| known).ok()?;
    Some(ELEMENTS[at].1)
}

fn open(out: &mut String, code: &mut Vec<bool>, name: &str, attributes: &str) {
    let Some(element) = element(name) else { return };
    out.extend(["<", element]);
    for wanted in ATTRIBUTES {
        if let Some(value) = attribute(attributes, wanted).filter(|value| value.len() <= VALUE_BYTES) {
            out.extend([" ", wanted, "=\"", &value.replace('"', "&quot;"), "\""]);
        }
    }
    out.push('>');
    if name == "pre" {
        // Thunderbird writes plain text so.
        let is_code = !attribute(attributes, "class").unwrap_or_default().contains("moz-");
        code.push(is_code);
        if is_code {
            out.push(FENCE);
            out.push('\n');
        }
    }
}

fn close(out: &mut String, code: &mut Vec<bool>, name: &str) {
    let Some(element) = element(name) else { return };
    if name == "pre" && code.pop() == Some(true) {
        out.push('\n');
        out.push(FENCE);
    }
    out.extend(["</", element, ">"]);
}

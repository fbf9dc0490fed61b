//! HTML mail reduced to what shows as text: the elements that shape it, and of their attributes the few that say
//! something. Mail programs write ten times as much; what is left is small, and the same to every reader of it.

use crate::mail::markup::{What, attribute, pieces};
use crate::mail::tables::{self, Kind, Table};

/// Elements that shape a text, and what they are written as.
const ELEMENTS: &[(&str, &str)] = &[
    ("a", "a"),
    ("address", "div"),
    ("article", "div"),
    ("aside", "div"),
    ("b", "b"),
    ("blockquote", "blockquote"),
    ("br", "br"),
    ("caption", "div"),
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
    ("td", "td"),
    ("th", "th"),
    ("tr", "tr"),
    ("tt", "code"),
    ("ul", "ul"),
];

/// Attributes that say something.
const ATTRIBUTES: &[&str] = &["href", "start"];
/// Of one of them; longer ones are images, or follow the reader about.
const VALUE_BYTES: usize = 2_000;

/// Stands where a block of code begins or ends.
pub const FENCE: char = '\u{e003}';

/// At most `max` bytes, and whether anything that shows was beyond that.
#[must_use]
pub fn lean(html: &str, max: usize) -> (String, bool) {
    let mut kinds = tables::kinds(html).into_iter();
    let mut writer = Writer { out: String::with_capacity(html.len().min(max)), ..Writer::default() };
    for piece in pieces(html) {
        let before = writer.out.len();
        match piece.what {
            What::Text(text) => writer.text(text),
            What::Open(name, attributes) => writer.open(&name, attributes, &mut kinds),
            What::Close(name) => writer.close(&name),
            What::Unseen => {}
        }
        if writer.out.len() > max {
            writer.out.truncate(before);
            return (writer.out, true);
        }
    }
    (writer.out, false)
}

fn element(name: &str) -> Option<&'static str> {
    let at = ELEMENTS.binary_search_by_key(&name, |(known, _)| known).ok()?;
    Some(ELEMENTS[at].1)
}

/// Elements that stay what they are in a cell of a table; others would break its line.
const INLINE: &[&str] = &["a", "b", "code", "em", "i", "img", "s", "strong"];

#[derive(Default)]
struct Writer {
    out: String,
    /// Whether each block of code that is open has a fence.
    code: Vec<bool>,
    tables: Vec<Table>,
}

impl Writer {
    fn table(&mut self) -> Option<&mut Table> {
        self.tables.last_mut().filter(|table| table.kind == Kind::Data)
    }

    fn text(&mut self, text: &str) {
        let in_cell = match self.table() {
            None => false,
            // Between the cells is nothing to see.
            Some(table) if !table.in_cell => return,
            Some(_) => true,
        };
        for c in text.chars().filter(|c| *c != FENCE) {
            if c == '|' && in_cell {
                self.out.push('\\');
            }
            self.out.push(c);
        }
    }

    fn open(&mut self, name: &str, attributes: &str, kinds: &mut impl Iterator<Item = Kind>) {
        if name == "table" {
            let table = Table::new(kinds.next().unwrap_or(Kind::Layout));
            self.out.extend(["<", table.element(), ">"]);
            return self.tables.push(table);
        }
        let Some(element) = element(name) else { return };
        if let Some(table) = self.tables.last_mut().filter(|table| table.kind == Kind::Data) {
            match element {
                "tr" => return table.row(&mut self.out),
                "td" | "th" => return table.cell(&mut self.out),
                _ if !INLINE.contains(&element) => return self.out.push(' '),
                _ => {}
            }
        }
        match element {
            "img" => return self.image(attributes),
            // A block of code is marked as a whole.
            "code" if !self.code.is_empty() => return,
            "hr" => return self.out.push_str("<div>---</div>"),
            "tr" | "td" | "th" => return self.out.push_str("<div>"),
            _ => {}
        }
        self.out.extend(["<", element]);
        for wanted in ATTRIBUTES {
            if let Some(value) = attribute(attributes, wanted).filter(|value| value.len() <= VALUE_BYTES) {
                self.out.extend([" ", wanted, "=\"", &value.replace('"', "&quot;"), "\""]);
            }
        }
        self.out.push('>');
        if name == "pre" {
            // Thunderbird writes plain text so.
            let is_code = !attribute(attributes, "class").unwrap_or_default().contains("moz-");
            self.code.push(is_code);
            if is_code {
                self.out.push(FENCE);
                self.out.push('\n');
            }
        }
    }

    fn close(&mut self, name: &str) {
        if name == "table" {
            if let Some(mut table) = self.tables.pop() {
                table.end_row(&mut self.out);
                self.out.extend(["</", table.element(), ">"]);
            }
            return;
        }
        let Some(element) = element(name) else { return };
        if let Some(table) = self.tables.last_mut().filter(|table| table.kind == Kind::Data) {
            match element {
                "tr" => return table.end_row(&mut self.out),
                "td" | "th" => return table.end_cell(&mut self.out),
                _ if !INLINE.contains(&element) => return self.out.push(' '),
                _ => {}
            }
        }
        if name == "pre" && self.code.pop() == Some(true) {
            self.out.push('\n');
            self.out.push(FENCE);
        }
        match element {
            "code" if !self.code.is_empty() => {}
            "tr" | "td" | "th" => self.out.push_str("</div>"),
            "b" | "em" | "i" | "s" | "strong" => self.close_type(element),
            _ => self.out.extend(["</", element, ">"]),
        }
    }

    /// By what it is called, or by the name of the file that it is.
    fn image(&mut self, attributes: &str) {
        let file = || attribute(attributes, "src")?.strip_prefix("cid:")?.split('@').next();
        let name = attribute(attributes, "alt").filter(|alt| !alt.trim().is_empty()).or_else(file);
        if let Some(name) = name.filter(|name| name.len() <= VALUE_BYTES) {
            self.out.extend(["<img src=\".\" alt=\"", &name.replace('"', "&quot;"), "\">"]);
        }
    }

    /// A blank within bold type, at its end, belongs behind it: `**so:** and so`.
    fn close_type(&mut self, element: &str) {
        let end = self.out.trim_end().len();
        let blank = end < self.out.len();
        self.out.truncate(end);
        let start = self.out.len().saturating_sub(element.len() + 2);
        if self.out.get(start..).is_some_and(|last| last == format!("<{element}>")) {
            self.out.truncate(start);
        } else {
            self.out.extend(["</", element, ">"]);
        }
        if blank {
            self.out.push(' ');
        }
    }
}

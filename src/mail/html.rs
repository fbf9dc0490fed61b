//! HTML mail to Markdown-like text. The only user of `html2text`.

use crate::base::limits;
use crate::mail::decode;
use crate::mail::lean::{FENCE, lean};
use crate::mail::markup;
use crate::mail::plain::{self, Quotes};
use crate::mail::quotes;
use html2text::config;
use html2text::render::TextDecorator;
use std::panic::catch_unwind;

/// What an HTML mail says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Read {
    /// What somebody wrote in it, without quotes and signature.
    pub request: String,
    /// All of it.
    pub full_text: String,
    /// It was longer than is taken.
    pub cut: bool,
}

/// Reads an HTML mail; with `keep`, its quotes are part of what was written.
#[must_use]
pub fn read(source: &str, keep: bool) -> Read {
    let html = decode::cut(source, limits::HTML_SOURCE_BYTES);
    let stripped = quotes::strip(html, keep);
    let (text, cut) = shown(&stripped.html, stripped.deep);
    let cut = cut || html.len() < source.len();
    let request = if stripped.cut { plain::without_attribution(&text) } else { text };
    let quotes = if keep || stripped.marked { Quotes::Keep } else { Quotes::Attributed };
    let request = plain::strip(&request, quotes);
    if keep {
        return Read { full_text: request.clone(), request, cut };
    }
    let whole = quotes::strip(html, true);
    let (text, cut_there) = shown(&whole.html, whole.deep);
    Read { request, full_text: text.trim().to_owned(), cut: cut || cut_there }
}

/// What somebody wrote in an HTML mail, as text; with `keep`, quotes and all.
#[must_use]
pub fn request(html: &str, keep: bool) -> String {
    read(html, keep).request
}

fn shown(html: &str, deep: bool) -> (String, bool) {
    let (html, cut) = lean(html, limits::HTML_BYTES);
    let many = html.bytes().filter(|&b| b == b'<').count() > limits::HTML_TAGS;
    let text = if deep || many { markup::bare_text(&html).replace(FENCE, "") } else { text(&html) };
    (close_up(&text), cut)
}

/// Programs write empty lines as paragraphs with a blank in them: one is enough. Word writes its lists as paragraphs.
fn close_up(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut was_empty = true;
    for line in text.lines() {
        let empty = line.trim().is_empty();
        if !(empty && was_empty) {
            match line.split_once("    ") {
                Some(("·" | "•" | "o" | "§", item)) => out.extend(["- ", item.trim_start()]),
                Some((number, item)) if is_number(number) => out.extend([number, " ", item.trim_start()]),
                _ => out.push_str(line),
            }
            out.push('\n');
        }
        was_empty = empty;
    }
    out
}

/// `12.` or `b)`
fn is_number(text: &str) -> bool {
    let number = text.strip_suffix(['.', ')']).unwrap_or_default();
    matches!(number.len(), 1..=3) && number.bytes().all(|b| b.is_ascii_alphanumeric())
}

/// Wide enough that no line is broken.
const WIDTH: usize = 1 << 20;

/// HTML that is lean, as text with headings, lists, links, code and tables kept. What the library cannot lay out loses its
/// shape, not its words.
#[must_use]
pub fn text(html: &str) -> String {
    let html: String = html.chars().filter(|&c| !matches!(c, OPEN | MIDDLE | CLOSE)).collect();
    let convert = || {
        config::with_decorator(Markdown::default())
            .allow_width_overflow()
            .unicode_strikeout(false)
            .string_from_read(html.as_bytes(), WIDTH)
    };
    match catch_unwind(convert) {
        Ok(Ok(text)) => links(&text.replace('\u{a0}', " ")).replace(FENCE, "```"),
        Ok(Err(_)) | Err(_) => markup::bare_text(&html).replace(FENCE, ""),
    }
}

/// Private-use letters that stand around a link's text and target until both are known.
const OPEN: char = '\u{e000}';
const MIDDLE: char = '\u{e001}';
const CLOSE: char = '\u{e002}';

/// `[text](target)`; only the text where it is the target itself, or where there is nothing to go to.
fn links(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, link)) = rest.split_once(OPEN) {
        out.push_str(before);
        let Some((shown, after)) = link.split_once(MIDDLE) else {
            rest = link;
            break;
        };
        let (target, after) = after.split_once(CLOSE).unwrap_or((after, ""));
        let bare = |text: &str| {
            let text = text.trim().trim_start_matches("mailto:").trim_start_matches("https://");
            text.trim_start_matches("http://").trim_end_matches('/').to_lowercase()
        };
        let leads = ["http://", "https://", "mailto:"].iter().any(|scheme| target.starts_with(scheme));
        if !leads || shown.trim().is_empty() || bare(shown) == bare(target) {
            out.push_str(shown);
        } else {
            out.extend(["[", shown, "](", target, ")"]);
        }
        rest = after;
    }
    out.push_str(rest);
    out.retain(|c| !matches!(c, OPEN | MIDDLE | CLOSE));
    out
}

/// The marks of Markdown around what HTML marks.
#[derive(Debug, Clone, Default)]
struct Markdown {
    /// Of the links that are open.
    targets: Vec<String>,
}

impl TextDecorator for Markdown {
    type Annotation = ();

    fn decorate_link_start(&mut self, target: &str) -> (String, ()) {
        self.targets.push(target.to_owned());
        (OPEN.to_string(), ())
    }
    fn decorate_link_end(&mut self) -> String {
        format!("{MIDDLE}{}{CLOSE}", self.targets.pop().unwrap_or_default())
    }
    fn decorate_em_start(&self) -> (String, ()) {
        ("*".to_owned(), ())
    }
    fn decorate_em_end(&self) -> String {
        "*".to_owned()
    }
    fn decorate_strong_start(&self) -> (String, ()) {
        ("**".to_owned(), ())
    }
    fn decorate_strong_end(&self) -> String {
        "**".to_owned()
    }
    fn decorate_strikeout_start(&self) -> (String, ()) {
        ("~~".to_owned(), ())
    }
    fn decorate_strikeout_end(&self) -> String {
        "~~".to_owned()
    }
    fn decorate_code_start(&self) -> (String, ()) {
        ("`".to_owned(), ())
    }
    fn decorate_code_end(&self) -> String {
        "`".to_owned()
    }
    fn decorate_preformat_first(&self) {}
    fn decorate_preformat_cont(&self) {}
    fn decorate_image(&mut self, _: &str, title: &str) -> (String, ()) {
        (format!("[image: {title}]"), ())
    }
    fn header_prefix(&self, level: usize) -> String {
        format!("{} ", "#".repeat(level))
    }
    fn quote_prefix(&self) -> String {
        "> ".to_owned()
    }
    fn unordered_item_prefix(&self) -> String {
        "- ".to_owned()
    }
    fn ordered_item_prefix(&self, number: i64) -> String {
        format!("{number}. ")
    }
    fn make_subblock_decorator(&self) -> Self {
        Self::default()
    }
}

//! The HTML of a mail. Mail programs drop style sheets, so that what has to be seen stands in the elements. No colour
//! is fixed but greys that can be seen on white and on black: the rest is left to the reader's light or dark mode.

use crate::base::limits;
use crate::mail::decode::cut;
use crate::mail::markdown::{File, Node, nodes};
use ammonia::Builder;
use pulldown_cmark::{Alignment, CodeBlockKind, CowStr, Event, Tag, TagEnd, html};
use std::collections::{BTreeSet, HashMap, HashSet};

/// The cleaner's writer takes a quadratic time over one run of text: longer runs are written in pieces.
const TEXT_BYTES: usize = 512;

/// What stands in the body of an HTML mail, and which files it shows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Html {
    pub body: String,
    pub shown: BTreeSet<usize>,
}

/// The HTML of a text, without the document around it.
#[must_use]
pub fn to_html(markdown: &str, files: &[File]) -> Html {
    let mut writer = Writer { files, ..Writer::default() };
    for node in nodes(markdown, files) {
        match node {
            Node::Is(event) => writer.take(event),
            Node::Picture { file, alt } => writer.picture(file, &alt),
        }
    }
    let mut out = String::with_capacity(markdown.len() * 3 / 2);
    html::push_html(&mut out, writer.events.into_iter());
    // A table of a few bytes can have a hundred thousand cells.
    if out.len() > limits::REPLY_HTML_BYTES {
        let body = format!("<pre style=\"white-space:pre-wrap\">{}</pre>\n", escaped(markdown));
        return Html { body, shown: BTreeSet::new() };
    }
    Html { body: cleaner().clean(&out).to_string(), shown: writer.shown }
}

/// Text as it stands between elements, or in an attribute.
#[must_use]
pub fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[derive(Default)]
struct Writer<'a, 'f> {
    files: &'f [File],
    events: Vec<Event<'a>>,
    shown: BTreeSet<usize>,
    /// Bytes of text since the last element.
    run: usize,
    columns: Vec<Alignment>,
    column: usize,
    in_head: bool,
}

impl<'a> Writer<'a, '_> {
    fn take(&mut self, event: Event<'a>) {
        match event {
            Event::TaskListMarker(done) => self.task(done),
            Event::Text(text) => self.text(&text),
            Event::Start(tag) => {
                self.run = 0;
                self.start(tag);
            }
            Event::End(tag) => {
                self.run = 0;
                self.end(tag);
            }
            other => self.events.push(other),
        }
    }

    fn raw(&mut self, html: impl Into<CowStr<'a>>) {
        self.events.push(Event::InlineHtml(html.into()));
    }

    /// The library gives a cell's alignment as a style, of which the cleaner keeps none.
    fn start(&mut self, tag: Tag<'a>) {
        match tag {
            Tag::Table(columns) => {
                self.columns = columns;
                self.raw("\n<table>");
            }
            Tag::TableHead => {
                (self.in_head, self.column) = (true, 0);
                self.raw("<thead><tr>");
            }
            Tag::TableRow => {
                self.column = 0;
                self.raw("<tr>");
            }
            Tag::TableCell => {
                let align = match self.columns.get(self.column) {
                    Some(Alignment::Right) => "right",
                    Some(Alignment::Center) => "center",
                    _ => "left",
                };
                self.column += 1;
                self.raw(format!("<{} align=\"{align}\">", if self.in_head { "th" } else { "td" }));
            }
            // No code block names its language: that would become a class.
            Tag::CodeBlock(_) => self.events.push(Event::Start(Tag::CodeBlock(CodeBlockKind::Indented))),
            Tag::BlockQuote(_) => self.events.push(Event::Start(Tag::BlockQuote(None))),
            other => self.events.push(Event::Start(other)),
        }
    }

    fn end(&mut self, tag: TagEnd) {
        match tag {
            TagEnd::Table => self.raw("</tbody></table>\n"),
            TagEnd::TableHead => {
                self.in_head = false;
                self.raw("</tr></thead><tbody>\n");
            }
            TagEnd::TableRow => self.raw("</tr>\n"),
            TagEnd::TableCell => self.raw(if self.in_head { "</th>" } else { "</td>" }),
            other => self.events.push(Event::End(other)),
        }
    }

    /// Boxes as text, since mail programs show no form elements; they stand for the list's bullets.
    fn task(&mut self, done: bool) {
        let last = self.events.iter().rev().take(2).position(|event| *event == Event::Start(Tag::Item));
        if let Some(back) = last {
            let at = self.events.len() - 1 - back;
            self.events[at] = Event::InlineHtml("\n<li style=\"list-style:none\">".into());
        }
        self.events.push(Event::Text(if done { "☑ " } else { "☐ " }.into()));
    }

    fn picture(&mut self, file: usize, alt: &str) {
        let Some(known) = self.files.get(file) else { return };
        if let Some(id) = &known.content_id {
            self.shown.insert(file);
            self.raw(format!("<img src=\"cid:{}\" alt=\"{}\">", escaped(id), escaped(alt)));
        } else {
            self.text(&crate::mail::markdown::text::named(alt, &known.name));
        }
    }

    /// Text, with an empty comment wherever a run of it gets long; the cleaner takes the comments out again.
    fn text(&mut self, text: &str) {
        let mut rest = text;
        while !rest.is_empty() {
            let piece = cut(rest, TEXT_BYTES);
            self.events.push(Event::Text(piece.to_owned().into()));
            self.run += piece.len();
            if self.run >= TEXT_BYTES {
                self.raw("<!---->");
                self.run = 0;
            }
            rest = &rest[piece.len()..];
        }
    }
}

const STYLES: &[(&str, &str)] = &[
    ("h1", "font-size:1.4em;line-height:1.25;margin:1em 0 0.5em"),
    ("h2", "font-size:1.2em;line-height:1.25;margin:1em 0 0.5em"),
    ("h3", "font-size:1.05em;line-height:1.25;margin:1em 0 0.5em"),
    ("table", "border-collapse:collapse;margin:1em 0"),
    ("th", "border:1px solid #8b8b8b;padding:4px 8px"),
    ("td", "border:1px solid #8b8b8b;padding:4px 8px;vertical-align:top"),
    (
        "pre",
        "background:rgba(127,127,127,0.12);border:1px solid #8b8b8b;border-radius:4px;padding:8px;white-space:pre-wrap",
    ),
    ("code", "font-family:ui-monospace,Menlo,Consolas,monospace;font-size:90%"),
    ("blockquote", "margin:1em 0 1em 4px;padding-left:12px;border-left:3px solid #8b8b8b"),
    ("hr", "border:none;border-top:1px solid #8b8b8b"),
    ("img", "max-width:100%;height:auto"),
];

/// Elements without attributes, besides those that have a style.
const TAGS: &[&str] =
    &["a", "br", "del", "em", "h4", "h5", "h6", "li", "ol", "p", "strong", "tbody", "thead", "tr", "ul"];

fn cleaner() -> Builder<'static> {
    let styles = STYLES.iter().map(|(tag, style)| (*tag, HashMap::from([("style", *style)]))).collect();
    let aligned = || HashMap::from([("align", HashSet::from(["left", "center", "right"]))]);
    let mut builder = Builder::default();
    builder
        .tags(TAGS.iter().copied().chain(STYLES.iter().map(|(tag, _)| *tag)).collect())
        .tag_attributes(HashMap::from([
            ("a", HashSet::from(["href"])),
            ("ol", HashSet::from(["start"])),
            ("img", HashSet::from(["src", "alt"])),
        ]))
        .tag_attribute_values(HashMap::from([
            ("th", aligned()),
            ("td", aligned()),
            ("li", HashMap::from([("style", HashSet::from(["list-style:none"]))])),
        ]))
        .set_tag_attribute_values(styles)
        .generic_attributes(HashSet::new())
        .url_schemes(HashSet::from(["http", "https", "mailto", "cid"]))
        .url_relative(ammonia::UrlRelative::Deny)
        .attribute_filter(|element, attribute, value| {
            // Nothing is loaded from elsewhere, and nobody follows a picture.
            let is_own = value.starts_with("cid:");
            let fits =
                if (element, attribute) == ("img", "src") { is_own } else { attribute != "href" || !is_own };
            fits.then(|| value.into())
        })
        .link_rel(Some("noopener noreferrer"));
    builder
}

//! Markdown to HTML that is safe to send: CommonMark with tables, strikethrough and task lists; raw HTML shows as
//! written; links lead to http, https and mailto only. The only user of `pulldown-cmark` and `ammonia`.

use crate::mail::decode::cut;
use ammonia::Builder;
use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag, TagEnd, html};
use std::collections::{HashMap, HashSet};

/// Containers within containers; what is deeper is laid out flat (the cleaner is quadratic in depth).
const DEPTH: usize = 40;

/// The cleaner's writer takes a quadratic time over one run of text: longer runs are written in pieces.
const TEXT_BYTES: usize = 4 << 10;

/// The body of an HTML mail, without the document around it.
#[must_use]
pub fn to_html(markdown: &str) -> String {
    let options = Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH | Options::ENABLE_TASKLISTS;
    let (mut depth, mut run, mut events) = (0_usize, 0_usize, Vec::new());
    for event in Parser::new_ext(markdown, options) {
        match event {
            // Task boxes as text: mail programs show no form elements.
            Event::TaskListMarker(done) => events.push(Event::Text(if done { "☑ " } else { "☐ " }.into())),
            Event::Text(text) | Event::Html(text) | Event::InlineHtml(text) => {
                pieces(&mut events, &mut run, &text)
            }
            Event::Start(tag) => {
                (depth, run) = (depth + 1, 0);
                if depth <= DEPTH {
                    events.push(Event::Start(shown_as(tag)));
                }
            }
            Event::End(tag) => {
                if depth <= DEPTH {
                    events.push(Event::End(if tag == TagEnd::HtmlBlock { TagEnd::Paragraph } else { tag }));
                }
                (depth, run) = (depth.saturating_sub(1), 0);
            }
            other => events.push(other),
        }
    }
    let mut out = String::with_capacity(markdown.len() * 3 / 2);
    html::push_html(&mut out, events.into_iter());
    cleaner().clean(&out).to_string()
}

/// Raw HTML shows as a paragraph, and no code block names its language: that would become a class.
fn shown_as(tag: Tag) -> Tag {
    match tag {
        Tag::CodeBlock(_) => Tag::CodeBlock(CodeBlockKind::Indented),
        Tag::HtmlBlock => Tag::Paragraph,
        other => other,
    }
}

/// Text, with an empty comment wherever a run of it gets long; the cleaner takes the comments out again.
fn pieces(events: &mut Vec<Event>, run: &mut usize, text: &str) {
    let mut rest = text;
    while !rest.is_empty() {
        let piece = cut(rest, TEXT_BYTES);
        events.push(Event::Text(piece.to_owned().into()));
        *run += piece.len();
        if *run >= TEXT_BYTES {
            events.push(Event::InlineHtml("<!---->".into()));
            *run = 0;
        }
        rest = &rest[piece.len()..];
    }
}

/// Mail programs drop style sheets, so that what has to be seen stands in the elements. Colours are left to the
/// reader's light or dark mode.
const STYLES: &[(&str, &str)] = &[
    ("table", "border-collapse:collapse"),
    ("th", "border:1px solid #9ca3af;padding:4px 8px;text-align:left"),
    ("td", "border:1px solid #9ca3af;padding:4px 8px"),
    ("pre", "border:1px solid #9ca3af;border-radius:4px;padding:8px;overflow-x:auto;white-space:pre-wrap"),
    ("code", "font-family:ui-monospace,Menlo,Consolas,monospace;font-size:90%"),
    ("blockquote", "margin:0 0 0 4px;padding-left:12px;border-left:3px solid #9ca3af"),
];

fn cleaner() -> Builder<'static> {
    let tags = [
        "a",
        "blockquote",
        "br",
        "code",
        "del",
        "em",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "hr",
        "li",
        "ol",
        "p",
        "pre",
        "strong",
        "table",
        "tbody",
        "td",
        "th",
        "thead",
        "tr",
        "ul",
    ];
    let mut builder = Builder::default();
    let styles = STYLES.iter().map(|(tag, style)| (*tag, HashMap::from([("style", *style)]))).collect();
    builder
        .tags(HashSet::from(tags))
        .tag_attributes(HashMap::from([
            ("a", HashSet::from(["href", "title"])),
            ("ol", HashSet::from(["start"])),
        ]))
        .set_tag_attribute_values(styles)
        .generic_attributes(HashSet::new())
        .url_schemes(HashSet::from(["http", "https", "mailto"]))
        .url_relative(ammonia::UrlRelative::Deny)
        .link_rel(Some("noopener noreferrer"));
    builder
}

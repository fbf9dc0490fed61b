//! Markdown as Claude writes it, made for mail: safe HTML and plain text. CommonMark with tables, strikethrough and
//! task lists. Raw HTML shows as written; links lead to http, https and mailto only; nothing is loaded from elsewhere:
//! the pictures shown are files of the mail itself. This folder is the only user of `pulldown-cmark` and `ammonia`.

use crate::mail::decode::cut;
use crate::mail::markdown::link::{address, leads_out, percent_decoded};
use crate::mail::names;
use pulldown_cmark::{CowStr, Event, LinkType, Options, Parser, Tag, TagEnd, TextMergeStream};

mod html;
mod link;
mod table;
mod text;

pub use html::{Html, escaped, to_html};
pub use text::to_text;

/// Containers within containers; what is deeper is laid out flat (the cleaner is quadratic in depth).
const DEPTH: usize = 40;

/// A line that its author broke before so many characters was broken on purpose: a name, a greeting, a list of facts.
const LINE_CHARS: usize = 50;

/// A target in brackets after its text.
const TARGET_BYTES: usize = 200;

/// A file that goes with the mail, as the text may refer to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    pub name: String,
    /// Where it can be shown in the text.
    pub content_id: Option<String>,
}

/// What the parser said, with every reference settled.
#[derive(Debug, Clone, PartialEq)]
enum Node<'a> {
    Is(Event<'a>),
    /// The file of this number stands here.
    Picture {
        file: usize,
        alt: String,
    },
}

/// Reads Markdown.
fn nodes<'a>(markdown: &'a str, files: &[File]) -> Vec<Node<'a>> {
    let options = Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH | Options::ENABLE_TASKLISTS;
    let mut reader = Reader {
        files,
        nodes: Vec::new(),
        depth: 0,
        in_code: false,
        line: 0,
        links: Vec::new(),
        picture: None,
    };
    for event in TextMergeStream::new(Parser::new_ext(markdown, options)) {
        reader.take(event);
    }
    reader.nodes
}

struct Reader<'a, 'f> {
    files: &'f [File],
    nodes: Vec<Node<'a>>,
    depth: usize,
    in_code: bool,
    /// Characters of text since the last break.
    line: usize,
    /// The links that are open: where each began, and what is to be said of one that leads nowhere.
    links: Vec<(usize, Option<String>)>,
    picture: Option<Picture>,
}

/// An image whose text is being read.
struct Picture {
    target: String,
    alt: String,
    within: usize,
}

impl<'a> Reader<'a, '_> {
    fn take(&mut self, event: Event<'a>) {
        if self.picture.is_some() {
            return self.in_picture(event);
        }
        match event {
            Event::Text(text) if self.in_code => self.push(Event::Text(printable(text, true))),
            Event::Text(text) if self.links.is_empty() => self.text(printable(text, false)),
            Event::Text(text) | Event::Html(text) | Event::InlineHtml(text) => {
                self.push(Event::Text(printable(text, false)));
            }
            Event::Code(text) => self.push(Event::Code(printable(text, false))),
            Event::SoftBreak if self.line < LINE_CHARS => self.push(Event::HardBreak),
            Event::Start(Tag::Image { dest_url, .. }) => {
                self.picture =
                    Some(Picture { target: dest_url.into_string(), alt: String::new(), within: 0 });
            }
            Event::Start(tag) => self.start(tag),
            Event::End(tag) => self.end(tag),
            other => self.push(other),
        }
    }

    fn push(&mut self, event: Event<'a>) {
        match &event {
            Event::Text(text) | Event::Code(text) => self.line += text.chars().count(),
            Event::SoftBreak | Event::HardBreak | Event::Start(Tag::Paragraph | Tag::Item) => self.line = 0,
            _ => {}
        }
        self.nodes.push(Node::Is(event));
    }

    /// An address in plain words is a link, as people mean it.
    fn text(&mut self, text: CowStr<'a>) {
        let Some(at) = address(&text) else { return self.push(Event::Text(text)) };
        let (mut rest, mut next) = (&*text, Some(at));
        while let Some(at) = next {
            let url = &rest[at.clone()];
            if at.start > 0 {
                self.push(Event::Text(rest[..at.start].to_owned().into()));
            }
            self.push(Event::Start(link(url.to_owned())));
            self.push(Event::Text(url.to_owned().into()));
            self.push(Event::End(TagEnd::Link));
            rest = &rest[at.end..];
            next = address(rest);
        }
        if !rest.is_empty() {
            self.push(Event::Text(rest.to_owned().into()));
        }
    }

    fn start(&mut self, tag: Tag<'a>) {
        self.depth += 1;
        self.in_code |= matches!(tag, Tag::CodeBlock(_));
        let tag = match tag {
            Tag::Link { link_type, dest_url, .. } => {
                let at = self.nodes.len();
                let email = if link_type == LinkType::Email { "mailto:" } else { "" };
                let target = format!("{email}{dest_url}");
                if !leads_out(&target) {
                    return self.links.push((at, Some(target)));
                }
                self.links.push((at, None));
                link(target)
            }
            // Raw HTML shows, as a paragraph.
            Tag::HtmlBlock => Tag::Paragraph,
            other => other,
        };
        if self.depth <= DEPTH || matches!(tag, Tag::Link { .. }) {
            self.push(Event::Start(tag));
        }
    }

    fn end(&mut self, tag: TagEnd) {
        self.depth = self.depth.saturating_sub(1);
        if tag == TagEnd::Link {
            return match self.links.pop() {
                Some((at, Some(target))) => self.named(at, &target),
                _ => self.push(Event::End(tag)),
            };
        }
        self.in_code &= tag != TagEnd::CodeBlock;
        if self.depth < DEPTH {
            self.push(Event::End(if tag == TagEnd::HtmlBlock { TagEnd::Paragraph } else { tag }));
        }
    }

    /// After the text of a link that cannot be followed: what it points at, where that says more.
    fn named(&mut self, at: usize, target: &str) {
        let text: String = self.nodes[at..].iter().filter_map(written).collect();
        if let Some(name) = self.readable(target).filter(|name| !text.contains(name.as_str())) {
            self.push(Event::Text(format!(" ({name})").into()));
        }
    }

    /// A file by its name, a place in the repository by its path; nothing of what could run.
    fn readable(&self, target: &str) -> Option<String> {
        if let Some(file) = self.find(target) {
            return Some(self.files[file].name.clone());
        }
        let is_path = !target.is_empty() && !target.starts_with("//") && !target.starts_with('#');
        let has_scheme = target.split(['/', '?', '#']).next().is_some_and(|start| start.contains(':'));
        (is_path && !has_scheme).then(|| printable(cut(target, TARGET_BYTES).to_owned().into(), false).into())
    }

    /// The file of the mail that a target means: `/outbox/chart.png`, `outbox/chart.png`, `chart.png`.
    fn find(&self, target: &str) -> Option<usize> {
        let path = percent_decoded(target);
        let path = path.strip_prefix("file://").unwrap_or(&path);
        let path = path.trim_start_matches("./").trim_start_matches("../");
        let name = path.strip_prefix("/outbox/").or_else(|| path.strip_prefix("outbox/")).unwrap_or(path);
        if name.contains('/') {
            return None;
        }
        let name = names::clean(name)?;
        self.files.iter().position(|file| file.name == name)
    }

    fn in_picture(&mut self, event: Event<'a>) {
        let Some(picture) = &mut self.picture else { return };
        match event {
            Event::Text(text) | Event::Code(text) | Event::Html(text) | Event::InlineHtml(text) => {
                picture.alt.push_str(&printable(text, false));
            }
            Event::SoftBreak | Event::HardBreak => picture.alt.push(' '),
            Event::Start(_) => picture.within += 1,
            Event::End(_) if picture.within > 0 => picture.within -= 1,
            Event::End(_) => {
                if let Some(picture) = self.picture.take() {
                    self.show(picture);
                }
            }
            _ => {}
        }
    }

    /// A file of ours is shown; a picture from elsewhere is a link; of any other there is the text.
    fn show(&mut self, Picture { target, alt, .. }: Picture) {
        if let Some(file) = self.find(&target) {
            return self.nodes.push(Node::Picture { file, alt });
        }
        let at = self.nodes.len();
        let text = if alt.trim().is_empty() { target.clone() } else { alt };
        let in_link = self.links.iter().any(|(_, nowhere)| nowhere.is_none());
        if leads_out(&target) && !in_link {
            self.push(Event::Start(link(target)));
            self.push(Event::Text(text.into()));
            self.push(Event::End(TagEnd::Link));
        } else {
            self.push(Event::Text(text.into()));
            self.named(at, &target);
        }
    }
}

fn link(target: String) -> Tag<'static> {
    Tag::Link {
        link_type: LinkType::Inline,
        dest_url: target.into(),
        title: CowStr::Borrowed(""),
        id: CowStr::Borrowed(""),
    }
}

fn written<'n>(node: &'n Node) -> Option<&'n str> {
    match node {
        Node::Is(Event::Text(text) | Event::Code(text)) => Some(text),
        _ => None,
    }
}

/// Without control characters, which a terminal would obey, and without those that turn the direction of what follows;
/// character references can make any.
fn printable(text: CowStr, lines: bool) -> CowStr {
    let unfit = |c: char| match c {
        '\n' | '\t' => !lines,
        '\u{202d}' | '\u{202e}' => true,
        c => c.is_control(),
    };
    if !text.contains(unfit) {
        return text;
    }
    let blank = |c: char| if matches!(c, '\n' | '\t' | '\r') { ' ' } else { '\u{fffd}' };
    text.chars().map(|c| if unfit(c) { blank(c) } else { c }).collect::<String>().into()
}

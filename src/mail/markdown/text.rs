//! The plain text of a mail, as people write it, in the form `format=flowed` (RFC 3676): a line of a paragraph that
//! goes on ends in a blank. Code and tables stand as they are, and further in, so that all their lines are stuffed alike.

use crate::base::limits;
use crate::mail::decode::cut;
use crate::mail::markdown::table::Table;
use crate::mail::markdown::{File, Node, nodes};
use pulldown_cmark::{Event, HeadingLevel, Tag, TagEnd};
use unicode_width::UnicodeWidthStr;

/// Columns of a line (RFC 3676 section 4.2 wants at most 78).
const WIDTH: usize = 74;
/// Columns that are left to a text however deep it lies.
const WIDTH_MIN: usize = 24;
/// Lists and quotes within each other that show; each takes columns of every line.
const LEVELS: usize = 10;

/// What each line of a quote begins with.
const QUOTE: &str = "> ";

/// The plain text of a text in Markdown.
#[must_use]
pub fn to_text(markdown: &str, files: &[File]) -> String {
    let mut writer = Writer::default();
    for node in nodes(markdown, files) {
        match node {
            Node::Is(Event::Start(tag)) => writer.start(tag),
            Node::Is(Event::End(tag)) => writer.end(tag),
            Node::Is(event) => writer.inline(event),
            Node::Picture { file, alt } => {
                let name = files.get(file).map_or("", |file| &file.name);
                writer.text.push_str(&named(&alt, name));
            }
        }
    }
    writer.flush();
    if writer.out.len() > limits::REPLY_HTML_BYTES {
        return flowed(cut(markdown, limits::REPLY_TEXT_BYTES));
    }
    writer.out.trim_end().to_owned()
}

/// What stands for a picture.
#[must_use]
pub fn named(alt: &str, name: &str) -> String {
    let alt = alt.trim();
    if alt.is_empty() || alt == name { format!("[{name}]") } else { format!("[{alt}: {name}]") }
}

/// Markdown itself, where it cannot be laid out.
fn flowed(text: &str) -> String {
    text.lines().map(|line| stuffed(line.trim_end())).collect::<Vec<_>>().join("\n")
}

/// A line that would be read as quoted, or be changed by a mail system, begins with a blank (RFC 3676 section 4.4).
fn stuffed(line: &str) -> String {
    let needs_it = line.starts_with([' ', '>']) || line.starts_with("From ");
    if needs_it { format!(" {line}") } else { line.to_owned() }
}

/// A quote or an entry of a list that the text stands in.
struct Level {
    /// What its first line begins with.
    mark: String,
    /// What the others begin with.
    rest: String,
    begun: bool,
}

/// A list that is open.
struct List {
    /// The number that comes next, if they are numbered.
    next: Option<u64>,
    /// With empty lines between its entries.
    loose: bool,
}

#[derive(Default)]
struct Writer {
    out: String,
    levels: Vec<Level>,
    /// Levels that are too deep to show.
    deeper: usize,
    lists: Vec<List>,
    /// The paragraph, cell or code that is being read.
    text: String,
    /// Where the open links began, and where they lead.
    links: Vec<(usize, String)>,
    table: Option<Table>,
    /// An empty line comes before the next.
    gap: bool,
}

impl Writer {
    fn start(&mut self, tag: Tag) {
        match tag {
            Tag::Paragraph | Tag::Heading { .. } | Tag::CodeBlock(_) => self.flush(),
            Tag::BlockQuote(_) => {
                self.flush();
                self.enter(QUOTE.to_owned(), QUOTE.to_owned());
            }
            Tag::List(first) => {
                self.flush();
                self.lists.push(List { next: first, loose: false });
            }
            Tag::Item => self.item(),
            Tag::Table(columns) => {
                self.flush();
                self.table = Some(Table { columns, ..Table::default() });
            }
            Tag::TableRow => {
                if let Some(table) = &mut self.table {
                    table.rows.push(Vec::new());
                }
            }
            Tag::Strong => self.text.push('*'),
            Tag::Emphasis => self.text.push('_'),
            Tag::Strikethrough => self.text.push('~'),
            Tag::Link { dest_url, .. } => self.links.push((self.text.len(), dest_url.into_string())),
            _ => {}
        }
    }

    fn end(&mut self, tag: TagEnd) {
        match tag {
            TagEnd::Paragraph => {
                self.flush();
                self.gap = true;
                if let Some(list) = self.lists.last_mut() {
                    list.loose = true;
                }
            }
            TagEnd::Heading(level) => self.heading(level),
            TagEnd::CodeBlock => self.code(),
            TagEnd::BlockQuote(_) => {
                self.flush();
                self.leave();
                self.gap = true;
            }
            TagEnd::Item => {
                self.flush();
                if self.deeper == 0 && self.levels.last().is_some_and(|level| !level.begun) {
                    self.line("", false);
                }
                self.leave();
            }
            TagEnd::List(_) => {
                self.lists.pop();
                self.gap |= self.lists.last().is_none_or(|outer| outer.loose);
            }
            TagEnd::TableCell => self.cell(),
            TagEnd::Table => self.end_table(),
            TagEnd::Strong => self.text.push('*'),
            TagEnd::Emphasis => self.text.push('_'),
            TagEnd::Strikethrough => self.text.push('~'),
            TagEnd::Link => self.link(),
            _ => {}
        }
    }

    fn inline(&mut self, event: Event) {
        match event {
            Event::Text(text) => self.text.push_str(&text),
            Event::Code(text) => {
                self.text.push('`');
                self.text.push_str(&text);
                self.text.push('`');
            }
            Event::SoftBreak => self.text.push(' '),
            Event::HardBreak => self.text.push('\n'),
            Event::TaskListMarker(done) => self.text.push_str(if done { "[x] " } else { "[ ] " }),
            Event::Rule => {
                self.flush();
                self.gap = true;
                self.line("* * *", false);
                self.gap = true;
            }
            _ => {}
        }
    }

    fn enter(&mut self, mark: String, rest: String) {
        // One further in, so that all lines of a list are stuffed alike.
        let further = if self.levels.is_empty() && rest != QUOTE { " " } else { "" };
        let (mark, rest) = (format!("{further}{mark}"), format!("{further}{rest}"));
        if self.levels.len() < LEVELS {
            self.levels.push(Level { mark, rest, begun: false });
        } else {
            self.deeper += 1;
        }
    }

    fn leave(&mut self) {
        if self.deeper > 0 {
            self.deeper -= 1;
        } else {
            self.levels.pop();
        }
    }

    fn item(&mut self) {
        self.flush();
        let mark = match self.lists.last_mut().and_then(|list| list.next.as_mut()) {
            Some(number) => {
                let mark = format!("{number}. ");
                *number += 1;
                mark
            }
            _ => "- ".to_owned(),
        };
        let rest = " ".repeat(mark.len());
        self.enter(mark, rest);
    }

    /// `text <url>`; of a link that shows its target there is the target.
    fn link(&mut self) {
        let Some((at, target)) = self.links.pop() else { return };
        let text = self.text.get(at..).unwrap_or_default();
        if text.trim().is_empty() || text == target {
            self.text.truncate(at);
            self.text.push_str(&format!("<{target}>"));
        } else if target.strip_prefix("mailto:") != Some(text) {
            self.text.push_str(&format!(" <{target}>"));
        }
    }

    fn heading(&mut self, level: HeadingLevel) {
        let text = std::mem::take(&mut self.text);
        let under = match level {
            HeadingLevel::H1 => "=",
            HeadingLevel::H2 => "-",
            _ => "",
        };
        let text = text.trim();
        if under.is_empty() {
            self.paragraph(&format!("### {text}"));
        } else {
            self.paragraph(text);
            // Not two dashes: they would begin a signature.
            self.line(&under.repeat(text.width().clamp(3, self.room())), false);
        }
        self.gap = true;
    }

    fn code(&mut self) {
        let text = std::mem::take(&mut self.text);
        for line in text.trim_end().lines() {
            self.line(&format!("    {line}"), false);
        }
        self.gap = true;
    }

    fn cell(&mut self) {
        let cell = std::mem::take(&mut self.text).trim().to_owned();
        let Some(table) = &mut self.table else { return };
        match table.rows.last_mut() {
            Some(row) => row.push(cell),
            None => table.head.push(cell),
        }
    }

    fn end_table(&mut self) {
        let Some(table) = self.table.take() else { return };
        if let Some(lines) = table.lines(self.room().saturating_sub(2)) {
            lines.iter().for_each(|line| self.line(&format!("  {line}"), false));
        } else {
            for row in &table.rows {
                self.enter("- ".to_owned(), "  ".to_owned());
                table.named(row).for_each(|cell| self.paragraph(&cell));
                self.leave();
            }
        }
        self.gap = true;
    }

    fn flush(&mut self) {
        let text = std::mem::take(&mut self.text);
        self.links.clear();
        if !text.trim().is_empty() {
            self.paragraph(&text);
        }
    }

    /// Lines that are filled; each of them goes on in the next where the next begins alike.
    fn paragraph(&mut self, text: &str) {
        for text in text.lines() {
            let lines = filled(text, self.room());
            for (at, line) in lines.iter().enumerate() {
                let goes_on = at + 1 < lines.len() && self.levels.iter().all(|level| level.rest == QUOTE);
                self.line(line, goes_on);
            }
        }
    }

    fn room(&self) -> usize {
        let taken: usize = self.levels.iter().map(|level| level.rest.len()).sum();
        WIDTH.saturating_sub(taken).max(WIDTH_MIN)
    }

    fn line(&mut self, text: &str, goes_on: bool) {
        if std::mem::take(&mut self.gap) && !self.out.is_empty() {
            let before: String =
                self.levels.iter().take_while(|level| level.begun).map(|level| level.rest.as_str()).collect();
            self.put(&before, "", false);
        }
        let mut start = String::new();
        for level in &mut self.levels {
            start.push_str(if level.begun { &level.rest } else { &level.mark });
            level.begun = true;
        }
        self.put(&start, text, goes_on);
    }

    fn put(&mut self, start: &str, text: &str, goes_on: bool) {
        let quotes = start.split(' ').take_while(|part| *part == ">").count();
        let line = if quotes == 0 {
            stuffed(format!("{start}{text}").trim_end())
        } else {
            let rest = start.get(quotes * 2..).unwrap_or_default();
            format!("{} {rest}{text}", ">".repeat(quotes)).trim_end().to_owned()
        };
        self.out.push_str(&line);
        // Two dashes and a blank would begin a signature.
        self.out.push_str(if goes_on && line != "--" { " \n" } else { "\n" });
    }
}

/// A text in lines of `room` columns, broken at blanks only.
fn filled(text: &str, room: usize) -> Vec<String> {
    let (mut lines, mut line, mut width) = (Vec::new(), String::new(), 0);
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        let wide = word.width();
        if !line.is_empty() && width + 1 + wide > room {
            lines.push(std::mem::take(&mut line));
            width = 0;
        }
        if !line.is_empty() {
            line.push(' ');
            width += 1;
        }
        line.push_str(word);
        width += wide;
    }
    lines.push(line);
    lines
}

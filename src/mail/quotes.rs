//! Cuts from an HTML mail what the mail program marked as quoted or as a signature: by the marks that each
//! program writes, not by how the text looks. A quote that real text follows is kept, since that text
//! answers it.

use crate::base::limits;
use crate::mail::forward;
use crate::mail::markup::{Piece, What, attribute, is_visible, is_void, pieces};
use std::collections::HashMap;
use std::ops::Range;

/// What is left of an HTML mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stripped {
    pub html: String,
    /// Whether a quote was cut: then the line above it may be left over at the end.
    pub cut: bool,
    /// Whether any quote was marked: then what looks like one in the text is the author's.
    pub marked: bool,
    /// The elements nest deeper, or cross each other more often, than is converted: both cost the converter a
    /// quadratic time.
    pub deep: bool,
}

/// The mail without its trailing quotes and its signature; with `keep`, without its signature only.
#[must_use]
pub fn strip(html: &str, keep: bool) -> Stripped {
    let mut reader = Reader { keep, ..Reader::default() };
    for piece in pieces(html) {
        if !reader.take(&piece) {
            break;
        }
    }
    let end = reader.end.unwrap_or(html.len());
    reader.close_all(end);
    let is_quote = |segment: &Segment| !segment.own && segment.mark == Mark::Quote;
    let marked = reader.end.is_some() || reader.forward || reader.segments.iter().any(is_quote);
    let (html, cut) = assemble(html, end, reader.segments, keep);
    Stripped { html, cut: cut || reader.end.is_some(), marked, deep: reader.deep }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mark {
    Quote,
    /// The line that says who wrote the quote below it.
    Attribution,
    Signature,
    /// What the reader of the mail did not see either.
    Hidden,
}

/// An outermost marked element, or (`own`) visible text outside of any.
#[derive(Debug)]
struct Segment {
    mark: Mark,
    own: bool,
    at: Range<usize>,
    /// The element is a `blockquote` itself, and so will show as quoted.
    shows: bool,
}

#[derive(Default)]
struct Reader {
    /// Quotes are what the mail is about.
    keep: bool,
    open: Vec<String>,
    counts: HashMap<String, usize>,
    segments: Vec<Segment>,
    /// The depth at which the marked element that we are in was opened.
    within: Option<usize>,
    /// Whether it has shown anything yet.
    shown: bool,
    /// A mail is passed on from here on: nothing more is marked.
    forward: bool,
    end: Option<usize>,
    deep: bool,
    /// Elements of type style that an end tag of another closed: `<b><i></b>`.
    crossed: usize,
}

/// Elements that are remembered as open.
const OPEN: usize = 10 * limits::HTML_DEPTH;

/// Marks that are looked at; what is marked beyond that is taken for what somebody wrote.
const SEGMENTS: usize = 10_000;

/// Elements that browsers open again where another's end tag closed them.
const FORMATTING: &[&str] =
    &["a", "b", "big", "code", "em", "font", "i", "nobr", "s", "small", "strike", "strong", "tt", "u"];

impl Reader {
    /// False: a mark says that all from here on is another mail.
    fn take(&mut self, piece: &Piece) -> bool {
        match &piece.what {
            What::Text(text) if !self.forward && is_visible(text) => self.text(text, piece),
            What::Open(name, attributes) => {
                if self.within.is_none() && !self.forward && is_boundary(name, attributes) {
                    if !self.keep {
                        self.end = Some(piece.at.start);
                        return false;
                    }
                    self.forward = true;
                }
                if !is_void(name) {
                    self.enter(name, attributes, piece.at.start);
                }
            }
            What::Close(name) => self.leave(name, piece.at.end),
            _ => {}
        }
        true
    }

    fn text(&mut self, text: &str, piece: &Piece) {
        let first = self.within.is_none() || !self.shown;
        if first && forward::is_mark(text) {
            self.forward = true;
            // The element marks what is passed on, and no quote.
            if self.within.take().is_some() {
                self.segments.pop();
            }
        }
        self.shown = true;
        // Pieces of one text are one.
        if self.within.is_none() && !self.segments.last().is_some_and(|last| last.own) {
            let own = Segment { mark: Mark::Quote, own: true, at: piece.at.clone(), shows: false };
            self.segments.push(own);
        }
    }

    fn enter(&mut self, name: &str, attributes: &str, start: usize) {
        let may = self.within.is_none() && !self.forward && self.segments.len() < SEGMENTS;
        if let Some(mark) = may.then(|| mark(name, attributes)).flatten() {
            self.shown = false;
            let shows = name == "blockquote";
            self.segments.push(Segment { mark, own: false, at: start..start, shows });
            self.within = Some(self.open.len());
        }
        self.deep |= self.open.len() >= limits::HTML_DEPTH;
        // Nobody nests so deep: there is nothing to find any more.
        if self.open.len() < OPEN {
            self.open.push(name.to_owned());
            *self.counts.entry(name.to_owned()).or_default() += 1;
        }
    }

    /// An end tag closes all that was opened within; one that nothing opened is passed over.
    fn leave(&mut self, name: &str, end: usize) {
        if !self.counts.contains_key(name) {
            return;
        }
        while let Some(closed) = self.open.pop() {
            match self.counts.get_mut(&closed) {
                Some(count) if *count > 1 => *count -= 1,
                _ => drop(self.counts.remove(&closed)),
            }
            if self.within == Some(self.open.len()) {
                self.close_all(end);
            }
            if closed == name {
                break;
            }
            self.crossed += usize::from(FORMATTING.contains(&closed.as_str()));
            self.deep |= self.crossed > limits::HTML_DEPTH;
        }
    }

    fn close_all(&mut self, end: usize) {
        if self.within.take().is_some()
            && let Some(last) = self.segments.last_mut()
        {
            last.at.end = end;
        }
    }
}

fn mark(name: &str, attributes: &str) -> Option<Mark> {
    let class = attribute(attributes, "class").unwrap_or_default();
    let id = attribute(attributes, "id").unwrap_or_default();
    let has = |wanted: &str| class.split_whitespace().any(|class| class == wanted);
    let is_cite = || attribute(attributes, "type").is_some_and(|kind| kind.eq_ignore_ascii_case("cite"));
    if name == "blockquote"
        && (is_cite()
            || ["gmail_quote", "protonmail_quote", "tutanota_quote", "iosymail"].into_iter().any(has)
            || matches!(id, "isReplyContent" | "blockquote_zmail"))
    {
        return Some(Mark::Quote);
    }
    // Yahoo prefixes its names with a number of the message.
    if has("yahoo_quoted")
        || class.split_whitespace().any(|class| class.ends_with("yahoo_quoted"))
        || id.starts_with("yahoo_quoted")
    {
        return Some(Mark::Quote);
    }
    if id == "OLK_SRC_BODY_SECTION" || (name == "div" && attribute(attributes, "name") == Some("quote")) {
        return Some(Mark::Quote);
    }
    if ["gmail_attr", "moz-cite-prefix", "yahoo-quoted-begin"].into_iter().any(has) {
        return Some(Mark::Attribution);
    }
    let signed = ["gmail_signature", "moz-signature", "protonmail_signature_block"].into_iter().any(has)
        || attribute(attributes, "data-sigid").is_some()
        || attribute(attributes, "name") == Some("messageSignatureSection")
        || matches!(
            id,
            "AppleMailSignature"
                | "ms-outlook-mobile-signature"
                | "Signature"
                | "ymail_android_signature"
                | "ymail_ios_signature"
                | "composer_signature"
        );
    if signed {
        return Some(Mark::Signature);
    }
    let hidden = style(attributes).contains("display:none");
    hidden.then_some(Mark::Hidden)
}

/// The style of an element, in lower case and without blanks.
fn style(attributes: &str) -> String {
    let style = attribute(attributes, "style").unwrap_or_default();
    style.chars().filter(|c| !c.is_whitespace()).map(|c| c.to_ascii_lowercase()).collect()
}

/// Outlook puts its mark above the quoted mail and not around it. So does Zimbra.
fn is_boundary(name: &str, attributes: &str) -> bool {
    let id = attribute(attributes, "id").unwrap_or_default();
    if matches!(id, "divRplyFwdMsg" | "appendonsend" | "mail-editor-reference-message-container" | "zwchr")
        || attribute(attributes, "data-marker") == Some("__DIVIDER__")
    {
        return true;
    }
    let style = style(attributes);
    match name {
        "div" => style.contains("border:none;border-top:solid#") && style.contains("padding:3.0pt0"),
        // Outlook's own and Foxmail's; a line that somebody drew has no such attributes.
        "hr" => {
            let has = |name: &str, value: &str| {
                attribute(attributes, name).is_some_and(|given| given.eq_ignore_ascii_case(value))
            };
            (has("tabindex", "-1") && style.contains("width:98%"))
                || (has("color", "#b5c4df") && style.contains("width:210px"))
        }
        _ => false,
    }
}

/// The source without what is cut: trailing quotes with the line above each, and signatures unless nothing
/// else was written. A quote that stays is made to show as one.
fn assemble(html: &str, end: usize, segments: Vec<Segment>, keep: bool) -> (String, bool) {
    let own = segments.iter().any(|segment| segment.own);
    let answered = segments.iter().rposition(|segment| segment.own).map_or(0, |last| last + 1);
    let (mut out, mut at, mut cut) = (String::with_capacity(end), 0, false);
    for (number, segment) in segments.iter().enumerate().filter(|(_, segment)| !segment.own) {
        out.push_str(&html[at..segment.at.start]);
        at = segment.at.end;
        let text = &html[segment.at.clone()];
        let goes = match segment.mark {
            Mark::Signature => own,
            Mark::Hidden => true,
            Mark::Quote | Mark::Attribution if keep => false,
            Mark::Quote => number >= answered,
            Mark::Attribution => {
                let next = segments[number + 1..]
                    .iter()
                    .find(|next| next.own || !matches!(next.mark, Mark::Signature | Mark::Hidden));
                number >= answered && next.is_some_and(|next| !next.own && next.mark == Mark::Quote)
            }
        };
        if goes {
            cut |= segment.mark == Mark::Quote;
        } else if segment.mark == Mark::Quote && !segment.shows && !keep {
            out.extend(["<blockquote>", text, "</blockquote>"]);
        } else {
            out.push_str(text);
        }
    }
    out.push_str(&html[at..end.max(at)]);
    (out, cut)
}

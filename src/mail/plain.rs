//! What somebody wrote in a plain-text mail, without what their program put around it: quotes at the end,
//! the line above them, signatures. A quote that an answer follows is kept. Pure, one pass per rule.

use crate::mail::attribution::{self, is_quoted};
use crate::mail::forward;

/// Which lines beginning with `>` are taken for a quote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quotes {
    /// All at the end of the text: a mail that was written as plain text.
    Lines,
    /// Those below a line that says who wrote them: text made from HTML, where `>` may be the author's own.
    Attributed,
    /// None, and nothing ends the text: a forwarded mail is what the author sends.
    Keep,
}

/// The text without trailing quotes and signature. A mail that is passed on below it stays, whole.
#[must_use]
pub fn strip(text: &str, quotes: Quotes) -> String {
    let lines: Vec<&str> =
        text.lines().map(|line| if line == SIGNED { line } else { line.trim_end() }).collect();
    let boundary = attribution::boundary(&lines);
    let forward = lines.iter().position(|line| forward::is_mark(line));
    let begins = if quotes == Quotes::Keep { forward.or(boundary) } else { forward };
    // Within an older mail that is quoted, it is quoted with it.
    let begins = begins.filter(|&at| quotes == Quotes::Keep || boundary.is_none_or(|end| at <= end));
    let (mut kept, passed_on) = lines.split_at(begins.unwrap_or(lines.len()));
    if quotes != Quotes::Keep {
        kept = &kept[..boundary.map_or(kept.len(), |end| end.min(kept.len()))];
        // The signature stands below the quote or above it.
        kept = without_quote(without_signature(trimmed(kept)), quotes);
    }
    kept = trimmed(without_signature(trimmed(kept)));
    let passed_on = trimmed(passed_on);
    let between = if kept.is_empty() || passed_on.is_empty() { "" } else { "\n\n" };
    [&kept.join("\n"), between, &passed_on.join("\n")].concat()
}

/// The text without a trailing line that says who wrote what followed.
#[must_use]
pub fn without_attribution(text: &str) -> String {
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    let kept = trimmed(&lines);
    // NetEase writes it as a block of code.
    let bare = match kept {
        [above @ .., "```", line, "```"] if attribution::above(&[line]).is_some() => above,
        _ => kept,
    };
    let bare = attribution::above(bare).map_or(bare, |start| &bare[..start]);
    let bare = attribution::headers_above(bare).map_or(bare, |start| &bare[..start]);
    trimmed(bare).join("\n")
}

/// The text with line feeds only.
#[must_use]
pub fn unix(text: String) -> String {
    if !text.contains('\r') {
        return text;
    }
    let mut out = String::with_capacity(text.len());
    for (number, piece) in text.split('\r').enumerate() {
        if number > 0 && !piece.starts_with('\n') {
            out.push('\n');
        }
        out.push_str(piece);
    }
    out
}

/// Joins the lines that a program broke and marked with a trailing blank (RFC 3676).
#[must_use]
pub fn unflow(text: &str, delsp: bool) -> String {
    let mut out = String::with_capacity(text.len());
    // The depth of the paragraph that goes on, if the last line was a flowed one.
    let mut open: Option<usize> = None;
    for line in text.lines() {
        let depth = line.bytes().take_while(|&b| b == b'>').count();
        let content = line[depth..].strip_prefix(' ').unwrap_or(&line[depth..]);
        let goes_on = content.ends_with(' ') && content != "-- ";
        if open != Some(depth) || content == "-- " {
            if !out.is_empty() {
                if out.ends_with(' ') && !out.ends_with("\n-- ") {
                    out.pop();
                }
                out.push('\n');
            }
            out.extend(std::iter::repeat_n('>', depth));
            if depth > 0 {
                out.push(' ');
            }
        }
        out.push_str(if goes_on && delsp { &content[..content.len() - 1] } else { content });
        open = goes_on.then_some(depth);
    }
    out
}

/// Without empty lines and rules at the end, and without empty lines at the beginning.
fn trimmed<'a, 'b>(lines: &'a [&'b str]) -> &'a [&'b str] {
    let is_rule =
        |line: &str| line.chars().count() >= 3 && line.chars().all(|c| matches!(c, '─' | '_' | '-'));
    let is_bare = |line: &str| line.chars().all(|c| c == '>' || c.is_whitespace());
    let end = lines.iter().rposition(|line| !is_bare(line) && !is_rule(line.trim()));
    let lines = &lines[..end.map_or(0, |end| end + 1)];
    let start = lines.iter().position(|line| !line.trim().is_empty()).unwrap_or(0);
    &lines[start..]
}

/// Cuts the quote that ends the text, with the line above it.
fn without_quote<'a, 'b>(lines: &'a [&'b str], quotes: Quotes) -> &'a [&'b str] {
    let lines = trimmed(lines);
    let own = lines.iter().rposition(|line| !line.trim().is_empty() && !is_quoted(line));
    let own = own.map_or(0, |own| own + 1);
    if own == lines.len() {
        return lines;
    }
    let above = trimmed(&lines[..own]);
    if let Some(start) = attribution::above(above) {
        return &above[..start];
    }
    // "It printed this:" and what follows it is the author's own quotation.
    let introduced = above.last().is_some_and(|line| line.ends_with([':', '：']));
    let is_mail = quotes == Quotes::Lines || attribution::begins_with_one(&lines[own..]);
    if is_mail && !introduced { above } else { lines }
}

/// The line above a signature (RFC 3676 section 4.3).
const SIGNED: &str = "-- ";
/// Lines of a signature; more is text that happens to stand below two dashes.
const SIGNATURE_LINES: usize = 20;
/// The same where the blank was lost on the way: two dashes alone are a line that anybody may draw.
const BARE_SIGNATURE_LINES: usize = 8;

/// Cuts `-- ` and what follows it, then what telephones write at the end.
fn without_signature<'a, 'b>(mut lines: &'a [&'b str]) -> &'a [&'b str] {
    // Ticket systems close it with dashes too.
    while let [above @ .., "", "--" | SIGNED] | [above @ .., "--" | SIGNED] = lines {
        lines = above;
    }
    let is_mark = |at: usize| {
        let below = lines.len() - at;
        match lines[at] {
            SIGNED => below <= SIGNATURE_LINES,
            "--" => below <= BARE_SIGNATURE_LINES && (at == 0 || lines[at - 1].trim().is_empty()),
            _ => false,
        }
    };
    let mark = (lines.len().saturating_sub(SIGNATURE_LINES)..lines.len()).rev().find(|&at| is_mark(at));
    let kept = match mark {
        Some(mark) if !lines[mark..].iter().any(|line| is_quoted(line)) => trimmed(&lines[..mark]),
        _ => lines,
    };
    match kept.split_last() {
        Some((last, above))
            if above.last().is_none_or(|line| line.trim().is_empty())
                && attribution::is_mobile_signature(last) =>
        {
            trimmed(above)
        }
        _ => kept,
    }
}

//! Where in the text something is wrong: errors of the TOML library and of our own checks, both with line, column
//! and key, in the same words. No value of the file is repeated where it could be a secret.

use crate::format::config::Config;
use std::fmt;
use std::ops::Range;
use toml::de::{DeTable, DeValue};

/// What is wrong with the value at a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// `["repos", "x", "mail"]`; one that is not in the text stands for the nearest one above it that is.
    pub key: Vec<String>,
    /// Says what is allowed.
    pub message: String,
}

/// A problem with its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed {
    /// From 1.
    pub line: usize,
    /// In characters, from 1.
    pub column: usize,
    pub key: Vec<String>,
    pub message: String,
}

impl fmt::Display for Placed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: ", self.line, self.column)?;
        if !self.key.is_empty() {
            write!(f, "key {}: ", dotted(&self.key))?;
        }
        f.write_str(&self.message)
    }
}

/// Reads the text; what it says is not yet checked.
pub fn read(text: &str) -> Result<Config, Placed> {
    toml::from_str(text).map_err(|error| {
        let at = error.span().unwrap_or_default();
        let (line, column) = position(text, at.start);
        let mut path = Vec::new();
        let tree = DeTable::parse_recoverable(text).0;
        enclosing(tree.get_ref(), &at, &mut Vec::new(), &mut (usize::MAX, &mut path));
        if error.message() == "duplicate key" {
            // The second one is not in the tree.
            path = text.get(at).map(str::to_owned).into_iter().collect();
        }
        Placed { line, column, key: path, message: reword(error.message()) }
    })
}

/// Finds the place of a problem in the text it is about.
#[must_use]
pub fn place(text: &str, problem: Problem) -> Placed {
    let tree = DeTable::parse_recoverable(text).0;
    let (mut at, mut table) = (0, Some(tree.get_ref()));
    for name in &problem.key {
        let Some((key, value)) = table.and_then(|table| table.get_key_value(name.as_str())) else { break };
        at = key.span().start;
        table = value.get_ref().as_table();
    }
    let (line, column) = position(text, at);
    Placed { line, column, key: problem.key, message: problem.message }
}

fn position(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
}

/// The key with the smallest span around `at`, its own or its value's.
fn enclosing(
    table: &DeTable,
    at: &Range<usize>,
    above: &mut Vec<String>,
    best: &mut (usize, &mut Vec<String>),
) {
    for (key, value) in table {
        above.push(key.get_ref().to_string());
        for span in [key.span(), value.span()] {
            if span.start <= at.start && at.end <= span.end && span.len() < best.0 {
                best.0 = span.len();
                best.1.clone_from(above);
            }
        }
        match value.get_ref() {
            DeValue::Table(inner) => enclosing(inner, at, above, best),
            DeValue::Array(items) => {
                for inner in items.iter().filter_map(|item| item.get_ref().as_table()) {
                    enclosing(inner, at, above, best);
                }
            }
            _ => {}
        }
        above.pop();
    }
}

/// serde's sentences in ours: without the value, without Rust's names of types.
fn reword(message: &str) -> String {
    let message = message.lines().next().unwrap_or_default();
    if let Some(rest) = message.strip_prefix("unknown field ") {
        return format!("is not known; allowed: {}", expected(rest));
    }
    if let Some(rest) = message.strip_prefix("unknown variant ") {
        return format!(
            "{} is not known; allowed: {}",
            rest.split(',').next().unwrap_or_default(),
            expected(rest)
        );
    }
    if let Some(name) = message.strip_prefix("missing field ") {
        return format!("{} is missing", name.replace('`', ""));
    }
    if let Some(rest) =
        message.strip_prefix("invalid type: ").or_else(|| message.strip_prefix("invalid value: "))
    {
        let kind = rest.split([' ', '`', ',']).next().unwrap_or_default();
        let article = if kind.starts_with(['a', 'i']) { "an" } else { "a" };
        return format!("is {article} {kind}; allowed: {}", expected(rest));
    }
    match message {
        "duplicate key" => "is there twice; allowed: once".to_owned(),
        _ => message.to_owned(),
    }
}

fn expected(message: &str) -> String {
    let list = message.rsplit_once("expected ").map_or("nothing else", |(_, list)| list);
    match list {
        "u16" | "u32" | "u64" => "a whole number, 0 or more".to_owned(),
        "f64" => "a number".to_owned(),
        "a sequence" => "a list".to_owned(),
        "a map" => "a table".to_owned(),
        "a boolean" => "true or false".to_owned(),
        "path string" => "a path".to_owned(),
        _ if list.starts_with("struct ") => "a table".to_owned(),
        _ => list.trim_start_matches("one of ").replace('`', "").replace(" or ", ", "),
    }
}

/// As it would be written in the file.
fn dotted(key: &[String]) -> String {
    let bare = |part: &str| {
        !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    let parts: Vec<String> =
        key.iter().map(|part| if bare(part) { part.clone() } else { format!("{part:?}") }).collect();
    parts.join(".")
}

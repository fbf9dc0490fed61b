//! Standard output is data, standard error is talk. Colour only where a terminal shows it.

use crate::base::talk::{Level, Talk};
use crate::cli::exit;
use crate::step::report::Report;
use anyhow::{Error, Result};
use serde::Serialize;
use serde_json::json;
use std::io::{ErrorKind, IsTerminal, Write};

/// One line of data.
pub fn line(text: &str) -> Result<()> {
    raw(format!("{text}\n").as_bytes())
}

/// Bytes as they are.
pub fn raw(bytes: &[u8]) -> Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(bytes).and_then(|()| out.flush()).map_err(|error| match error.kind() {
        ErrorKind::BrokenPipe => Error::new(ReaderGone),
        _ => Error::new(error).context("cannot write to standard output"),
    })
}

/// Whoever read our output has gone: what they wanted, they have. No other broken pipe means that.
#[derive(Debug)]
pub struct ReaderGone;

impl std::fmt::Display for ReaderGone {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("nobody reads standard output")
    }
}

impl std::error::Error for ReaderGone {}

pub fn json<T: Serialize>(value: &T) -> Result<()> {
    line(&serde_json::to_string_pretty(value)?)
}

/// What a step moved, one reference a line, and what went wrong beside.
pub fn report(report: &Report, as_json: bool) -> Result<()> {
    for trouble in &report.troubles {
        error(Some(&trouble.what), &trouble.error);
    }
    if as_json {
        let troubles: Vec<_> = report
            .troubles
            .iter()
            .map(|trouble| json!({ "what": trouble.what, "error": format!("{:#}", trouble.error) }))
            .collect();
        return json(&json!({ "moved": report.moved, "troubles": troubles }));
    }
    report.moved.iter().try_for_each(|reference| line(reference))
}

/// One line `error: …`, then, where there is one, `hint: …`.
pub fn error(about: Option<&str>, error: &Error) {
    let about = about.map_or_else(String::new, |about| format!("{about}: "));
    talk(&format!("{}{}", tagged("error: ", "31"), one_line(&format!("{about}{error:#}"))));
    if let Some(hint) = exit::hint(error) {
        talk(&format!("{}{}", tagged("hint: ", "36"), one_line(&hint)));
    }
}

pub fn warning(text: &str) {
    talk(&format!("{}{}", tagged("warning: ", "33"), one_line(text)));
}

/// What programs and mails say may stand in a sentence of ours: it must neither begin a new line nor reach the
/// terminal as a command.
fn one_line(text: &str) -> String {
    let lines: Vec<&str> = text.split(['\n', '\r']).map(str::trim).filter(|line| !line.is_empty()).collect();
    lines.join(" | ").chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

fn talk(text: &str) {
    // Nobody is left to tell when standard error is gone.
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

fn tagged(tag: &str, colour: &str) -> String {
    let plain = !std::io::stderr().is_terminal() || std::env::var_os("NO_COLOR").is_some();
    if plain { tag.to_owned() } else { format!("\x1b[1;{colour}m{tag}\x1b[0m") }
}

/// Steps' sentences on standard error.
#[derive(Debug, Clone, Copy)]
pub struct Stderr {
    pub verbose: bool,
}

impl Talk for Stderr {
    fn say(&self, level: Level, sentence: &str) {
        match level {
            Level::Detail if !self.verbose => {}
            Level::Detail | Level::Info => talk(&one_line(sentence)),
            Level::Warning => warning(sentence),
        }
    }
}

//! `airut status`

use crate::cli::context::Context;
use crate::cli::exit::Exit;
use crate::cli::{Global, print};
use crate::format::size::Size;
use crate::step::status::{self, Row, Status, Storage};
use anyhow::Result;
use jiff::Timestamp;

/// What waits, runs and was done, for each repository
///
/// Examples:
///   airut status
///   airut status --json --repo my-project
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {}

pub fn run(global: &Global, _: &Args) -> Result<Exit> {
    let context = Context::new(global)?;
    let all = context.repos.iter().map(status::status).collect::<Result<Vec<_>>>()?;
    if context.json {
        print::json(&all)?;
    } else {
        all.iter().try_for_each(show)?;
    }
    Ok(context.finish_quietly())
}

fn show(status: &Status) -> Result<()> {
    print::line(&format!(
        "{}: {} session{}",
        status.repo,
        status.sessions,
        if status.sessions == 1 { "" } else { "s" }
    ))?;
    if let Some(storage) = &status.storage {
        room(storage)?;
    }
    let counts = [
        ("in the mailbox, set aside: cannot be fetched", status.unfetched),
        ("fetched, not yet authorized", status.fetched),
        ("authorized, not yet opened", status.authorized),
        ("rejected, or could not be delivered", status.rejected),
        ("finished, not yet sent", status.finished),
        ("waiting for Claude's API", status.parked),
    ];
    for (what, count) in counts.iter().filter(|(_, count)| *count > 0) {
        print::line(&format!("  {count:>5}  {what}"))?;
    }
    for (what, rows) in [("ready", &status.ready), ("running", &status.running), ("recent", &status.recent)] {
        if !rows.is_empty() {
            print::line(&format!("  {what}:"))?;
            rows.iter().try_for_each(|row| print::line(&format!("    {}", line(row))))?;
        }
    }
    for id in &status.damaged {
        print::line(&format!("  damaged: {id}; airut session show {id} says why"))?;
    }
    if !status.deferred.is_empty() {
        print::line("  waiting for another attempt:")?;
    }
    for deferred in &status.deferred {
        let reason = deferred.reason.as_deref().map(|reason| format!(": {reason}")).unwrap_or_default();
        let until = deferred.until.strftime("%Y-%m-%d %H:%M:%SZ");
        print::line(&format!("    {} ({}), until {until}{reason}", deferred.name, deferred.stage))?;
    }
    Ok(())
}

/// What the sessions take; which ones, when it is more than they may.
fn room(storage: &Storage) -> Result<()> {
    let (bytes, max_bytes) = (Size(storage.bytes), Size(storage.max_bytes));
    print::line(&format!("  {bytes} on the disk when gc looked last; max_storage is {max_bytes}"))?;
    for large in storage.largest.iter().filter(|_| storage.bytes > storage.max_bytes) {
        let goes = large.goes_after.map(|time| {
            format!(", goes after {} unless somebody writes in it", time.strftime("%Y-%m-%d %H:%M:%SZ"))
        });
        print::line(&format!("    {}  {}{}", large.session, Size(large.bytes), goes.unwrap_or_default()))?;
    }
    Ok(())
}

/// A task in one line.
pub fn line(row: &Row) -> String {
    let time = |time: Option<Timestamp>| {
        time.map_or_else(|| "-".to_owned(), |time| time.strftime("%m-%d %H:%M").to_string())
    };
    let took = match (row.started_at, row.finished_at) {
        (Some(started), Some(finished)) => format!("{} s", finished.duration_since(started).as_secs()),
        (Some(started), None) => format!("{} s so far", Timestamp::now().duration_since(started).as_secs()),
        _ => "-".to_owned(),
    };
    let cost = row.cost_usd.map_or_else(|| "-".to_owned(), |cost| format!("${cost:.4}"));
    let turns = row.turns.map_or_else(|| "-".to_owned(), |turns| turns.to_string());
    let outcome = row.outcome.as_deref().unwrap_or(&row.state);
    format!(
        "{:<13} {:<12} {:<18} {:<8} {took:>8}  {cost:>8}  {turns:>3} turns  reply {}  {}  {}",
        row.task.to_string(),
        time(row.started_at),
        outcome,
        row.model,
        row.reply,
        row.senders.join(", "),
        plain(&row.subject),
    )
}

/// A text from a mail on one line, without what a terminal would obey.
pub fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(60).collect()
}

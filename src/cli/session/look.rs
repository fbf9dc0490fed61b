//! `airut session list|show|log`

use crate::base::fault::Fault;
use crate::base::id::SessionId;
use crate::cli::context::Context;
use crate::cli::exit::Exit;
use crate::cli::status::{line, plain};
use crate::cli::{Global, print};
use crate::disk::lock::Lock;
use crate::disk::repo::Repo;
use crate::disk::session::SessionDir;
use crate::format::session::Session;
use crate::step::status;
use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::time::Duration;

/// The sessions there are, the newest first
///
/// Examples:
///   airut session list
///   airut session list --all --json
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct ListArgs {
    /// All of them, not only the newest 20.
    #[arg(long)]
    all: bool,
}

/// One session with its tasks
///
/// Example:
///   airut session show 3fa9c1d2
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct ShowArgs {
    #[arg(value_name = "ID")]
    session: String,
}

/// What Claude Code said and did; --follow stays with a task that runs
///
/// Examples:
///   airut session log 3fa9c1d2
///   airut session log --follow 3fa9c1d2
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct LogArgs {
    #[arg(value_name = "ID")]
    session: String,
    /// Stay while the task runs, and print as it goes on.
    #[arg(long)]
    follow: bool,
    /// Which task; default the last.
    #[arg(long, value_name = "N")]
    task: Option<u32>,
}

pub fn list(global: &Global, args: &ListArgs) -> Result<Exit> {
    let context = Context::new(global)?;
    let count = if args.all { usize::MAX } else { 20 };
    let mut rows = Vec::new();
    for repo in &context.repos {
        for (id, session) in status::newest(repo, count)? {
            let row = status::last_row(repo, &id);
            if context.json {
                rows.push(json!({ "repo": repo.name.as_str(), "id": id, "session": session, "last": row }));
            } else {
                let text =
                    row.map_or_else(|| format!("{id}  (damaged, or without a task)"), |row| line(&row));
                print::line(&format!("{}:{text}", repo.name))?;
            }
        }
    }
    if context.json {
        print::json(&rows)?;
    }
    Ok(Exit::Done)
}

fn chosen(context: &Context, text: &str) -> Result<(Repo, Session)> {
    let selected = context.select::<SessionId, _>(&[text.to_owned()])?;
    let (repo, id) = selected
        .iter()
        .find_map(|(repo, ids)| Some((*repo, ids.as_ref()?.first()?)))
        .ok_or_else(|| Fault::usage("which session?"))?;
    let dir = SessionDir::new(&repo.layout, id);
    if !dir.exists() {
        let fault = Fault::failed(format!("there is no session {id} in {}", repo.name));
        return Err(fault.hint("airut session list shows those there are").into());
    }
    Ok((repo.clone(), dir.load()?))
}

pub fn show(global: &Global, args: &ShowArgs) -> Result<Exit> {
    let context = Context::new(global)?;
    let (repo, session) = chosen(&context, &args.session)?;
    let tasks = status::tasks(&repo, &session);
    if context.json {
        print::json(&json!({ "repo": repo.name.as_str(), "session": session, "tasks": tasks }))?;
        return Ok(Exit::Done);
    }
    print::line(&format!("{}:{}  {}", repo.name, session.id, plain(&session.subject)))?;
    print::line(&format!("  directory     {}", repo.layout.session(&session.id).display()))?;
    print::line(&format!("  model         {}", session.model))?;
    let participants: Vec<String> = session.participants.iter().map(ToString::to_string).collect();
    print::line(&format!("  participants  {}", participants.join(", ")))?;
    print::line(&format!(
        "  claude        {}",
        session.claude_session.as_deref().unwrap_or("(not yet begun)")
    ))?;
    for task in &tasks {
        if let Some(row) = status::row(&repo, &crate::disk::session::task_id(&session.id, task.number)) {
            print::line(&format!("  {}", line(&row)))?;
        }
        if let Some(failure) = &task.failure {
            print::line(&format!("      {}", plain(&failure.detail)))?;
        }
    }
    Ok(Exit::Done)
}

pub fn log(global: &Global, args: &LogArgs) -> Result<Exit> {
    let context = Context::new(global)?;
    let (repo, session) = chosen(&context, &args.session)?;
    let number = args.task.unwrap_or(session.tasks);
    let path = SessionDir::new(&repo.layout, &session.id).task_dir(number).join("events.jsonl");
    let file =
        File::open(&path).with_context(|| format!("task {number} has no events: {}", path.display()))?;
    let mut reader = BufReader::new(file);
    let mut text = Vec::new();
    loop {
        // Asked before reading: what came until then is read below, then it is over.
        let running = Lock::attempt(&repo.layout.run_lock(&session.id))?.is_none();
        while reader.read_until(b'\n', &mut text)? > 0 && text.ends_with(b"\n") {
            event(&context, &text)?;
            text.clear();
        }
        if !args.follow || !running {
            return Ok(Exit::Done);
        }
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// One event as a person reads it, or as it is.
fn event(context: &Context, bytes: &[u8]) -> Result<()> {
    if context.json {
        return print::raw(bytes);
    }
    let Ok(event) = serde_json::from_slice::<Value>(bytes) else {
        return print::line(&format!("?  {}", plain(&String::from_utf8_lossy(bytes))));
    };
    match event["type"].as_str() {
        Some("assistant") => {
            for block in event["message"]["content"].as_array().into_iter().flatten() {
                if let Some(text) = block["text"].as_str() {
                    print::line(&visible(text))?;
                } else if let Some(name) = block["name"].as_str() {
                    print::line(&format!("→ {name} {}", visible(&cut(&block["input"].to_string()))))?;
                }
            }
            Ok(())
        }
        Some("result") => print::line(&format!(
            "= {}, {} turns, ${}",
            if event["is_error"] == false { "done" } else { "failed" },
            event["num_turns"],
            event["total_cost_usd"]
        )),
        _ => Ok(()),
    }
}

fn cut(text: &str) -> String {
    text.chars().take(200).collect()
}

/// Without what a terminal would obey.
fn visible(text: &str) -> String {
    text.chars().filter(|c| !c.is_control() || *c == '\n' || *c == '\t').collect()
}

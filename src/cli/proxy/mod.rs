//! `airut proxy …`: the sandbox's proxy by hand.

use crate::base::fault::Fault;
use crate::base::id::SessionId;
use crate::cli::context::{Context, program, rustls_provider};
use crate::cli::exit::Exit;
use crate::cli::{Global, print};
use crate::disk::repo::Repo;
use crate::proxy::{process, serve};
use crate::step::proxy;
use anyhow::Result;
use clap::{Args, Subcommand};
use serde_json::json;

mod check;
mod log;

/// The sandbox's proxy: by hand, and what its allowlist lets through
#[derive(Subcommand)]
pub enum Command {
    /// Start the proxy of a session and leave it running
    ///
    /// Example:
    ///   airut proxy start 3fa9c1d2
    #[command(verbatim_doc_comment)]
    Start(One),
    /// End a proxy that was started by hand
    ///
    /// Example:
    ///   airut proxy stop 3fa9c1d2
    #[command(verbatim_doc_comment)]
    Stop(One),
    /// Whether a session has a proxy now; exits 1 when it has none
    ///
    /// Example:
    ///   airut proxy status 3fa9c1d2
    #[command(verbatim_doc_comment)]
    Status(One),
    Check(check::Args),
    Log(log::Args),
    /// Be the proxy process; reads its settings from standard input
    #[command(hide = true)]
    Serve,
}

#[derive(Args)]
pub struct One {
    #[arg(value_name = "ID")]
    session: String,
}

pub fn run(global: &Global, command: &Command) -> Result<Exit> {
    match command {
        Command::Start(one) => start(global, one),
        Command::Stop(one) => stop(global, one),
        Command::Status(one) => status(global, one),
        Command::Check(args) => check::run(global, args),
        Command::Log(args) => log::run(global, args),
        Command::Serve => {
            rustls_provider();
            serve::serve().map(|()| Exit::Done)
        }
    }
}

fn chosen(context: &Context, session: &str) -> Result<(Repo, SessionId)> {
    let selected = context.select::<SessionId, _>(&[session.to_owned()])?;
    let found = selected.into_iter().find_map(|(repo, ids)| Some((repo.clone(), ids?.into_iter().next()?)));
    found.ok_or_else(|| Fault::usage("which session?").into())
}

fn start(global: &Global, one: &One) -> Result<Exit> {
    let context = Context::new(global)?;
    let (repo, id) = chosen(&context, &one.session)?;
    let (running, runtime) = proxy::start(&repo, &id, program()?)?;
    let sandbox = process::sandbox(&runtime);
    if context.json {
        print::json(
            &json!({ "pid": running.pid, "directory": runtime, "podman": sandbox.podman, "init": sandbox.init }),
        )?;
    } else {
        print::line(&format!("{}:{id}  proxy running, process {}", repo.name, running.pid))?;
        print::line(&format!(
            "to put a container behind it: podman run {} IMAGE -- PROGRAM",
            sandbox.podman.join(" ")
        ))?;
        print::line(&format!("to end it: airut proxy stop {}:{id}", repo.name))?;
    }
    Ok(Exit::Done)
}

fn stop(global: &Global, one: &One) -> Result<Exit> {
    let context = Context::new(global)?;
    let (repo, id) = chosen(&context, &one.session)?;
    let found = proxy::stop(&repo, &id)?;
    context_line(&context, &repo, &id, if found { "proxy ended" } else { "no proxy was running" })?;
    Ok(Exit::Done)
}

fn status(global: &Global, one: &One) -> Result<Exit> {
    let context = Context::new(global)?;
    let (repo, id) = chosen(&context, &one.session)?;
    let running = proxy::status(&repo, &id)?;
    let text = running
        .as_ref()
        .map_or_else(|| "no proxy".to_owned(), |running| format!("proxy running, process {}", running.pid));
    context_line(&context, &repo, &id, &text)?;
    Ok(if running.is_some() { Exit::Done } else { Exit::Failed })
}

fn context_line(context: &Context, repo: &Repo, id: &SessionId, text: &str) -> Result<()> {
    if context.json {
        return print::json(&json!({ "repo": repo.name.as_str(), "session": id, "state": text }));
    }
    print::line(&format!("{}:{id}  {text}", repo.name))
}

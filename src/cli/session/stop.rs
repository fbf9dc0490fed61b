//! `airut session stop|rm`

use crate::base::fault::Fault;
use crate::base::id::SessionId;
use crate::cli::Global;
use crate::cli::context::Context;
use crate::cli::exit::Exit;
use crate::disk::session::SessionDir;
use crate::step::{gc, stop};
use anyhow::Result;

/// End the running task of a session; its sender hears of it
///
/// Example:
///   airut session stop 3fa9c1d2
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct StopArgs {
    /// Sessions to stop; '-' reads them from standard input.
    #[arg(value_name = "ID", required = true)]
    sessions: Vec<String>,
}

/// Remove a session that is not running, with what waits for it
///
/// Its directory goes to the trash and from there. A mail to it later opens a new one and says so.
///
/// Example:
///   airut session rm 3fa9c1d2
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct RmArgs {
    /// Sessions to remove.
    #[arg(value_name = "ID", required = true)]
    sessions: Vec<String>,
}

pub fn stop(global: &Global, args: &StopArgs) -> Result<Exit> {
    let context = Context::new(global)?;
    let mut report = crate::step::report::Report::default();
    for (repo, ids) in context.select::<SessionId, _>(&args.sessions)? {
        for id in ids.unwrap_or_default() {
            match stop::stop(repo, &id) {
                Ok(task) => report.moved(&repo.name, &task),
                Err(error) => report.trouble(&repo.name, &id, error),
            }
        }
    }
    context.finish(report)
}

pub fn rm(global: &Global, args: &RmArgs) -> Result<Exit> {
    let context = Context::new(global)?;
    let mut report = crate::step::report::Report::default();
    for (repo, ids) in context.select::<SessionId, _>(&args.sessions)? {
        for id in ids.unwrap_or_default() {
            if !SessionDir::new(&repo.layout, &id).exists() {
                report.trouble(&repo.name, &id, Fault::failed("there is no such session").into());
                continue;
            }
            match gc::remove(repo, &id) {
                Ok(true) => report.moved(&repo.name, &id),
                Ok(false) => report.trouble(
                    &repo.name,
                    &id,
                    Fault::try_later("a task of it is running").hint("airut session stop ends it").into(),
                ),
                Err(error) => report.trouble(&repo.name, &id, error),
            }
        }
    }
    context.finish(report)
}

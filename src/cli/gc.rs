//! `airut gc`

use crate::cli::Global;
use crate::cli::context::{Context, each};
use crate::cli::exit::Exit;
use crate::step::gc;
use crate::step::report::Trouble;
use anyhow::Result;

/// Clean up: what has had its time
///
/// Sessions without activity for session_max_age_days and the oldest above max_sessions (never one in use), rejected
/// mail, containers and proxies left over, unused images, the trash. Where the sessions take more than max_storage,
/// the people of the largest are told by mail, and a day later it goes, unless somebody wrote in it.
///
/// Examples:
///   airut gc --dry-run      say what would go, and leave it
///   airut gc
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// Say what would go, and leave it.
    #[arg(long)]
    dry_run: bool,
}

pub fn run(global: &Global, args: &Args) -> Result<Exit> {
    let context = Context::new(global)?;
    let options = gc::Options { dry_run: args.dry_run, talk: &context.talk };
    let repos: Vec<_> = context.repos.iter().map(|repo| (repo, ())).collect();
    let mut report = each(&repos, |repo, ()| gc::gc(repo, &options));
    if let Err(error) = gc::images(&context.global, &options) {
        report.troubles.push(Trouble { what: "images".to_owned(), error });
    }
    context.finish(report)
}

//! `airut run`

use crate::base::id::TaskId;
use crate::cli::Global;
use crate::cli::context::{Context, program};
use crate::cli::exit::Exit;
use crate::exec::interrupt::Interrupt;
use crate::step::run;
use anyhow::Result;
use std::time::Duration;

/// Work: queue/ready → queue/finished
///
/// Runs Claude Code in its sandbox for each task that is ready, at most max_concurrent at once over all processes, one
/// at a time in each session; picks up what becomes ready meanwhile, and ends when nothing is left. A task that was
/// cut off is continued. Prints NAME:ID.N for each that has an answer, also one that tells of a failure.
///
/// Examples:
///   airut run
///   airut run 3fa9c1d2.1
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// Tasks to run; '-' reads them from standard input.
    #[arg(value_name = "TASK")]
    tasks: Vec<String>,
}

pub fn run(global: &Global, args: &Args) -> Result<Exit> {
    let context = Context::new(global)?;
    let only = match context.select::<TaskId, _>(&args.tasks)? {
        _ if args.tasks.is_empty() => None,
        selected => Some(
            selected
                .into_iter()
                .flat_map(|(repo, tasks)| tasks.into_iter().flatten().map(|task| (repo.name.clone(), task)))
                .collect(),
        ),
    };
    let interrupt = Interrupt::listen()?;
    context.finish(work(&context, only, true, &interrupt)?)
}

/// Runs what is ready in the chosen repositories.
pub fn work(
    context: &Context,
    only: Option<Vec<(crate::base::id::RepoName, TaskId)>>,
    wait_for_others: bool,
    interrupt: &Interrupt,
) -> Result<crate::step::report::Report> {
    let options = run::Options {
        only,
        wait_for_others,
        max_concurrent: context.loaded.config.max_concurrent,
        shutdown_timeout: Duration::from_secs(context.loaded.config.shutdown_timeout),
        program: program()?,
        interrupt,
        talk: &context.talk,
    };
    run::run(&context.repos, &options)
}

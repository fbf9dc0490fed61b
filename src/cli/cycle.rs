//! `airut cycle`

use crate::cli::context::{Context, each};
use crate::cli::exit::Exit;
use crate::cli::{Global, run};
use crate::exec::interrupt::Interrupt;
use crate::step::open::Mode;
use crate::step::report::{Report, Trouble};
use crate::step::{authorize, fetch, open, reply};
use anyhow::Result;

/// One pass of all steps for all repositories: the line for cron
///
/// Fetches, authorizes, opens sessions, acknowledges, runs, replies. Safe to overlap with itself.
///
/// Example, in a crontab:
///   * * * * *  airut cycle
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {}

pub fn run(global: &Global, _: &Args) -> Result<Exit> {
    let context = Context::new(global)?;
    let interrupt = Interrupt::listen()?;
    let talk = &context.talk;
    let repos: Vec<_> = context.repos.iter().map(|repo| (repo, ())).collect();
    let mut all = Report::default();
    // A step that fails in one repository (its mail server is away, say) does not keep the next from what waits there.
    all.join(each(&repos, |repo, ()| fetch::fetch(repo, talk)));
    all.join(each(&repos, |repo, ()| authorize::authorize(repo, None, talk)));
    all.join(each(&repos, |repo, ()| open::open(repo, None, &Mode::Open, talk)));
    all.join(each(&repos, |repo, ()| reply::reply(repo, None, talk, &interrupt)));
    // What another process keeps from being run, that one or the next cycle runs: else a long task would gather a
    // waiting process every minute.
    match run::work(&context, None, false, &interrupt) {
        Ok(report) => all.join(report),
        Err(error) => all.troubles.push(Trouble { what: "run".to_owned(), error }),
    }
    all.join(each(&repos, |repo, ()| reply::reply(repo, None, talk, &interrupt)));
    context.finish(all)
}

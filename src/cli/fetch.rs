//! `airut fetch`

use crate::base::fault::Fault;
use crate::base::limits;
use crate::cli::context::{Context, each};
use crate::cli::exit::Exit;
use crate::cli::{Global, print};
use crate::exec::interrupt::Interrupt;
use crate::step::fetch;
use crate::step::report::Report;
use anyhow::{Context as _, Result};
use std::io::Read;

/// Take mail in: mailbox → queue/fetched
///
/// A mail leaves the mailbox only after it is safely on disk. Prints NAME:KEY for each.
///
/// Examples:
///   airut fetch                          look into every repository's mailbox once
///   airut fetch --watch                  stay connected and fetch as mail arrives (IMAP IDLE)
///   airut fetch --repo my-project --stdin < mail.eml
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// Stay on IMAP IDLE until stopped.
    #[arg(long)]
    watch: bool,
    /// Take one mail from standard input instead (procmail, sieve, an alias).
    #[arg(long, conflicts_with = "watch")]
    stdin: bool,
}

pub fn run(global: &Global, args: &Args) -> Result<Exit> {
    let context = Context::new(global)?;
    if args.stdin {
        return context.finish(fetch::take(context.one_repo()?, &piped()?)?);
    }
    let repos: Vec<_> = context.repos.iter().map(|repo| (repo, ())).collect();
    if !args.watch {
        return context.finish(each(&repos, |repo, ()| fetch::fetch(repo, &context.talk)));
    }
    let interrupt = Interrupt::listen()?;
    let report = each(&repos, |repo, ()| {
        fetch::watch(repo, &context.talk, &interrupt, |round| {
            // A reader that has gone is found out here and stops nothing.
            let _ = print::report(&round, context.json);
        })?;
        Ok(Report::default())
    });
    context.finish(report)
}

fn piped() -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let most = limits::MESSAGE_BYTES as u64 * 4;
    std::io::stdin()
        .lock()
        .take(most)
        .read_to_end(&mut bytes)
        .context("cannot read the mail from standard input")?;
    if bytes.is_empty() {
        return Err(Fault::usage("there is no mail on standard input").into());
    }
    Ok(bytes)
}

//! `airut reply`

use crate::base::fault::Fault;
use crate::base::id::TaskId;
use crate::cli::context::{Context, each};
use crate::cli::exit::Exit;
use crate::cli::{Global, print};
use crate::disk::queue::Ticket;
use crate::exec::interrupt::Interrupt;
use crate::step::reply;
use anyhow::Result;

/// Send what is finished: queue/finished → the sender's mailbox
///
/// Answers and acknowledgements go out by SMTP, a sendmail program or into a Maildir. One that cannot be sent now
/// waits in queue/deferred. Prints NAME:ID.N for each that was sent (with .ack for an acknowledgement).
///
/// Examples:
///   airut reply
///   airut reply --dry-run 3fa9c1d2.1     print the mail, send nothing
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// Tasks to answer; '-' reads them from standard input.
    #[arg(value_name = "TASK")]
    tasks: Vec<String>,
    /// Print the mail of one task, and send nothing.
    #[arg(long)]
    dry_run: bool,
}

pub fn run(global: &Global, args: &Args) -> Result<Exit> {
    let context = Context::new(global)?;
    // `NAME:ID.N.ack` is what an earlier `reply` printed; it names the task as well.
    let selected: Vec<_> = context
        .select::<Ticket, _>(&args.tasks)?
        .into_iter()
        .map(|(repo, tickets)| {
            let tasks =
                tickets.map(|tickets| tickets.into_iter().map(|ticket| ticket.task).collect::<Vec<TaskId>>());
            (repo, tasks)
        })
        .collect();
    if args.dry_run {
        let [(repo, Some(tasks))] = selected.as_slice() else {
            return Err(Fault::usage("--dry-run prints the mail of one task")
                .hint("airut reply --dry-run ID.N")
                .into());
        };
        for task in tasks {
            print::raw(&reply::dry_run(repo, task)?)?;
        }
        return Ok(Exit::Done);
    }
    let interrupt = Interrupt::listen()?;
    let report = each(&selected, |repo, only| reply::reply(repo, only.as_deref(), &context.talk, &interrupt));
    context.finish(report)
}

//! `airut authorize`

use crate::base::fault::Fault;
use crate::base::id::MessageKey;
use crate::base::limits;
use crate::cli::context::{Context, each};
use crate::cli::exit::Exit;
use crate::cli::{Global, print};
use crate::disk::repo::Repo;
use crate::disk::write;
use crate::format::verdict::{Decision, Passed, Verdict};
use crate::step::authorize;
use anyhow::Result;
use jiff::Timestamp;
use std::path::{Path, PathBuf};

/// Decide who gets in: queue/fetched → queue/authorized or queue/rejected
///
/// DMARC as the own mail server found it, then the allowlist, then whether a machine wrote. Nothing is sent to those
/// refused. Prints NAME:KEY for each that was accepted.
///
/// Examples:
///   airut authorize                           judge all that was fetched
///   airut authorize --explain mail.eml        what would become of this mail, and why; changes nothing
///
/// --explain exits 0 when the mail is accepted, 1 when it is refused, 75 when it has to be tried later.
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// Messages to judge; '-' reads them from standard input.
    #[arg(value_name = "MESSAGE")]
    messages: Vec<String>,
    /// Print each check with what it saw, and move nothing.
    #[arg(long, value_name = "FILE.eml", conflicts_with = "messages")]
    explain: Option<PathBuf>,
}

pub fn run(global: &Global, args: &Args) -> Result<Exit> {
    let context = Context::new(global)?;
    if let Some(file) = &args.explain {
        let (repo, bytes) = (context.one_repo()?, read_mail(file)?);
        let verdict = authorize::explain(repo, &bytes, Timestamp::now());
        if context.json {
            print::json(&verdict)?
        } else {
            explain(repo, &verdict)?
        }
        return Ok(match verdict.decision {
            Decision::Accepted => Exit::Done,
            Decision::Refused => Exit::Failed,
            Decision::TryLater => Exit::TryLater,
        });
    }
    let selected = context.select::<MessageKey, _>(&args.messages)?;
    context.finish(each(&selected, |repo, only| authorize::authorize(repo, only.as_deref(), &context.talk)))
}

/// A mail from a file of the operator's, `-` for standard input.
pub fn read_mail(file: &Path) -> Result<Vec<u8>> {
    let path = if file == Path::new("-") { Path::new("/dev/stdin") } else { file };
    let bytes = write::read(path, limits::MESSAGE_BYTES as u64)?;
    bytes.ok_or_else(|| Fault::usage(format!("there is no file {}", path.display())).into())
}

fn explain(repo: &Repo, verdict: &Verdict) -> Result<()> {
    for check in &verdict.checks {
        let mark = match check.passed {
            Passed::Passed => "ok     ",
            Passed::Failed => "FAILED ",
            Passed::Later => "later  ",
            Passed::Skipped => "skipped",
        };
        print::line(&format!(
            "{mark}  {:<24} saw: {}",
            check.name,
            if check.saw.is_empty() { "(nothing)" } else { &check.saw }
        ))?;
        if check.passed != Passed::Passed {
            print::line(&format!("{:34}wanted: {}", "", check.wanted))?;
        }
    }
    let from = verdict.from.as_ref().map_or_else(|| "nobody in particular".to_owned(), ToString::to_string);
    print::line(&match (verdict.decision, verdict.reason) {
        (Decision::Accepted, _) => format!("accepted: {from} may write to {}", repo.name),
        (Decision::TryLater, _) => {
            format!("later: the mail server could not tell yet whether this is from {from}")
        }
        (Decision::Refused, Some(reason)) => format!("refused: {reason}"),
        (Decision::Refused, None) => "refused".to_owned(),
    })
}

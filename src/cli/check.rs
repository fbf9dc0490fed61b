//! `airut check`

use crate::cli::context::{Context, program};
use crate::cli::exit::Exit;
use crate::cli::{Global, print};
use crate::step::check::{self, Finding};
use anyhow::Result;

/// Try everything that a run needs, and say how to mend what fails
///
/// The configuration, Podman, the proxy, and for each repository its storage, both ways of its mail, its remote and the
/// files in it. Takes no mail and sends none.
///
/// Examples:
///   airut check
///   airut check --repo my-project --json
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {}

pub fn run(global: &Global, _: &Args) -> Result<Exit> {
    let context = Context::new(global)?;
    let mut findings = check::machine(program()?);
    findings.extend(context.repos.iter().flat_map(check::repo));
    if context.json {
        print::json(&findings)?;
    } else {
        print::line(&format!("ok      configuration: {}", context.loaded.path.display()))?;
        findings.iter().try_for_each(show)?;
    }
    let broken = context.finish_quietly();
    Ok(if findings.iter().all(|finding| finding.ok) { broken } else { Exit::Failed })
}

fn show(finding: &Finding) -> Result<()> {
    let mark = if finding.ok { "ok    " } else { "FAILED" };
    print::line(&format!("{mark}  {}: {}: {}", finding.about, finding.what, finding.saw))?;
    if finding.ok { Ok(()) } else { print::line(&format!("        to mend it: {}", finding.mend)) }
}

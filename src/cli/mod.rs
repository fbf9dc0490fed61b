//! One file per verb: arguments to options, report to text or JSON. The only printer.

mod authorize;
mod check;
mod context;
mod cycle;
mod exit;
mod fetch;
mod gc;
mod init;
mod print;
mod proxy;
mod reference;
mod reply;
mod run;
mod session;
mod status;

use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;

/// Mail in, Claude Code in a sandbox, the answer back.
///
/// Every step is a command of its own; they meet on disk, in the repository's storage directory, so that each can be
/// run by hand, by a timer, or in a pipe:
///
///   airut fetch && airut authorize && airut session open && airut run && airut reply
///   airut fetch | airut authorize - | airut session open - | airut run - | airut reply -
///   airut cycle                 one pass of all steps, for cron
///
/// References on the command line are NAME:KEY for a message, NAME:ID for a session, NAME:ID.N for a task; NAME: may
/// be left out where only one repository is configured or chosen. '-' reads them from standard input; without any, a
/// step takes all that is waiting.
///
/// Exit codes: 0 done or nothing to do, 1 failed, 2 usage, 3 some failed and the others went on, 75 busy or the other
/// side is away: try again later, 78 the configuration is wrong.
#[derive(Parser)]
#[command(name = "airut", version, max_term_width = 100, verbatim_doc_comment)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

#[derive(Args)]
pub(crate) struct Global {
    /// The configuration; default $XDG_CONFIG_HOME/airut/airut.toml, then /etc/airut/airut.toml.
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Only this repository; may be given several times.
    #[arg(long, global = true, value_name = "NAME")]
    repo: Vec<String>,
    /// Results as JSON on standard output.
    #[arg(long, global = true)]
    json: bool,
    /// Say more on standard error.
    #[arg(short, long, global = true)]
    verbose: bool,
}

#[derive(Subcommand)]
enum Command {
    Fetch(fetch::Args),
    Authorize(authorize::Args),
    #[command(subcommand)]
    Session(session::Command),
    Run(run::Args),
    Reply(reply::Args),
    #[command(subcommand)]
    Proxy(proxy::Command),
    Gc(gc::Args),
    Cycle(cycle::Args),
    Status(status::Args),
    Check(check::Args),
    Init(init::Args),
}

/// Parses, dispatches, and turns what came of it into an exit code.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let global = &cli.global;
    let done = match &cli.command {
        Command::Fetch(args) => fetch::run(global, args),
        Command::Authorize(args) => authorize::run(global, args),
        Command::Session(command) => session::run(global, command),
        Command::Run(args) => run::run(global, args),
        Command::Reply(args) => reply::run(global, args),
        Command::Proxy(command) => proxy::run(global, command),
        Command::Gc(args) => gc::run(global, args),
        Command::Cycle(args) => cycle::run(global, args),
        Command::Status(args) => status::run(global, args),
        Command::Check(args) => check::run(global, args),
        Command::Init(args) => init::run(global, args),
    };
    exit::code(done)
}

//! `airut session …`

mod look;
mod open;
mod stop;

use crate::cli::Global;
use crate::cli::exit::Exit;
use anyhow::Result;
use clap::Subcommand;

/// Open, continue and look at sessions
#[derive(Subcommand)]
pub enum Command {
    Open(open::OpenArgs),
    New(open::NewArgs),
    Resume(open::ResumeArgs),
    List(look::ListArgs),
    Show(look::ShowArgs),
    Log(look::LogArgs),
    Stop(stop::StopArgs),
    Rm(stop::RmArgs),
}

pub fn run(global: &Global, command: &Command) -> Result<Exit> {
    match command {
        Command::Open(args) => open::open(global, args),
        Command::New(args) => open::new(global, args),
        Command::Resume(args) => open::resume(global, args),
        Command::List(args) => look::list(global, args),
        Command::Show(args) => look::show(global, args),
        Command::Log(args) => look::log(global, args),
        Command::Stop(args) => stop::stop(global, args),
        Command::Rm(args) => stop::rm(global, args),
    }
}

//! `airut init`

use crate::base::fault::Fault;
use crate::cli::context::program;
use crate::cli::exit::Exit;
use crate::cli::{Global, print};
use crate::disk::config::Places;
use crate::disk::write;
use anyhow::{Context, Result};
use std::path::Path;

const EXAMPLE: &str = include_str!("../../examples/airut.toml");

/// The units, with the program's path as they are shipped.
const UNITS: [(&str, &str); 11] = [
    ("airut-fetch@.service", include_str!("../../systemd/airut-fetch@.service")),
    ("airut-fetch@.timer", include_str!("../../systemd/airut-fetch@.timer")),
    ("airut-watch@.service", include_str!("../../systemd/airut-watch@.service")),
    ("airut-open@.path", include_str!("../../systemd/airut-open@.path")),
    ("airut-open@.service", include_str!("../../systemd/airut-open@.service")),
    ("airut-run@.path", include_str!("../../systemd/airut-run@.path")),
    ("airut-run@.service", include_str!("../../systemd/airut-run@.service")),
    ("airut-reply@.path", include_str!("../../systemd/airut-reply@.path")),
    ("airut-reply@.service", include_str!("../../systemd/airut-reply@.service")),
    ("airut-gc.service", include_str!("../../systemd/airut-gc.service")),
    ("airut-gc.timer", include_str!("../../systemd/airut-gc.timer")),
];
const INSTALLED: &str = "/usr/local/bin/airut";

/// Write a commented configuration and, with --systemd, the user units
///
/// Never writes over what is there.
///
/// Examples:
///   airut init
///   airut init --systemd && systemctl --user enable --now airut-fetch@my-project.timer \
///       airut-run@my-project.path airut-reply@my-project.path airut-gc.timer
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// Also the units, into $XDG_CONFIG_HOME/systemd/user.
    #[arg(long)]
    systemd: bool,
}

pub fn run(global: &Global, args: &Args) -> Result<Exit> {
    let home = Places::of_this_process()
        .config_home
        .ok_or_else(|| Fault::usage("neither HOME nor XDG_CONFIG_HOME is set"))?;
    let config = global.config.clone().unwrap_or_else(|| home.join("airut/airut.toml"));
    let mut files = vec![(config, EXAMPLE.to_owned())];
    if args.systemd {
        let program = program()?.display().to_string();
        let dir = home.join("systemd/user");
        files.extend(UNITS.iter().map(|(name, text)| (dir.join(name), text.replace(INSTALLED, &program))));
    }
    for (path, text) in files {
        put(&path, &text)?;
    }
    print::warning("the configuration is an example: fill it in, then try it with: airut check");
    Ok(Exit::Done)
}

fn put(path: &Path, text: &str) -> Result<()> {
    let dir = path.parent().context("the file has no directory")?;
    write::create_dir(dir)?;
    let verb = if write::create_new(dir, path, text.as_bytes())? { "wrote" } else { "left as it is:" };
    print::line(&format!("{verb} {}", path.display()))
}

//! `airut proxy log`

use crate::base::fault::Fault;
use crate::cli::context::Context;
use crate::cli::exit::Exit;
use crate::cli::proxy::chosen;
use crate::cli::{Global, print};
use crate::disk::layout::runtime_dir;
use crate::disk::lock::Lock;
use crate::disk::session::SessionDir;
use crate::format::network_log;
use crate::proxy::process;
use anyhow::Result;
use serde_json::{Value, json};
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::time::Duration;

/// What a session asked of the network
///
/// The file is network-sandbox.log in the session's directory; this prints it, with --json each line as an object on
/// a line of its own: "kind" is request, dns or note.
///
/// Examples:
///   airut proxy log 3fa9c1d2
///   airut proxy log --follow --json 3fa9c1d2 | jq 'select(.verdict == "blocked") | .url'
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    #[arg(value_name = "ID")]
    session: String,
    /// Stay while a task runs or a proxy was started by hand, and print as it goes on.
    #[arg(long)]
    follow: bool,
}

pub fn run(global: &Global, args: &Args) -> Result<Exit> {
    let context = Context::new(global)?;
    let (repo, id) = chosen(&context, &args.session)?;
    let path = SessionDir::new(&repo.layout, &id).file("network-sandbox.log");
    let mut reader: Option<BufReader<File>> = None;
    let mut text = Vec::new();
    loop {
        // Asked before reading: what came until then is read below, then it is over.
        let goes_on = args.follow
            && (Lock::attempt(&repo.layout.run_lock(&id))?.is_none()
                || process::status(&runtime_dir(&repo.name, &id)?).is_some());
        if reader.is_none() {
            reader = File::open(&path).ok().map(BufReader::new);
        }
        if let Some(reader) = &mut reader {
            while reader.read_until(b'\n', &mut text)? > 0 && text.ends_with(b"\n") {
                line(context.json, String::from_utf8_lossy(&text).trim_end())?;
                text.clear();
            }
        }
        if !goes_on {
            break;
        }
        std::thread::sleep(Duration::from_millis(200));
    }
    match reader {
        Some(_) => Ok(Exit::Done),
        None => Err(Fault::failed(format!("session {id} has no network log: {}", path.display())).into()),
    }
}

fn line(as_json: bool, text: &str) -> Result<()> {
    if !as_json {
        return print::line(&text.replace(char::is_control, " "));
    }
    let object = match network_log::read(text) {
        Some((time, line)) => {
            let mut object = serde_json::to_value(&line)?;
            if let Value::Object(fields) = &mut object {
                fields.insert("time".to_owned(), json!(time));
            }
            object
        }
        None => json!({ "kind": "unknown", "text": text }),
    };
    print::line(&object.to_string())
}

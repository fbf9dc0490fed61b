//! `airut proxy check`

use crate::base::fault::Fault;
use crate::base::limits;
use crate::cli::exit::Exit;
use crate::cli::{Global, print};
use crate::disk::write;
use crate::format::allowlist::{self, Allowlist};
use crate::format::network_log::{self, Line};
use crate::rule::allow::{Decision, decide, warnings};
use crate::rule::learn::{learn, yaml};
use crate::rule::request::Request;
use anyhow::{Context as _, Result};
use serde_json::json;
use std::path::{Path, PathBuf};

/// Whether an allowlist lets a request through, and which line decides; or what it lacked, by a session's log
///
/// Exits 0 allowed, 1 blocked. Warns of rules that say more than they seem to. With --log, prints the smallest
/// addition to the allowlist that would have let the log's blocked requests through, and exits 0.
///
/// Examples:
///   airut proxy check https://api.github.com/repos/you/your-repo
///   airut proxy check --allowlist other.yaml POST https://example.com/upload
///   airut proxy check --log network-sandbox.log
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// The allowlist.
    #[arg(long, value_name = "FILE", default_value = ".airut/network-allowlist.yaml")]
    allowlist: PathBuf,
    /// A session's network-sandbox.log to learn from.
    #[arg(long, value_name = "FILE", conflicts_with = "request")]
    log: Option<PathBuf>,
    /// The request: a URL, or a method and a URL.
    #[arg(value_name = "[METHOD] URL", num_args = 1..=2, required_unless_present = "log")]
    request: Vec<String>,
}

pub fn run(global: &Global, args: &Args) -> Result<Exit> {
    let allowlist = read(&args.allowlist)?;
    let file = args.allowlist.display();
    for warning in warnings(&allowlist) {
        print::warning(&format!("{file}: {warning}"));
    }
    if let Some(log) = &args.log {
        return needed(global, &allowlist, args, log);
    }
    let (method, url) = match args.request.as_slice() {
        [method, url] => (method.to_uppercase(), url.as_str()),
        [url] => ("GET".to_owned(), url.as_str()),
        _ => return Err(Fault::usage("which URL?").into()),
    };
    let (allowed, what, why) = match Request::from_url(&method, url) {
        Err(refused) => (false, format!("{method} {url}"), refused.to_string()),
        Ok(request) => {
            let what = format!("{} {}", request.method(), request.url());
            match decide(&allowlist, &request) {
                Decision::Allowed(rule) => (true, what, rule.to_string()),
                Decision::Blocked(reason) => (false, what, reason.to_string()),
            }
        }
    };
    if global.json {
        print::json(
            &json!({ "allowed": allowed, "request": what, "allowlist": args.allowlist, "why": why }),
        )?;
    } else {
        print::line(&format!("{}: {what}: {file}, {why}", if allowed { "allowed" } else { "blocked" }))?;
    }
    Ok(if allowed { Exit::Done } else { Exit::Failed })
}

fn needed(global: &Global, allowlist: &Allowlist, args: &Args, log: &Path) -> Result<Exit> {
    let bytes = write::read(log, limits::NETWORK_LOG_BYTES + (1 << 20))?
        .ok_or_else(|| Fault::failed(format!("there is no log {}", log.display())))?;
    let text = String::from_utf8_lossy(&bytes);
    let mut entries = Vec::new();
    for line in text.lines() {
        match network_log::read(line) {
            Some((_, Line::Request(entry))) => entries.push(entry),
            Some(_) => {}
            None => print::warning(&format!("{}: a line that is none of this log's: {line}", log.display())),
        }
    }
    let learned = learn(allowlist, &entries);
    if learned.hopeless > 0 {
        print::warning(&format!("{} blocked requests are such as no rule lets through", learned.hopeless));
    }
    if global.json {
        print::json(&json!({ "additions": learned.additions, "hopeless": learned.hopeless }))?;
    } else if learned.additions.is_empty() {
        print::line(&format!("# {} lets through all that can be", args.allowlist.display()))?;
    } else {
        print::raw(yaml(&learned.additions).as_bytes())?;
    }
    Ok(Exit::Done)
}

fn read(path: &Path) -> Result<Allowlist> {
    let bytes = write::read(path, limits::REPOSITORY_FILE_BYTES as u64)?.ok_or_else(|| {
        Fault::config(format!("there is no allowlist {}", path.display()))
            .hint("name one with --allowlist FILE")
    })?;
    let text = String::from_utf8(bytes).with_context(|| format!("{} is not UTF-8 text", path.display()))?;
    allowlist::parse(&text).map_err(|error| Fault::config(format!("{}: {error:#}", path.display())).into())
}

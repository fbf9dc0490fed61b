//! `airut session open|new|resume`

use crate::base::address::Address;
use crate::base::fault::Fault;
use crate::base::id::{MessageKey, SessionId};
use crate::cli::authorize::read_mail;
use crate::cli::context::{Context, each};
use crate::cli::exit::Exit;
use crate::cli::{Global, print};
use crate::disk::repo::Repo;
use crate::format::verdict::Decision;
use crate::mail::compose;
use crate::step::open::{self, Mode, Plan};
use crate::step::{authorize, open as step};
use anyhow::{Context as _, Result};
use jiff::Timestamp;
use serde_json::json;
use std::path::PathBuf;

/// Open or continue, whichever the headers say: queue/authorized → queue/ready
///
/// A message goes to the session that its In-Reply-To, References or subject name, if its sender takes part in it; else
/// to a new one. Makes the workspace, puts attachments into inbox/ and writes the prompt. Prints NAME:ID.N for each.
///
/// Examples:
///   airut session open
///   airut session open --dry-run mail.eml     which session, model, prompt and attachments; changes nothing
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct OpenArgs {
    /// Messages to open; '-' reads them from standard input.
    #[arg(value_name = "MESSAGE")]
    messages: Vec<String>,
    /// Print as JSON what would become of this mail.
    #[arg(long, value_name = "FILE.eml", conflicts_with = "messages")]
    dry_run: Option<PathBuf>,
}

/// Open a new session for a message, or for a request by hand
///
/// Examples:
///   airut session new 0123456789abcdef0123456789abcdef
///   airut session new --prompt-file task.txt --subject "Nightly report" --to you@example.com
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct NewArgs {
    /// Messages that get a new session whatever their headers say.
    #[arg(value_name = "MESSAGE")]
    messages: Vec<String>,
    /// A request by hand, in a file; '-' is standard input.
    #[arg(long, value_name = "FILE", conflicts_with = "messages", requires = "to")]
    prompt_file: Option<PathBuf>,
    /// The subject of the answer.
    #[arg(long, default_value = "A request by hand")]
    subject: String,
    /// Who gets the answer.
    #[arg(long, value_name = "ADDRESS")]
    to: Option<Address>,
}

/// Continue a session that exists
///
/// Examples:
///   airut session resume                        all messages whose headers name a session
///   airut session resume --session 3fa9c1d2 0123456789abcdef0123456789abcdef
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct ResumeArgs {
    /// Messages to go on with; '-' reads them from standard input.
    #[arg(value_name = "MESSAGE")]
    messages: Vec<String>,
    /// The session to continue, whatever the headers say.
    #[arg(long, value_name = "ID", requires = "messages")]
    session: Option<SessionId>,
}

pub fn open(global: &Global, args: &OpenArgs) -> Result<Exit> {
    let context = Context::new(global)?;
    let Some(file) = &args.dry_run else { return place(&context, &args.messages, &Mode::Open) };
    let (repo, bytes) = (context.one_repo()?, read_mail(file)?);
    let verdict = authorize::explain(repo, &bytes, Timestamp::now());
    let Some(from) = verdict.from.clone() else {
        return Err(Fault::failed("the mail has no sender that can be read")
            .hint("airut authorize --explain says why")
            .into());
    };
    let plan = step::dry_run(repo, &bytes, from, &Mode::Open)?;
    print::json(&planned(repo, &plan, verdict.decision))?;
    Ok(Exit::Done)
}

fn planned(repo: &Repo, plan: &Plan, decision: Decision) -> serde_json::Value {
    json!({
        "repo": repo.name.as_str(),
        "accepted": decision == Decision::Accepted,
        "session": plan.session_id(),
        "new": plan.is_new(),
        "from": plan.from,
        "subject": plan.mail.subject,
        "model": plan.model_or_default(repo),
        "prompt": plan.prompt(repo),
        "attachments": plan.mail.attachments.iter().map(|attachment| json!({
            "name": attachment.name,
            "type": attachment.content_type,
            "bytes": attachment.bytes.len(),
        })).collect::<Vec<_>>(),
        "participants": plan.participants,
        "notes": plan.notes,
        "refusal": plan.refusal.as_ref().map(|(_, why)| why),
    })
}

pub fn new(global: &Global, args: &NewArgs) -> Result<Exit> {
    let context = Context::new(global)?;
    let (Some(file), Some(to)) = (&args.prompt_file, &args.to) else {
        if args.messages.is_empty() {
            return Err(Fault::usage("which message?")
                .hint("name messages, or give --prompt-file FILE --to ADDRESS")
                .into());
        }
        return place(&context, &args.messages, &Mode::New);
    };
    let repo = context.one_repo()?;
    let text = String::from_utf8(read_mail(file)?).context("the prompt is not UTF-8 text")?;
    let own = &repo.config.mail.from.address;
    let id =
        format!("<by-hand.{}.{}@{}>", Timestamp::now().as_nanosecond(), std::process::id(), own.domain());
    let bytes = compose::request(to, own, &id, &args.subject, &text)?;
    let key = open::accept_by_hand(repo, &bytes, to.clone())?;
    context.finish(step::open(repo, Some(&[key]), &Mode::New, &context.talk)?)
}

pub fn resume(global: &Global, args: &ResumeArgs) -> Result<Exit> {
    place(&Context::new(global)?, &args.messages, &Mode::Resume(args.session.clone()))
}

fn place(context: &Context, messages: &[String], mode: &Mode) -> Result<Exit> {
    let (selected, talk) = (context.select::<MessageKey, _>(messages)?, context.talk);
    context.finish(each(&selected, |repo, only| step::open(repo, only.as_deref(), mode, &talk)))
}

//! What a message asks for: which session, which model, which prompt. Reads; changes nothing.

use crate::base::address::Address;
use crate::base::fault::Fault;
use crate::base::id::{MessageKey, Model, SessionId};
use crate::disk::queue::identity;
use crate::disk::repo::Repo;
use crate::disk::session::{SessionDir, is_no_damage};
use crate::format::config::SessionAccess;
use crate::format::headers::Headers;
use crate::format::session::Session;
use crate::format::task::Reason;
use crate::mail::headers;
use crate::mail::notice::Notice;
use crate::mail::parse::{self, Mail};
use crate::mail::prompt::{self, Msg, PromptInput};
use crate::rule::command::Command;
use crate::rule::route::{self, Route};
use crate::step::open::Mode;
use crate::step::open::command::FirstLine;
use crate::tool::source::Source;
use anyhow::Result;
use jiff::Timestamp;
use std::collections::BTreeSet;

/// Where a message goes.
#[derive(Debug, Clone)]
pub enum Target {
    New(SessionId),
    Resume(Box<Session>),
}

/// All that is to be made of one message.
#[derive(Debug)]
pub struct Plan {
    pub target: Target,
    pub from: Address,
    /// As the address asks for it; none: the repository's default, or the session's.
    pub model: Option<Model>,
    pub mail: Mail,
    /// The names its attachments get in `inbox/`, where those are free.
    pub attachments: Vec<String>,
    pub participants: BTreeSet<Address>,
    /// The sessions that its headers name, there or not.
    pub named: Vec<SessionId>,
    /// What the sender is to be told.
    pub notes: Vec<String>,
    /// The session's model from now on, where the mail changes it.
    pub model_change: Option<Model>,
    /// What airut answers itself.
    pub command: Option<Command>,
    /// Why there is nothing to run, if so.
    pub refusal: Option<(Reason, String)>,
    pub received_at: Timestamp,
}

impl Plan {
    #[must_use]
    pub fn session_id(&self) -> &SessionId {
        match &self.target {
            Target::New(id) => id,
            Target::Resume(session) => &session.id,
        }
    }

    #[must_use]
    pub fn is_new(&self) -> bool {
        matches!(self.target, Target::New(_))
    }

    /// The session's model, or the one a new session would get as far as the mirror says now.
    #[must_use]
    pub fn model_or_default(&self, repo: &Repo) -> Model {
        match (&self.target, &self.model) {
            (Target::Resume(session), _) => session.model.clone(),
            (Target::New(_), Some(model)) => model.clone(),
            (Target::New(_), None) => {
                Source::as_it_is(repo).configuration().unwrap_or_default().default_model
            }
        }
    }

    /// The prompt for this message alone.
    #[must_use]
    pub fn prompt(&self, repo: &Repo) -> String {
        let first = match &self.target {
            Target::New(_) => true,
            Target::Resume(session) => session.claude_session.is_none(),
        };
        prompt_of(repo, first, &[(&self.mail, &self.from, self.received_at, &self.attachments)])
    }
}

/// The prompt for one or several messages of a task; `first` while Claude has no memory of the conversation.
#[must_use]
pub fn prompt_of(
    repo: &Repo,
    first: bool,
    messages: &[(&Mail, &Address, Timestamp, &Vec<String>)],
) -> String {
    let messages: Vec<Msg> = messages
        .iter()
        .enumerate()
        .map(|(at, (mail, from, received_at, attachments))| Msg {
            from,
            date: *received_at,
            // A conversation from before is known from what the mail quotes, and from nothing else.
            text: if first && at == 0 && mail.is_reply() { &mail.full_text } else { &mail.request },
            attachments,
            mail,
        })
        .collect();
    let address = &repo.config.mail.from.address;
    prompt::prompt(&PromptInput { repo: repo.name.as_str(), address, first, messages: &messages, notes: &[] })
}

/// Decides; the sender `from` has been authenticated and authorized.
pub fn plan(
    repo: &Repo,
    key: &MessageKey,
    bytes: &[u8],
    from: Address,
    mode: &Mode,
    now: Timestamp,
) -> Result<Plan> {
    let headers = headers::headers(bytes)?;
    let (mut mail, unreadable) = match parse::read(bytes) {
        Ok(mail) => (mail, None),
        Err(error) => (Mail::default(), Some((Reason::Unreadable, format!("{error:#}")))),
    };
    let mut notes = Vec::new();
    let (mut target, named) = target(repo, key, &headers, &mail.subject, &from, mode, &mut notes)?;
    let is_reply = matches!(target, Target::Resume(_));
    let first_line = FirstLine::take(&mut mail.request, is_reply);
    // It stands there too.
    FirstLine::take(&mut mail.full_text, is_reply);
    if first_line.begins_anew && *mode == Mode::Open {
        notes.clear();
        target = Target::New(new_id(repo, key)?);
    }
    let is_new = matches!(target, Target::New(_));
    notes.extend(first_line.note(is_new));
    let (model, model_change) = match first_line.model {
        Some(model) if is_new => (Some(model), None),
        Some(model) => (None, Some(model)),
        None => (model(repo, &mail, &target, &mut notes), None),
    };
    let command = first_line.command;
    let refusal = unreadable.or_else(|| refusal(&headers, &mail, is_new)).filter(|_| command.is_none());
    if !mail.left_out.is_empty() {
        let (names, more) = (mail.left_out.names.clone(), mail.left_out.more);
        notes.push(Notice::NotTaken { names, more }.to_string());
    }
    let own = repo.config.mail.from.address.untagged();
    let mut participants: BTreeSet<Address> = [from.clone()].into();
    let addressed = mail.to.iter().chain(&mail.cc).filter(|address| address.untagged() != own);
    let authorized =
        |address: &&Address| repo.config.authorized_senders.iter().any(|pattern| pattern.matches(address));
    participants.extend(addressed.filter(authorized).cloned());
    Ok(Plan {
        target,
        from,
        model,
        attachments: mail.attachments.iter().map(|attachment| attachment.name.clone()).collect(),
        mail,
        participants,
        named,
        notes,
        model_change,
        command,
        refusal,
        received_at: now,
    })
}

fn target(
    repo: &Repo,
    key: &MessageKey,
    headers: &Headers,
    subject: &str,
    from: &Address,
    mode: &Mode,
    notes: &mut Vec<String>,
) -> Result<(Target, Vec<SessionId>)> {
    let route = match mode {
        Mode::New => Route::default(),
        Mode::Resume(Some(id)) => Route { candidates: vec![id.clone()], ..Route::default() },
        Mode::Open | Mode::Resume(None) => {
            route::route(headers, subject, repo.config.mail.from.address.domain())
        }
    };
    let by_hand = matches!(mode, Mode::Resume(Some(_)));
    let mut why = None;
    for id in &route.candidates {
        match SessionDir::new(&repo.layout, id).load() {
            Ok(session) if by_hand || may_continue(repo, &session, from) => {
                return Ok((Target::Resume(session.into()), route.candidates));
            }
            Ok(_) => why = why.or_else(|| Some(Notice::NotAParticipant { old: id.clone() })),
            Err(error) if is_no_damage(&error) => return Err(error),
            Err(_) => why = why.or_else(|| Some(Notice::SessionGone { old: id.clone() })),
        }
    }
    if let Mode::Resume(_) = mode {
        let fault = Fault::failed("no session that this message may continue");
        return Err(fault
            .hint("airut session open makes a new one; airut session list shows those there are")
            .into());
    }
    notes.extend(why.map(|notice| notice.to_string()));
    Ok((Target::New(new_id(repo, key)?), route.candidates))
}

fn may_continue(repo: &Repo, session: &Session, from: &Address) -> bool {
    repo.config.session_access == SessionAccess::Authorized || session.participants.contains(from)
}

/// The ID of a message's own session follows from its key, so that a second try after a crash finds the first one's.
fn new_id(repo: &Repo, key: &MessageKey) -> Result<SessionId> {
    for salt in 0_u32..1000 {
        let hash = identity("session", &salt.to_string(), key.as_str().as_bytes());
        let id: SessionId = hash.as_str()[..8].parse()?;
        let dir = SessionDir::new(&repo.layout, &id);
        match dir.load() {
            _ if !dir.exists() => return Ok(id),
            Ok(session) if session.opened_by.as_ref() == Some(key) => return Ok(id),
            Err(error) if is_no_damage(&error) => return Err(error),
            _ => {}
        }
    }
    Err(Fault::failed("no session ID is free").into())
}

fn model(repo: &Repo, mail: &Mail, target: &Target, notes: &mut Vec<String>) -> Option<Model> {
    let asked = route::model_tag(&mail.recipients(), &repo.config.mail.from.address)?;
    match (asked, target) {
        (Ok(model), Target::New(_)) if is_known(&model) => return Some(model),
        (Ok(asked), Target::New(_)) => {
            notes.push(Notice::UnknownModel { asked: asked.to_string() }.to_string())
        }
        (Ok(asked), Target::Resume(session)) if asked == session.model => {}
        (Ok(asked), Target::Resume(session)) => {
            notes.push(Notice::ModelIgnored { asked, used: session.model.clone() }.to_string());
        }
        (Err(error), _) => notes.push(Notice::UnknownModel { asked: error.to_string() }.to_string()),
    }
    None
}

/// What has to be said about a mail that joins others and cannot be taken as they are.
#[must_use]
pub fn told(refusal: &(Reason, String)) -> Option<String> {
    match refusal {
        (Reason::TooLarge, size) => {
            Some(Notice::TooLarge { bytes: size.parse().unwrap_or_default() }.to_string())
        }
        (Reason::Unreadable, _) => Some(Notice::Unreadable.to_string()),
        (Reason::Encrypted, _) => Some(Notice::Encrypted.to_string()),
        _ => None,
    }
}

/// Claude Code's own short names, and full names of Claude models, which only the API knows.
pub fn is_known(model: &Model) -> bool {
    matches!(model.as_str(), "opus" | "sonnet" | "haiku" | "opusplan")
        || model.as_str().starts_with("claude-")
}

fn refusal(header: &Headers, mail: &Mail, is_new: bool) -> Option<(Reason, String)> {
    if let Some(size) = header.first(headers::OVERSIZE) {
        return Some((Reason::TooLarge, size.to_owned()));
    }
    if mail.is_sealed() {
        return Some((Reason::Encrypted, "all of the mail is encrypted".to_owned()));
    }
    if header.first(headers::UNFETCHED).is_some() {
        return Some((Reason::Unreadable, "the mail server does not give the whole of it".to_owned()));
    }
    // The subject of a reply asks for nothing; that of a first mail may be all there is.
    let asks = !mail.request.trim().is_empty()
        || !mail.attachments.is_empty()
        || (is_new && !mail.subject.trim().is_empty());
    (!asks).then(|| (Reason::EmptyRequest, "the mail has neither text nor attachments".to_owned()))
}

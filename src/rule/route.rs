//! Which session a message belongs to, and which model its address asks for. Only names what the headers
//! say: whether such a session exists, and whether this sender may continue it, is decided elsewhere.

use crate::base::address::Address;
use crate::base::id::{Model, NotAName, SessionId};
use crate::base::limits;
use crate::format::headers::Headers;

/// The sessions a message's headers name, the one to try first first; none: a new session.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Route {
    pub candidates: Vec<SessionId>,
    /// Where the first candidate was found.
    pub source: Source,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Source {
    InReplyTo,
    References,
    Subject,
    /// Nothing names a session.
    #[default]
    New,
}

/// `In-Reply-To`, then `References` newest first, for Message-IDs that airut gave at `own_domain`; then the
/// `[ID:xxxxxxxx]` tags of the decoded `subject`.
#[must_use]
pub fn route(headers: &Headers, subject: &str, own_domain: &str) -> Route {
    let mut route = Route::default();
    for value in headers.all("In-Reply-To") {
        route.add(own_ids(value, own_domain), Source::InReplyTo);
    }
    for value in headers.all("References") {
        let mut ids = own_ids(value, own_domain);
        ids.reverse();
        route.add(ids, Source::References);
    }
    route.add(tags(subject), Source::Subject);
    route
}

impl Route {
    fn add(&mut self, ids: Vec<SessionId>, source: Source) {
        for id in ids {
            if self.candidates.len() < limits::ROUTE_COUNT && !self.candidates.contains(&id) {
                if self.candidates.is_empty() {
                    self.source = source;
                }
                self.candidates.push(id);
            }
        }
    }
}

/// The sessions of the Message-IDs `<airut.ID.…@own_domain>` in a header value, in the order written. Whatever
/// else stands there is passed over: clients write all kinds of things into these headers.
#[must_use]
pub fn own_ids(value: &str, own_domain: &str) -> Vec<SessionId> {
    value.split('<').skip(1).filter_map(|rest| own_id(rest, own_domain)).collect()
}

/// Whether a Message-ID is one that airut gave at `own_domain`, of whatever mail.
#[must_use]
pub fn is_own(value: &str, own_domain: &str) -> bool {
    let is_own = |id: &str| {
        let (local, domain) = id.split_once('>')?.0.trim().split_once('@')?;
        Some(local.starts_with("airut.") && domain.eq_ignore_ascii_case(own_domain))
    };
    value.split('<').skip(1).any(|id| is_own(id).unwrap_or_default())
}

fn own_id(rest: &str, own_domain: &str) -> Option<SessionId> {
    let (id, _) = rest.split_once('>')?;
    let (local, domain) = id.trim().split_once('@')?;
    let (session, _) = local.strip_prefix("airut.")?.split_once('.')?;
    if domain.eq_ignore_ascii_case(own_domain) { session.parse().ok() } else { None }
}

/// The `[ID:xxxxxxxx]` tags of a decoded subject, in order, in either case.
#[must_use]
pub fn tags(subject: &str) -> Vec<SessionId> {
    let tag = |rest: &str| {
        let (start, rest) = (rest.get(..3)?, rest.get(3..12)?);
        let id = rest.strip_suffix(']')?;
        start.eq_ignore_ascii_case("ID:").then(|| id.to_ascii_lowercase().parse().ok())?
    };
    subject.split('[').skip(1).filter_map(tag).collect()
}

/// The model that one of the recipients names, `local+model@domain` for the own address `local@domain`; the
/// first of them counts. An error says why it is no model.
#[must_use]
pub fn model_tag(recipients: &[Address], own: &Address) -> Option<Result<Model, NotAName>> {
    recipients.iter().find_map(|recipient| {
        if recipient.domain() != own.domain() {
            return None;
        }
        let tag = recipient.local().strip_prefix(own.local())?.strip_prefix('+')?;
        (!tag.is_empty()).then(|| tag.parse())
    })
}

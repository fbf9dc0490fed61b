//! How the mail server of a repository writes what it found out about a mail: under which name, in how many headers,
//! and where. By default as RFC 8601 has it; a large provider that does otherwise has its own entry here, with the
//! reason. In doubt an entry takes too little: mail that does not look as described is refused.

use crate::format::config::{Provider, Repo};
use crate::format::headers::{Header, Headers};
use crate::rule::authres::{self, AuthRes};

/// What a genuine stamp looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp<'a> {
    /// What the operator set, for people to read.
    pub set: Set<'a>,
    pub id: Id<'a>,
    pub spread: Spread,
    /// The result says whose domain was checked, always: without, it is refused.
    pub names_domain: bool,
    /// Below the domain of the hosts that take mail in for this server: the stamp stands above what the first of them
    /// wrote, where no sender can put anything.
    pub edge: Option<&'a str>,
}

/// By which key of the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Set<'a> {
    Id(&'a str),
    Provider(Provider),
}

/// The authserv-id (RFC 8601 section 2.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Id<'a> {
    Named(&'a str),
    /// Any host below this domain: each server of a large provider writes its own name.
    Below(&'a str),
    /// There is none, against the RFC.
    Absent,
}

/// Over how many headers the results are spread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spread {
    /// Only the topmost counts.
    Topmost,
    /// All from the topmost to the next `Received`, which is where the part ends that this server wrote; all by one id.
    Hop,
}

/// Gmail and Google Workspace write one header, always by this name, with `header.from`, right above what the sender
/// wrote. What ARC or an inbound gateway says besides is not looked at.
const GOOGLE: Stamp<'static> = Stamp {
    set: Set::Provider(Provider::Google),
    id: Id::Named("mx.google.com"),
    spread: Spread::Topmost,
    names_domain: true,
    edge: None,
};

/// Exchange Online writes no authserv-id, so that a header of the sender's could look the same. It renames those that a
/// mail brings along; that is not relied on: the stamp has to stand above the first `Received` of its edge.
/// Mail from within one's own tenant is not checked there, has no `dmarc=pass`, and is refused.
const MICROSOFT365: Stamp<'static> = Stamp {
    set: Set::Provider(Provider::Microsoft365),
    id: Id::Absent,
    spread: Spread::Topmost,
    names_domain: true,
    edge: Some("protection.outlook.com"),
};

/// Fastmail writes four headers or so, one below the other, by the name of the server that took the mail in;
/// DMARC stands in the last of them.
const FASTMAIL: Stamp<'static> = Stamp {
    set: Set::Provider(Provider::Fastmail),
    id: Id::Below("messagingengine.com"),
    spread: Spread::Hop,
    names_domain: true,
    edge: None,
};

impl<'a> Stamp<'a> {
    /// One header, by this name.
    #[must_use]
    pub fn named(id: &'a str) -> Self {
        Self { set: Set::Id(id), id: Id::Named(id), spread: Spread::Topmost, names_domain: false, edge: None }
    }

    #[must_use]
    pub fn of_provider(provider: Provider) -> Self {
        match provider {
            Provider::Fastmail => FASTMAIL,
            Provider::Google => GOOGLE,
            Provider::Microsoft365 => MICROSOFT365,
        }
    }

    /// As the repository has it; a configuration that was checked has exactly one of the two.
    #[must_use]
    pub fn of(repo: &'a Repo) -> Option<Self> {
        match (&repo.trusted_authserv_id, repo.provider) {
            (Some(id), None) => Some(Self::named(id.as_str())),
            (None, Some(provider)) => Some(Self::of_provider(provider)),
            _ => None,
        }
    }

    /// What the id has to be, for people to read.
    #[must_use]
    pub fn wanted_id(&self) -> String {
        let by = match self.set {
            Set::Id(_) => "trusted_authserv_id".to_owned(),
            Set::Provider(provider) => format!("provider = \"{provider}\""),
        };
        match self.id {
            Id::Named(id) => format!("{id} ({by})"),
            Id::Below(domain) => format!("a host below {domain}, the same in each ({by})"),
            Id::Absent => format!("none ({by})"),
        }
    }

    /// Whether a header by this name is one of its server.
    #[must_use]
    pub fn is_by(&self, id: &str) -> bool {
        let id = id.to_ascii_lowercase();
        match self.id {
            // A header without a name is nobody's, and no empty name makes it somebody's.
            Id::Named(own) => !own.is_empty() && id.eq_ignore_ascii_case(own),
            Id::Below(domain) => is_below(&id, domain),
            Id::Absent => id.is_empty(),
        }
    }

    /// The headers that belong to it, topmost first.
    #[must_use]
    pub fn find<'h>(&self, headers: &'h Headers) -> Vec<&'h str> {
        let from_first = headers.fields().iter().skip_while(|header| !is(header, RESULTS));
        let of_hop = from_first.take_while(|header| !is(header, "Received"));
        let stamps = of_hop.filter(|header| is(header, RESULTS)).map(|header| header.value.as_str());
        match self.spread {
            Spread::Topmost => stamps.take(1).collect(),
            Spread::Hop => stamps.collect(),
        }
    }

    /// Reads what `find` found.
    ///
    /// # Errors
    /// As `authres::parse`, for the first that cannot be read.
    pub fn parse(&self, stamps: &[&str]) -> Result<Vec<AuthRes>, String> {
        let one = if self.id == Id::Absent { authres::parse_bare } else { authres::parse };
        stamps.iter().map(|value| one(value)).collect()
    }
}

const RESULTS: &str = "Authentication-Results";

fn is(header: &Header, name: &str) -> bool {
    header.name.eq_ignore_ascii_case(name)
}

/// Whether the topmost stamp stands above the first `Received` by a host of the edge, which is shown: had the server
/// written no stamp, its `Received` would be the higher one.
///
/// # Errors
/// What was there instead.
pub fn above_edge(headers: &Headers, edge: &str) -> Result<String, String> {
    let fields = headers.fields();
    let of_edge = |header: &Header| {
        let by = is(header, "Received").then(|| receiver(&header.value)).flatten();
        by.filter(|by| is_below(by, edge))
    };
    let Some((at, by)) = fields.iter().enumerate().find_map(|(at, header)| Some((at, of_edge(header)?)))
    else {
        return Err("no such Received".to_owned());
    };
    match fields[..at].iter().any(|header| is(header, RESULTS)) {
        true => Ok(by),
        false => Err(format!("the header is below that by {by}")),
    }
}

/// The host after `by`, outside of comments, in lower case (RFC 5321 section 4.4).
fn receiver(received: &str) -> Option<String> {
    let mut depth = 0_usize;
    let outside = |c: char| {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            c if depth == 0 => return c,
            _ => {}
        }
        ' '
    };
    let bare: String = received.chars().map(outside).collect();
    let mut words = bare.split_whitespace().skip_while(|word| !word.eq_ignore_ascii_case("by"));
    words.nth(1).map(|host| host.trim_end_matches(';').to_ascii_lowercase())
}

/// Both in lower case.
fn is_below(host: &str, domain: &str) -> bool {
    host.strip_suffix(domain).is_some_and(|rest| rest.len() > 1 && rest.ends_with('.'))
}

//! Whether `From` is who it says: our own mail server's DMARC result, and nothing else, vouches for it.
//! Only headers are looked at; whatever is doubtful is a no.

use crate::base::address::Address;
use crate::base::host::same_domain;
use crate::format::headers::Headers;
use crate::format::verdict::{Check, Passed, Reason};
use crate::rule::authres::{AuthRes, Outcome};
use crate::rule::sender::{Sender, sender};
use crate::rule::stamp::{self, Id, Stamp};

/// A check, and the reason it gives where it did not pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    pub check: Check,
    pub reason: Reason,
}

/// Who `From` names, and each check of it in order. It is authentic where every check passed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authentication {
    pub from: Option<Address>,
    pub findings: Vec<Finding>,
}

/// Exactly one `From` with exactly one mailbox; the topmost `Authentication-Results` is a genuine `stamp` of the own
/// server, has one `dmarc` result, that is `pass`, for the domain of `From`.
#[must_use]
pub fn authenticate(headers: &Headers, stamp: &Stamp) -> Authentication {
    let mut checks = Checks { findings: Vec::new() };
    checks.make("headers", Reason::Malformed, "only header fields above the first empty line", || {
        Some(whole(headers))
    });
    let sender =
        checks.make("from", Reason::Malformed, "one From header with one address", || Some(from(headers)));
    // Shown even where From is broken, so that the operator sees what his server writes.
    let result = results(&mut checks, headers, stamp);
    domain(&mut checks, sender.as_ref(), result.as_ref(), stamp);
    Authentication { from: sender.map(|sender| sender.address), findings: checks.findings }
}

/// What a check found: it passed with a value, failed, or cannot be told now; each with what it saw.
enum Found<T> {
    Pass(T, String),
    Fail(String),
    Later(String),
}

struct Checks {
    findings: Vec<Finding>,
}

impl Checks {
    /// `look` gives nothing where a check that it builds on has not passed: it is then skipped.
    fn make<T>(
        &mut self,
        name: &str,
        reason: Reason,
        wanted: &str,
        look: impl FnOnce() -> Option<Found<T>>,
    ) -> Option<T> {
        let (passed, saw, value, reason) = match look() {
            None => (Passed::Skipped, String::new(), None, reason),
            Some(Found::Pass(value, saw)) => (Passed::Passed, saw, Some(value), reason),
            Some(Found::Fail(saw)) => (Passed::Failed, saw, None, reason),
            Some(Found::Later(saw)) => (Passed::Later, saw, None, Reason::Unsettled),
        };
        self.findings.push(Finding { check: Check::new(name, passed, &saw, wanted), reason });
        value
    }
}

fn whole(headers: &Headers) -> Found<()> {
    match headers.broken().first() {
        None => Found::Pass((), format!("{} header fields", headers.fields().len())),
        Some(line) => Found::Fail(format!("a line that is no header field: {line}")),
    }
}

fn from(headers: &Headers) -> Found<Sender> {
    let all: Vec<&str> = headers.all("From").collect();
    match all.as_slice() {
        [] => Found::Fail("no From header".to_owned()),
        [one] => match sender(one) {
            Ok(sender) => Found::Pass(sender, (*one).to_owned()),
            Err(why) => Found::Fail(format!("{one} ({why})")),
        },
        [first, second, ..] => Found::Fail(format!("{} From headers: {first} | {second}", all.len())),
    }
}

/// The one DMARC result of the own server.
fn results(checks: &mut Checks, headers: &Headers, stamp: &Stamp) -> Option<Outcome> {
    let wanted = match stamp.id {
        Id::Absent => {
            "a topmost Authentication-Results header without an authserv-id, as this provider writes it"
        }
        _ => "a topmost Authentication-Results header by the grammar of RFC 8601",
    };
    let all = stamp.find(headers);
    let results = checks.make("authentication-results", Reason::Unauthenticated, wanted, || {
        Some(match stamp.parse(&all) {
            _ if all.is_empty() => Found::Fail("no Authentication-Results header".to_owned()),
            Ok(results) => Found::Pass(results, all.join(" | ")),
            Err(why) => Found::Fail(format!("{why}; in: {}", all.join(" | "))),
        })
    });
    let results = checks.make("authserv-id", Reason::Unauthenticated, &stamp.wanted_id(), || {
        let results: Vec<AuthRes> = results?;
        let ids = |results: &[AuthRes]| {
            let mut ids: Vec<&str> = results.iter().map(|result| result.authserv_id.as_str()).collect();
            ids.dedup();
            ids.join(", ")
        };
        let first = results.first()?.authserv_id.clone();
        let is_genuine = stamp.is_by(&first)
            && results.iter().all(|result| result.authserv_id.eq_ignore_ascii_case(&first));
        let saw = if first.is_empty() { "none".to_owned() } else { ids(&results) };
        Some(if is_genuine { Found::Pass(results, saw) } else { Found::Fail(saw) })
    });
    let results = match stamp.edge {
        None => results,
        Some(edge) => {
            let wanted = format!("the header above the first Received by a host below {edge}");
            checks.make("edge", Reason::Unauthenticated, &wanted, || {
                let results = results?;
                Some(match stamp::above_edge(headers, edge) {
                    Ok(saw) => Found::Pass(results, saw),
                    Err(saw) => Found::Fail(saw),
                })
            })
        }
    };
    let wanted = "exactly one dmarc result, and it is pass";
    checks.make("dmarc", Reason::Unauthenticated, wanted, || {
        Some(dmarc(results?.into_iter().flat_map(|result| result.results).collect()))
    })
}

fn dmarc(results: Vec<Outcome>) -> Found<Outcome> {
    let mut all: Vec<Outcome> = results.into_iter().filter(|outcome| outcome.method == "dmarc").collect();
    let saw = all.iter().map(|outcome| format!("dmarc={}", outcome.result)).collect::<Vec<_>>().join(", ");
    match (all.len(), all.pop()) {
        (1, Some(one)) if one.result == "pass" => Found::Pass(one, saw),
        (1, Some(one)) if one.result == "temperror" => Found::Later(saw),
        (0, _) => Found::Fail("no dmarc result".to_owned()),
        _ => Found::Fail(saw),
    }
}

/// `header.from` of the DMARC result, where it is given, is what `From` shows.
fn domain(checks: &mut Checks, sender: Option<&Sender>, result: Option<&Outcome>, stamp: &Stamp) {
    let wanted = sender.map_or("the domain of From".to_owned(), |sender| sender.address.domain().to_owned());
    checks.make("header.from", Reason::Unauthenticated, &wanted, || {
        let given: Vec<&str> = result?.all("header.from").collect();
        let sender = sender?;
        Some(match given.as_slice() {
            [] if sender.needs_domain => {
                Found::Fail("not given, and the display name holds an address".to_owned())
            }
            [] if stamp.names_domain => {
                Found::Fail("not given, and this provider always gives it".to_owned())
            }
            [] => Found::Pass((), "not given".to_owned()),
            [one] if vouches(one, &sender.address) => Found::Pass((), (*one).to_owned()),
            [one] => Found::Fail((*one).to_owned()),
            more => Found::Fail(format!("given {} times: {}", more.len(), more.join(", "))),
        })
    });
}

/// Some servers give the whole address.
fn vouches(given: &str, from: &Address) -> bool {
    let is_from =
        |given: Address| given.local() == from.local() && same_domain(given.domain(), from.domain());
    same_domain(given, from.domain()) || given.parse().is_ok_and(is_from)
}

//! The verdict on a message: authentication, then its age, then the allowlist, then loop protection. All are always made;
//! no setting turns one off.

use crate::base::address::{Address, SenderPattern};
use crate::format::headers::Headers;
use crate::format::verdict::{Check, Decision, FORMAT, Passed, Reason, Verdict};
use crate::rule::age::age;
use crate::rule::authenticate::{Finding, authenticate};
use crate::rule::automatic::{automatic, is_unattended};
use crate::rule::stamp::Stamp;
use jiff::Timestamp;

/// The check that the sender is on the list.
const AUTHORIZED: &str = "authorized";

/// What the operator's configuration says about who may write.
#[derive(Debug, Clone, Copy)]
pub struct Policy<'a> {
    /// What the own mail server writes.
    pub stamp: Stamp<'a>,
    pub max_mail_age_days: u32,
    pub authorized_senders: &'a [SenderPattern],
    /// The repository's own address.
    pub own_address: &'a Address,
}

/// Judges a message by its headers.
#[must_use]
pub fn judge(headers: &Headers, policy: &Policy, now: Timestamp) -> Verdict {
    let authentication = authenticate(headers, &policy.stamp);
    let from = authentication.from;
    let mut findings = authentication.findings;
    findings.push(age(headers, policy.max_mail_age_days, now));
    findings.push(allowlist(from.as_ref(), policy.authorized_senders));
    findings.extend(automatic(headers, from.as_ref(), policy.own_address));
    let (decision, reason) = decide(&findings);
    let checks = findings.into_iter().map(|finding| finding.check).collect();
    Verdict { format: FORMAT, key: None, decision, reason, from, decided_at: now, checks }
}

/// Whether a refused sender may be told so: the mail is genuine and a person's, and nothing else was against it. Never
/// to an address that nobody reads.
#[must_use]
pub fn may_be_told(verdict: &Verdict) -> bool {
    let mut others = verdict.checks.iter().filter(|check| check.name != AUTHORIZED);
    let reads = verdict.from.as_ref().is_some_and(|from| !is_unattended(from));
    verdict.reason == Some(Reason::Unauthorized)
        && others.all(|check| check.passed == Passed::Passed)
        && reads
}

fn allowlist(from: Option<&Address>, senders: &[SenderPattern]) -> Finding {
    let wanted = "an address of authorized_senders";
    let check = match from {
        None => Check::new(AUTHORIZED, Passed::Skipped, "", wanted),
        Some(from) => match senders.iter().find(|pattern| pattern.matches(from)) {
            Some(pattern) => Check::new(AUTHORIZED, Passed::Passed, &format!("{from} is {pattern}"), wanted),
            None => Check::new(AUTHORIZED, Passed::Failed, &from.to_string(), wanted),
        },
    };
    Finding { check, reason: Reason::Unauthorized }
}

/// What failed decides, the first first; what the server could not tell yet, only where nothing failed. A check
/// that was skipped stands behind one that failed or waits, and alone accepts nothing.
fn decide(findings: &[Finding]) -> (Decision, Option<Reason>) {
    let first = |passed| findings.iter().find(|finding| finding.check.passed == passed);
    if let Some(failed) = first(Passed::Failed) {
        return (Decision::Refused, Some(failed.reason));
    }
    if let Some(later) = first(Passed::Later) {
        return (Decision::TryLater, Some(later.reason));
    }
    match first(Passed::Skipped) {
        Some(skipped) => (Decision::Refused, Some(skipped.reason)),
        None => (Decision::Accepted, None),
    }
}

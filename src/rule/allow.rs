//! Whether the allowlist lets a request through, and which line decides. What no rule names is blocked.

use crate::format::allowlist::{Allowlist, Rule};
use crate::rule::request::Request;

/// The answer for one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision<'a> {
    /// By the first rule that fits.
    Allowed(&'a Rule),
    Blocked(Reason<'a>),
}

/// How near a blocked request came, so that whoever reads it knows what to change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason<'a> {
    NoRuleForHost,
    /// A rule names the host, none this path.
    NoRuleForPath(&'a Rule),
    /// A rule names host and path, none this method.
    NoRuleForMethod(&'a Rule),
}

impl std::fmt::Display for Reason<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NoRuleForHost => write!(f, "no rule names this host"),
            Self::NoRuleForPath(rule) => write!(f, "the rules for this host name other paths ({rule})"),
            Self::NoRuleForMethod(rule) => {
                write!(f, "the rules for this path name other methods ({rule})")
            }
        }
    }
}

/// Judges one request, alone.
#[must_use]
pub fn decide<'a>(allowlist: &'a Allowlist, request: &Request) -> Decision<'a> {
    let mut reason = Reason::NoRuleForHost;
    for rule in &allowlist.rules {
        if !rule.host.matches(request.host()) {
            continue;
        }
        if rule.path.as_ref().is_some_and(|path| !path.matches(request.path())) {
            if reason == Reason::NoRuleForHost {
                reason = Reason::NoRuleForPath(rule);
            }
            continue;
        }
        if rule.methods.is_empty() || rule.methods.iter().any(|method| method == request.method()) {
            return Decision::Allowed(rule);
        }
        if !matches!(reason, Reason::NoRuleForMethod(_)) {
            reason = Reason::NoRuleForMethod(rule);
        }
    }
    Decision::Blocked(reason)
}

/// Rules that say more, or less, than they seem to; each sentence names its line.
#[must_use]
pub fn warnings(allowlist: &Allowlist) -> Vec<String> {
    allowlist
        .rules
        .iter()
        .flat_map(|rule| rule_warnings(rule).into_iter().map(move |w| format!("{rule}: {w}")))
        .collect()
}

fn rule_warnings(rule: &Rule) -> Vec<String> {
    let mut found = Vec::new();
    let host = rule.host.as_str();
    let fixed_end = host.rsplit(['*', '?']).next().unwrap_or_default();
    if !rule.host.is_literal() && fixed_end.trim_start_matches('.').is_empty() {
        found.push(
            "the host pattern does not say how the name ends: anyone can register one that fits".to_owned(),
        );
    } else if !rule.host.is_literal() && !fixed_end.trim_start_matches('.').contains('.') {
        found.push(format!("every host under the top-level domain {fixed_end:?} fits"));
    } else if !rule.host.is_literal() && !fixed_end.starts_with('.') {
        found.push(format!("any name that ends in {fixed_end:?} fits, not only hosts below it"));
    }
    let below = host.strip_prefix("*.").unwrap_or(host);
    // Names that end as no list says, like localhost, are their owner's affair.
    let suffix = psl::suffix(below.as_bytes()).filter(|suffix| suffix.is_known());
    if found.is_empty() && suffix.is_some_and(|suffix| suffix.as_bytes() == below.as_bytes()) {
        found.push(format!("{below} is a public suffix: anyone can register a name below it"));
    }
    let Some(path) = rule.path.as_ref().map(|path| path.as_str()) else { return found };
    if ["*", "/*"].contains(&path) {
        found.push("every path fits, as it would without one".to_owned());
    }
    let stem = path.trim_end_matches('*');
    if stem.len() < path.len() && !stem.is_empty() && !stem.ends_with(['/', '?', '*', ']']) {
        let last = stem.rsplit('/').next().unwrap_or_default();
        found.push(format!(
            "{last:?} is open at its end and {:?} fits too; {stem} and {stem}/* name just the one",
            format!("{last}-evil")
        ));
    }
    if rule.path.as_ref().is_some_and(|path| path.is_literal()) {
        found.push("the path has no wildcard: only exactly this path fits, nothing below it".to_owned());
    }
    if path.contains("..") || path.contains("/./") {
        found.push("no request path holds a dot segment: this rule never fits".to_owned());
    }
    found
}

//! The smallest addition to an allowlist that would have let requests through: exactly their paths, by exactly their
//! methods. What to generalise is for a person to decide.

use crate::base::host::HostName;
use crate::format::allowlist::Allowlist;
use crate::format::network_log::{Entry, Verdict};
use crate::rule::allow::{Decision, decide};
use crate::rule::request::Request;
use serde::Serialize;
use std::fmt::Write as _;

/// One rule to add.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Addition {
    pub host: HostName,
    /// The whole path; nothing in it is a wildcard.
    pub path: String,
    pub methods: Vec<String>,
}

impl Addition {
    /// Lets one request through.
    #[must_use]
    pub fn of(request: &Request) -> Self {
        Self {
            host: request.host().clone(),
            path: request.path().to_owned(),
            methods: vec![request.method().to_owned()],
        }
    }
}

/// What a log's requests would have needed beyond `allowlist`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Learned {
    /// By host and path.
    pub additions: Vec<Addition>,
    /// Blocked requests that no rule can let through: malformed ones, and names that lead inward.
    pub hopeless: usize,
}

/// Reads the blocked requests of a log.
pub fn learn<'a>(allowlist: &Allowlist, entries: impl IntoIterator<Item = &'a Entry>) -> Learned {
    let mut learned = Learned::default();
    for entry in entries.into_iter().filter(|entry| entry.verdict == Verdict::Blocked) {
        let wanted = wanted(entry);
        if wanted.is_empty() {
            learned.hopeless += 1;
        }
        for request in wanted {
            if matches!(decide(allowlist, &request), Decision::Blocked(_)) {
                learned.add(&request);
            } else if entry.why.contains("not a public address") {
                learned.hopeless += 1;
            }
        }
    }
    learned.additions.sort_by(|a, b| (&a.host, &a.path).cmp(&(&b.host, &b.path)));
    learned
}

impl Learned {
    fn add(&mut self, request: &Request) {
        let new = Addition::of(request);
        match self.additions.iter_mut().find(|known| known.host == new.host && known.path == new.path) {
            Some(known) => {
                known.methods.extend(new.methods);
                known.methods.sort();
                known.methods.dedup();
            }
            None => self.additions.push(new),
        }
    }
}

/// The request of a line, and those that it asked for in headers. The log cuts what is too long to be written out.
fn wanted(entry: &Entry) -> Vec<Request> {
    let Ok(request) = Request::from_url(&entry.method, &entry.url) else { return Vec::new() };
    if entry.url.ends_with("...") {
        return Vec::new();
    }
    let second = entry.why.strip_prefix("a header asks for the method ");
    let second = second.and_then(|rest| rest.split(',').next());
    let second = second.and_then(|method| request.with_method(method).ok());
    [request].into_iter().chain(second).collect()
}

/// As it stands in the file.
#[must_use]
pub fn yaml(additions: &[Addition]) -> String {
    let mut out = String::from("url_prefixes:\n");
    for Addition { host, path, methods } in additions {
        // What the pattern language would read as a wildcard is spelled as itself.
        let path = serde_json::Value::from(path.replace('*', "[*]"));
        let _ = write!(out, "  - host: {host}\n    path: {path}\n    methods: [{}]\n", methods.join(", "));
    }
    out
}

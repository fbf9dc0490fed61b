//! What the sandbox is told when its request goes no further: JSON, in words for an agent.

use crate::rule::learn::{self, Addition};
use crate::rule::request::Request;
use serde_json::{Value, json};

/// No rule lets it through. Says what to propose, since the agent cannot change the allowlist it runs under.
#[must_use]
pub fn blocked(request: &Request, reason: &str) -> Value {
    let (host, path, method) = (request.host(), request.path(), request.method());
    json!({
        "error": "blocked_by_sandbox",
        "message": format!(
            "The network sandbox blocked {method} {}: {reason}. Trying again, another tool or another address will \
             not help: every way out of this sandbox is judged by the same allowlist.",
            request.url()
        ),
        "host": host,
        "path": path,
        "method": method,
        "reason": reason,
        "how_to_get_access": format!(
            "Go on without it where you can. If the task needs it, propose the addition below to \
             .airut/network-allowlist.yaml, with your reason, in a pull request or in your answer. It takes effect \
             in the next task after a person has put it on the repository's default branch; a change in this \
             workspace alone does nothing."
        ),
        "proposed_addition": learn::yaml(&[Addition::of(request)]),
    })
}

/// The name is allowed and leads where nothing may go.
#[must_use]
pub fn inward(request: &Request) -> Value {
    json!({
        "error": "blocked_by_sandbox",
        "message": format!(
            "The network sandbox blocked {} {}: the name is allowed, but it leads to an address that is not on \
             the public internet. Only the operator can permit that.",
            request.method(), request.url()
        ),
        "host": request.host(),
        "reason": "the name does not lead to a public address",
    })
}

/// Nothing that could be judged.
#[must_use]
pub fn refused(reason: &str) -> Value {
    json!({
        "error": "refused_by_sandbox",
        "message": format!("The network sandbox cannot judge this request and refused it: {reason}."),
        "reason": reason,
    })
}

/// Allowed, and then the other side failed.
#[must_use]
pub fn away(request: &Request, reason: &str) -> Value {
    json!({
        "error": "upstream_failed",
        "message": format!(
            "The network sandbox allowed {} {}, but the server could not be asked: {reason}.",
            request.method(), request.url()
        ),
        "host": request.host(),
        "reason": reason,
    })
}

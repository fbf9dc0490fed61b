//! Loop protection: signs that no person wrote this, or that it is our own mail come back. Answering such
//! mail could go round for ever.

use crate::base::address::Address;
use crate::format::headers::Headers;
use crate::format::verdict::{Check, Passed, Reason};
use crate::rule::authenticate::Finding;
use crate::rule::route;

/// Each sign that was looked for, in order.
#[must_use]
pub fn automatic(headers: &Headers, from: Option<&Address>, own: &Address) -> Vec<Finding> {
    vec![
        sign(
            "auto-submitted",
            "absent or no (RFC 3834)",
            headers.all("Auto-Submitted").find(|v| word(v) != "no"),
        ),
        sign("precedence", "not bulk, list, junk or auto_reply", precedence(headers)),
        sign("auto-reply", "absent", headers.first("X-Autoreply").or_else(|| headers.first("X-Autorespond"))),
        sign("mailing-list", "no List- header (RFC 2369, RFC 2919)", list(headers)),
        sign("return-path", "not the null sender", headers.all("Return-Path").find(|value| is_null(value))),
        sign("report", "not multipart/report (RFC 6522)", report(headers)),
        sign("daemon", "a person's address", from.filter(|from| is_daemon(from)).map(Address::to_string)),
        sign(
            "own-address",
            "another address than our own",
            from.filter(|from| from.untagged() == own.untagged()).map(Address::to_string),
        ),
        sign("own-message", "a Message-ID that is not airut's own", own_message(headers, own)),
    ]
}

fn sign(name: &str, wanted: &str, found: Option<impl Into<String>>) -> Finding {
    let found: Option<String> = found.map(Into::into);
    let passed = if found.is_none() { Passed::Passed } else { Passed::Failed };
    let check = Check::new(name, passed, &found.unwrap_or_else(|| "nothing".to_owned()), wanted);
    Finding { check, reason: Reason::Automatic }
}

/// The keyword that a value begins with, in lower case: up to a blank, a parameter or a comment.
fn word(value: &str) -> String {
    let end = value.find(|c: char| c.is_whitespace() || c == ';' || c == '(').unwrap_or(value.len());
    value[..end].to_ascii_lowercase()
}

fn precedence(headers: &Headers) -> Option<&str> {
    headers.all("Precedence").find(|v| matches!(word(v).as_str(), "bulk" | "list" | "junk" | "auto_reply"))
}

fn list(headers: &Headers) -> Option<String> {
    let is_list = |name: &str| name.get(..5).is_some_and(|start| start.eq_ignore_ascii_case("list-"));
    let field = headers.fields().iter().find(|field| is_list(&field.name))?;
    Some(format!("{}: {}", field.name, field.value))
}

/// `<>`, which bounces and automatic answers have for a sender (RFC 5321 section 4.5.5).
fn is_null(value: &str) -> bool {
    let inner: String = value.chars().filter(|c| !c.is_whitespace()).collect();
    let daemon = || inner.trim_matches(['<', '>']).parse().is_ok_and(|address: Address| is_daemon(&address));
    inner == "<>" || inner.eq_ignore_ascii_case("<mailer-daemon>") || daemon()
}

fn report(headers: &Headers) -> Option<&str> {
    headers.all("Content-Type").find(|value| word(value) == "multipart/report")
}

fn is_daemon(address: &Address) -> bool {
    matches!(address.local(), "mailer-daemon" | "postmaster")
}

/// Whether an address looks like one that programs write from and nobody reads.
#[must_use]
pub fn is_unattended(address: &Address) -> bool {
    let local: String = address.local().chars().filter(char::is_ascii_alphanumeric).collect();
    let words =
        ["noreply", "donotreply", "bounce", "mailer", "daemon", "postmaster", "notification", "robot"];
    words.iter().any(|word| local.contains(word))
}

fn own_message<'a>(headers: &'a Headers, own: &Address) -> Option<&'a str> {
    headers.all("Message-ID").find(|value| route::is_own(value, own.domain()))
}

//! Which headers cross the proxy. What concerns one connection only stays on it (RFC 9110 section 7.6.1), and what
//! would let a server read another host, path or method than the one judged is taken out.

use crate::rule::request::{Refused, Request, Scheme};
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Version, http};

/// Concern one connection.
const HOP_BY_HOP: [&str; 10] = [
    "connection",
    "keep-alive",
    "proxy-connection",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-authentication-info",
    "te",
    "transfer-encoding",
    "upgrade",
    "http2-settings",
];

/// By which some servers take another host or path than the request's own.
const SECOND_NAMES: [&str; 9] = [
    "forwarded",
    "x-host",
    "x-http-host-override",
    "x-original-host",
    "x-original-url",
    "x-original-uri",
    "x-rewrite-url",
    "x-rewrite-uri",
    "alt-used",
];

/// By which some servers take another method than the request's own.
const SECOND_METHODS: [&str; 3] = ["x-http-method-override", "x-http-method", "x-method-override"];

/// Brings what arrived to its canonical form. `sni` is the name the TLS session was opened for.
pub fn canonical(scheme: Scheme, sni: Option<&str>, head: &http::request::Parts) -> Result<Request, Refused> {
    if head.method == Method::CONNECT {
        return Err(Refused("CONNECT is never let through: speak to the host directly".to_owned()));
    }
    if head.uri.scheme_str().is_some_and(|said| !said.eq_ignore_ascii_case(scheme.as_str())) {
        return Err(Refused(format!("the request target has another scheme than {}", scheme.as_str())));
    }
    let mut hosts = Vec::new();
    for value in head.headers.get_all(header::HOST) {
        hosts.push(value.to_str().map_err(|_| Refused("the Host header is not ASCII".to_owned()))?);
    }
    if hosts.len() > 1 || (hosts.is_empty() && head.version != Version::HTTP_2) {
        return Err(Refused(format!("the request has {} Host headers and not one", hosts.len())));
    }
    let authority = head.uri.authority().map(http::uri::Authority::as_str);
    if authority.is_none() && head.version == Version::HTTP_2 {
        return Err(Refused("the request has no authority".to_owned()));
    }
    let names: Vec<&str> = sni.into_iter().chain(authority).chain(hosts).collect();
    let target = head.uri.path_and_query().map_or("", http::uri::PathAndQuery::as_str);
    Request::from_parts(scheme, head.method.as_str(), &names, target)
}

/// Other methods the request asks a server to take it for; each has to be allowed as well.
pub fn second_methods(headers: &HeaderMap) -> impl Iterator<Item = String> + '_ {
    let values = SECOND_METHODS.iter().flat_map(|name| headers.get_all(*name));
    values.map(|value| String::from_utf8_lossy(value.as_bytes()).trim().to_ascii_uppercase())
}

/// A request's headers as they go upstream, without a host, which the connection adds.
pub fn clean_request(headers: &mut HeaderMap) {
    let trailers = headers.get(header::TE).is_some_and(|te| te.as_bytes().eq_ignore_ascii_case(b"trailers"));
    strip_hop_by_hop(headers);
    let second: Vec<HeaderName> = headers
        .keys()
        .filter(|name| name.as_str().starts_with("x-forwarded-") || SECOND_NAMES.contains(&name.as_str()))
        .cloned()
        .collect();
    for name in &second {
        headers.remove(name);
    }
    // Answered here, or made anew from the body itself.
    for name in [header::EXPECT, header::HOST, header::CONTENT_LENGTH, header::MAX_FORWARDS] {
        headers.remove(name);
    }
    if trailers {
        headers.insert(header::TE, HeaderValue::from_static("trailers"));
    }
}

/// An answer's headers as they go to the sandbox.
pub fn clean_response(headers: &mut HeaderMap) {
    strip_hop_by_hop(headers);
    // It would send the client to QUIC, which has no way out.
    headers.remove(header::ALT_SVC);
}

/// Whether this is the opening of a WebSocket (RFC 6455 section 4.1); no other protocol is switched to.
#[must_use]
pub fn is_websocket(head: &http::request::Parts) -> bool {
    let mut upgrades = head.headers.get_all(header::UPGRADE).iter();
    let websocket = upgrades.next().is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"websocket"));
    head.version == Version::HTTP_11
        && head.method == Method::GET
        && websocket
        && upgrades.next().is_none()
        && connection_tokens(&head.headers).any(|token| token == "upgrade")
        && head.headers.contains_key(header::SEC_WEBSOCKET_KEY)
}

/// What makes a cleaned request the opening of a WebSocket again.
pub fn ask_websocket(headers: &mut HeaderMap) {
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
}

fn strip_hop_by_hop(headers: &mut HeaderMap) {
    let named: Vec<String> = connection_tokens(headers).collect();
    for name in named.iter().map(String::as_str).chain(HOP_BY_HOP) {
        headers.remove(name);
    }
}

fn connection_tokens(headers: &HeaderMap) -> impl Iterator<Item = String> + '_ {
    let values = headers.get_all(header::CONNECTION).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',').map(|token| token.trim().to_ascii_lowercase()))
}

//! One request: canonical form, decision, credentials, upstream, answer. Judged alone, whatever came before it on
//! the same connection; anything that goes wrong on the way blocks it.

use crate::base::limits;
use crate::format::allowlist::Allowlist;
use crate::format::network_log::Verdict;
use crate::proxy::answer;
use crate::proxy::body::{Answer, AnswerFilter, Record, TrailerFilter, Upload};
use crate::proxy::connect::Fault;
use crate::proxy::credentials::{self, Masked};
use crate::proxy::headers;
use crate::proxy::log::Log;
use crate::proxy::upstream::Upstream;
use crate::rule::allow::{Decision, decide};
use crate::rule::request::{Request, Scheme};
use hyper::body::{Bytes, Incoming};
use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::{Response, StatusCode, Version, http};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use tokio::time::sleep;

/// What every request is judged by.
#[derive(Debug)]
pub struct Gate {
    pub allowlist: Arc<Allowlist>,
    pub masked: Vec<Masked>,
    pub upstream: Arc<Upstream>,
    pub log: Arc<Log>,
}

/// What is known of the connection a request came over.
#[derive(Debug, Clone)]
pub struct Origin {
    pub scheme: Scheme,
    /// The name its TLS session was opened for.
    pub sni: Option<String>,
    /// Set when the connection stops speaking HTTP.
    pub raw: Arc<AtomicBool>,
    /// Held as long as an exchange on it goes on.
    pub busy: Option<Arc<()>>,
}

/// Answers one request; never fails, since every failure is an answer.
pub async fn handle(gate: Arc<Gate>, origin: Origin, message: http::Request<Incoming>) -> Response<Answer> {
    let (head, body) = message.into_parts();
    let request = match headers::canonical(origin.scheme, origin.sni.as_deref(), &head) {
        Ok(request) => request,
        Err(refused) => {
            let url = as_it_came(&origin, &head);
            let mut record = Box::new(Record::begin(Arc::clone(&gate.log), head.method.as_str(), url));
            record.entry.why.clone_from(&refused.0);
            let mut answer = own(StatusCode::BAD_REQUEST, &answer::refused(&refused.0), record);
            if head.version < Version::HTTP_2 {
                // Whoever cannot say one request clearly is not asked for another.
                answer.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
            return answer;
        }
    };
    let mut record = Box::new(Record::begin(Arc::clone(&gate.log), request.method(), request.url()));
    record.hold(origin.busy.clone());
    match judge(&gate, &request, &head.headers) {
        Ok(rule) => record.allowed(rule),
        Err(reason) => {
            record.entry.why.clone_from(&reason);
            return own(StatusCode::FORBIDDEN, &answer::blocked(&request, &reason), record);
        }
    }
    forward(&gate, &origin, &request, head, body, record).await
}

/// The deciding rule, or why not. Methods that some servers take from a header have to be allowed as well.
fn judge(gate: &Gate, request: &Request, headers: &HeaderMap) -> Result<String, String> {
    let rule = match decide(&gate.allowlist, request) {
        Decision::Allowed(rule) => rule.to_string(),
        Decision::Blocked(reason) => return Err(reason.to_string()),
    };
    for method in headers::second_methods(headers) {
        let second = request.with_method(&method).map_err(|refused| refused.0)?;
        if let Decision::Blocked(reason) = decide(&gate.allowlist, &second) {
            return Err(format!("a header asks for the method {method}, and {reason}"));
        }
    }
    // Nothing leaves that leaves no trace here.
    if gate.log.is_full() {
        return Err("the session's network log is full; a new conversation has a new one".to_owned());
    }
    Ok(rule)
}

async fn forward(
    gate: &Arc<Gate>,
    origin: &Origin,
    request: &Request,
    mut head: http::request::Parts,
    body: Incoming,
    mut record: Box<Record>,
) -> Response<Answer> {
    let websocket = headers::is_websocket(&head);
    let down = head.extensions.remove::<hyper::upgrade::OnUpgrade>().filter(|_| websocket);
    headers::clean_request(&mut head.headers);
    let encrypted = request.scheme() == Scheme::Https;
    let swapped = credentials::swap(&mut head.headers, request.host(), encrypted, &gate.masked);
    record.entry.tags.extend(swapped.masked.iter().map(|name| format!("masked: {name}")));
    record.entry.tags.extend(swapped.stripped.iter().map(|name| format!("stripped: {name}")));

    let upload = Upload::new(body, Arc::clone(&record.sent), trailer_filter(gate, request));
    let mut message = http::Request::new(upload);
    *message.method_mut() = head.method;
    *message.headers_mut() = head.headers;
    let sent = Arc::clone(&record.sent);
    if let Some(down) = down {
        headers::ask_websocket(message.headers_mut());
        let asked = in_time(gate.upstream.send_upgrade(request, message), &sent).await;
        return match asked {
            Ok(answer) => switch(gate, origin, request, answer, down, record),
            Err(fault) => failed(request, fault, record),
        };
    }
    match in_time(gate.upstream.send(request, message), &sent).await {
        Ok((answer, _)) if answer.status() == StatusCode::SWITCHING_PROTOCOLS => {
            failed(request, Fault::Away(anyhow::anyhow!("it switched protocols unasked")), record)
        }
        Ok((answer, lease)) => {
            let (head, body) = cleaned(gate, request, answer, &mut record);
            Response::from_parts(
                head,
                Answer::stream(body, Some(lease), answer_filter(gate, request), record),
            )
        }
        Err(fault) => failed(request, fault, record),
    }
}

/// Waits for an answer as long as the upload moves, and `limits::ANSWER_TIME` after it.
async fn in_time<T>(asked: impl Future<Output = Result<T, Fault>>, sent: &AtomicU64) -> Result<T, Fault> {
    let mut asked = std::pin::pin!(asked);
    loop {
        let before = sent.load(Ordering::Relaxed);
        tokio::select! {
            answer = &mut asked => return answer,
            () = sleep(limits::ANSWER_TIME) => {
                if sent.load(Ordering::Relaxed) == before {
                    return Err(Fault::Away(anyhow::anyhow!("it did not answer in time")));
                }
            }
        }
    }
}

/// An answer's head as the sandbox may see it.
fn cleaned(
    gate: &Arc<Gate>,
    request: &Request,
    answer: Response<Incoming>,
    record: &mut Record,
) -> (http::response::Parts, Incoming) {
    let (mut head, body) = answer.into_parts();
    record.entry.tags.extend(answer_filter(gate, request)(&mut head.headers));
    record.entry.status = head.status.as_u16();
    (head, body)
}

/// Keeps from an answer's headers and trailers what concerns a connection, and a secret that was sent back.
fn answer_filter(gate: &Arc<Gate>, request: &Request) -> AnswerFilter {
    let (gate, host) = (Arc::clone(gate), request.host().clone());
    Box::new(move |fields| {
        headers::clean_response(fields);
        let leaks = |value| credentials::leaks(value, &host, &gate.masked);
        let leaking: Vec<_> =
            fields.iter().filter(|(_, value)| leaks(value)).map(|(name, _)| name.clone()).collect();
        let strip = |name| {
            fields.remove(&name);
            format!("answer stripped: {name}")
        };
        leaking.into_iter().map(strip).collect()
    })
}

/// Joins both sides once the server agreed to speak WebSocket; any other answer is passed on as it is.
fn switch(
    gate: &Arc<Gate>,
    origin: &Origin,
    request: &Request,
    mut answer: Response<Incoming>,
    down: hyper::upgrade::OnUpgrade,
    mut record: Box<Record>,
) -> Response<Answer> {
    if answer.status() != StatusCode::SWITCHING_PROTOCOLS {
        let (head, body) = cleaned(gate, request, answer, &mut record);
        return Response::from_parts(head, Answer::stream(body, None, answer_filter(gate, request), record));
    }
    let agreed = answer
        .headers()
        .get(header::UPGRADE)
        .is_some_and(|v| v.as_bytes().eq_ignore_ascii_case(b"websocket"));
    if !agreed {
        return failed(request, Fault::Away(anyhow::anyhow!("it switched to another protocol")), record);
    }
    let up = hyper::upgrade::on(&mut answer);
    let (mut head, _) = cleaned(gate, request, answer, &mut record);
    headers::ask_websocket(&mut head.headers);
    record.entry.tags.push("websocket".to_owned());
    origin.raw.store(true, Ordering::Relaxed);
    tokio::spawn(async move {
        match (down.await, up.await) {
            (Ok(down), Ok(up)) => {
                let (mut down, mut up) = (TokioIo::new(down), TokioIo::new(up));
                if let Ok((sent, received)) = tokio::io::copy_bidirectional(&mut down, &mut up).await {
                    record.sent.store(sent, Ordering::Relaxed);
                    record.entry.received_bytes = received;
                }
            }
            _ => record.failed("the protocol could not be switched"),
        }
    });
    Response::from_parts(head, Answer::empty())
}

fn failed(request: &Request, fault: Fault, mut record: Box<Record>) -> Response<Answer> {
    match fault {
        Fault::Inward(reason) => {
            record.entry.verdict = Verdict::Blocked;
            record.entry.why = reason;
            own(StatusCode::FORBIDDEN, &answer::inward(request), record)
        }
        Fault::Away(error) => {
            let reason = format!("{error:#}");
            record.failed(&reason);
            own(StatusCode::BAD_GATEWAY, &answer::away(request, &reason), record)
        }
    }
}

/// An answer of the proxy's own.
fn own(status: StatusCode, text: &Value, mut record: Box<Record>) -> Response<Answer> {
    record.entry.status = status.as_u16();
    let mut bytes = serde_json::to_vec_pretty(text).unwrap_or_default();
    bytes.push(b'\n');
    let mut response = Response::new(Answer::own(Bytes::from(bytes), record));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Trailers come after the judgement: they carry no credential and nothing that concerns a connection.
fn trailer_filter(gate: &Arc<Gate>, request: &Request) -> TrailerFilter {
    let (gate, host) = (Arc::clone(gate), request.host().clone());
    Arc::new(move |trailers| {
        headers::clean_request(trailers);
        let guarded: Vec<_> = trailers
            .keys()
            .filter(|name| credentials::is_guarded(name, &host, &gate.masked))
            .cloned()
            .collect();
        for name in guarded {
            trailers.remove(name);
        }
    })
}

/// For the log, when nothing canonical could be made of it.
fn as_it_came(origin: &Origin, head: &http::request::Parts) -> String {
    let host =
        head.headers.get(header::HOST).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    let host = head.uri.authority().map(ToString::to_string).or(host).or_else(|| origin.sni.clone());
    let target = head.uri.path_and_query().map_or("", |target| target.as_str());
    format!("{}://{}{target}", origin.scheme.as_str(), host.unwrap_or_default())
}

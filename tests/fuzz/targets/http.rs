//! The strict reader in front of the HTTP library: what it hands on, the library reads as the same requests.

use airut::base::limits;
use airut::proxy::framing::Framing;
use http_body_util::{BodyExt, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use std::cell::RefCell;
use std::convert::Infallible;
use std::rc::Rc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Method, target, body.
type Message = (String, String, Vec<u8>);

/// One connection's bytes.
pub fn framing(data: &[u8]) {
    let (whole, verdict) = feed(data, usize::MAX);
    for piece in [1, 3, 17] {
        assert_eq!(feed(data, piece), (whole.clone(), verdict), "in pieces of {piece}");
    }
    assert!(data.starts_with(&whole), "something was made up");
    assert_eq!(feed(&whole, usize::MAX), (whole.clone(), Ok(())), "what was handed on is no longer good");
    let (messages, rest) = simple(&whole);
    if verdict.is_ok() && rest.is_empty() && whole.len() < data.len() {
        // What is kept back is an unfinished head.
        assert!(data.len() - whole.len() <= limits::REQUEST_HEAD_BYTES);
    }
    let read = library(&whole);
    for (i, one) in read.iter().enumerate() {
        assert_eq!(Some(one), messages.get(i), "request {i} is read differently");
    }
}

fn feed(data: &[u8], piece: usize) -> (Vec<u8>, Result<(), &'static str>) {
    let (mut framing, mut out) = (Framing::default(), Vec::new());
    for part in data.chunks(piece.min(data.len()).max(1)) {
        if let Err(violation) = framing.feed(part, &mut out) {
            return (out, Err(violation));
        }
    }
    (out, Ok(()))
}

/// The complete messages of well-framed bytes, read in the simplest way, and what is left.
fn simple(mut bytes: &[u8]) -> (Vec<Message>, &[u8]) {
    let mut messages = Vec::new();
    while let Some((head, mut rest)) = cut(bytes, b"\r\n\r\n") {
        let head = String::from_utf8_lossy(head).into_owned();
        // Empty lines before a request are passed over (RFC 9112 section 2.2).
        let head = head.trim_start_matches("\r\n");
        let mut lines = head.split("\r\n");
        let mut words = lines.next().unwrap_or_default().split(' ');
        let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let headers: Vec<(String, &str)> = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim()))
            .collect();
        let value = |wanted: &str| headers.iter().find(|(name, _)| name == wanted).map(|(_, value)| *value);
        let mut body = Vec::new();
        if value("transfer-encoding").is_some() {
            loop {
                let Some((size, after)) = cut(rest, b"\r\n") else { return (messages, bytes) };
                let size = usize::from_str_radix(&String::from_utf8_lossy(size), 16).unwrap_or(usize::MAX);
                if size == 0 {
                    let end = if after.starts_with(b"\r\n") {
                        Some(&after[2..])
                    } else {
                        cut(after, b"\r\n\r\n").map(|(_, end)| end)
                    };
                    let Some(end) = end else { return (messages, bytes) };
                    rest = end;
                    break;
                }
                if after.len() < size.saturating_add(2) {
                    return (messages, bytes);
                }
                body.extend_from_slice(&after[..size]);
                rest = &after[size + 2..];
            }
        } else if let Some(length) = value("content-length") {
            let length = length.parse().unwrap_or(usize::MAX);
            if rest.len() < length {
                return (messages, bytes);
            }
            body.extend_from_slice(&rest[..length]);
            rest = &rest[length..];
        }
        messages.push((method.to_owned(), target.to_owned(), body));
        bytes = rest;
    }
    (messages, bytes)
}

fn cut<'a>(bytes: &'a [u8], mark: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let at = bytes.windows(mark.len()).position(|window| window == mark)?;
    Some((&bytes[..at], &bytes[at + mark.len()..]))
}

/// The requests the library takes complete, until it has enough of it.
fn library(bytes: &[u8]) -> Vec<Message> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("an event loop");
    let seen = Rc::new(RefCell::new(Vec::new()));
    runtime.block_on(async {
        let (mut client, server) = tokio::io::duplex(64 << 10);
        let service = service_fn(|request: Request<Incoming>| {
            let seen = Rc::clone(&seen);
            async move {
                let (head, body) = request.into_parts();
                if let Ok(body) = body.collect().await {
                    let target = head.uri.to_string();
                    seen.borrow_mut().push((head.method.to_string(), target, body.to_bytes().to_vec()));
                }
                Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new()))
            }
        });
        let serve = http1::Builder::new().half_close(true).serve_connection(TokioIo::new(server), service);
        let talk = async {
            let (mut read, mut write) = tokio::io::split(&mut client);
            let send = async {
                let _ = write.write_all(bytes).await;
                let _ = write.shutdown().await;
            };
            let mut answers = Vec::new();
            let (_, _) = tokio::join!(send, read.read_to_end(&mut answers));
        };
        let (_, ()) = tokio::join!(
            async {
                let _ = serve.await;
            },
            talk
        );
    });
    seen.take()
}

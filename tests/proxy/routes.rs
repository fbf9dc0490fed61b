//! What the stand-in of the internet has for programs: a stream of events, a counter, WebSocket and a package index.

use crate::proxy::world::{Body, Record};
use crate::support::images::wheels;
use http_body_util::BodyExt as _;
use hyper::body::{Bytes, Frame, Incoming};
use hyper::header;
use hyper::upgrade::OnUpgrade;
use hyper::{Response, http};
use hyper_util::rt::TokioIo;
use std::process::Command;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::mpsc::unbounded_channel;

/// The answer, or the body back when the path is none of these.
pub async fn answer(
    head: &http::request::Parts,
    body: Incoming,
    seen: &Record,
) -> Result<Response<Body>, Incoming> {
    let path = head.uri.path();
    Ok(match path {
        "/events" => events(seen.clone()),
        "/count" => count(body).await,
        _ => return package(path).ok_or(body),
    })
}

/// Each event but the first comes only after somebody asked for `/next`.
fn events(seen: Record) -> Response<Body> {
    let (sender, receiver) = unbounded_channel();
    tokio::spawn(async move {
        for number in 0..3 {
            let asked =
                || seen.lock().unwrap().iter().filter(|one| one.line.starts_with("GET /next ")).count();
            while asked() < number && !sender.is_closed() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            let _ = sender.send(Frame::data(Bytes::from(format!("data: {number}\n\n"))));
        }
    });
    let response = Response::builder().header(header::CONTENT_TYPE, "text/event-stream");
    response.body(Body::Fed(receiver)).unwrap()
}

/// Takes a body of any size, keeps none of it, and tells how long it was.
async fn count(mut body: Incoming) -> Response<Body> {
    let mut bytes = 0;
    while let Some(Ok(frame)) = body.frame().await {
        bytes += frame.data_ref().map_or(0, Bytes::len);
    }
    whole(bytes.to_string())
}

/// Says each short message back (RFC 6455), until the client closes.
pub fn websocket(head: &http::request::Parts, upgrade: OnUpgrade) -> Response<Body> {
    let key = head.headers[header::SEC_WEBSOCKET_KEY].to_str().unwrap();
    let digest =
        format!("printf %s {key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11 | openssl dgst -sha1 -binary | base64");
    let accept = Command::new("sh").args(["-c", &digest]).output().unwrap().stdout;
    tokio::spawn(async move {
        let mut io = TokioIo::new(upgrade.await.unwrap());
        let mut start = [0; 6];
        while io.read_exact(&mut start).await.is_ok() {
            let [first, length, mask @ ..] = start;
            let mut payload = vec![0; usize::from(length & 0x7f)];
            io.read_exact(&mut payload).await.unwrap();
            let plain = payload.iter().enumerate().map(|(at, byte)| byte ^ mask[at % 4]);
            let back: Vec<u8> = [first, length & 0x7f].into_iter().chain(plain).collect();
            io.write_all(&back).await.unwrap();
            io.flush().await.unwrap();
            // Whoever is told that it is over closes first (RFC 6455 section 7.1.1).
            if first & 0x0f == 8 {
                return io.shutdown().await.unwrap();
            }
        }
    });
    let accept = accept.trim_ascii();
    Response::builder()
        .status(101)
        .header(header::CONNECTION, "Upgrade")
        .header(header::UPGRADE, "websocket")
        .header(header::SEC_WEBSOCKET_ACCEPT, accept)
        .body(Body::Text(None))
        .unwrap()
}

/// A package index in its simple form: `/simple/NAME/` has files that are moved to another host, those of
/// `/away/simple/NAME/` to a host that nobody allowed.
fn package(path: &str) -> Option<Response<Body>> {
    let moved = |to: String| {
        Some(Response::builder().status(302).header(header::LOCATION, to).body(Body::Text(None)).unwrap())
    };
    if let Some(file) = path.strip_prefix("/moved/") {
        return moved(format!("https://files.example.com/files/{file}"));
    }
    if let Some(file) = path.strip_prefix("/gone/") {
        return moved(format!("https://blocked.example.org/files/{file}"));
    }
    if let Some(file) = path.strip_prefix("/files/") {
        return Some(whole(tar(&["-xOf", wheels().to_str()?, &format!("./{file}")])));
    }
    let (name, below) = match path.strip_prefix("/simple/") {
        Some(name) => (name, "/moved/"),
        None => (path.strip_prefix("/away/simple/")?, "/gone/"),
    };
    let names = String::from_utf8(tar(&["-tf", wheels().to_str()?])).unwrap();
    let start = name.trim_end_matches('/').replace('-', "_") + "-";
    let files = names.lines().filter_map(|line| line.strip_prefix("./"));
    let links: String = files
        .filter(|file| file.starts_with(&start))
        .map(|file| format!("<a href=\"{below}{file}\">{file}</a>\n"))
        .collect();
    let response = Response::builder().header(header::CONTENT_TYPE, "text/html");
    Some(
        response
            .body(Body::Whole(format!("<!DOCTYPE html><html><body>{links}</body></html>").into()))
            .unwrap(),
    )
}

fn tar(args: &[&str]) -> Vec<u8> {
    Command::new("tar").args(args).output().unwrap().stdout
}

fn whole(bytes: impl Into<Bytes>) -> Response<Body> {
    Response::new(Body::Whole(bytes.into()))
}

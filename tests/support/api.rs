//! A stand-in for Claude Code's API, over TLS as `api.anthropic.com`, with an authority of its own.
//!
//! The last `[[word]]` or `[[word:argument]]` in the newest user text picks what it does, so a mail says what its
//! agent is to do:
//!
//! | word | what comes |
//! |---|---|
//! | `text` (or none) | a sentence |
//! | `say:BASE64` | that text |
//! | `tool` | the Bash tool writes `/outbox/report.txt`, then a sentence |
//! | `run:BASE64` | the Bash tool runs that command, then its output as the answer |
//! | `inbox` | the Bash tool prints the files of `/inbox`, then its output as the answer |
//! | `sleep:SECONDS` | the Bash tool sleeps that long |
//! | `loop` | tool calls without end |
//! | `history` | the number of messages so far and the first user text |
//! | `slow:SECONDS` | a text that takes that long to come |
//! | `huge:BYTES` | a text of that size |
//! | `err400` … `err529` | that HTTP error |
//! | `poisoned` | error 400 in a conversation with history, a sentence in a new one |
//! | `garbage` | an event that is no JSON |
//! | `hang` | no answer |

use base64::prelude::{BASE64_STANDARD, Engine as _};
use http_body_util::BodyExt as _;
use hyper::body::{Body, Bytes, Frame, Incoming};
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::{Value, json};
use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;

/// The name it has a certificate for.
pub const HOST: &str = "api.anthropic.com";

/// One request for a message, as it arrived.
#[derive(Debug, Clone)]
pub struct Seen {
    pub host: String,
    /// `x-api-key`, else the `authorization` header.
    pub key: Option<String>,
    pub model: String,
    /// The word that picked the answer.
    pub word: String,
    /// How many messages of the user and the assistant the conversation had.
    pub messages: usize,
    pub body: Value,
}

/// What all its connections know.
#[derive(Debug, Default)]
struct Shared {
    seen: Mutex<Vec<Seen>>,
    limited_until: AtomicI64,
}

/// Serves until it is dropped.
#[derive(Debug)]
pub struct Api {
    pub port: u16,
    pub ca_file: PathBuf,
    shared: Arc<Shared>,
    end: Option<oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

/// `[[run:…]]` for a shell command.
pub fn run(command: &str) -> String {
    format!("[[run:{}]]", BASE64_STANDARD.encode(command))
}

/// `[[say:…]]` for an answer.
pub fn say(text: &str) -> String {
    format!("[[say:{}]]", BASE64_STANDARD.encode(text))
}

impl Api {
    /// Starts on a free port of 127.0.0.1 and writes its authority to `dir/api-ca.pem`.
    pub fn start(dir: &Path) -> Self {
        let (tls, ca) = tls();
        let ca_file = dir.join("api-ca.pem");
        std::fs::write(&ca_file, ca).unwrap();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        listener.set_nonblocking(true).unwrap();
        let shared = Arc::<Shared>::default();
        let log = Arc::clone(&shared);
        let (end, ended) = oneshot::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                tokio::select! { () = accept(listener, tls, log) => {}, _ = ended => {} }
            });
            runtime.shutdown_background();
        });
        Self { port, ca_file, shared, end: Some(end), thread: Some(thread) }
    }

    /// Refuses everything from now on, as one whose usage limit ends at that second since 1970; with 0 no more.
    pub fn limit_until(&self, second: i64) {
        self.shared.limited_until.store(second, Ordering::Relaxed);
    }

    /// The requests for messages so far, oldest first.
    pub fn seen(&self) -> Vec<Seen> {
        self.shared.seen.lock().unwrap().clone()
    }
}

impl Drop for Api {
    fn drop(&mut self) {
        drop(self.end.take());
        let _ = self.thread.take().map(std::thread::JoinHandle::join);
    }
}

fn tls() -> (tokio_rustls::TlsAcceptor, String) {
    let mut params = rcgen::CertificateParams::default();
    params.distinguished_name.push(rcgen::DnType::CommonName, "airut test API authority");
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let key = rcgen::KeyPair::generate().unwrap();
    let ca = params.self_signed(&key).unwrap().pem();
    let issuer = rcgen::Issuer::new(params, key);
    let mut leaf = rcgen::CertificateParams::new(vec![HOST.to_owned()]).unwrap();
    // Not the authority's name: some readers would call it self-signed.
    leaf.distinguished_name.push(rcgen::DnType::CommonName, HOST);
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = leaf.signed_by(&key, &issuer).unwrap();
    let private = rustls::pki_types::PrivatePkcs8KeyDer::from(key.serialize_der());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], private.into())
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    (Arc::new(config).into(), ca)
}

async fn accept(listener: tokio::net::TcpListener, tls: tokio_rustls::TlsAcceptor, log: Arc<Shared>) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let (tls, log) = (tls.clone(), Arc::clone(&log));
        tokio::spawn(async move {
            let Ok(stream) = tls.accept(stream).await else { return };
            let h2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
            let service = service_fn(move |request| answer(request, Arc::clone(&log)));
            // How a connection ends is the client's affair: it may be killed in the middle.
            if h2 {
                let builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
                let _ = builder.serve_connection(TokioIo::new(stream), service).await;
            } else {
                let builder = hyper::server::conn::http1::Builder::new();
                let _ = builder.serve_connection(TokioIo::new(stream), service).await;
            }
        });
    }
}

/// A body that is written while it is sent.
struct Stream(UnboundedReceiver<Bytes>);

impl Body for Stream {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(cx).map(|bytes| bytes.map(|bytes| Ok(Frame::data(bytes))))
    }
}

fn respond(status: u16, kind: &str) -> (UnboundedSender<Bytes>, Response<Stream>) {
    let (sender, receiver) = unbounded_channel();
    let response =
        Response::builder().status(status).header("content-type", kind).header("request-id", "req_test");
    (sender, response.body(Stream(receiver)).unwrap())
}

fn json_response(status: u16, body: &Value) -> Response<Stream> {
    let (sender, response) = respond(status, "application/json");
    sender.send(body.to_string().into()).unwrap();
    response
}

fn error(status: u16) -> Response<Stream> {
    let (kind, message) = match status {
        400 => ("invalid_request_error", "stand-in: bad request"),
        401 => ("authentication_error", "invalid x-api-key"),
        403 => ("permission_error", "stand-in: forbidden"),
        404 => ("not_found_error", "Not found"),
        413 => ("request_too_large", "stand-in: request too large"),
        429 => ("rate_limit_error", "stand-in: rate limited"),
        529 => ("overloaded_error", "Overloaded"),
        _ => ("api_error", "Internal server error"),
    };
    let mut response =
        json_response(status, &json!({"type": "error", "error": {"type": kind, "message": message}}));
    if status == 429 {
        response.headers_mut().insert("retry-after", "1".parse().unwrap());
    }
    response
}

/// As those who pay by subscription are told that they have had enough.
fn limited(until: i64) -> Response<Stream> {
    let (mut response, until) = (error(429), until.to_string());
    for (name, value) in [
        ("anthropic-ratelimit-unified-status", "rejected"),
        ("anthropic-ratelimit-unified-representative-claim", "five_hour"),
        ("anthropic-ratelimit-unified-reset", until.as_str()),
    ] {
        response.headers_mut().insert(name, value.parse().unwrap());
    }
    response
}

async fn answer(request: Request<Incoming>, log: Arc<Shared>) -> Result<Response<Stream>, hyper::Error> {
    let (head, body) = request.into_parts();
    let header = |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let host = header("host").or_else(|| head.uri.authority().map(ToString::to_string)).unwrap_or_default();
    let key = header("x-api-key").or_else(|| header("authorization"));
    let body: Value = serde_json::from_slice(&body.collect().await?.to_bytes()).unwrap_or_default();
    if head.method != Method::POST || head.uri.path() != "/v1/messages" {
        return Ok(match head.uri.path() {
            "/v1/messages/count_tokens" => json_response(200, &json!({"input_tokens": 100})),
            _ => error(404),
        });
    }
    let asked = Asked::read(&body);
    log.seen.lock().unwrap().push(Seen {
        host,
        key,
        model: body["model"].as_str().unwrap_or_default().to_owned(),
        word: asked.word.clone(),
        messages: asked.messages,
        body: body.clone(),
    });
    let limited_until = log.limited_until.load(Ordering::Relaxed);
    if limited_until > 0 {
        return Ok(limited(limited_until));
    }
    let status = asked.word.strip_prefix("err").and_then(|number| number.parse().ok());
    if let Some(status) = status.or((asked.word == "poisoned" && asked.messages > 1).then_some(400)) {
        return Ok(error(status));
    }
    if asked.word == "hang" {
        std::future::pending::<()>().await;
    }
    let model = body["model"].clone();
    if body["stream"] == json!(true) {
        let (sender, response) = respond(200, "text/event-stream");
        tokio::spawn(async move { stream(asked, model, sender).await });
        return Ok(response);
    }
    Ok(json_response(200, &message(&model, json!([{"type": "text", "text": asked.reply().0}]), "end_turn")))
}

fn message(model: &Value, content: Value, stop: &str) -> Value {
    let usage = json!({"input_tokens": 100, "output_tokens": 20, "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 0, "service_tier": "standard"});
    json!({"id": "msg_test", "type": "message", "role": "assistant", "model": model, "content": content,
        "stop_reason": stop, "stop_sequence": null, "usage": usage})
}

/// What a request asks the stand-in to do.
struct Asked {
    word: String,
    argument: String,
    messages: usize,
    first: String,
    /// The output of the tool that was just run.
    result: Option<String>,
}

impl Asked {
    fn read(body: &Value) -> Self {
        let empty = Vec::new();
        let messages = body["messages"].as_array().unwrap_or(&empty);
        let users = || messages.iter().filter(|message| message["role"] == "user");
        let marked =
            users().rev().flat_map(|message| texts(&message["content"])).find_map(|text| mark(&text));
        let (word, argument) = marked.unwrap_or_else(|| ("text".to_owned(), String::new()));
        let first = users().next().map(|message| texts(&message["content"])).unwrap_or_default();
        let last = messages.last().and_then(|message| message["content"].as_array());
        let result = last.and_then(|blocks| blocks.iter().find(|block| block["type"] == "tool_result"));
        Self {
            word,
            argument,
            // Claude Code puts reminders of its own between them, as messages of the system.
            messages: messages.iter().filter(|message| message["role"] != "system").count(),
            first: first.last().cloned().unwrap_or_default(),
            result: result.map(|block| texts(&block["content"]).concat()),
        }
    }

    fn decoded(&self) -> String {
        String::from_utf8(BASE64_STANDARD.decode(&self.argument).unwrap_or_default()).unwrap_or_default()
    }

    fn number(&self) -> u64 {
        self.argument.parse().unwrap_or(10)
    }

    /// The text and, where a tool is to be used, the shell command.
    fn reply(&self) -> (String, Option<String>) {
        let command = match self.word.as_str() {
            "tool" => "mkdir -p /outbox && echo 'a report' >/outbox/report.txt".to_owned(),
            "run" => self.decoded(),
            "inbox" => "for f in /inbox/*; do echo \"== $f\"; cat \"$f\"; done".to_owned(),
            "sleep" => format!("timeout {} tail -f /dev/null", self.number()),
            "loop" => return (format!("Step {}.", self.messages), Some("echo step".to_owned())),
            "say" => return (self.decoded(), None),
            "huge" => return ("x".repeat(usize::try_from(self.number()).unwrap()), None),
            "history" => {
                // The marks of an earlier mail must not pick what the next one does.
                let first = self.first.replace("[[", "((").replace("]]", "))");
                return (
                    format!("This conversation has {} messages and began: {first}", self.messages),
                    None,
                );
            }
            _ => return ("Hello from the stand-in. The answer is 42.".to_owned(), None),
        };
        match (&self.result, self.word.as_str()) {
            (None, _) => ("I use a tool.".to_owned(), Some(command)),
            (Some(_), "tool") => ("I wrote the file to /outbox/report.txt.".to_owned(), None),
            (Some(output), _) => (format!("The tool said:\n\n```\n{output}\n```"), None),
        }
    }
}

fn texts(content: &Value) -> Vec<String> {
    match content {
        Value::String(text) => vec![text.clone()],
        Value::Array(blocks) => {
            blocks.iter().filter_map(|block| Some(block["text"].as_str()?.to_owned())).collect()
        }
        _ => Vec::new(),
    }
}

fn mark(text: &str) -> Option<(String, String)> {
    let (_, rest) = text.rsplit_once("[[")?;
    let (inside, _) = rest.split_once("]]")?;
    let (word, argument) = inside.split_once(':').unwrap_or((inside, ""));
    Some((word.to_owned(), argument.split_whitespace().collect()))
}

async fn stream(asked: Asked, model: Value, sender: UnboundedSender<Bytes>) {
    let (text, command) = asked.reply();
    // A client that went away is no fault here.
    let raw = |text: String| drop(sender.send(text.into()));
    let event = |data: Value| raw(format!("event: {}\ndata: {data}\n\n", data["type"].as_str().unwrap()));
    let mut start = message(&model, json!([]), "");
    start["stop_reason"] = Value::Null;
    event(json!({"type": "message_start", "message": start}));
    event(json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}));
    if asked.word == "garbage" {
        raw("event: content_block_delta\ndata: {not json\n\n".to_owned());
    }
    let chars: Vec<char> = text.chars().collect();
    let pieces = chars.chunks(chars.len().div_ceil(20).max(1));
    let pause = Duration::from_millis(if asked.word == "slow" { asked.number() * 50 } else { 0 });
    for piece in pieces {
        let delta = json!({"type": "text_delta", "text": piece.iter().collect::<String>()});
        event(json!({"type": "content_block_delta", "index": 0, "delta": delta}));
        tokio::time::sleep(pause).await;
    }
    event(json!({"type": "content_block_stop", "index": 0}));
    let stop = if let Some(command) = command {
        let id = format!("toolu_test{:06}", asked.messages);
        let block = json!({"type": "tool_use", "id": id, "name": "Bash", "input": {}});
        let input = json!({"command": command, "description": "as the test asks"}).to_string();
        event(json!({"type": "content_block_start", "index": 1, "content_block": block}));
        let delta = json!({"type": "input_json_delta", "partial_json": input});
        event(json!({"type": "content_block_delta", "index": 1, "delta": delta}));
        event(json!({"type": "content_block_stop", "index": 1}));
        "tool_use"
    } else {
        "end_turn"
    };
    let delta = json!({"stop_reason": stop, "stop_sequence": null});
    event(json!({"type": "message_delta", "delta": delta, "usage": {"output_tokens": 20}}));
    event(json!({"type": "message_stop"}));
}

//! One connection from the sandbox: the line that says which port it was made to, then TLS or plain HTTP, or the
//! init's control connection. Everything on it is a claim: the agent can speak to the socket itself.

use crate::base::limits;
use crate::proxy::body::Record;
use crate::proxy::handle::{Gate, Origin, handle};
use crate::proxy::init::contract;
use crate::proxy::strict::Strict;
use crate::rule::request::Scheme;
use anyhow::{Context, Result, bail};
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::ServerConfig;
use std::convert::Infallible;
use std::fmt::Display;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, BufReader};
use tokio::net::UnixStream;
use tokio::time::timeout;
use tokio_rustls::LazyConfigAcceptor;

/// Serves it to its end.
pub async fn serve(gate: Arc<Gate>, tls: Arc<ServerConfig>, mut stream: UnixStream) -> Result<()> {
    let preamble = timeout(limits::PROXY_HANDSHAKE, preamble(&mut stream)).await??;
    match preamble.as_str() {
        contract::HTTPS => https(gate, tls, stream).await,
        contract::HTTP => {
            let origin = Origin { scheme: Scheme::Http, sni: None, raw: Arc::default(), busy: None };
            http1(gate, origin, stream).await
        }
        contract::CONTROL => control(&gate, stream).await,
        _ => bail!("an unknown preamble"),
    }
}

/// Byte by byte: what follows belongs to somebody else.
async fn preamble(stream: &mut UnixStream) -> Result<String> {
    let mut line = String::new();
    for _ in 0..contract::PREAMBLE_BYTES {
        match stream.read_u8().await? {
            b'\n' => return Ok(line),
            byte => line.push(char::from(byte)),
        }
    }
    bail!("a preamble that is too long")
}

async fn https(gate: Arc<Gate>, tls: Arc<ServerConfig>, stream: UnixStream) -> Result<()> {
    // What the client said of itself: nothing yet, a hello without a name, or one.
    let mut said: Option<Option<String>> = None;
    let handshake = async {
        let start = LazyConfigAcceptor::new(rustls::server::Acceptor::default(), stream).await?;
        said = Some(start.client_hello().server_name().map(str::to_owned));
        start.into_stream(tls).await.context("the client gave up")
    };
    let handshake = timeout(limits::PROXY_HANDSHAKE, handshake).await.context("it took too long");
    let stream = match handshake.and_then(|done| done) {
        Ok(stream) => stream,
        Err(error) => {
            // No request was made; what was wanted is worth a line all the same.
            let (name, why) = match said {
                Some(Some(name)) => (name, format!("TLS handshake failed: {error:#}")),
                Some(None) => (String::new(), "TLS without a server name".to_owned()),
                None => (String::new(), format!("no TLS: {error:#}")),
            };
            let mut record = Record::begin(Arc::clone(&gate.log), "-", format!("https://{name}/"));
            record.entry.why = why;
            return Ok(());
        }
    };
    let sni = said.flatten();
    let is_h2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
    let origin = Origin { scheme: Scheme::Https, sni, raw: Arc::default(), busy: None };
    if is_h2 { http2(gate, origin, stream).await } else { http1(gate, origin, stream).await }
}

async fn http1<S>(gate: Arc<Gate>, origin: Origin, stream: S) -> Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (log, raw) = (Arc::clone(&gate.log), Arc::<AtomicBool>::clone(&origin.raw));
    let url = format!("{}://{}/", origin.scheme.as_str(), origin.sni.as_deref().unwrap_or_default());
    let patience = if origin.scheme == Scheme::Http { limits::HALF_CLOSED } else { Duration::ZERO };
    let told = Arc::<AtomicBool>::default();
    let tell = {
        let told = Arc::clone(&told);
        move |fault: &dyn Display| {
            told.store(true, Ordering::Relaxed);
            let mut record = Record::begin(Arc::clone(&log), "-", url.clone());
            record.entry.status = 400;
            record.entry.why = format!("not a well-formed HTTP/1.1 message: {fault}");
        }
    };
    let violated = tell.clone();
    let strict = Strict::new(stream, raw, patience, move |violation| violated(&violation));
    let busy = strict.busy();
    let service = service_fn(move |message| {
        let (gate, origin) = (Arc::clone(&gate), Origin { busy: busy.upgrade(), ..origin.clone() });
        async move { Ok::<_, Infallible>(handle(gate, origin, message).await) }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits::REQUEST_HEAD_TIME)
        .serve_connection(TokioIo::new(strict), service)
        .with_upgrades()
        .await;
    // What only hyper refuses, such as a target that is no UTF-8, never came to be judged: it leaves its line here.
    if let Err(error) = &served
        && error.is_parse()
        && !told.load(Ordering::Relaxed)
    {
        tell(error);
    }
    served.context("the connection broke off")
}

async fn http2<S>(gate: Arc<Gate>, origin: Origin, stream: S) -> Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |message| {
        let (gate, origin) = (Arc::clone(&gate), origin.clone());
        async move { Ok::<_, Infallible>(handle(gate, origin, message).await) }
    });
    http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits::HTTP2_STREAMS)
        .max_header_list_size(u32::try_from(limits::REQUEST_HEAD_BYTES)?)
        .initial_stream_window_size(limits::HTTP2_WINDOW_BYTES)
        .initial_connection_window_size(4 * limits::HTTP2_WINDOW_BYTES)
        .max_send_buf_size(256 << 10)
        .serve_connection(TokioIo::new(stream), service)
        .await
        .context("the connection broke off")
}

/// Held open by the init, which ends the sandbox when it closes; brings the DNS questions it answered.
async fn control(gate: &Gate, stream: UnixStream) -> Result<()> {
    let mut lines = BufReader::with_capacity(contract::CONTROL_LINE_BYTES, stream);
    loop {
        let mut line = Vec::new();
        let limit = contract::CONTROL_LINE_BYTES as u64;
        if (&mut lines).take(limit).read_until(b'\n', &mut line).await? == 0 {
            return Ok(());
        }
        let Some(line) = line.strip_suffix(b"\n") else { bail!("a control line that is too long") };
        let text = String::from_utf8_lossy(line);
        let mut words = text.splitn(4, ' ');
        if let (Some("dns"), Some(kind), Some(answer), Some(name)) =
            (words.next(), words.next(), words.next(), words.next())
        {
            gate.log.dns(kind, name, answer);
        }
    }
}

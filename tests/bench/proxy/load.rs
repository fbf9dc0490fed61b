//! The load generator: one thread, HTTP/1.1 or HTTP/2 under TLS over any way.

use crate::server::{H2_HOST, HOST, now_us};
use crate::ways::{Dial, Way};
use anyhow::{Context as _, Result, ensure};
use http_body_util::BodyExt;
use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use hyper::client::conn::{http1, http2};
use hyper::{Request, Response, header};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::ServerName;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio::task::JoinSet;

/// How requests share connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Over {
    /// Each client has one and keeps it.
    Kept,
    /// Each request has its own.
    New,
    /// All clients share one, by HTTP/2 on both sides of a proxy.
    Streams,
}

/// What one run of requests took.
pub struct Took {
    pub per_second: f64,
    /// Sorted.
    pub each: Vec<Duration>,
}

/// What a stream took.
pub struct Streamed {
    pub first: Duration,
    /// From a piece's making to its arrival, sorted.
    pub each: Vec<Duration>,
}

impl Took {
    /// The time that so many per cent of the requests stayed below.
    pub fn at(&self, percent: usize) -> Duration {
        at(&self.each, percent)
    }
}

pub fn at(sorted: &[Duration], percent: usize) -> Duration {
    sorted
        .get((sorted.len() * percent / 100).min(sorted.len().saturating_sub(1)))
        .copied()
        .unwrap_or_default()
}

/// Requests by so many clients for so long.
pub async fn requests(way: &Way, clients: usize, over: Over, time: Duration) -> Result<Took> {
    let client = Client::new(way, over == Over::Streams)?;
    let shared = if over == Over::Streams { Some(client.connect().await?) } else { None };
    let started = Instant::now();
    let mut all = JoinSet::new();
    for _ in 0..clients {
        let client = client.clone();
        let mut connection = shared.as_ref().and_then(Sender::another);
        all.spawn_local(async move {
            let mut each = Vec::new();
            while started.elapsed() < time {
                let begun = Instant::now();
                let mut sender = match connection.take() {
                    Some(sender) => sender,
                    None => client.connect().await?,
                };
                let answer = client.send(&mut sender, "GET", "/small", Upload(0)).await?;
                ensure!(answer.collect().await?.to_bytes().len() == 12, "another body");
                each.push(begun.elapsed());
                if over != Over::New {
                    connection = Some(sender);
                }
            }
            Ok(each)
        });
    }
    let mut each = Vec::new();
    while let Some(one) = all.join_next().await {
        each.extend(one??);
    }
    let took = started.elapsed();
    each.sort_unstable();
    Ok(Took { per_second: each.len() as f64 / took.as_secs_f64(), each })
}

/// One request over a connection of its own.
pub async fn first(way: &Way) -> Result<()> {
    let client = Client::new(way, false)?;
    client.send(&mut client.connect().await?, "GET", "/small", Upload(0)).await?.collect().await?;
    Ok(())
}

/// One body of so many bytes, to the client or from it; bytes a second.
pub async fn body(way: &Way, bytes: usize, up: bool) -> Result<f64> {
    let client = Client::new(way, false)?;
    let mut sender = client.connect().await?;
    let begun = Instant::now();
    if up {
        client.send(&mut sender, "POST", "/sink", Upload(bytes)).await?.collect().await?;
    } else {
        let mut answer =
            client.send(&mut sender, "GET", &format!("/big/{bytes}"), Upload(0)).await?.into_body();
        let mut got = 0;
        while let Some(frame) = answer.frame().await {
            got += frame?.data_ref().map_or(0, Bytes::len);
        }
        ensure!(got == bytes, "{got} bytes and not {bytes}");
    }
    Ok(bytes as f64 / begun.elapsed().as_secs_f64())
}

/// A stream of small pieces over a connection that is there already.
pub async fn stream(way: &Way) -> Result<Streamed> {
    let client = Client::new(way, false)?;
    let mut sender = client.connect().await?;
    client.send(&mut sender, "GET", "/small", Upload(0)).await?.collect().await?;
    let begun = Instant::now();
    let mut answer = client.send(&mut sender, "GET", "/stream", Upload(0)).await?.into_body();
    let (mut first, mut each) = (None, Vec::new());
    while let Some(frame) = answer.frame().await {
        let now = now_us();
        let frame = frame?;
        first.get_or_insert_with(|| begun.elapsed());
        for made in
            frame.data_ref().context("trailers")?.split(|b| *b == b'\n').filter(|line| !line.is_empty())
        {
            let made: u64 = std::str::from_utf8(made)?.parse().context("half a piece")?;
            each.push(Duration::from_micros(now.saturating_sub(made)));
        }
    }
    ensure!(each.len() == crate::server::PIECES, "{} pieces", each.len());
    each.sort_unstable();
    Ok(Streamed { first: first.context("no piece")?, each })
}

trait Io: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

enum Sender {
    H1(http1::SendRequest<Upload>),
    H2(http2::SendRequest<Upload>),
}

impl Sender {
    /// Of the same connection, where it takes several requests at once.
    fn another(&self) -> Option<Self> {
        match self {
            Self::H1(_) => None,
            Self::H2(sender) => Some(Self::H2(sender.clone())),
        }
    }
}

#[derive(Clone)]
struct Client {
    dial: Dial,
    tls: tokio_rustls::TlsConnector,
    token: Arc<str>,
    h2: bool,
}

impl Client {
    fn new(way: &Way, h2: bool) -> Result<Self> {
        Ok(Self {
            dial: way.dial.clone(),
            tls: way.tls(h2)?.into(),
            token: format!("Bearer {}", way.token).into(),
            h2,
        })
    }

    fn host(&self) -> &'static str {
        if self.h2 { H2_HOST } else { HOST }
    }

    async fn connect(&self) -> Result<Sender> {
        let stream: Box<dyn Io> = match &self.dial {
            Dial::Direct(to) => {
                let stream = TcpStream::connect(to).await?;
                stream.set_nodelay(true)?;
                Box::new(stream)
            }
            Dial::Socket(path) => {
                let mut stream = UnixStream::connect(path).await?;
                stream.write_all(b"443\n").await?;
                Box::new(stream)
            }
            Dial::Connect { proxy, server } => {
                let mut stream = TcpStream::connect(proxy).await?;
                stream.set_nodelay(true)?;
                let ask = format!("CONNECT {server} HTTP/1.1\r\nHost: {server}\r\n\r\n");
                stream.write_all(ask.as_bytes()).await?;
                let mut answer = Vec::new();
                while !answer.ends_with(b"\r\n\r\n") {
                    answer.push(stream.read_u8().await?);
                }
                ensure!(answer.starts_with(b"HTTP/1.1 200"), "CONNECT was refused");
                Box::new(stream)
            }
        };
        let stream = self.tls.connect(ServerName::try_from(self.host())?, stream).await?;
        if self.h2 {
            ensure!(stream.get_ref().1.alpn_protocol() == Some(b"h2"), "HTTP/2 was not agreed on");
            let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await?;
            tokio::task::spawn_local(connection);
            return Ok(Sender::H2(sender));
        }
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        tokio::task::spawn_local(connection);
        Ok(Sender::H1(sender))
    }

    async fn send(
        &self,
        sender: &mut Sender,
        method: &str,
        target: &str,
        body: Upload,
    ) -> Result<Response<Incoming>> {
        let request = Request::builder()
            .method(method)
            .header(header::USER_AGENT, "bench")
            .header(header::AUTHORIZATION, &*self.token);
        let answer = match sender {
            Sender::H1(sender) => {
                sender.ready().await?;
                let request = request.uri(target).header(header::HOST, self.host());
                sender.send_request(request.body(body)?).await?
            }
            Sender::H2(sender) => {
                sender.ready().await?;
                let request = request.uri(format!("https://{}{target}", self.host()));
                sender.send_request(request.body(body)?).await?
            }
        };
        ensure!(answer.status().is_success(), "{method} {target}: {}", answer.status());
        Ok(answer)
    }
}

/// So many bytes.
struct Upload(usize);

impl Body for Upload {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let n = self.0.min(64 << 10);
        self.get_mut().0 -= n;
        Poll::Ready((n > 0).then(|| Ok(Frame::data(Bytes::from_static(&[b'x'; 64 << 10]).slice(..n)))))
    }

    fn is_end_stream(&self) -> bool {
        self.0 == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.0 as u64)
    }
}

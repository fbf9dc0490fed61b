//! Sends allowed requests on: over a connection that is kept for the same host, or a new one. Never one host's request
//! over another's connection.

use crate::base::host::HostName;
use crate::base::limits;
use crate::proxy::body::Upload;
use crate::proxy::connect::{Connector, Fault, Purpose, Stream};
use crate::rule::request::{Request, Scheme};
use anyhow::{Context as _, Result};
use hyper::body::{Body, Incoming};
use hyper::client::conn::{http1, http2};
use hyper::header::{self, HeaderValue};
use hyper::{Method, Response, Version, http};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

type Key = (Scheme, HostName);

/// The client side of the proxy.
pub struct Upstream {
    connector: Connector,
    idle: Mutex<HashMap<Key, Vec<(Sender, Instant)>>>,
}

impl fmt::Debug for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Upstream")
    }
}

enum Sender {
    H1(http1::SendRequest<Upload>),
    /// To an egress proxy.
    Forwarded(http1::SendRequest<Upload>),
    H2(http2::SendRequest<Upload>),
}

/// A connection that is lent out for one request.
pub struct Lease {
    upstream: Arc<Upstream>,
    key: Key,
    sender: Sender,
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Lease({:?})", self.key)
    }
}

impl Lease {
    /// To be called once the answer has ended; dropped instead, the connection is closed.
    pub fn give_back(self) {
        self.upstream.keep(self.key, self.sender);
    }
}

impl Upstream {
    #[must_use]
    pub fn new(connector: Connector) -> Self {
        Self { connector, idle: Mutex::default() }
    }

    #[must_use]
    pub fn connector(&self) -> &Connector {
        &self.connector
    }

    /// Sends one allowed request, over a kept connection or a new one.
    pub async fn send(
        self: &Arc<Self>,
        to: &Request,
        mut message: http::Request<Upload>,
    ) -> Result<(Response<Incoming>, Lease), Fault> {
        let key = (to.scheme(), to.host().clone());
        while let Some(mut sender) = self.take(&key) {
            address(&mut message, to, sender.form())?;
            let spare = repeatable(&message);
            match sender.send(message).await {
                Ok(answer) => return Ok((answer, self.lend(key, sender))),
                // The other side closed it meanwhile, and nothing of the request was sent.
                Err((_, Some(unsent))) => message = unsent,
                Err((error, None)) => message = spare.ok_or(Fault::Away(error))?,
            }
        }
        let mut sender = self.connect(&key).await?;
        address(&mut message, to, sender.form())?;
        match sender.send(message).await {
            Ok(answer) => Ok((answer, self.lend(key, sender))),
            Err((error, _)) => Err(Fault::Away(error)),
        }
    }

    /// Sends a request that may end in another protocol: over a connection of its own.
    pub async fn send_upgrade(
        &self,
        to: &Request,
        mut message: http::Request<Upload>,
    ) -> Result<Response<Incoming>, Fault> {
        let stream = self.connector.open(to.scheme(), to.host(), Purpose::Upgrade).await?;
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(|error| Fault::Away(error.into()))?;
        tokio::spawn(connection.with_upgrades());
        address(&mut message, to, Form::Target)?;
        sender.send_request(message).await.map_err(|error| Fault::Away(error.into()))
    }

    fn lend(self: &Arc<Self>, key: Key, sender: Sender) -> Lease {
        Lease { upstream: Arc::clone(self), key, sender }
    }

    fn take(&self, key: &Key) -> Option<Sender> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = idle.get_mut(key)?;
        while let Some((sender, since)) = kept.pop() {
            if sender.is_closed() || since.elapsed() > limits::UPSTREAM_IDLE {
                continue;
            }
            if let Sender::H2(shared) = &sender {
                let one = Sender::H2(shared.clone());
                kept.push((sender, since));
                return Some(one);
            }
            return Some(sender);
        }
        None
    }

    fn keep(&self, key: Key, sender: Sender) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|_, kept| {
            kept.retain(|(sender, since)| !sender.is_closed() && since.elapsed() <= limits::UPSTREAM_IDLE);
            !kept.is_empty()
        });
        let kept = idle.entry(key).or_default();
        if let (Sender::H2(_), Some((Sender::H2(_), since))) = (&sender, kept.last_mut()) {
            *since = Instant::now();
        } else if kept.len() < limits::UPSTREAM_IDLE_COUNT {
            kept.push((sender, Instant::now()));
        }
    }

    async fn connect(&self, key: &Key) -> Result<Sender, Fault> {
        let stream = self.connector.open(key.0, &key.1, Purpose::Requests).await?;
        let (is_h2, is_forwarded) = (stream.is_h2(), matches!(stream, Stream::Forwarded(_)));
        let io = TokioIo::new(stream);
        if is_h2 {
            let mut builder = http2::Builder::new(TokioExecutor::new());
            builder
                .timer(TokioTimer::new())
                .initial_stream_window_size(limits::HTTP2_WINDOW_BYTES)
                .initial_connection_window_size(4 * limits::HTTP2_WINDOW_BYTES)
                .max_send_buf_size(256 << 10);
            let (sender, connection) =
                builder.handshake(io).await.map_err(|error| Fault::Away(error.into()))?;
            tokio::spawn(connection);
            return Ok(Sender::H2(sender));
        }
        let (sender, connection) = http1::handshake(io).await.map_err(|error| Fault::Away(error.into()))?;
        tokio::spawn(connection);
        Ok(if is_forwarded { Sender::Forwarded(sender) } else { Sender::H1(sender) })
    }
}

/// The same request once more, where sending it twice does no harm (RFC 9110 section 9.2.2) and it has no body.
fn repeatable(message: &http::Request<Upload>) -> Option<http::Request<Upload>> {
    let safe = [Method::GET, Method::HEAD].contains(message.method()) && message.body().is_end_stream();
    let mut copy = http::Request::new(Upload::empty());
    *copy.method_mut() = message.method().clone();
    *copy.headers_mut() = message.headers().clone();
    safe.then_some(copy)
}

/// How a request says where it goes (RFC 9112 section 3.2, RFC 9113 section 8.3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Target,
    Absolute,
    H2,
}

/// Writes host and target the way the protocol wants them, from the canonical request and nothing else.
fn address(message: &mut http::Request<Upload>, to: &Request, form: Form) -> Result<()> {
    let trailers = message.headers().contains_key(header::TE);
    if form == Form::H2 {
        *message.version_mut() = Version::HTTP_2;
        *message.uri_mut() = to.url().parse().context("the URL cannot be sent")?;
        message.headers_mut().remove(header::HOST);
    } else {
        *message.version_mut() = Version::HTTP_11;
        let target = if form == Form::Absolute { to.url() } else { to.target() };
        *message.uri_mut() = target.parse().context("the target cannot be sent")?;
        message.headers_mut().insert(header::HOST, HeaderValue::try_from(to.host().as_str())?);
        if trailers {
            message.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("TE"));
        }
    }
    Ok(())
}

impl Sender {
    fn form(&self) -> Form {
        match self {
            Self::H1(_) => Form::Target,
            Self::Forwarded(_) => Form::Absolute,
            Self::H2(_) => Form::H2,
        }
    }

    fn is_closed(&self) -> bool {
        match self {
            Self::H1(sender) | Self::Forwarded(sender) => sender.is_closed(),
            Self::H2(sender) => sender.is_closed(),
        }
    }

    /// Sends; a request that was not sent at all is handed back.
    async fn send(
        &mut self,
        message: http::Request<Upload>,
    ) -> Result<Response<Incoming>, (anyhow::Error, Option<http::Request<Upload>>)> {
        let ready = match self {
            Self::H1(sender) | Self::Forwarded(sender) => sender.ready().await,
            Self::H2(sender) => sender.ready().await,
        };
        if let Err(error) = ready {
            return Err((error.into(), Some(message)));
        }
        let sent = match self {
            Self::H1(sender) | Self::Forwarded(sender) => sender.try_send_request(message).await,
            Self::H2(sender) => sender.try_send_request(message).await,
        };
        sent.map_err(|mut error| {
            let unsent = error.take_message();
            (error.into_error().into(), unsent)
        })
    }
}

//! The TLS server that every way leads to, under a certificate authority of its own: HTTP/1.1 by one name, and HTTP/2
//! by another, so that a proxy speaks the same version on both sides.

use anyhow::{Context as _, Result};
use http_body_util::BodyExt;
use hyper::body::{Body, Bytes, Frame, Incoming};
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode, header};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::Acceptor;
use std::convert::Infallible;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, SystemTime};
use tokio::time::{Interval, interval};

pub const HOST: &str = "bench.example.com";
/// The same server, where it speaks HTTP/2.
pub const H2_HOST: &str = "h2.example.com";
/// What the server wants to see, and what a proxy puts it in for.
pub const SECRET: &str = "ghp_RealRealRealRealRealReal00";
pub const STAND_IN: &str = "ghp_FakeFakeFakeFakeFakeFake11";
/// Pieces of a stream, and how far they are apart.
pub const PIECES: usize = 1000;
const APART: Duration = Duration::from_millis(4);

/// Serves until its standard input ends; writes the authority to `dir`, and the port when it listens.
pub fn serve(dir: &Path) -> Result<()> {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "bench CA");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate()?;
    std::fs::write(dir.join("server-ca.pem"), params.self_signed(&key)?.pem())?;
    let leaf_key = KeyPair::generate()?;
    let mut leaf = CertificateParams::new([HOST, H2_HOST].map(str::to_owned))?;
    leaf.distinguished_name.push(DnType::CommonName, "bench server");
    let leaf = leaf.signed_by(&leaf_key, &Issuer::new(params, key))?;
    let der = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(leaf_key.serialize_der()));
    let mut config = rustls::ServerConfig::builder_with_provider(airut::proxy::tls::provider())
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![leaf.der().clone()], der)?;
    let mut h2 = config.clone();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    h2.alpn_protocols = vec![b"h2".to_vec()];
    let (h1, h2) = (Arc::new(config), Arc::new(h2));
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        std::fs::write(dir.join("port.new"), listener.local_addr()?.port().to_string())?;
        std::fs::rename(dir.join("port.new"), dir.join("port")).context("cannot say the port")?;
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            let (h1, h2) = (Arc::clone(&h1), Arc::clone(&h2));
            tokio::spawn(async move {
                let start = tokio_rustls::LazyConfigAcceptor::new(Acceptor::default(), stream);
                let Ok(start) = start.await else { return };
                let is_h2 = start.client_hello().server_name() == Some(H2_HOST);
                let Ok(stream) = start.into_stream(if is_h2 { h2 } else { h1 }).await else { return };
                let (stream, service) = (TokioIo::new(stream), service_fn(answer));
                let _ = if is_h2 {
                    http2::Builder::new(TokioExecutor::new()).serve_connection(stream, service).await
                } else {
                    http1::Builder::new().serve_connection(stream, service).await
                };
            });
        }
    })
}

async fn answer(request: Request<Incoming>) -> Result<Response<Out>, Infallible> {
    let (head, mut body) = request.into_parts();
    let given = head.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    if given != Some(&format!("Bearer {SECRET}")) {
        let mut refused = Response::new(Out::Text(Some("who are you?")));
        *refused.status_mut() = StatusCode::UNAUTHORIZED;
        return Ok(refused);
    }
    while let Some(Ok(_)) = body.frame().await {}
    let out = match head.uri.path().strip_prefix("/big/") {
        Some(bytes) => Out::Big(bytes.parse().unwrap_or_default()),
        None if head.uri.path() == "/stream" => Out::Stream(interval(APART), PIECES),
        None => Out::Text(Some("hello world\n")),
    };
    Ok(Response::new(out))
}

pub enum Out {
    Text(Option<&'static str>),
    /// So many bytes.
    Big(usize),
    /// Pieces that hold the time they were made.
    Stream(Interval, usize),
}

impl Body for Out {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let piece = match self.get_mut() {
            Self::Text(text) => text.take().map(Bytes::from),
            Self::Big(0) | Self::Stream(_, 0) => None,
            Self::Big(left) => {
                let n = (*left).min(64 << 10);
                *left -= n;
                Some(Bytes::from_static(&[b'x'; 64 << 10]).slice(..n))
            }
            Self::Stream(interval, left) => {
                ready!(interval.poll_tick(cx));
                *left -= 1;
                Some(Bytes::from(format!("{}\n", now_us())))
            }
        };
        Poll::Ready(piece.map(|piece| Ok(Frame::data(piece))))
    }

    fn size_hint(&self) -> hyper::body::SizeHint {
        match self {
            Self::Text(text) => hyper::body::SizeHint::with_exact(text.map_or(0, str::len) as u64),
            Self::Big(left) => hyper::body::SizeHint::with_exact(*left as u64),
            Self::Stream(..) => hyper::body::SizeHint::default(),
        }
    }
}

/// One clock for all processes, in microseconds.
pub fn now_us() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_micros() as u64)
}

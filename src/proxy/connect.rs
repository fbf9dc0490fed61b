//! One connection to the world: the name is looked up only after a rule allowed it, every address it leads to is
//! checked, and the very address that was checked is connected to. Through an egress proxy the name is checked the
//! same way, as far as it is known here; which address is connected to is then that proxy's choice.

use crate::base::cidr::Cidr;
use crate::base::host::HostName;
use crate::base::limits;
use crate::format::config::EgressProxy;
use crate::proxy::settings::Settings;
use crate::proxy::{tls, tunnel};
use crate::rule::egress::{is_opened, is_public};
use crate::rule::request::Scheme;
use anyhow::{Context as _, Result, anyhow};
use rustls::ClientConfig;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::ServerName;
use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::OnceCell;
use tokio::time::timeout;

/// Why there is no answer from upstream.
#[derive(Debug)]
pub enum Fault {
    /// The name leads where nothing may go.
    Inward(String),
    /// The other side is away, slow, or not who it claims to be.
    Away(anyhow::Error),
}

impl From<anyhow::Error> for Fault {
    fn from(error: anyhow::Error) -> Self {
        Self::Away(error)
    }
}

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// One request after another, by either version of HTTP.
    Requests,
    /// One request that may end in another protocol.
    Upgrade,
}

/// Opens connections.
pub struct Connector {
    provider: Arc<CryptoProvider>,
    extra_ca: Option<String>,
    /// Names pinned to addresses, which may be private.
    resolve: BTreeMap<String, (IpAddr, Option<u16>)>,
    allow_private: Vec<Cidr>,
    egress: Option<EgressProxy>,
    /// With HTTP/2 on offer, and without.
    tls: OnceCell<[Arc<ClientConfig>; 2]>,
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Connector")
    }
}

/// What is spoken to.
pub enum Stream {
    Plain(TcpStream),
    /// An egress proxy, which is told with every request where it is to go.
    Forwarded(TcpStream),
    Tls(Box<tokio_rustls::client::TlsStream<TcpStream>>),
}

impl Connector {
    #[must_use]
    pub fn new(settings: &Settings, provider: Arc<CryptoProvider>) -> Self {
        Self {
            provider,
            extra_ca: settings.upstream_ca.clone(),
            resolve: settings.resolve.clone(),
            allow_private: settings.allow_private.clone(),
            egress: settings.upstream_proxy.clone(),
            tls: OnceCell::new(),
        }
    }

    /// Reads the authorities to trust, which takes longer than a start should; the first request waits for it.
    pub async fn prepare(&self) -> Result<()> {
        self.tls_configs().await.map(|_| ())
    }

    /// Connects to a checked address and, for https, makes sure who answers.
    pub async fn open(&self, scheme: Scheme, host: &HostName, purpose: Purpose) -> Result<Stream, Fault> {
        let pinned = self
            .resolve
            .get(host.as_str())
            .map(|(address, port)| SocketAddr::new(*address, port.unwrap_or(scheme.port())));
        let stream = match (&self.egress, pinned) {
            (None, Some(pinned)) => reach(&[pinned], host.as_str()).await?,
            (None, None) => reach(&self.outward(scheme, host).await?, host.as_str()).await?,
            (Some(egress), pinned) => {
                if pinned.is_none() {
                    self.nothing_inward(scheme, host).await?;
                }
                let addresses = look_up(&egress.host, egress.port).await.context("the egress proxy")?;
                let mut stream = reach(&addresses, "the egress proxy").await?;
                if scheme == Scheme::Http && purpose == Purpose::Requests && pinned.is_none() {
                    return Ok(Stream::Forwarded(stream));
                }
                let by_name = || format!("{host}:{}", scheme.port());
                let authority = pinned.map_or_else(by_name, |pinned| pinned.to_string());
                tunnel::open(&mut stream, &authority).await?;
                stream
            }
        };
        if scheme == Scheme::Http {
            return Ok(Stream::Plain(stream));
        }
        let [both, only_h1] = self.tls_configs().await?;
        let config = Arc::clone(if purpose == Purpose::Requests { both } else { only_h1 });
        let name = ServerName::try_from(host.as_str().to_owned()).context("the name fits no certificate")?;
        let handshake = tokio_rustls::TlsConnector::from(config).connect(name, stream);
        let stream = timeout(limits::PROXY_HANDSHAKE, handshake)
            .await
            .map_err(|_| anyhow!("{host} does not answer with TLS"))?
            .with_context(|| format!("TLS with {host} failed"))?;
        Ok(Stream::Tls(Box::new(stream)))
    }

    /// The addresses that may be connected to, in the resolver's order.
    async fn outward(&self, scheme: Scheme, host: &HostName) -> Result<Vec<SocketAddr>, Fault> {
        let found = look_up(host.as_str(), scheme.port()).await?;
        let first = found.first().copied();
        let outward: Vec<SocketAddr> = found.into_iter().filter(|address| self.may_reach(*address)).collect();
        match (outward.is_empty(), first) {
            (true, Some(first)) => Err(inward(host, first)),
            _ => Ok(outward),
        }
    }

    /// Refuses a name of which the egress proxy could choose an address that nothing may go to. A name that cannot
    /// be looked up here, as behind many of them, is left to its judgement.
    async fn nothing_inward(&self, scheme: Scheme, host: &HostName) -> Result<(), Fault> {
        let found = look_up(host.as_str(), scheme.port()).await.unwrap_or_default();
        match found.into_iter().find(|address| !self.may_reach(*address)) {
            Some(address) => Err(inward(host, address)),
            None => Ok(()),
        }
    }

    /// Public and not this machine by a public address of its own, or opened by the operator.
    fn may_reach(&self, address: SocketAddr) -> bool {
        is_opened(address.ip(), &self.allow_private) || (is_public(address.ip()) && !is_own(address))
    }

    async fn tls_configs(&self) -> Result<&[Arc<ClientConfig>; 2]> {
        self.tls
            .get_or_try_init(|| async {
                let (extra, provider) = (self.extra_ca.clone(), Arc::clone(&self.provider));
                tokio::task::spawn_blocking(move || {
                    let mut both = tls::client_config(extra.as_deref(), provider)?;
                    let mut only_h1 = both.clone();
                    both.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
                    only_h1.alpn_protocols = vec![b"http/1.1".to_vec()];
                    Ok([Arc::new(both), Arc::new(only_h1)])
                })
                .await?
            })
            .await
    }
}

impl Stream {
    /// Whether both sides chose HTTP/2.
    #[must_use]
    pub fn is_h2(&self) -> bool {
        matches!(self, Self::Tls(tls) if tls.get_ref().1.alpn_protocol() == Some(b"h2"))
    }
}

fn inward(host: &HostName, address: SocketAddr) -> Fault {
    Fault::Inward(format!("{host} leads to {}, which is not a public address", address.ip()))
}

async fn look_up(host: &str, port: u16) -> Result<Vec<SocketAddr>> {
    let found = timeout(limits::RESOLVE_TIME, tokio::net::lookup_host((host, port)))
        .await
        .map_err(|_| anyhow!("looking up {host} took too long"))?;
    Ok(found.with_context(|| format!("cannot look up {host}"))?.collect())
}

/// Connects to the first address that answers; `who` names it in errors.
async fn reach(addresses: &[SocketAddr], who: &str) -> Result<TcpStream> {
    let mut failure = anyhow!("{who} has no address");
    for address in addresses {
        match timeout(limits::CONNECT_TIME, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                // What is streamed is not to wait for more to come.
                let _ = stream.set_nodelay(true);
                return Ok(stream);
            }
            Ok(Err(error)) => failure = anyhow!("cannot connect to {who}: {error}"),
            Err(_) => failure = anyhow!("cannot connect to {who}: no answer"),
        }
    }
    Err(failure)
}

/// Whether the kernel would answer itself. Connecting a UDP socket sends nothing; it only looks the route up.
fn is_own(address: SocketAddr) -> bool {
    let any: SocketAddr = if address.is_ipv4() { ([0, 0, 0, 0], 0).into() } else { ([0u16; 8], 0).into() };
    let Ok(socket) = UdpSocket::bind(any) else { return true };
    if socket.connect(address).is_err() {
        return false;
    }
    socket.local_addr().is_ok_and(|local| local.ip() == address.ip())
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) | Self::Forwarded(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) | Self::Forwarded(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) | Self::Forwarded(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) | Self::Forwarded(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

//! A sealed world: the real proxy process, a real TLS server for it to reach, and clients on its socket.

use crate::proxy::routes;
use crate::support::world::airut_bin;
use airut::base::host::HostName;
use airut::format::allowlist;
use airut::format::config::{Network, Pinned};
use airut::proxy::credentials::Masked;
use airut::proxy::process::{self, Options, Proxy};
use http_body_util::BodyExt;
use hyper::body::{Bytes, Frame, Incoming, SizeHint};
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, StreamOwned};
use std::convert::Infallible;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::pin::Pin;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::sync::mpsc::UnboundedReceiver;

pub const ALLOWLIST: &str = r#"
domains:
  - api.example.com
  - "*.wide.example.com"
  - plain.example.com
url_prefixes:
  - host: git.example.com
    path: /repos/org/repo*
    methods: [GET, POST]
  - host: npm.example.com
    path: /@scope%2fname
"#;

/// What the server saw of one request.
#[derive(Debug, Clone)]
pub struct Seen {
    pub sni: String,
    pub line: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Seen {
    pub fn header(&self, name: &str) -> Vec<&str> {
        self.headers.iter().filter(|(n, _)| n == name).map(|(_, v)| v.as_str()).collect()
    }
}

pub type Record = Arc<Mutex<Vec<Seen>>>;

/// A TLS server that stands in for the internet, and a plain one.
pub struct Server {
    pub tls: SocketAddr,
    pub plain: SocketAddr,
    pub ca: String,
    seen: Record,
    connections: Arc<AtomicUsize>,
}

impl Server {
    pub fn start() -> Self {
        Self::speaking(&["h2", "http/1.1"])
    }

    pub fn speaking(protocols: &[&str]) -> Self {
        Self::at(protocols, Ipv4Addr::LOCALHOST, [0, 0])
    }

    /// On an address and ports of one's own: for TLS, and for plain HTTP.
    pub fn at(protocols: &[&str], address: Ipv4Addr, ports: [u16; 2]) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "test upstream CA");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let ca = params.self_signed(&key).unwrap();
        let names = ["api", "*.wide", "git", "npm", "a", "index", "files"];
        let mut leaf = CertificateParams::new(names.map(|name| format!("{name}.example.com"))).unwrap();
        leaf.distinguished_name.push(DnType::CommonName, "test upstream");
        let leaf_key = KeyPair::generate().unwrap();
        let leaf = leaf.signed_by(&leaf_key, &Issuer::new(params, key)).unwrap();
        let der = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(leaf_key.serialize_der()));
        let mut config = ServerConfig::builder_with_provider(airut::proxy::tls::provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![leaf.der().clone()], der)
            .unwrap();
        config.alpn_protocols = protocols.iter().map(|p| p.as_bytes().to_vec()).collect();
        let [tls, plain] = ports.map(|port| TcpListener::bind((address, port)).unwrap());
        let server = Self {
            tls: tls.local_addr().unwrap(),
            plain: plain.local_addr().unwrap(),
            ca: ca.pem(),
            seen: Record::default(),
            connections: Arc::default(),
        };
        let (seen, count) = (Arc::clone(&server.seen), Arc::clone(&server.connections));
        std::thread::spawn(move || {
            runtime().block_on(async move {
                tokio::join!(
                    accept(tls, Some(Arc::new(config)), Arc::clone(&seen), &count),
                    accept(plain, None, seen, &count)
                )
            })
        });
        server
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// How many connections were made to it.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }
}

pub fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

async fn accept(
    listener: TcpListener,
    tls: Option<Arc<ServerConfig>>,
    seen: Record,
    connections: &AtomicUsize,
) {
    listener.set_nonblocking(true).unwrap();
    let listener = tokio::net::TcpListener::from_std(listener).unwrap();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        connections.fetch_add(1, Ordering::Relaxed);
        let (tls, seen) = (tls.clone(), Arc::clone(&seen));
        tokio::spawn(async move {
            let Some(tls) = tls else {
                return converse(TokioIo::new(stream), String::new(), false, seen).await;
            };
            let Ok(stream) = tokio_rustls::TlsAcceptor::from(tls).accept(stream).await else { return };
            let session = stream.get_ref().1;
            let sni = session.server_name().unwrap_or_default().to_owned();
            let h2 = session.alpn_protocol() == Some(b"h2");
            converse(TokioIo::new(stream), sni, h2, seen).await;
        });
    }
}

async fn converse<S>(io: S, sni: String, h2: bool, seen: Record)
where
    S: hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static,
{
    let service = hyper::service::service_fn(move |request| {
        let (sni, seen) = (sni.clone(), Arc::clone(&seen));
        async move { Ok::<_, Infallible>(answer(request, sni, seen).await) }
    });
    if h2 {
        let _ = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
            .serve_connection(io, service)
            .await;
    } else {
        let builder = hyper::server::conn::http1::Builder::new();
        let _ = builder.serve_connection(io, service).with_upgrades().await;
    }
}

/// The server's bodies.
pub enum Body {
    Text(Option<&'static str>),
    Whole(Bytes),
    /// Sends back each piece as it comes.
    Echo(Incoming),
    /// So many pieces of 64 KiB.
    Pieces(usize),
    /// One piece, then the connection fails.
    Broken(bool),
    /// One piece, then trailers.
    Trailers(Option<HeaderMap>, bool),
    /// What is handed in while it is sent.
    Fed(UnboundedReceiver<Frame<Bytes>>),
}

impl hyper::body::Body for Body {
    type Data = Bytes;
    type Error = std::io::Error;
    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::Text(text) => SizeHint::with_exact(text.map_or(0, str::len) as u64),
            _ => SizeHint::default(),
        }
    }
    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        match self.get_mut() {
            Self::Broken(first) if *first => {
                *first = false;
                Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"a part of it")))))
            }
            Self::Trailers(_, first) if *first => {
                *first = false;
                Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"in pieces")))))
            }
            Self::Trailers(trailers, _) => {
                Poll::Ready(trailers.take().map(|trailers| Ok(Frame::trailers(trailers))))
            }
            Self::Broken(_) => Poll::Ready(Some(Err(std::io::Error::other("broken")))),
            Self::Whole(bytes) if bytes.is_empty() => Poll::Ready(None),
            Self::Whole(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Self::Text(text) => Poll::Ready(text.take().map(|text| Ok(Frame::data(Bytes::from(text))))),
            Self::Echo(body) => Pin::new(body).poll_frame(cx).map(|frame| frame.and_then(Result::ok).map(Ok)),
            Self::Fed(frames) => frames.poll_recv(cx).map(|frame| frame.map(Ok)),
            Self::Pieces(0) => Poll::Ready(None),
            Self::Pieces(left) => {
                *left -= 1;
                Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(&[b'x'; 64 << 10])))))
            }
        }
    }
}

/// Notes that a request was given up.
struct Gone(Record);

impl Drop for Gone {
    fn drop(&mut self) {
        let one = Seen { sni: String::new(), line: "gone".to_owned(), headers: Vec::new(), body: Vec::new() };
        self.0.lock().unwrap().push(one);
    }
}

async fn answer(mut request: Request<Incoming>, sni: String, seen: Record) -> Response<Body> {
    let path = request.uri().path().to_owned();
    let mut upgrade =
        request.headers().contains_key(header::UPGRADE).then(|| hyper::upgrade::on(&mut request));
    let (head, body) = request.into_parts();
    let target = head.uri.path_and_query().map(ToString::to_string).unwrap_or_default();
    let mut headers: Vec<_> = head
        .headers
        .iter()
        .map(|(n, v)| (n.to_string(), String::from_utf8_lossy(v.as_bytes()).into_owned()))
        .collect();
    headers.extend(head.uri.authority().map(|authority| (":authority".to_owned(), authority.to_string())));
    let one =
        Seen { sni, line: format!("{} {target} {:?}", head.method, head.version), headers, body: Vec::new() };
    let place = {
        let mut seen = seen.lock().unwrap();
        seen.push(one);
        seen.len() - 1
    };
    if path == "/ws"
        && let Some(upgrade) = upgrade.take()
    {
        tokio::spawn(async move {
            let mut io = TokioIo::new(upgrade.await.unwrap());
            let (mut read, mut write) = tokio::io::split(&mut io);
            let _ = tokio::io::copy(&mut read, &mut write).await;
            let _ = tokio::io::AsyncWriteExt::shutdown(&mut write).await;
        });
        return Response::builder()
            .status(StatusCode::SWITCHING_PROTOCOLS)
            .header(header::CONNECTION, "Upgrade")
            .header(header::UPGRADE, "websocket")
            .body(Body::Text(None))
            .unwrap();
    }
    if path == "/websocket"
        && let Some(upgrade) = upgrade.take()
    {
        return routes::websocket(&head, upgrade);
    }
    if path == "/echo" {
        return Response::new(Body::Echo(body));
    }
    if path == "/big" {
        return Response::new(Body::Pieces(1024));
    }
    if path == "/early" {
        // Answers before it has read anything of the body.
        return Response::builder().status(413).body(Body::Text(Some("too large"))).unwrap();
    }
    if path == "/hang" {
        // Never answers; notes when it is given up.
        let gone = Gone(Arc::clone(&seen));
        std::future::pending::<()>().await;
        drop(gone);
    }
    if path == "/later" {
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    if path == "/broken" {
        return Response::builder().header(header::CONTENT_LENGTH, "1000").body(Body::Broken(true)).unwrap();
    }
    let body = match routes::answer(&head, body, &seen).await {
        Ok(answer) => return answer,
        Err(body) => body,
    };
    let (trailers, collected) = match body.collect().await {
        Ok(body) => (body.trailers().cloned(), body.to_bytes()),
        Err(_) => Default::default(),
    };
    if path.starts_with("/git/") {
        return tokio::task::spawn_blocking(move || git(&head, &collected)).await.unwrap();
    }
    if path == "/trailers" {
        // What it was sent, too: as a server does that sends back what it got.
        let sent = head.headers.get(header::AUTHORIZATION).cloned();
        let sent = sent.unwrap_or_else(|| HeaderValue::from_static("nothing"));
        let trailers = [("x-sum", HeaderValue::from_static("1234")), ("x-echo", sent)];
        let trailers =
            trailers.map(|(name, value)| (HeaderName::from_static(name), value)).into_iter().collect();
        let response = Response::builder().header(header::TRAILER, "x-sum, x-echo");
        return response.body(Body::Trailers(Some(trailers), true)).unwrap();
    }
    let length = collected.len();
    for (name, value) in trailers.iter().flatten() {
        let trailer = (format!("trailer {name}"), String::from_utf8_lossy(value.as_bytes()).into_owned());
        seen.lock().unwrap()[place].headers.push(trailer);
    }
    seen.lock().unwrap()[place].body = if length < 1 << 20 { collected.to_vec() } else { Vec::new() };
    let response =
        Response::builder().header("alt-svc", "h3=\":443\"").header("x-upload", length.to_string());
    match path.as_str() {
        "/redirect" => response
            .status(302)
            .header(header::LOCATION, "https://blocked.example.org/")
            .body(Body::Text(Some("elsewhere")))
            .unwrap(),
        "/reflect" => {
            let sent = head.headers.get(header::AUTHORIZATION).cloned();
            let response =
                sent.into_iter().fold(response, |response, value| response.header("x-echo", value));
            response.body(Body::Text(Some("reflected"))).unwrap()
        }
        _ => response.body(Body::Text(Some("hello from upstream"))).unwrap(),
    }
}

/// The real `git http-backend` (a CGI program, RFC 3875), for repositories below the directory for temporary files.
fn git(head: &hyper::http::request::Parts, body: &[u8]) -> Response<Body> {
    let header = |name: &str| head.headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let mut backend = Command::new("git")
        .arg("http-backend")
        .env("GIT_PROJECT_ROOT", std::env::temp_dir())
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("GIT_CONFIG_COUNT", "1")
        .env("GIT_CONFIG_KEY_0", "safe.directory")
        .env("GIT_CONFIG_VALUE_0", "*")
        .env("PATH_INFO", head.uri.path().strip_prefix("/git").unwrap())
        .env("QUERY_STRING", head.uri.query().unwrap_or_default())
        .env("REQUEST_METHOD", head.method.as_str())
        .env("CONTENT_TYPE", header("content-type"))
        .env("HTTP_CONTENT_ENCODING", header("content-encoding"))
        .env("HTTP_GIT_PROTOCOL", header("git-protocol"))
        .env("REMOTE_USER", "somebody")
        .env("REMOTE_ADDR", "192.0.2.1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = backend.stdin.take().unwrap();
    let answer = std::thread::scope(|scope| {
        scope.spawn(move || stdin.write_all(body));
        backend.wait_with_output().unwrap().stdout
    });
    let end = answer.windows(4).position(|w| w == b"\r\n\r\n").unwrap();
    let mut response = Response::builder();
    for line in std::str::from_utf8(&answer[..end]).unwrap().lines() {
        let (name, value) = line.split_once(": ").unwrap();
        response = match name {
            "Status" => response.status(&value[..3]),
            _ => response.header(name, value),
        };
    }
    response.body(Body::Whole(Bytes::copy_from_slice(&answer[end + 4..]))).unwrap()
}

/// The proxy under test, with its server and a directory of its own.
pub struct World {
    pub server: Server,
    pub proxy: Option<Proxy>,
    pub runtime_dir: PathBuf,
    pub log: PathBuf,
    _dir: TempDir,
}

/// A masked secret for `api.example.com`.
pub fn masked(headers: &[&str]) -> Masked {
    Masked {
        name: "TOKEN".to_owned(),
        value: "ghp_RealRealRealRealRealReal00".to_owned(),
        stand_in: "ghp_FakeFakeFakeFakeFakeFake11".to_owned(),
        scopes: vec!["api.example.com".parse().unwrap()],
        headers: headers.iter().map(|h| (*h).to_owned()).collect(),
        allow_foreign: false,
    }
}

impl World {
    pub fn new() -> Self {
        Self::with(ALLOWLIST, Vec::new())
    }

    pub fn with(allowlist: &str, masked: Vec<Masked>) -> Self {
        Self::before(Server::start(), allowlist, masked, |_| {})
    }

    /// One for each protocol a server may speak.
    pub fn each() -> [Self; 2] {
        [&["h2", "http/1.1"][..], &["http/1.1"]].map(|protocols| Self::speaking(protocols, Vec::new()))
    }

    /// With a server that speaks these.
    pub fn speaking(protocols: &[&str], masked: Vec<Masked>) -> Self {
        Self::before(Server::speaking(protocols), ALLOWLIST, masked, |_| {})
    }

    /// With another way to the world.
    pub fn by_way_of(allowlist: &str, change: impl FnOnce(&mut Network)) -> Self {
        Self::before(Server::start(), allowlist, Vec::new(), |options| change(&mut options.network))
    }

    /// With a server that is there already, and anything else about the proxy.
    pub fn before(
        server: Server,
        allowlist: &str,
        masked: Vec<Masked>,
        change: impl FnOnce(&mut Options),
    ) -> Self {
        let dir = tempfile::Builder::new().prefix("airut-").tempdir_in("/tmp").unwrap();
        let mut options =
            options(dir.path().join("r/x"), dir.path().join("network-sandbox.log"), allowlist, &server);
        change(&mut options);
        let proxy = process::start(&Options { masked, ..options }).unwrap();
        Self {
            server,
            proxy: Some(proxy),
            runtime_dir: dir.path().join("r/x"),
            log: dir.path().join("network-sandbox.log"),
            _dir: dir,
        }
    }

    /// A connection as the init's relay makes it.
    pub fn socket(&self, preamble: &str) -> UnixStream {
        let mut stream = UnixStream::connect(self.runtime_dir.join("proxy.sock")).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream.set_write_timeout(Some(Duration::from_secs(20))).unwrap();
        // In one piece: the proxy may hang up as soon as it does not like it.
        let _ = stream.write_all(format!("{preamble}\n").as_bytes());
        stream
    }

    fn client_config(&self, alpn: &[&str]) -> Arc<ClientConfig> {
        let pem = std::fs::read(self.runtime_dir.join("ca.pem")).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(&pem).unwrap()).unwrap();
        let mut config = ClientConfig::builder_with_provider(airut::proxy::tls::provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = alpn.iter().map(|p| p.as_bytes().to_vec()).collect();
        Arc::new(config)
    }

    pub fn tls(&self, sni: &str) -> StreamOwned<ClientConnection, UnixStream> {
        self.tls_with(sni, "http/1.1")
    }

    /// A connection for frames written by hand.
    pub fn tls_h2(&self, sni: &str) -> StreamOwned<ClientConnection, UnixStream> {
        self.tls_with(sni, "h2")
    }

    fn tls_with(&self, sni: &str, protocol: &str) -> StreamOwned<ClientConnection, UnixStream> {
        let name = ServerName::try_from(sni.to_owned()).unwrap();
        let session = ClientConnection::new(self.client_config(&[protocol]), name).unwrap();
        StreamOwned::new(session, self.socket("443"))
    }

    pub async fn h2(&self, sni: &str) -> hyper::client::conn::http2::SendRequest<String> {
        let stream = self.socket("443");
        stream.set_nonblocking(true).unwrap();
        let stream = tokio::net::UnixStream::from_std(stream).unwrap();
        let connector = tokio_rustls::TlsConnector::from(self.client_config(&["h2"]));
        let tls = connector.connect(ServerName::try_from(sni.to_owned()).unwrap(), stream).await.unwrap();
        assert_eq!(tls.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
        let handshake = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(tls));
        let (sender, connection) = handshake.await.unwrap();
        tokio::spawn(connection);
        sender
    }

    /// Sends bytes as they are to a host over TLS and reads until the connection ends.
    pub fn raw(&self, sni: &str, bytes: &[u8]) -> String {
        let mut stream = self.tls(sni);
        let _ = stream.write_all(bytes);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// One request with its own connection: head lines after the request line, then the body.
    pub fn ask(&self, host: &str, line: &str, headers: &[&str]) -> String {
        let headers: String = headers.iter().map(|h| format!("{h}\r\n")).collect();
        self.raw(
            host,
            format!("{line} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{headers}\r\n").as_bytes(),
        )
    }

    /// The log once it holds `text`; the proxy writes a line when the exchange is over for it, which may be a moment
    /// after it is for the client.
    pub fn log_with(&self, text: &str) -> String {
        let started = Instant::now();
        loop {
            let log = std::fs::read_to_string(&self.log).unwrap_or_default();
            if log.contains(text) || started.elapsed() > Duration::from_secs(10) {
                assert!(log.contains(text), "{text:?} is not in the log:\n{log}");
                return log;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// Options for a proxy that reaches the server under every name of the tests.
pub fn options(runtime_dir: PathBuf, log: PathBuf, allowlist: &str, server: &Server) -> Options {
    let ca = runtime_dir.parent().unwrap().with_extension("upstream.pem");
    std::fs::write(&ca, &server.ca).unwrap();
    let pin = |name: &str, to: SocketAddr| {
        (name.parse::<HostName>().unwrap(), Pinned { address: to.ip(), port: Some(to.port()) })
    };
    let names = ["api", "x.wide", "git", "npm", "index", "files"].map(|name| format!("{name}.example.com"));
    let mut resolve: std::collections::BTreeMap<_, _> = names.map(|name| pin(&name, server.tls)).into();
    resolve.extend([pin("wrong.example.net", server.tls)]);
    resolve.extend([pin("plain.example.com", server.plain)]);
    Options {
        program: airut_bin(),
        runtime_dir,
        allowlist: allowlist::parse(allowlist).unwrap(),
        masked: Vec::new(),
        network: Network { upstream_ca_file: Some(ca), resolve, ..Network::default() },
        log,
    }
}

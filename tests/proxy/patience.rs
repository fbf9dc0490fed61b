//! What the proxy waits for, and for how long: on a clock that runs ahead whenever everybody waits.

use crate::proxy::world::ALLOWLIST;
use airut::base::limits;
use airut::format::allowlist;
use airut::proxy::connect::Connector;
use airut::proxy::handle::Gate;
use airut::proxy::log::Log;
use airut::proxy::settings::Settings;
use airut::proxy::upstream::Upstream;
use airut::proxy::{connection, serve, tls};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::time::Instant;

/// The proxy without its process, and a server that is played by the test. All of it on one thread, so that the clock
/// runs ahead only when nobody has anything to do.
struct Stage {
    gate: Arc<Gate>,
    tls: Arc<rustls::ServerConfig>,
    server: TcpListener,
    log: PathBuf,
    _dir: TempDir,
}

impl Stage {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("log");
        let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let to = server.local_addr().unwrap();
        let settings = Settings {
            runtime_dir: dir.path().to_owned(),
            log: log.clone(),
            tied: false,
            allowlist: allowlist::parse(ALLOWLIST).unwrap(),
            masked: Vec::new(),
            resolve: [("plain.example.com".to_owned(), (to.ip(), Some(to.port())))].into(),
            allow_private: Vec::new(),
            upstream_proxy: None,
            upstream_ca: None,
        };
        let allowlist = Arc::new(settings.allowlist.clone());
        let (leaves, _) = tls::Leaves::new(Arc::clone(&allowlist), &tls::provider()).unwrap();
        let gate = Gate {
            allowlist,
            masked: Vec::new(),
            upstream: Arc::new(Upstream::new(Connector::new(&settings, tls::provider()))),
            log: Arc::new(Log::new(std::fs::File::create(&log).unwrap())),
        };
        tokio::spawn(serve::tell_long(Arc::clone(&gate.log)));
        let tls = tls::server_config(leaves, tls::provider()).unwrap();
        Self { gate: Arc::new(gate), tls, server, log, _dir: dir }
    }

    /// A connection as the init's relay makes it, with its first bytes.
    async fn connect(&self, first: &str) -> UnixStream {
        let (mut ours, theirs) = UnixStream::pair().unwrap();
        tokio::spawn(connection::serve(Arc::clone(&self.gate), Arc::clone(&self.tls), theirs));
        ours.write_all(first.as_bytes()).await.unwrap();
        ours
    }

    /// The proxy's connection to the server, once a request with this head arrived on it.
    async fn arrived(&self, head: &str) -> TcpStream {
        let (mut stream, _) = self.server.accept().await.unwrap();
        let mut bytes = vec![0; head.len()];
        stream.read_exact(&mut bytes).await.unwrap();
        assert_eq!(String::from_utf8(bytes).unwrap(), head);
        stream
    }

    fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }
}

const REQUEST: &str = "80\nGET /x HTTP/1.1\r\nHost: plain.example.com\r\nConnection: close\r\n\r\n";

async fn rest(stream: &mut UnixStream) -> String {
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes).await;
    String::from_utf8(bytes).unwrap()
}

fn assert_about(since: Instant, time: Duration) {
    let took = since.elapsed();
    assert!(took >= time && took < time + Duration::from_secs(5), "{took:?}, not {time:?}");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_says_nothing_or_never_ends_its_first_line_is_cut_off() {
    let stage = Stage::new().await;
    for first in ["", "8", "443\n", "443\n\x16\x03\x01\x02\x00"] {
        let (since, mut client) = (Instant::now(), stage.connect(first).await);
        assert_eq!(rest(&mut client).await, "");
        assert_about(since, limits::PROXY_HANDSHAKE);
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_never_finishes_its_requests_head_is_cut_off_however_it_drips() {
    let stage = Stage::new().await;
    for drips in [false, true] {
        let (since, mut client) =
            (Instant::now(), stage.connect("80\nGET / HTTP/1.1\r\nHost: plain.example.com\r\nX: ").await);
        if drips {
            while client.write_all(b"x").await.is_ok() {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
        assert_eq!(rest(&mut client).await, "");
        assert_about(since, limits::REQUEST_HEAD_TIME);
    }
    // Nothing of it went anywhere.
    let waited = tokio::time::timeout(Duration::from_secs(60), stage.server.accept()).await;
    assert!(waited.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_long_request_has_its_line_in_the_log_while_it_goes_on() {
    let stage = Stage::new().await;
    let mut client = stage.connect(REQUEST).await;
    let mut server = stage.arrived("GET /x HTTP/1.1\r\n").await;
    server.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nsl").await.unwrap();
    tokio::time::sleep(limits::LONG_REQUEST - Duration::from_secs(1)).await;
    assert_eq!(stage.log(), "");
    tokio::time::sleep(limits::LONG_REQUEST).await;
    let log = stage.log();
    assert!(
        log.contains(" OPEN GET http://plain.example.com/x status=0 ") && log.lines().count() == 1,
        "{log}"
    );
    server.write_all(b"ow").await.unwrap();
    assert!(rest(&mut client).await.ends_with("\r\n\r\nslow"));
    let last = stage.log().lines().last().unwrap().to_owned();
    assert!(last.contains(" ALLOWED GET http://plain.example.com/x status=200 sent=0 received=4 "), "{last}");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_never_answers_is_given_up_and_one_that_stops_in_its_answer_too() {
    let stage = Stage::new().await;
    let (since, mut client) = (Instant::now(), stage.connect(REQUEST).await);
    let _server = stage.arrived("GET /x HTTP/1.1\r\n").await;
    let mut status = [0; 12];
    client.read_exact(&mut status).await.unwrap();
    assert_eq!(&status, b"HTTP/1.1 502");
    assert_about(since, limits::ANSWER_TIME);
    assert!(stage.log().contains("it did not answer in time"), "{}", stage.log());

    let mut client = stage.connect(REQUEST).await;
    let mut server = stage.arrived("GET /x HTTP/1.1\r\n").await;
    server.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\na part").await.unwrap();
    let since = Instant::now();
    assert!(rest(&mut client).await.ends_with("\r\n\r\na part"));
    assert_about(since, limits::BODY_IDLE_TIME);
    assert!(stage.log().contains("the body stood still for too long"), "{}", stage.log());
}

#[tokio::test(start_paused = true)]
async fn a_client_that_closed_its_side_is_waited_for_so_long_and_no_longer() {
    let stage = Stage::new().await;
    for (late, is_answered) in [
        (limits::HALF_CLOSED - Duration::from_secs(2), true),
        (limits::HALF_CLOSED + Duration::from_secs(2), false),
    ] {
        let mut client = stage.connect(REQUEST).await;
        client.shutdown().await.unwrap();
        let mut server = stage.arrived("GET /x HTTP/1.1\r\n").await;
        tokio::time::sleep(late).await;
        let _ = server.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
        assert_eq!(rest(&mut client).await.starts_with("HTTP/1.1 200"), is_answered);
    }
}

//! A whole connection to the proxy's socket: preamble, TLS hello and its name, requests, control lines. Nothing is
//! allowed here, so nothing may be, and the log stays one line an event.

use airut::format::allowlist::Allowlist;
use airut::proxy::connect::Connector;
use airut::proxy::connection;
use airut::proxy::handle::Gate;
use airut::proxy::log::Log;
use airut::proxy::settings::Settings;
use airut::proxy::tls::{self, Leaves};
use airut::proxy::upstream::Upstream;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, Write};
use std::path::PathBuf;
use std::sync::{Arc, LazyLock};
use tokio::io::AsyncReadExt;

static TLS: LazyLock<Arc<rustls::ServerConfig>> = LazyLock::new(|| {
    let provider = tls::provider();
    let (leaves, _) = Leaves::new(Arc::default(), &provider).expect("a CA");
    tls::server_config(leaves, provider).expect("a configuration")
});

fn nothing_pinned() -> Settings {
    Settings {
        runtime_dir: PathBuf::new(),
        log: PathBuf::new(),
        tied: true,
        allowlist: Allowlist::default(),
        masked: Vec::new(),
        resolve: BTreeMap::new(),
        allow_private: Vec::new(),
        upstream_proxy: None,
        upstream_ca: None,
    }
}

pub fn connection(data: &[u8]) {
    let mut file = memory();
    let log = Arc::new(Log::new(file.try_clone().expect("one more descriptor")));
    let connector = Connector::new(&nothing_pinned(), tls::provider());
    let gate = Gate {
        allowlist: Arc::new(Allowlist::default()),
        masked: Vec::new(),
        upstream: Arc::new(Upstream::new(connector)),
        log,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("an event loop");
    runtime.block_on(async {
        let (mut client, server) = std::os::unix::net::UnixStream::pair().expect("a socket");
        // All of it fits the socket's buffer.
        client.write_all(&data[..data.len().min(32 << 10)]).expect("written");
        client.shutdown(std::net::Shutdown::Write).expect("ended");
        for side in [&client, &server] {
            side.set_nonblocking(true).expect("a socket");
        }
        let mut client = tokio::net::UnixStream::from_std(client).expect("a socket");
        let server = tokio::net::UnixStream::from_std(server).expect("a socket");
        let mut answer = Vec::new();
        let serve = connection::serve(Arc::new(gate), Arc::clone(&TLS), server);
        let (_, _) = tokio::join!(serve, client.read_to_end(&mut answer));
    });
    drop(runtime);
    let mut text = String::new();
    file.rewind().and_then(|()| file.read_to_string(&mut text)).expect("the log is text");
    assert!(text.is_empty() || text.ends_with('\n'));
    for line in text.lines() {
        let word = line.split(' ').nth(1).unwrap_or_default();
        assert!(["BLOCKED", "DNS", "NOTE"].contains(&word), "{line:?}");
        assert!(line.bytes().all(|b| (0x20..0x7f).contains(&b)) && line.len() < 20_000, "{line:?}");
    }
}

fn memory() -> File {
    let flags = rustix::fs::MemfdFlags::CLOEXEC;
    rustix::fs::memfd_create("log", flags).expect("a file in memory").into()
}

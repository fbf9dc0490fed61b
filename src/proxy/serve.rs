//! The proxy process: reads its settings, opens its socket, confines itself, says that it is ready, and serves
//! until its standard input ends (tied to a run) or it gets SIGTERM. Never writes secrets anywhere.

use crate::base::limits;
use crate::disk::{runtime, write};
use crate::proxy::confine::confine;
use crate::proxy::connect::Connector;
use crate::proxy::connection;
use crate::proxy::handle::Gate;
use crate::proxy::init::contract;
use crate::proxy::log::Log;
use crate::proxy::settings::{Confinement, Ready, Settings};
use crate::proxy::tls;
use crate::proxy::upstream::Upstream;
use anyhow::{Context, Result, bail};
use rustls::ServerConfig;
use signal_hook::consts::{SIGINT, SIGTERM};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::Arc;
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe;
use tokio::sync::Semaphore;

/// Runs the proxy to its end. Talks on standard input and output as `settings` describes.
pub fn serve() -> Result<()> {
    let opened = read_settings(std::io::stdin().lock()).and_then(|settings| Ok((open(&settings)?, settings)));
    let (open, settings) = match opened {
        Ok(opened) => opened,
        Err(error) => {
            say(&Ready {
                ready: false,
                error: Some(format!("{error:#}")),
                pid: 0,
                confinement: Confinement::default(),
            })?;
            return Err(error);
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(8)
        .build()
        .context("cannot start the event loop")?;
    let pinned = settings.resolve.values().filter_map(|(_, port)| *port);
    let ports: Vec<u16> = pinned.chain(settings.upstream_proxy.as_ref().map(|proxy| proxy.port)).collect();
    let confinement = confine(&ports, settings.tied);
    let result = runtime.block_on(async {
        let listener = tokio::net::UnixListener::from_std(open.listener).context("cannot listen")?;
        say(&Ready { ready: true, error: None, pid: std::process::id(), confinement })?;
        let upstream = Arc::clone(&open.gate.upstream);
        // Reading the system's authorities takes longer than all the rest; nobody waits for it yet.
        tokio::spawn(async move { upstream.connector().prepare().await });
        let log = Arc::clone(&open.gate.log);
        tokio::spawn(tell_long(log));
        tokio::select! {
            never = accept(listener, open.gate, open.tls) => never,
            ended = end(settings.tied) => ended,
        }
    });
    // A lookup that hangs must not hold up the end.
    runtime.shutdown_background();
    result
}

/// Has the log tell of long requests, for ever.
pub async fn tell_long(log: Arc<Log>) {
    loop {
        tokio::time::sleep(limits::LONG_REQUEST / 10).await;
        log.tell_long();
    }
}

struct Open {
    listener: UnixListener,
    gate: Arc<Gate>,
    tls: Arc<ServerConfig>,
}

fn read_settings(stdin: impl Read) -> Result<Settings> {
    let mut line = Vec::new();
    BufReader::new(stdin.take(limits::PROXY_SETTINGS_BYTES)).read_until(b'\n', &mut line)?;
    serde_json::from_slice(&line).context("cannot understand the settings on standard input")
}

/// Everything that needs files, before the cage closes.
fn open(settings: &Settings) -> Result<Open> {
    let provider = tls::provider();
    let allowlist = Arc::new(settings.allowlist.clone());
    let log = Arc::new(Log::new(write::append(&settings.log)?));
    let (leaves, ca_pem) = tls::Leaves::new(Arc::clone(&allowlist), &provider)?;
    runtime::put(&settings.runtime_dir, contract::CA, ca_pem.as_bytes(), 0o444)?;
    let listener = runtime::listen(&settings.runtime_dir, contract::SOCKET)?;
    let connector = Connector::new(settings, Arc::clone(&provider));
    let gate = Gate {
        allowlist,
        masked: settings.masked.clone(),
        upstream: Arc::new(Upstream::new(connector)),
        log,
    };
    Ok(Open { listener, gate: Arc::new(gate), tls: tls::server_config(leaves, provider)? })
}

/// The one line that whoever started us waits for.
fn say(ready: &Ready) -> Result<()> {
    let mut line = serde_json::to_vec(ready)?;
    line.push(b'\n');
    let mut stdout = std::io::stdout().lock();
    stdout.write_all(&line).and_then(|()| stdout.flush()).context("nobody waits for this proxy")
}

async fn accept(listener: tokio::net::UnixListener, gate: Arc<Gate>, tls: Arc<ServerConfig>) -> Result<()> {
    let places = Arc::new(Semaphore::new(limits::PROXY_CONNECTIONS));
    loop {
        let place = Arc::clone(&places).acquire_owned().await?;
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Out of descriptors: those in use come back; refusing is better than ending.
                gate.log.note(&format!("a connection could not be taken: {error}"));
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                continue;
            }
        };
        let (gate, tls) = (Arc::clone(&gate), Arc::clone(&tls));
        tokio::spawn(async move {
            // How a connection ends is the client's affair; every request on it is logged by itself.
            let _ = connection::serve(gate, tls, stream).await;
            drop(place);
        });
    }
}

/// Returns when it is time to end.
async fn end(tied: bool) -> Result<()> {
    let (reader, writer) = UnixStream::pair().context("cannot listen for signals")?;
    for signal in [SIGTERM, SIGINT] {
        signal_hook::low_level::pipe::register(signal, writer.try_clone()?)
            .context("cannot listen for signals")?;
    }
    reader.set_nonblocking(true)?;
    let mut signalled = tokio::net::UnixStream::from_std(reader)?;
    if !tied {
        signalled.read_u8().await?;
        return Ok(());
    }
    let stdin: OwnedFd = std::io::stdin().as_fd().try_clone_to_owned()?;
    let mut stdin = pipe::Receiver::from_owned_fd(stdin).context("standard input is not a pipe")?;
    let mut rest = [0; 64];
    tokio::select! {
        _ = signalled.read_u8() => Ok(()),
        read = stdin.read(&mut rest) => match read {
            Ok(0) | Err(_) => Ok(()),
            Ok(_) => bail!("unexpected text on standard input"),
        },
    }
}

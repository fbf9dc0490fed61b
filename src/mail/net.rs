//! The bytes between us and a mail server: reached within a time, protected or to loopback only, interruptible, and
//! not without end.

use crate::base::fault::Fault;
use crate::base::limits;
use crate::format::config::Tls;
use crate::mail::trust;
use anyhow::{Context, Result};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// The addresses of a server; with `Tls::None` only those of this machine.
///
/// # Errors
/// Where the name cannot be looked up (try later), or leads elsewhere without protection.
pub fn resolve(host: &str, port: u16, tls: Tls) -> Result<Vec<SocketAddr>> {
    let away = |why: String| Fault::try_later(format!("cannot find the mail server {host}: {why}"));
    let found: Vec<SocketAddr> =
        (host, port).to_socket_addrs().map_err(|error| away(error.to_string()))?.collect();
    if found.is_empty() {
        return Err(away("it has no address".to_owned()).into());
    }
    if tls == Tls::None && !found.iter().all(|address| address.ip().is_loopback()) {
        return Err(Fault::config(format!(
            "{host} is not this machine, and mail and password would go in the clear"
        ))
        .hint("set tls to \"implicit\" or \"starttls\"")
        .into());
    }
    Ok(found)
}

/// A connection to the first address that answers.
///
/// # Errors
/// Where none does: try later.
pub fn reach(host: &str, addresses: &[SocketAddr]) -> Result<TcpStream> {
    let mut last = None;
    for address in addresses {
        match TcpStream::connect_timeout(address, limits::MAIL_CONNECT) {
            Ok(stream) => {
                stream.set_nodelay(true).context("cannot set up the connection")?;
                keep_alive(&stream).context("cannot set up the connection")?;
                stream.set_read_timeout(Some(limits::MAIL_POLL)).context("cannot set up the connection")?;
                stream
                    .set_write_timeout(Some(limits::MAIL_TIMEOUT))
                    .context("cannot set up the connection")?;
                return Ok(stream);
            }
            Err(error) => last = Some(format!("{address}: {error}")),
        }
    }
    Err(Fault::try_later(format!("cannot reach the mail server {host}: {}", last.unwrap_or_default())).into())
}

/// Has the kernel ask a silent peer whether it is there: in IDLE nobody else would for half an hour.
fn keep_alive(stream: &TcpStream) -> io::Result<()> {
    use rustix::net::sockopt;
    sockopt::set_socket_keepalive(stream, true)?;
    sockopt::set_tcp_keepidle(stream, limits::KEEPALIVE_IDLE)?;
    sockopt::set_tcp_keepintvl(stream, limits::KEEPALIVE_PAUSE)?;
    sockopt::set_tcp_keepcnt(stream, limits::KEEPALIVE_COUNT)?;
    Ok(())
}

/// What can be told to a connection while somebody else holds it.
#[derive(Debug, Default)]
pub struct Control {
    /// A read that waits comes to an end, as if its time had run out.
    pub stop: AtomicBool,
    /// Bytes that may still be read; reading on is an error.
    pub budget: AtomicU64,
    /// A mail's own bytes come. What a server says otherwise is ASCII, or should be: some repeat a folder's name or speak
    /// the user's language, and the IMAP library takes that for the end of the connection.
    pub is_mail: AtomicBool,
    /// How long one read may wait, in milliseconds; 0: `limits::MAIL_TIMEOUT`.
    pub patience: AtomicU64,
}

impl Control {
    /// How long a read may wait from now on.
    pub fn set_patience(&self, patience: Duration) {
        self.patience
            .store(u64::try_from(patience.as_millis()).unwrap_or(u64::MAX).max(1), Ordering::Relaxed);
    }

    fn patience(&self) -> Duration {
        match self.patience.load(Ordering::Relaxed) {
            0 => limits::MAIL_TIMEOUT,
            milliseconds => Duration::from_millis(milliseconds),
        }
    }
}

/// A connection to a mail server.
#[derive(Debug)]
pub struct Net {
    way: Way,
    control: Arc<Control>,
}

#[derive(Debug)]
enum Way {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Net {
    /// Bytes as they are; `protect` is for what was said before TLS.
    #[must_use]
    pub fn plain(stream: TcpStream, control: Arc<Control>) -> Self {
        Self { way: Way::Plain(stream), control }
    }

    /// Goes on in TLS, the certificate verified for `host`.
    ///
    /// # Errors
    /// Where the certificate is not for `host` or from nobody we trust, or the server does not speak TLS.
    pub fn protect(self, host: &str, config: Arc<ClientConfig>) -> Result<Self> {
        let Way::Plain(stream) = self.way else {
            anyhow::bail!("the connection to {host} is protected already");
        };
        let name = ServerName::try_from(host.to_owned())
            .map_err(|_| Fault::config(format!("{host:?} is neither a host name nor an address")))?;
        let client = ClientConnection::new(config, name).context("cannot set up TLS")?;
        let mut tls = Box::new(StreamOwned::new(client, stream));
        let deadline = Instant::now() + limits::MAIL_TIMEOUT;
        while tls.conn.is_handshaking() {
            match tls.conn.complete_io(&mut tls.sock) {
                Ok(_) => {}
                Err(error) if is_pause(&error) && Instant::now() < deadline => {}
                Err(error) => return Err(handshake_fault(host, &error).into()),
            }
        }
        Ok(Self { way: Way::Tls(tls), control: self.control })
    }

    /// What somebody else can tell this connection.
    #[must_use]
    pub fn control(&self) -> &Control {
        &self.control
    }
}

fn handshake_fault(host: &str, error: &io::Error) -> Fault {
    if let Some(refused) = trust::tls_error(error).and_then(|error| trust::refusal(host, error)) {
        return refused;
    }
    Fault::try_later(format!("the connection to {host} failed: {error}"))
}

fn is_pause(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted)
}

impl Read for Net {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.control.budget.load(Ordering::Relaxed) == 0 {
            return Err(io::Error::other("the mail server answers without end"));
        }
        let deadline = Instant::now() + self.control.patience();
        loop {
            let read = match &mut self.way {
                Way::Plain(stream) => stream.read(buffer),
                Way::Tls(stream) => stream.read(buffer),
            };
            match read {
                Ok(count) => {
                    let left = self.control.budget.load(Ordering::Relaxed).saturating_sub(count as u64);
                    self.control.budget.store(left, Ordering::Relaxed);
                    if !self.control.is_mail.load(Ordering::Relaxed) {
                        buffer[..count]
                            .iter_mut()
                            .filter(|byte| !byte.is_ascii())
                            .for_each(|byte| *byte = b'?');
                    }
                    return Ok(count);
                }
                Err(error) if is_pause(&error) => {
                    if self.control.stop.load(Ordering::Relaxed) || Instant::now() >= deadline {
                        return Err(io::Error::new(ErrorKind::TimedOut, "the mail server does not answer"));
                    }
                }
                // A server that hangs up without TLS's own goodbye has hung up.
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(0),
                Err(error) => return Err(error),
            }
        }
    }
}

impl Write for Net {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        match &mut self.way {
            Way::Plain(stream) => stream.write(buffer),
            Way::Tls(stream) => stream.write(buffer),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.way {
            Way::Plain(stream) => stream.flush(),
            Way::Tls(stream) => stream.flush(),
        }
    }
}

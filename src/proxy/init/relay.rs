//! Carries bytes between the agent's connections to ports 80 and 443 and the proxy's socket, each direction by
//! itself, so that a half-closed connection stays half open. One thread for all of them: threads would count
//! against the agent's own limit. Looks into nothing.

use crate::contract;
use crate::sys::{POLLIN, POLLOUT, PollFd, poll};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

/// Connections at once; fewer than the proxy takes, so that connecting to it never waits.
const CONNECTIONS: usize = 256;
/// Carried at once; what cannot be written is held, and nothing more is read in that direction until it is.
const BUFFER_BYTES: usize = 64 << 10;
/// The agent gets this long to close after the proxy did.
const LINGER: Duration = Duration::from_secs(10);

/// Binds before it returns, so that the agent's first connection finds it.
pub fn start(socket: PathBuf) -> io::Result<()> {
    let mut listeners = Vec::new();
    for (port, name) in [(80, contract::HTTP), (443, contract::HTTPS)] {
        listeners.push((TcpListener::bind(("127.0.0.1", port))?, name));
        // For programs that try a literal localhost; many containers have no IPv6.
        listeners.extend(TcpListener::bind(("::1", port)).ok().map(|listener| (listener, name)));
    }
    for (listener, _) in &listeners {
        listener.set_nonblocking(true)?;
    }
    thread::Builder::new().name("relay".to_owned()).spawn(move || run(&listeners, &socket))?;
    Ok(())
}

/// One connection: the agent's side and the proxy's.
struct Pair {
    agent: TcpStream,
    proxy: UnixStream,
    up: Direction,
    down: Direction,
    moved: Instant,
}

/// What goes one way.
#[derive(Default)]
struct Direction {
    held: Vec<u8>,
    /// The source has no more.
    ended: bool,
    /// The sink takes no more; what still comes is thrown away, so that the source can finish and read its answer.
    broken: bool,
}

impl Direction {
    fn wants_read(&self) -> bool {
        !self.ended && (self.broken || self.held.is_empty())
    }

    fn wants_write(&self) -> bool {
        !self.held.is_empty()
    }

    fn is_done(&self) -> bool {
        self.ended && self.held.is_empty()
    }

    /// Reads once and passes on; true when the source has just ended and all of it was passed on.
    fn read(&mut self, source: &mut impl Read, sink: &mut impl Write, buffer: &mut [u8]) -> bool {
        match source.read(buffer) {
            Ok(0) => self.ended = true,
            Ok(_) if self.broken => {}
            Ok(n) => self.write(sink, &buffer[..n]),
            Err(error) if is_temporary(&error) => {}
            Err(_) => self.ended = true,
        }
        self.is_done()
    }

    fn write(&mut self, sink: &mut impl Write, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            match sink.write(bytes) {
                Ok(n) => bytes = &bytes[n..],
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.held = bytes.to_vec();
                    return;
                }
                Err(_) => {
                    self.broken = true;
                    return;
                }
            }
        }
    }

    /// Writes what is held; true when that was the last of the direction.
    fn flush(&mut self, sink: &mut impl Write) -> bool {
        let held = std::mem::take(&mut self.held);
        self.write(sink, &held);
        self.is_done()
    }
}

fn is_temporary(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}

impl Pair {
    fn open(agent: TcpStream, name: &str, socket: &Path) -> io::Result<Self> {
        let mut proxy = UnixStream::connect(socket)?;
        proxy.write_all(format!("{name}\n").as_bytes())?;
        proxy.set_nonblocking(true)?;
        agent.set_nonblocking(true)?;
        agent.set_nodelay(true)?;
        Ok(Self { agent, proxy, up: Direction::default(), down: Direction::default(), moved: Instant::now() })
    }

    /// What to wait for on the agent's side and on the proxy's.
    fn interests(&self) -> [PollFd; 2] {
        [
            interest(self.agent.as_raw_fd(), self.up.wants_read(), self.down.wants_write()),
            interest(self.proxy.as_raw_fd(), self.down.wants_read(), self.up.wants_write()),
        ]
    }

    /// Moves what can be moved. `ready` is what `interests` became.
    fn step(&mut self, ready: &[PollFd], buffer: &mut [u8]) {
        let is_ready = |side: usize| ready[side].revents != 0;
        if is_ready(0) || is_ready(1) {
            self.moved = Instant::now();
        }
        if is_ready(1) && self.up.wants_write() && self.up.flush(&mut self.proxy) {
            let _ = self.proxy.shutdown(Shutdown::Write);
        }
        if is_ready(0) && self.down.wants_write() && self.down.flush(&mut self.agent) {
            let _ = self.agent.shutdown(Shutdown::Write);
        }
        if is_ready(0) && self.up.wants_read() && self.up.read(&mut self.agent, &mut self.proxy, buffer) {
            let _ = self.proxy.shutdown(Shutdown::Write);
        }
        if is_ready(1) && self.down.wants_read() && self.down.read(&mut self.proxy, &mut self.agent, buffer) {
            let _ = self.agent.shutdown(Shutdown::Write);
        }
    }

    fn is_over(&self) -> bool {
        let answered = self.down.is_done() || self.down.broken;
        answered && (self.up.is_done() || self.down.broken || self.moved.elapsed() > LINGER)
    }
}

/// A side nothing is wanted of is passed over, or its hanging up would be reported for ever.
fn interest(fd: RawFd, read: bool, write: bool) -> PollFd {
    let events = if read { POLLIN } else { 0 } | if write { POLLOUT } else { 0 };
    PollFd { fd: if events == 0 { -1 } else { fd }, events, revents: 0 }
}

fn run(listeners: &[(TcpListener, &str)], socket: &Path) {
    let mut pairs: Vec<Pair> = Vec::new();
    let mut buffer = vec![0; BUFFER_BYTES];
    let mut fds = Vec::new();
    loop {
        fds.clear();
        fds.extend(pairs.iter().flat_map(Pair::interests));
        let room = pairs.len() < CONNECTIONS;
        fds.extend(listeners.iter().map(|(listener, _)| interest(listener.as_raw_fd(), room, false)));
        // Woken now and then to close what lingers.
        let lingering = pairs.iter().any(|pair| pair.down.is_done());
        if poll(&mut fds, if lingering { 1000 } else { -1 }).is_err() {
            // Out of memory, and nothing better to do than to try again.
            thread::sleep(Duration::from_millis(100));
            continue;
        }
        let (of_pairs, of_listeners) = fds.split_at(2 * pairs.len());
        for (pair, ready) in pairs.iter_mut().zip(of_pairs.chunks(2)) {
            pair.step(ready, &mut buffer);
        }
        pairs.retain(|pair| !pair.is_over());
        for ((listener, name), ready) in listeners.iter().zip(of_listeners) {
            if ready.revents != 0
                && let Ok((agent, _)) = listener.accept()
            {
                // A proxy that is gone shows itself to the agent as a closed connection.
                pairs.extend(Pair::open(agent, name, socket));
            }
        }
    }
}

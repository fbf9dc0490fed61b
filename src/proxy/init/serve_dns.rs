//! Answers DNS on the sandbox's loopback, over UDP and TCP, and tells the proxy what was asked. One thread for all
//! clients, which waits for none of them.

use crate::dns::{Asked, QUESTION_BYTES, reply};
use crate::sys::{POLLIN, PollFd, poll};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

/// Questions that wait to be reported; beyond it they are answered and not reported.
const WAITING: usize = 1024;
/// TCP clients at once; for one more the oldest has to go.
const CLIENTS: usize = 64;
/// A TCP client gets this long for each question.
const CLIENT_TIME: Duration = Duration::from_secs(2);

/// Binds before it returns, so that the agent's first lookup finds it.
pub fn start(control: UnixStream) -> io::Result<()> {
    let udp = UdpSocket::bind(("127.0.0.1", 53))?;
    let tcp = TcpListener::bind(("127.0.0.1", 53))?;
    udp.set_nonblocking(true)?;
    tcp.set_nonblocking(true)?;
    let (sender, receiver) = sync_channel(WAITING);
    thread::Builder::new().name("report".to_owned()).spawn(move || report(control, &receiver))?;
    thread::Builder::new().name("dns".to_owned()).spawn(move || run(&udp, &tcp, &sender))?;
    Ok(())
}

fn run(udp: &UdpSocket, tcp: &TcpListener, report: &SyncSender<Asked>) {
    let mut clients: Vec<Client> = Vec::new();
    loop {
        let fds = [udp.as_raw_fd(), tcp.as_raw_fd()];
        let fds = fds.into_iter().chain(clients.iter().map(|client| client.stream.as_raw_fd()));
        let mut fds: Vec<_> = fds.map(|fd| PollFd { fd, events: POLLIN, revents: 0 }).collect();
        // Woken to close what took too long.
        if poll(&mut fds, if clients.is_empty() { -1 } else { 500 }).is_err() {
            // Out of memory, and nothing better to do than to try again.
            thread::sleep(Duration::from_millis(100));
            continue;
        }
        let mut ready = fds.iter().map(|fd| fd.revents != 0);
        if ready.next() == Some(true) {
            answer(udp, report);
        }
        let is_called = ready.next() == Some(true);
        let now = Instant::now();
        clients.retain_mut(|client| {
            let goes_on = ready.next() != Some(true) || client.serve(report);
            goes_on && client.until > now
        });
        if is_called && let Ok((stream, _)) = tcp.accept() {
            if clients.len() == CLIENTS {
                clients.remove(0);
            }
            clients.extend(Client::new(stream));
        }
    }
}

fn answer(socket: &UdpSocket, report: &SyncSender<Asked>) {
    // One byte more than is allowed, so that what is too long is seen to be.
    let mut packet = [0; QUESTION_BYTES + 1];
    if let Ok((length, from)) = socket.recv_from(&mut packet)
        && let Some((answer, asked)) = reply(&packet[..length])
    {
        let _ = socket.send_to(&answer, from);
        asked.map(|asked| report.try_send(asked));
    }
}

/// A connection with one question after another, each behind its length (RFC 1035 section 4.2.2).
struct Client {
    stream: TcpStream,
    /// Of the question as far as it came.
    part: Vec<u8>,
    until: Instant,
}

impl Client {
    fn new(stream: TcpStream) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        Ok(Self { stream, part: Vec::new(), until: Instant::now() + CLIENT_TIME })
    }

    /// Reads once and answers what is complete; false when the connection is done with.
    fn serve(&mut self, report: &SyncSender<Asked>) -> bool {
        let mut buffer = [0; 2 + QUESTION_BYTES];
        match self.stream.read(&mut buffer) {
            Ok(0) => return false,
            Ok(n) => self.part.extend_from_slice(&buffer[..n]),
            Err(error) => return matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted),
        }
        while let Some((length, rest)) = self.part.split_first_chunk() {
            let length = usize::from(u16::from_be_bytes(*length));
            if length > QUESTION_BYTES {
                return false;
            }
            let Some(packet) = rest.get(..length) else { break };
            let Some((mut answer, asked)) = reply(packet) else { return false };
            let size = u16::try_from(answer.len()).unwrap_or_default().to_be_bytes();
            answer.splice(0..0, size);
            // Whoever does not take an answer so short does not read.
            if !self.stream.write(&answer).is_ok_and(|written| written == answer.len()) {
                return false;
            }
            asked.map(|asked| report.try_send(asked));
            self.part.drain(..2 + length);
            self.until = Instant::now() + CLIENT_TIME;
        }
        true
    }
}

fn report(mut control: UnixStream, questions: &Receiver<Asked>) {
    for asked in questions {
        let line = format!("dns {} {} {}\n", asked.kind, asked.answer, asked.name);
        if control.write_all(line.as_bytes()).is_err() {
            return;
        }
    }
}

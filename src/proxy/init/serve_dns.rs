//! Answers DNS on the sandbox's loopback, over UDP and TCP, and tells the proxy what was asked.

use crate::dns::{Asked, QUESTION_BYTES, reply};
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

/// Questions that wait to be reported; beyond it they are answered and not reported.
const WAITING: usize = 1024;
/// A TCP client gets this long for its question.
const TCP_TIME: Duration = Duration::from_secs(2);

/// Binds before it returns, so that the agent's first lookup finds it.
pub fn start(control: UnixStream) -> io::Result<()> {
    let udp = UdpSocket::bind(("127.0.0.1", 53))?;
    let tcp = TcpListener::bind(("127.0.0.1", 53))?;
    let (sender, receiver) = sync_channel(WAITING);
    let other = sender.clone();
    thread::Builder::new().name("report".to_owned()).spawn(move || report(control, &receiver))?;
    thread::Builder::new().name("dns-udp".to_owned()).spawn(move || serve_udp(&udp, &sender))?;
    thread::Builder::new().name("dns-tcp".to_owned()).spawn(move || {
        for stream in tcp.incoming().flatten() {
            let _ = serve_tcp(stream, &other);
        }
    })?;
    Ok(())
}

fn serve_udp(socket: &UdpSocket, report: &SyncSender<Asked>) {
    // One byte more than is allowed, so that what is too long is seen to be.
    let mut packet = [0; QUESTION_BYTES + 1];
    loop {
        let Ok((length, from)) = socket.recv_from(&mut packet) else { continue };
        if let Some((answer, asked)) = reply(&packet[..length]) {
            let _ = socket.send_to(&answer, from);
            asked.map(|asked| report.try_send(asked));
        }
    }
}

/// One question a connection, one connection at a time (RFC 7766 lets a server do so); resolvers use it seldom.
fn serve_tcp(mut stream: TcpStream, report: &SyncSender<Asked>) -> io::Result<()> {
    stream.set_read_timeout(Some(TCP_TIME))?;
    stream.set_write_timeout(Some(TCP_TIME))?;
    let mut length = [0; 2];
    stream.read_exact(&mut length)?;
    let mut packet = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut packet)?;
    if let Some((answer, asked)) = reply(&packet) {
        let length = u16::try_from(answer.len()).unwrap_or_default().to_be_bytes();
        stream.write_all(&[&length, answer.as_slice()].concat())?;
        asked.map(|asked| report.try_send(asked));
    }
    Ok(())
}

fn report(mut control: UnixStream, questions: &Receiver<Asked>) {
    for asked in questions {
        let line = format!("dns {} {} {}\n", asked.kind, asked.answer, asked.name);
        if control.write_all(line.as_bytes()).is_err() {
            return;
        }
    }
}

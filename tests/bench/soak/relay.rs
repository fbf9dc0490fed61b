//! Stands between airut and a port of the mail server, and fails as it is told to: what Postfix and Dovecot do not do
//! on demand.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Mode {
    /// What comes is passed on.
    Pass,
    /// Each connection ends as soon as it is made.
    Away,
    /// Each connection ends after some hundred or thousand bytes.
    Cut,
    /// SMTP in the clear: MAIL is answered with 451.
    Later,
    /// SMTP in the clear: the mail is taken, and the word that it was is lost.
    Swallow,
}

const MODES: [Mode; 5] = [Mode::Pass, Mode::Away, Mode::Cut, Mode::Later, Mode::Swallow];

pub struct Relay {
    pub port: u16,
    mode: Arc<AtomicU8>,
}

impl Relay {
    /// Serves as long as this process lives.
    pub fn start(to: u16) -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let port = listener.local_addr()?.port();
        let mode = Arc::new(AtomicU8::new(Mode::Pass as u8));
        let shared = Arc::clone(&mode);
        // As different as they have to be, and no more.
        let cuts = AtomicUsize::new(0);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let mode = Arc::clone(&shared);
                if now(&mode) == Mode::Away {
                    continue;
                }
                let Ok(server) = TcpStream::connect(("127.0.0.1", to)) else { continue };
                let bytes = 150 + cuts.fetch_add(1, Ordering::Relaxed) * 709 % 6000;
                let room = if now(&mode) == Mode::Cut { bytes as u64 } else { u64::MAX };
                // That a side hangs up is its right.
                std::thread::spawn(move || drop(serve(client, server, &mode, room)));
            }
        });
        Ok(Self { port, mode })
    }

    pub fn set(&self, mode: Mode) {
        self.mode.store(mode as u8, Ordering::Relaxed);
    }
}

fn now(mode: &AtomicU8) -> Mode {
    MODES[mode.load(Ordering::Relaxed) as usize % MODES.len()]
}

fn end(streams: [&TcpStream; 2]) {
    for stream in streams {
        let _ = stream.shutdown(Shutdown::Both);
    }
}

fn serve(client: TcpStream, server: TcpStream, mode: &Arc<AtomicU8>, room: u64) -> std::io::Result<()> {
    let (mut down, mut back) = (client.try_clone()?, server.try_clone()?.take(room));
    // Set where the next answer is to be lost.
    let lost = Arc::new(AtomicU8::new(0));
    let is_lost = Arc::clone(&lost);
    std::thread::spawn(move || {
        let mut buffer = [0; 8192];
        while let Ok(count @ 1..) = back.read(&mut buffer) {
            if is_lost.load(Ordering::Acquire) == 1 || down.write_all(&buffer[..count]).is_err() {
                break;
            }
        }
        end([&down, back.get_ref()]);
    });
    let result = upwards(&client, &server, mode, &lost);
    // The rest of the answer may still be on its way down.
    let _ = server.shutdown(Shutdown::Write);
    result
}

/// Line by line: TLS has line ends by chance, and they harm nothing.
fn upwards(
    mut client: &TcpStream,
    mut server: &TcpStream,
    mode: &AtomicU8,
    lost: &AtomicU8,
) -> std::io::Result<()> {
    let mut lines = BufReader::new(client.try_clone()?);
    let (mut line, mut in_mail) = (Vec::new(), false);
    loop {
        line.clear();
        // What lies there is passed on though its line may have no end.
        let there = lines.fill_buf()?;
        if there.is_empty() {
            return Ok(());
        }
        let end = there.iter().position(|byte| *byte == b'\n').map_or(there.len(), |at| at + 1);
        line.extend_from_slice(&there[..end]);
        lines.consume(end);
        let now = now(mode);
        if now == Mode::Later && !in_mail && line.starts_with(b"MAIL FROM") {
            client.write_all(b"451 4.3.0 not now, try later\r\n")?;
            continue;
        }
        if in_mail && line == b".\r\n" {
            in_mail = false;
            lost.store(u8::from(now == Mode::Swallow), Ordering::Release);
        }
        in_mail |= line == b"DATA\r\n";
        server.write_all(&line)?;
    }
}

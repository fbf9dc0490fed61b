//! An IMAP server that fails as it is told to, which a real one does not on demand. Plain, on loopback; one mailbox,
//! which its connections share; the few commands that airut uses.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

/// What becomes of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The connection ends before it is carried out.
    Cut,
    /// It is carried out, and the connection ends before its answer.
    CutAfter,
    /// The connection ends in the middle of its answer.
    CutInAnswer,
    No,
    Bad,
    /// Its answer takes so long.
    Slow(Duration),
    /// No answer ever comes.
    Hang,
}

#[derive(Debug, Default)]
pub struct State {
    pub uid_validity: u32,
    pub mails: BTreeMap<u32, Vec<u8>>,
    /// The start of a command, in upper case and without its tag; what becomes of it; how often.
    pub faults: Vec<(String, Fault, usize)>,
    /// Listed, and gone when somebody wants them.
    pub ghosts: Vec<u32>,
    /// Every command, without its tag.
    pub log: Vec<String>,
    deleted: Vec<u32>,
}

#[derive(Debug, Clone)]
pub struct FaultyImap {
    pub port: u16,
    state: Arc<Mutex<State>>,
}

impl FaultyImap {
    /// Serves as long as the test process lives.
    pub fn start(mails: impl IntoIterator<Item = Vec<u8>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let mails = (1..).zip(mails).collect();
        let state = Arc::new(Mutex::new(State { uid_validity: 1, mails, ..State::default() }));
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (stream, state) = (stream.unwrap(), Arc::clone(&shared));
                // That the other side hangs up is its right.
                std::thread::spawn(move || drop(serve(stream, &state)));
            }
        });
        Self { port, state }
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    pub fn fail(&self, command: &str, fault: Fault, times: usize) {
        self.state().faults.push((command.to_owned(), fault, times));
    }

    /// How often a command came.
    pub fn count(&self, command: &str) -> usize {
        self.state().log.iter().filter(|line| line.starts_with(command)).count()
    }
}

fn serve(mut stream: TcpStream, state: &Mutex<State>) -> std::io::Result<()> {
    stream.write_all(b"* OK ready\r\n")?;
    let mut lines = BufReader::new(stream.try_clone()?);
    let mut line = String::new();
    while lines.read_line(&mut line)? > 0 {
        let (tag, command) = line.trim_end().split_once(' ').unwrap_or((line.trim_end(), ""));
        let command = command.to_ascii_uppercase();
        let fault = {
            let mut state = state.lock().unwrap();
            state.log.push(command.clone());
            fault(&mut state, &command)
        };
        match fault {
            Some(Fault::Cut) => return Ok(()),
            Some(Fault::No) => write!(stream, "{tag} NO I will not\r\n")?,
            Some(Fault::Bad) => write!(stream, "{tag} BAD I do not understand\r\n")?,
            Some(Fault::Hang) => std::thread::sleep(Duration::from_secs(3600)),
            _ if command == "IDLE" => idle(&mut stream, &mut lines, tag, fault, state)?,
            _ => {
                if let Some(Fault::Slow(pause)) = fault {
                    std::thread::sleep(pause);
                }
                let mut answer = answer(&mut state.lock().unwrap(), &command);
                answer.extend(format!("{tag} OK done\r\n").bytes());
                match fault {
                    Some(Fault::CutAfter) => return Ok(()),
                    Some(Fault::CutInAnswer) => return stream.write_all(&answer[..answer.len() / 2]),
                    _ => stream.write_all(&answer)?,
                }
            }
        }
        line.clear();
    }
    Ok(())
}

fn fault(state: &mut State, command: &str) -> Option<Fault> {
    let (_, fault, times) = state
        .faults
        .iter_mut()
        .find(|(start, _, times)| *times > 0 && command.starts_with(start.as_str()))?;
    *times -= 1;
    Some(*fault)
}

/// Says when mail came, until the other side has enough of it.
fn idle(
    stream: &mut TcpStream,
    lines: &mut BufReader<TcpStream>,
    tag: &str,
    fault: Option<Fault>,
    state: &Mutex<State>,
) -> std::io::Result<()> {
    stream.write_all(b"+ idling\r\n")?;
    if fault == Some(Fault::CutAfter) {
        return Err(std::io::ErrorKind::ConnectionAborted.into());
    }
    let known = state.lock().unwrap().mails.len();
    stream.set_read_timeout(Some(Duration::from_millis(20)))?;
    let (mut said, mut line) = (false, String::new());
    while !line.ends_with('\n') {
        match lines.read_line(&mut line) {
            Ok(0) => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
        let count = state.lock().unwrap().mails.len();
        if count != known && !said {
            said = true;
            write!(stream, "* {count} EXISTS\r\n")?;
        }
    }
    stream.set_read_timeout(None)?;
    write!(stream, "{tag} OK idled\r\n")
}

fn answer(state: &mut State, command: &str) -> Vec<u8> {
    let words: Vec<&str> = command.split(' ').collect();
    match words.as_slice() {
        ["CAPABILITY"] => b"* CAPABILITY IMAP4rev1 IDLE MOVE UIDPLUS\r\n".to_vec(),
        ["NOOP"] => format!("* {} EXISTS\r\n", state.mails.len()).into(),
        ["SELECT", ..] => {
            format!("* {} EXISTS\r\n* OK [UIDVALIDITY {}] x\r\n", state.mails.len(), state.uid_validity)
                .into()
        }
        ["UID", "SEARCH", ..] => {
            let there = state.mails.keys().chain(&state.ghosts).filter(|uid| !state.deleted.contains(uid));
            let uids: Vec<String> = there.map(ToString::to_string).collect();
            format!("* SEARCH {}\r\n", uids.join(" ")).into()
        }
        ["UID", "FETCH", set, ..] => {
            let uids = uids(state, set);
            uids.iter().flat_map(|uid| fetched(*uid, &state.mails[uid], command)).collect()
        }
        ["UID", "STORE", set, ..] => {
            let uids = uids(state, set);
            state.deleted.extend(uids);
            Vec::new()
        }
        ["UID", "MOVE" | "EXPUNGE", set, ..] => {
            for uid in uids(state, set) {
                state.mails.remove(&uid);
            }
            Vec::new()
        }
        _ => Vec::new(),
    }
}

fn fetched(uid: u32, mail: &[u8], command: &str) -> Vec<u8> {
    let size = mail.len();
    if command.contains("RFC822.SIZE") {
        return format!("* 1 FETCH (UID {uid} RFC822.SIZE {size})\r\n").into();
    }
    let end = mail.windows(4).position(|four| four == b"\r\n\r\n").map_or(size, |at| at + 4);
    let (name, part) =
        if command.contains("HEADER") { ("BODY[HEADER]<0>", &mail[..end]) } else { ("BODY[]", mail) };
    let head = format!("* 1 FETCH (UID {uid} {name} {{{}}}\r\n", part.len());
    [head.as_bytes(), part, b")\r\n"].concat()
}

fn uids(state: &State, set: &str) -> Vec<u32> {
    let number = |text: &str| text.parse::<u32>().unwrap();
    let range = |text: &str| {
        let (first, last) = text.split_once(':').unwrap_or((text, text));
        number(first)..=number(last)
    };
    let ranges: Vec<_> = set.split(',').map(range).collect();
    let wanted = |uid: &&u32| ranges.iter().any(|range| range.contains(*uid));
    state.mails.keys().filter(wanted).copied().collect()
}

//! Writes `network-sandbox.log` (`format/network_log.rs`): bounded, each line whole and at once, so that it can be
//! followed. No header value is ever written.

use crate::base::limits;
use crate::format::network_log::{self, Entry, Line, Verdict};
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write as _;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::time::Instant;

/// The open file.
#[derive(Debug)]
pub struct Log(Mutex<State>);

#[derive(Debug)]
struct State {
    file: File,
    left_bytes: u64,
    /// DNS questions cost an agent nothing: they may fill a part of the log only.
    dns_left_bytes: u64,
    /// Nor do requests that are blocked.
    blocked_left_bytes: u64,
    dropped: u64,
    /// Requests that go on and have no line yet, in the order of their beginning.
    open: BTreeMap<u64, (Instant, Entry)>,
    next: u64,
}

impl Log {
    /// `file` is open for appending; what it holds counts.
    #[must_use]
    pub fn new(file: File) -> Self {
        let used = file.metadata().map_or(0, |meta| meta.len());
        let left_bytes = limits::NETWORK_LOG_BYTES.saturating_sub(used);
        Self(Mutex::new(State {
            file,
            left_bytes,
            dns_left_bytes: left_bytes / 8,
            blocked_left_bytes: left_bytes / 2,
            dropped: 0,
            open: BTreeMap::new(),
            next: 0,
        }))
    }

    /// Whether there is no room for what an allowed request would have to leave here: then none may pass.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.state().left_bytes < limits::NETWORK_LOG_RESERVE_BYTES
    }

    /// Notes that an allowed request begins; it gets a line of its own if it is long.
    pub fn begin(&self, entry: &Entry) -> u64 {
        let mut state = self.state();
        state.next += 1;
        let id = state.next;
        state.open.insert(id, (Instant::now(), entry.clone()));
        id
    }

    /// The line of a request that is over; `begun` is what `begin` gave.
    pub fn end(&self, begun: Option<u64>, entry: &Entry) {
        let mut state = self.state();
        if let Some(id) = begun {
            state.open.remove(&id);
        }
        let line = network_log::request(Timestamp::now(), entry);
        if entry.verdict != Verdict::Blocked {
            return state.write(&line);
        }
        match state.blocked_left_bytes.checked_sub(line.len() as u64) {
            Some(left) => {
                state.blocked_left_bytes = left;
                state.write(&line);
            }
            None => state.dropped += 1,
        }
    }

    /// Writes a line for every request that has been going on for `limits::LONG_REQUEST`, once: should the proxy be
    /// killed, it has left its trace.
    pub fn tell_long(&self) {
        let mut state = self.state();
        while let Some(first) = state.open.first_entry() {
            let took = first.get().0.elapsed();
            if took < limits::LONG_REQUEST {
                return;
            }
            let entry = Entry { verdict: Verdict::Open, took, ..first.remove().1 };
            state.write(&network_log::request(Timestamp::now(), &entry));
        }
    }

    /// What the sandbox's init says it was asked; a claim of the sandbox's, like all it sends.
    pub fn dns(&self, question: &str, name: &str, answer: &str) {
        let [question, name, answer] = [question, name, answer].map(str::to_owned);
        let line = network_log::write(Timestamp::now(), &Line::Dns { question, name, answer });
        let mut state = self.state();
        match state.dns_left_bytes.checked_sub(line.len() as u64) {
            Some(left) => {
                state.dns_left_bytes = left;
                state.write(&line);
            }
            None => state.dropped += 1,
        }
    }

    /// Something about the sandbox as a whole.
    pub fn note(&self, text: &str) {
        let line = network_log::write(Timestamp::now(), &Line::Note { text: text.to_owned() });
        self.state().write(&line);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn write(&mut self, line: &str) {
        let Some(left) = self.left_bytes.checked_sub(line.len() as u64) else {
            self.dropped += 1;
            return;
        };
        self.left_bytes = left;
        if self.file.write_all(line.as_bytes()).is_err() {
            self.dropped += 1;
        }
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        let state = self.0.get_mut().unwrap_or_else(PoisonError::into_inner);
        if state.dropped > 0 {
            let text = format!("{} more lines did not fit", state.dropped);
            let line = network_log::write(Timestamp::now(), &Line::Note { text });
            let _ = state.file.write_all(line.as_bytes());
        }
    }
}

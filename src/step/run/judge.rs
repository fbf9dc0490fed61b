//! What a run came to: a pure judgement of how the container ended and what Claude Code said.

use crate::exec::program::End;
use crate::format::task::{Failure, Reason, State};
use crate::proxy::process;
use crate::tool::claude::{Facts, Outage};
use crate::tool::podman;

/// How the run ended, as far as it can be seen from outside.
#[derive(Debug, Clone, Copy)]
pub struct Seen<'a> {
    pub end: End,
    pub facts: &'a Facts,
    /// The last line on standard error.
    pub last_words: &'a str,
    pub proxy_alive: bool,
    /// Somebody asked for the stop.
    pub stopped: bool,
}

/// The task's final state and, unless it is done, why.
#[must_use]
pub fn judge(seen: Seen) -> (State, Option<Failure>) {
    let failed = |reason, detail: &str| (State::Failed, Some(Failure { reason, detail: detail.to_owned() }));
    match seen.end {
        // A stop that came too late stops nothing.
        End::Exit(code) if seen.facts.succeeded(code) => (State::Done, None),
        _ if seen.stopped => {
            let detail = "somebody asked for it".to_owned();
            (State::Stopped, Some(Failure { reason: Reason::Stopped, detail }))
        }
        End::TimedOut => timed_out(),
        End::Refused => failed(Reason::Output, "it printed more than a run may print"),
        _ if !seen.proxy_alive => failed(Reason::Sandbox, "the proxy ended before the agent did"),
        End::GivenUp => failed(Reason::Interrupted, "airut was told to stop"),
        End::Exit(podman::PODMAN_FAILED) => failed(Reason::Sandbox, seen.last_words),
        End::Exit(podman::PODMAN_TIMED_OUT) if seen.facts.results.is_empty() => timed_out(),
        End::Exit(process::OUT_OF_MEMORY) if seen.facts.results.is_empty() => {
            failed(Reason::OutOfMemory, "the kernel ended it, since the container's memory was spent")
        }
        // Such a run is continued, once.
        end if end.is_killed() && seen.facts.results.is_empty() => {
            failed(Reason::Interrupted, "its container was ended from outside, not for the first time")
        }
        End::Exit(code) => match seen.facts.error() {
            Some(error) => failed(Reason::Execution, &error),
            None if !seen.facts.any && code == 0 => {
                failed(Reason::Output, "it printed no event of Claude Code")
            }
            None => {
                failed(Reason::Execution, &format!("it ended with exit code {code}: {}", seen.last_words))
            }
        },
    }
}

/// Whether it was Claude's API that ended it, which passes: then the task waits instead.
#[must_use]
pub fn outage(seen: Seen) -> Option<Outage> {
    let ended = matches!(seen.end, End::Exit(code) if !seen.facts.succeeded(code));
    if ended && !seen.stopped && seen.proxy_alive { seen.facts.outage() } else { None }
}

fn timed_out() -> (State, Option<Failure>) {
    let detail = "it took longer than the repository's timeout".to_owned();
    (State::TimedOut, Some(Failure { reason: Reason::Timeout, detail }))
}

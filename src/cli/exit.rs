//! The whole contract of exit codes, for timers to act on.

use crate::base::fault::{Fault, Kind};
use crate::base::shortage::Shortage;
use crate::cli::print;
use crate::step::report::Report;
use anyhow::{Error, Result};
use std::process::ExitCode;

/// What a command came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Done, or nothing to do; or: allowed, accepted.
    Done = 0,
    /// It failed; or: blocked, refused.
    Failed = 1,
    Usage = 2,
    /// Some failed and the others went on.
    Some = 3,
    /// Busy, or the other side is away (`EX_TEMPFAIL`).
    TryLater = 75,
    /// `EX_CONFIG`.
    Config = 78,
}

/// Prints an error as one line and, where there is one, the next step.
pub fn code(done: Result<Exit>) -> ExitCode {
    let exit = done.unwrap_or_else(|error| {
        if error.is::<print::ReaderGone>() {
            return Exit::Done;
        }
        print::error(None, &error);
        of_error(&error)
    });
    ExitCode::from(exit as u8)
}

/// What a step's report amounts to.
pub fn of_report(report: &Report) -> Exit {
    let kinds: Vec<Exit> = report.troubles.iter().map(|trouble| of_error(&trouble.error)).collect();
    match kinds.as_slice() {
        [] => Exit::Done,
        [first, rest @ ..] if rest.iter().all(|kind| kind == first) && report.moved.is_empty() => *first,
        kinds if kinds.iter().all(|kind| *kind == Exit::TryLater) => Exit::TryLater,
        _ => Exit::Some,
    }
}

fn of_error(error: &Error) -> Exit {
    if let Some(fault) = fault(error) {
        return match fault.kind {
            Kind::Usage => Exit::Usage,
            Kind::TryLater | Kind::Short(_) => Exit::TryLater,
            Kind::Config => Exit::Config,
            Kind::TooNew | Kind::Failed => Exit::Failed,
        };
    }
    if Shortage::of(error).is_some() { Exit::TryLater } else { Exit::Failed }
}

/// What to do about it, where that is known.
pub fn hint(error: &Error) -> Option<String> {
    let own = fault(error).and_then(|fault| fault.hint.clone());
    own.or_else(|| Shortage::of(error).map(|shortage| shortage.hint().to_owned()))
}

/// The fault within an error, however much context is around it.
pub fn fault(error: &Error) -> Option<&Fault> {
    error.downcast_ref::<Fault>().or_else(|| error.chain().find_map(|cause| cause.downcast_ref::<Fault>()))
}

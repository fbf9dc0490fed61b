//! Points between two effects, where tests end this process as a power button or `kill -9` would. A release build holds
//! nothing of it; in one with debug assertions a point does nothing unless the environment asks for it.

/// The number of the point to end at, counted from 1, or its name: then the first one of that name.
#[cfg(debug_assertions)]
const AT: &str = "AIRUT_CRASH_AT";
/// The file to which every point that is reached is added, one a line.
#[cfg(debug_assertions)]
const LOG: &str = "AIRUT_CRASH_LOG";

/// Reached before the effect that `name` names, or after it where it says so.
#[cfg(not(debug_assertions))]
#[inline]
pub fn point(_name: &str) {}

/// Reached before the effect that `name` names, or after it where it says so.
#[cfg(debug_assertions)]
pub fn point(name: &str) {
    use std::io::Write;
    use std::sync::atomic::{AtomicU32, Ordering};
    static REACHED: AtomicU32 = AtomicU32::new(0);
    let number = REACHED.fetch_add(1, Ordering::Relaxed) + 1;
    if let Some(path) = std::env::var_os(LOG)
        && let Ok(mut file) = std::fs::OpenOptions::new().append(true).create(true).open(path)
    {
        // A log that cannot be written shows by what it lacks.
        let _ = file.write_all(format!("{name}\n").as_bytes());
    }
    if std::env::var(AT).is_ok_and(|at| at == name || at == number.to_string()) {
        // By the kernel, at once: nothing is unwound, no destructor runs, and no core is left.
        let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
        std::process::abort();
    }
}

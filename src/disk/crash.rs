//! Points between two effects, where tests end this process as a power button or `kill -9` would, and effects that tests
//! have fail as they do on a full disk. A release build holds nothing of it; in one with debug assertions all of it does
//! nothing unless the environment asks for it.

#[cfg(debug_assertions)]
pub use asked::{failing, point};
#[cfg(not(debug_assertions))]
pub use nothing::{failing, point};

/// A point before an effect that may fail.
pub fn effect(name: &str) -> std::io::Result<()> {
    point(name);
    failing(name)
}

#[cfg(not(debug_assertions))]
mod nothing {
    /// Reached before the effect that `name` names, or after it where it says so.
    #[inline]
    pub fn point(_name: &str) {}

    /// In the place of the effect that `name` names, where it is to fail.
    #[inline]
    pub fn failing(_name: &str) -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(debug_assertions)]
mod asked {
    use std::io::{Error, Result, Write};
    use std::sync::atomic::{AtomicU32, Ordering};

    /// The number of the point to end at, counted from 1, or its name: then the first one of that name.
    const CRASH_AT: &str = "AIRUT_CRASH_AT";
    /// The file to which every point that is reached is added, one a line.
    const CRASH_LOG: &str = "AIRUT_CRASH_LOG";
    /// `NUMBER:ERRNO`: the effect to fail, counted from 1, and how; with `NUMBER+`, all from there on.
    const FAIL_AT: &str = "AIRUT_FAIL_AT";
    /// As `CRASH_LOG`, for the effects that can fail.
    const FAIL_LOG: &str = "AIRUT_FAIL_LOG";

    /// Reached before the effect that `name` names, or after it where it says so.
    pub fn point(name: &str) {
        static REACHED: AtomicU32 = AtomicU32::new(0);
        let number = reached(&REACHED, CRASH_LOG, name);
        if std::env::var(CRASH_AT).is_ok_and(|at| at == name || at == number.to_string()) {
            // By the kernel, at once: nothing is unwound, no destructor runs, and no core is left.
            let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
            std::process::abort();
        }
    }

    /// In the place of the effect that `name` names, where it is to fail.
    pub fn failing(name: &str) -> Result<()> {
        static REACHED: AtomicU32 = AtomicU32::new(0);
        let number = reached(&REACHED, FAIL_LOG, name);
        let Ok(asked) = std::env::var(FAIL_AT) else { return Ok(()) };
        let Some((at, errno)) = asked.split_once(':') else { return Ok(()) };
        let from = at.strip_suffix('+').and_then(|at| at.parse::<u32>().ok());
        match errno.parse() {
            Ok(errno) if at == number.to_string() || from.is_some_and(|from| number >= from) => {
                Err(Error::from_raw_os_error(errno))
            }
            _ => Ok(()),
        }
    }

    fn reached(count: &AtomicU32, log: &str, name: &str) -> u32 {
        if let Some(path) = std::env::var_os(log)
            && let Ok(mut file) = std::fs::OpenOptions::new().append(true).create(true).open(path)
        {
            // A log that cannot be written shows by what it lacks.
            let _ = file.write_all(format!("{name}\n").as_bytes());
        }
        count.fetch_add(1, Ordering::Relaxed) + 1
    }
}

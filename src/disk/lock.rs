//! Advisory file locks: the kernel frees them with the process, so that nothing is ever stuck behind a dead one.
//! Lock files lie apart from what is removed, and are never renamed or unlinked: two takers would both succeed.

use crate::base::fault::Fault;
use crate::disk::crash;
use crate::disk::write;
use anyhow::{Context, Result};
use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

/// A lock that is held for as long as this lives.
#[derive(Debug)]
pub struct Lock {
    file: File,
}

#[derive(Clone, Copy)]
enum Mode {
    Exclusive,
    Shared,
}

impl Drop for Lock {
    fn drop(&mut self) {
        crash::point("free the lock");
        // Closing alone is not enough: a program that another thread is just starting has the file open as well, until
        // it begins. An error leaves it to that.
        let _ = fs2::FileExt::unlock(&self.file);
    }
}

impl Lock {
    /// Takes it if nobody holds it.
    pub fn attempt(path: &Path) -> Result<Option<Lock>> {
        let file = open(path)?;
        Ok(attempt(&file, path, Mode::Exclusive)?.then_some(Lock { file }))
    }

    /// Takes it for itself, waiting at most `wait`; `what` says in the error what is busy.
    pub fn exclusive(path: &Path, wait: Duration, what: &str) -> Result<Lock> {
        wait_for(path, Mode::Exclusive, wait, what)
    }

    /// Takes it together with other sharers.
    pub fn shared(path: &Path, wait: Duration, what: &str) -> Result<Lock> {
        wait_for(path, Mode::Shared, wait, what)
    }
}

fn open(path: &Path) -> Result<File> {
    if let Some(dir) = path.parent() {
        write::create_dir(dir)?;
    }
    let open =
        || OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path);
    crash::failing("open the lock")
        .and_then(|()| open())
        .with_context(|| format!("cannot open the lock {}", path.display()))
}

fn attempt(file: &File, path: &Path, mode: Mode) -> Result<bool> {
    // Named in full: std has methods of the same names with other results since Rust 1.89.
    let tried = match mode {
        Mode::Exclusive => fs2::FileExt::try_lock_exclusive(file),
        Mode::Shared => fs2::FileExt::try_lock_shared(file),
    };
    match tried {
        Ok(()) => {
            crash::point("after the lock is taken");
            Ok(true)
        }
        Err(error) if error.kind() == fs2::lock_contended_error().kind() => Ok(false),
        Err(error) if has_no_locks(&error) => {
            let fault =
                Fault::config(format!("cannot lock {}: its file system has no locks", path.display()));
            let hint = "keep airut's storage on a local disk, or mount its file system with locks (NFS: without nolock)";
            Err(fault.hint(hint).into())
        }
        Err(error) => Err(error).with_context(|| format!("cannot lock {}", path.display())),
    }
}

/// What flock(2) gives where a file system does not take part in it: without locks nothing here is safe.
fn has_no_locks(error: &std::io::Error) -> bool {
    use rustix::io::Errno;
    let errno = Errno::from_io_error(error);
    [Errno::NOLCK, Errno::OPNOTSUPP, Errno::NOSYS].into_iter().any(|none| errno == Some(none))
}

fn wait_for(path: &Path, mode: Mode, wait: Duration, what: &str) -> Result<Lock> {
    let file = open(path)?;
    let started = Instant::now();
    let mut pause = Duration::from_millis(1);
    while !attempt(&file, path, mode)? {
        if started.elapsed() >= wait {
            let fault = Fault::try_later(format!("{what} is busy: another airut holds {}", path.display()));
            return Err(fault.hint("try again when it is done").into());
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(50));
    }
    Ok(Lock { file })
}

//! The few system calls that std does not have, and the only unsafe code of airut. Each function is safe to call
//! with any arguments; why is said at each.

use std::io;
use std::os::fd::RawFd;
use std::os::raw::{c_int, c_short, c_ulong};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command};

pub const SIGKILL: c_int = 9;
pub const SIGTERM: c_int = 15;
pub const SIGCHLD: c_int = 17;

/// What people and Podman send to a container: HUP, INT, QUIT, USR1, USR2, TERM, WINCH; and CHLD for ourselves.
const TAKEN: [c_int; 8] = [1, 2, 3, 10, 12, SIGTERM, 28, SIGCHLD];

const WNOHANG: c_int = 1;
const SIG_BLOCK: c_int = 0;
const SIG_UNBLOCK: c_int = 1;

pub const POLLIN: c_short = 1;
pub const POLLOUT: c_short = 4;

/// `sigset_t`: 1024 bits in both glibc and musl.
#[repr(C)]
struct SignalSet([u64; 16]);

/// `struct pollfd`; a negative descriptor is passed over.
#[repr(C)]
pub struct PollFd {
    pub fd: RawFd,
    pub events: c_short,
    pub revents: c_short,
}

unsafe extern "C" {
    fn sigemptyset(set: *mut SignalSet) -> c_int;
    fn sigaddset(set: *mut SignalSet, signal: c_int) -> c_int;
    fn pthread_sigmask(how: c_int, set: *const SignalSet, old: *mut SignalSet) -> c_int;
    fn sigwait(set: *const SignalSet, signal: *mut c_int) -> c_int;
    fn waitpid(pid: c_int, status: *mut c_int, options: c_int) -> c_int;
    #[link_name = "kill"]
    fn libc_kill(pid: c_int, signal: c_int) -> c_int;
    #[link_name = "poll"]
    fn libc_poll(fds: *mut PollFd, count: c_ulong, timeout: c_int) -> c_int;
}

fn taken() -> SignalSet {
    let mut set = SignalSet([0; 16]);
    // SAFETY: `set` is a valid, exclusively borrowed sigset_t of its full size; the signal numbers are in range.
    unsafe {
        sigemptyset(&mut set);
        for signal in TAKEN {
            sigaddset(&mut set, signal);
        }
    }
    set
}

fn mask(how: c_int) {
    let set = taken();
    // SAFETY: `set` is initialised and outlives the call; a null pointer for the old mask is allowed.
    unsafe {
        pthread_sigmask(how, &set, std::ptr::null_mut());
    }
}

/// Lets the signals of `TAKEN` wait for `next_signal`, in this thread and those it starts from now on.
pub fn block_signals() {
    mask(SIG_BLOCK);
}

/// The next of them; waits for it.
pub fn next_signal() -> c_int {
    let set = taken();
    let mut signal = 0;
    // SAFETY: both pointers are to live values of the right types. It fails only for a bad set, which this is not.
    while unsafe { sigwait(&set, &mut signal) } != 0 {}
    signal
}

/// Starts a program that has its signals back.
pub fn spawn_unblocked(command: &mut Command) -> io::Result<Child> {
    // SAFETY: between fork and exec only pthread_sigmask, sigemptyset and sigaddset are called: all of them are
    // async-signal-safe, none allocates or takes a lock.
    unsafe {
        command.pre_exec(|| {
            mask(SIG_UNBLOCK);
            Ok(())
        });
    }
    command.spawn()
}

/// One child that has ended, ours or inherited, with its exit code or 128 and its signal; none: nothing to reap now.
pub fn reap() -> Option<(u32, u8)> {
    let mut status = 0;
    // SAFETY: `status` is a live c_int; -1 and WNOHANG are valid arguments.
    let pid = unsafe { waitpid(-1, &mut status, WNOHANG) };
    let pid = u32::try_from(pid).ok().filter(|pid| *pid > 0)?;
    let signal = status & 0x7f;
    let code = if signal == 0 { (status >> 8) & 0xff } else { 128 + signal };
    Some((pid, u8::try_from(code).unwrap_or(255)))
}

/// Sends a signal to one process of ours; that it is gone already does not matter.
pub fn kill(pid: u32, signal: c_int) {
    if let Ok(pid @ 1..) = c_int::try_from(pid) {
        // SAFETY: takes two integers and touches no memory. The positive number names one process, never a group.
        unsafe {
            libc_kill(pid, signal);
        }
    }
}

/// Waits until one of the descriptors is ready, or for so many milliseconds.
pub fn poll(fds: &mut [PollFd], timeout_ms: c_int) -> io::Result<()> {
    // SAFETY: pointer and count describe one exclusively borrowed slice of `struct pollfd`.
    let ready = unsafe { libc_poll(fds.as_mut_ptr(), fds.len() as c_ulong, timeout_ms) };
    match io::Error::last_os_error() {
        error if ready < 0 && error.kind() != io::ErrorKind::Interrupted => Err(error),
        _ => Ok(()),
    }
}

//! Runs a program from an argument list, never through a shell. It gets an empty environment but for what the
//! caller names, a process group of its own, and a deadline; at the deadline, or when the caller gives up, the
//! whole group gets TERM and, after a grace, KILL. What it prints is bounded.

use crate::base::limits;
use crate::disk::crash;
use crate::exec::group::has_others;
use anyhow::{Context, Result};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{ErrorKind, PipeReader, Read, Write};
use std::ops::ControlFlow;
use std::os::fd::AsFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// What every program may see of ours: where things are, how to speak, nothing secret.
const INHERITED: [&str; 9] =
    ["PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "TMPDIR", "XDG_RUNTIME_DIR", "TZ"];
/// How often a waiting caller is asked whether it still wants to wait.
const ASK_EVERY: Duration = Duration::from_millis(100);

/// A program about to be run.
#[derive(Debug)]
pub struct Program {
    program: OsString,
    args: Vec<OsString>,
    env: Vec<(OsString, OsString)>,
    cwd: Option<PathBuf>,
    stdin: Vec<u8>,
    stdin_file: Option<File>,
    deadline: Duration,
    stdout_max: usize,
}

/// Why a program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// By itself, with this code; a signal counts as 128 + its number, as shells have it.
    Exit(i32),
    /// We ended it at its deadline.
    TimedOut,
    /// We ended it because the caller's `give_up` said so.
    GivenUp,
    /// We ended it because the reader of its output had enough.
    Refused,
}

impl End {
    /// Whether something from outside ended it: SIGKILL or SIGTERM, of ours none.
    #[must_use]
    pub fn is_killed(self) -> bool {
        matches!(self, Self::Exit(137 | 143))
    }
}

/// What is left of a program that ended.
#[derive(Debug)]
pub struct Output {
    pub end: End,
    /// At most the bytes asked for; empty when streamed.
    pub stdout: Vec<u8>,
    /// The last `limits::STDERR_BYTES`.
    pub stderr: String,
}

impl Output {
    #[must_use]
    pub fn success(&self) -> bool {
        self.end == End::Exit(0)
    }

    /// The last line of standard error that says anything, for one-sentence messages.
    #[must_use]
    pub fn last_words(&self) -> &str {
        self.stderr.lines().rev().map(str::trim).find(|line| !line.is_empty()).unwrap_or("it said nothing")
    }
}

impl Program {
    /// `program` is looked up in `PATH` unless it holds a slash.
    pub fn new(program: impl AsRef<OsStr>) -> Self {
        Self {
            program: program.as_ref().to_owned(),
            args: Vec::new(),
            env: Vec::new(),
            cwd: None,
            stdin: Vec::new(),
            stdin_file: None,
            deadline: limits::PODMAN_TIMEOUT,
            stdout_max: 1 << 20,
        }
        .inherit(INHERITED)
    }

    #[must_use]
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.args.push(arg.as_ref().to_owned());
        self
    }

    #[must_use]
    pub fn args<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(mut self, args: I) -> Self {
        self.args.extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    #[must_use]
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.env.push((name.as_ref().to_owned(), value.as_ref().to_owned()));
        self
    }

    /// Passes on those of our own variables that are set.
    #[must_use]
    pub fn inherit<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(mut self, names: I) -> Self {
        for name in names {
            if let Some(value) = std::env::var_os(name.as_ref()) {
                self.env.push((name.as_ref().to_owned(), value));
            }
        }
        self
    }

    #[must_use]
    pub fn cwd(mut self, dir: impl AsRef<Path>) -> Self {
        self.cwd = Some(dir.as_ref().to_owned());
        self
    }

    #[must_use]
    pub fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.stdin = bytes.into();
        self
    }

    /// Gives it a file in place of a pipe: for what must not be taken for whole when we are killed while writing it.
    #[must_use]
    pub fn stdin_file(mut self, file: File) -> Self {
        self.stdin_file = Some(file);
        self
    }

    /// Default `limits::PODMAN_TIMEOUT`.
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// How much of standard output `run` keeps; default 1 MiB.
    #[must_use]
    pub fn stdout_max(mut self, bytes: usize) -> Self {
        self.stdout_max = bytes;
        self
    }

    fn command(&self) -> Command {
        #[expect(clippy::disallowed_methods, reason = "this is the door")]
        let mut command = Command::new(&self.program);
        command.args(&self.args).env_clear().envs(self.env.iter().map(|(k, v)| (k, v))).process_group(0);
        if let Some(dir) = &self.cwd {
            command.current_dir(dir);
        }
        command
    }

    /// Runs it and keeps what it prints.
    pub fn run(self) -> Result<Output> {
        let (mut kept, max) = (Vec::new(), self.stdout_max);
        let mut output = self.stream(
            |bytes| {
                kept.extend_from_slice(&bytes[..bytes.len().min(max - kept.len())]);
                ControlFlow::Continue(())
            },
            || false,
        )?;
        output.stdout = kept;
        Ok(output)
    }

    /// Runs it, hands each piece of standard output to `read` as it comes, and asks `give_up` ten times a second.
    pub fn stream(
        mut self,
        mut read: impl FnMut(&[u8]) -> ControlFlow<()> + Send,
        give_up: impl Fn() -> bool,
    ) -> Result<Output> {
        let name = self.program.to_string_lossy().into_owned();
        let stdin = self.stdin_file.take().map_or_else(Stdio::piped, Stdio::from);
        let mut child = crash::effect("start the program")
            .and_then(|()| self.command().stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn())
            .with_context(|| format!("cannot run {name}"))?;
        let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (ended, end) = match std::io::pipe() {
            Ok(pipe) => pipe,
            Err(error) => {
                end_now(&mut child);
                return Err(error).with_context(|| format!("cannot wait for {name}"));
            }
        };
        let refused = AtomicBool::new(false);
        let started = Instant::now();
        std::thread::scope(|scope| {
            scope.spawn(|| stdin.map(|pipe| feed(pipe, &self.stdin, &ended)));
            let stderr = scope.spawn(|| stderr.map(|pipe| tail(pipe, &ended)).unwrap_or_default());
            let stdout = scope.spawn(|| {
                if let Some(mut pipe) = stdout
                    && each(&mut pipe, &ended, &mut read).is_break()
                {
                    // Before the pipe is closed, at which it may end by itself.
                    refused.store(true, Ordering::Relaxed);
                }
            });
            let why = || {
                if refused.load(Ordering::Relaxed) {
                    Some(End::Refused)
                } else if started.elapsed() >= self.deadline {
                    Some(End::TimedOut)
                } else {
                    give_up().then_some(End::GivenUp)
                }
            };
            let waited = wait(&mut child, why);
            crash::point("after the program's end");
            if waited.is_err() {
                end_now(&mut child);
            }
            // Whatever left the group and still holds a pipe is not waited for.
            drop(end);
            if let Err(panic) = stdout.join() {
                std::panic::resume_unwind(panic);
            }
            let stderr = stderr.join().unwrap_or_default();
            let mut end = waited.with_context(|| format!("cannot wait for {name}"))?;
            if refused.load(Ordering::Relaxed) && matches!(end, End::Exit(_)) {
                end = End::Refused;
            }
            Ok(Output { end, stdout: Vec::new(), stderr: String::from_utf8_lossy(&stderr).into_owned() })
        })
    }

    /// Starts it with pipes at standard input and output and returns at once; standard error goes to ours.
    pub fn spawn(self) -> Result<Child> {
        self.piped(Stdio::inherit())
    }

    /// The same for a program that outlives this one: holding our standard error open, it would have whoever reads
    /// that wait for its end.
    pub fn spawn_to_stay(self) -> Result<Child> {
        self.piped(Stdio::null())
    }

    fn piped(self, stderr: Stdio) -> Result<Child> {
        crash::effect("start the program that stays")
            .and_then(|()| self.command().stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(stderr).spawn())
            .with_context(|| format!("cannot run {}", self.program.to_string_lossy()))
    }
}

/// Waits for the child, or until `why` gives a reason to end it; leaves nothing of its group behind.
fn wait(child: &mut Child, why: impl Fn() -> Option<End>) -> Result<End> {
    let group = Pid::from_child(child);
    let handle = pidfd_open(group, PidfdFlags::empty())?;
    let ask_every = Timespec { tv_sec: 0, tv_nsec: i64::try_from(ASK_EVERY.as_nanos())? };
    let mut reason = None;
    let mut asked_at = Instant::now();
    loop {
        let mut fds = [PollFd::new(&handle, PollFlags::IN)];
        match poll(&mut fds, Some(&ask_every)) {
            Ok(0) | Err(rustix::io::Errno::INTR) => {}
            Ok(_) => break,
            Err(error) => return Err(error.into()),
        }
        if reason.is_none() {
            reason = why();
            if reason.is_some() {
                asked_at = Instant::now();
                let _ = kill_process_group(group, Signal::TERM);
            }
        } else if asked_at.elapsed() >= limits::KILL_GRACE {
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
    // Told to end, those of its group may take as long as itself.
    while reason.is_some() && asked_at.elapsed() < limits::KILL_GRACE && has_others(group) {
        std::thread::sleep(ASK_EVERY / 10);
    }
    // What it left running in its group would hold the pipes open.
    let _ = kill_process_group(group, Signal::KILL);
    let status = child.wait()?;
    Ok(reason.unwrap_or(End::Exit(code(status))))
}

fn code(status: ExitStatus) -> i32 {
    status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(-1)
}

/// Ends a program that cannot be waited for as it should.
fn end_now(child: &mut Child) {
    let _ = kill_process_group(Pid::from_child(child), Signal::KILL);
    let _ = child.wait();
}

/// Hands on what comes until it ends or, once the program is gone, until nothing more is there: a process that left
/// the group may hold the pipe open for ever.
fn each(
    pipe: &mut (impl Read + AsFd),
    ended: &PipeReader,
    read: &mut impl FnMut(&[u8]) -> ControlFlow<()>,
) -> ControlFlow<()> {
    let mut buffer = vec![0; 64 << 10];
    let mut left = None;
    if set_nonblocking(pipe).is_err() {
        return ControlFlow::Continue(());
    }
    loop {
        match pipe.read(&mut buffer) {
            Ok(0) => return ControlFlow::Continue(()),
            Ok(n) => read(&buffer[..n])?,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) if error.kind() == ErrorKind::WouldBlock && left.is_none() => {
                wait_for(pipe, PollFlags::IN, ended);
            }
            Err(_) => return ControlFlow::Continue(()),
        }
        if left.is_none() && is_ended(ended) {
            left = Some(limits::PIPE_BYTES);
        }
        // What a pipe held when its writer ended, and no more: another writer may go on without end.
        if let Some(bytes) = &mut left {
            match bytes.checked_sub(buffer.len()) {
                Some(rest) => *bytes = rest,
                None => return ControlFlow::Continue(()),
            }
        }
    }
}

/// Writes it all, or as much as is taken before the program ends.
fn feed(mut pipe: impl Write + AsFd, mut bytes: &[u8], ended: &PipeReader) {
    if set_nonblocking(&pipe).is_err() {
        return;
    }
    while !bytes.is_empty() {
        match pipe.write(bytes) {
            Ok(n) => bytes = &bytes[n..],
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock && !is_ended(ended) => {
                wait_for(&pipe, PollFlags::OUT, ended);
            }
            Err(_) => return,
        }
    }
}

fn set_nonblocking(pipe: &impl AsFd) -> rustix::io::Result<()> {
    fcntl_setfl(pipe, fcntl_getfl(pipe)? | OFlags::NONBLOCK)
}

/// Until the pipe is ready or the program has ended.
fn wait_for(pipe: &impl AsFd, what: PollFlags, ended: &PipeReader) {
    let _ = poll(&mut [PollFd::new(pipe, what), PollFd::new(ended, PollFlags::IN)], None);
}

fn is_ended(ended: &PipeReader) -> bool {
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    poll(&mut [PollFd::new(ended, PollFlags::IN)], Some(&now)).is_ok_and(|ready| ready > 0)
}

/// Reads to the end and keeps the last part.
fn tail(mut pipe: impl Read + AsFd, ended: &PipeReader) -> Vec<u8> {
    let mut kept = Vec::new();
    let _ = each(&mut pipe, ended, &mut |bytes: &[u8]| {
        kept.extend_from_slice(bytes);
        if kept.len() > 2 * limits::STDERR_BYTES {
            kept.drain(..kept.len() - limits::STDERR_BYTES);
        }
        ControlFlow::Continue(())
    });
    kept.drain(..kept.len().saturating_sub(limits::STDERR_BYTES));
    kept
}

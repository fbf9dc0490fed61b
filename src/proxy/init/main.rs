//! airut-init, PID 1 of every sandbox: gives the agent DNS and two ports that lead to the proxy's socket and nowhere
//! else, makes its programs trust the session's CA, reaps, forwards signals, and ends the agent when the proxy is
//! gone. std only and static, so that it runs in any image. It guards nothing: the container has no network without it.
//!
//! `airut-init [--no-proxy] [--environment] -- PROGRAM [ARGUMENT]...`; with `--environment` the agent's variables
//! come on standard input, ahead of what the agent reads there.

#[expect(dead_code, reason = "some of it is for the host's side")]
mod contract;
mod dns;
#[expect(dead_code, reason = "the host encodes, the init decodes")]
mod environment;
mod memory;
mod relay;
mod serve_dns;
mod sys;
mod trust;

use std::io::{ErrorKind, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

/// Exit code of what SIGKILL ended.
const KILLED: u8 = 137;

fn main() -> ExitCode {
    let Some(Arguments { with_proxy, with_environment, argv }) = arguments(std::env::args_os().skip(1))
    else {
        let usage = "usage: airut-init [--no-proxy] [--environment] -- PROGRAM [ARGUMENT]...";
        return refuse(contract::SETUP_FAILED, usage);
    };
    // Before the first thread, so that signals wait for the main one.
    sys::block_signals();
    let mut command = Command::new(&argv[0]);
    command.args(&argv[1..]);
    if with_environment {
        match standard_input().and_then(environment::decode) {
            Ok(variables) => drop(command.envs(variables)),
            Err(error) => return refuse(contract::SETUP_FAILED, &error.to_string()),
        }
    }
    let mut control = None;
    if with_proxy {
        match open_way_out(&mut command) {
            Ok(opened) => control = Some(opened),
            Err((code, reason)) => return refuse(code, &reason),
        }
    }
    let agent = match sys::spawn_unblocked(&mut command) {
        Ok(child) => child.id(),
        Err(error) => {
            let code = if error.kind() == ErrorKind::NotFound { 127 } else { 126 };
            return refuse(code, &format!("cannot run {}: {error}", argv[0].to_string_lossy()));
        }
    };
    let cut_off = Arc::new(AtomicBool::new(false));
    if let Some(control) = control {
        let cut_off = Arc::clone(&cut_off);
        thread::spawn(move || watch(control, agent, &cut_off));
    }
    let code = match wait(agent) {
        KILLED if memory::was_spent(Path::new("/")) => contract::OUT_OF_MEMORY,
        code => code,
    };
    ExitCode::from(if cut_off.load(Ordering::SeqCst) { contract::PROXY_GONE } else { code })
}

fn refuse(code: u8, reason: &str) -> ExitCode {
    eprintln!("airut-init: {reason}");
    ExitCode::from(code)
}

struct Arguments<T> {
    with_proxy: bool,
    with_environment: bool,
    /// Not empty.
    argv: Vec<T>,
}

fn arguments<T: AsRef<std::ffi::OsStr>>(mut given: impl Iterator<Item = T>) -> Option<Arguments<T>> {
    let (mut with_proxy, mut with_environment) = (true, false);
    loop {
        let word = given.next()?;
        match word.as_ref().to_str() {
            Some("--no-proxy") => with_proxy = false,
            Some(contract::ENVIRONMENT) => with_environment = true,
            Some("--") => break,
            _ => return None,
        }
    }
    let argv: Vec<T> = given.collect();
    (!argv.is_empty()).then_some(Arguments { with_proxy, with_environment, argv })
}

/// Not the buffered one, which would read further than it is asked to.
fn standard_input() -> std::io::Result<std::fs::File> {
    Ok(std::io::stdin().as_fd().try_clone_to_owned()?.into())
}

/// Everything the agent needs of the proxy, before it starts. Returns the control connection.
fn open_way_out(command: &mut Command) -> Result<UnixStream, (u8, String)> {
    let mount = Path::new(contract::MOUNT);
    let socket = mount.join(contract::SOCKET);
    let gone =
        |error: std::io::Error| (contract::PROXY_GONE, format!("the proxy cannot be reached: {error}"));
    let mut control = UnixStream::connect(&socket).map_err(gone)?;
    control.write_all(format!("{}\n", contract::CONTROL).as_bytes()).map_err(gone)?;
    let questions = control.try_clone().map_err(gone)?;
    let failed =
        |what: &str, error: std::io::Error| (contract::SETUP_FAILED, format!("cannot {what}: {error}"));
    serve_dns::start(questions).map_err(|error| failed("answer DNS on 127.0.0.1:53", error))?;
    relay::start(socket).map_err(|error| failed("listen on 127.0.0.1:80 and :443", error))?;
    let ca =
        std::fs::read_to_string(mount.join(contract::CA)).map_err(|error| failed("read the CA", error))?;
    let own = format!("{}/{}", contract::MOUNT, contract::CA);
    // What the host gave goes before what the image says.
    let given = |name: &str| command.get_envs().find(|(key, _)| *key == name).and_then(|(_, value)| value);
    let variable = |name: &str| match given(name) {
        Some(value) => value.to_str().map(str::to_owned),
        None => std::env::var(name).ok(),
    };
    command.envs(trust::install(Path::new("/"), &own, &ca, variable));
    Ok(control)
}

/// Ends the agent once the proxy closes the control connection, which it does only by ending.
fn watch(mut control: UnixStream, agent: u32, cut_off: &AtomicBool) {
    let mut ignored = [0; 64];
    loop {
        match control.read(&mut ignored) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Ok(0) | Err(_) => break,
            Ok(_) => {}
        }
    }
    cut_off.store(true, Ordering::SeqCst);
    eprintln!("airut-init: the proxy is gone; the agent is cut off and ended");
    sys::kill(agent, sys::SIGTERM);
    thread::sleep(Duration::from_secs(contract::GRACE_SECONDS));
    sys::kill(agent, sys::SIGKILL);
    // With PID 1 the kernel ends everything in the container.
    std::process::exit(i32::from(contract::PROXY_GONE));
}

/// Reaps and forwards until the agent is gone; its exit code, or 128 and the signal's number.
fn wait(agent: u32) -> u8 {
    loop {
        while let Some((pid, code)) = sys::reap() {
            if pid == agent {
                return code;
            }
        }
        match sys::next_signal() {
            sys::SIGCHLD => {}
            signal => sys::kill(agent, signal),
        }
    }
}

//! The host's side: prepares a runtime directory, starts the proxy process for it, and knows whether it lives. A
//! proxy that is not ready in time does not exist for anybody.

use crate::base::fault::Fault;
use crate::base::limits;
use crate::base::shortage::Shortage;
use crate::disk::runtime;
use crate::exec::program::Program;
use crate::format::allowlist::Allowlist;
use crate::format::config::Network;
use crate::proxy::cgroup;
use crate::proxy::credentials::Masked;
use crate::proxy::init::{contract, environment};
use crate::proxy::settings::{Confinement, Ready, Settings};
use anyhow::{Context, Result, anyhow, bail};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin};
use std::sync::mpsc;
use std::time::Duration;

/// The container's PID 1, as `build.rs` made it.
pub const INIT: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/airut-init"));

/// What one proxy is for.
#[derive(Debug)]
pub struct Options {
    /// The airut program itself, as `std::env::current_exe` has it.
    pub program: PathBuf,
    /// A directory of this session's own, under one that only the owner may enter, with a short path.
    pub runtime_dir: PathBuf,
    pub allowlist: Allowlist,
    pub masked: Vec<Masked>,
    pub network: Network,
    /// The session's `network-sandbox.log`; appended to.
    pub log: PathBuf,
}

/// A proxy tied to this process: it ends with it, however that ends.
#[derive(Debug)]
pub struct Proxy {
    child: Child,
    /// Its end is what the proxy waits for.
    stdin: Option<ChildStdin>,
    runtime_dir: PathBuf,
    confinement: Confinement,
}

/// A proxy that was started by hand and stays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Running {
    pub pid: u32,
}

/// Starts a proxy and waits until it is ready, at most `limits::PROXY_READY`.
pub fn start(options: &Options) -> Result<Proxy> {
    // One that was started by hand would keep running beside it, reachable by nobody.
    if status(&options.runtime_dir).is_some() {
        stop_detached(&options.runtime_dir)?;
    }
    let (child, stdin, ready) = spawn(options, true)?;
    Ok(Proxy {
        child,
        stdin: Some(stdin),
        runtime_dir: options.runtime_dir.clone(),
        confinement: ready.confinement,
    })
}

impl Proxy {
    /// Whether it still runs.
    pub fn is_alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What the kernel granted of its confinement.
    #[must_use]
    pub fn confinement(&self) -> &Confinement {
        &self.confinement
    }

    /// Ends it and removes its runtime directory; its log is complete afterwards.
    pub fn stop(self) {}

    fn end(&mut self) {
        drop(self.stdin.take());
        if !ended_within(&self.child, limits::KILL_GRACE) {
            let _ = self.child.kill();
        }
        let _ = self.child.wait();
        self.confinement.group.iter().for_each(|group| cgroup::remove(group));
        let _ = runtime::remove(&self.runtime_dir);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.end();
    }
}

/// Starts a proxy that outlives this process. One that runs already in this directory is an error.
pub fn start_detached(options: &Options) -> Result<Running> {
    if let Some(running) = status(&options.runtime_dir) {
        bail!("a proxy is already running for {} (pid {})", options.runtime_dir.display(), running.pid);
    }
    let (_, stdin, ready) = spawn(options, false)?;
    drop(stdin);
    Ok(Running { pid: ready.pid })
}

/// The proxy that serves this directory, if there is one. Asks the socket and not a file: whoever listens there
/// is it, whatever became of earlier ones and their process IDs.
#[must_use]
pub fn status(runtime_dir: &Path) -> Option<Running> {
    let socket = UnixStream::connect(runtime_dir.join(contract::SOCKET)).ok()?;
    let peer = rustix::net::sockopt::socket_peercred(&socket).ok()?;
    let pid = u32::try_from(peer.pid.as_raw_nonzero().get()).ok()?;
    Some(Running { pid })
}

/// Ends the proxy that serves this directory and removes it; false when there was none.
pub fn stop_detached(runtime_dir: &Path) -> Result<bool> {
    let Some(running) = status(runtime_dir) else {
        runtime::remove(runtime_dir)?;
        return Ok(false);
    };
    let pid =
        i32::try_from(running.pid).ok().and_then(Pid::from_raw).context("the proxy has no process ID")?;
    let handle = pidfd_open(pid, PidfdFlags::empty()).context("the proxy cannot be found")?;
    // Asked again now that the ID cannot pass to another process.
    if status(runtime_dir).as_ref() != Some(&running) {
        bail!("another proxy has taken the place of {}", running.pid);
    }
    pidfd_send_signal(&handle, Signal::TERM).context("the proxy cannot be ended")?;
    if !readable_within(&handle, limits::KILL_GRACE) {
        pidfd_send_signal(&handle, Signal::KILL).context("the proxy cannot be ended")?;
        readable_within(&handle, limits::KILL_GRACE);
    }
    runtime::remove(runtime_dir)?;
    Ok(true)
}

/// What a container is given to be behind a proxy, or, without one, to have an init.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sandbox {
    /// Podman's arguments ahead of the image.
    pub podman: Vec<String>,
    /// The init's own, ahead of the agent's program.
    pub init: Vec<String>,
}

/// A container whose only way out is the proxy of this directory.
#[must_use]
pub fn sandbox(runtime_dir: &Path) -> Sandbox {
    let dir = runtime_dir.display();
    let mount = contract::MOUNT;
    let bind = |name: &str, to: &str| format!("--volume={dir}/{name}:{to}:ro");
    Sandbox {
        podman: vec![
            "--network=none".to_owned(),
            // The init binds 53, 80 and 443 without the capability for it.
            "--sysctl=net.ipv4.ip_unprivileged_port_start=0".to_owned(),
            // SELinux forbids a container to connect to a host's socket.
            "--security-opt=label=disable".to_owned(),
            format!("--volume={dir}:{mount}:ro"),
            bind(contract::RESOLV_CONF, "/etc/resolv.conf"),
            bind(contract::HOSTS, "/etc/hosts"),
            format!("--entrypoint={mount}/{}", contract::INIT),
        ],
        init: [contract::ENVIRONMENT, "--"].map(str::to_owned).into(),
    }
}

/// A container with Podman's own network: the init does PID 1's duties and nothing else.
#[must_use]
pub fn unsandboxed(runtime_dir: &Path) -> Sandbox {
    let (dir, mount, init) = (runtime_dir.display(), contract::MOUNT, contract::INIT);
    Sandbox {
        podman: vec![
            format!("--volume={dir}/{init}:{mount}/{init}:ro"),
            format!("--entrypoint={mount}/{init}"),
        ],
        init: ["--no-proxy", contract::ENVIRONMENT, "--"].map(str::to_owned).into(),
    }
}

/// The container's standard input: the agent's variables, then what the agent reads.
#[must_use]
pub fn standard_input(variables: &[(String, String)], prompt: &str) -> Vec<u8> {
    let mut input = environment::encode(variables);
    input.extend_from_slice(prompt.as_bytes());
    input
}

/// The container's exit code when the init saw the proxy end.
pub const PROXY_GONE: i32 = contract::PROXY_GONE as i32;

/// The container's exit code when the init saw the agent ended for want of memory.
pub const OUT_OF_MEMORY: i32 = contract::OUT_OF_MEMORY as i32;

/// Makes the directory and what a container needs of it, without a proxy.
pub fn prepare(runtime_dir: &Path) -> Result<()> {
    runtime::check_socket_path(&runtime_dir.join(contract::SOCKET))?;
    runtime::create(runtime_dir)?;
    runtime::check_executable(runtime_dir)?;
    runtime::put(runtime_dir, contract::INIT, INIT, 0o555)?;
    runtime::put(runtime_dir, contract::RESOLV_CONF, b"nameserver 127.0.0.1\n", 0o444)?;
    runtime::put(runtime_dir, contract::HOSTS, b"127.0.0.1 localhost\n::1 localhost\n", 0o444)
}

fn spawn(options: &Options, tied: bool) -> Result<(Child, ChildStdin, Ready)> {
    let settings = settings(options, tied)?;
    prepare(&options.runtime_dir)?;
    let program = Program::new(&options.program)
        .args(["proxy", "serve"])
        .inherit(["SSL_CERT_FILE", "SSL_CERT_DIR"])
        // Empty: the resolver completes no name with this machine's search domains (resolv.conf(5)).
        .env("LOCALDOMAIN", "");
    let child = if tied { program.spawn() } else { program.spawn_to_stay() };
    let mut child = child.context("the proxy does not start")?;
    let begun = hand_over(&mut child, &settings);
    match begun {
        Ok((stdin, ready)) => Ok((child, stdin, ready)),
        Err(error) => {
            let _ = child.kill();
            let _ = child.wait();
            Err(error)
        }
    }
}

fn settings(options: &Options, tied: bool) -> Result<Settings> {
    let upstream_ca = options.network.upstream_ca_file.as_deref().map(read_pem).transpose()?;
    for secret in &options.masked {
        // A pattern that any host fits would hand the secret to whoever is allowed next.
        if secret.scopes.iter().any(|scope| !scope.as_str().trim_start_matches(['*', '.', '?']).contains('.'))
        {
            bail!("the masked secret {} needs scopes that name hosts, like api.example.com", secret.name);
        }
    }
    Ok(Settings {
        runtime_dir: options.runtime_dir.clone(),
        log: options.log.clone(),
        tied,
        allowlist: options.allowlist.clone(),
        masked: options.masked.clone(),
        resolve: options
            .network
            .resolve
            .iter()
            .map(|(name, pinned)| (name.to_string(), (pinned.address, pinned.port)))
            .collect(),
        allow_private: options.network.allow_private.clone(),
        upstream_proxy: options.network.upstream_proxy.clone(),
        upstream_ca,
    })
}

fn read_pem(path: &Path) -> Result<String> {
    let mut text = String::new();
    let max = limits::PROXY_SETTINGS_BYTES / 2;
    File::open(path)
        .and_then(|file| file.take(max).read_to_string(&mut text))
        .with_context(|| format!("cannot read upstream_ca_file {}", path.display()))?;
    Ok(text)
}

/// Gives the settings and waits for the line that says the socket is open.
fn hand_over(child: &mut Child, settings: &Settings) -> Result<(ChildStdin, Ready)> {
    let mut stdin = child.stdin.take().context("the proxy has no standard input")?;
    let stdout = child.stdout.take().context("the proxy has no standard output")?;
    let mut line = serde_json::to_vec(settings)?;
    line.push(b'\n');
    // Read at the same time, or a proxy that fails before it reads would leave both waiting.
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let mut line = String::new();
        let read = BufReader::new(stdout.take(64 << 10)).read_line(&mut line).map(|_| line);
        let _ = sender.send(read);
    });
    // That it does not take them shows in what it says, or in its saying nothing.
    let _ = stdin.write_all(&line).and_then(|()| stdin.flush());
    let line = receiver
        .recv_timeout(limits::PROXY_READY)
        .map_err(|_| anyhow!("the proxy was not ready after {} s", limits::PROXY_READY.as_secs()))?
        .context("cannot hear the proxy")?;
    if line.is_empty() {
        bail!("the proxy ended before it was ready");
    }
    let ready: Ready = serde_json::from_str(&line).context("cannot understand the proxy")?;
    match (ready.ready, &ready.error) {
        (true, _) => Ok((stdin, ready)),
        (false, error) => {
            let why = error.as_deref().unwrap_or("it does not say why");
            let why = format!("the proxy cannot start: {why}");
            Err(Shortage::said(&why)
                .map_or_else(|| anyhow!(why.clone()), |what| Fault::short(what, &why).into()))
        }
    }
}

fn ended_within(child: &Child, time: Duration) -> bool {
    pidfd_open(Pid::from_child(child), PidfdFlags::empty()).is_ok_and(|handle| readable_within(&handle, time))
}

/// A process handle is readable once the process has ended.
fn readable_within(handle: &OwnedFd, time: Duration) -> bool {
    let Ok(time) = Timespec::try_from(time) else { return false };
    let mut fds = [PollFd::from_borrowed_fd(handle.as_fd(), PollFlags::IN)];
    poll(&mut fds, Some(&time)).is_ok_and(|ready| ready > 0)
}

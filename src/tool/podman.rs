//! Podman: its argument lists, composed by pure functions, and the few commands airut gives it.
//! No secret is ever among the arguments: what the container must know goes to its standard input.

use crate::base::limits;
use crate::disk::{crash, write};
use crate::exec::program::{Output, Program};
use anyhow::{Context, Result, bail};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fs::Permissions;
use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What Podman needs of our environment to find its own configuration.
const ENVIRONMENT: [&str; 9] = [
    "CONTAINERS_CONF",
    "CONTAINERS_STORAGE_CONF",
    "CONTAINERS_REGISTRIES_CONF",
    "REGISTRY_AUTH_FILE",
    "XDG_CONFIG_HOME",
    "XDG_DATA_HOME",
    "XDG_CACHE_HOME",
    "DBUS_SESSION_BUS_ADDRESS",
    "SSL_CERT_FILE",
];

/// Given back after all are dropped: what package managers inside need (owners and modes of files).
const CAPABILITIES: [&str; 5] = ["CHOWN", "DAC_OVERRIDE", "FOWNER", "SETGID", "SETUID"];

/// Exit code of `podman run` when Podman itself failed, not the container.
pub const PODMAN_FAILED: i32 = 125;
/// Exit code of `podman run` when its own `--timeout` ended the container.
pub const PODMAN_TIMED_OUT: i32 = 255;

/// By these labels everything left over is found.
pub const LABEL_STORAGE: &str = "airut.storage";
pub const LABEL_SESSION: &str = "airut.session";
pub const LABEL_IMAGE: &str = "airut.image";

/// One container to run.
#[derive(Debug, Clone)]
pub struct Container {
    pub name: String,
    pub labels: BTreeMap<&'static str, String>,
    pub image: String,
    pub mounts: Vec<Mount>,
    /// What the sandbox adds: its network, its sockets, its init.
    pub sandbox: Vec<String>,
    pub memory: Option<String>,
    pub cpus: Option<f64>,
    pub pids: u32,
    /// Podman ends the container then, whatever became of us.
    pub timeout: Duration,
    pub command: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    pub host: PathBuf,
    pub container: &'static str,
    pub read_only: bool,
}

/// The program with its environment.
#[must_use]
pub fn podman() -> Program {
    Program::new("podman").inherit(ENVIRONMENT)
}

/// Everything behind `podman`.
#[must_use]
pub fn run_args(container: &Container) -> Vec<String> {
    let mut args: Vec<String> = [
        "run",
        "--rm",
        // What an earlier run left under this name would only be in the way.
        "--replace",
        "--interactive",
        "--pull=never",
        "--user=0:0",
        "--workdir=/workspace",
        "--cap-drop=all",
        "--security-opt=no-new-privileges",
        // Our own proxy variables lead nowhere inside.
        "--http-proxy=false",
        // The stream goes to us; a second copy would only fill the disk.
        "--log-driver=none",
    ]
    .map(str::to_owned)
    .into();
    args.push(format!("--name={}", container.name));
    args.extend(container.labels.iter().map(|(name, value)| format!("--label={name}={value}")));
    args.extend(CAPABILITIES.iter().map(|name| format!("--cap-add={name}")));
    args.extend(container.memory.iter().map(|memory| format!("--memory={memory}")));
    args.extend(container.cpus.iter().map(|cpus| format!("--cpus={cpus}")));
    args.push(format!("--pids-limit={}", container.pids));
    args.push(format!("--timeout={}", container.timeout.as_secs()));
    for mount in &container.mounts {
        let mode = if mount.read_only { "ro" } else { "rw" };
        args.push(format!("--volume={}:{}:{mode}", mount.host.display(), mount.container));
    }
    args.extend(container.sandbox.iter().cloned());
    args.push(container.image.clone());
    args.extend(container.command.iter().cloned());
    args
}

/// The container of a session: one at a time, so that a left-over one is found and replaced by its name.
#[must_use]
pub fn container_name(repo: &str, session: &str) -> String {
    format!("airut-{repo}-{session}")
}

/// A container that Podman knows.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Listed {
    pub id: String,
    #[serde(default)]
    pub labels: Option<BTreeMap<String, String>>,
}

/// Containers with that label, running or not.
pub fn containers(label: &str, value: &str) -> Result<Vec<Listed>> {
    let filter = format!("--filter=label={label}={value}");
    let output = quick(["ps", "--all", "--no-trunc", "--format=json", &filter])?;
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// Ends and removes a container; that there is none is no error. One whose end Podman has not noted yet it refuses to
/// remove ("container state improper"), for a moment.
pub fn remove_container(name: &str) -> Result<()> {
    let mut attempts = 1;
    loop {
        match quick(["rm", "--force", "--ignore", "--time=1", name]) {
            Err(_) if attempts < limits::REMOVE_ATTEMPTS => std::thread::sleep(limits::REMOVE_PAUSE),
            removed => return removed.map(drop),
        }
        attempts += 1;
    }
}

/// Sends TERM, and KILL after the grace; false when no such container runs.
pub fn stop(name: &str) -> Result<bool> {
    let grace = format!("--time={}", limits::KILL_GRACE.as_secs());
    let output = podman().args(["stop", &grace, name]).run()?;
    if output.success() {
        return Ok(true);
    }
    if output.stderr.contains("no such container") || output.stderr.contains("no container with name") {
        return Ok(false);
    }
    bail!("podman stop failed: {}", output.last_words());
}

/// Removes what builds of airut's images left without a name.
pub fn prune_images() -> Result<()> {
    let filter = format!("--filter=label={LABEL_IMAGE}");
    quick(["image", "prune", "--force", &filter]).map(drop)
}

/// Removes an image unless a container uses it; false when one does.
pub fn remove_image(image: &str) -> Result<bool> {
    let output = podman().args(["rmi", image]).run()?;
    Ok(output.success())
}

/// Removes a directory tree that may hold files of other user IDs.
pub fn remove_tree(path: &Path) -> Result<()> {
    let Ok(meta) = path.symlink_metadata() else { return Ok(()) };
    let remove = || if meta.is_dir() { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) };
    let removed = crash::effect("remove the tree").and_then(|()| remove());
    let Err(error) = removed else { return Ok(()) };
    // Gone meanwhile, by another process.
    if path.symlink_metadata().is_err() {
        return Ok(());
    }
    if rustix::process::getuid().is_root() {
        return Err(error).with_context(|| format!("cannot remove {}", path.display()));
    }
    let path = path.as_os_str().to_string_lossy();
    quick(["unshare", "rm", "-rf", "--one-file-system", "--", &path]).map(drop)
}

/// Makes a directory ours again, as we made it, whatever mode or owner an agent gave it; that it is gone is no error.
/// An agent cannot have put something else in its place.
pub fn take_back(dir: &Path) -> Result<()> {
    let found = match dir.symlink_metadata() {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        found => found.with_context(|| format!("cannot look at {}", dir.display()))?,
    };
    let us = rustix::process::getuid();
    let is_foreign = found.uid() != us.as_raw() && !us.is_root();
    if is_foreign {
        // Whoever is root to Podman is us.
        quick(["unshare", "chown", "0:0", "--", &dir.as_os_str().to_string_lossy()])?;
    }
    if !is_foreign && found.mode() & 0o7777 == write::DIR_MODE {
        return Ok(());
    }
    crash::effect("take back the directory")
        .and_then(|()| std::fs::set_permissions(dir, Permissions::from_mode(write::DIR_MODE)))
        .with_context(|| format!("cannot change the mode of {}", dir.display()))
}

/// What `podman info` says, by a Go template.
pub fn info(template: &str) -> Result<String> {
    let output = quick(["info", &format!("--format={template}")])?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn quick<const N: usize>(args: [&str; N]) -> Result<Output> {
    let output = podman().args(args).stdout_max(16 << 20).run()?;
    if !output.success() {
        bail!("podman {} failed: {}", args[0], output.last_words());
    }
    Ok(output)
}

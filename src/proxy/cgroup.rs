//! A control group (version 2) of the proxy's own, with limits on its memory and processes: only below one that was
//! given to airut, as the unit of `run` says. Any other part of the tree has somebody who alone may write it.

use crate::base::limits;
use std::fs::OpenOptions;
use std::io::{Error, Result, Write};
use std::path::{Path, PathBuf};

const TREE: &str = "/sys/fs/cgroup";
/// Set by whoever gives away the group that airut is started in: systemd has a mark of its own, but users' managers
/// do not set it (252).
const GIVEN: &str = "AIRUT_DELEGATED";
/// The leaf that airut moves itself into: the groups beside it are its to make.
const LEAF: &str = "airut-run";

/// Moves this process into a leaf of the group it was started in, if that was given to it: a group with processes of
/// its own cannot limit those below it (cgroups(7), no internal processes). To be called before there are others.
pub fn step_aside() {
    if std::env::var_os(GIVEN).is_some_and(|value| value == "yes")
        && let Some(group) = own()
    {
        // What is not possible shows in what the proxy says of itself.
        let _ = leave(&group, std::process::id());
    }
}

/// Moves this process into a new group with limits beside the leaf it was started in; its directory, for whoever
/// removes it.
#[must_use]
pub fn enter() -> Option<PathBuf> {
    enter_beside(&own()?, std::process::id()).ok()
}

/// Removes the group of a proxy that has ended.
pub fn remove(group: &Path) {
    let _ = std::fs::remove_dir(group);
}

/// The limits of the group this process is in, whoever set them.
#[must_use]
pub fn limits() -> Vec<String> {
    own().map(|group| limits_of(&group)).unwrap_or_default()
}

/// The directory of the group this process is in, none where only version 1 is in use.
fn own() -> Option<PathBuf> {
    let groups = std::fs::read_to_string("/proc/self/cgroup").ok()?;
    let path = groups.lines().find_map(|line| line.strip_prefix("0::/"))?;
    Some(Path::new(TREE).join(path)).filter(|group| group.join("cgroup.procs").exists())
}

/// `step_aside` in a tree that may be made up.
pub fn leave(group: &Path, pid: u32) -> Result<()> {
    let alone = std::fs::read_to_string(group.join("cgroup.procs"))?.trim() == pid.to_string();
    if !alone {
        return Err(Error::other("others are in the group"));
    }
    let leaf = group.join(LEAF);
    make(&leaf)?;
    put(&leaf, "cgroup.procs", &pid.to_string())
}

/// `enter` in a tree that may be made up.
pub fn enter_beside(group: &Path, pid: u32) -> Result<PathBuf> {
    let above = group.parent().filter(|_| group.ends_with(LEAF));
    let above = above.ok_or_else(|| Error::other("the group above was not given to airut"))?;
    put(above, "cgroup.subtree_control", "+memory +pids")?;
    let new = above.join(format!("airut-proxy-{pid}"));
    make(&new)?;
    let entered = put(&new, "memory.max", &limits::PROXY_MEMORY_BYTES.to_string())
        .and_then(|()| put(&new, "pids.max", &limits::PROXY_THREADS.to_string()))
        .and_then(|()| put(&new, "cgroup.procs", &pid.to_string()));
    match entered {
        Ok(()) => {
            // Not every kernel counts swap, and not every machine has some.
            let _ = put(&new, "memory.swap.max", "0");
            Ok(new)
        }
        Err(error) => {
            remove(&new);
            Err(error)
        }
    }
}

/// The limits of a group, as `NAME VALUE`.
#[must_use]
pub fn limits_of(group: &Path) -> Vec<String> {
    let read = |name: &str| std::fs::read_to_string(group.join(name)).ok();
    let limits =
        ["memory.max", "pids.max", "cpu.max"].into_iter().filter_map(|name| Some((name, read(name)?)));
    let set = limits.filter(|(_, value)| !value.starts_with("max"));
    set.map(|(name, value)| format!("{name} {}", value.trim())).collect()
}

fn make(group: &Path) -> Result<()> {
    match std::fs::create_dir(group) {
        Err(error) if !group.is_dir() => Err(error),
        _ => Ok(()),
    }
}

/// The kernel takes each value in one write.
fn put(group: &Path, name: &str, value: &str) -> Result<()> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).open(group.join(name))?;
    file.write_all(value.as_bytes())
}

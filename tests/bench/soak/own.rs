//! Which processes and containers are this soak's own: nobody else's may be touched, and none may be left over.

use crate::stage::Stage;
use anyhow::Result;
use rustix::process::{Pid, Signal};
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;

/// One of the soak's processes.
pub struct Process {
    pub pid: i32,
    pub command: String,
    program: Option<PathBuf>,
}

/// airut's, by the program's path; and whatever has the soak's directory in its command line (Podman's monitors, git).
/// The mail server is not among them, nor is the soak itself.
pub fn processes(stage: &Stage) -> Vec<Process> {
    let (mail, own) = (stage.mail.as_os_str().as_bytes(), std::process::id().cast_signed());
    let is_in = |command: &[u8], dir: &[u8]| command.windows(dir.len()).any(|window| window == dir);
    let process = |entry: std::fs::DirEntry| {
        let pid = entry.file_name().to_str()?.parse::<i32>().ok().filter(|pid| *pid != own)?;
        let command = std::fs::read(entry.path().join("cmdline")).ok()?;
        let program = std::fs::read_link(entry.path().join("exe")).ok();
        let is_airut = program.as_ref().is_some_and(|program| *program == stage.program());
        let is_ours = is_in(&command, stage.dir.as_os_str().as_bytes()) && !is_in(&command, mail);
        // Those that brought the soak about name its directory, too.
        let is_above = command.starts_with(b"bash\0") || is_in(&command, b"/soak-");
        let command = String::from_utf8_lossy(&command).replace('\0', " ");
        (is_airut || is_ours && !is_above).then_some(Process { pid, command, program })
    };
    std::fs::read_dir("/proc").into_iter().flatten().flatten().filter_map(process).collect()
}

pub fn proxies(stage: &Stage) -> Vec<i32> {
    let is_proxy = |process: &Process| {
        process.program == Some(stage.program()) && process.command.contains(" proxy serve")
    };
    processes(stage).iter().filter(|process| is_proxy(process)).map(|process| process.pid).collect()
}

/// What airut called: Podman, its monitors, git; with their names.
pub fn programs(stage: &Stage) -> Vec<(i32, String)> {
    let name = |process: Process| {
        let path = process.program.filter(|program| *program != stage.program())?;
        Some((process.pid, path.file_name()?.to_string_lossy().into_owned()))
    };
    processes(stage).into_iter().filter_map(name).collect()
}

/// Ends one that was left over, and what it had begun itself.
pub fn end(process: &Process) {
    children(process.pid).into_iter().chain([process.pid]).for_each(|pid| signal(pid, Signal::KILL));
}

/// Whether it is the monitor of a container that was made and never begun: Podman itself was killed between the two, and
/// knows nothing of it. Nothing of an agent runs in it.
pub fn is_unbegun(process: &Process) -> bool {
    let is_init = |pid: &i32| {
        let command = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        command.ends_with(b"runc\0init\0")
    };
    let children = children(process.pid);
    process.command.contains("conmon ") && !children.is_empty() && children.iter().all(is_init)
}

fn children(pid: i32) -> Vec<i32> {
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    children.split_whitespace().filter_map(|pid| pid.parse().ok()).collect()
}

/// The storage is the soak's own, and so is each container in it.
pub fn containers(stage: &Stage) -> Result<Vec<String>> {
    let output = stage.podman(&["ps", "--all", "--quiet", "--filter=label=airut.storage"]).output()?;
    Ok(String::from_utf8_lossy(&output.stdout).split_whitespace().map(str::to_owned).collect())
}

pub fn signal(pid: i32, signal: Signal) {
    if let Some(pid) = Pid::from_raw(pid) {
        let _ = rustix::process::kill_process(pid, signal);
    }
}

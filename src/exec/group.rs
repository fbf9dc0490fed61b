//! Who is at work in a process group, as /proc tells it.

use rustix::process::Pid;

/// Whether anybody of the group but its leader is still at work (proc_pid_stat(5)). The leader, dead and not waited for,
/// keeps the group's number from passing to others.
#[must_use]
pub fn has_others(group: Pid) -> bool {
    let number = group.as_raw_nonzero().to_string();
    let is_other = |entry: std::fs::DirEntry| {
        let name = entry.file_name();
        let is_process = name.to_str().is_some_and(|name| name != number && name.parse::<u32>().is_ok());
        let stat =
            if is_process { std::fs::read_to_string(entry.path().join("stat")) } else { return false };
        // Behind the name, which may hold anything: state, parent, group.
        let stat = stat.unwrap_or_default();
        let mut fields = stat.rsplit(')').next().unwrap_or_default().split_ascii_whitespace();
        !matches!(fields.next(), None | Some("Z" | "X")) && fields.nth(1) == Some(&number)
    };
    std::fs::read_dir("/proc").into_iter().flatten().flatten().any(is_other)
}

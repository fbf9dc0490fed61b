//! Whether the kernel ended something here because the container's memory was spent: Podman itself does not always tell
//! (its `OOMKilled` is false after a real one with cgroups of version 1).

use std::fs::File;
use std::io::Read;
use std::path::Path;

/// Where the container's own control group counts that, in version 2 and in version 1.
const COUNTERS: [&str; 2] = ["sys/fs/cgroup/memory.events", "sys/fs/cgroup/memory/memory.oom_control"];
/// More than either of them is long.
const COUNTER_BYTES: u64 = 4096;

/// Whether anything was killed for want of memory below this root.
pub fn was_spent(root: &Path) -> bool {
    COUNTERS.iter().any(|counter| {
        let mut text = String::new();
        let read = File::open(root.join(counter))
            .and_then(|file| file.take(COUNTER_BYTES).read_to_string(&mut text));
        let kills = text.lines().find_map(|line| line.strip_prefix("oom_kill ")?.trim().parse::<u64>().ok());
        read.is_ok() && kills.is_some_and(|kills| kills > 0)
    })
}

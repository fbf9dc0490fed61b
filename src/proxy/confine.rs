//! The proxy's own cage, laid on after everything it needs is open. Best effort: a kernel that grants less is told
//! about in the ready line; the isolation of the container never depends on it.

use crate::base::limits;
use crate::proxy::settings::Confinement;
use landlock::{
    ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, LandlockStatus, NetPort, Ruleset, RulesetAttr,
    RulesetCreatedAttr, RulesetError, RulesetStatus, Scope, path_beneath_rules,
};
use rustix::process::{DumpableBehavior, Resource, Rlimit, getrlimit, set_dumpable_behavior, setrlimit};
use std::path::Path;

/// What resolving names and verifying certificates reads. No home, no state, no runtime directory.
const READABLE: [&str; 12] = [
    "/etc",
    "/usr",
    "/lib",
    "/lib64",
    "/nix/store",
    "/run/systemd/resolve",
    "/run/NetworkManager",
    "/run/resolvconf",
    "/run/nscd",
    "/var/run/nscd",
    "/var/lib/ca-certificates",
    "/dev/null",
];

/// Confines this process for good. Call it before there are threads. `ports` are those of pinned names and of
/// an egress proxy.
#[must_use]
pub fn confine(ports: &[u16]) -> Confinement {
    // Asked while the files that say it can still be read.
    let cgroup = cgroup_limits();
    let (landlock, landlock_covers, no_new_privileges) = match restrict(ports) {
        Ok(status) => (
            match status.ruleset {
                RulesetStatus::FullyEnforced => "full",
                RulesetStatus::PartiallyEnforced => "partial",
                RulesetStatus::NotEnforced => "none",
            },
            covers(status.landlock),
            status.no_new_privs,
        ),
        Err(_) => ("none", "nothing", false),
    };
    let limits = [
        (Resource::Core, 0),
        (Resource::Nofile, limits::PROXY_FILES),
        (Resource::As, limits::PROXY_ADDRESS_BYTES),
        (Resource::Fsize, limits::NETWORK_LOG_BYTES + (1 << 20)),
    ];
    Confinement {
        landlock: landlock.to_owned(),
        landlock_covers: landlock_covers.to_owned(),
        no_new_privileges,
        not_dumpable: set_dumpable_behavior(DumpableBehavior::NotDumpable).is_ok(),
        limits: limits.into_iter().all(|(resource, most)| limit(resource, most)),
        cgroup,
    }
}

/// By what each version of Landlock brought (landlock(7)).
fn covers(status: LandlockStatus) -> &'static str {
    match status {
        LandlockStatus::Available { effective_abi: abi, .. } if abi >= ABI::V6 => {
            "files, ports, signals and abstract sockets"
        }
        LandlockStatus::Available { effective_abi: abi, .. } if abi >= ABI::V4 => "files, ports",
        LandlockStatus::Available { .. } => "files",
        LandlockStatus::NotEnabled | LandlockStatus::NotImplemented => "nothing",
    }
}

/// The memory and process limits of the control group (version 2) this process is in, which a service manager
/// may have given it. To make one of its own it would have to move processes in a tree that is not its.
fn cgroup_limits() -> String {
    let own = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let Some(path) = own.lines().find_map(|line| line.strip_prefix("0::/")) else { return "none".to_owned() };
    let dir = Path::new("/sys/fs/cgroup").join(path);
    let read = |name: &str| std::fs::read_to_string(dir.join(name)).ok();
    let limits: Vec<String> = ["memory.max", "pids.max", "cpu.max"]
        .into_iter()
        .filter_map(|name| Some((name, read(name)?)))
        .filter(|(_, value)| !value.starts_with("max"))
        .map(|(name, value)| format!("{name} {}", value.trim()))
        .collect();
    if limits.is_empty() { "none".to_owned() } else { limits.join(", ") }
}

fn restrict(ports: &[u16]) -> Result<landlock::RestrictionStatus, RulesetError> {
    let read = AccessFs::from_read(ABI::V6);
    let ports = [53, 80, 443].into_iter().chain(ports.iter().copied());
    Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(ABI::V6))?
        .handle_access(AccessNet::from_all(ABI::V6))?
        .scope(Scope::from_all(ABI::V6))?
        .create()?
        .add_rules(path_beneath_rules(READABLE, read))?
        .add_rules(ports.map(|port| Ok::<_, RulesetError>(NetPort::new(port, AccessNet::ConnectTcp))))?
        .restrict_self()
}

/// Lowers a limit, never above what was allowed already.
fn limit(resource: Resource, most: u64) -> bool {
    let hard = getrlimit(resource).maximum.map_or(most, |hard| hard.min(most));
    setrlimit(resource, Rlimit { current: Some(hard), maximum: Some(hard) }).is_ok()
}

//! The proxy's own cage, laid on after everything it needs is open. Best effort: a kernel that grants less is told
//! about in the ready line; the isolation of the container never depends on it.

use crate::base::limits;
use crate::proxy::cgroup;
use crate::proxy::settings::Confinement;
use landlock::{
    ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, LandlockStatus, NetPort, Ruleset, RulesetAttr,
    RulesetCreatedAttr, RulesetError, RulesetStatus, Scope, path_beneath_rules,
};
use rustix::process::{DumpableBehavior, Resource, Rlimit, getrlimit, set_dumpable_behavior, setrlimit};

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
/// an egress proxy; `tied` to somebody who removes a control group when it has ended.
#[must_use]
pub fn confine(ports: &[u16], tied: bool) -> Confinement {
    // While the files of it can still be opened.
    let group = tied.then(cgroup::enter).flatten();
    let cgroup = cgroup(group.is_some());
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
        group,
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

/// Which control group (version 2) it is in, and with what limits.
fn cgroup(is_own: bool) -> String {
    let limits = cgroup::limits().join(", ");
    match (is_own, limits.as_str()) {
        (true, limits) => format!("its own, {limits}"),
        (false, "") => "none with limits".to_owned(),
        (false, limits) => format!("that of what started it, {limits}"),
    }
}

fn restrict(ports: &[u16]) -> Result<landlock::RestrictionStatus, RulesetError> {
    // To be run is not among it.
    let read = AccessFs::ReadFile | AccessFs::ReadDir;
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

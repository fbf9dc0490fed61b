//! Control groups in a made-up tree: what is written where. How a kernel takes it, only one with version 2 can show.

use airut::proxy::cgroup::{enter_beside, leave, limits_of};
use std::fs;
use std::path::Path;

fn read(path: impl AsRef<Path>) -> String {
    fs::read_to_string(path.as_ref()).unwrap_or_default()
}

#[test]
fn a_process_alone_in_its_group_steps_aside_and_its_proxy_gets_a_group_with_limits_beside_it() {
    let unit = tempfile::tempdir().unwrap();
    let unit = unit.path();
    fs::write(unit.join("cgroup.procs"), "41\n").unwrap();
    leave(unit, 41).unwrap();
    // Again, after a restart.
    leave(unit, 41).unwrap();
    assert_eq!(read(unit.join("airut-run/cgroup.procs")), "41");
    let own = enter_beside(&unit.join("airut-run"), 42).unwrap();
    assert_eq!(own, unit.join("airut-proxy-42"));
    assert_eq!(read(unit.join("cgroup.subtree_control")), "+memory +pids");
    assert_eq!(read(own.join("cgroup.procs")), "42");
    fs::write(own.join("cpu.max"), "max 100000\n").unwrap();
    assert_eq!(limits_of(&own), ["memory.max 536870912", "pids.max 32"]);
}

#[test]
fn a_group_with_others_in_it_or_that_was_not_given_is_left_as_it_is() {
    let tree = tempfile::tempdir().unwrap();
    let unit = tree.path().join("unit");
    fs::create_dir(&unit).unwrap();
    for procs in ["41\n42\n", "42\n", ""] {
        fs::write(unit.join("cgroup.procs"), procs).unwrap();
        assert!(leave(&unit, 41).is_err(), "{procs}");
    }
    // Its parent is somebody else's.
    assert!(enter_beside(&unit, 42).is_err());
    let names = |dir: &Path| fs::read_dir(dir).unwrap().count();
    assert_eq!((names(&unit), names(tree.path())), (1, 1));
}

#[test]
fn a_proxy_that_gets_no_limits_gets_no_group() {
    let unit = tempfile::tempdir().unwrap();
    let leaf = unit.path().join("airut-run");
    fs::create_dir(&leaf).unwrap();
    // As when the tree has no such controllers.
    fs::create_dir(unit.path().join("cgroup.subtree_control")).unwrap();
    assert!(enter_beside(&leaf, 42).is_err());
    assert!(!unit.path().join("airut-proxy-42").exists());
}

use crate::support::world::{Setup, World, airut_bin};

#[test]
fn a_runtime_directory_from_which_nothing_can_run_is_named() {
    let world = World::new();
    world.repo(&Setup::stand_in(""));
    // In a mount namespace of its own; a root of its own where this is none.
    let mut command = world.command("unshare");
    command.args(["--mount", "--map-root-user", "sh", "-c"]);
    command.arg("mount -t tmpfs -o noexec,mode=700 tmpfs \"$XDG_RUNTIME_DIR\" && exec \"$0\" check");
    let output = command.arg(airut_bin()).output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(told.contains("mounted noexec") && told.contains("set XDG_RUNTIME_DIR"), "{told}");
}

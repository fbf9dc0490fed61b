//! `network.sandbox_enabled: false`: only where the operator allows it, and never in silence.

use crate::support::images::containers;
use crate::support::world::{Ran, Setup, World};
use crate::whole::steps::obedient;
use std::fs;

fn asking_for_no_sandbox() -> Setup {
    let mut setup = obedient();
    setup.file(".airut/airut.yaml", "network:\n  sandbox_enabled: false\n");
    setup
}

#[test]
fn without_the_operators_leave_nothing_runs_and_the_sender_hears_why() {
    let world = World::with_containers();
    let repo = world.repo(&asking_for_no_sandbox());
    let answer = world.ask(&repo, "sh: ls /sys/class/net");
    assert!(answer.text().contains("does not allow"), "{}", answer.text());
    assert!(!repo.session(&repo.sessions()[0]).join("tasks/1/events.jsonl").exists());
}

#[test]
fn with_the_operators_leave_the_agent_has_podmans_network_and_the_operator_is_warned() {
    let world = World::with_containers();
    let mut setup = asking_for_no_sandbox();
    setup.toml.push_str("allow_unsandboxed = true\n");
    let repo = world.repo(&setup);
    // Not every machine can make a network of its own for a container; the host's is there on all.
    let settings =
        fs::read_to_string(containers().env().find(|(name, _)| *name == "CONTAINERS_CONF").unwrap().1);
    let settings = settings.unwrap().replace("[containers]", "[containers]\nnetns = \"host\"");
    let settings = if settings.contains("netns") {
        settings
    } else {
        format!("[containers]\nnetns = \"host\"\n{settings}")
    };
    fs::write(world.path("host.conf"), settings).unwrap();
    world
        .send(&repo, &world.letter(&repo, "Network", "sh: ls /sys/class/net; tr '\\0' ' ' </proc/1/cmdline"));
    world.take_in();
    let output = world.airut(&["run"]).env("CONTAINERS_CONF", world.path("host.conf")).output().unwrap();
    let ran = Ran::of(&output).ok();
    assert!(ran.stderr.contains("THE SANDBOX IS OFF"), "{}", ran.stderr);
    let _ = world.run(&["reply"]).ok();
    let said = world.answers(&repo, 2)[1].text();
    // The host's interfaces, by their names, and the init without a way to a proxy.
    for interface in fs::read_dir("/sys/class/net").unwrap() {
        let name = interface.unwrap().file_name();
        assert!(said.contains(name.to_str().unwrap()), "{said}");
    }
    assert!(said.contains("--no-proxy"), "{said}");
}

//! An image is built anew after a day; where that fails, yesterday's goes on serving.

use crate::support::images::{BUSYBOX, containers};
use crate::support::world::{Setup, World};
use crate::whole::steps::{AGENT, json, names};
use std::fs;

#[test]
fn an_image_older_than_a_day_is_built_anew_and_one_that_then_does_not_build_serves_on() {
    let world = World::with_containers();
    let mut setup = Setup::stand_in(AGENT);
    // Builds as long as its base is there, under a name of this test's own.
    let base = format!("localhost/airut-test-base:{}", std::process::id());
    containers().run(&["tag", BUSYBOX, &base]);
    let dockerfile = format!(
        "FROM {base}\nCOPY claude /usr/local/bin/claude\nRUN cat /proc/sys/kernel/random/uuid >/built\nLABEL of={}\n",
        world.path("").display()
    );
    setup.file(".airut/container/Dockerfile", &dockerfile);
    // Not every user can make a network for RUN.
    setup.tables.push_str("[repos.NAME.container]\nbuild_network = \"none\"\n");
    let repo = world.repo(&setup);
    let images = world.path("state/airut/images");
    let stamp = || images.join(names(&images).into_iter().find(|name| name.ends_with(".json")).unwrap());
    let grow_old = |hours: i64| {
        let mut image = json(&stamp());
        let then = jiff::Timestamp::now() - jiff::SignedDuration::from_hours(hours);
        image["built_at"] = then.to_string().into();
        fs::write(stamp(), image.to_string()).unwrap();
    };

    let first = world.ask(&repo, "sh: cat /built");
    grow_old(23);
    let same = world.go_on(&repo, &first, "sh: cat /built");
    let built = |text: String| text.lines().next().unwrap().to_owned();
    assert_eq!(built(same.text()), built(first.text()), "it is not a day old");
    grow_old(25);
    let anew = world.go_on(&repo, &same, "sh: cat /built");
    assert_ne!(built(anew.text()), built(first.text()), "it is built anew, not taken from the cache");

    grow_old(25);
    let old = fs::read_to_string(stamp()).unwrap();
    // With one argument, it would take from the image every name it has, and so from all tests.
    containers().run(&["untag", BUSYBOX, &base]);
    let served = world.go_on(&repo, &anew, "sh: cat /built");
    assert_eq!(built(served.text()), built(anew.text()), "yesterday's image is better than no answer");
    assert_ne!(
        fs::read_to_string(stamp()).unwrap(),
        old,
        "that it failed is noted, so that not every task tries"
    );
    let tag = format!("localhost/airut:{}", stamp().file_stem().unwrap().to_str().unwrap());
    let _ = containers().podman().args(["rmi", "-f", &tag]).output();
}

use crate::support::world::World;

/// Every command there is, as its words on the command line, with its help.
fn commands(world: &World, words: &[&str]) -> Vec<(String, String)> {
    let help = world.run(&[words, &["--help"]].concat()).ok().stdout;
    let mut found = Vec::new();
    let listed = help.split("Commands:\n").nth(1).map(|rest| rest.split("\n\n").next().unwrap_or_default());
    for line in listed.unwrap_or_default().lines() {
        let mut parts = line.split_whitespace();
        let is_name = line.starts_with("  ") && !line.starts_with("   ");
        if let Some(name) = parts.next().filter(|name| is_name && *name != "help") {
            assert!(parts.next().is_some(), "the list says nothing about it: {line}");
            found.extend(commands(world, &[words, &[name]].concat()));
        }
    }
    found.push((words.join(" "), help));
    found
}

#[test]
fn every_verb_says_what_it_is_for_and_shows_examples() {
    let world = World::new();
    let all = commands(&world, &[]);
    for name in ["fetch", "session open", "session rm", "run", "proxy check", "cycle"] {
        assert!(all.iter().any(|(words, _)| words == name), "{name} was not found");
    }
    for (words, help) in all {
        let first = help.lines().next().unwrap_or_default();
        let says = first.len() > 10 && !first.starts_with("Usage") && !first.starts_with("Example");
        assert!(says, "airut {words} does not say what it does:\n{help}");
        let is_group = help.contains("Commands:\n") && !words.is_empty();
        let example = |line: &str| line.trim_start().starts_with("airut ") || line.contains("  airut ");
        assert!(is_group || help.lines().any(example), "airut {words} shows no example:\n{help}");
    }
}

#[test]
fn the_version_is_the_packages() {
    let world = World::new();
    let version = format!("airut {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(world.run(&["--version"]).ok().stdout, version);
}

#[test]
fn help_and_version_need_no_configuration() {
    let world = World::new();
    std::fs::remove_file(world.config()).unwrap();
    world.run(&["--version"]).ok();
    world.run(&["run", "--help"]).ok();
}

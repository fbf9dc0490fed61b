//! What is shipped beside the program fits the program: units, the example configuration, the README.

use crate::house::{files, none};
use crate::support::world::{World, airut_bin};
use airut::format::config;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

/// The arguments of every `airut` in the units' command lines.
fn commands(text: &str) -> Vec<Vec<String>> {
    let lines = text.lines().filter_map(|line| line.strip_prefix("ExecStart="));
    let after = lines
        .flat_map(|line| line.split("/usr/local/bin/airut ").skip(1).map(str::to_owned).collect::<Vec<_>>());
    let words = |text: String| {
        let end = text.find([';', '&']).unwrap_or(text.len());
        text[..end].split_whitespace().map(|word| word.trim_matches('"').replace("%i", "name")).collect()
    };
    after.map(words).collect()
}

#[test]
fn every_command_of_the_units_is_one_that_airut_has() {
    let world = World::new();
    let mut tried = 0;
    for (path, text) in files("systemd").into_iter().filter(|(path, _)| path.ends_with(".service")) {
        let commands = commands(&text);
        assert!(!commands.is_empty(), "{path} starts nothing");
        for command in commands {
            let ended = world.command(airut_bin()).args(&command).arg("--help").output().unwrap();
            let told = String::from_utf8_lossy(&ended.stderr);
            assert!(ended.status.success(), "{path}: airut {}: {told}", command.join(" "));
            tried += 1;
        }
    }
    assert!(tried >= 8, "{tried}");
}

#[test]
fn every_path_and_timer_unit_has_its_service() {
    let units = files("systemd");
    let names: Vec<_> = units.iter().map(|(path, _)| path.as_str()).collect();
    let missing = names.iter().filter_map(|path| {
        let stem = path.strip_suffix(".path").or_else(|| path.strip_suffix(".timer"))?;
        let service = format!("{stem}.service");
        (!names.contains(&service.as_str())).then(|| format!("{path} has no {service}"))
    });
    none(&missing.collect::<Vec<_>>());
}

#[test]
fn the_example_configuration_is_sound() {
    let text = fs::read_to_string("examples/airut.toml").unwrap();
    // As it stands, and with every commented setting in force; comments of words have a space after the '#'.
    let uncommented: Vec<_> = text
        .lines()
        .map(|line| line.strip_prefix('#').filter(|line| !line.starts_with([' ', '#'])).unwrap_or(line))
        .collect();
    for text in [text.clone(), uncommented.join("\n")] {
        let mut read = config::read(&text).unwrap_or_else(|problem| panic!("{problem}"));
        let (home, state) = (Path::new("/home/you"), Path::new("/home/you/.local/state"));
        let mut problems = config::resolve(&mut read, Some(home), Some(state));
        problems.extend(config::check(&read));
        none(
            &problems
                .into_iter()
                .map(|problem| config::place(&text, problem).to_string())
                .collect::<Vec<_>>(),
        );
    }
}

#[test]
fn the_readme_names_the_two_commands_and_they_are_there() {
    let readme = fs::read_to_string("README.md").unwrap();
    for command in ["examples/demo.sh", "tests/run.sh"] {
        assert!(readme.contains(command), "README.md does not name {command}");
        assert!(fs::metadata(command).unwrap().permissions().mode() & 0o111 != 0, "{command}");
    }
}

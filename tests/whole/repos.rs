//! Several repositories: nothing of one is another's, and none holds up another.

use crate::support::world::World;
use crate::whole::steps::{WAIT, obedient, wait_until};
use std::fs;

/// Sets a key of the whole configuration.
fn set(world: &World, line: &str) {
    let toml = fs::read_to_string(world.config()).unwrap();
    fs::write(world.config(), format!("{line}\n{toml}")).unwrap();
}

#[test]
fn two_repositories_and_four_conversations_at_once_keep_apart() {
    let world = World::with_containers();
    let repos = ["first", "second"].map(|word| {
        let mut setup = obedient();
        setup.tables = format!("[repos.NAME.secrets]\nWORD = {{ command = [\"echo\", \"{word}\"] }}\n");
        setup.file(".airut/airut.yaml", "container_env:\n  WORD: !secret WORD\n");
        setup.file("README.md", &format!("This is the {word}.\n"));
        world.repo(&setup)
    });
    set(&world, "max_concurrent = 4");
    for repo in &repos {
        for number in [1, 2] {
            let body = format!("{WAIT}\nsh: echo {number} $WORD; cat README.md; ls /storage /inbox");
            let name = format!("{}-{number}", repo.name);
            world.send(repo, &world.letter(repo, "Hello", &body).attach(&name, b"x"));
        }
    }
    world.take_in();
    let running = world.begin_run(&[&repos[0], &repos[1]], 4);
    for repo in &repos {
        assert_eq!(world.status(repo)["running"].as_array().unwrap().len(), 2);
    }
    repos.iter().for_each(|repo| repo.let_go());
    let _ = running.end().ok();
    world.cycle();
    for (repo, word) in repos.iter().zip(["first", "second"]) {
        let answers = world.answers(repo, 4);
        assert_eq!(answers.len(), 4);
        let texts: Vec<_> = answers.iter().map(|answer| answer.text()).collect();
        for number in [1, 2] {
            let mine: Vec<_> =
                texts.iter().filter(|text| text.contains(&format!("{number} {word}\n"))).collect();
            assert_eq!(mine.len(), 1, "{texts:?}");
            assert!(mine[0].contains(&format!("This is the {word}.")), "{texts:?}");
            assert!(mine[0].contains(&format!("{}-{number}", repo.name)), "{texts:?}");
            assert!(!mine[0].contains(&format!("{}-{}", repo.name, 3 - number)), "{texts:?}");
        }
        assert!(answers.iter().all(|answer| answer.header("From").unwrap().contains(&repo.address)));
        repo.assert_nothing_waits();
    }
}

#[test]
fn one_that_is_broken_is_reported_and_holds_up_no_other() {
    let world = World::with_containers();
    let [no_mailbox, no_remote, sound] = [(); 3].map(|()| world.repo(&obedient()));
    world.send(&no_remote, &world.letter(&no_remote, "Hello", "sh: echo hello"));
    world.send(&sound, &world.letter(&sound, "Hello", "sh: echo hello"));
    fs::remove_dir_all(&no_mailbox.maildir).unwrap();
    fs::remove_dir_all(&no_remote.remote).unwrap();
    let ran = world.run(&["cycle"]).exit(3);
    assert!(ran.stderr.contains(&format!("error: {}", no_mailbox.name)), "{}", ran.stderr);
    assert!(ran.stderr.contains(&format!("{}:", no_remote.name)), "{}", ran.stderr);
    assert!(!ran.stderr.contains(&format!("error: {}", sound.name)), "{}", ran.stderr);
    assert!(world.answers(&sound, 2)[1].text().contains("hello"));
    assert!(world.answers(&no_remote, 1)[0].text().contains("could not be fetched"));
    // By itself it tells with its exit code.
    let alone = world.run(&["--repo", &no_mailbox.name, "fetch"]);
    assert!(matches!(alone.code, Some(1 | 75)), "{alone:?}");
    let _ = world.run(&["--repo", &sound.name, "cycle"]).ok();
}

#[test]
fn no_more_run_at_once_than_the_configuration_says_however_many_processes_there_are() {
    let world = World::with_containers();
    let repo = world.repo(&obedient());
    set(&world, "max_concurrent = 1");
    for _ in 0..3 {
        world.send(&repo, &world.letter(&repo, "Hello", &format!("{WAIT}\nsh: echo done")));
    }
    world.take_in();
    let first = world.begin_run(&[&repo], 1);
    let second = world.begin(&["run"]);
    for done in 1..=3 {
        wait_until("the next one runs", || repo.with_storage("here").len() == done);
        // Whoever else could have begun has had as long as this one.
        assert_eq!(repo.queued("running").len(), 1);
        let here = repo.with_storage("here");
        here.iter().for_each(|id| fs::write(repo.session(id).join("storage/go"), "").unwrap());
    }
    let moved: usize =
        [first.end(), second.end()].map(|ran| ran.ok().stdout.lines().count()).into_iter().sum();
    assert_eq!(moved, 3);
    world.cycle();
    assert_eq!(world.answers(&repo, 6).len(), 6);
}

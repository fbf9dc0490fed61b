//! What the operator sees and does: status, sessions, the proxy by hand, cleaning up.

use crate::support::images::{BUSYBOX, containers};
use crate::support::letter::Letter;
use crate::support::world::{Repo, Setup, World};
use crate::whole::steps::{AGENT, WAIT, container_of, json, names, obedient, wait_until};
use serde_json::Value;
use std::fs;

#[test]
fn status_and_session_list_show_each_task_with_who_what_and_how_it_went() {
    let world = World::with_containers();
    let repo = world.repo(&obedient());
    let letter = world.letter(&repo, "A first matter", "sh: echo well");
    let good = world.ask_with(&repo, &letter).session().unwrap();
    let bad = world.ask_with(&repo, &world.letter(&repo, "Another matter", "do: exit 3")).session().unwrap();
    let status = world.status(&repo);
    assert_eq!(status["sessions"], 2);
    let row = |id: &str| {
        let rows = status["recent"].as_array().unwrap();
        rows.iter().find(|row| row["task"] == format!("{id}.1")).unwrap().clone()
    };
    let row_good = row(&good);
    for (key, value) in [
        ("outcome", "success"),
        ("state", "done"),
        ("subject", "A first matter"),
        ("model", "opus"),
        ("reply", "sent"),
    ] {
        assert_eq!(row_good[key], value, "{row_good:#}");
    }
    assert_eq!(row_good["senders"][0], repo.sender);
    assert_eq!((&row_good["cost_usd"], &row_good["turns"]), (&Value::from(0.25), &Value::from(2)));
    assert_eq!(row(&bad)["outcome"], "execution");
    let text = world.run(&["status"]).ok().stdout;
    for word in [&*repo.name, "2 sessions", "success", "execution", "$0.2500", &repo.sender, "A first matter"]
    {
        assert!(text.contains(word), "{word}: {text}");
    }
    let list = world.run(&["session", "list"]).ok().stdout;
    assert!(list.lines().next().unwrap().contains(&bad), "the newest first: {list}");
    let all: Value = serde_json::from_str(&world.run(&["session", "list", "--json"]).ok().stdout).unwrap();
    assert_eq!(all.as_array().unwrap().len(), 2);
    let show = world.run(&["session", "show", &bad]).ok().stdout;
    assert!(show.contains("Another matter") && show.contains("exit code 3"), "{show}");
    let log = world.run(&["session", "log", &good]).ok().stdout;
    assert!(log.contains("2 turns, $0.25"), "{log}");
    let raw = world.run(&["session", "log", "--json", &good]).ok().stdout;
    assert_eq!(raw.lines().count(), 2);
    let mail = world.run(&["reply", "--dry-run", &format!("{good}.1")]).ok().stdout;
    assert!(mail.contains("A first matter") && mail.contains("well"), "{mail}");
}

#[test]
fn a_dry_run_says_what_a_mail_would_become_and_changes_nothing() {
    let world = World::with_containers();
    let repo = world.repo(&obedient());
    let first = world.ask(&repo, "sh: echo first");
    let file = world.path("mail.eml");
    let dry_run = |letter: &Letter| -> Value {
        let header = "Authentication-Results: mx.example.com; dmarc=pass header.from=example.com\r\n";
        fs::write(&file, [header.as_bytes(), &letter.bytes()].concat()).unwrap();
        let ran = world.run(&["session", "open", "--dry-run", file.to_str().unwrap()]).ok();
        serde_json::from_str(&ran.stdout).unwrap()
    };
    let letter = world.letter(&repo, "Files", "Look at this.").attach("a.txt", b"1234");
    let to = repo.address.replace('@', "+haiku@");
    let new = dry_run(&Letter { to, ..letter });
    assert_eq!(new["new"], true);
    assert_eq!((&new["model"], &new["accepted"]), (&Value::from("haiku"), &Value::from(true)));
    assert_eq!(
        (&new["attachments"][0]["name"], &new["attachments"][0]["bytes"]),
        (&"a.txt".into(), &4.into())
    );
    assert!(new["prompt"].as_str().unwrap().contains("Look at this."), "{new:#}");
    let reply = dry_run(&Letter::reply(&repo.sender, &first, "And this."));
    assert_eq!((&reply["new"], &reply["session"]), (&false.into(), &first.session().unwrap().into()));
    assert_eq!(repo.sessions().len(), 1);
    repo.assert_nothing_waits();
}

/// Makes a session look as if nothing had happened in it since.
fn last_active(repo: &Repo, id: &str, time: &str) {
    let file = repo.session(id).join("session.json");
    let mut session = json(&file);
    session["active_at"] = time.into();
    fs::write(&file, session.to_string()).unwrap();
}

#[test]
fn gc_removes_sessions_that_expired_or_are_too_many_and_never_one_in_use() {
    let world = World::with_containers();
    let mut setup = obedient();
    setup.toml = "max_sessions = 3\n".to_owned();
    let repo = world.repo(&setup);
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.push(
            world
                .ask(&repo, "do: mkdir -p /workspace/deep/er; touch /workspace/deep/er/file")
                .session()
                .unwrap(),
        );
    }
    let running = world.ask(&repo, "sh: echo first");
    let busy = running.session().unwrap();
    world.send(&repo, &Letter::reply(&repo.sender, &running, WAIT));
    world.take_in();
    let at_work = world.begin_run(&[&repo], 1);
    last_active(&repo, &busy, "2020-01-01T00:00:00Z");
    last_active(&repo, &ids[0], "2020-01-02T00:00:00Z");
    let now = |minutes: i64| (jiff::Timestamp::now() - jiff::SignedDuration::from_mins(minutes)).to_string();
    for (at, id) in ids.iter().enumerate().skip(1) {
        last_active(&repo, id, &now(60 - i64::try_from(at).unwrap()));
    }
    let told = world.run(&["gc", "--dry-run"]).ok().stderr;
    assert!(told.contains(&ids[0]) && !told.contains(&busy), "{told}");
    assert_eq!(repo.sessions().len(), 6);
    let _ = world.run(&["gc"]).ok();
    // One expired; of the other five, the oldest that are not in use go until there are three.
    let mut left = vec![busy.clone(), ids[3].clone(), ids[4].clone()];
    left.sort();
    assert_eq!(repo.sessions(), left);
    assert_eq!(names(&repo.storage.join("trash")), [""; 0]);
    repo.let_go();
    let _ = at_work.end().ok();
    world.cycle();
    assert_eq!(repo.task(&busy, 2)["state"], "done");
}

#[test]
fn what_a_killed_run_leaves_ends_by_itself_or_is_removed_by_gc() {
    let world = World::with_containers();
    let repo = world.repo(&obedient());
    world.send(&repo, &world.letter(&repo, "Hello", WAIT));
    world.take_in();
    let mut running = world.begin_run(&[&repo], 1);
    let held = world.run(&["gc"]).ok();
    assert_ne!(container_of(&repo), "", "one that runs is left alone: {}", held.stderr);
    let id = repo.sessions().remove(0);
    let (_, base) = containers().env().find(|(name, _)| *name == "XDG_RUNTIME_DIR").unwrap();
    let runtime = std::path::Path::new(base).join("airut").join(format!("{}.{id}", repo.name));
    assert!(runtime.exists());
    running.kill();
    // The proxy ends with who started it, and the container with its proxy.
    wait_until("the proxy is gone", || world.run(&["proxy", "status", &id]).code == Some(1));
    wait_until("the container is gone", || container_of(&repo).is_empty());
    // One whose podman was killed as well.
    let layout = airut::disk::layout::Layout::new(repo.name.parse().unwrap(), repo.storage.clone());
    let labels = [
        format!("--label=airut.storage={}", layout.storage_id()),
        format!("--label=airut.session={id}"),
        format!("--name=airut-{}-{id}", repo.name),
    ];
    let labels: Vec<_> = labels.iter().map(String::as_str).collect();
    containers().run(&[&["create", "--network=none"], &labels[..], &[BUSYBOX, "true"]].concat());
    let told = world.run(&["gc", "--dry-run"]).ok().stderr;
    assert!(told.contains(&format!("a container of session {id}")), "{told}");
    assert_ne!(container_of(&repo), "");
    let _ = world.run(&["gc"]).ok();
    assert_eq!(container_of(&repo), "");
    assert!(!runtime.exists(), "{}", runtime.display());
    // The task is still there to be continued.
    repo.let_go();
    world.cycle();
    assert_eq!(world.answers(&repo, 2).len(), 2);
}

#[test]
fn gc_removes_images_that_nobody_used_for_long_and_rejected_mail_that_is_old() {
    let world = World::with_containers();
    let mut setup = obedient();
    // An image of this test's own.
    let dockerfile =
        format!("FROM {BUSYBOX}\nCOPY claude /usr/local/bin/claude\nLABEL of={}\n", world.path("").display());
    setup.file(".airut/container/Dockerfile", &dockerfile);
    let repo = world.repo(&setup);
    world.ask(&repo, "sh: echo built");
    let images = world.path("state/airut/images");
    let stamp = names(&images).into_iter().find(|name| name.ends_with(".json")).unwrap();
    let tag = format!("localhost/airut:{}", stamp.trim_end_matches(".json"));
    let exists = || containers().podman().args(["image", "exists", &tag]).status().unwrap().success();
    let _ = world.run(&["gc"]).ok();
    assert!(exists(), "in use lately");
    let mut image = json(&images.join(&stamp));
    image["used_at"] = "2020-01-01T00:00:00Z".into();
    fs::write(images.join(&stamp), image.to_string()).unwrap();
    world.send(&repo, &Letter { from: "mallory@evil.example".to_owned(), ..world.letter(&repo, "x", "x") });
    world.cycle();
    let rejected = repo.storage.join("queue/rejected");
    assert_eq!(names(&rejected).len(), 2);
    for name in names(&rejected) {
        let long_ago = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_500_000_000);
        fs::File::open(rejected.join(name)).unwrap().set_modified(long_ago).unwrap();
    }
    let _ = world.run(&["gc"]).ok();
    assert!(!exists());
    assert_eq!(names(&rejected), [""; 0]);
    // It is built again when it is needed.
    assert!(world.ask(&repo, "sh: echo built again").text().contains("built again"));
    let _ = containers().podman().args(["rmi", "-f", &tag]).output();
}

#[test]
fn an_image_that_somebody_removed_is_built_again() {
    let world = World::with_containers();
    let mut setup = Setup::stand_in(AGENT);
    let dockerfile =
        format!("FROM {BUSYBOX}\nCOPY claude /usr/local/bin/claude\nLABEL of={}\n", world.path("").display());
    setup.file(".airut/container/Dockerfile", &dockerfile);
    let repo = world.repo(&setup);
    let first = world.ask(&repo, "sh: echo built");
    let images = names(&world.path("state/airut/images"));
    let hash = images.iter().find_map(|name| name.strip_suffix(".json")).unwrap();
    let tag = format!("localhost/airut:{hash}");
    containers().run(&["rmi", &tag]);
    let next = world.go_on(&repo, &first, "sh: echo built again");
    assert!(next.text().contains("built again"), "{}", next.text());
    let _ = containers().podman().args(["rmi", "-f", &tag]).output();
}

#[test]
fn a_proxy_can_be_started_asked_after_used_and_stopped_by_hand() {
    let world = World::with_containers();
    let repo = world.repo(&obedient());
    let id = world.ask(&repo, "sh: echo first").session().unwrap();
    assert!(world.run(&["proxy", "status", &id]).exit(1).stdout.contains("no proxy"));
    let started: Value =
        serde_json::from_str(&world.run(&["proxy", "start", "--json", &id]).ok().stdout).unwrap();
    let running = world.run(&["proxy", "status", &id]).ok().stdout;
    assert!(running.trim().ends_with(&format!("process {}", started["pid"])), "{running}");
    assert_ne!(world.run(&["proxy", "start", &id]).code, Some(0), "one is there already");
    let word = |list: &str| -> Vec<String> {
        let words = started[list].as_array().unwrap().iter();
        words.map(|word| word.as_str().unwrap().to_owned()).collect()
    };
    let mut podman = containers().podman();
    podman.args(["run", "--rm", "--interactive"]).args(word("podman")).arg(BUSYBOX);
    let init: Vec<_> = word("init").into_iter().filter(|word| word == "--").collect();
    let get = "wget -q -O - http://unlisted.example/by-hand 2>&1";
    let output = podman.args(init).args(["sh", "-c", get]).output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(told.contains("403"), "{told}{}", String::from_utf8_lossy(&output.stderr));
    let log = fs::read_to_string(repo.session(&id).join("network-sandbox.log")).unwrap();
    assert!(log.contains("BLOCKED GET http://unlisted.example/by-hand"), "{log}");
    assert!(world.run(&["proxy", "stop", &id]).ok().stdout.contains("proxy ended"));
    assert!(world.run(&["proxy", "stop", &id]).ok().stdout.contains("no proxy was running"));
    let _ = world.run(&["proxy", "status", &id]).exit(1);
}

#[test]
fn while_a_task_runs_its_proxy_is_its_own() {
    let world = World::with_containers();
    let repo = world.repo(&obedient());
    world.send(&repo, &world.letter(&repo, "Hello", WAIT));
    world.take_in();
    let running = world.begin_run(&[&repo], 1);
    let id = repo.sessions().remove(0);
    let _ = world.run(&["proxy", "status", &id]).ok();
    let told = world.run(&["proxy", "start", &id]).exit(75).stderr;
    assert!(told.contains("is running"), "{told}");
    let told = world.run(&["session", "rm", &id]).exit(75).stderr;
    assert!(told.contains("hint: airut session stop"), "{told}");
    repo.let_go();
    let _ = running.end().ok();
    let _ = world.run(&["proxy", "status", &id]).exit(1);
}

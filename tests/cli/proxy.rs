use crate::support::world::{Setup, World};
use serde_json::Value;
use std::fs;

const LOG: &str = r#"2026-01-02T03:04:05.678Z BLOCKED GET https://api.example.com/v1/x?q status=403 sent=0 received=900 ms=1 why="no rule names this host"
2026-01-02T03:04:06.000Z DNS A api.example.com answer=127.0.0.1
2026-01-02T03:04:07.000Z ALLOWED POST https://git.example.com/x status=200 sent=5 received=9 ms=12 why="line 2: git.example.com" [masked: TOKEN]
"#;

#[test]
fn check_prints_what_a_log_would_have_needed() {
    let world = World::new();
    let (list, log) = (world.path("list.yaml"), world.path("network-sandbox.log"));
    fs::write(&list, "domains: ['*.github.io']\n").unwrap();
    fs::write(&log, LOG).unwrap();
    let args = ["proxy", "check", "--allowlist", list.to_str().unwrap(), "--log", log.to_str().unwrap()];
    let ran = world.run(&args).ok();
    let addition = "url_prefixes:\n  - host: api.example.com\n    path: \"/v1/x\"\n    methods: [GET]\n";
    assert_eq!(ran.stdout, addition);
    assert!(ran.stderr.contains("github.io is a public suffix"), "{}", ran.stderr);
    let json: Value =
        serde_json::from_str(&world.run(&[&args[..], &["--json"]].concat()).ok().stdout).unwrap();
    assert_eq!(json["additions"][0]["path"], "/v1/x");
    fs::write(&list, addition).unwrap();
    assert!(world.run(&args).ok().stdout.starts_with('#'));
    let _ = world.run(&["proxy", "check", "--allowlist", list.to_str().unwrap()]).exit(2);
}

#[test]
fn the_log_is_shown_as_it_is_or_as_one_object_a_line() {
    let world = World::new();
    let repo = world.repo(&Setup::stand_in(""));
    let dir = repo.storage.join("sessions/3fa9c1d2");
    fs::create_dir_all(&dir).unwrap();
    let missing = world.run(&["proxy", "log", "3fa9c1d2"]).exit(1);
    assert!(missing.stderr.contains("has no network log"), "{}", missing.stderr);
    fs::write(dir.join("network-sandbox.log"), LOG).unwrap();
    // Nothing runs: there is nothing to stay for.
    assert_eq!(world.run(&["proxy", "log", "--follow", "3fa9c1d2"]).ok().stdout, LOG);
    let told = world.run(&["proxy", "log", "--json", "3fa9c1d2"]).ok().stdout;
    let lines: Vec<Value> = told.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 3);
    assert_eq!((&lines[0]["verdict"], &lines[0]["status"]), (&"blocked".into(), &403.into()));
    assert_eq!((&lines[1]["kind"], &lines[1]["answer"]), (&"dns".into(), &"127.0.0.1".into()));
    assert_eq!((&lines[2]["tags"][0], &lines[2]["ms"]), (&"masked: TOKEN".into(), &12.into()));
    assert_eq!(lines[2]["time"], "2026-01-02T03:04:07Z");
}

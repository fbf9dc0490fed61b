use airut::base::fault::{Fault, Kind};
use airut::format::config::BuildNetwork;
use airut::tool::image::{self, Wanted, build_args};
use airut::tool::podman::{
    Container, LABEL_IMAGE, LABEL_SESSION, LABEL_STORAGE, Mount, container_name, run_args,
};
use jiff::Timestamp;
use std::time::Duration;

fn container() -> Container {
    Container {
        name: container_name("one", "3fa9c1d2"),
        labels: [(LABEL_STORAGE, "00aa".to_owned()), (LABEL_SESSION, "3fa9c1d2".to_owned())].into(),
        image: "localhost/airut:abc".to_owned(),
        mounts: vec![
            Mount { host: "/s/workspace".into(), container: "/workspace", read_only: false },
            Mount { host: "/s/inbox".into(), container: "/inbox", read_only: true },
        ],
        sandbox: vec!["--network=none".to_owned()],
        memory: Some("4g".to_owned()),
        cpus: Some(1.5),
        pids: 512,
        timeout: Duration::from_secs(315),
        command: vec!["claude".to_owned(), "--model".to_owned(), "opus".to_owned()],
    }
}

fn has(args: &[String], wanted: &str) -> bool {
    args.iter().any(|arg| arg == wanted)
}

#[test]
fn a_container_is_confined_limited_and_found_again() {
    let args = run_args(&container());
    for wanted in [
        "--rm",
        "--cap-drop=all",
        "--security-opt=no-new-privileges",
        "--pull=never",
        "--http-proxy=false",
        "--name=airut-one-3fa9c1d2",
        "--label=airut.storage=00aa",
        "--label=airut.session=3fa9c1d2",
        "--memory=4g",
        "--cpus=1.5",
        "--pids-limit=512",
        "--timeout=315",
        "--network=none",
        "--volume=/s/workspace:/workspace:rw",
        "--volume=/s/inbox:/inbox:ro",
    ] {
        assert!(has(&args, wanted), "{wanted} is not in {args:?}");
    }
    assert_eq!(args[0], "run");
}

#[test]
fn only_what_package_managers_need_is_given_back() {
    let args = run_args(&container());
    let mut added: Vec<_> = args.iter().filter_map(|arg| arg.strip_prefix("--cap-add=")).collect();
    added.sort_unstable();
    assert_eq!(added, ["CHOWN", "DAC_OVERRIDE", "FOWNER", "SETGID", "SETUID"]);
    let refused =
        ["--privileged", "--network=host", "--pid=", "--ipc", "--userns", "--device", "--env", "-e"];
    assert!(!args.iter().any(|arg| refused.iter().any(|bad| arg.starts_with(bad))), "{args:?}");
}

#[test]
fn behind_the_image_comes_the_command_and_nothing_of_podmans() {
    let args = run_args(&container());
    let at = args.iter().position(|arg| arg == "localhost/airut:abc").unwrap();
    assert_eq!(args[at + 1..], ["claude", "--model", "opus"]);
    assert!(args[1..at].iter().all(|arg| arg.starts_with("--")), "{args:?}");
}

#[test]
fn without_limits_of_the_operators_there_are_none_but_pids_and_time() {
    let args = run_args(&Container { memory: None, cpus: None, ..container() });
    assert!(!args.iter().any(|arg| arg.starts_with("--memory") || arg.starts_with("--cpus")));
    assert!(has(&args, "--pids-limit=512") && has(&args, "--timeout=315"));
}

#[test]
fn an_image_is_built_under_the_hash_of_its_content_and_with_its_label() {
    let repo = "one".parse().unwrap();
    let now: Timestamp = "2026-01-02T03:04:05Z".parse().unwrap();
    let hash = "a".repeat(64);
    let mut wanted = Wanted { repo: &repo, hash: &hash, network: None };
    let args = build_args(&wanted, false, now);
    assert_eq!(args[0], "build");
    assert!(has(&args, &format!("--tag=localhost/airut:{hash}")), "{args:?}");
    assert!(has(&args, &format!("--label={LABEL_IMAGE}={hash}")));
    assert!(!args.iter().any(|arg| arg.starts_with("--network") || arg == "--no-cache"));
    assert!(has(&build_args(&wanted, true, now), "--no-cache"), "a refresh must not come from the cache");
    wanted.network = Some(BuildNetwork::Host);
    assert!(has(&build_args(&wanted, false, now), "--network=host"));
    wanted.network = Some(BuildNetwork::None);
    assert!(has(&build_args(&wanted, false, now), "--network=none"));
    assert_eq!(image::tag(&hash), format!("localhost/airut:{hash}"));
}

#[test]
fn a_storage_directory_that_cannot_be_mounted_is_refused_at_load() {
    let dir = tempfile::tempdir().unwrap();
    let places = airut::disk::config::Places {
        config_home: None,
        state_home: Some(dir.path().join("state")),
        system: dir.path().join("none"),
        home: Some(dir.path().to_owned()),
    };
    let file = dir.path().join("airut.toml");
    let write = |storage: &str| {
        let text = format!(
            "[repos.one]\ngit_url = \"/r.git\"\nauthorized_senders = [\"you@example.com\"]\n\
             trusted_authserv_id = \"mx.example.com\"\nstorage_dir = \"{storage}\"\n\
             [repos.one.mail]\nfrom = \"airut@example.com\"\nreply_maildir = \"~/Maildir\"\n"
        );
        std::fs::write(&file, text).unwrap();
        airut::disk::config::load_from(&places, Some(&file))
    };
    write("/var/lib/airut,with comma").unwrap();
    let error = write("/var/lib/a:ro/one").unwrap_err();
    let fault = error.downcast_ref::<Fault>().unwrap();
    assert_eq!(fault.kind, Kind::Config);
    assert!(fault.message.contains("airut.toml:5") && fault.message.contains("storage_dir"), "{fault}");
}

use crate::proxy::world::{ALLOWLIST, Server, World, options};
use airut::format::allowlist::Allowlist;
use airut::proxy::process::{self, Options};
use airut::proxy::settings::Settings;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn the_runtime_directory_lets_the_container_in_and_nobody_else() {
    let world = World::new();
    let dir = &world.runtime_dir;
    assert_eq!(mode(dir.parent().unwrap()), 0o700);
    assert_eq!(mode(dir), 0o711);
    assert_eq!(mode(&dir.join("init")), 0o555);
    assert_eq!(mode(&dir.join("proxy.sock")), 0o666);
    assert_eq!(mode(&world.log), 0o600);
    let ca = std::fs::read_to_string(dir.join("ca.pem")).unwrap();
    assert!(ca.contains("BEGIN CERTIFICATE") && !ca.contains("KEY"));
}

#[test]
fn the_proxy_holds_no_secret_in_its_arguments_or_environment_and_cannot_be_dumped() {
    let world = World::with(ALLOWLIST, vec![super::world::masked(&["Authorization"])]);
    let pid = world.proxy.as_ref().unwrap().pid();
    let arguments = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap();
    assert!(arguments.ends_with(b"\0proxy\0serve\0"), "{}", String::from_utf8_lossy(&arguments));
    let limits = std::fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
    assert!(limits.lines().any(|l| l.starts_with("Max core file size") && l.contains(" 0 ")), "{limits}");
    let confinement = world.proxy.as_ref().unwrap().confinement();
    assert!(confinement.not_dumpable && confinement.limits, "{confinement:?}");
    assert!(["full", "partial", "none"].contains(&confinement.landlock.as_str()));
    assert_eq!(confinement.landlock == "none", confinement.landlock_covers == "nothing", "{confinement:?}");
    assert!(!confinement.cgroup.is_empty());
}

#[test]
fn stopping_ends_the_process_and_removes_its_directory() {
    let mut world = World::new();
    let mut proxy = world.proxy.take().unwrap();
    assert!(proxy.is_alive());
    let pid = proxy.pid();
    proxy.stop();
    assert!(!Path::new(&format!("/proc/{pid}")).exists());
    assert!(!world.runtime_dir.exists());
    assert!(world.log.exists());
}

#[test]
fn the_proxy_ends_with_whoever_started_it_even_by_kill_9() {
    let dir = tempfile::tempdir().unwrap();
    process::prepare(&dir.path().join("r/x")).unwrap();
    let settings = Settings {
        runtime_dir: dir.path().join("r/x"),
        log: dir.path().join("log"),
        tied: true,
        allowlist: Allowlist::default(),
        masked: Vec::new(),
        resolve: BTreeMap::new(),
        allow_private: Vec::new(),
        upstream_proxy: None,
        upstream_ca: None,
    };
    let mut proxy = Command::new(env!("CARGO_BIN_EXE_airut"))
        .args(["proxy", "serve"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = proxy.stdin.take().unwrap();
    writeln!(stdin, "{}", serde_json::to_string(&settings).unwrap()).unwrap();
    // Another process holds the only end of the pipe, as `run` does, and is killed.
    let mut starter = Command::new("sleep").arg("600").stdout(stdin).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(proxy.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert!(line.contains("\"ready\":true"), "{line}");
    assert!(proxy.try_wait().unwrap().is_none());
    starter.kill().unwrap();
    starter.wait().unwrap();
    assert!(proxy.wait().unwrap().success());
}

#[test]
fn a_socket_path_that_the_kernel_would_not_take_is_a_clear_error() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start();
    let long = dir.path().join("x".repeat(100)).join("y");
    std::fs::create_dir_all(long.parent().unwrap()).unwrap();
    let error = process::start(&options(long, dir.path().join("log"), ALLOWLIST, &server)).unwrap_err();
    assert!(format!("{error:#}").contains("107"), "{error:#}");
}

#[test]
fn a_proxy_that_cannot_start_says_why() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start();
    let good = |log: &str| options(dir.path().join("r/x"), dir.path().join(log), ALLOWLIST, &server);
    let why = |options: Options| format!("{:#}", process::start(&options).unwrap_err());
    assert!(why(good("no/such/dir/log")).contains("no/such/dir/log"));
    let mut wide = good("log");
    wide.masked = vec![super::world::masked(&["Authorization"])];
    wide.masked[0].scopes = vec!["*".parse().unwrap()];
    assert!(why(wide).contains("needs scopes that name hosts"));
    let mut silent = good("log");
    silent.program = "/bin/true".into();
    assert!(why(silent).contains("before it was ready"));
    let mut ca = good("log");
    ca.network.upstream_ca_file = Some(dir.path().join("missing.pem"));
    assert!(why(ca).contains("missing.pem"));
    std::os::unix::fs::symlink("/dev/null", dir.path().join("link")).unwrap();
    assert!(why(good("link")).contains("link"));
}

#[test]
fn a_detached_proxy_is_found_by_its_socket_and_ended() {
    let dir = tempfile::Builder::new().prefix("airut-").tempdir_in("/tmp").unwrap();
    let server = Server::start();
    let options = options(dir.path().join("r/x"), dir.path().join("log"), ALLOWLIST, &server);
    assert_eq!(process::status(&options.runtime_dir), None);
    let running = process::start_detached(&options).unwrap();
    assert_eq!(process::status(&options.runtime_dir), Some(running.clone()));
    let again = process::start_detached(&options).unwrap_err();
    assert!(format!("{again:#}").contains("already running"));
    assert!(process::stop_detached(&options.runtime_dir).unwrap());
    assert_eq!(process::status(&options.runtime_dir), None);
    assert!(!process::stop_detached(&options.runtime_dir).unwrap());
}

#[test]
fn the_init_keeps_the_exit_code_of_its_program_and_forwards_signals() {
    let dir = tempfile::tempdir().unwrap();
    process::prepare(&dir.path().join("r/x")).unwrap();
    let run = |script: &str| {
        let init = dir.path().join("r/x/init");
        Command::new(init)
            .args(["--no-proxy", "--", "/bin/sh", "-c", script])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap()
    };
    assert_eq!(run("exit 7").wait().unwrap().code(), Some(7));
    assert_eq!(run("kill -9 $$").wait().unwrap().code(), Some(137));
    let mut waiting = run("trap 'exit 9' TERM; echo ready; while :; do sleep 0.05; done");
    let mut ready = [0; 6];
    waiting.stdout.as_mut().unwrap().read_exact(&mut ready).unwrap();
    let pid = rustix::process::Pid::from_child(&waiting);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    assert_eq!(waiting.wait().unwrap().code(), Some(9));
    let init = dir.path().join("r/x/init");
    let missing =
        Command::new(&init).args(["--no-proxy", "--", "/no/such/program"]).stderr(Stdio::null()).status();
    assert_eq!(missing.unwrap().code(), Some(127));
    let usage = Command::new(&init).arg("--help").stderr(Stdio::null()).status();
    assert_eq!(usage.unwrap().code(), Some(112));
}

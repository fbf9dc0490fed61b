//! What the proxy says of its cage, held against what a confined process can really do.

use airut::proxy::confine::confine;
use airut::proxy::settings::Confinement;
use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use std::fs::{self, File};
use std::io::{ErrorKind, Read};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr as UnixAddr, UnixListener, UnixStream};
use std::path::Path;
use std::process::Command;

/// Says to this program that it is the one to be confined, and what is there to be tried.
const STAGE: &str = "AIRUT_TEST_STAGE";

#[test]
fn what_the_proxy_says_of_its_confinement_is_so() {
    if let Ok(stage) = std::env::var(STAGE) {
        return inside(&stage);
    }
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("secret"), "a secret").unwrap();
    let open = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let closed = TcpListener::bind("127.0.0.1:0").unwrap();
    let name = UnixAddr::from_abstract_name(dir.path().as_os_str().as_encoded_bytes()).unwrap();
    let _abstract = UnixListener::bind_addr(&name).unwrap();
    let mut bystander = Command::new("sleep").arg("600").spawn().unwrap();
    let stage =
        format!("{} {open} {} {}", dir.path().display(), closed.local_addr().unwrap(), bystander.id());
    let own = std::env::current_exe().unwrap();
    let test = "proxy::confine::what_the_proxy_says_of_its_confinement_is_so";
    let output = Command::new(own).args(["--exact", test, "--nocapture"]).env(STAGE, stage).output().unwrap();
    bystander.kill().unwrap();
    bystander.wait().unwrap();
    let told = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && told.contains("1 passed"), "{told}");
}

/// In a process of its own, which is confined for good.
fn inside(stage: &str) {
    let words: Vec<&str> = stage.split(' ').collect();
    let dir = Path::new(words[0]);
    let (open, closed): (SocketAddr, SocketAddr) = (words[1].parse().unwrap(), words[2].parse().unwrap());
    let mut kept = File::options().append(true).create(true).open(dir.join("log")).unwrap();
    let mut status = File::open("/proc/thread-self/status").unwrap();
    let said = confine(&[open.port()], false);
    let covers = |what: &str| said.landlock_covers.contains(what);

    // Files: what was open stays so, and of the rest only what resolving and verifying needs can be read.
    std::io::Write::write_all(&mut kept, b"still written").unwrap();
    File::open("/etc/hosts").unwrap().read_to_end(&mut Vec::new()).unwrap();
    let denied =
        |result: std::io::Result<()>| result.is_err_and(|error| error.kind() == ErrorKind::PermissionDenied);
    for tried in [
        fs::read(dir.join("secret")).map(drop),
        File::create(dir.join("new")).map(drop),
        fs::create_dir(dir.join("made")),
        fs::remove_file(dir.join("log")),
        File::open(format!("/proc/{}/status", words[3])).map(drop),
        Command::new("/bin/true").status().map(drop),
    ] {
        assert_eq!(denied(tried), covers("files"), "{said:?}");
    }
    // Ports: that of a pinned name is let through to whoever does not listen, no other is.
    assert_eq!(TcpStream::connect(open).unwrap_err().kind(), ErrorKind::ConnectionRefused);
    assert_eq!(denied(TcpStream::connect(closed).map(drop)), covers("ports"), "{said:?}");
    assert_eq!(denied(TcpListener::bind("127.0.0.1:0").map(drop)), covers("ports"), "{said:?}");
    // Processes and sockets outside.
    let pid = Pid::from_raw(words[3].parse().unwrap()).unwrap();
    assert_eq!(test_kill_process(pid).is_err(), covers("signals"), "{said:?}");
    assert_eq!(kill_process(pid, Signal::CONT).is_err(), covers("signals"), "{said:?}");
    let name = UnixAddr::from_abstract_name(dir.as_os_str().as_encoded_bytes()).unwrap();
    assert_eq!(denied(UnixStream::connect_addr(&name).map(drop)), covers("abstract sockets"), "{said:?}");
    let mut text = String::new();
    status.read_to_string(&mut text).unwrap();
    assert_eq!(text.contains("NoNewPrivs:\t1\n"), said.no_new_privileges, "{text}");
    of_the_process(&said);
}

fn of_the_process(said: &Confinement) {
    let dumpable = rustix::process::dumpable_behavior().unwrap();
    assert_eq!(dumpable == rustix::process::DumpableBehavior::NotDumpable, said.not_dumpable);
    use rustix::process::{Resource, getrlimit};
    let most = [
        (Resource::Core, 0),
        (Resource::Nofile, airut::base::limits::PROXY_FILES),
        (Resource::As, airut::base::limits::PROXY_ADDRESS_BYTES),
        (Resource::Fsize, airut::base::limits::NETWORK_LOG_BYTES + (1 << 20)),
    ];
    let is_limited = |(resource, most): (Resource, u64)| {
        let limit = getrlimit(resource);
        limit.current == limit.maximum && limit.maximum.is_some_and(|maximum| maximum <= most)
    };
    assert_eq!(most.into_iter().all(is_limited), said.limits);
    assert!(said.group.is_none());
}

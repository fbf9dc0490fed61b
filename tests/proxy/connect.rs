use crate::proxy::world::{Server, World, options};
use crate::support::mitmproxy::Mitmdump;
use crate::support::world::airut_bin;
use airut::format::config::{EgressProxy, Network};
use airut::proxy::process::{self, Options};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::{Arc, Mutex};

/// An egress proxy that notes each request line and opens every tunnel.
struct Egress {
    address: SocketAddr,
    lines: Arc<Mutex<Vec<String>>>,
}

impl Egress {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let egress = Self { address: listener.local_addr().unwrap(), lines: Arc::default() };
        let lines = Arc::clone(&egress.lines);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let lines = Arc::clone(&lines);
                std::thread::spawn(move || serve(stream.unwrap(), &lines));
            }
        });
        egress
    }

    fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap().clone()
    }

    fn set(&self, network: &mut Network) {
        network.upstream_proxy =
            Some(EgressProxy { host: "127.0.0.1".to_owned(), port: self.address.port() });
    }
}

fn serve(mut client: TcpStream, lines: &Mutex<Vec<String>>) {
    let mut head = BufReader::with_capacity(1, client.try_clone().unwrap()).lines();
    let line = head.next().unwrap().unwrap();
    lines.lock().unwrap().push(line.clone());
    while head.next().unwrap().unwrap() != "" {}
    let mut words = line.split(' ');
    let is_tunnel = words.next() == Some("CONNECT");
    let Ok(to) = words.next().unwrap().parse::<SocketAddr>() else {
        let status = if is_tunnel { "403 Not from here" } else { "200 OK" };
        write!(client, "HTTP/1.1 {status}\r\nContent-Length: 6\r\n\r\negress").unwrap();
        return;
    };
    let mut server = TcpStream::connect(to).unwrap();
    client.write_all(b"HTTP/1.1 200 Connection established\r\nVia: 1.1 egress\r\n\r\n").unwrap();
    let (mut from, mut into) = (client.try_clone().unwrap(), server.try_clone().unwrap());
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut from, &mut into);
        let _ = into.shutdown(Shutdown::Write);
    });
    let _ = std::io::copy(&mut server, &mut client);
    let _ = client.shutdown(Shutdown::Write);
}

/// One request to port 80.
fn plain(world: &World, host: &str) -> String {
    let mut stream = world.socket("80");
    write!(stream, "GET /x?y HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn a_private_address_is_connected_to_where_the_operator_opened_its_range() {
    // Every machine's /etc/hosts leads this name to loopback.
    for (range, is_open) in [("127.0.0.0/8", true), ("10.0.0.0/8", false), ("127.0.0.2/32", false)] {
        let world = World::by_way_of("domains: [localhost]", |network| {
            network.allow_private = ["fd00::/8", range].map(|range| range.parse().unwrap()).into();
        });
        let answer = world.ask("localhost", "GET /", &[]);
        // Whatever listens there is no server with a certificate for this name.
        let status = if is_open { "HTTP/1.1 502" } else { "HTTP/1.1 403" };
        assert!(answer.starts_with(status), "{range}: {answer}");
    }
}

/// A proxy on a machine that has these addresses, in namespaces of its own, and on which `own.example.com` leads to one.
fn on_a_machine_with(dir: &Path, addresses: [&str; 2], leads_to: &str) -> Options {
    let hosts = dir.join("hosts");
    std::fs::write(&hosts, format!("{leads_to} own.example.com\n")).unwrap();
    let program = dir.join("airut");
    let add = addresses.map(|address| format!("busybox ip address add {address} dev lo")).join(" && ");
    let script = format!(
        "#!/bin/sh\nexec unshare --map-root-user --net --mount sh -c 'mount --bind {} /etc/hosts && \
         busybox ip link set lo up && {add} && exec {} \"$@\"' sh \"$@\"\n",
        hosts.display(),
        airut_bin().display()
    );
    std::fs::write(&program, script).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    let server = Server::start();
    let log = dir.join("log");
    Options { program, ..options(dir.join("r/x"), log, "domains: [own.example.com]", &server) }
}

#[test]
fn this_machines_own_public_addresses_are_refused_unless_the_operator_opened_them() {
    let addresses = ["8.8.4.4/32", "2606:4700::1111/128"];
    for address in addresses {
        let leads_to = address.split('/').next().unwrap();
        // Nothing listens there: what is let through cannot be connected to.
        for (opened, status) in [(None, "HTTP/1.1 403"), (Some(address), "HTTP/1.1 502")] {
            let dir = tempfile::Builder::new().prefix("airut-").tempdir_in("/tmp").unwrap();
            let mut options = on_a_machine_with(dir.path(), addresses, leads_to);
            options.network.allow_private = opened.iter().map(|range| range.parse().unwrap()).collect();
            let proxy = process::start(&options).unwrap();
            let mut stream = UnixStream::connect(options.runtime_dir.join("proxy.sock")).unwrap();
            stream.write_all(b"80\nGET / HTTP/1.0\r\nHost: own.example.com\r\n\r\n").unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).unwrap();
            assert!(answer.starts_with(&status.replace("1.1", "1.0")), "{address} {opened:?}: {answer}");
            proxy.stop();
            let log = std::fs::read_to_string(dir.path().join("log")).unwrap();
            assert_eq!(
                log.contains(&format!("leads to {leads_to}, which is not a public address")),
                opened.is_none(),
                "{log}"
            );
        }
    }
}

#[test]
fn an_egress_proxy_is_asked_for_a_tunnel_and_sees_nothing_of_what_is_in_it() {
    let egress = Egress::start();
    let world = World::by_way_of(super::world::ALLOWLIST, |network| egress.set(network));
    let answer = world.ask("api.example.com", "GET /secret-path", &[]);
    assert!(answer.ends_with("hello from upstream"), "{answer}");
    assert_eq!(world.server.seen()[0].sni, "api.example.com");
    assert_eq!(egress.lines(), [format!("CONNECT {} HTTP/1.1", world.server.tls)]);
    // What no rule allows does not reach it.
    assert!(world.ask("evil.example.org", "GET /", &[]).starts_with("HTTP/1.1 403"));
    assert_eq!(egress.lines().len(), 1);
}

#[test]
fn a_plain_request_goes_to_the_egress_proxy_with_its_whole_url() {
    let egress = Egress::start();
    let rules = "domains: [known-elsewhere.invalid, plain.example.com, localhost]";
    let world = World::by_way_of(rules, |network| egress.set(network));
    // A name that only the egress proxy may know.
    assert!(plain(&world, "known-elsewhere.invalid").ends_with("egress"));
    assert_eq!(egress.lines(), ["GET http://known-elsewhere.invalid/x?y HTTP/1.1"]);
    // One that is pinned has to go to that address, which only a tunnel can say.
    assert!(plain(&world, "plain.example.com").ends_with("hello from upstream"));
    assert_eq!(egress.lines()[1], format!("CONNECT {} HTTP/1.1", world.server.plain));
    // One that leads inward is not its to judge.
    assert!(plain(&world, "localhost").starts_with("HTTP/1.1 403"));
    assert!(world.ask("localhost", "GET /", &[]).starts_with("HTTP/1.1 403"));
    assert_eq!(egress.lines().len(), 2);
}

#[test]
fn an_egress_proxy_that_refuses_or_is_away_is_a_failure_and_no_way_around() {
    let egress = Egress::start();
    let rules = "domains: [known-elsewhere.invalid, api.example.com]";
    let world = World::by_way_of(rules, |network| egress.set(network));
    let answer = world.ask("known-elsewhere.invalid", "GET /", &[]);
    assert!(answer.starts_with("HTTP/1.1 502") && answer.contains("403 Not from here"), "{answer}");
    // Nobody listens on a port that was just given back.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let world = World::by_way_of(rules, |network| {
        network.upstream_proxy = Some(EgressProxy { host: "127.0.0.1".to_owned(), port });
    });
    let answer = world.ask("api.example.com", "GET /", &[]);
    assert!(answer.starts_with("HTTP/1.1 502") && answer.contains("the egress proxy"), "{answer}");
    assert!(world.server.seen().is_empty());
}

#[test]
fn a_real_mitmdump_shows_what_goes_through() {
    let mitmdump = Mitmdump::start();
    let world = World::by_way_of(super::world::ALLOWLIST, |network| {
        mitmdump.trust(network.upstream_ca_file.as_deref().unwrap());
        network.upstream_ca_file = Some(mitmdump.ca());
        network.upstream_proxy = Some(EgressProxy { host: "127.0.0.1".to_owned(), port: mitmdump.port });
    });
    let answer = world.ask("api.example.com", "POST /v1/watched?q=1", &["Content-Length: 0"]);
    assert!(answer.ends_with("hello from upstream"), "{answer}");
    assert!(world.server.seen()[0].line.starts_with("POST /v1/watched?q=1 "));
    assert!(plain(&world, "plain.example.com").ends_with("hello from upstream"));
    // Blocked before it gets there.
    assert!(world.ask("evil.example.org", "GET /blocked", &[]).starts_with("HTTP/1.1 403"));
    let seen = mitmdump.end();
    // mitmdump names a server by where it is.
    assert!(seen.contains("POST https://") && seen.contains("/v1/watched?q=1"), "{seen}");
    assert!(seen.contains("/x?y") && !seen.contains("evil"), "{seen}");
}

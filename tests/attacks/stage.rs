//! Where attacks are made from: a real container behind the real proxy, which asks a resolver that records, and can
//! reach a server that counts. Nothing is pinned: what is looked up, and what is connected to, is all seen here.

use crate::proxy::world::{Server, World};
use airut::proxy::credentials::Masked;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, TcpListener, UdpSocket};
use std::os::unix::fs::PermissionsExt as _;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const DRIVER: &str = include_str!("driver.py");

/// Names and the addresses they lead to, one list for each time they are asked for; the last one stays.
pub type Zone = BTreeMap<String, Vec<Vec<IpAddr>>>;

pub struct Stage {
    pub world: World,
    lookups: Arc<Mutex<Vec<String>>>,
    /// Where nobody is ever to come.
    decoys: Vec<TcpListener>,
}

/// One connection from inside, and what the log has to say of it.
#[derive(Debug, Clone)]
pub struct Case {
    asked: Value,
    log: Vec<String>,
}

/// What came of it.
#[derive(Debug)]
pub struct Told {
    pub codes: Vec<u64>,
    pub text: String,
}

impl Case {
    fn new(asked: Value, log: &str) -> Self {
        Self { asked, log: vec![log.to_owned()] }
    }

    /// Bytes as they are, over TLS opened for a name.
    pub fn tls(name: &str, send: &str, log: &str) -> Self {
        Self::new(json!({"way": "port 443", "sni": name, "send": send}), log)
    }

    /// Bytes as they are to port 80.
    pub fn plain(send: &str, log: &str) -> Self {
        Self::new(json!({"way": "port 80", "send": send}), log)
    }

    /// Bytes as they are to port 443, without TLS; nothing follows.
    pub fn no_tls(send: &str, log: &str) -> Self {
        Self::new(json!({"way": "port 443", "send": send, "end": true}), log)
    }

    /// TLS whose opening says another name, of the same length.
    pub fn lying(name: &str, instead: &str, log: &str) -> Self {
        Self::new(json!({"way": "port 443", "sni": name, "change": [name, instead], "send": ""}), log)
    }

    /// A request of HTTP/2, field by field.
    pub fn h2(name: &str, fields: &[(&str, &str)], log: &str) -> Self {
        Self::new(json!({"way": "port 443", "sni": name, "fields": fields}), log)
    }

    /// Bytes onto the proxy's socket, which answers to a line that nobody should send, and leaves no line of a log.
    pub fn socket(send: &str) -> Self {
        Self { asked: json!({"way": format!("unix {send}"), "send": "", "end": true}), log: Vec::new() }
    }

    /// The same, which leaves no line.
    pub fn silent(mut self) -> Self {
        self.log.clear();
        self
    }

    /// The same, with another line of the log.
    pub fn logs(mut self, text: &str) -> Self {
        self.log = vec![text.to_owned()];
        self
    }

    /// The same without the container's own relay: straight onto the proxy's socket.
    fn past_the_init(&self) -> Self {
        let mut case = self.clone();
        if let Some(port) = self.asked["way"].as_str().and_then(|way| way.strip_prefix("port ")) {
            case.asked["way"] = format!("unix {port}\n").into();
        }
        case
    }
}

/// An ordinary request for a path, over TLS opened for a name.
pub fn get(name: &str, host: &str, path: &str) -> Case {
    Case::tls(name, &format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"), "BLOCKED")
}

impl Stage {
    pub fn new(allowlist: &str, masked: Vec<Masked>) -> Self {
        Self::with(allowlist, masked, |_, _| Zone::new())
    }

    /// `zone` is told the server's address and the decoys'; the names of `SERVED` lead to the server already.
    pub fn with(allowlist: &str, masked: Vec<Masked>, zone: impl FnOnce(IpAddr, IpAddr) -> Zone) -> Self {
        static NEXT: AtomicU8 = AtomicU8::new(1);
        // A network of this test's own on loopback, where root has the real ports.
        let [high, low] = [100 + std::process::id() % 100, u32::from(NEXT.fetch_add(1, Ordering::Relaxed))];
        let address =
            |last: u8| Ipv4Addr::new(127, u8::try_from(high).unwrap(), u8::try_from(low).unwrap(), last);
        let (resolver, here, decoy) = (address(1), address(2), address(3));
        let server = Server::at(&["h2", "http/1.1"], here, [443, 80]);
        let decoys: Vec<_> = [443, 80].map(|port| TcpListener::bind((decoy, port)).unwrap()).into();
        decoys.iter().for_each(|decoy| decoy.set_nonblocking(true).unwrap());
        let mut known = zone(here.into(), decoy.into());
        for name in ["api", "x.wide", "git", "npm", "plain"] {
            known.entry(format!("{name}.example.com")).or_insert_with(|| vec![vec![here.into()]]);
        }
        let lookups = Arc::<Mutex<Vec<String>>>::default();
        let socket = UdpSocket::bind((resolver, 53)).unwrap();
        let log = Arc::clone(&lookups);
        std::thread::spawn(move || answer_all(&socket, known, &log));
        let world = World::before(server, allowlist, masked, |options| {
            let dir = options.log.parent().unwrap();
            let settings = dir.join("resolv.conf");
            fs::write(&settings, format!("nameserver {resolver}\noptions timeout:5 attempts:2\n")).unwrap();
            let program = dir.join("proxy");
            // The resolver's settings are this process's alone.
            let script = format!(
                "#!/bin/sh\nexec unshare --mount sh -c 'mount --bind {} /etc/resolv.conf && exec {} \"$@\"' - \"$@\"\n",
                settings.display(),
                options.program.display()
            );
            fs::write(&program, script).unwrap();
            fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
            options.program = program;
            options.network.resolve.clear();
            options.network.allow_private = vec![format!("{here}/32").parse().unwrap()];
        });
        Self { world, lookups, decoys }
    }

    /// Makes attacks from inside, each through the container's relay and then straight onto the socket: none is
    /// answered with anything but a refusal, each leaves its line, nothing is looked up and nobody is spoken to.
    #[track_caller]
    pub fn refused(&self, cases: &[Case]) {
        let before = (self.lookups(), self.world.server.connections(), self.lines().len());
        let all: Vec<Case> = cases.iter().flat_map(|case| [case.clone(), case.past_the_init()]).collect();
        for (case, told) in all.iter().zip(self.make(&all)) {
            let refused = told.codes.iter().all(|code| [400, 403, 431].contains(code));
            assert!(refused && told.codes.len() < 2, "{case:?} was answered {told:?}");
        }
        self.logged(before.2, &all);
        assert_eq!(self.lookups(), before.0);
        assert_eq!(self.world.server.connections(), before.1, "{:?}", self.world.server.seen());
        self.decoys_saw_nobody();
    }

    /// Each case has its line among those that came, and there is no line that no case has.
    #[track_caller]
    fn logged(&self, before: usize, cases: &[Case]) {
        let mut wanted: Vec<&String> = cases.iter().flat_map(|case| &case.log).collect();
        // What says more chooses first.
        wanted.sort_by_key(|text| std::cmp::Reverse(text.len()));
        let started = Instant::now();
        while self.lines().len() < before + wanted.len() && started.elapsed() < Duration::from_secs(10) {
            std::thread::sleep(Duration::from_millis(5));
        }
        let mut lines = self.lines().split_off(before);
        for text in wanted {
            let found =
                lines.iter().position(|line| line.contains("BLOCKED ") && line.contains(text.as_str()));
            let at = found.unwrap_or_else(|| panic!("no line has {text:?}; left are:\n{}", lines.join("\n")));
            lines.remove(at);
        }
        assert!(lines.is_empty(), "lines of nobody:\n{}", lines.join("\n"));
    }

    /// Makes connections from inside and returns what came of each.
    pub fn make(&self, cases: &[Case]) -> Vec<Told> {
        let asked: Vec<&Value> = cases.iter().map(|case| &case.asked).collect();
        let told = self.world.inside_with(&["python3", "-c", DRIVER], &json!(asked).to_string());
        let told: Vec<Value> = serde_json::from_str(&told).unwrap();
        assert_eq!(told.len(), cases.len());
        let one = |told: Value| Told {
            codes: told["codes"].as_array().unwrap().iter().filter_map(Value::as_u64).collect(),
            text: told["text"].as_str().unwrap().to_owned(),
        };
        told.into_iter().map(one).collect()
    }

    /// The names that were looked up so far, each once per question.
    pub fn lookups(&self) -> Vec<String> {
        self.lookups.lock().unwrap().clone()
    }

    /// The log's lines about requests.
    pub fn lines(&self) -> Vec<String> {
        let log = fs::read_to_string(&self.world.log).unwrap();
        log.lines()
            .filter(|line| !line.contains(" DNS ") && !line.contains(" NOTE "))
            .map(str::to_owned)
            .collect()
    }

    /// Those that hold a text, as soon as there are so many; they end with what they tell of.
    #[track_caller]
    pub fn lines_with(&self, text: &str, count: usize) -> Vec<String> {
        let started = Instant::now();
        loop {
            let lines: Vec<_> = self.lines().into_iter().filter(|line| line.contains(text)).collect();
            if lines.len() >= count || started.elapsed() > Duration::from_secs(10) {
                assert_eq!(lines.len(), count, "lines with {text}: {lines:#?}");
                return lines;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    #[track_caller]
    pub fn decoys_saw_nobody(&self) {
        assert!(self.decoys.iter().all(|decoy| decoy.accept().is_err()), "somebody was at a decoy");
    }
}

/// A resolver (RFC 1035) for the proxy, on this host: every question is noted. Ends with the program.
fn answer_all(socket: &UdpSocket, mut zone: Zone, log: &Mutex<Vec<String>>) {
    let mut packet = [0; 512];
    while let Ok((length, peer)) = socket.recv_from(&mut packet) {
        let mut name = Vec::new();
        let mut at = 12;
        while packet[at] != 0 {
            let label = usize::from(packet[at]);
            name.push(String::from_utf8_lossy(&packet[at + 1..=at + label]).into_owned());
            at += label + 1;
        }
        let (name, kind, end) = (name.join("."), packet[at + 2], at + 5);
        assert!(end <= length);
        log.lock().unwrap().push(name.clone());
        // A for a name that has addresses of its kind; the other kind has an answer without any.
        let wanted = |address: &IpAddr| (kind == 1 && address.is_ipv4()) || (kind == 28 && address.is_ipv6());
        let found = zone.get_mut(&name);
        let code = if found.is_some() { 0 } else { 3 };
        let found = found.map_or(Vec::new(), |lists| {
            if lists.len() > 1 && kind == 28 { lists.remove(0) } else { lists[0].clone() }
        });
        let found: Vec<&IpAddr> = found.iter().filter(|address| wanted(address)).collect();
        let mut answer = packet[..2].to_vec();
        answer.extend([0x81, 0x80 | code, 0, 1, 0, u8::try_from(found.len()).unwrap(), 0, 0, 0, 0]);
        answer.extend(&packet[12..end]);
        for address in found {
            let bytes = match address {
                IpAddr::V4(address) => address.octets().to_vec(),
                IpAddr::V6(address) => address.octets().to_vec(),
            };
            answer.extend([0xc0, 12, 0, kind, 0, 1, 0, 0, 0, 0, 0, u8::try_from(bytes.len()).unwrap()]);
            answer.extend(bytes);
        }
        socket.send_to(&answer, peer).unwrap();
    }
}

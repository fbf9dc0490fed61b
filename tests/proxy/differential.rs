//! The allowlist's meaning beside that of Python's own fnmatch, over many generated lists and requests, and beside
//! a real mitmproxy with the same script.

use crate::proxy::world::{Server, options};
use crate::support::mitmproxy::mitmdump;
use airut::base::pattern::Pattern;
use airut::format::allowlist::{self, Allowlist};
use airut::proxy::process;
use airut::rule::allow::{Decision, decide};
use airut::rule::request::Request;
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::{IpAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The same numbers on every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % n as u64) as usize
    }

    fn one<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.below(of.len())]
    }

    fn some(&mut self, most: usize, of: &[&str]) -> String {
        (0..self.below(most + 1)).map(|_| self.one(of)).collect()
    }
}

/// Few pieces, so that many of the pairs fit.
const PATH: [&str; 20] = [
    "a", "b", "c", "/", "/", "/a", "/b/", "-", ".", "!", "*", "@", "~", "%2f", "%2F", "%7e", "%61", "%C3%a9",
    "é", ";x",
];
const PATTERN: [&str; 31] = [
    "a", "b", "c", "/", "/", "/a", "/b/", "-", ".", "!", "*", "*", "*", "?", "[ab]", "[!a]", "[a-c]", "[!/]",
    "[", "]", "[]", "[^a]", "[c-a]", "[c-a!", "!-", "]", "[b-]", "%2f", "%7e", "é", "[a-",
];
const HOSTS: [&str; 6] =
    ["example.com", "a.example.com", "b.example.com", "a.b.example.com", "ab.example.com", "aexample.com"];
const HOST_PATTERNS: [&str; 12] = [
    "example.com",
    "a.example.com",
    "*.example.com",
    "?.example.com",
    "*example.com",
    "a*",
    "*",
    "??.example.com",
    "A.Example.COM",
    "a.*.com",
    "*.b.example.com",
    "*.*.example.com",
];
const METHODS: [&str; 5] = ["GET", "POST", "HEAD", "DELETE", "PROPFIND"];
const WRITTEN_METHODS: [&str; 5] = ["GET", "post", "Head", "DELETE", "OPTIONS"];

fn generated_list(dice: &mut Dice) -> Value {
    let domains: Vec<_> = (0..dice.below(2)).map(|_| dice.one(&HOST_PATTERNS)).collect();
    let prefixes: Vec<_> = (0..1 + dice.below(5))
        .map(|_| {
            let mut rule = json!({ "host": dice.one(&HOST_PATTERNS) });
            match dice.below(8) {
                0 => {}
                1 => rule["path"] = json!(""),
                2 => rule["path"] = json!(format!("*{}", dice.some(4, &PATTERN))),
                _ => rule["path"] = json!(format!("/{}", dice.some(6, &PATTERN))),
            }
            if dice.below(2) == 0 {
                rule["methods"] =
                    (0..dice.below(3)).map(|_| json!(dice.one(&WRITTEN_METHODS))).collect::<Vec<_>>().into();
            }
            rule
        })
        .collect();
    json!({ "domains": domains, "url_prefixes": prefixes })
}

fn generated_request(dice: &mut Dice) -> (String, String, String) {
    let query = dice.one(&["", "", "?", "?a=/../*"]);
    let path = format!("/{}{query}", dice.some(6, &PATH));
    (dice.one(&HOSTS).to_owned(), path, dice.one(&METHODS).to_owned())
}

/// The deciding rule's number; -1 blocked; nothing where the request is refused.
fn ours(list: &Allowlist, (host, path, method): &(String, String, String)) -> Option<i64> {
    let request = Request::from_url(method, &format!("https://{host}{path}")).ok()?;
    Some(match decide(list, &request) {
        Decision::Allowed(rule) => list.rules.iter().position(|one| std::ptr::eq(one, rule)).unwrap() as i64,
        Decision::Blocked(_) => -1,
    })
}

fn script() -> String {
    format!("{}/tests/support/allowlist.py", env!("CARGO_MANIFEST_DIR"))
}

/// What the script answers.
fn python(lines: String) -> String {
    let mut python =
        Command::new("python3").arg(script()).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdin = python.stdin.take().unwrap();
    let writer = std::thread::spawn(move || stdin.write_all(lines.as_bytes()));
    let mut answers = String::new();
    python.stdout.take().unwrap().read_to_string(&mut answers).unwrap();
    writer.join().unwrap().unwrap();
    assert!(python.wait().unwrap().success());
    answers
}

#[test]
fn a_pattern_means_what_fnmatch_says_however_odd_it_is() {
    let mut dice = Dice(0x5eed_0f00_d1ce_0003);
    const ODD: [&str; 16] =
        ["[", "]", "-", "!", "a", "b", "c", "*", "?", "^", "[!", "c-a", "-", "&&", "\\", "é"];
    let pairs: Vec<_> = (0..60_000)
        .map(|_| {
            (dice.some(6, &ODD), dice.some(3, &["[", "]", "-", "!", "a", "b", "c", "^", "&", "\\", "é"]))
        })
        .collect();
    let answers: Vec<bool> =
        serde_json::from_str(&python(format!("{}\n", json!({ "pairs": pairs })))).unwrap();
    assert_eq!(answers.len(), pairs.len());
    for ((pattern, text), answer) in pairs.iter().zip(&answers) {
        assert_eq!(Pattern::new(pattern).matches(text), *answer, "{pattern:?} {text:?}");
    }
    assert!(answers.iter().filter(|answer| **answer).count() > 2_000);
}

#[test]
fn the_allowlist_means_what_fnmatch_says_for_every_generated_request() {
    let mut dice = Dice(0x5eed_0f00_d1ce_0001);
    let cases: Vec<_> = (0..600)
        .map(|_| {
            (generated_list(&mut dice), (0..60).map(|_| generated_request(&mut dice)).collect::<Vec<_>>())
        })
        .collect();
    let lines = cases.iter().map(|(list, requests)| json!({ "allowlist": list, "requests": requests }));
    let answers = python(lines.map(|line| format!("{line}\n")).collect());
    let (mut allowed, mut blocked, mut refused) = (0, 0, 0);
    assert_eq!(answers.lines().count(), cases.len());
    for ((list, requests), answer) in cases.iter().zip(answers.lines()) {
        let read = allowlist::parse(&list.to_string()).unwrap();
        let theirs: Vec<i64> = serde_json::from_str(answer).unwrap();
        for (request, theirs) in requests.iter().zip(theirs) {
            match ours(&read, request) {
                Some(ours) => {
                    assert_eq!(ours, theirs, "{request:?} of {list}");
                    *if ours < 0 { &mut blocked } else { &mut allowed } += 1;
                }
                None => refused += 1,
            }
        }
    }
    // Or the pieces say nothing.
    assert!(allowed > 8_000 && blocked > 8_000 && refused < 4_000, "{allowed} {blocked} {refused}");
}

/// A real mitmproxy that judges and answers by itself.
struct Mitmproxy {
    child: Child,
    port: u16,
}

impl Mitmproxy {
    fn start(dir: &Path, list: &Value) -> Self {
        let file = dir.join("allowlist.json");
        std::fs::write(&file, list.to_string()).unwrap();
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let child = Command::new(mitmdump())
            .args(["--quiet", "--mode", &format!("regular@127.0.0.1:{port}"), "-s", &script()])
            .args(["--set", &format!("confdir={}", dir.join("mitmproxy").display())])
            .env("AIRUT_ALLOWLIST", file)
            .spawn()
            .unwrap();
        let mut proxy = Self { child, port };
        let started = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(proxy.child.try_wait().unwrap().is_none(), "mitmdump ended");
            assert!(started.elapsed() < Duration::from_secs(120), "mitmdump does not listen");
            std::thread::sleep(Duration::from_millis(50));
        }
        proxy
    }
}

impl Drop for Mitmproxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends one request with its own connection and returns the status.
fn status(mut stream: impl Read + Write, host: &str, path: &str, method: &str, target: &str) -> u16 {
    let head = format!("{method} {target}{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let answer = String::from_utf8_lossy(&answer);
    answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_else(|| panic!("{answer:?}"))
}

#[test]
fn a_real_mitmproxy_with_the_same_list_lets_the_same_requests_through() {
    let dir = tempfile::Builder::new().prefix("airut-").tempdir_in("/tmp").unwrap();
    let list = json!({
        "domains": ["ab.example.com"],
        "url_prefixes": [
            { "host": "?.example.com", "path": "/a*", "methods": ["get", "HEAD"] },
            { "host": "*.example.com", "path": "/[!a-b]*[/-]", "methods": ["POST"] },
            { "host": "a.b.example.com", "path": "/*%2f*" },
        ],
    });
    let server = Server::start();
    let mut options = options(dir.path().join("r/x"), dir.path().join("log"), &list.to_string(), &server);
    let pin = (IpAddr::from([127, 0, 0, 1]), server.plain.port());
    options.network.resolve = HOSTS
        .iter()
        .map(|host| {
            (host.parse().unwrap(), airut::format::config::Pinned { address: pin.0, port: Some(pin.1) })
        })
        .collect();
    let airut = process::start(&options).unwrap();
    let mitmproxy = Mitmproxy::start(dir.path(), &list);
    let mut dice = Dice(0x5eed_0f00_d1ce_0002);
    let (mut allowed, mut blocked) = (0, 0);
    while allowed + blocked < 400 {
        let (host, path, method) = generated_request(&mut dice);
        if !path.is_ascii()
            || path.contains("//")
            || Request::from_url(&method, &format!("http://{host}{path}")).is_err()
        {
            continue;
        }
        let mut socket = UnixStream::connect(options.runtime_dir.join("proxy.sock")).unwrap();
        socket.write_all(b"80\n").unwrap();
        let ours = status(socket, &host, &path, &method, "");
        let theirs = TcpStream::connect(("127.0.0.1", mitmproxy.port)).unwrap();
        let theirs = status(theirs, &host, &path, &method, &format!("http://{host}"));
        assert!(
            [200, 403].contains(&ours) && [204, 403].contains(&theirs),
            "{method} {host} {path}: {ours} {theirs}"
        );
        assert_eq!(ours == 403, theirs == 403, "{method} {host} {path}: {ours} and {theirs}");
        *if ours == 403 { &mut blocked } else { &mut allowed } += 1;
    }
    assert!(allowed > 40 && blocked > 40, "{allowed} {blocked}");
    airut.stop();
}

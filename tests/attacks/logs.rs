//! Failing open, and logs.

use crate::attacks::stage::{Case, Stage, get};
use crate::proxy::world::ALLOWLIST;

#[test]
fn nothing_that_a_request_says_breaks_a_line_of_the_log_or_floods_it() {
    let stage = Stage::new(ALLOWLIST, Vec::new());
    let forged = "2026-01-01T00:00:00.000Z ALLOWED GET https://evil.example.org/";
    let long = "a".repeat(60_000);
    let head = |first: &str, host: &str| {
        Case::tls(
            "evil.example.org",
            &format!("{first} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"),
            "BLOCKED",
        )
    };
    let encoded = forged.replace(' ', "%20");
    stage.refused(&[
        head(&format!("GET /%0A{encoded}"), "evil.example.org"),
        head(&format!("GET /?%0d%0a{encoded}"), "evil.example.org"),
        head(&format!("GET /?x=\"\u{85}\u{a0}\x1b[2K{encoded}"), "evil.example.org").logs("BLOCKED"),
        head("GET /", &format!("evil.example.org\"{encoded}")),
        head("GET /\u{e2}\u{80}\u{a8}status=200", "evil.example.org"),
        head(&"G".repeat(3000), "evil.example.org"),
        head("ALLOWED /", "evil.example.org"),
        get("evil.example.org", "evil.example.org", &format!("/{long}")),
        get("evil.example.org", "evil.example.org", &format!("/?{long}")),
        head("GET /", &long),
        Case::h2(
            "evil.example.org",
            &[
                (":method", "GET"),
                (":scheme", "https"),
                (":authority", "evil.example.org"),
                (":path", "/\u{e9}\"x"),
            ],
            "BLOCKED",
        ),
    ]);
    let log = std::fs::read_to_string(&stage.world.log).unwrap();
    assert!(log.lines().all(|line| line.len() < 10_000), "a long line");
    assert!(log.lines().all(|line| !line.contains(" ALLOWED GET ") && line.starts_with("20")), "{log}");
    assert!(log.bytes().all(|byte| byte == b'\n' || (b' '..=b'~').contains(&byte)), "{log}");
}

#[test]
fn the_inits_own_line_to_the_proxy_is_a_claim_that_writes_no_request() {
    let stage = Stage::new(ALLOWLIST, Vec::new());
    let lines = "control\ndns A 127.0.0.1 one.example.com\ndns A\ndns A x \x1b[31m\r2026 ALLOWED GET https://x/ status=200\n\
                 allow evil.example.org\nnote x\n\0\n";
    let long = format!("control\ndns A 127.0.0.1 {}\n", "x".repeat(5000));
    stage.refused(&[Case::socket(lines), Case::socket(&long), Case::socket("control\ndns A no end")]);
    let log = stage.world.log_with(" DNS A one.example.com answer=127.0.0.1\n");
    assert!(log.lines().all(|line| line.contains(" DNS ") || line.contains(" NOTE ")), "{log}");
    assert!(log.bytes().all(|byte| byte == b'\n' || (b' '..=b'~').contains(&byte)), "{log}");
    assert_eq!(stage.make(&[get("evil.example.org", "evil.example.org", "/")]).remove(0).codes, [403]);
}

#[test]
fn what_cannot_be_read_is_blocked_and_a_dead_proxy_is_no_network() {
    let mut stage = Stage::new(ALLOWLIST, Vec::new());
    let ask = |method: &str, path: &str| {
        Case::tls(
            "git.example.com",
            &format!("{method} {path} HTTP/1.1\r\nHost: git.example.com\r\nConnection: close\r\n\r\n"),
            "BLOCKED",
        )
    };
    let overridden = |name: &str, method: &str| {
        let head = format!(
            "POST /repos/org/repo HTTP/1.1\r\nHost: git.example.com\r\n{name}: {method}\r\nContent-Length: 0\r\n\
             Connection: close\r\n\r\n"
        );
        Case::tls("git.example.com", &head, "BLOCKED")
    };
    stage.refused(&[
        ask("GET", "/repos/org/rep\u{f6}"),
        ask("PROPFIND", "/repos/org/repo"),
        ask("GETX", "/repos/org/repo"),
        ask("HEAD", "/repos/org/repo"),
        ask("get", "/repos/org/repo"),
        overridden("X-HTTP-Method-Override", "DELETE"),
        overridden("x-http-method", "PATCH"),
        overridden("X-Method-Override", "get, DELETE"),
        overridden("X-HTTP-Method-Override", "\u{ff}"),
    ]);
    let proxy = stage.world.proxy.take().unwrap();
    let pid = rustix::process::Pid::from_raw(i32::try_from(proxy.pid()).unwrap()).unwrap();
    // Only a little after the container has begun: its init ends what it runs and says why.
    let killer = std::thread::spawn({
        let log = stage.world.log.clone();
        move || {
            let started = std::time::Instant::now();
            while !std::fs::read_to_string(&log).unwrap_or_default().contains("last.example.org")
                && started.elapsed().as_secs() < 60
            {
                std::thread::sleep(std::time::Duration::from_millis(10));
            }
            rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
        }
    });
    let script = "curl -s -m 20 https://last.example.org/; while curl -s -m 20 https://api.example.com/; do sleep 0.1; done; sleep 60";
    let code = stage.world.ends_inside(&["sh", "-c", script]);
    killer.join().unwrap();
    assert_eq!(code, Some(113));
    stage.decoys_saw_nobody();
}

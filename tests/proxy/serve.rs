use crate::proxy::world::{World, masked, runtime};
use http_body_util::BodyExt;
use hyper::Request;
use std::io::{BufRead, BufReader, Read, Write};

fn status(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap_or("none")
}

#[test]
fn an_allowed_request_is_answered_by_the_server_and_logged() {
    for world in World::each() {
        let answer = world.ask("api.example.com", "GET /v1?q=1", &["X-Mine: yes"]);
        assert_eq!(status(&answer), "200");
        assert!(answer.ends_with("hello from upstream"), "{answer}");
        let seen = world.server.seen();
        assert_eq!(seen.len(), 1);
        assert_eq!(seen[0].sni, "api.example.com");
        assert!(seen[0].line.starts_with("GET /v1?q=1 "));
        assert_eq!(seen[0].header("x-mine"), ["yes"]);
        let log = world.log_with("ALLOWED GET https://api.example.com/v1?q=1 status=200 sent=0 received=19 ");
        assert!(log.contains("why=\"line 3: api.example.com\""), "{log}");
        assert_eq!(log.lines().count(), 1);
    }
}

#[test]
fn a_blocked_request_is_told_how_to_ask_for_access_and_reaches_nobody() {
    let world = World::new();
    let answer = world.ask("evil.example.org", "POST /upload", &["Content-Length: 0"]);
    assert_eq!(status(&answer), "403");
    assert!(answer.contains("content-type: application/json"));
    let json: serde_json::Value = serde_json::from_str(answer.split("\r\n\r\n").nth(1).unwrap()).unwrap();
    assert_eq!(json["host"], "evil.example.org");
    assert!(json["how_to_get_access"].as_str().unwrap().contains(".airut/network-allowlist.yaml"));
    let proposed = airut::format::allowlist::parse(json["proposed_addition"].as_str().unwrap()).unwrap();
    assert_eq!(proposed.rules[0].methods, ["POST"]);
    assert!(world.server.seen().is_empty());
    world.log_with("BLOCKED POST https://evil.example.org/upload status=403 ");
}

#[test]
fn every_request_of_a_kept_connection_is_judged_alone() {
    for world in World::each() {
        let requests = "GET /repos/org/repo HTTP/1.1\r\nHost: git.example.com\r\n\r\n\
                        GET /repos/org/other HTTP/1.1\r\nHost: git.example.com\r\n\r\n\
                        DELETE /repos/org/repo HTTP/1.1\r\nHost: git.example.com\r\n\r\n\
                        POST /repos/org/repo/x HTTP/1.1\r\nHost: git.example.com\r\nContent-Length: 3\r\n\r\nabc\
                        GET /repos/org/repo HTTP/1.1\r\nHost: api.example.com\r\nConnection: close\r\n\r\n";
        let answer = world.raw("git.example.com", requests.as_bytes());
        let codes: Vec<&str> =
            answer.match_indices("HTTP/1.1 ").map(|(at, _)| &answer[at + 9..at + 12]).collect();
        assert_eq!(codes, ["200", "403", "403", "200", "400"]);
        let lines: Vec<String> = world.server.seen().into_iter().map(|seen| seen.line).collect();
        assert_eq!(lines.len(), 2, "{lines:?}");
        assert_eq!(world.server.seen()[1].body, b"abc");
    }
}

#[test]
fn http2_streams_are_judged_alone_and_carry_one_host() {
    let world = World::new();
    runtime().block_on(async {
        let mut sender = world.h2("git.example.com").await;
        for (url, code) in [
            ("https://git.example.com/repos/org/repo/pulls", 200),
            ("https://git.example.com/repos/other", 403),
            ("https://api.example.com/", 400),
            ("http://git.example.com/repos/org/repo", 400),
            ("https://git.example.com:8443/repos/org/repo", 400),
            ("https://git.example.com/repos/org/repo%2f..%2fother", 400),
        ] {
            sender.ready().await.unwrap();
            let request = Request::get(url).body(String::new()).unwrap();
            let answer = sender.send_request(request).await.unwrap();
            assert_eq!(answer.status(), code, "{url}");
            answer.into_body().collect().await.unwrap();
        }
    });
    assert_eq!(world.server.seen().len(), 1);
    assert!(world.server.seen()[0].line.ends_with("HTTP/2.0"));
    world.log_with("status=200");
}

#[test]
fn plain_http_is_judged_the_same_way() {
    let world = World::new();
    for (host, code) in [("plain.example.com", "200"), ("blocked.example.org", "403")] {
        let mut stream = world.socket("80");
        write!(stream, "GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert_eq!(status(&answer), code);
    }
    world.log_with("BLOCKED GET http://blocked.example.org/ ");
}

#[test]
fn a_redirect_is_the_clients_to_follow_and_is_judged_like_any_request() {
    let world = World::new();
    let answer = world.ask("api.example.com", "GET /redirect", &[]);
    assert_eq!(status(&answer), "302");
    assert!(answer.contains("location: https://blocked.example.org/"));
    assert_eq!(status(&world.ask("blocked.example.org", "GET /", &[])), "403");
    assert_eq!(world.server.seen().len(), 1);
}

#[test]
fn a_websocket_to_an_allowed_host_carries_bytes_both_ways() {
    for world in World::each() {
        let mut stream = world.tls("api.example.com");
        stream
            .write_all(
                b"GET /ws HTTP/1.1\r\nHost: api.example.com\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n\
                  Sec-WebSocket-Key: x\r\nSec-WebSocket-Version: 13\r\n\r\n",
            )
            .unwrap();
        let mut reader = BufReader::new(stream);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert_ne!(reader.read_line(&mut head).unwrap(), 0, "{head}");
        }
        assert!(head.starts_with("HTTP/1.1 101"), "{head}");
        // Bytes that no HTTP reader would let through.
        let frame = b"\x81\x05\0\n\r \x7f";
        reader.get_mut().write_all(frame).unwrap();
        reader.get_mut().flush().unwrap();
        let mut back = [0; 7];
        reader.read_exact(&mut back).unwrap();
        assert_eq!(&back, frame);
        reader.get_mut().conn.send_close_notify();
        reader.get_mut().flush().unwrap();
        drop(reader);
        world.log_with("[websocket]");
    }
}

#[test]
fn other_upgrades_are_not_passed_on() {
    let world = World::new();
    let h2c = ["Upgrade: h2c", "Connection: Upgrade, HTTP2-Settings", "HTTP2-Settings: AAMAAABkAAQ"];
    assert_eq!(status(&world.ask("api.example.com", "GET /", &h2c)), "200");
    let seen = world.server.seen();
    assert!(seen[0].header("upgrade").is_empty() && seen[0].header("http2-settings").is_empty());
}

#[test]
fn a_body_streams_through_piece_by_piece() {
    for world in World::each() {
        let mut stream = world.tls("api.example.com");
        stream
            .write_all(b"POST /echo HTTP/1.1\r\nHost: api.example.com\r\nTransfer-Encoding: chunked\r\n\r\n")
            .unwrap();
        let mut reader = BufReader::new(stream);
        let mut line = String::new();
        for piece in ["one", "two!", "three"] {
            // The next piece is not sent before the last one came back: nothing on the way waits for more.
            write!(reader.get_mut(), "{:x}\r\n{piece}\r\n", piece.len()).unwrap();
            reader.get_mut().flush().unwrap();
            while line.trim_end() != piece {
                line.clear();
                assert_ne!(reader.read_line(&mut line).unwrap(), 0);
            }
        }
    }
}

#[test]
fn large_bodies_pass_in_both_directions_with_bounded_memory() {
    for world in World::each() {
        let answer = world.ask("api.example.com", "GET /big", &[]);
        assert!(answer.len() > 64 << 20);
        let size = 64 << 20;
        let mut request = format!(
            "POST /up HTTP/1.1\r\nHost: api.example.com\r\nConnection: close\r\nContent-Length: {size}\r\n\r\n"
        )
        .into_bytes();
        request.resize(request.len() + size, b'y');
        let answer = world.raw("api.example.com", &request);
        assert!(answer.contains(&format!("x-upload: {size}")), "{answer}");
        world.log_with(&format!("sent={size} "));
        let pid = world.proxy.as_ref().unwrap().pid();
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        let peak_kib: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
        assert!(peak_kib < 40 << 10, "{peak}");
    }
}

#[test]
fn expect_is_answered_only_when_the_request_is_allowed() {
    for world in World::each() {
        let blocked = world.ask("evil.example.org", "POST /", &["Expect: 100-continue", "Content-Length: 5"]);
        assert!(blocked.starts_with("HTTP/1.1 403"), "{blocked}");
        let mut stream = world.tls("api.example.com");
        stream
            .write_all(
                b"POST /up HTTP/1.1\r\nHost: api.example.com\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\
                  Connection: close\r\n\r\n",
            )
            .unwrap();
        let mut reader = BufReader::new(stream);
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        assert!(line.starts_with("HTTP/1.1 100"), "{line}");
        reader.get_mut().write_all(b"12345").unwrap();
        let mut rest = String::new();
        let _ = reader.read_to_string(&mut rest);
        assert!(rest.contains("x-upload: 5"), "{rest}");
    }
}

#[test]
fn headers_of_the_connection_and_second_names_stay_behind() {
    for world in World::each() {
        world.ask(
            "api.example.com",
            "GET /",
            &[
                "Connection: x-secret-hop",
                "X-Secret-Hop: 1",
                "Proxy-Authorization: Basic eA==",
                "X-Forwarded-Host: other.example.com",
                "X-Original-URL: /admin",
                "X-Rewrite-URL: /admin",
                "Forwarded: host=other.example.com",
                "TE: gzip",
            ],
        );
        let seen = &world.server.seen()[0];
        for gone in [
            "x-secret-hop",
            "proxy-authorization",
            "x-forwarded-host",
            "x-original-url",
            "x-rewrite-url",
            "forwarded",
            "te",
            "connection",
        ] {
            assert!(seen.header(gone).is_empty(), "{gone}");
        }
        let answer = world.ask("api.example.com", "GET /", &[]);
        assert!(!answer.contains("alt-svc"), "{answer}");
    }
}

#[test]
fn a_server_that_is_not_who_it_claims_to_be_is_not_spoken_to() {
    let world = World::with("domains: [wrong.example.net]", Vec::new());
    let answer = world.ask("wrong.example.net", "GET /", &[]);
    assert_eq!(status(&answer), "502", "{answer}");
    assert!(answer.contains("upstream_failed"));
    assert!(world.server.seen().is_empty());
    world.log_with("ERROR GET https://wrong.example.net/ status=502 ");
}

#[test]
fn an_answer_without_body_keeps_its_length() {
    for world in World::each() {
        let answer = world.ask("api.example.com", "HEAD /x", &[]);
        assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("\r\n\r\n"), "{answer}");
        assert!(answer.contains("content-length: 19"), "{answer}");
    }
}

#[test]
fn an_answer_that_comes_before_the_upload_ends_is_passed_on() {
    for world in World::each() {
        let mut stream = world.tls("api.example.com");
        stream
            .write_all(
                b"POST /early HTTP/1.1\r\nHost: api.example.com\r\nContent-Length: 100000000\r\n\r\nsome",
            )
            .unwrap();
        let mut reader = BufReader::new(stream);
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        assert!(line.starts_with("HTTP/1.1 413"), "{line}");
    }
}

#[test]
fn an_answer_that_breaks_off_does_not_look_whole() {
    for world in World::each() {
        let answer = world.ask("api.example.com", "GET /broken", &[]);
        // Over HTTP/2 the failure may arrive ahead of the head.
        let cut = answer.contains("content-length: 1000") && answer.len() < 1000;
        assert!(cut || status(&answer) == "502", "{answer}");
        world.log_with("ERROR GET https://api.example.com/broken status=");
        // And the next request gets a connection that works.
        assert_eq!(status(&world.ask("api.example.com", "GET /", &[])), "200");
    }
}

#[test]
fn a_masked_secret_reaches_only_its_host_and_its_header() {
    let world = World::with(super::world::ALLOWLIST, vec![masked(&["Authorization"])]);
    let fake = masked(&[]).stand_in;
    let real = masked(&[]).value;
    world.ask(
        "api.example.com",
        "GET /1",
        &[&format!("Authorization: Bearer {fake}"), &format!("X-Other: {fake}")],
    );
    world.ask("git.example.com", "GET /repos/org/repo", &[&format!("Authorization: Bearer {fake}")]);
    world.ask("api.example.com", "GET /3", &["Authorization: Bearer ghp_ForeignForeignForeignForei"]);
    let reflected = world.ask("api.example.com", "GET /reflect", &[&format!("Authorization: token {fake}")]);
    let seen = world.server.seen();
    assert_eq!(seen[0].header("authorization"), [format!("Bearer {real}")]);
    assert_eq!(seen[0].header("x-other"), [fake.as_str()]);
    assert_eq!(seen[1].header("authorization"), [format!("Bearer {fake}")]);
    assert!(seen[2].header("authorization").is_empty());
    assert_eq!(seen[3].header("authorization"), [format!("token {real}")]);
    assert!(!reflected.contains(&real), "{reflected}");
    let log = world.log_with("[stripped: authorization]");
    assert!(log.contains("[masked: TOKEN]") && !log.contains(&real) && !log.contains(&fake), "{log}");
}

#[test]
fn the_init_reports_dns_questions_and_cannot_break_the_log() {
    let world = World::new();
    let mut control = world.socket("control");
    control.write_all(b"dns A 127.0.0.1 api.example.com\ndns TXT refused x\x1b[2J BLOCKED\n").unwrap();
    let log = world.log_with("DNS TXT");
    assert!(log.contains(" DNS A api.example.com answer=127.0.0.1\n"), "{log}");
    assert!(log.contains(" DNS TXT x%1B%5B2J%20BLOCKED answer=refused\n"), "{log}");
}

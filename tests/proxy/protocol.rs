//! What is legitimate in HTTP works, and what would wear the proxy out does not.

use crate::proxy::world::{World, masked, runtime};
use http_body_util::BodyExt;
use hyper::Request;
use std::io::{Read, Write};

#[test]
fn trailers_arrive_without_those_that_concern_the_connection() {
    for world in World::each() {
        let request = "POST /up HTTP/1.1\r\nHost: api.example.com\r\nTE: trailers\r\nConnection: close, TE\r\n\
                       Trailer: x-checksum, x-forwarded-host\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\
                       x-checksum: 1234\r\nx-forwarded-host: evil.example.org\r\n\r\n";
        let answer = world.raw("api.example.com", request.as_bytes());
        assert!(answer.contains("x-upload: 5"), "{answer}");
        let seen = &world.server.seen()[0];
        assert_eq!(seen.header("te"), ["trailers"]);
        assert_eq!(seen.header("trailer x-checksum"), ["1234"]);
        assert!(seen.header("trailer x-forwarded-host").is_empty());
    }
}

#[test]
fn pipelined_requests_are_answered_in_their_order() {
    for world in World::each() {
        let one =
            |path: &str, more: &str| format!("GET {path} HTTP/1.1\r\nHost: api.example.com\r\n{more}\r\n");
        let requests = [one("/later", ""), one("/redirect", ""), one("/x", "Connection: close\r\n")].concat();
        let answer = world.raw("api.example.com", requests.as_bytes());
        let codes: Vec<&str> =
            answer.match_indices("HTTP/1.1 ").map(|(at, _)| &answer[at + 9..at + 12]).collect();
        assert_eq!(codes, ["200", "302", "200"]);
    }
}

#[test]
fn http_1_0_needs_a_host_and_is_answered_in_kind() {
    let world = World::new();
    let answer = world.raw("api.example.com", b"GET / HTTP/1.0\r\n\r\n");
    assert!(answer.contains(" 400 "), "{answer}");
    world.log_with("BLOCKED GET https://api.example.com/ status=400 ");
    let answer = world.raw("api.example.com", b"GET / HTTP/1.0\r\nHost: api.example.com\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.0 200") && answer.ends_with("hello from upstream"), "{answer}");
}

#[test]
fn a_head_that_comes_byte_by_byte_is_one() {
    let world = World::new();
    let mut stream = world.tls("api.example.com");
    for byte in b"GET /slow HTTP/1.1\r\nHost: api.example.com\r\nConnection: close\r\n\r\n" {
        stream.write_all(&[*byte]).unwrap();
        stream.flush().unwrap();
    }
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer);
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[test]
fn many_streams_at_once_are_all_answered() {
    let world = World::new();
    runtime().block_on(async {
        let sender = world.h2("api.example.com").await;
        let ask = |n: usize| {
            let mut sender = sender.clone();
            async move {
                sender.ready().await.unwrap();
                let request =
                    Request::get(format!("https://api.example.com/{n}")).body(String::new()).unwrap();
                let answer = sender.send_request(request).await.unwrap();
                assert_eq!(answer.status(), 200);
                answer.into_body().collect().await.unwrap().to_bytes().len()
            }
        };
        // More than the proxy takes at once: the others wait for their turn.
        let tasks: Vec<_> = (0..300).map(|n| tokio::spawn(ask(n))).collect();
        for task in tasks {
            assert_eq!(task.await.unwrap(), 19);
        }
    });
    assert_eq!(world.server.seen().len(), 300);
}

/// A frame of HTTP/2 (RFC 9113 section 4.1).
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// `GET https://api.example.com/hang`: indexed fields of HPACK's static table, and two literals.
fn head() -> Vec<u8> {
    [&b"\x82\x87\x41\x0fapi.example.com"[..], b"\x44\x05/hang"].concat()
}

#[test]
fn streams_that_are_opened_and_reset_again_and_again_end_the_connection() {
    let world = World::new();
    let mut stream = world.tls_h2("api.example.com");
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").unwrap();
    stream.write_all(&frame(4, 0, 0, &[])).unwrap();
    // What nobody would send in earnest, all before an answer could come (CVE-2023-44487).
    let mut sent = 0_u32;
    while sent < 20_000 {
        let id = 2 * sent + 1;
        let burst = [frame(1, 5, id, &head()), frame(3, 0, id, &8_u32.to_be_bytes())].concat();
        if stream.write_all(&burst).and_then(|()| stream.flush()).is_err() {
            break;
        }
        sent += 1;
    }
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest);
    // GOAWAY, or a connection that is gone.
    let goaway = rest.windows(9).any(|w| w[..4] == [0, 0, w[2], 7] && w[5..9] == [0; 4]);
    assert!(goaway || sent < 20_000, "{sent} streams were taken");
    assert!(world.server.seen().len() < 5_000, "{}", world.server.seen().len());
    // Others are served as before.
    assert!(world.ask("api.example.com", "GET /", &[]).starts_with("HTTP/1.1 200"));
}

#[test]
fn a_header_list_without_end_is_refused() {
    let world = World::new();
    runtime().block_on(async {
        let mut sender = world.h2("api.example.com").await;
        let mut request = Request::get("https://api.example.com/").body(String::new()).unwrap();
        for n in 0..40 {
            let name: hyper::header::HeaderName = format!("x-{n}").parse().unwrap();
            request.headers_mut().insert(name, "v".repeat(4000).parse().unwrap());
        }
        let refused = match sender.send_request(request).await {
            Ok(answer) => answer.status() == 431,
            Err(_) => true,
        };
        assert!(refused);
    });
    assert!(world.server.seen().is_empty());
}

#[test]
fn an_answers_trailers_arrive_without_a_secret_that_was_sent_back() {
    for protocols in [&["h2", "http/1.1"][..], &["http/1.1"]] {
        let world = World::speaking(protocols, vec![masked(&["authorization"])]);
        let authorization = format!("Bearer {}", masked(&[]).stand_in);
        runtime().block_on(async {
            let mut sender = world.h2("api.example.com").await;
            sender.ready().await.unwrap();
            let request = Request::get("https://api.example.com/trailers").header("te", "trailers");
            let request = request.header("authorization", &authorization).body(String::new()).unwrap();
            let body = sender.send_request(request).await.unwrap().into_body().collect().await.unwrap();
            let trailers = body.trailers().unwrap();
            assert_eq!(trailers["x-sum"], "1234");
            assert!(!trailers.contains_key("x-echo"), "{trailers:?}");
            assert_eq!(body.to_bytes(), "in pieces");
        });
        let headers = ["TE: trailers", &format!("Authorization: {authorization}")];
        let answer = world.ask("api.example.com", "GET /trailers", &headers);
        assert!(answer.contains("9\r\nin pieces\r\n0\r\nx-sum: 1234\r\n"), "{answer}");
        assert!(!answer.contains("x-echo: "), "{answer}");
    }
}

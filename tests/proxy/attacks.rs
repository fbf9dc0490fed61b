//! Attack classes against the running proxy: each has to be refused, logged, and to reach nobody.

use crate::proxy::world::{World, masked};
use std::io::{Read, Write};

fn refused(world: &World, sni: &str, request: &[u8]) -> String {
    let before = world.server.seen().len();
    let answer = world.raw(sni, request);
    let shown = String::from_utf8_lossy(request).into_owned();
    let code = answer.split(' ').nth(1).unwrap_or("closed");
    assert!(["400", "403", "closed"].contains(&code), "{shown:?} was answered {answer}");
    assert_eq!(world.server.seen().len(), before, "{shown:?} reached the server");
    answer
}

#[test]
fn two_readers_of_one_name() {
    let world = World::new();
    for head in [
        "GET / HTTP/1.1\r\nHost: git.example.com\r\n",
        "GET / HTTP/1.1\r\nHost: api.example.com\r\nHost: evil.example.org\r\n",
        "GET / HTTP/1.1\r\nHost: api.example.com\r\nHost: api.example.com\r\n",
        "GET / HTTP/1.1\r\n",
        "GET / HTTP/1.1\r\nHost:\r\n",
        "GET / HTTP/1.0\r\n",
        "GET https://evil.example.org/ HTTP/1.1\r\nHost: api.example.com\r\n",
        "GET http://api.example.com/ HTTP/1.1\r\nHost: api.example.com\r\n",
        "GET https://api.example.com@evil.example.org/ HTTP/1.1\r\nHost: api.example.com\r\n",
        "GET / HTTP/1.1\r\nHost: api.example.com:8443\r\n",
        "GET / HTTP/1.1\r\nHost: api.example.com:80\r\n",
        "GET / HTTP/1.1\r\nHost: api.example.com, evil.example.org\r\n",
        "GET / HTTP/1.1\r\nHost: api.example.com..\r\n",
        "GET / HTTP/1.1\r\nHost: api.example.com\0.evil.example.org\r\n",
        "GET / HTTP/1.1\r\nHost: api.example.com#@evil.example.org\r\n",
        "GET / HTTP/1.1\r\nHost: api%2eexample.com\r\n",
        "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n",
        "GET / HTTP/1.1\r\nHost: 2130706433\r\n",
        "GET / HTTP/1.1\r\nHost: [::ffff:127.0.0.1]\r\n",
        "GET / HTTP/1.1\r\nHost : api.example.com\r\n",
    ] {
        refused(&world, "api.example.com", format!("{head}Connection: close\r\n\r\n").as_bytes());
    }
    // One name in other spellings is one name.
    for host in ["API.Example.COM", "api.example.com:443", "api.example.com."] {
        let head = format!("GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        assert!(world.raw("api.example.com", head.as_bytes()).starts_with("HTTP/1.1 200"), "{host}");
        assert_eq!(world.server.seen().last().unwrap().sni, "api.example.com");
    }
}

#[test]
fn two_readers_of_one_path() {
    let world = World::new();
    for path in [
        "/repos/org/repo/../other",
        "/repos/org/repo/%2e%2e/other",
        "/repos/org/repo/.%2E/other",
        "/repos/org/repo%2f..%2fother",
        "/repos/org/repo/..%2fother",
        "/repos/org/repo/..;/other",
        "/repos/org/repo/./../other",
        "/repos/org/repo/..%3b/other",
        "/repos/org/repo%5c..%5cother",
        "/repos/org/repo\\..\\other",
        "/repos/org/repo%252f..%252fother",
        "/repos/org/repo/%252e%252e/other",
        "/repos/org/repo%00",
        "/repos/org/repo%0d%0aX:y",
        "/repos/org/repo%",
        "/repos/org/repo%zz",
        "//repos/org/repo",
        "/repos/org/repo//../other",
        "/repos/org/repo#/../other",
        "/REPOS/org/repo",
        "repos/org/repo",
        "*",
    ] {
        let head = format!("GET {path} HTTP/1.1\r\nHost: git.example.com\r\nConnection: close\r\n\r\n");
        refused(&world, "git.example.com", head.as_bytes());
    }
    for path in ["/@scope%2Fname", "/@scope%2fname", "/%40scope%2fname"] {
        let answer = world.ask("npm.example.com", &format!("GET {path}"), &[]);
        assert_eq!(answer.starts_with("HTTP/1.1 200"), path.starts_with("/@"), "{path}");
    }
    assert!(world.server.seen().iter().all(|seen| seen.line.starts_with("GET /@scope%2Fname ")));
}

#[test]
fn two_readers_of_one_message() {
    let world = World::new();
    for request in [
        "POST / HTTP/1.1\r\nHost: api.example.com\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: api.example.com\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: api.example.com\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n123456",
        "POST / HTTP/1.1\r\nHost: api.example.com\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n12345",
        "POST / HTTP/1.1\r\nHost: api.example.com\r\nContent-Length: +5\r\n\r\n12345",
        "POST / HTTP/1.1\r\nHost: api.example.com\r\nContent-Length: 5, 5\r\n\r\n12345",
        "POST / HTTP/1.1\r\nHost: api.example.com\r\nTransfer-Encoding: identity, chunked\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: api.example.com\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: api.example.com\r\nTransfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: api.example.com\r\nTransfer_Encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.0\r\nHost: api.example.com\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "GET / HTTP/1.1\nHost: api.example.com\n\n",
        "GET / HTTP/1.1\r\nHost: api.example.com\r\nX: a\rb\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: api.example.com\r\nX: a\nContent-Length: 5\r\n\r\n12345",
        "GET / HTTP/1.1\r\nHost: api.example.com\r\nX: a\r\n folded\r\n\r\n",
        "GET / HTTP/1.1\r\n Host: api.example.com\r\n\r\n",
        "GET / HTTP/1.1 \r\nHost: api.example.com\r\n\r\n",
        "GET  / HTTP/1.1\r\nHost: api.example.com\r\n\r\n",
        "GET / HTTP/1.2\r\nHost: api.example.com\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ] {
        let answer = refused(&world, "api.example.com", request.as_bytes());
        assert!(answer.starts_with("HTTP/1.1 400"), "{request:?}: {answer}");
    }
    world.log_with("not a well-formed HTTP/1.1 message: both Content-Length and Transfer-Encoding");
}

#[test]
fn a_body_that_is_badly_framed_ends_the_exchange_and_hides_no_second_request() {
    let world = World::new();
    for body in [
        "5;ext=1\r\nhello\r\n0\r\n\r\n",
        "0x5\r\nhello\r\n0\r\n\r\n",
        "5\nhello\r\n0\r\n\r\n",
        "5\r\nhelloX\r\n0\r\n\r\n",
        "-1\r\n\r\n0\r\n\r\n",
        "fffffffffffffffff\r\nhello",
        "0\r\nContent-Length: 30\r\n\r\n",
    ] {
        let smuggled = "GET /smuggled HTTP/1.1\r\nHost: api.example.com\r\n\r\n";
        let head = "POST /up HTTP/1.1\r\nHost: api.example.com\r\nTransfer-Encoding: chunked\r\n\r\n";
        let answer = world.raw("api.example.com", format!("{head}{body}{smuggled}").as_bytes());
        assert!(!answer.contains(" 200 "), "{body:?}: {answer}");
        assert!(!world.server.seen().iter().any(|seen| seen.line.contains("/smuggled")), "{body:?}");
    }
}

#[test]
fn other_methods_of_getting_out_are_refused() {
    let world = World::new();
    for request in [
        "CONNECT api.example.com:443 HTTP/1.1\r\nHost: api.example.com:443\r\n\r\n",
        "CONNECT api.example.com HTTP/1.1\r\nHost: api.example.com\r\n\r\n",
        "TRACE / HTTP/1.1\r\nHost: api.example.com\r\nConnection: close\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\nHost: api.example.com\r\nConnection: close\r\n\r\n",
        "get / HTTP/1.1\r\nHost: api.example.com\r\nConnection: close\r\n\r\n",
    ] {
        refused(&world, "api.example.com", request.as_bytes());
    }
    // A method that hides in a header is judged as well.
    let sneaky = "POST /repos/org/repo HTTP/1.1\r\nHost: git.example.com\r\nX-HTTP-Method-Override: delete\r\n\
                  Content-Length: 0\r\nConnection: close\r\n\r\n";
    refused(&world, "git.example.com", sneaky.as_bytes());
    let open = sneaky.replace("delete", "GET");
    assert!(world.raw("git.example.com", open.as_bytes()).starts_with("HTTP/1.1 200"));
}

#[test]
fn bytes_that_are_no_tls_and_tls_without_a_name_are_cut_off_and_logged() {
    let world = World::new();
    for bytes in
        [&b"GET / HTTP/1.1\r\nHost: api.example.com\r\n\r\n"[..], b"SSH-2.0-x\r\n", b"\x16\x03\x01\xff\xff"]
    {
        let mut stream = world.socket("443");
        stream.write_all(bytes).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        assert!(!answer.starts_with(b"HTTP/"));
    }
    let mut stream = world.tls("127.0.0.1");
    assert!(stream.write_all(b"GET / HTTP/1.1\r\n\r\n").is_err());
    world.log_with("TLS without a server name");
}

#[test]
fn names_that_point_inward_are_not_connected_to() {
    // Every machine's /etc/hosts leads this name to loopback, as a hostile zone could lead any other.
    let world = World::with("domains: [localhost]", Vec::new());
    let answer = world.ask("localhost", "GET /", &[]);
    assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
    assert!(answer.contains("does not lead to a public address"), "{answer}");
    world.log_with("BLOCKED GET https://localhost/ status=403 ");
}

#[test]
fn a_secret_goes_to_nobody_by_duplicates_basic_auth_or_plain_http() {
    let mut secret = masked(&["Authorization"]);
    secret.scopes.push("plain.example.com".parse().unwrap());
    let (fake, real) = (secret.stand_in.clone(), secret.value.clone());
    let world = World::with(super::world::ALLOWLIST, vec![secret]);
    let bearer = format!("Authorization: Bearer {fake}");
    world.ask("api.example.com", "GET /", &[&bearer, "Authorization: Bearer mine", &bearer]);
    assert_eq!(world.server.seen()[0].header("authorization"), [format!("Bearer {real}")]);

    let mut stream = world.socket("80");
    write!(stream, "GET / HTTP/1.1\r\nHost: plain.example.com\r\nConnection: close\r\n{bearer}\r\n\r\n")
        .unwrap();
    stream.read_to_string(&mut String::new()).unwrap();
    assert!(world.server.seen()[1].header("authorization").is_empty());

    // In a trailer it comes after the judgement.
    let request = format!(
        "POST /up HTTP/1.1\r\nHost: api.example.com\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\
         Trailer: authorization\r\n\r\n1\r\nx\r\n0\r\nauthorization: Bearer {fake}\r\n\r\n"
    );
    world.raw("api.example.com", request.as_bytes());
    assert!(!format!("{:?}", world.server.seen()[2]).contains(&real));
}

#[test]
fn a_request_cannot_write_a_line_of_the_log() {
    let world = World::new();
    world.ask("evil.example.org", "GET /%41?x=\"%0aALLOWED", &[]);
    let long = "a".repeat(20_000);
    world.ask("evil.example.org", &format!("GET /{long}"), &[]);
    let log = world.log_with("aaa");
    assert!(log.lines().all(|line| line.contains(" BLOCKED ")), "{log}");
    assert!(log.lines().all(|line| line.len() < 10_000));
}

#[test]
fn an_unknown_preamble_is_cut_off() {
    let world = World::new();
    for preamble in ["22", "", "443 ", "a preamble that does not end for a long time"] {
        let mut stream = world.socket(preamble);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        assert!(answer.is_empty());
    }
}

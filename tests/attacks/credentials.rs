//! Credentials: what a request can say to get the real value to somebody it is not for.

use crate::attacks::stage::{Case, Stage};
use crate::proxy::world::{ALLOWLIST, masked};
use base64::prelude::{BASE64_STANDARD, Engine as _};

#[test]
fn the_real_value_goes_to_nobody_but_the_named_hosts_in_the_named_headers() {
    let secret = masked(&["Authorization"]);
    let (fake, real) = (secret.stand_in.clone(), secret.value.clone());
    let stage = Stage::new(ALLOWLIST, vec![secret]);
    let bearer = format!("Authorization: Bearer {fake}");
    let basic = |user: &str| format!("Authorization: Basic {}", BASE64_STANDARD.encode(user));
    let ask = |host: &str, line: &str, headers: &str| {
        Case::tls(
            host,
            &format!("{line} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{headers}\r\n\r\n"),
            "",
        )
    };
    // Blocked, it is not looked at, let alone answered with.
    stage.refused(&[
        ask("evil.example.org", "GET /", &bearer).logs("no rule names this host"),
        ask("git.example.com", "DELETE /repos/org/repo", &bearer).logs("other methods"),
        ask("api.example.com", "GET /..", &bearer).logs("dot segment"),
    ]);
    let elsewhere = [
        ask("git.example.com", "GET /repos/org/repo", &bearer),
        ask("x.wide.example.com", "GET /", &basic(&format!("{fake}:x"))),
        Case::plain(
            &format!("GET / HTTP/1.1\r\nHost: plain.example.com\r\nConnection: close\r\n{bearer}\r\n\r\n"),
            "",
        ),
        // The right host, another place in the request.
        ask("api.example.com", &format!("GET /?token={fake}"), &format!("X-Token: {fake}")),
        ask("api.example.com", "GET /", &format!("Proxy-Authorization: Bearer {fake}")),
        ask("api.example.com", "GET /", &format!("Connection: Authorization\r\n{bearer}")),
        Case::tls(
            "api.example.com",
            &format!(
                "POST /up HTTP/1.1\r\nHost: api.example.com\r\nConnection: close\r\nTrailer: Authorization\r\n\
                 Transfer-Encoding: chunked\r\n\r\n0\r\n{bearer}\r\n\r\n"
            ),
            "",
        ),
    ];
    let told = stage.make(&elsewhere);
    assert!(told.iter().all(|told| told.codes == [200]), "{told:?}");
    let seen = stage.world.server.seen();
    assert_eq!(seen.len(), elsewhere.len());
    assert!(!format!("{seen:?}").contains(&real), "{seen:?}");

    // Where it is meant for: once, decoded where it is encoded, and nobody else's beside it.
    let here = [
        (ask("api.example.com", "GET /", &bearer), vec![format!("Bearer {real}")]),
        (ask("api.example.com", "GET /", &format!("{bearer}\r\n{bearer}")), vec![format!("Bearer {real}")]),
        (
            ask("api.example.com", "GET /", &format!("Authorization: Bearer mine\r\n{bearer}")),
            vec![format!("Bearer {real}")],
        ),
        (
            ask("api.example.com", "GET /", &basic(&format!("user:{fake}"))),
            vec![format!("Basic {}", BASE64_STANDARD.encode(format!("user:{real}")))],
        ),
        (ask("api.example.com", "GET /", "Authorization: Bearer mine"), vec![]),
        (ask("api.example.com", "GET /", &basic("me:mine")), vec![]),
    ];
    let before = stage.world.server.seen().len();
    let mut told = stage.make(&here.clone().map(|(case, _)| case));
    for ((_, wanted), seen) in here.iter().zip(stage.world.server.seen().split_off(before)) {
        assert_eq!(seen.header("authorization"), *wanted, "{seen:?}");
    }
    // Neither what comes back nor the log shows it, and an answer that leads elsewhere gets nothing there.
    told.extend(stage.make(&[
        ask("api.example.com", "GET /reflect", &bearer),
        ask("api.example.com", "GET /redirect", &bearer),
    ]));
    assert!(!format!("{told:?}").contains(&real), "{told:?}");
    assert_eq!(told.last().unwrap().codes, [302]);
    let log = std::fs::read_to_string(&stage.world.log).unwrap();
    assert!(!log.contains(&real) && !log.contains(&format!("Bearer {fake}")), "{log}");
}

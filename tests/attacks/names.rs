//! Two readers of one name.

use crate::attacks::stage::{Case, Stage, get};
use crate::proxy::world::ALLOWLIST;

/// Lines of a head that name the host in two ways, or in none that is clear.
const HEADS: [(&str, &str); 26] = [
    ("GET / HTTP/1.1\r\nHost: npm.example.com", "two hosts"),
    ("GET / HTTP/1.1\r\nHost: api.example.com\r\nhOST: evil.example.org", "2 Host headers"),
    ("GET / HTTP/1.1\r\nHost: evil.example.org\r\nHost: api.example.com", "2 Host headers"),
    ("GET / HTTP/1.1\r\nX: y", "0 Host headers"),
    ("GET / HTTP/1.1\r\nHost: ", "BLOCKED"),
    ("GET / HTTP/1.1\r\nHost: .", "BLOCKED"),
    ("GET / HTTP/1.1\r\nHost: .api.example.com", "BLOCKED"),
    ("GET / HTTP/1.1\r\nHost: api..example.com", "BLOCKED"),
    ("GET / HTTP/1.1\r\nHost: api.example.com:0443", "only port 443"),
    ("GET / HTTP/1.1\r\nHost: api.example.com:+443", "only port 443"),
    ("GET / HTTP/1.1\r\nHost: api.example.com:443:443", "only port 443"),
    ("GET / HTTP/1.1\r\nHost: api.example.com:", "only port 443"),
    ("GET / HTTP/1.1\r\nHost: api.example.com:22", "only port 443"),
    ("GET / HTTP/1.1\r\nHost: api.example.com evil.example.org", "BLOCKED"),
    ("GET / HTTP/1.1\r\nHost: api.example.com/evil.example.org", "BLOCKED"),
    ("GET / HTTP/1.1\r\nHost: evil.example.org?api.example.com", "BLOCKED"),
    ("GET / HTTP/1.1\r\nHost: evil.example.org\\api.example.com", "BLOCKED"),
    ("GET / HTTP/1.1\r\nHost: user@api.example.com", "BLOCKED"),
    ("GET / HTTP/1.1\r\nHost: api.example.com%00", "BLOCKED"),
    ("GET / HTTP/1.1\r\nHost: xn--pi-6ya.example.com", "two hosts"),
    ("GET / HTTP/1.1\r\nHost: 0x7f.1", "BLOCKED"),
    ("GET / HTTP/1.1\r\nHost: 127.1", "BLOCKED"),
    ("GET / HTTP/1.1\r\nHost: [::ffff:7f00:1]", "BLOCKED"),
    ("GET https://npm.example.com/ HTTP/1.1\r\nHost: api.example.com", "two hosts"),
    ("GET https://api.example.com:80/ HTTP/1.1\r\nHost: api.example.com", "only port 443"),
    ("GET ftp://api.example.com/ HTTP/1.1\r\nHost: api.example.com", "another scheme"),
];

fn h2(name: &str, authority: &str, more: &[(&str, &str)], log: &str) -> Case {
    let start = [(":method", "GET"), (":scheme", "https"), (":authority", authority), (":path", "/")];
    Case::h2(name, &[&start, more].concat(), log)
}

#[test]
fn two_readers_of_one_name_find_none() {
    let stage = Stage::new(ALLOWLIST, Vec::new());
    let whole = |head: &str| format!("{head}\r\nConnection: close\r\n\r\n");
    let mut cases: Vec<Case> =
        HEADS.iter().map(|(head, log)| Case::tls("api.example.com", &whole(head), log)).collect();
    let evil = whole("GET / HTTP/1.1\r\nHost: evil.example.org");
    let api = whole("GET / HTTP/1.1\r\nHost: api.example.com");
    cases.extend([
        // The connection is opened for a name that nobody allowed, or for another than is meant, or for none.
        Case::tls("evil.example.org", &api, "two hosts"),
        Case::tls("evil.example.org", &evil, "no rule names this host"),
        Case::tls("API.example.com", &evil, "two hosts"),
        Case::tls("", &api, "TLS without a server name"),
        Case::lying("api.example.com", "api\0example.com", "BLOCKED - https://"),
        Case::lying("api.example.com", "api example.com", "BLOCKED - https://"),
        Case::lying("api.example.com", "127.000.000.001", "BLOCKED - https://"),
        Case::lying("api.example.com", "api/example.com", "BLOCKED - https://"),
        Case::plain(&evil, "no rule names this host"),
        Case::plain(&whole("GET / HTTP/1.1\r\nHost: plain.example.com:443"), "only port 80"),
        Case::plain(&whole("GET http://evil.example.org/ HTTP/1.1\r\nHost: plain.example.com"), "two hosts"),
        Case::plain(
            &whole("GET https://plain.example.com/ HTTP/1.1\r\nHost: plain.example.com"),
            "another scheme",
        ),
        h2("api.example.com", "npm.example.com", &[], "two hosts"),
        h2("api.example.com", "api.example.com", &[("host", "npm.example.com")], "two hosts"),
        h2("api.example.com", "npm.example.com", &[("host", "api.example.com")], "two hosts"),
        h2("api.example.com", "api.example.com:80", &[], "only port 443"),
        h2("api.example.com", "api.example.com..", &[], "BLOCKED"),
        h2("evil.example.org", "evil.example.org", &[], "no rule names this host"),
    ]);
    stage.refused(&cases);
    // One name in other spellings is one, and the only one that is looked up.
    let spelled = ["api.example.com.", "Api.Example.Com:443"].map(|host| get("api.example.com", host, "/"));
    let told = stage.make(&spelled);
    assert!(told.iter().all(|told| told.codes == [200]), "{told:?}");
    assert!(stage.lookups().iter().all(|name| name == "api.example.com"), "{:?}", stage.lookups());
    assert!(!stage.lookups().is_empty() && stage.world.server.connections() > 0);
}

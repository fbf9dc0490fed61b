//! Two readers of one message.

use crate::attacks::stage::{Case, Stage};
use crate::proxy::world::ALLOWLIST;

const FRAMING: [&str; 29] = [
    "Content-Length: 4\r\nTransfer-Encoding: chunked",
    "Transfer-Encoding: chunked\r\nContent-Length: 0",
    "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
    "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
    "Transfer-Encoding: chunked, chunked",
    "Transfer-Encoding: chunked, identity",
    "Transfer-Encoding: gzip, chunked",
    "Transfer-Encoding: chunked;q=1",
    "Transfer-Encoding: \"chunked\"",
    "Transfer-Encoding:",
    "Transfer-Encoding : chunked",
    "Transfer-Encoding\t: chunked",
    "Transfer-Encoding: chunked\r\n\tx",
    "Transfer-Encoding: chunked\0",
    "\0Transfer-Encoding: chunked",
    "X: y\nTransfer-Encoding: chunked",
    "X: y\rTransfer-Encoding: chunked",
    "X: y\r\n\nTransfer-Encoding: chunked",
    "Content-Length: 4\r\nContent-Length: 0",
    "Content-Length: 0\r\ncontent-length: 4",
    "Content-Length: 4,4",
    "Content-Length: 0x4",
    "Content-Length: -4",
    "Content-Length: 4 4",
    "Content-Length: ",
    "Content-Length: 99999999999999999999",
    "Content-Length: 4e0",
    "Content-Length : 4",
    ": Content-Length",
];

const LINES: [&str; 14] = [
    "POST / HTTP/1.1\nHost: api.example.com\r\n\r\n",
    "POST / HTTP/1.1\rHost: api.example.com\r\n\r\n",
    "POST /\tHTTP/1.1\r\nHost: api.example.com\r\n\r\n",
    "POST / HTTP/1.1\r\n\tHost: api.example.com\r\n\r\n",
    "POST / http/1.1\r\nHost: api.example.com\r\n\r\n",
    "POST / HTTP/1.10\r\nHost: api.example.com\r\n\r\n",
    "POST / HTTP/2\r\nHost: api.example.com\r\n\r\n",
    "POST / HTTP/0.9\r\nHost: api.example.com\r\n\r\n",
    "POST /\r\nHost: api.example.com\r\n\r\n",
    "POST / HTTP/1.1 HTTP/1.1\r\nHost: api.example.com\r\n\r\n",
    "PO\0ST / HTTP/1.1\r\nHost: api.example.com\r\n\r\n",
    "POST: / HTTP/1.1\r\nHost: api.example.com\r\n\r\n",
    "POST / HTTP/1.1\r\nHost api.example.com\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: api.example.com\r\nX(y): z\r\n\r\n",
];

const BODIES: [&str; 16] = [
    "4\r\nabcd\r\n0\r\n\n",
    "4\r\nabcd\n0\r\n\r\n",
    "4\rabcd\r\n0\r\n\r\n",
    "4 \r\nabcd\r\n0\r\n\r\n",
    " 4\r\nabcd\r\n0\r\n\r\n",
    "+4\r\nabcd\r\n0\r\n\r\n",
    "4;\nabcd\r\n0\r\n\r\n",
    "4;x=\"\r\nabcd\r\n0\r\n\r\n",
    "g\r\nabcd\r\n0\r\n\r\n",
    "\r\nabcd\r\n0\r\n\r\n",
    "10000000000000004\r\nabcd\r\n0\r\n\r\n",
    "4\r\nabcde\r\n0\r\n\r\n",
    "0\r\nTransfer-Encoding: chunked\r\n\r\n",
    "0\r\nHost: evil.example.org\r\n\r\n",
    "0\r\nno field\r\n\r\n",
    "0\r\nX: y\r\n folded\r\n\r\n",
];

/// What a reader who takes the message for another would take for a request of its own.
const HIDDEN: &str = "GET /hidden HTTP/1.1\r\nHost: api.example.com\r\n\r\n";

#[test]
fn two_readers_of_one_head_find_none() {
    let stage = Stage::new(ALLOWLIST, Vec::new());
    let start = "POST / HTTP/1.1\r\nHost: api.example.com\r\n";
    let heads = FRAMING.iter().map(|lines| format!("{start}{lines}\r\n\r\n0\r\n\r\n{HIDDEN}"));
    let cases: Vec<Case> = heads
        .chain(LINES.iter().map(|lines| format!("{lines}{HIDDEN}")))
        .map(|send| Case::tls("api.example.com", &send, "not a well-formed HTTP/1.1 message"))
        .collect();
    stage.refused(&cases);
}

#[test]
fn a_body_hides_no_second_request_and_a_kept_connection_no_second_judgement() {
    let stage = Stage::new(ALLOWLIST, Vec::new());
    let seen = |text: &str| stage.world.server.seen().iter().any(|seen| seen.line.contains(text));
    let head = "POST /up HTTP/1.1\r\nHost: api.example.com\r\nTransfer-Encoding: chunked\r\n\r\n";
    let send = |body: &&str| Case::tls("api.example.com", &format!("{head}{body}{HIDDEN}"), "");
    let told = stage.make(&BODIES.iter().map(send).collect::<Vec<_>>());
    for (body, told) in BODIES.iter().zip(told) {
        assert!(!told.codes.contains(&200), "{body:?} was answered {told:?}");
    }
    assert!(!seen("/hidden"));
    let lines = stage.lines_with("/up", BODIES.len());
    assert!(lines.iter().all(|line| !line.contains(" 200 ")), "{lines:#?}");

    let before = stage.lines().len();
    let get = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: git.example.com\r\n\r\n");
    let kept = [
        "/repos/org/repo",
        "/private",
        "/repos/org/repo/x",
        "/private/../repos/org/repo",
        "/repos/org/repo/y",
    ];
    let told = stage.make(&[Case::tls("git.example.com", &kept.map(get).concat(), "")]).remove(0);
    // After what is no request at all, nothing more is read.
    assert_eq!(told.codes, [200, 403, 200, 400], "{told:?}");
    assert!(!seen("/private") && !seen("/repo/y"));
    assert_eq!(stage.lines().len(), before + 4, "{:?}", stage.lines());
}

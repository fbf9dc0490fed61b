use crate::support::mutate::mutations;
use airut::proxy::framing::Framing;

const GOOD: &str = "POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: Chunked\r\n\r\n5\r\nhello\r\nA\r\n0123456789\r\n0\r\nX: y\r\n\r\n\
                    PUT /b HTTP/1.1\r\nHost: x\r\ncontent-length: 4\r\n\r\n\r\n\r\n\
                    GET /c HTTP/1.1\r\nHost: x\r\n\r\n\
                    POST /d HTTP/1.1\r\nContent-Length: 0\r\nHost: x\r\n\r\n";

/// What is handed on when the bytes come in pieces of this length.
fn feed(bytes: &[u8], piece: usize) -> Result<Vec<u8>, &'static str> {
    let (mut framing, mut out) = (Framing::default(), Vec::new());
    for part in bytes.chunks(piece.max(1)) {
        framing.feed(part, &mut out)?;
    }
    Ok(out)
}

#[test]
fn good_messages_pass_unchanged_however_they_are_cut() {
    for piece in [1, 2, 3, 7, 50, 1000] {
        assert_eq!(feed(GOOD.as_bytes(), piece).unwrap(), GOOD.as_bytes(), "{piece}");
    }
}

#[test]
fn nothing_of_a_bad_head_is_handed_on() {
    let head = "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n";
    let (mut framing, mut out) = (Framing::default(), Vec::new());
    assert!(framing.feed(head.as_bytes(), &mut out).is_err());
    assert!(out.is_empty());
}

#[test]
fn a_head_without_end_is_cut_off() {
    let head = format!("GET / HTTP/1.1\r\n{}", "X: yyyyyyyyyyyyyyyyyyyyyy\r\n".repeat(100_000));
    assert_eq!(feed(head.as_bytes(), 4096), Err("a head that is too long"));
    let many = format!("GET / HTTP/1.1\r\n{}\r\n", "X: y\r\n".repeat(101));
    assert_eq!(feed(many.as_bytes(), 4096), Err("too many headers"));
}

#[test]
fn the_verdict_does_not_depend_on_how_the_bytes_are_cut() {
    mutations(GOOD.as_bytes(), 5_000, |raw| {
        let whole = feed(raw, usize::MAX);
        for piece in [1, 5, 33] {
            assert_eq!(feed(raw, piece), whole, "{}", String::from_utf8_lossy(raw));
        }
    });
}

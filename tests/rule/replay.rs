use airut::mail::headers::headers;
use airut::rule::replay::{name, relaxed};

#[test]
fn the_lowest_message_id_is_the_signed_one_and_a_date_stands_in_for_it() {
    let of = |raw: &str| name(&headers(raw.as_bytes()).unwrap());
    assert_eq!(of("Message-ID: <new@x>\r\nMessage-ID:\r\n <old@x> \r\n\r\n").unwrap(), "<old@x>");
    assert_eq!(
        of("Date: Tue, 24 Nov 2026\r\n 11:59:00 +0000\r\n\r\n").unwrap(),
        "Tue,24Nov202611:59:00+0000"
    );
    assert_eq!(of("Subject: x\r\n\r\n"), None);
}

#[test]
fn a_body_is_the_same_whatever_its_blanks() {
    let one = relaxed(b"a  b\t\r\n\r\n c\r\n");
    for same in [&b"a b\r\n\r\n c"[..], b"a\tb\n\n\tc\n\n\n", b"a b \r\n\r\n  c \r\n\r\n"] {
        assert_eq!(relaxed(same), one, "{}", String::from_utf8_lossy(same));
    }
    for other in [&b"ab\r\n\r\n c"[..], b"a b\r\n c", b"a b\r\n\r\nc", b"\r\na b\r\n\r\n c", b"a b c"] {
        assert_ne!(relaxed(other), one, "{}", String::from_utf8_lossy(other));
    }
    assert!(relaxed(b"\r\n \r\n").is_empty() && relaxed(b"").is_empty());
}

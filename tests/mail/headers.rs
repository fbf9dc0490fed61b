use airut::mail::headers::{block, headers};

#[test]
fn fields_are_unfolded_and_found_without_regard_to_case() {
    let headers = headers(b"Subject: a\r\n\tb\r\n  c \r\nX: 1\r\nx: 2\r\n\r\nX: 3\r\n").unwrap();
    assert_eq!(headers.first("SUBJECT"), Some("a\tb  c"));
    assert_eq!(headers.all("x").collect::<Vec<_>>(), ["1", "2"]);
    assert!(headers.broken().is_empty());
}

#[test]
fn the_body_is_what_stands_below_the_empty_line() {
    assert_eq!(block(b"A: b\n\nbody\n").unwrap().1, b"body\n");
    assert_eq!(block(b"A: b\r\n\r\n\r\nbody").unwrap().1, b"\r\nbody");
    assert_eq!(block(b"A: b").unwrap().1, b"");
    assert_eq!(block(b"\nbody").unwrap().1, b"body");
}

#[test]
fn what_is_no_field_is_kept_apart() {
    for raw in [
        "From : x\n",
        "no colon\n",
        " folded\n",
        "a b: c\n",
        "A: b\rC: d\n",
        "\u{e9}: x\n",
        ": x\n",
        "A: b\0\n",
        "From : x\nA: b\n",
    ] {
        assert_eq!(headers(raw.as_bytes()).unwrap().broken().len(), 1, "{raw:?}");
    }
    assert!(headers(b"From you@example.com Mon Jan  5 10:00:00 2026\nA: b\n").unwrap().broken().is_empty());
    assert_eq!(headers(b"A: b\nFrom you@example.com Mon Jan  5 10:00:00 2026\n").unwrap().broken().len(), 1);
}

#[test]
fn bytes_that_are_no_text_are_marked() {
    assert_eq!(headers(b"Subject: caf\xe9\n").unwrap().first("Subject"), Some("caf\u{fffd}"));
}

use airut::mail::decode::{addresses, parameters, text, transfer, words};

#[test]
fn encoded_words_are_decoded_without_blanks_invented_or_dropped() {
    for (raw, decoded) in [
        ("plain", "plain"),
        ("=?utf-8?Q?a_b?=", "a b"),
        ("=?UTF-8?b?w7w=?=", "ü"),
        ("=?utf-8?q?a?= =?utf-8?q?b?=", "ab"),
        ("=?utf-8?q?a?=\t  =?utf-8?q?b?=", "ab"),
        ("=?utf-8?q?a?= b", "a b"),
        ("a =?utf-8?q?b?=", "a b"),
        ("Re: =?utf-8?q?=5BID=3A3fa9c1d2=5D_x?=", "Re: [ID:3fa9c1d2] x"),
        ("=?iso-8859-1?q?caf=E9?=", "café"),
        ("=?x-none?q?a?=", "=?x-none?q?a?="),
        ("=?utf-8?q?broken", "=?utf-8?q?broken"),
        ("a\r\nb", "a  b"),
        ("=?utf-8?q?a=0D=0ABcc:_x?=", "a  Bcc: x"),
    ] {
        assert_eq!(words(raw), decoded, "{raw}");
    }
}

#[test]
fn parameters_are_read_in_all_their_forms() {
    let kind = parameters(
        "Text/PLAIN; Charset=\"UTF-8\"; format=Flowed; DelSp=yes; name*0*=utf-8''%c3%a4; name*1=b.txt",
    );
    assert_eq!((kind.value.as_str(), kind.charset.as_deref()), ("text/plain", Some("UTF-8")));
    assert!(kind.flowed && kind.delsp);
    assert_eq!(kind.name.as_deref(), Some("äb.txt"));
    assert_eq!(parameters("multipart/mixed; boundary=\"a b\"").boundary.as_deref(), Some("a b"));
    assert_eq!(parameters("multipart/mixed; boundary=simple").boundary.as_deref(), Some("simple"));
    assert_eq!(parameters("").value, "");
}

#[test]
fn transfer_encodings_are_undone_as_far_as_they_go() {
    assert_eq!(transfer(b"SGVs\r\nbG8=", "Base64"), b"Hello");
    assert_eq!(transfer(b"SGVsbG8", " base64 "), b"Hello");
    assert_eq!(transfer(b"SGVsbA==SGVsbA==", "base64"), b"HellHell");
    assert_eq!(transfer(b"****", "base64"), b"");
    assert_eq!(transfer(b"a=C3=BC=\r\nb", "quoted-printable"), "aüb".as_bytes());
    assert_eq!(transfer(b"a=ZZb", "quoted-printable"), b"a=ZZb");
    assert_eq!(transfer(b"a=C3", "8bit"), b"a=C3");
}

#[test]
fn text_is_read_by_its_charset_or_as_well_as_can_be() {
    assert_eq!(text(b"caf\xe9", Some("iso-8859-1")), "café");
    assert_eq!(text(b"caf\xe9", Some("utf-8")), "café");
    assert_eq!(text(b"caf\xe9", None), "café");
    assert_eq!(text("café".as_bytes(), None), "café");
    assert_eq!(text("café".as_bytes(), Some("x-none")), "café");
    assert_eq!(text("\u{feff}café".as_bytes(), Some("UTF-8")), "café");
    assert_eq!(text(b"\x93x\x94", Some("windows-1252")), "“x”");
}

#[test]
fn addresses_are_taken_from_lists_of_every_shape() {
    let list = |value: &str| addresses(value).iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
    assert_eq!(list("a@example.com, \"x, <y@z.example>\" <b@example.com>"), "a@example.com b@example.com");
    assert_eq!(
        list("team: a@example.com, B <b@example.com>;, c@example.com"),
        "a@example.com b@example.com c@example.com"
    );
    assert_eq!(list("a@example.com (comment, with (b@example.com) in it)"), "a@example.com");
    assert_eq!(list("undisclosed-recipients:;"), "");
    assert_eq!(list("<<>>@,,;;\"(\\"), "");
    assert_eq!(addresses(&"a@example.com,".repeat(50_000)).len(), 1_000);
}

#[test]
fn long_texts_in_utf_7_are_read_whole_and_in_linear_time() {
    let line = "Gr+APwA3w-e\n";
    let long = text(line.repeat(200_000).as_bytes(), Some("UTF-7"));
    assert_eq!((long.lines().count(), long.lines().last()), (200_000, Some("Grüße")));
    assert!(!text("+AGE-".repeat(400_000).as_bytes(), Some("utf-7")).is_empty(), "one line");
}

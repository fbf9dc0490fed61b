//! What comes as a block of its own: rich text, signed and sealed messages, invitations.

use crate::support::mutate::mutations;
use airut::mail::{calendar, pgp, pkcs7, rtf, tables, tnef};

/// The examples of [MS-OXRTFCP] sections 3.1 and 3.2.
const PACKED: [(&[u8], &str); 2] = [
    (
        b"\x2d\0\0\0\x2b\0\0\0LZFu\xf1\xc5\xc7\xa7\x03\0\x0a\0rcpg125B2\x0a\xf3 hel\x09\0 bw\x05\xb0ld}\x0a\x80\x0f\xa0",
        "{\\rtf1\\ansi\\ansicpg1252\\pard hello world}\r\n",
    ),
    (
        b"\x1a\0\0\0\x1c\0\0\0LZFu\xe2\xd4\x4b\x51\x41\0\x04 WXYZ\x0dn}\x01\x0e\xb0",
        "{\\rtf1 WXYZWXYZWXYZWXYZWXYZ}",
    ),
];

#[test]
fn packed_rich_text_is_unpacked_as_its_specification_shows() {
    for (packed, plain) in PACKED {
        let unpacked = rtf::decompressed(packed).unwrap();
        assert_eq!(String::from_utf8(unpacked.clone()).unwrap(), plain);
        assert!(!rtf::text(&unpacked).contains(['{', '\\']));
    }
    assert_eq!(rtf::text(&rtf::decompressed(PACKED[0].0).unwrap()), "hello world");
    assert_eq!(rtf::decompressed(b"short"), None);
}

#[test]
fn rich_text_shows_its_words_and_lines() {
    for (source, shown) in [
        (r"{\rtf1\ansi{\fonttbl{\f0 Arial;}}\f0 a\par b\tab c}", "a\nb\tc"),
        (r"{\rtf1 gr\'fc\'dfe \u8364?\u-10179?x}", "grüße €\u{fffd}x"),
        (r"{\rtf1{\*\generator Word}\{a\\b\}}", r"{a\b}"),
        (r"{\rtf1\fromhtml1{\*\htmltag84 <b>}\htmlrtf\b\htmlrtf0 bold}", "bold"),
        (r"{\rtf1\bin4 xx}}kept}", "kept"),
        ("no rich text", "no rich text"),
    ] {
        assert_eq!(rtf::text(source.as_bytes()), shown, "{source}");
    }
}

#[test]
fn a_framed_text_loses_its_frame_and_nothing_else() {
    let signed = "before\n-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\n- -- \n- - item\nFrom\n-----BEGIN PGP SIGNATURE-----\n\nx\n-----END PGP SIGNATURE-----\nafter\n";
    assert_eq!(pgp::unframed(signed), ("before\n-- \n- item\nFrom\nafter\n".into(), false));
    let sealed = "-----BEGIN PGP MESSAGE-----\n\nhQ\n-----END PGP MESSAGE-----\nafter";
    assert_eq!(pgp::unframed(sealed), ("after\n".into(), true));
    assert_eq!(pgp::unframed("-----BEGIN PGP MESSAGE-----\nhQ"), ("".into(), true));
    let told = "I wrote \"-----BEGIN PGP MESSAGE-----\" there.\n";
    assert_eq!(pgp::unframed(told), (told.into(), false));
}

#[test]
fn no_damage_to_a_block_ends_in_a_panic() {
    let signed = b"0\x80\x06\x09*\x86H\x86\xf7\r\x01\x07\x02\xa0\x800\x80\x02\x01\x011\x0f0\r\x06\x09`\x86H\x01e\x03\x04\x02\x01\x05\x000\x80\x06\x09*\x86H\x86\xf7\r\x01\x07\x01\xa0\x80$\x80\x04\x03a:b\x04\x02\n\n\0\0\0\0\0\0\0\0\0\0\0\0";
    assert_eq!(pkcs7::open(signed), pkcs7::Opened::Signed(b"a:b\n\n".to_vec()));
    let attribute = |level: u8, number: u16, data: &[u8]| {
        let length = u32::try_from(data.len()).unwrap();
        let mut out = vec![level];
        out.extend(number.to_le_bytes());
        out.extend([0, 0]);
        out.extend(length.to_le_bytes());
        out.extend(data);
        out.extend([0, 0]);
        out
    };
    let mut winmail = b"\x78\x9f\x3e\x22\x01\0".to_vec();
    winmail.extend(attribute(1, 0x9003, b"\x01\0\0\0\x1e\0\0\x10\x01\0\0\0\x03\0\0\0hi\0\0"));
    winmail.extend(attribute(2, 0x9002, b"\0"));
    winmail.extend(attribute(2, 0x8010, b"a.txt\0"));
    winmail.extend(attribute(2, 0x800f, b"data"));
    let read = tnef::read(&winmail);
    assert_eq!((read.text.as_deref(), read.files.len()), (Some("hi"), 1));
    assert_eq!(read.files[0].name.as_deref(), Some("a.txt"));
    for good in [&signed[..], &winmail, PACKED[0].0, br"{\rtf1\u8364?\'fc{\*\x}\bin9 }"] {
        mutations(good, 2_000, |bytes| {
            let _ = (pkcs7::open(bytes), tnef::read(bytes), rtf::decompressed(bytes), rtf::text(bytes));
        });
    }
    let nested = [b"0\x80".repeat(50_000), b"$\x80".repeat(50_000), b"{".repeat(100_000)];
    for bytes in nested {
        let _ = (pkcs7::open(&bytes), rtf::text(&bytes));
        let within = [&signed[..60], &bytes].concat();
        let _ = pkcs7::open(&within);
    }
}

#[test]
fn a_calendar_is_told_event_by_event() {
    let one = |lines: &str| {
        format!(
            "BEGIN:VCALENDAR\r\nMETHOD:REQUEST\r\nBEGIN:VEVENT\r\n{lines}\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
        )
    };
    let told = |lines: &str| calendar::summaries(&one(lines)).join("\n");
    assert_eq!(
        told("SUMMARY:A\\, b\\n c\r\nDTSTART;TZID=\"Europe/Berlin\":20260112T100000"),
        "invitation to \"A, b c\", 2026-01-12 10:00 Europe/Berlin"
    );
    assert_eq!(told("SUMMARY:fol\r\n ded"), "invitation to \"folded\"");
    assert_eq!(told("DTSTART:whenever"), "invitation to \"(no title)\", whenever");
    assert_eq!(told("SUMMARY:"), "");
    let invited = "ATTENDEE:mailto:a@example.com\r\n".repeat(12) + "SUMMARY:x";
    assert!(told(&invited).ends_with("a@example.com and 2 more"), "{}", told(&invited));
    assert_eq!(calendar::summaries(&one("SUMMARY:x").repeat(20)).len(), 5);
    assert!(calendar::summaries(&"BEGIN:VEVENT\n".repeat(10_000)).is_empty());
}

#[test]
fn tables_of_data_are_told_from_those_that_lay_out() {
    use tables::Kind::{Data, Layout};
    let row = "<tr><td>a<td>b";
    for (html, kinds) in [
        (format!("<table>{row}{row}</table>"), vec![Data]),
        (format!("<table>{row}</table>"), vec![Layout]),
        (format!("<table role=presentation>{row}{row}</table>"), vec![Layout]),
        (format!("<table><tr><td><table>{row}{row}</table>{row}</table>"), vec![Layout, Data]),
        (format!("<table>{row}{row}<tr><td><ul><li>x</ul></table>"), vec![Layout]),
        ("</table><table>".to_owned(), vec![Layout]),
    ] {
        assert_eq!(tables::kinds(&html), kinds, "{html}");
    }
}

//! Files that stand in a text.

use crate::support::mutate::mutations;
use airut::mail::decode::transfer;
use airut::mail::parse::read;
use airut::mail::uu::{only, taken_out};

/// What is left of a text, and the files that were in it.
fn taken(text: &str) -> (String, Vec<(String, Vec<u8>)>) {
    let mut files = Vec::new();
    let left = taken_out(text, |name, bytes| files.push((name.to_owned(), bytes))).into_owned();
    (left, files)
}

/// "Cat", as an encoder writes it.
const CAT: &str = "begin 644 cat.txt\n#0V%T\n`\nend\n";

#[test]
fn a_file_is_taken_out_of_the_text_around_it() {
    for (text, left, name, bytes) in [
        (CAT.to_owned(), "", "cat.txt", &b"Cat"[..]),
        (format!("above\n{CAT}below\n"), "above\nbelow\n", "cat.txt", b"Cat"),
        ("begin 0666 a b.txt\n#0V%T\n \nend".to_owned(), "", "a b.txt", b"Cat"),
        ("begin 100644 \"c\"  \n#0V%T\nend \nx".to_owned(), "x", "c", b"Cat"),
        // Only the letters that are needed, one more, and blanks that got lost.
        ("begin 644 x\n!0P\n\nend\n".to_owned(), "", "x", b"C"),
        ("begin 644 x\n#0V%TX\n`\nend\n".to_owned(), "", "x", b"Cat"),
        ("begin 644 x\n%0V%T\n`\nend\n".to_owned(), "", "x", b"Cat\0\0"),
    ] {
        assert_eq!(taken(&text), (left.to_owned(), vec![(name.to_owned(), bytes.to_vec())]), "{text}");
    }
    let (left, files) = taken(&format!("1\n{CAT}2\n{CAT}{CAT}3"));
    assert_eq!((left.as_str(), files.len()), ("1\n2\n3", 3));
}

#[test]
fn what_only_looks_like_a_file_stays_as_it_is() {
    for text in [
        "begin 644 cat.txt\n#0V%T\n`\n",
        "begin 644 cat.txt\nend\n",
        "begin 644 cat.txt\n`\nend\n",
        "begin 644 cat.txt\nno line of it\n`\nend\n",
        "begin 644 cat.txt\n#0V%T0V%T\n`\nend\n",
        "begin 888 cat.txt\n#0V%T\n`\nend\n",
        "begin 644\n#0V%T\n`\nend\n",
        "> begin 644 cat.txt\n> #0V%T\n> `\n> end\n",
        " begin 644 cat.txt\n #0V%T\n `\n end\n",
        "begin 644 cat.txt\n> #0V%T\n> `\n> end\n",
        // Forty-five bytes a line out of nothing.
        "begin 644 zeros\nM\nM\nM\nM\nM\nM\nM\n`\nend\n",
    ] {
        assert_eq!(taken(text), (text.to_owned(), Vec::new()));
    }
    let (left, files) = taken(&format!("begin 644 first\n#0V%T\n{CAT}"));
    assert_eq!((left.as_str(), files.len()), ("begin 644 first\n#0V%T\n", 1));
}

#[test]
fn a_part_in_this_encoding_is_decoded_as_far_as_it_came() {
    assert_eq!(transfer(CAT.as_bytes(), " X-UUEncode "), b"Cat");
    assert_eq!(transfer(b"preamble \xff\r\nbegin 644 x\r\n#0V%T\r\n", "uuencode"), b"Cat");
    assert_eq!(transfer(b"none", "x-uuencode"), b"none");
    assert_eq!(only(CAT.as_bytes()), Some(("cat.txt".to_owned(), b"Cat".to_vec())));
}

#[test]
fn such_files_are_attachments_like_others() {
    let many = format!("Subject: x\n\n{}", CAT.replace("cat.txt", "../../.cat.txt").repeat(150));
    let mail = read(many.as_bytes()).unwrap();
    let names: Vec<&str> = mail.attachments.iter().map(|file| file.name.as_str()).collect();
    assert_eq!((names.len(), names[0], names[1]), (100, "cat.txt", "cat-2.txt"));
    assert_eq!((mail.left_out.names.len(), mail.left_out.more), (20, 30));
    assert_eq!((mail.request.as_str(), mail.cut), ("", false));
    // A large one takes no room from the text.
    let line = "M8V%T8V%T8V%T8V%T8V%T8V%T8V%T8V%T8V%T8V%T8V%T8V%T8V%T8V%T8V%T\n";
    let large = format!("Subject: x\n\nLook.\n\nbegin 644 x\n{}`\nend\nBelow.", line.repeat(20_000));
    let mail = read(large.as_bytes()).unwrap();
    assert_eq!((mail.attachments[0].bytes.len(), mail.cut), (900_000, false));
    assert_eq!(mail.request, "Look.\n\nBelow.");
    // Within the frame of what was signed, where a dash begins no line.
    let signed = "Subject: x\n\n-----BEGIN PGP SIGNED MESSAGE-----\n\nLook.\nbegin 644 x\n- -8V%T8V%T8V%T8V%T8\n`\nend\n-----BEGIN PGP SIGNATURE-----\n";
    let mail = read(signed.as_bytes()).unwrap();
    assert_eq!((mail.request.as_str(), mail.attachments[0].bytes.len()), ("Look.", 13));
}

#[test]
fn no_damage_to_such_a_file_ends_in_a_panic() {
    mutations(format!("a\n{CAT}b\n{CAT}").as_bytes(), 2_000, |bytes| {
        let text = String::from_utf8_lossy(bytes);
        let (left, files) = taken(&text);
        let held: usize = files.iter().map(|(_, bytes)| bytes.len()).sum();
        assert!(left.len() + held <= 2 * text.len(), "{text:?}");
        let _ = only(bytes);
    });
    for one in ["begin 644 x\n", "begin 644 x\n#0V%T\n", "M\n", "\n", "begin 644 x\nM\nend\n"] {
        let _ = taken(&format!("begin 644 x\n{}", one.repeat(1_000_000 / one.len())));
    }
}

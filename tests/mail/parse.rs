use crate::support::mutate::mutations;
use airut::mail::parse::{Mail, read};
use std::fs;
use std::path::{Path, PathBuf};

fn corpus() -> Vec<PathBuf> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/mail");
    let mut mails: Vec<PathBuf> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "eml"))
        .collect();
    mails.sort();
    mails
}

/// What the `.txt` beside a mail says of it.
fn shown(mail: &Mail) -> String {
    let mut text = format!("subject: {}\n", mail.subject);
    for file in &mail.attachments {
        text += &format!("attached: {} ({}, {} bytes)\n", file.name, file.content_type, file.bytes.len());
    }
    for event in &mail.events {
        text += &format!("event: {event}\n");
    }
    for (what, is_so) in
        [("sealed", mail.is_sealed()), ("encrypted in part", mail.encrypted && !mail.is_sealed())]
    {
        text += &if is_so { format!("{what}\n") } else { String::new() };
    }
    text += "\n";
    if !mail.request.is_empty() {
        text += &format!("{}\n", mail.request);
    }
    text
}

#[test]
fn each_mail_of_the_corpus_is_read_as_it_was_meant() {
    let mut wrong = Vec::new();
    for path in corpus() {
        let raw = fs::read(&path).unwrap();
        let expected = fs::read_to_string(path.with_extension("txt")).unwrap();
        let got = shown(&read(&raw).unwrap());
        if got != expected {
            wrong.push(format!("== {}\n-- wanted\n{expected}-- got\n{got}", path.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn line_ends_make_no_difference() {
    for path in corpus() {
        // Some have CR LF already.
        let raw: Vec<u8> = fs::read(&path).unwrap().into_iter().filter(|&b| b != b'\r').collect();
        let lf = read(&raw).unwrap();
        let crlf: Vec<u8> =
            raw.iter().flat_map(|&b| if b == b'\n' { vec![b'\r', b'\n'] } else { vec![b] }).collect();
        let crlf = read(&crlf).unwrap();
        assert_eq!((&lf.subject, &lf.request), (&crlf.subject, &crlf.request), "{}", path.display());
    }
}

#[test]
fn no_damage_to_a_mail_ends_in_a_panic() {
    for path in corpus() {
        mutations(&fs::read(&path).unwrap(), 60, |raw| {
            if let Ok(mail) = read(raw) {
                for file in &mail.attachments {
                    assert!(
                        !file.name.is_empty() && !file.name.contains(['/', '\\', '\0']),
                        "{:?}",
                        file.name
                    );
                    assert!(!file.name.starts_with(['.', '-']) && file.name.len() <= 120, "{:?}", file.name);
                }
                assert!(mail.request.len() <= 512 << 10);
            }
        });
    }
}

#[test]
fn who_and_what_a_mail_answers_is_read() {
    let mail = read(
        b"From: =?utf-8?Q?J=C3=BCrgen?= <You@Example.com>\r\n\
          To: \"Doe, Bob\" <bob@example.org>, Airut <airut+opus@example.com> (x), group: a@example.com;\r\n\
          Cc: broken@, carol@example.net\r\nDelivered-To: airut+opus@example.com\r\nX-Original-To: x@example.com\r\n\
          Message-ID: <m1@example.com>\r\nIn-Reply-To: \"something\" <r1@example.com>\r\n\
          References: <r0@example.com>\r\n\t<r1@example.com> junk <no id>\r\n\
          Date: Mon, 5 Jan 2026 10:00:00 +0100 (CET)\r\nSubject: a\r\n =?utf-8?q?b?=\r\n\r\nx",
    )
    .unwrap();
    let list = |addresses: &[airut::base::address::Address]| {
        addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(mail.from.as_ref().unwrap().to_string(), "you@example.com");
    assert_eq!(mail.from_name.as_deref(), Some("Jürgen"));
    assert_eq!(list(&mail.to), "bob@example.org airut+opus@example.com a@example.com");
    assert_eq!(list(&mail.cc), "carol@example.net");
    assert_eq!(list(&mail.delivered_to), "airut+opus@example.com x@example.com");
    assert_eq!(mail.message_id.as_deref(), Some("<m1@example.com>"));
    assert_eq!(mail.in_reply_to.as_deref(), Some("<r1@example.com>"));
    assert_eq!(mail.references, ["<r0@example.com>", "<r1@example.com>"]);
    assert_eq!(mail.date.unwrap().to_string(), "2026-01-05T09:00:00Z");
    assert_eq!(mail.subject, "a b");
}

#[test]
fn a_date_that_is_none_is_no_date() {
    for date in ["garbage", "", "31 Feb 2026 25:61:00 +0000", "Mon, 5 Jan 99999 10:00:00 +0000"] {
        assert_eq!(read(format!("Date: {date}\n\nx").as_bytes()).unwrap().date, None, "{date}");
    }
}

#[test]
fn nothing_at_all_is_an_error() {
    assert!(read(b"").is_err());
    assert!(read(b"\r\n\r\n").is_err());
}

#[test]
fn what_was_quoted_is_still_there_in_full() {
    let mail =
        read(b"Subject: x\n\nYes.\n\nOn Mon, Jan 5, 2026 at 9:12 AM A <a@example.com> wrote:\n> Shall I?\n")
            .unwrap();
    assert_eq!(mail.request, "Yes.");
    assert!(mail.full_text.contains("> Shall I?"));
}

#[test]
fn attacks_by_size_and_depth_are_cut_off() {
    let nested: String =
        (0..5_000).map(|n| format!("Content-Type: multipart/mixed; boundary=b{n}\n\n--b{n}\n")).collect();
    read(nested.as_bytes()).unwrap();
    let wide = format!(
        "Content-Type: multipart/mixed; boundary=b\n\n{}",
        "--b\nContent-Type: image/png\n\nx\n".repeat(100_000)
    );
    let mail = read(wide.as_bytes()).unwrap();
    let left_out = &mail.left_out;
    assert_eq!((mail.attachments.len(), left_out.names.len(), left_out.more), (100, 20, 99_880));
    assert_eq!(left_out.names[0], "image.png");
    let words = "=?utf-8?q?a?= ".repeat(8_000);
    read(format!("Subject: {words}\n\nx").as_bytes()).unwrap();
    let part = format!(
        "Content-Type: multipart/mixed; boundary=b\n\n{}",
        format!("--b\nContent-Type: x/y; name=\"{words}\"\n\nx\n").repeat(10)
    );
    assert_eq!(read(part.as_bytes()).unwrap().attachments.len(), 10);
    let long = format!("Subject: x\n\n{}", "a line of text\n".repeat(100_000));
    assert!(read(long.as_bytes()).unwrap().request.len() <= 512 << 10);
    for one in
        ["On 1 a@b 10:00 wrote:\n", "From: x\n", ">", "> \n", ">:\n", "\n", "-- \n", ":\n", "_\n", "a \n"]
    {
        for kind in ["text/plain", "text/plain; format=flowed", "text/html"] {
            read(format!("Content-Type: {kind}\n\n{}", one.repeat(300_000 / one.len())).as_bytes()).unwrap();
        }
    }
}

use airut::mail::compose::{
    Attachment, Letter, ack_message_id, compose, footer, message_id, recipients, references,
};
use airut::mail::mime;
use airut::mail::parse::read;
use airut::rule::route::own_ids;

fn letter() -> Letter {
    Letter {
        from: "Airut <airut@example.com>".to_owned().try_into().unwrap(),
        to: vec!["you@example.com".parse().unwrap()],
        cc: vec![],
        subject: "Re: [ID:3fa9c1d2] Größe".to_owned(),
        message_id: message_id(&"3fa9c1d2.1".parse().unwrap(), "abcd", "example.com"),
        in_reply_to: Some("<m2@example.com>".to_owned()),
        references: vec!["<m1@example.com>".to_owned(), "<m2@example.com>".to_owned()],
        date: "2026-01-05T09:00:00Z".parse().unwrap(),
        notices: vec!["A word first.".to_owned()],
        markdown: "# Done\n\nSee **this**: ü.\n".to_owned(),
        footer: footer(&["$0.12".to_owned(), "3 turns".to_owned()]),
        attachments: vec![],
    }
}

#[test]
fn a_letter_is_read_back_as_it_was_meant() {
    let mut letter = letter();
    let bytes: Vec<u8> = (0..=255).chain(*b"\n\r\r\n").collect();
    letter.attachments.push(Attachment::file("Übersicht 1.png".to_owned(), bytes.clone()));
    letter.attachments.push(Attachment::file("notes.md".to_owned(), b"a\nb\n".to_vec()));
    letter.attachments.push(Attachment::file("mail.eml".to_owned(), b"From: x\n\ny".to_vec()));
    let raw = compose(&letter).unwrap();
    let mail = read(&raw).unwrap();
    assert_eq!(mail.from.unwrap().to_string(), "airut@example.com");
    assert_eq!(mail.from_name.as_deref(), Some("Airut"));
    assert_eq!(mail.to[0].to_string(), "you@example.com");
    assert_eq!(mail.subject, "Re: [ID:3fa9c1d2] Größe");
    assert_eq!(mail.message_id.as_deref(), Some("<airut.3fa9c1d2.1.abcd@example.com>"));
    assert_eq!(mail.in_reply_to.as_deref(), Some("<m2@example.com>"));
    assert_eq!(mail.references, ["<m1@example.com>", "<m2@example.com>"]);
    assert_eq!(mail.date.unwrap().to_string(), "2026-01-05T09:00:00Z");
    assert_eq!(mail.request, "A word first.\n\n* * *\n\nDone\n====\n\nSee *this*: ü.");
    assert!(mail.full_text.ends_with("$0.12 · 3 turns"), "{}", mail.full_text);
    let files: Vec<_> = mail
        .attachments
        .iter()
        .map(|file| (file.name.as_str(), file.content_type.as_str(), file.bytes.len()))
        .collect();
    assert_eq!(
        files,
        [
            ("Übersicht 1.png", "image/png", 260),
            ("notes.md", "text/markdown", 4),
            ("mail.eml", "application/octet-stream", 10)
        ]
    );
    assert_eq!(mail.attachments[0].bytes, bytes);
    let text = String::from_utf8(raw).unwrap();
    assert!(text.contains("Auto-Submitted: auto-replied\r\n"));
    assert!(text.lines().all(|line| line.len() <= 998));
}

#[test]
fn both_forms_of_the_text_are_there() {
    let raw = compose(&letter()).unwrap();
    let whole = mime::message(&raw);
    assert_eq!(whole.kind.value, "multipart/alternative");
    let kinds: Vec<&str> = whole.parts.iter().map(|part| part.kind.value.as_str()).collect();
    assert_eq!(kinds, ["text/plain", "text/html"]);
    assert!(
        whole.parts[1].text().contains(">Done</h1>") && whole.parts[1].text().contains("$0.12 · 3 turns</p>")
    );
}

#[test]
fn nothing_that_was_mailed_or_printed_can_make_a_header() {
    let mut letter = letter();
    letter.subject = "a\r\nBcc: evil@example.org\r\n\r\nbody".to_owned();
    letter.in_reply_to = Some("<a@b>\r\nBcc: evil@example.org".to_owned());
    letter.references = vec!["<a@b>\nBcc: evil@example.org".to_owned(), "<ok@example.com>".to_owned()];
    letter.from.name = Some("x\r\nBcc: evil@example.org".to_owned());
    letter.footer = Some("<script>\r\nBcc: x".to_owned());
    letter.attachments.push(Attachment::file("a\"\r\nBcc: evil.txt".to_owned(), vec![]));
    let raw = compose(&letter).unwrap();
    let headers = airut::mail::headers::headers(&raw).unwrap();
    assert!(headers.first("Bcc").is_none() && headers.broken().is_empty());
    assert_eq!(headers.first("References"), Some("<ok@example.com>"));
    assert!(headers.first("In-Reply-To").is_none());
    for part in &mime::message(&raw).parts {
        assert!(part.headers.first("Bcc").is_none() && part.headers.broken().is_empty());
    }
    assert!(!mime::message(&raw).parts[0].parts[1].text().contains("<script>"));
}

#[test]
fn it_goes_to_those_whom_its_headers_name() {
    let mut letter = letter();
    letter.cc = vec!["two@example.com".parse().unwrap()];
    letter.to.extend((0..30).map(|n| format!("someone-with-a-long-name-{n}@example.com").parse().unwrap()));
    letter.to.push("o'brien+x@sub.example.com".parse().unwrap());
    let wanted: Vec<_> = letter.to.iter().chain(&letter.cc).cloned().collect();
    assert_eq!(recipients(&compose(&letter).unwrap()), wanted);
}

#[test]
fn every_line_is_short_and_nothing_is_lost_whatever_the_text() {
    for line in ["x".repeat(5000), "ä".repeat(5000), "表".repeat(5000), "= ".repeat(5000), ".\n".repeat(500)]
    {
        let mut letter = letter();
        letter.markdown = format!("```\n{}\n```", line.trim());
        letter.references = (0..40).map(|n| format!("<{}{n}@example.com>", "r".repeat(400))).collect();
        letter.subject = format!("Re: {}", "größe ".repeat(60));
        let raw = compose(&letter).unwrap();
        let long = |limit: usize| raw.split(|byte| *byte == b'\n').find(|line| line.len() > limit);
        assert!(long(450).is_none(), "{:?}", long(450).map(String::from_utf8_lossy));
        let body = raw.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
        assert!(raw[body..].split(|byte| *byte == b'\n').all(|line| line.len() <= 78));
        let mail = read(&raw).unwrap();
        let kept = mail.request.lines().map(str::trim).collect::<Vec<_>>().join("\n");
        assert!(kept.contains(line.trim()), "{}", &line[..6]);
    }
}

#[test]
fn a_megabyte_of_anything_takes_a_moment_only() {
    for one in
        ["word ", "x", "\n", "> ", "- a\n", "|a|b|\n", "\u{202e}", "&#27;", "![a](b.png)", "https://a.b "]
    {
        let mut letter = letter();
        letter.markdown = one.repeat((1 << 20) / one.len());
        letter.attachments.push(Attachment::file("b.png".to_owned(), vec![0; 10]));
        let raw = compose(&letter).unwrap();
        assert!(raw.len() < 12 << 20, "{one:?}: {}", raw.len());
    }
}

#[test]
fn a_message_id_names_its_session() {
    let task = "3fa9c1d2.12".parse().unwrap();
    for id in [message_id(&task, "n0nce", "example.com"), ack_message_id(&task, "n0nce", "example.com")] {
        assert_eq!(own_ids(&id, "example.com")[0].as_str(), "3fa9c1d2", "{id}");
    }
    assert_ne!(message_id(&task, "n", "example.com"), ack_message_id(&task, "n", "example.com"));
}

#[test]
fn references_keep_the_first_and_the_newest() {
    let many: Vec<String> = (0..50).map(|n| format!("<m{n}@example.com>")).collect();
    let kept = references(&many, Some("<last@example.com>"));
    assert_eq!(kept.len(), 20);
    assert_eq!(
        (kept[0].as_str(), kept[1].as_str(), kept[19].as_str()),
        ("<m0@example.com>", "<m32@example.com>", "<last@example.com>")
    );
    assert_eq!(
        references(&["<a@b>".to_owned(), "junk".to_owned(), "<a@b>".to_owned()], Some("<a@b>")),
        ["<a@b>"]
    );
}

#[test]
fn an_answer_too_long_for_a_mail_is_attached_whole() {
    let mut letter = letter();
    letter.markdown = "wörter und wörter\n".repeat(30_000);
    let mail = read(&compose(&letter).unwrap()).unwrap();
    assert_eq!(mail.attachments[0].name, "answer.md");
    assert_eq!(mail.attachments[0].bytes, letter.markdown.trim().as_bytes());
    assert!(mail.request.contains("attached as answer.md"));
}

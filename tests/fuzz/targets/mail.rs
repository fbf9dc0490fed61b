//! What comes by mail: a message up to its prompt, who wrote it, HTML as text, and the blocks that hold others.

use airut::base::limits;
use airut::format::headers::{Header, Headers};
use airut::mail::parse::{Mail, read};
use airut::mail::prompt::{Msg, PromptInput, prompt};
use airut::mail::{calendar, headers, html, names, pgp, pictures, pkcs7, rtf, tnef, uu};
use airut::rule::authenticate::authenticate;
use airut::rule::stamp::Stamp;
use airut::rule::{authres, sender};
use jiff::Timestamp;

/// A message, up to the prompt.
pub fn message(data: &[u8]) {
    let Ok(mail) = read(data) else { return };
    let mut names: Vec<&str> = mail.attachments.iter().map(|file| file.name.as_str()).collect();
    for name in &names {
        assert!(!name.is_empty() && name.len() <= limits::FILE_NAME_BYTES, "{name:?}");
        assert!(!name.contains(['/', '\\', '\0', '\n']) && !name.starts_with(['.', '-']), "{name:?}");
    }
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert!(names.len() == count && count <= limits::ATTACHMENT_COUNT, "two files of one name, or too many");
    let kept: usize = mail.attachments.iter().map(|file| file.bytes.len()).sum();
    assert!(kept <= 2 * data.len() + 4096, "{kept} bytes out of {}", data.len());
    for text in [&mail.request, &mail.full_text] {
        assert!(text.len() <= limits::REQUEST_BYTES && text.trim() == text);
        assert!(!text.chars().any(|c| c.is_control() && c != '\n' && c != '\t'), "{text:?}");
    }
    for line in mail.events.iter().chain([&mail.subject]) {
        assert!(!line.contains(char::is_control), "{line:?}");
    }
    assert!(mail.left_out.names.len() <= limits::LEFT_OUT_NAMES);
    shown(&mail);
}

fn shown(mail: &Mail) {
    let (from, address) = ("a@example.com".parse().expect("one"), "airut@example.com".parse().expect("one"));
    let attachments: Vec<String> = mail.attachments.iter().map(|file| file.name.clone()).collect();
    let message = Msg {
        from: &from,
        date: Timestamp::UNIX_EPOCH,
        text: &mail.request,
        attachments: &attachments,
        mail,
    };
    let input = PromptInput { repo: "r", address: &address, first: true, messages: &[message], notes: &[] };
    let text = prompt(&input);
    assert!(text.contains(mail.request.trim()) && !text.contains('\0'));
}

/// An `Authentication-Results` value: comments, quoted strings and other methods' values vouch for nobody.
pub fn results(data: &[u8]) {
    let value = String::from_utf8_lossy(data);
    let inert = |c: &char| !matches!(c, '(' | ')' | '"' | '\\') && !c.is_control();
    let inert: String = value.chars().filter(inert).collect();
    for hidden in [
        format!("mx.example.com; none ({inert})"),
        format!("mx.example.com; spf=pass reason=\"{inert}\""),
        format!("mx.example.com; spf=pass (({inert})) smtp.mailfrom=a@example.com"),
        format!("other.example.com; {inert}"),
    ] {
        assert!(!is_authentic(&hidden), "{hidden:?}");
    }
    if is_authentic(&value) {
        let parsed = authres::parse(&value).expect("what vouches can be read");
        let dmarc: Vec<_> = parsed.results.iter().filter(|result| result.method == "dmarc").collect();
        assert!(dmarc.len() == 1 && dmarc[0].result == "pass", "{value:?}");
        assert!(parsed.authserv_id.eq_ignore_ascii_case("mx.example.com"), "{value:?}");
    }
}

fn is_authentic(results: &str) -> bool {
    let field = |name: &str, value: &str| Header { name: name.to_owned(), value: value.to_owned() };
    let fields = vec![field("Authentication-Results", results), field("From", "you@example.com")];
    let found = authenticate(&Headers::new(fields, Vec::new()), &Stamp::named("mx.example.com"));
    found.findings.iter().all(|finding| finding.check.passed == airut::format::verdict::Passed::Passed)
}

/// A `From` value: one address or none, and the one that is shown is the one that was read.
pub fn from(data: &[u8]) {
    let value = String::from_utf8_lossy(data);
    if let Ok(found) = sender::sender(&value) {
        let shown = found.address.to_string();
        assert!(
            !shown.contains(|c: char| c.is_control() || c.is_whitespace() || "<>(),;".contains(c)),
            "{shown:?}"
        );
        let again = sender::sender(&format!("<{shown}>")).expect("what was read can be read");
        assert_eq!(again.address, found.address, "{value:?}");
        let lower = value.to_lowercase().replace(char::is_whitespace, "");
        let domain = found.address.domain().to_owned();
        assert!(lower.contains(&domain) || !lower.is_ascii(), "{value:?} names no {domain}");
    }
    // As it stands in a message.
    let raw = [b"From: ", data, b"\r\nSubject: x\r\n\r\nx"].concat();
    if let Ok(headers) = headers::headers(&raw) {
        assert!(headers.all("From").count() <= data.len() + 1);
    }
}

/// HTML as text.
pub fn markup(data: &[u8]) {
    let source = String::from_utf8_lossy(data);
    let (bare, kept) = (html::read(&source, false), html::read(&source, true));
    for text in [&bare.request, &bare.full_text, &kept.request] {
        assert!(!text.contains(['\u{e000}', '\u{e001}', '\u{e002}', '\u{e003}']), "{text:?}");
        assert!(text.len() <= 40 * data.len() + 1000, "{} bytes out of {}", text.len(), data.len());
    }
    let mut held = 0;
    let left = pictures::taken_out(&source, |picture| {
        assert!(names::clean(&picture.name).as_ref() == Some(&picture.name), "{:?}", picture.name);
        held += picture.bytes.len();
        picture.name
    });
    assert!(left.len() <= source.len() && held <= source.len(), "{} and {held} bytes", left.len());
}

/// Blocks that hold others, or text.
pub fn blocks(data: &[u8]) {
    if let pkcs7::Opened::Signed(content) = pkcs7::open(data) {
        assert!(!content.is_empty() && content.len() < data.len());
    }
    let read = tnef::read(data);
    let held: usize = read.files.iter().map(|file| file.bytes.len()).sum();
    assert!(held <= data.len() && read.files.len() <= limits::ATTACHMENT_COUNT);
    let unpacked = rtf::decompressed(data).unwrap_or_default();
    assert!(unpacked.len() <= 10 * data.len());
    assert!(rtf::text(data).len() <= 4 * data.len() && rtf::text(&unpacked).len() <= 4 * unpacked.len());
    let text = String::from_utf8_lossy(data);
    assert!(calendar::summaries(&text).len() <= 5);
    let (unframed, _) = pgp::unframed(&text);
    assert!(unframed.len() <= text.len() + 1);
    let mut held = 0;
    let left = uu::taken_out(&text, |_, bytes| held += bytes.len());
    assert!(left.len() + held <= 2 * text.len(), "{} and {held} bytes", left.len());
}

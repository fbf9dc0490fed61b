//! Mails as people, robots and attackers write them, each with its token: `X-Soak` says it to the soak, a line of the
//! text to the agent.

use crate::support::letter::Letter;

/// What is to become of a mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expect {
    Answer,
    Refusal,
    /// It depends on what the mail server makes of it.
    Either,
}

pub struct Poison {
    pub name: &'static str,
    pub expect: Expect,
    /// What comes behind `From`, `To` and `X-Soak`: further headers, the body.
    rest: fn(&str) -> Vec<u8>,
}

const fn poison(name: &'static str, expect: Expect, rest: fn(&str) -> Vec<u8>) -> Poison {
    Poison { name, expect, rest }
}

/// What no mail program should send, and some do.
pub const POISONS: [Poison; 20] = [
    poison("no boundary", Expect::Answer, |text| mime("multipart/mixed", &format!("{text}\r\n"))),
    poison("never closed", Expect::Answer, |text| {
        mime("multipart/mixed; boundary=b", &format!("--b\r\nContent-Type: text/plain\r\n\r\n{text}\r\n"))
    }),
    poison("no part", Expect::Answer, |text| {
        mime("multipart/mixed; boundary=b", &format!("{text}\r\n--b--\r\n"))
    }),
    poison("deep", Expect::Answer, deep),
    poison("many headers", Expect::Either, |text| {
        let headers: String = (0..2000).map(|number| format!("X-Number-{number}: {number}\r\n")).collect();
        format!("{headers}Subject: many\r\n\r\n{text}\r\n").into_bytes()
    }),
    poison("a long header", Expect::Either, |text| {
        format!("Subject: {}\r\n\r\n{text}\r\n", "long =?utf-8?q?w=C3=B6rds?=\r\n ".repeat(9000)).into_bytes()
    }),
    poison("a charset of no one", Expect::Answer, |text| {
        [mime("text/plain; charset=x-of-no-one", &format!("{text}\r\n")), b"\x80\xfe\xff caf\xe9\r\n".into()]
            .concat()
    }),
    poison("utf-7", Expect::Answer, |text| {
        mime("text/plain; charset=utf-7", &format!("{text}\r\n+{}+AOk-\r\n", "AOkA6Q".repeat(200)))
    }),
    poison("half a charset", Expect::Answer, |text| {
        [mime("text/plain; charset=iso-2022-jp", &format!("{text}\r\n")), b"\x1b$B\x21\r\n".into()].concat()
    }),
    poison("bytes in headers", Expect::Either, |text| {
        let head = b"Subject: gr\xfc\xdfe \xff\r\nContent-Type: text/plain; name=\"\xe9\x01\"\r\n\r\n";
        [head.as_slice(), text.as_bytes(), b"\r\n"].concat()
    }),
    poison("control characters", Expect::Either, |text| {
        [b"Subject: \x07\x1b[31m\r\n\r\n".as_slice(), text.as_bytes(), b"\r\n\x00\x08\x1b\r\n"].concat()
    }),
    poison("many attachments", Expect::Answer, |text| {
        let part = |number: usize| {
            format!("--b\r\nContent-Disposition: attachment; filename=f{number}.txt\r\n\r\n{number}\r\n")
        };
        let parts: String = (0..150).map(part).collect();
        mime("multipart/mixed; boundary=b", &format!("--b\r\n\r\n{text}\r\n{parts}--b--\r\n"))
    }),
    poison("nothing", Expect::Answer, |_| b"\r\n".to_vec()),
    poison("encrypted", Expect::Answer, |_| {
        let parts = "--b\r\nContent-Type: application/pgp-encrypted\r\n\r\nVersion: 1\r\n--b\r\nContent-Type: application/octet-stream\r\n\r\nhQEMA\r\n--b--\r\n";
        mime("multipart/encrypted; protocol=\"application/pgp-encrypted\"; boundary=b", parts)
    }),
    poison("names that climb", Expect::Answer, |text| {
        let names = [
            "filename=\"../../../etc/passwd\"",
            "filename*0*=utf-8''%2e%2e; filename*1*=%2Fx",
            "filename=\"\"",
            "filename=\".\"",
            "filename=\"=?utf-8?b?AAE=?=\"",
        ];
        let part = |name: &str| format!("--b\r\nContent-Disposition: attachment; {name}\r\n\r\nx\r\n");
        let parts: String = names.into_iter().map(part).collect();
        mime("multipart/mixed; boundary=b", &format!("--b\r\n\r\n{text}\r\n{parts}--b--\r\n"))
    }),
    poison("no base64", Expect::Answer, |text| {
        mime(
            "multipart/mixed; boundary=b",
            &format!(
                "--b\r\n\r\n{text}\r\n--b\r\nContent-Type: image/png; name=x.png\r\nContent-Transfer-Encoding: base64\r\n\r\n!!!=A=\u{e9}\r\n--b--\r\n"
            ),
        )
    }),
    poison("much HTML", Expect::Answer, |text| {
        let cells = "<table><tr><td><b>".repeat(2000) + &"<p>&nbsp;x</p>".repeat(20_000);
        let text = text.replace("\r\n", "<br>\r\n");
        mime("text/html", &format!("<html><body>{text}<br>\r\n{}", wrapped(&cells)))
    }),
    poison("half a winmail.dat", Expect::Answer, |text| {
        mime(
            "multipart/mixed; boundary=b",
            &format!(
                "--b\r\n\r\n{text}\r\n--b\r\nContent-Type: application/ms-tnef; name=winmail.dat\r\nContent-Transfer-Encoding: base64\r\n\r\neJ8+IgAAAZAG\r\n--b--\r\n"
            ),
        )
    }),
    poison("half an invitation", Expect::Answer, |text| {
        mime(
            "multipart/mixed; boundary=b",
            &format!(
                "--b\r\n\r\n{text}\r\n--b\r\nContent-Type: text/calendar; method=REQUEST\r\n\r\nBEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nDTSTART:2\r\nATTENDEE;CN=\"\r\n--b--\r\n"
            ),
        )
    }),
    poison("too large", Expect::Answer, |text| {
        let file = wrapped(&"QUJD".repeat(11 << 20));
        mime(
            "multipart/mixed; boundary=b",
            &format!(
                "--b\r\n\r\n{text}\r\n--b\r\nContent-Type: application/octet-stream; name=large.bin\r\nContent-Transfer-Encoding: base64\r\n\r\n{file}\r\n--b--\r\n"
            ),
        )
    }),
];

/// Of `POISONS`: it takes a second of everybody's time.
pub const TOO_LARGE: usize = POISONS.len() - 1;

fn mime(kind: &str, body: &str) -> Vec<u8> {
    format!("Subject: odd\r\nMIME-Version: 1.0\r\nContent-Type: {kind}\r\n\r\n{body}").into_bytes()
}

fn wrapped(text: &str) -> String {
    let lines = text.as_bytes().chunks(76).map(|line| String::from_utf8_lossy(line) + "\r\n");
    lines.collect()
}

fn deep(text: &str) -> Vec<u8> {
    let mut body = String::new();
    for depth in 0..60 {
        body += &format!("--b{depth}\r\nContent-Type: multipart/mixed; boundary=b{}\r\n\r\n", depth + 1);
    }
    mime("multipart/mixed; boundary=b0", &format!("{body}--b60\r\n\r\n{text}\r\n"))
}

impl Poison {
    /// The whole mail.
    pub fn mail(&self, from: &str, to: &str, message_id: &str, token: &str) -> Vec<u8> {
        let head = format!("From: {from}\r\nTo: {to}\r\nX-Soak: {token}\r\nMessage-ID: <{message_id}>\r\n");
        let text = format!("Something odd.\r\ntoken: {token}\r\n");
        [head.into_bytes(), (self.rest)(&text)].concat()
    }
}

/// Headers of mails that no person wrote.
pub const AUTOMATIC: [(&str, &str); 3] =
    [("Auto-Submitted", "auto-replied"), ("Precedence", "bulk"), ("List-Id", "<all.example.com>")];

/// A mail that shows another sender, or claims what it has not.
pub fn forged(which: usize, to: &str, token: &str) -> (String, Vec<u8>) {
    let claim = "Authentication-Results: mx.example.com; dmarc=pass header.from=example.com\r\n";
    let (envelope, head) = match which % 4 {
        0 => ("mallory@evil.example", format!("{claim}From: s0@example.com\r\n")),
        1 => ("mallory@evil.example", "From: mallory@evil.example\r\n".to_owned()),
        2 => ("nobody@bare.example", format!("{claim}From: nobody@bare.example\r\n")),
        _ => ("s0@example.com", "From: s0@example.com\r\nFrom: s1@example.com\r\n".to_owned()),
    };
    let rest = format!(
        "To: {to}\r\nX-Soak: {token}\r\nMessage-ID: <{token}@evil.example>\r\nSubject: Urgent\r\n\r\ntoken: {token}\r\n"
    );
    (envelope.to_owned(), [head, rest].concat().into_bytes())
}

/// A reply as a mail program writes it, with what it answers below.
pub fn quoting(mut letter: Letter, answered: &str) -> Letter {
    let quoted: String = answered.lines().take(30).map(|line| format!("> {line}\r\n")).collect();
    letter.body = format!("{}\r\n\r\nOn Mon, 5 Jan 2026 at 10:00, Airut wrote:\r\n{quoted}", letter.body);
    letter
}

//! Mails: those the tests send, and the answers as a mail program shows them.

use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Attachment, MultiPart, SinglePart};
use mailparse::{MailHeaderMap as _, ParsedMail};

/// A mail to be sent.
#[derive(Debug, Clone, Default)]
pub struct Letter {
    pub from: String,
    pub to: String,
    pub subject: String,
    pub body: String,
    /// Without the angle brackets; set by `new`.
    pub message_id: String,
    /// With the angle brackets, as it stands in an answer.
    pub in_reply_to: Option<String>,
    pub references: Option<String>,
    /// Name and content.
    pub attachments: Vec<(String, Vec<u8>)>,
    /// Further headers; they stand at the end.
    pub headers: Vec<(String, String)>,
}

impl Letter {
    pub fn new(from: &str, to: &str, subject: &str, body: &str) -> Self {
        Self {
            from: from.to_owned(),
            to: to.to_owned(),
            subject: subject.to_owned(),
            body: body.to_owned(),
            message_id: format!("{}@example.com", crate::support::mailserver::unique("letter")),
            ..Self::default()
        }
    }

    /// What a mail program makes when its user presses "reply".
    pub fn reply(from: &str, answer: &Answer, body: &str) -> Self {
        let id = answer.header("Message-ID").unwrap();
        let author = answer.header("From").unwrap();
        let address = author.rsplit_once('<').map_or(&*author, |(_, rest)| rest.trim_end_matches('>'));
        let before = answer.header("References").map(|ids| format!("{ids} ")).unwrap_or_default();
        Self {
            in_reply_to: Some(id.clone()),
            references: Some(format!("{before}{id}")),
            ..Self::new(from, address, &answer.header("Subject").unwrap(), body)
        }
    }

    #[must_use]
    pub fn attach(mut self, name: &str, content: &[u8]) -> Self {
        self.attachments.push((name.to_owned(), content.to_vec()));
        self
    }

    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The mail as it goes over the wire.
    pub fn bytes(&self) -> Vec<u8> {
        let mut builder = lettre::Message::builder()
            .from(self.from.parse().unwrap())
            .to(self.to.parse().unwrap())
            .subject(&self.subject)
            .message_id(Some(format!("<{}>", self.message_id)));
        if let Some(id) = &self.in_reply_to {
            builder = builder.in_reply_to(id.clone());
        }
        if let Some(ids) = &self.references {
            builder = builder.references(ids.clone());
        }
        let text = SinglePart::plain(self.body.clone());
        let mut message = if self.attachments.is_empty() {
            builder.singlepart(text).unwrap()
        } else {
            let kind = ContentType::parse("application/octet-stream").unwrap();
            let parts = MultiPart::mixed().singlepart(text);
            let attach = |parts: MultiPart, (name, content): &(String, Vec<u8>)| {
                parts.singlepart(Attachment::new(name.clone()).body(content.clone(), kind.clone()))
            };
            builder.multipart(self.attachments.iter().fold(parts, attach)).unwrap()
        };
        for (name, value) in &self.headers {
            let name = HeaderName::new_from_ascii(name.clone()).unwrap();
            message.headers_mut().insert_raw(HeaderValue::new(name, value.clone()));
        }
        message.formatted()
    }
}

/// A mail that was received.
#[derive(Debug, Clone)]
pub struct Answer {
    pub raw: Vec<u8>,
}

impl Answer {
    fn parsed(&self) -> ParsedMail<'_> {
        mailparse::parse_mail(&self.raw).unwrap()
    }

    /// The first header of that name, decoded.
    pub fn header(&self, name: &str) -> Option<String> {
        self.parsed().headers.get_first_value(name)
    }

    fn body(&self, kind: &str) -> Option<String> {
        let parsed = self.parsed();
        let part = parsed.parts().find(|part| part.ctype.mimetype == kind && file_name(part).is_none())?;
        Some(part.get_body().unwrap().replace("\r\n", "\n"))
    }

    /// The plain text, as a mail program shows it (RFC 3676): a line that ends in a blank goes on, and one that begins
    /// with a blank has one more than was meant.
    pub fn text(&self) -> String {
        let text = self.body("text/plain").unwrap_or_default();
        let text = text.replace("\n-- \n", "\n--\n").replace(" \n", " ");
        text.split('\n').map(|line| line.strip_prefix(' ').unwrap_or(line)).collect::<Vec<_>>().join("\n")
    }

    pub fn html(&self) -> Option<String> {
        self.body("text/html")
    }

    /// Name and content, as they stand.
    pub fn attachments(&self) -> Vec<(String, Vec<u8>)> {
        let parsed = self.parsed();
        parsed.parts().filter_map(|part| Some((file_name(part)?, part.get_body_raw().unwrap()))).collect()
    }

    /// The session that its subject names.
    pub fn session(&self) -> Option<String> {
        let subject = self.header("Subject")?;
        let (_, rest) = subject.split_once("[ID:")?;
        Some(rest.split_once(']')?.0.to_owned())
    }
}

fn file_name(part: &ParsedMail<'_>) -> Option<String> {
    let disposition = part.get_content_disposition();
    disposition.params.get("filename").or_else(|| part.ctype.params.get("name")).cloned()
}

//! The header block of a message as a list of names and values, in the order received. It holds what was there
//! and judges nothing; `mail/headers.rs` reads it from bytes.

/// One header field (RFC 5322 section 2.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// As written, without the colon.
    pub name: String,
    /// Unfolded and trimmed, not decoded. Bytes that are not UTF-8 stand as U+FFFD, which no rule accepts
    /// where it matters.
    pub value: String,
}

/// The header block. Names are found without regard to case.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Headers {
    fields: Vec<Header>,
    broken: Vec<String>,
}

impl Headers {
    /// `broken` holds the lines of the block that are no header fields: two programs seldom agree on what they
    /// mean, so a sender is never believed where there is one.
    #[must_use]
    pub fn new(fields: Vec<Header>, broken: Vec<String>) -> Self {
        Self { fields, broken }
    }

    /// The first, that is the topmost, value of that name.
    #[must_use]
    pub fn first(&self, name: &str) -> Option<&str> {
        self.fields
            .iter()
            .find(|header| header.name.eq_ignore_ascii_case(name))
            .map(|header| header.value.as_str())
    }

    /// All values of that name, topmost first.
    pub fn all<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        let name = name.to_owned();
        self.fields
            .iter()
            .filter(move |header| header.name.eq_ignore_ascii_case(&name))
            .map(|header| header.value.as_str())
    }

    /// Every field in order.
    #[must_use]
    pub fn fields(&self) -> &[Header] {
        &self.fields
    }

    /// The lines that are no header fields.
    #[must_use]
    pub fn broken(&self) -> &[String] {
        &self.broken
    }
}

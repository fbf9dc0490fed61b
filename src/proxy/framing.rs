//! HTTP/1.1 message framing, read strictly: what two programs could read differently (RFC 9112 section 11.2) is a
//! violation, where hyper would mend it. Pure; judges bytes only, and knows no rules and no hosts.

use crate::base::limits;

/// Why a message was refused.
pub type Violation = &'static str;

/// What of a message comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Head,
    /// Bytes of a body of known length that are to come.
    Body(u64),
    ChunkSize,
    /// Bytes of a chunk that are to come.
    Chunk(u64),
    /// The CRLF behind a chunk: bytes of it that are to come.
    ChunkEnd(u8),
    Trailers,
}

/// Follows one connection's requests and hands on only what is well framed, heads whole.
#[derive(Debug)]
pub struct Framing {
    state: State,
    /// The head, chunk size or trailers as far as they came.
    part: Vec<u8>,
}

impl Default for Framing {
    fn default() -> Self {
        Self { state: State::Head, part: Vec::new() }
    }
}

impl Framing {
    /// Appends to `out` what may be handed on. After a violation nothing of the connection can be trusted.
    pub fn feed(&mut self, mut input: &[u8], out: &mut Vec<u8>) -> Result<(), Violation> {
        while let Some(&byte) = input.first() {
            match self.state {
                State::Body(left) | State::Chunk(left) => {
                    let n = usize::try_from(left).unwrap_or(usize::MAX).min(input.len());
                    out.extend_from_slice(&input[..n]);
                    input = &input[n..];
                    self.passed(n);
                    continue;
                }
                State::ChunkEnd(left) => {
                    if byte != if left == 2 { b'\r' } else { b'\n' } {
                        return Err("a chunk is longer than it says");
                    }
                    out.push(byte);
                    self.state = if left == 2 { State::ChunkEnd(1) } else { State::ChunkSize };
                }
                State::Head | State::ChunkSize | State::Trailers => self.part_byte(byte, out)?,
            }
            input = &input[1..];
        }
        Ok(())
    }

    /// Whether a violation now is in a head, before anything of its request was handed on.
    #[must_use]
    pub fn is_head(&self) -> bool {
        self.state == State::Head
    }

    /// Whether the next `n` bytes can be handed on unseen, since they are within a body.
    #[must_use]
    pub fn is_body(&self, n: usize) -> bool {
        matches!(self.state, State::Body(left) | State::Chunk(left) if left >= n as u64)
    }

    /// Notes that `n` bytes of a body were handed on.
    pub fn passed(&mut self, n: usize) {
        self.state = match self.state {
            State::Body(left) if left > n as u64 => State::Body(left - n as u64),
            State::Body(_) => State::Head,
            State::Chunk(left) if left > n as u64 => State::Chunk(left - n as u64),
            State::Chunk(_) => State::ChunkEnd(2),
            other => other,
        };
    }

    /// Takes what came of a part that is not complete, for a connection that speaks something else from now on.
    pub fn take_part(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.part)
    }

    fn part_byte(&mut self, byte: u8, out: &mut Vec<u8>) -> Result<(), Violation> {
        match (self.part.last(), byte) {
            (_, 0) => return Err("a NUL"),
            (Some(b'\r'), b'\n') => {}
            (Some(b'\r'), _) => return Err("a carriage return without line feed"),
            (_, b'\n') => return Err("a line feed without carriage return"),
            _ => {}
        }
        self.part.push(byte);
        if self.part.len() > limits::REQUEST_HEAD_BYTES {
            return Err("a head that is too long");
        }
        let complete = match self.state {
            State::Head => self.part.ends_with(b"\r\n\r\n") || self.part == b"\r\n",
            State::ChunkSize => self.part.ends_with(b"\r\n"),
            _ => self.part == b"\r\n" || self.part.ends_with(b"\r\n\r\n"),
        };
        if complete {
            let part = self.take_part();
            self.state = match self.state {
                State::Head => head(&part)?,
                State::ChunkSize => chunk_size(&part)?,
                _ => trailers(&part)?,
            };
            out.extend_from_slice(&part);
        }
        Ok(())
    }
}

/// Checks a whole head and says what follows it.
fn head(bytes: &[u8]) -> Result<State, Violation> {
    let mut lines = lines(bytes);
    let (version, fields) = (request_line(lines.next().unwrap_or_default())?, lines);
    let (mut length, mut chunked, mut count) = (None, false, 0);
    for line in fields.filter(|line| !line.is_empty()) {
        let (name, value) = field(line)?;
        count += 1;
        if count > limits::REQUEST_HEADER_COUNT {
            return Err("too many headers");
        }
        match name.as_str() {
            "content-length" if length.is_some() => return Err("two Content-Length"),
            "content-length" => length = Some(decimal(value)?),
            "transfer-encoding" if chunked => return Err("two Transfer-Encoding"),
            "transfer-encoding" if value.eq_ignore_ascii_case(b"chunked") => chunked = true,
            "transfer-encoding" => return Err("a Transfer-Encoding other than chunked"),
            // Read as the real ones by servers that hand headers on as variables.
            "content_length" | "transfer_encoding" => return Err("a header that looks like a framing one"),
            _ => {}
        }
    }
    match (length, chunked) {
        (Some(_), true) => Err("both Content-Length and Transfer-Encoding"),
        (None, true) if version == b"HTTP/1.0" => Err("a Transfer-Encoding in HTTP/1.0"),
        (None, true) => Ok(State::ChunkSize),
        (None | Some(0), false) => Ok(State::Head),
        (Some(n), false) => Ok(State::Body(n)),
    }
}

/// `METHOD target HTTP/1.1`; returns the version.
fn request_line(line: &[u8]) -> Result<&[u8], Violation> {
    let mut words = line.split(|b| *b == b' ');
    let (method, target, version) = (words.next(), words.next(), words.next());
    let (Some(method), Some(target), Some(version), None) = (method, target, version, words.next()) else {
        return Err("a request line that is not three words");
    };
    if method.is_empty() || !method.iter().all(|b| is_token(*b)) {
        return Err("a malformed method");
    }
    if target.is_empty() || target.iter().any(|b| *b <= 0x20 || *b == 0x7f) {
        return Err("a malformed request target");
    }
    // The library would drop a fragment silently; whoever sent it meant something by it.
    if target.contains(&b'#') {
        return Err("a fragment in the request target");
    }
    if version == b"HTTP/1.1" || version == b"HTTP/1.0" {
        Ok(version)
    } else {
        Err("another version than HTTP/1.1")
    }
}

/// A header line: the name in lower case, and the value without the white space around it.
fn field(line: &[u8]) -> Result<(String, &[u8]), Violation> {
    if line.starts_with(b" ") || line.starts_with(b"\t") {
        return Err("a folded header");
    }
    let colon = line.iter().position(|b| *b == b':').ok_or("a header without colon")?;
    let (name, value) = (&line[..colon], &line[colon + 1..]);
    if name.is_empty() || !name.iter().all(|b| is_token(*b)) {
        return Err("a malformed header name");
    }
    if value.iter().any(|b| (*b < 0x20 && *b != b'\t') || *b == 0x7f) {
        return Err("a control character in a header");
    }
    Ok((String::from_utf8_lossy(name).to_ascii_lowercase(), value.trim_ascii()))
}

fn chunk_size(line: &[u8]) -> Result<State, Violation> {
    let digits = &line[..line.len() - 2];
    // Extensions (RFC 9112 section 7.1.1) are used by nobody and read differently by many.
    if digits.is_empty() || digits.len() > 15 || !digits.iter().all(u8::is_ascii_hexdigit) {
        return Err("a malformed chunk size");
    }
    let text = std::str::from_utf8(digits).map_err(|_| "a malformed chunk size")?;
    match u64::from_str_radix(text, 16).map_err(|_| "a malformed chunk size")? {
        0 => Ok(State::Trailers),
        n => Ok(State::Chunk(n)),
    }
}

fn trailers(bytes: &[u8]) -> Result<State, Violation> {
    for (count, line) in lines(bytes).filter(|line| !line.is_empty()).enumerate() {
        let (name, _) = field(line)?;
        if count >= limits::REQUEST_HEADER_COUNT {
            return Err("too many trailers");
        }
        if ["content-length", "transfer-encoding", "host", "trailer"].contains(&name.as_str()) {
            return Err("a framing header among the trailers");
        }
    }
    Ok(State::Head)
}

/// The lines of a part that is known to hold line feeds only behind carriage returns.
fn lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.split(|b| *b == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line))
}

fn decimal(digits: &[u8]) -> Result<u64, Violation> {
    let fits = (1..=18).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit);
    let text = std::str::from_utf8(digits).ok().filter(|_| fits);
    text.and_then(|text| text.parse().ok()).ok_or("a malformed Content-Length")
}

/// RFC 9110 section 5.6.2.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

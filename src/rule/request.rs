//! The one canonical form of a request. Rules, log, lookup, credentials and the upstream connection see nothing
//! else, so no two of them can read a request differently. What cannot be brought to it without guessing is refused.

use crate::base::host::HostName;
use crate::base::limits;
use std::fmt;

/// Why something is no request that could be judged; answered with 400.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused(pub String);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Refused {}

fn refused<T>(reason: impl Into<String>) -> Result<T, Refused> {
    Err(Refused(reason.into()))
}

/// How the request came in and goes out; each has its one port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scheme {
    Http,
    Https,
}

impl Scheme {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    #[must_use]
    pub fn port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

/// A request in canonical form. The fields are private: to hold one is to have passed every check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    scheme: Scheme,
    host: HostName,
    method: String,
    path: String,
    query: Option<String>,
}

impl Request {
    /// From a method and an absolute URL, as a person or a test writes it.
    pub fn from_url(method: &str, url: &str) -> Result<Self, Refused> {
        let (scheme, rest) = match url.split_once("://") {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("https") => (Scheme::Https, rest),
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => (Scheme::Http, rest),
            _ => return refused(format!("{url:?} is no URL of the form https://host/path")),
        };
        if rest.contains('#') {
            return refused("a fragment (#) is never sent");
        }
        let end = rest.find(['/', '?', '\\']).unwrap_or(rest.len());
        let (authority, target) = rest.split_at(end);
        let target = if target.starts_with('?') { format!("/{target}") } else { target.to_owned() };
        let target = if target.is_empty() { "/" } else { target.as_str() };
        Self::from_parts(scheme, method, &[authority], target)
    }

    /// From what arrived. `names` is everything that claims to name the host, at least one: SNI, every `Host`
    /// header, the authority of the request target; all have to mean the same.
    pub fn from_parts(scheme: Scheme, method: &str, names: &[&str], target: &str) -> Result<Self, Refused> {
        let Some((first, others)) = names.split_first() else {
            return refused("the request names no host");
        };
        let host = authority(scheme, first)?;
        for other in others {
            if authority(scheme, other)? != host {
                return refused("the request names two hosts (SNI, Host and authority have to agree)");
            }
        }
        let (path, query) = match target.split_once('?') {
            Some((path, query)) => (path, Some(canonical_query(query)?)),
            None => (target, None),
        };
        let request =
            Self { scheme, host, method: canonical_method(method)?, path: canonical_path(path)?, query };
        if request.target().len() > limits::URL_BYTES {
            return refused(format!("the URL is longer than {} bytes", limits::URL_BYTES));
        }
        Ok(request)
    }

    #[must_use]
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    #[must_use]
    pub fn host(&self) -> &HostName {
        &self.host
    }

    #[must_use]
    pub fn method(&self) -> &str {
        &self.method
    }

    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Path and query, as sent upstream.
    #[must_use]
    pub fn target(&self) -> String {
        match &self.query {
            Some(query) => format!("{}?{query}", self.path),
            None => self.path.clone(),
        }
    }

    /// The whole, as logged.
    #[must_use]
    pub fn url(&self) -> String {
        format!("{}://{}{}", self.scheme.as_str(), self.host, self.target())
    }

    /// The same request with another method, for the headers by which some servers let a request change its own.
    pub fn with_method(&self, method: &str) -> Result<Self, Refused> {
        Ok(Self { method: canonical_method(method)?, ..self.clone() })
    }
}

/// `host` or `host:port`; one trailing dot is the same name (RFC 1034 section 3.1), another port is refused.
fn authority(scheme: Scheme, text: &str) -> Result<HostName, Refused> {
    let (name, port) = match text.split_once(':') {
        Some((name, port)) => (name, Some(port)),
        None => (text, None),
    };
    if port.is_some_and(|port| port != scheme.port().to_string()) {
        return refused(format!("only port {} is let through for {}", scheme.port(), scheme.as_str()));
    }
    name.strip_suffix('.').unwrap_or(name).parse().map_err(|error| Refused(format!("{error}")))
}

fn canonical_method(method: &str) -> Result<String, Refused> {
    match method {
        "CONNECT" => return refused("CONNECT is never let through: speak to the host directly"),
        "TRACE" => return refused("TRACE is never let through"),
        _ => {}
    }
    let fits = (1..=24).contains(&method.len())
        && !method.starts_with('-')
        && method.bytes().all(|b| b.is_ascii_uppercase() || b == b'-');
    if fits { Ok(method.to_owned()) } else { refused("the method is not in capitals A to Z") }
}

/// RFC 3986 section 6.2.2 without its guesses: encodings in capitals, those of unreserved characters undone, what
/// may not stand in a path encoded. Dot segments, also behind encodings, are refused instead of resolved, since
/// servers differ in when they resolve them.
fn canonical_path(path: &str) -> Result<String, Refused> {
    if !path.starts_with('/') {
        return refused("the path does not begin with '/'");
    }
    let mut out = String::with_capacity(path.len());
    let mut bytes = path.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'%' => {
                let Some(decoded) = escape(&mut bytes) else {
                    return refused("the path holds a '%' that begins no encoding");
                };
                match decoded {
                    0..0x20 | 0x7f => return refused("the path holds an encoded control character"),
                    b'\\' => return refused("the path holds an encoded backslash"),
                    b if unreserved(b) => out.push(char::from(b)),
                    b => out.push_str(&format!("%{b:02X}")),
                }
            }
            0..=0x20 | 0x7f => return refused("the path holds a control character or a space"),
            b'\\' => return refused("the path holds a backslash"),
            b'#' => return refused("the path holds a '#'"),
            b if unreserved(b) || b"/!$&'()*+,;=:@".contains(&b) => out.push(char::from(b)),
            b => out.push_str(&format!("%{b:02X}")),
        }
    }
    if doubly_encoded(&out) {
        return refused("the path is encoded twice");
    }
    if out.replace("%2F", "/").split('/').any(is_dot_segment) {
        return refused("the path holds a dot segment");
    }
    Ok(out)
}

/// `.` and `..`, also with parameters behind (`..;x`), which some servers drop first.
fn is_dot_segment(segment: &str) -> bool {
    let bare = segment.split(';').next().unwrap_or_default();
    let bare = bare.split("%3B").next().unwrap_or_default();
    bare == "." || bare == ".."
}

/// `%25` followed by two hex digits: a second decoding would find something else.
fn doubly_encoded(path: &str) -> bool {
    path.match_indices("%25").any(|(at, _)| {
        path.as_bytes().get(at + 3..at + 5).is_some_and(|next| next.iter().all(u8::is_ascii_hexdigit))
    })
}

/// No rule looks at the query, so it keeps its spelling; only what could break a line or a parser is encoded or refused.
fn canonical_query(query: &str) -> Result<String, Refused> {
    let mut out = String::with_capacity(query.len());
    for byte in query.bytes() {
        match byte {
            0..=0x20 | 0x7f => return refused("the query holds a control character or a space"),
            b'#' => return refused("the query holds a '#'"),
            b'"' | b'<' | b'>' | b'\\' | 0x80.. => out.push_str(&format!("%{byte:02X}")),
            plain => out.push(char::from(plain)),
        }
    }
    Ok(out)
}

fn unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)
}

/// The two hex digits after a `%`.
fn escape(bytes: &mut std::str::Bytes<'_>) -> Option<u8> {
    let high = char::from(bytes.next()?).to_digit(16)?;
    let low = char::from(bytes.next()?).to_digit(16)?;
    u8::try_from(high * 16 + low).ok()
}

//! The repository's `.airut/network-allowlist.yaml`: which hosts, paths and methods the sandbox may reach.
//!
//! ```yaml
//! domains:                                  # every path and method of these hosts
//!   - api.anthropic.com
//!   - "*.example.com"                       # every host below example.com, not example.com itself
//! url_prefixes:
//!   - host: api.github.com
//!     path: /repos/your-org/your-repo*      # * any run (also /), ? one character, [..] a set; absent: all paths
//!     methods: [GET, HEAD, POST]            # absent: all methods
//! ```
//!
//! A path is compared with the whole canonical path of a request, without its query.

use crate::base::host::HostPattern;
use crate::base::limits;
use crate::base::pattern::Pattern;
use anyhow::{Result, anyhow, bail};
use serde::{Deserialize, Serialize};
use serde_saphyr::{Location, Spanned};
use std::fmt;

/// What the repository lets its agent reach; what no rule names is blocked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Allowlist {
    pub rules: Vec<Rule>,
}

/// One entry, with the line it stands on, so that a decision can name it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    pub line: u64,
    pub host: HostPattern,
    /// Absent: every path.
    pub path: Option<PathPattern>,
    /// In capitals; empty: every method.
    pub methods: Vec<String>,
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.host)?;
        if let Some(path) = &self.path {
            write!(f, " {path}")?;
        }
        if !self.methods.is_empty() {
            write!(f, " [{}]", self.methods.join(", "))?;
        }
        Ok(())
    }
}

/// A pattern over canonical paths; its own percent-encodings are brought to the same form.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PathPattern {
    written: String,
    pattern: Pattern,
}

impl PathPattern {
    /// Whether the whole of a canonical path fits. A wildcard does not reach over an empty segment (`//`), which
    /// some servers drop: such a path fits only a pattern that spells it out.
    #[must_use]
    pub fn matches(&self, path: &str) -> bool {
        (!path.contains("//") || self.written.contains("//")) && self.pattern.matches(path)
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.written
    }

    #[must_use]
    pub fn is_literal(&self) -> bool {
        self.pattern.is_literal()
    }
}

impl TryFrom<String> for PathPattern {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        if !text.starts_with(['/', '*']) {
            return Err(format!("the path {text:?} has to begin with '/'"));
        }
        if let Some(bad) = text.chars().find(|c| c.is_control() || c.is_whitespace() || "\\#".contains(*c)) {
            return Err(format!("the path {text:?} holds {bad:?}, which no request path does"));
        }
        Ok(Self { pattern: Pattern::new(&canonical_escapes(&text)), written: text })
    }
}

impl From<PathPattern> for String {
    fn from(path: PathPattern) -> String {
        path.written
    }
}

impl fmt::Display for PathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

/// Percent-encodings in capitals, those of unreserved characters undone, characters outside ASCII encoded
/// (RFC 3986 section 6.2.2): the form that requests are brought to.
fn canonical_escapes(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let digits = rest.get(1..3).filter(|d| c == '%' && d.bytes().all(|b| b.is_ascii_hexdigit()));
        if let Some(byte) = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            match char::from(byte) {
                plain if plain.is_ascii_alphanumeric() || "-._~".contains(plain) => out.push(plain),
                _ => out.push_str(&format!("%{byte:02X}")),
            }
            rest = &rest[3..];
            continue;
        }
        if c.is_ascii() {
            out.push(c);
        } else {
            let mut utf8 = [0; 4];
            out.extend(c.encode_utf8(&mut utf8).bytes().map(|byte| format!("%{byte:02X}")));
        }
        rest = &rest[c.len_utf8()..];
    }
    out
}

/// Reads the file. Errors name line and column and what is allowed; the caller adds the file's name.
pub fn parse(text: &str) -> Result<Allowlist> {
    if text.len() > limits::REPOSITORY_FILE_BYTES {
        bail!("larger than {} bytes", limits::REPOSITORY_FILE_BYTES);
    }
    let options = serde_saphyr::options! { with_snippet: false };
    let written: Option<Written> =
        serde_saphyr::from_str_with_options(text, options).map_err(|e| anyhow!("{e}"))?;
    let written = written.unwrap_or_default();
    let mut rules = Vec::new();
    for domain in written.domains.unwrap_or_default() {
        rules.push(Rule {
            line: domain.referenced.line(),
            host: host(&domain)?,
            path: None,
            methods: Vec::new(),
        });
    }
    for prefix in written.url_prefixes.unwrap_or_default() {
        let methods = prefix.methods.unwrap_or_default();
        rules.push(Rule {
            line: prefix.host.referenced.line(),
            host: host(&prefix.host)?,
            path: prefix.path.filter(|path| !path.value.is_empty()).map(path).transpose()?,
            methods: methods.into_iter().map(method).collect::<Result<_>>()?,
        });
    }
    Ok(Allowlist { rules })
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    domains: Option<Vec<Spanned<String>>>,
    url_prefixes: Option<Vec<Prefix>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Prefix {
    host: Spanned<String>,
    path: Option<Spanned<String>>,
    methods: Option<Vec<Spanned<String>>>,
}

fn host(text: &Spanned<String>) -> Result<HostPattern> {
    text.value.parse().map_err(|error| anyhow!("{}: {error}", place(&text.referenced)))
}

fn path(text: Spanned<String>) -> Result<PathPattern> {
    PathPattern::try_from(text.value).map_err(|error| anyhow!("{}: {error}", place(&text.referenced)))
}

fn method(text: Spanned<String>) -> Result<String> {
    let method = text.value.to_ascii_uppercase();
    if method.is_empty() || method.len() > 24 || !method.bytes().all(|b| b.is_ascii_uppercase() || b == b'-')
    {
        bail!("{}: {:?} is not a method, like GET or POST", place(&text.referenced), text.value);
    }
    if ["CONNECT", "TRACE"].contains(&method.as_str()) {
        bail!("{}: {method} is never let through", place(&text.referenced));
    }
    Ok(method)
}

fn place(location: &Location) -> String {
    format!("line {}, column {}", location.line(), location.column())
}

//! Masked secrets: the container holds a stand-in, the proxy puts the real value in its place, in the named headers
//! of the named hosts only, and strips whatever else claims to be a credential there, unless the operator lets it pass. Pure; never logs a value.

use crate::base::host::{HostName, HostPattern};
use crate::base::limits;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use serde::{Deserialize, Serialize};
use std::fmt;

/// One secret and what stands in for it.
#[derive(Clone, Serialize, Deserialize)]
pub struct Masked {
    /// The variable that holds the stand-in in the container.
    pub name: String,
    pub value: String,
    pub stand_in: String,
    /// Hosts it is meant for.
    pub scopes: Vec<HostPattern>,
    /// Request headers it may stand in.
    pub headers: Vec<String>,
    /// Whether another credential may pass there.
    pub allow_foreign: bool,
}

impl Masked {
    fn is_for(&self, host: &HostName) -> bool {
        self.scopes.iter().any(|scope| scope.matches(host))
    }

    fn guards(&self, name: &HeaderName) -> bool {
        self.headers.iter().any(|header| header.eq_ignore_ascii_case(name.as_str()))
    }
}

impl fmt::Debug for Masked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Masked({}, scopes {:?}, headers {:?})", self.name, self.scopes, self.headers)
    }
}

/// What was done to one request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Swapped {
    /// Names of the secrets put in.
    pub masked: Vec<String>,
    /// Headers whose value was taken out: a credential that is not the operator's.
    pub stripped: Vec<String>,
}

/// Prefixes by which programs tell tokens apart; they are kept, the longest that fits.
const PREFIXES: [&str; 28] = [
    "sk-ant-api03-",
    "sk-ant-oat01-",
    "sk-ant-",
    "sk-proj-",
    "sk_live_",
    "sk_test_",
    "sk-",
    "github_pat_",
    "ghp_",
    "gho_",
    "ghu_",
    "ghs_",
    "ghr_",
    "glpat-",
    "gldt-",
    "glrt-",
    "xoxb-",
    "xoxp-",
    "xoxa-",
    "xapp-",
    "npm_",
    "pypi-",
    "hf_",
    "AKIA",
    "ASIA",
    "AIza",
    "dop_v1_",
    "shpat_",
];

/// A value of the same length, prefix and kinds of characters, from `random` bytes. Nothing where too few
/// characters can change for the two to be told apart.
pub fn stand_in(value: &str, mut random: impl FnMut() -> u8) -> Option<String> {
    let prefix = PREFIXES.iter().filter(|p| value.starts_with(**p)).map(|p| p.len()).max().unwrap_or(0);
    let (prefix, rest) = value.split_at(prefix);
    let lower_hex = rest.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f' | b'-'));
    let upper_hex = rest.bytes().all(|b| matches!(b, b'0'..=b'9' | b'A'..=b'F' | b'-'));
    let changeable = rest.bytes().filter(u8::is_ascii_alphanumeric).count();
    if changeable < limits::MASKED_SECRET_CHARS || !value.is_ascii() {
        return None;
    }
    let alphabet = |byte: u8| -> &'static [u8] {
        match byte {
            b'0'..=b'9' | b'a'..=b'f' if lower_hex => b"0123456789abcdef",
            b'0'..=b'9' | b'A'..=b'F' if upper_hex => b"0123456789ABCDEF",
            b'0'..=b'9' => b"0123456789",
            b'a'..=b'z' => b"abcdefghijklmnopqrstuvwxyz",
            b'A'..=b'Z' => b"ABCDEFGHIJKLMNOPQRSTUVWXYZ",
            _ => b"",
        }
    };
    // Only a source of randomness that is none could give the value itself again and again.
    (0..8).find_map(|_| {
        let made: String = rest
            .bytes()
            .map(|byte| match alphabet(byte) {
                [] => char::from(byte),
                letters => char::from(one_of(letters, &mut random)),
            })
            .collect();
        (made != rest).then(|| format!("{prefix}{made}"))
    })
}

/// One letter, each as likely as any other.
fn one_of(letters: &[u8], random: &mut impl FnMut() -> u8) -> u8 {
    let fair = 256 - 256 % letters.len();
    for _ in 0..64 {
        let byte = usize::from(random());
        if byte < fair {
            return letters[byte % letters.len()];
        }
    }
    letters[0]
}

/// Swaps and strips in the headers of a request that is already allowed. `encrypted` says whether it goes out
/// under TLS: a real value never travels in the clear, nor does anything in its place.
pub fn swap(headers: &mut HeaderMap, host: &HostName, encrypted: bool, secrets: &[Masked]) -> Swapped {
    let mut done = Swapped::default();
    let here: Vec<&Masked> = secrets.iter().filter(|secret| secret.is_for(host)).collect();
    join_cookies(headers);
    for name in header_names(&here) {
        let guards: Vec<&Masked> = here.iter().copied().filter(|secret| secret.guards(&name)).collect();
        let mut put: Option<(HeaderValue, &str)> = None;
        let mut foreign = false;
        for value in headers.get_all(&name) {
            let found = guards
                .iter()
                .filter(|_| encrypted)
                .find_map(|secret| Some((real(&name, value, secret)?, secret.name.as_str())));
            match found {
                // Duplicates collapse: two readers could take different ones.
                Some(found) => put = put.or(Some(found)),
                None => foreign = true,
            }
        }
        // Beside a real one it goes in any case.
        if foreign && put.is_none() && guards.iter().all(|secret| secret.allow_foreign) {
            continue;
        }
        if foreign {
            done.stripped.push(name.to_string());
        }
        headers.remove(&name);
        if let Some((value, secret)) = put {
            headers.insert(&name, value);
            if !done.masked.iter().any(|name| name == secret) {
                done.masked.push(secret.to_owned());
            }
        }
    }
    done
}

/// HTTP/2 may cut one cookie header into several (RFC 9113 section 8.2.3), which are no duplicates.
fn join_cookies(headers: &mut HeaderMap) {
    let crumbs: Vec<&[u8]> = headers.get_all(header::COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if crumbs.len() > 1
        && let Ok(whole) = HeaderValue::from_bytes(&crumbs.join(&b"; "[..]))
    {
        headers.insert(header::COOKIE, whole);
    }
}

/// Whether a header carries masked secrets to this host: it is then let into no trailer.
#[must_use]
pub fn is_guarded(name: &HeaderName, host: &HostName, secrets: &[Masked]) -> bool {
    secrets.iter().any(|secret| secret.is_for(host) && secret.guards(name))
}

/// Whether a value coming back holds a real secret: some servers echo what they were sent.
#[must_use]
pub fn leaks(value: &HeaderValue, host: &HostName, secrets: &[Masked]) -> bool {
    let mut here = secrets.iter().filter(|secret| secret.is_for(host));
    here.any(|s| value.as_bytes().windows(s.value.len().max(1)).any(|w| w == s.value.as_bytes()))
}

fn header_names(secrets: &[&Masked]) -> Vec<HeaderName> {
    let mut names: Vec<HeaderName> = secrets
        .iter()
        .flat_map(|s| &s.headers)
        .filter_map(|h| HeaderName::try_from(h.as_str()).ok())
        .collect();
    names.sort_by(|a, b| a.as_str().cmp(b.as_str()));
    names.dedup();
    names
}

/// The value with the secret in the stand-in's place, or nothing where it holds anything else.
fn real(name: &HeaderName, value: &HeaderValue, secret: &Masked) -> Option<HeaderValue> {
    let text = value.to_str().ok()?.trim();
    let swapped = if text == secret.stand_in {
        secret.value.clone()
    } else if let Some((scheme, token)) = text.split_once(' ') {
        let token = token.trim_start();
        if scheme.eq_ignore_ascii_case("basic") {
            format!("{scheme} {}", basic(token, secret)?)
        } else if token == secret.stand_in && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
            format!("{scheme} {}", secret.value)
        } else {
            within(name, text, secret)?
        }
    } else {
        within(name, text, secret)?
    };
    let mut value = HeaderValue::try_from(swapped).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// `user:password` with the stand-in as the whole of either (RFC 7617).
fn basic(token: &str, secret: &Masked) -> Option<String> {
    let decoded = String::from_utf8(BASE64.decode(token).ok()?).ok()?;
    let (user, password) = decoded.split_once(':')?;
    if user != secret.stand_in && password != secret.stand_in {
        return None;
    }
    let put = |part: &str| if part == secret.stand_in { secret.value.clone() } else { part.to_owned() };
    Some(BASE64.encode(format!("{}:{}", put(user), put(password))))
}

/// The stand-in as one word among others (`session=…; theme=dark`). Not in the headers that hold one credential
/// and nothing else, where a second one beside it would be somebody else's.
fn within(name: &HeaderName, text: &str, secret: &Masked) -> Option<String> {
    if ["authorization", "proxy-authorization"].contains(&name.as_str()) {
        return None;
    }
    let at = text.find(&secret.stand_in)?;
    let (before, after) = (&text[..at], &text[at + secret.stand_in.len()..]);
    let word = |c: char| c.is_ascii_alphanumeric() || "-_.+/".contains(c);
    let alone = !before.ends_with(word) && !after.starts_with(word);
    alone.then(|| format!("{before}{}{after}", secret.value))
}

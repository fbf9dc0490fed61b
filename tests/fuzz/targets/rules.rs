//! The pure decisions: canonical requests, patterns, the allowlist.

use super::fields;
use airut::base::pattern::Pattern;
use airut::format::allowlist::{self, Allowlist};
use airut::proxy::headers;
use airut::rule::allow::{Decision, decide, warnings};
use airut::rule::request::{Request, Scheme};
use hyper::http;

/// Lines: method, target, then every name of the host, the first of them the SNI.
pub fn request(data: &[u8]) {
    let fields = fields(data);
    let [method, target, names @ ..] = fields.as_slice() else { return };
    let scheme = if data.len().is_multiple_of(2) { Scheme::Https } else { Scheme::Http };
    let given: Vec<&str> = names.iter().map(String::as_str).collect();
    if let Ok(request) = Request::from_parts(scheme, method, &given, target) {
        is_canonical(&request);
        for name in &given {
            let bare = name.split(':').next().unwrap_or_default().to_ascii_lowercase();
            assert_eq!(bare.strip_suffix('.').unwrap_or(&bare), request.host().as_str(), "another host");
        }
    }
    if let Ok(request) = Request::from_url(method, target) {
        is_canonical(&request);
    }
    as_hyper_reads_it(scheme, method, target, &given);
}

/// The same over the types of the HTTP library.
fn as_hyper_reads_it(scheme: Scheme, method: &str, target: &str, names: &[&str]) {
    let mut builder = http::Request::builder().method(method).uri(target);
    for host in names.iter().skip(1) {
        builder = builder.header("host", *host);
    }
    let Ok(message) = builder.body(()) else { return };
    let head = message.into_parts().0;
    let Ok(request) = headers::canonical(scheme, names.first().copied(), &head) else { return };
    is_canonical(&request);
    assert_ne!(request.method(), "CONNECT");
}

fn is_canonical(request: &Request) {
    let (url, target) = (request.url(), request.target());
    let visible = |text: &str| text.bytes().all(|b| (0x21..0x7f).contains(&b) && !b"\\#\"<>".contains(&b));
    assert!(visible(&url) && request.path().starts_with('/'), "{url}");
    // Canonical once is canonical for ever.
    assert_eq!(Request::from_url(request.method(), &url).as_ref(), Ok(request), "{url}");
    let again = Request::from_parts(request.scheme(), request.method(), &[request.host().as_str()], &target);
    assert_eq!(again.as_ref(), Ok(request), "{url}");
    // The library that sends it reads the same.
    let sent: http::Uri = url.parse().expect("the URL can be sent");
    assert_eq!(sent.host(), Some(request.host().as_str()));
    assert_eq!(sent.path(), request.path());
    assert_eq!(sent.path_and_query().map(|both| both.as_str()), Some(target.as_str()));
    assert_eq!(target.parse::<http::Uri>().expect("the target can be sent").path(), request.path());
    // However often and in whatever order a server decodes it, there is no way up.
    let mut path = request.path().as_bytes().to_vec();
    for _ in 0..4 {
        let segments = path.split(|b| b"/\\".contains(b));
        for segment in segments {
            let bare = segment.split(|b| *b == b';').next().unwrap_or_default();
            assert!(bare != b"." && bare != b"..", "{url}");
        }
        assert!(path.iter().all(|b| *b >= 0x20 && *b != 0x7f && *b != b'\\'), "{url}");
        path = decoded(&path);
    }
}

fn decoded(path: &[u8]) -> Vec<u8> {
    let (mut out, mut at) = (Vec::new(), 0);
    while at < path.len() {
        let digits = path.get(at + 1..at + 3).and_then(|digits| std::str::from_utf8(digits).ok());
        let byte = digits.filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit()));
        match byte.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) if path[at] == b'%' => {
                out.push(byte);
                at += 3;
            }
            _ => {
                out.push(path[at]);
                at += 1;
            }
        }
    }
    out
}

/// A pattern, a line feed, a text: the answer is that of a slow and simple reader.
pub fn pattern(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let Some((pattern, text)) = text.split_once('\n') else { return };
    if pattern.len() * text.len() > 100_000 {
        return;
    }
    let compiled = Pattern::new(pattern);
    assert_eq!(compiled.as_str(), pattern);
    assert_eq!(compiled.matches(text), fits(pattern, text), "{pattern:?} {text:?}");
    if compiled.is_literal() {
        assert!(compiled.matches(&pattern.replace("[[]", "[")) || pattern.contains('['), "{pattern:?}");
    }
}

/// `fnmatch` by dynamic programming: which prefixes of the text fit the pattern read so far.
fn fits(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let mut reached = vec![false; text.len() + 1];
    reached[0] = true;
    let mut at = 0;
    while at < pattern.len() {
        let mut next = vec![false; text.len() + 1];
        if pattern[at] == '*' {
            let first = reached.iter().position(|r| *r).unwrap_or(text.len() + 1);
            next.iter_mut().skip(first).for_each(|n| *n = true);
            at += 1;
        } else {
            let (one, end) = one(&pattern, at);
            for i in 0..text.len() {
                next[i + 1] = reached[i] && one(text[i]);
            }
            at = end;
        }
        reached = next;
    }
    reached[text.len()]
}

/// Whether a character fits what stands at `at`, and where the next begins.
fn one(pattern: &[char], at: usize) -> (Box<dyn Fn(char) -> bool + '_>, usize) {
    match pattern[at] {
        '?' => (Box::new(|_| true), at + 1),
        '[' => {
            let begin = at + 1 + usize::from(pattern.get(at + 1) == Some(&'!'));
            let Some(length) = pattern.iter().skip(begin + 1).position(|c| *c == ']') else {
                return (Box::new(|c| c == '['), at + 1);
            };
            let end = begin + 1 + length;
            let (negated, ranges) = expression(&pattern[at + 1..end]);
            (Box::new(move |c| ranges.iter().any(|(a, z)| (*a..=*z).contains(&c)) != negated), end + 1)
        }
        own => (Box::new(move |c| c == own), at + 1),
    }
}

/// What stands between the brackets, the way Python makes a regular expression of it: cut at the hyphens of ranges,
/// ranges that hold nothing joined away, and only then read.
fn expression(stuff: &[char]) -> (bool, Vec<(char, char)>) {
    let mut chunks: Vec<Vec<char>> = Vec::new();
    let (mut begin, mut from) = (0, if stuff[0] == '!' { 2 } else { 1 });
    while let Some(hyphen) = (from..stuff.len()).find(|&i| stuff[i] == '-') {
        chunks.push(stuff[begin..hyphen].to_vec());
        (begin, from) = (hyphen + 1, hyphen + 3);
    }
    match (&stuff[begin..], chunks.last_mut()) {
        ([], Some(last)) => last.push('-'),
        (rest, _) => chunks.push(rest.to_vec()),
    }
    for k in (1..chunks.len()).rev() {
        if chunks[k - 1].last() > chunks[k].first() {
            let joined = chunks.remove(k);
            chunks[k - 1].pop();
            chunks[k - 1].extend(&joined[1..]);
        }
    }
    // A chunk's first character ends the range that the last one of the chunk before begins.
    let mut items: Vec<(char, bool)> = Vec::new();
    for (k, chunk) in chunks.iter().enumerate() {
        items.extend(
            chunk.iter().enumerate().map(|(i, c)| (*c, i + 1 == chunk.len() && k + 1 < chunks.len())),
        );
    }
    let negated = items.first().is_some_and(|(c, _)| *c == '!');
    if negated && items.remove(0).1 {
        items.insert(0, ('-', false));
    }
    let (mut ranges, mut i) = (Vec::new(), 0);
    while i < items.len() {
        let (low, is_range) = items[i];
        i += if is_range { 2 } else { 1 };
        ranges.push((low, items[i - 1].0));
    }
    (negated, ranges)
}

/// Two lines, method and URL, then the file: whatever is read, the decision is that of its rules read one by one.
pub fn allowlist(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let mut parts = text.splitn(3, '\n');
    let (Some(method), Some(url), Some(file)) = (parts.next(), parts.next(), parts.next()) else { return };
    let list = match allowlist::parse(file) {
        Ok(list) => list,
        Err(error) => {
            assert!(!format!("{error:#}").is_empty());
            return;
        }
    };
    let _ = warnings(&list);
    // The proxy gets it as JSON: nothing is lost and nothing means more.
    let json = serde_json::to_vec(&list).expect("a list can be written");
    assert_eq!(serde_json::from_slice::<Allowlist>(&json).expect("and read"), list);
    let Ok(request) = Request::from_url(method, url) else { return };
    let expected = list.rules.iter().find(|rule| {
        let path = rule.path.as_ref();
        fits(rule.host.as_str(), request.host().as_str())
            && path.is_none_or(|path| path.matches(request.path()))
            && (rule.methods.is_empty() || rule.methods.iter().any(|one| one == request.method()))
    });
    match (decide(&list, &request), expected) {
        (Decision::Allowed(rule), Some(other)) => assert!(std::ptr::eq(rule, other)),
        (Decision::Blocked(reason), None) => assert!(!reason.to_string().is_empty()),
        (decision, expected) => panic!("{decision:?} and not {expected:?}"),
    }
}

//! Where links lead, and where they stand in plain words. Pure.

/// Whether a link may be followed from a mail.
pub fn leads_out(target: &str) -> bool {
    let has =
        |scheme: &str| target.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme));
    let plain = !target.chars().any(|c| c.is_control() || c.is_whitespace());
    plain && (has("https://") || has("http://") || has("mailto:"))
}

/// Where the first address of a page stands in a text, without what a sentence puts behind it.
#[must_use]
pub fn address(text: &str) -> Option<std::ops::Range<usize>> {
    let mut from = 0;
    while let Some(found) = text[from..].find("http") {
        let start = from + found;
        from = start + "http".len();
        let rest = &text[start..];
        let scheme = ["https://", "http://"].into_iter().find(|scheme| rest.starts_with(scheme));
        let begins = !text[..start].ends_with(char::is_alphanumeric);
        let Some(scheme) = scheme.filter(|_| begins) else { continue };
        let end = rest.find(|c: char| c.is_whitespace() || c.is_control() || "<>\"`".contains(c));
        let length = bare(&rest[..end.unwrap_or(rest.len())]).len();
        if length > scheme.len() {
            return Some(start..start + length);
        }
    }
    None
}

/// Without marks at the end, and without a bracket that was opened before.
fn bare(url: &str) -> &str {
    let marks = ['.', ',', ';', ':', '!', '?', '*', '_', '~', '\'', ']'];
    let open = url.matches('(').count();
    let mut close = url.matches(')').count();
    let mut url = url.trim_end_matches(marks);
    while let Some(inner) = url.strip_suffix(')').filter(|_| close > open) {
        url = inner.trim_end_matches(marks);
        close -= 1;
    }
    url
}

/// A path with its `%20` undone.
#[must_use]
pub fn percent_decoded(text: &str) -> String {
    let hex = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    let (bytes, mut out, mut at) = (text.as_bytes(), Vec::with_capacity(text.len()), 0);
    while at < bytes.len() {
        let decoded = bytes.get(at + 1..at + 3).filter(|_| bytes[at] == b'%').and_then(hex);
        out.push(decoded.unwrap_or(bytes[at]));
        at += if decoded.is_some() { 3 } else { 1 };
    }
    String::from_utf8(out).unwrap_or_else(|_| text.to_owned())
}

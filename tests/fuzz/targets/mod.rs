//! What is fuzzed, and what has to hold for every input. Each target takes any bytes and panics where a promise is
//! broken. The fuzzer drives them (`run.sh`), and so do the tests, over the corpus.

mod connection;
mod http;
mod init;
mod mail;
mod rules;

/// Panics where a promise is broken.
pub type Target = fn(&[u8]);

/// By name; each has a directory of the same name below `corpus/`.
pub const ALL: [(&str, Target); 13] = [
    ("request", rules::request),
    ("pattern", rules::pattern),
    ("allowlist", rules::allowlist),
    ("framing", http::framing),
    ("connection", connection::connection),
    ("dns", init::dns),
    ("environment", init::environment),
    ("trust", init::trust),
    ("message", mail::message),
    ("results", mail::results),
    ("from", mail::from),
    ("markup", mail::markup),
    ("blocks", mail::blocks),
];

/// A text made of fields that line feeds part; what is not UTF-8 is replaced.
fn fields(data: &[u8]) -> Vec<String> {
    String::from_utf8_lossy(data).split('\n').map(str::to_owned).collect()
}

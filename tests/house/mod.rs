//! The house rules that no compiler checks: who may name whom, where each library lives, what every file shows.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

mod shipped;

/// Lowest first; a file names its own layer and those below.
const LAYERS: [&str; 10] = ["base", "format", "disk", "exec", "rule", "mail", "tool", "proxy", "step", "cli"];
/// The container's init is a program of its own, with a `crate` of its own.
const INIT: &str = "src/proxy/init/";

/// What may stand only below certain paths: libraries, and doors to the world.
const FENCES: [(&str, &[&str]); 22] = [
    ("imap::Client", &["src/mail/imap"]),
    ("ureq::", &["src/tool/token.rs"]),
    ("SmtpTransport", &["src/mail/smtp.rs"]),
    ("mailparse::", &["src/mail/decode.rs"]),
    ("html2text::", &["src/mail/html.rs"]),
    ("pulldown_cmark::", &["src/mail/markdown"]),
    ("ammonia::", &["src/mail/markdown"]),
    ("unicode_width::", &["src/mail/markdown"]),
    ("git2::", &["src/tool/git"]),
    ("fs2::", &["src/disk/lock.rs"]),
    ("landlock::", &["src/proxy/confine.rs"]),
    ("rcgen::", &["src/proxy/tls.rs"]),
    ("hyper::", &["src/proxy/"]),
    ("tokio::", &["src/proxy/"]),
    ("clap::", &["src/cli/"]),
    ("serde_saphyr::", &["src/format/"]),
    ("psl::", &["src/rule/allow.rs"]),
    ("toml::", &["src/format/config"]),
    ("Command::new", &["src/exec/program.rs", INIT]),
    ("fs::write(", &["src/disk/", INIT]),
    ("fs::rename(", &["src/disk/", INIT]),
    ("unsafe ", &["src/proxy/init/sys.rs"]),
];

/// Layers that decide and never touch anything.
const PURE: [&str; 3] = ["base", "format", "rule"];
const EFFECTS: [&str; 9] = [
    "std::fs",
    "std::process",
    "std::env",
    "std::io::stdin",
    "TcpStream",
    "UnixStream",
    "Timestamp::now",
    "SystemTime::now",
    "Instant::now",
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn walk(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if [".git", "target"].iter().any(|name| path == root().join(name)) {
            continue;
        }
        if path.is_dir() {
            walk(&path, found);
        } else {
            found.push(path);
        }
    }
}

/// Path from the root, and content, of every text file below `dir`.
fn files(dir: &str) -> Vec<(String, String)> {
    let mut paths = Vec::new();
    walk(&root().join(dir), &mut paths);
    let relative = |path: &Path| path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
    let text = |path: PathBuf| Some((relative(&path), fs::read_to_string(&path).ok()?));
    paths.into_iter().filter_map(text).collect()
}

/// The Rust files below `dir`, without their comment lines.
fn code(dir: &str) -> Vec<(String, String)> {
    let is_comment = |line: &&str| line.trim_start().starts_with("//");
    let strip = |text: &str| text.lines().filter(|line| !is_comment(line)).collect::<Vec<_>>().join("\n");
    files(dir)
        .into_iter()
        .filter(|(path, _)| path.ends_with(".rs"))
        .map(|(path, text)| (path, strip(&text)))
        .collect()
}

/// What follows each `prefix` up to the end of the word.
fn words_after<'a>(text: &'a str, prefix: &'a str) -> impl Iterator<Item = &'a str> {
    text.split(prefix)
        .skip(1)
        .map(|rest| rest.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap())
}

#[track_caller]
fn none(faults: &[String]) {
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

#[test]
fn a_file_names_only_layers_below_its_own() {
    let rank = |layer: &str| LAYERS.iter().position(|other| *other == layer);
    let mut faults = Vec::new();
    for (path, text) in code("src").into_iter().filter(|(path, _)| !path.starts_with(INIT)) {
        let Some(own) = path.split('/').nth(1).and_then(rank) else { continue };
        for layer in words_after(&text, "crate::") {
            match rank(layer) {
                Some(other) if other <= own => {}
                Some(_) => faults.push(format!("{path}: {layer} is above {}", LAYERS[own])),
                None => {
                    faults.push(format!("{path}: crate::{layer} is no layer; write each path on its own"))
                }
            }
        }
    }
    none(&faults);
}

#[test]
fn steps_do_not_name_one_another() {
    let mut faults = Vec::new();
    for (path, text) in code("src/step") {
        let own = path.split('/').nth(2).unwrap().trim_end_matches(".rs");
        let named: BTreeSet<_> = words_after(&text, "crate::step::").collect();
        let others = named.into_iter().filter(|step| *step != own && *step != "report");
        faults.extend(others.map(|step| format!("{path} names the step {step}")));
    }
    none(&faults);
}

#[test]
fn paths_are_written_out() {
    let mut faults = Vec::new();
    for (path, text) in code("src") {
        if text.contains("super::") {
            faults.push(format!("{path}: super::"));
        }
        let globs = text.lines().filter(|line| line.contains("use ") && line.contains("::*"));
        faults.extend(globs.map(|line| format!("{path}: {line}")));
    }
    none(&faults);
}

#[test]
fn each_library_and_each_door_has_one_place() {
    let mut faults = Vec::new();
    for (path, text) in code("src") {
        for (what, places) in FENCES {
            let used = text.match_indices(what).any(|(at, _)| {
                // `crate::mail::imap::…` is a module of ours, and `x_hyper::` another word.
                !text[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':' || c == '"')
                    || what.ends_with('(')
                    || what.contains("::new")
            });
            if used && !places.iter().any(|place| path.starts_with(place)) {
                faults.push(format!("{path}: {what} belongs into {}", places.join(", ")));
            }
        }
    }
    none(&faults);
}

#[test]
fn the_layers_that_decide_touch_nothing() {
    let mut faults = Vec::new();
    for layer in PURE {
        for (path, text) in code(&format!("src/{layer}")) {
            let found = EFFECTS.iter().filter(|effect| text.contains(**effect));
            faults.extend(found.map(|effect| format!("{path}: {effect}")));
        }
    }
    none(&faults);
}

#[test]
fn every_source_file_opens_with_what_it_is() {
    let opens = |text: &str| text.starts_with("//!");
    let all = files("src").into_iter().filter(|(path, text)| path.ends_with(".rs") && !opens(text));
    none(&all.map(|(path, _)| path).collect::<Vec<_>>());
}

#[test]
fn no_file_is_too_long_to_read() {
    let limits = [("src", 400), ("tests", 700)];
    let mut faults = Vec::new();
    for (dir, limit) in limits {
        for (path, text) in files(dir).into_iter().filter(|(path, _)| path.ends_with(".rs")) {
            let lines = text.lines().count();
            if lines > limit {
                faults.push(format!("{path}: {lines} lines, at most {limit}"));
            }
        }
    }
    none(&faults);
}

#[test]
fn an_exception_from_a_lint_gives_its_reason_and_ends_with_it() {
    let bare = |text: &str| text.contains("#[allow(") || text.contains("#![allow(");
    let all = code("src").into_iter().filter(|(_, text)| bare(text)).map(|(path, _)| path);
    none(&all.collect::<Vec<_>>());
}

/// Package sources are the machine's affair, and so is where somebody keeps a checkout. Written in pieces, since this
/// file is looked at too.
#[test]
fn nothing_names_a_registry_a_distribution_host_or_somebodys_directory() {
    let forbidden = [
        ["crates", ".io"],
        ["static.rust-", "lang.org"],
        ["npm", "js."],
        ["py", "pi."],
        ["deb.de", "bian.org"],
        ["archive.ubu", "ntu.com"],
        ["docker", ".io"],
        ["gh", "cr.io"],
        ["quay", ".io"],
        ["/tmp/", "wt"],
        ["\"/wo", "rk/"],
        [" /wo", "rk/"],
    ]
    .map(|pieces| pieces.concat());
    let mut faults = Vec::new();
    // Cargo writes its own registry into its lock files.
    for (path, text) in files("").into_iter().filter(|(path, _)| !path.ends_with("Cargo.lock")) {
        let found = forbidden.iter().filter(|name| text.contains(name.as_str()));
        faults.extend(found.map(|name| format!("{path}: {name}")));
    }
    none(&faults);
}

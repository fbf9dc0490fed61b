//! Makes the programs of any image trust the session's CA: appends it to the bundles that are there, and sets the
//! variables of those that have bundles of their own. Changes the container's own layer only. std only.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Where distributions keep their bundle, the usual one first.
const BUNDLES: [&str; 7] = [
    "etc/ssl/certs/ca-certificates.crt", // Debian, Alpine, Arch, Gentoo
    "etc/pki/tls/certs/ca-bundle.crt",   // Fedora and its kin
    "etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", // what the one above links to
    "etc/ssl/ca-bundle.pem",             // openSUSE
    "var/lib/ca-certificates/ca-bundle.pem", // what the one above links to
    "etc/ssl/cert.pem",                  // Alpine, OpenSSL's own default
    "etc/ssl/certs/ca-bundle.crt",
];

/// Variables that replace a program's bundle: they have to name one that holds the system's roots as well.
const REPLACING: [&str; 12] = [
    "SSL_CERT_FILE",      // OpenSSL, Python, Ruby, Go, rustls
    "REQUESTS_CA_BUNDLE", // Python requests
    "CURL_CA_BUNDLE",
    "PIP_CERT",
    "GIT_SSL_CAINFO",
    "AWS_CA_BUNDLE",
    "CARGO_HTTP_CAINFO",
    "NIX_SSL_CERT_FILE",
    "CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE",
    "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH",
    "HEX_CACERTS_PATH",
    "BUNDLE_SSL_CA_CERT",
];

/// Variables that add to a program's own bundle.
const ADDING: [&str; 2] = ["NODE_EXTRA_CA_CERTS", "DENO_CERT"];

/// Installs `ca` (PEM, which the container also has at `own`) under `root`; returns the variables to set. `variable`
/// is the image's environment: a bundle it names is added to, and goes on being named.
pub fn install(
    root: &Path,
    own: &str,
    ca: &str,
    variable: impl Fn(&str) -> Option<String>,
) -> io::Result<Vec<(String, String)>> {
    let mut first = None;
    let mut done: Vec<PathBuf> = Vec::new();
    for bundle in BUNDLES {
        if append(&root.join(bundle), ca, &mut done) && first.is_none() {
            first = Some(format!("/{bundle}"));
        }
    }
    let bundle = match first {
        Some(bundle) => bundle,
        None => create(root, ca, &mut done)?,
    };
    let mut set = Vec::new();
    for (names, path) in [(&REPLACING[..], bundle.as_str()), (&ADDING[..], own)] {
        for name in names {
            let named = variable(name).filter(|named| !named.is_empty());
            let kept =
                named.is_some_and(|named| append(&root.join(named.trim_start_matches('/')), ca, &mut done));
            if !kept {
                set.push(((*name).to_owned(), path.to_owned()));
            }
        }
    }
    Ok(set)
}

/// Adds to a bundle that exists; false where it does not or cannot be written. Links lead to one file once.
fn append(path: &Path, ca: &str, done: &mut Vec<PathBuf>) -> bool {
    let Ok(real) = fs::canonicalize(path) else { return false };
    if done.contains(&real) {
        return true;
    }
    let added = OpenOptions::new().append(true).open(&real).and_then(|mut file| file.write_all(&block(ca)));
    if added.is_ok() {
        done.push(real);
    }
    added.is_ok()
}

/// What a bundle gets.
fn block(ca: &str) -> Vec<u8> {
    format!("\n# airut sandbox CA\n{}\n", ca.trim()).into_bytes()
}

/// A bundle for an image that has none, or none that can be written.
fn create(root: &Path, ca: &str, done: &mut Vec<PathBuf>) -> io::Result<String> {
    let mut last = io::Error::other("no place for a bundle");
    for bundle in [BUNDLES[0], "tmp/airut-ca-certificates.crt"] {
        let path = root.join(bundle);
        // What the image trusts goes on being trusted.
        let mut content =
            BUNDLES.iter().find_map(|bundle| fs::read(root.join(bundle)).ok()).unwrap_or_default();
        content.extend(block(ca));
        let parent = path.parent().unwrap_or(root);
        let written = fs::create_dir_all(parent)
            .and_then(|()| OpenOptions::new().write(true).create_new(true).open(&path)?.write_all(&content));
        match written {
            Ok(()) => {
                // A variable that names it is not to add the CA once more.
                done.extend(fs::canonicalize(&path).ok());
                return Ok(format!("/{bundle}"));
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

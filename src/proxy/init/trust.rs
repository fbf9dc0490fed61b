//! Makes the programs of any image trust the session's CA: appends it to the bundles that are there, and sets the
//! variables of those that have bundles of their own. Changes the container's own layer only, never what is mounted
//! into it; and whatever an image has in a bundle's place, it neither waits nor fails. std only.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// A larger file is no bundle: those of distributions have a quarter of a megabyte.
pub const BUNDLE_BYTES: u64 = 16 << 20;

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
/// is the image's environment: a bundle it names is added to, and goes on being named. Nothing else may run there yet:
/// what was looked at has to stay what it is.
pub fn install(
    root: &Path,
    own: &str,
    ca: &str,
    variable: impl Fn(&str) -> Option<String>,
) -> Vec<(String, String)> {
    let mut image = Image::new(root, ca);
    let mut there =
        BUNDLES.map(|bundle| image.append(bundle).then(|| format!("/{bundle}"))).into_iter().flatten();
    // Every TLS connection of the sandbox ends at the proxy: where nothing can be written, its CA alone will do.
    let bundle = there.next().or_else(|| image.create()).unwrap_or_else(|| own.to_owned());
    let mut set = Vec::new();
    for (names, path) in [(&REPLACING[..], bundle.as_str()), (&ADDING[..], own)] {
        for name in names {
            // What a relative path names depends on where a program is started.
            let kept = variable(name)
                .is_some_and(|named| named.starts_with('/') && image.append(named.trim_start_matches('/')));
            if !kept {
                set.push(((*name).to_owned(), path.to_owned()));
            }
        }
    }
    set
}

/// The root file system, and what was done to it.
struct Image<'a> {
    root: &'a Path,
    /// What a bundle gets.
    block: Vec<u8>,
    mounts: Vec<PathBuf>,
    /// The files that have the CA; links lead to one file once.
    done: Vec<PathBuf>,
}

impl<'a> Image<'a> {
    fn new(root: &'a Path, ca: &str) -> Self {
        let block = format!("\n# airut sandbox CA\n{}\n", ca.trim()).into_bytes();
        Self { root, block, mounts: mounts(), done: Vec::new() }
    }

    /// Adds to a bundle that exists; false where there is none, or none that can be written.
    fn append(&mut self, bundle: &str) -> bool {
        let Ok(real) = fs::canonicalize(self.root.join(bundle)) else { return false };
        if self.done.contains(&real) {
            return true;
        }
        let appended = self.is_own(&real)
            && is_bundle(&real)
            && OpenOptions::new()
                .append(true)
                .open(&real)
                .and_then(|mut file| file.write_all(&self.block))
                .is_ok();
        if appended {
            self.done.push(real);
        }
        appended
    }

    /// A bundle for an image that has none, or none that can be written; what it trusts goes on being trusted.
    fn create(&mut self) -> Option<String> {
        let found = BUNDLES.iter().find_map(|bundle| {
            let real = fs::canonicalize(self.root.join(bundle)).ok()?;
            is_bundle(&real).then(|| fs::read(real).ok())?
        });
        let content = [found.unwrap_or_default(), self.block.clone()].concat();
        let made = [BUNDLES[0], "tmp/airut-ca-certificates.crt"].into_iter().find(|bundle| {
            let path = self.root.join(bundle);
            let above = path.ancestors().skip(1).find_map(|dir| fs::canonicalize(dir).ok());
            above.is_some_and(|dir| self.is_own(&dir)) && write_new(&path, &content).is_ok()
        })?;
        // A variable that names it is not to add the CA once more.
        self.done.extend(fs::canonicalize(self.root.join(made)));
        Some(format!("/{made}"))
    }

    /// Whether a path without links is on the container's own layer.
    fn is_own(&self, real: &Path) -> bool {
        let mount = |path: &Path| {
            path.ancestors().find(|dir| self.mounts.iter().any(|mount| mount == dir)).map(Path::to_owned)
        };
        mount(real) == mount(self.root)
    }
}

/// A regular file of a fitting size: nothing that blocks or never ends. Those of /proc say that they are empty.
fn is_bundle(real: &Path) -> bool {
    fs::metadata(real).is_ok_and(|meta| meta.is_file() && (1..=BUNDLE_BYTES).contains(&meta.len()))
}

fn write_new(path: &Path, content: &[u8]) -> io::Result<()> {
    fs::create_dir_all(path.parent().unwrap_or(path))?;
    OpenOptions::new().write(true).create_new(true).open(path)?.write_all(content)
}

/// Where something is mounted, without links (proc(5): the fifth word of a line).
fn mounts() -> Vec<PathBuf> {
    let table = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let points = table.lines().filter_map(|line| line.split(' ').nth(4));
    // White space and backslashes are the only characters that are escaped.
    let escapes = [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")];
    points
        .map(|point| escapes.iter().fold(point.to_owned(), |text, (from, to)| text.replace(from, to)).into())
        .collect()
}

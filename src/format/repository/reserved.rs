//! Names in the container's environment that airut keeps to itself.

/// Why a variable is not the repository's to set: with another value, what airut put into the sandbox would not
/// find its state, its way out or its certificate, and fail in ways nobody can read. (No wall against the
/// repository's author: the Dockerfile is theirs, too.)
#[must_use]
pub fn reserved(name: &str) -> Option<&'static str> {
    const OWN: [&str; 6] = [
        "HOME",
        "IS_SANDBOX",
        "CLAUDE_CONFIG_DIR",
        "CLAUDE_CODE_DISABLE_BACKGROUND_TASKS",
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC",
        "CLAUDECODE",
    ];
    const TRUST: [&str; 17] = [
        "NODE_EXTRA_CA_CERTS",
        "NODE_TLS_REJECT_UNAUTHORIZED",
        "SSL_CERT_FILE",
        "SSL_CERT_DIR",
        "REQUESTS_CA_BUNDLE",
        "CURL_CA_BUNDLE",
        "GIT_SSL_CAINFO",
        "GIT_SSL_NO_VERIFY",
        "PIP_CERT",
        "AWS_CA_BUNDLE",
        "CARGO_HTTP_CAINFO",
        "DENO_CERT",
        "NIX_SSL_CERT_FILE",
        "CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE",
        "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH",
        "HEX_CACERTS_PATH",
        "BUNDLE_SSL_CA_CERT",
    ];
    const PROXIES: [&str; 4] = ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"];
    const LOADER: [&str; 2] = ["LD_PRELOAD", "LD_AUDIT"];
    let upper = name.to_ascii_uppercase();
    if OWN.contains(&name) || name.starts_with("AIRUT_") {
        Some("airut sets it; allowed: any name that airut does not use itself")
    } else if TRUST.contains(&name) {
        Some("it points at the certificates, which airut sets for the sandbox's proxy")
    } else if PROXIES.contains(&upper.as_str()) {
        Some("the sandbox has no proxy to name: what is on the allowlist is reached directly")
    } else if LOADER.contains(&name) {
        Some("it would load code into every program of the sandbox; build it into the image instead")
    } else {
        None
    }
}

//! Composes calls of the `git` program. Two worlds that never mix: to the remote with the operator's own
//! configuration, and for the checkout of a workspace with none at all.

use crate::base::fault::Fault;
use crate::base::limits;
use crate::base::remote::Remote;
use crate::base::shortage::Shortage;
use crate::exec::program::{End, Output, Program};
use anyhow::Result;
use std::path::Path;

/// Where git, ssh and credential helpers find the operator's settings, agents and proxies.
const OPERATOR: [&str; 25] = [
    "XDG_CONFIG_HOME",
    "XDG_CACHE_HOME",
    "XDG_DATA_HOME",
    "GIT_CONFIG_GLOBAL",
    "GIT_CONFIG_SYSTEM",
    "GIT_SSH",
    "GIT_SSH_COMMAND",
    "GIT_SSH_VARIANT",
    "GIT_SSL_CAINFO",
    "SSH_AUTH_SOCK",
    "DBUS_SESSION_BUS_ADDRESS",
    "GNUPGHOME",
    "PASSWORD_STORE_DIR",
    "CREDENTIALS_DIRECTORY",
    "GH_CONFIG_DIR",
    "GH_TOKEN",
    "GITHUB_TOKEN",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "http_proxy",
    "https_proxy",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "no_proxy",
    "NO_PROXY",
];

/// Answers git's question for a password from the environment; git runs it with `sh` and appends the verb.
const HELPER: &str = r#"!printf 'username=%s\npassword=%s\n' "$AIRUT_GIT_USER" "$AIRUT_GIT_PASSWORD"; :"#;

/// A call that talks to the remote: it asks nobody, gives up when the line is dead, and runs none of the
/// operator's hooks. A credential from the URL goes through the environment, never through an argument.
pub fn to_remote(remote: &Remote) -> Program {
    let mut settings = vec![
        ("core.hooksPath".to_owned(), "/dev/null".to_owned()),
        ("http.lowSpeedLimit".to_owned(), "1000".to_owned()),
        ("http.lowSpeedTime".to_owned(), limits::GIT_STALL_SECONDS.to_string()),
        // One pack for each update: quicker to copy into a workspace than its objects one by one.
        ("fetch.unpackLimit".to_owned(), "1".to_owned()),
        // What tidies up does so under the mirror's lock, not after us.
        ("gc.autoDetach".to_owned(), "false".to_owned()),
        ("maintenance.autoDetach".to_owned(), "false".to_owned()),
        ("core.fsync".to_owned(), "all".to_owned()),
    ];
    let mut program = Program::new("git")
        .inherit(OPERATOR)
        .env("LC_ALL", "C")
        .env("GIT_TERMINAL_PROMPT", "0")
        .env("GIT_ASKPASS", "")
        .env("SSH_ASKPASS", "false")
        .env("SSH_ASKPASS_REQUIRE", "force")
        .env("GCM_INTERACTIVE", "never");
    if std::env::var_os("GIT_SSH_COMMAND").is_none() && std::env::var_os("GIT_SSH").is_none() {
        program = program.env("GIT_SSH_COMMAND", ssh_command(configured_ssh().as_deref()));
    }
    if let (Some(found), Some(origin)) = (remote.credentials(), remote.origin()) {
        settings.push((format!("credential.{origin}.username"), found.user.clone()));
        if let Some(password) = &found.password {
            // The empty one drops the operator's helpers for this host: none is to store what the URL held.
            settings.push((format!("credential.{origin}.helper"), String::new()));
            settings.push((format!("credential.{origin}.helper"), HELPER.to_owned()));
            program = program.env("AIRUT_GIT_USER", &found.user).env("AIRUT_GIT_PASSWORD", password);
        }
    }
    with_settings(program, &settings)
}

/// A call on a directory of ours that must not know the operator's configuration: what is checked out is input,
/// and its attributes could name filters.
pub fn sealed() -> Program {
    let settings = [("core.hooksPath", "/dev/null"), ("core.attributesFile", "/dev/null")];
    let program = Program::new("git")
        .env("LC_ALL", "C")
        .env("HOME", "/nonexistent")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_ATTR_NOSYSTEM", "1")
        .deadline(limits::GIT_TIMEOUT);
    with_settings(program, &settings.map(|(key, value)| (key.to_owned(), value.to_owned())))
}

fn with_settings(program: Program, settings: &[(String, String)]) -> Program {
    let counted = program.env("GIT_CONFIG_COUNT", settings.len().to_string());
    settings.iter().enumerate().fold(counted, |program, (number, (key, value))| {
        program.env(format!("GIT_CONFIG_KEY_{number}"), key).env(format!("GIT_CONFIG_VALUE_{number}"), value)
    })
}

/// The operator's own ssh is left as it is: it may not be OpenSSH.
fn ssh_command(configured: Option<&str>) -> String {
    configured
        .unwrap_or(
            "ssh -o BatchMode=yes -o ConnectTimeout=30 -o ServerAliveInterval=15 -o ServerAliveCountMax=4",
        )
        .to_owned()
}

fn configured_ssh() -> Option<String> {
    git2::Config::open_default().ok()?.get_string("core.sshCommand").ok()
}

/// Runs it; an error says that git is not there, or what this machine lacks for it.
pub fn run(program: Program) -> Result<Output> {
    let output = program.run().map_err(|error| match Shortage::of(&error) {
        Some(_) => error,
        None => Fault::failed(format!("{error:#}")).hint("airut needs git 2.31 or later in PATH").into(),
    })?;
    // What the remote says of itself is its own affair.
    let own = |line: &&str| !line.starts_with("remote:");
    let short = output.stderr.lines().filter(own).find_map(|line| Some((Shortage::said(line)?, line)));
    match short {
        Some((shortage, line)) if !output.success() => {
            let line: String = line.chars().filter(|c| !c.is_control()).take(400).collect();
            Err(Fault::short(shortage, format!("git: {line}")).into())
        }
        _ => Ok(output),
    }
}

/// A failure as the remote's: the same may succeed later.
pub fn away(remote: &Remote, output: &Output) -> Fault {
    let why = match output.end {
        End::TimedOut => "it did not answer in time".to_owned(),
        _ => reason(&output.stderr, remote),
    };
    let fault = Fault::try_later(format!("the git remote {remote} cannot be reached: {why}"));
    let refused =
        ["Authentication failed", "could not read", "Permission denied", "Host key", "access denied"];
    if refused.iter().any(|words| why.contains(words)) {
        return fault.hint("`git ls-remote` as the user airut runs as must work without asking anything");
    }
    fault
}

/// git's own reason: its last line that says something, in one line of bounded length, and without credentials
/// whatever git made of them.
#[must_use]
pub fn reason(stderr: &str, remote: &Remote) -> String {
    const COURTESIES: [&str; 3] =
        ["Please make sure you have the correct access rights", "and the repository exists.", "hint:"];
    let mut lines = stderr
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !COURTESIES.iter().any(|start| line.starts_with(start)))
        .rev();
    let last = lines.next().unwrap_or("git said nothing");
    let said = match lines.next() {
        // The general sentence; ssh or the server said before it what is the matter.
        Some(before) if last.contains("Could not read from remote repository") => format!("{before}; {last}"),
        _ => last.to_owned(),
    };
    let mut said: String = said.chars().filter(|c| !c.is_control()).take(400).collect();
    if let Some(found) = remote.credentials() {
        for secret in [found.password.as_deref(), Some(found.user.as_str())].into_iter().flatten() {
            // A short user name is a word that may stand anywhere, and no secret.
            if remote.has_secret() && secret.len() >= 4 {
                said = said.replace(secret, "…");
            }
        }
    }
    said
}

/// Options that name a bare repository of ours.
pub fn git_dir(path: &Path) -> std::ffi::OsString {
    let mut option = std::ffi::OsString::from("--git-dir=");
    option.push(path);
    option
}

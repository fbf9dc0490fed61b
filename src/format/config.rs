//! The operator's file, `airut.toml`. Unknown keys are refused; every error names file, line and key.

use crate::base::address::{Address, SenderPattern};
use crate::base::host::HostName;
use crate::base::id::{RepoName, VarName};
use crate::base::remote::Remote;
use crate::format::secret::Secret;
use crate::format::size::Size;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

mod check;
mod limits;
mod network;
mod oauth2;
mod paths;
mod place;

pub use check::check;
pub use limits::{Beyond, Limits};
pub use network::{EgressProxy, Network, Pinned};
pub use oauth2::{OAuth2, TokenUrl};
pub use paths::{literal_secret, resolve};
pub use place::{Placed, Problem, place, read};

/// The whole file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Runs at once over all repositories and processes.
    #[serde(default = "three")]
    pub max_concurrent: u32,
    /// Seconds that running work gets after SIGTERM before it is left, resumable.
    #[serde(default = "sixty")]
    pub shutdown_timeout: u64,
    /// Global state; default `$XDG_STATE_HOME/airut`. Its slots and image locks are what all repositories share.
    pub state_dir: Option<PathBuf>,
    pub repos: BTreeMap<RepoName, Repo>,
}

/// `[repos.NAME]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Repo {
    pub git_url: Remote,
    pub authorized_senders: Vec<SenderPattern>,
    /// The authserv-id (RFC 8601 section 2.5) that the own mail server writes; results of any other are a claim.
    /// Exactly one of this and `provider`.
    pub trusted_authserv_id: Option<HostName>,
    /// Who runs the mailbox, where that one writes its results in a way of its own (`rule/stamp.rs`).
    pub provider: Option<Provider>,
    /// An older mail is refused, by the date that the mail server stamped on it.
    #[serde(default = "seven")]
    pub max_mail_age_days: u32,
    /// Default: `{state_dir}/NAME`.
    pub storage_dir: Option<PathBuf>,
    #[serde(default = "seven")]
    pub session_max_age_days: u32,
    #[serde(default = "hundred")]
    pub max_sessions: u32,
    /// What all sessions together may take on the disk; none: whatever they take.
    pub max_storage: Option<Size>,
    /// Nothing new is taken in while less than this is free where it is stored.
    #[serde(default = "reserve")]
    pub reserve: Size,
    /// Who may continue a session.
    #[serde(default)]
    pub session_access: SessionAccess,
    /// Whether an answer goes, besides the sender, to those participants whom his mail was addressed to.
    #[serde(default)]
    pub reply_to_all: bool,
    /// Whether a person whose mail is genuine and who is not on the list is told so, once a day.
    #[serde(default)]
    pub refusal_notice: bool,
    /// Whether `network.sandbox_enabled: false` in the repository is obeyed.
    #[serde(default)]
    pub allow_unsandboxed: bool,
    pub mail: Mail,
    #[serde(default)]
    pub secrets: BTreeMap<VarName, Secret>,
    #[serde(default)]
    pub masked_secrets: BTreeMap<VarName, MaskedSecret>,
    #[serde(default)]
    pub network: Network,
    #[serde(default)]
    pub container: Container,
    #[serde(default)]
    pub limits: Limits,
}

/// Who may continue a session, of those who may write at all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SessionAccess {
    /// Who opened it, and to whom its mails went besides.
    #[default]
    Participants,
    /// Every authorized sender.
    Authorized,
}

/// A provider of mailboxes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Provider {
    Fastmail,
    Google,
    Microsoft365,
}

impl fmt::Display for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Fastmail => "fastmail",
            Self::Google => "google",
            Self::Microsoft365 => "microsoft365",
        })
    }
}

/// `[repos.NAME.mail]`: one way in (or only `fetch --stdin`), one way out.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mail {
    /// The repository's own address, `Name <airut@example.com>` or the bare address.
    pub from: From,
    pub imap: Option<Imap>,
    /// A Maildir that mail is taken from.
    pub maildir: Option<PathBuf>,
    pub smtp: Option<Smtp>,
    /// A sendmail program; called as `PROGRAM -i -f FROM -- TO` with the mail on standard input.
    pub sendmail: Option<PathBuf>,
    /// A Maildir that answers are put into.
    pub reply_maildir: Option<PathBuf>,
}

/// A display name and an address.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct From {
    pub name: Option<String>,
    pub address: Address,
}

impl TryFrom<String> for From {
    type Error = crate::base::address::NotAnAddress;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        let trimmed = text.trim();
        if let Some((name, rest)) = trimmed.strip_suffix('>').and_then(|text| text.rsplit_once('<')) {
            let name = name.trim().trim_matches('"').trim();
            let name = (!name.is_empty()).then(|| name.to_owned());
            return Ok(Self { name, address: rest.trim().parse()? });
        }
        Ok(Self { name: None, address: trimmed.parse()? })
    }
}

/// How a connection is protected. Certificates are always verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Tls {
    /// TLS from the first byte (RFC 8314).
    Implicit,
    Starttls,
    /// No protection; to loopback only.
    None,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Imap {
    pub host: String,
    /// Default 993, or 143 without implicit TLS.
    pub port: Option<u16>,
    #[serde(default = "implicit")]
    pub tls: Tls,
    /// PEM file of further certificate authorities, for a server with a private one.
    pub ca_file: Option<PathBuf>,
    pub username: String,
    /// One of `password` and `oauth2`.
    pub password: Option<Secret>,
    pub oauth2: Option<OAuth2>,
    #[serde(default = "inbox")]
    pub folder: String,
    /// Where mail goes once it is stored; absent: it is deleted.
    pub move_to: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Smtp {
    pub host: String,
    /// Default 465, or 587 with STARTTLS, or 25 without TLS.
    pub port: Option<u16>,
    #[serde(default = "implicit")]
    pub tls: Tls,
    pub ca_file: Option<PathBuf>,
    /// With one of `password` and `oauth2`; without, mail is handed over without signing in.
    pub username: Option<String>,
    pub password: Option<Secret>,
    pub oauth2: Option<OAuth2>,
}

impl Imap {
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port.unwrap_or(if self.tls == Tls::Implicit { 993 } else { 143 })
    }
}

impl Smtp {
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port.unwrap_or(match self.tls {
            Tls::Implicit => 465,
            Tls::Starttls => 587,
            Tls::None => 25,
        })
    }
}

/// A secret that never enters the container: the proxy swaps a stand-in for it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MaskedSecret {
    pub value: Secret,
    /// Hosts it is meant for; `*.example.com` is any host below that.
    pub scopes: Vec<String>,
    /// Request headers it may stand in.
    pub headers: Vec<String>,
    /// Whether another credential in one of these headers is passed on to these hosts, instead of being taken out.
    #[serde(default)]
    pub allow_foreign: bool,
}

/// `[repos.NAME.container]`: limits of the sandbox.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Container {
    /// As Podman takes it; absent: none.
    #[serde(default = "memory")]
    pub memory: Option<String>,
    #[serde(default = "cpus")]
    pub cpus: Option<f64>,
    #[serde(default = "pids")]
    pub pids: u32,
    /// `host` where rootless or bridge networks cannot be made and `RUN` needs the network; absent: Podman's own.
    pub build_network: Option<BuildNetwork>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BuildNetwork {
    Host,
    None,
}

impl Default for Container {
    fn default() -> Self {
        Self { memory: memory(), cpus: cpus(), pids: pids(), build_network: None }
    }
}

fn three() -> u32 {
    3
}

fn sixty() -> u64 {
    60
}

fn seven() -> u32 {
    7
}

fn hundred() -> u32 {
    100
}

// One large mail, its attachments, and a workspace.
fn reserve() -> Size {
    Size(100 << 20)
}

fn implicit() -> Tls {
    Tls::Implicit
}

fn inbox() -> String {
    "INBOX".to_owned()
}

fn memory() -> Option<String> {
    Some("4g".to_owned())
}

// None lets the container use every core: one run must not be slower than needed where it is alone.
fn cpus() -> Option<f64> {
    None
}

fn pids() -> u32 {
    1024
}

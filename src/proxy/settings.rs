//! What the proxy process is told: one line of JSON on its standard input, never an argument, since it holds
//! secret values. And the one line it answers with.

use crate::base::cidr::Cidr;
use crate::format::allowlist::Allowlist;
use crate::format::config::EgressProxy;
use crate::proxy::credentials::Masked;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;

/// Everything a proxy needs; nothing is looked up later.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Holds the socket and the CA's certificate.
    pub runtime_dir: PathBuf,
    pub log: PathBuf,
    /// Whether to end with standard input, as the proxy of a run does.
    pub tied: bool,
    pub allowlist: Allowlist,
    pub masked: Vec<Masked>,
    /// Names pinned to an address, which may be private; without a port, the one asked for.
    pub resolve: BTreeMap<String, (IpAddr, Option<u16>)>,
    /// Ranges that are not public and may be connected to.
    pub allow_private: Vec<Cidr>,
    /// The proxy that everything goes through.
    pub upstream_proxy: Option<EgressProxy>,
    /// PEM of further certificate authorities for upstream connections.
    pub upstream_ca: Option<String>,
}

/// The line on standard output that says the socket is open, and what the proxy laid on itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ready {
    pub ready: bool,
    /// Why not.
    pub error: Option<String>,
    pub pid: u32,
    pub confinement: Confinement,
}

/// What the kernel granted of the confinement that was asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confinement {
    /// `full`, `partial` or `none`.
    pub landlock: String,
    /// What the kernel's Landlock covers: nothing, `files`, `files, ports` and more with newer ones.
    pub landlock_covers: String,
    pub no_new_privileges: bool,
    pub not_dumpable: bool,
    pub limits: bool,
    /// Which control group it is in, in words, with its limits.
    pub cgroup: String,
    /// The directory of a control group of its own, to be removed when it has ended.
    pub group: Option<PathBuf>,
}

//! `[repos.NAME.network]`: where the proxy may go beyond the public internet, and by which way. Types and their parsing.

use crate::base::cidr::Cidr;
use crate::base::host::HostName;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;

/// `[repos.NAME.network]`: what the proxy needs to reach hosts of the operator's own.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Network {
    /// PEM file of further certificate authorities for upstream connections.
    pub upstream_ca_file: Option<PathBuf>,
    /// Ranges that a name may lead to although they are not on the public internet; this machine's own addresses
    /// among them count as well.
    #[serde(default)]
    pub allow_private: Vec<Cidr>,
    /// Another proxy that everything goes through.
    pub upstream_proxy: Option<EgressProxy>,
    /// Names pinned to an address, as curl's `--resolve` does; such an address may be private.
    #[serde(default)]
    pub resolve: BTreeMap<HostName, Pinned>,
}

/// `"192.0.2.7"` or `"192.0.2.7:8443"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Pinned {
    pub address: IpAddr,
    /// Absent: the port that was asked for.
    pub port: Option<u16>,
}

impl TryFrom<String> for Pinned {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        if let Ok(address) = text.parse() {
            return Ok(Self { address, port: None });
        }
        match text.parse::<SocketAddr>() {
            Ok(socket) => Ok(Self { address: socket.ip(), port: Some(socket.port()) }),
            Err(_) => Err(format!("{text:?} is not an address: an IP, or IP:PORT, like 192.0.2.7:8443")),
        }
    }
}

/// `"http://proxy.example.com:3128"`: a proxy that takes CONNECT and absolute URLs (RFC 9110 section 9.3.6, RFC 9112
/// section 3.2.2).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EgressProxy {
    /// A name or an address, without brackets.
    pub host: String,
    pub port: u16,
}

impl TryFrom<String> for EgressProxy {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        const ALLOWED: &str = "allowed: http://HOST:PORT, without user, path or a trailing slash";
        // Not repeated as it is: somebody may have written a password into it.
        let not = |what: &str| format!("{what}; {ALLOWED}");
        let rest = text.strip_prefix("http://").ok_or_else(|| not("does not begin with http://"))?;
        if rest.contains('@') {
            return Err(not("holds a user"));
        }
        let (host, port) = rest.rsplit_once(':').ok_or_else(|| not("has no port"))?;
        let port = port.parse().ok().filter(|port| *port > 0).ok_or_else(|| not("has no port"))?;
        let literal = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let host = match literal {
            Some(v6) => v6.parse::<Ipv6Addr>().map_err(|_| not("has a malformed address"))?.to_string(),
            None => match host.parse::<Ipv4Addr>() {
                Ok(v4) => v4.to_string(),
                Err(_) => host.parse::<HostName>().map_err(|_| not("has a malformed host"))?.to_string(),
            },
        };
        Ok(Self { host, port })
    }
}

impl From<EgressProxy> for String {
    fn from(proxy: EgressProxy) -> String {
        proxy.to_string()
    }
}

impl fmt::Display for EgressProxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "http://[{}]:{}", self.host, self.port),
            false => write!(f, "http://{}:{}", self.host, self.port),
        }
    }
}

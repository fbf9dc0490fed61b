//! The ways to the server that are compared, each started, reached and ended here.

use crate::server::{H2_HOST, HOST, SECRET, STAND_IN};
use airut::format::allowlist;
use airut::format::config::{Network, Pinned};
use airut::proxy::credentials::Masked;
use airut::proxy::init::contract;
use airut::proxy::process::{self, Options, Proxy};
use anyhow::{Context as _, Result, ensure};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What both proxies let through; in JSON, which is YAML as well.
const ALLOWLIST: &str = r#"{"domains": ["other.example.com", "*.wide.example.com"], "url_prefixes": [
    {"host": "git.example.com", "path": "/repos/org/*", "methods": ["GET"]},
    {"host": "bench.example.com", "path": "/*", "methods": ["GET", "POST"]},
    {"host": "h2.example.com", "path": "/*", "methods": ["GET"]}]}"#;

/// Where a client's bytes go first.
#[derive(Clone)]
pub enum Dial {
    Direct(SocketAddr),
    /// The proxy's unix socket and its preamble, as the sandbox's init dials it.
    Socket(PathBuf),
    /// mitmproxy's regular mode: a CONNECT to the server's address once a connection, and from then on it does what it
    /// does in transparent mode, which would need the machine's packet filter.
    Connect {
        proxy: SocketAddr,
        server: SocketAddr,
    },
}

pub struct Way {
    pub name: &'static str,
    pub dial: Dial,
    pub ca: PathBuf,
    pub token: &'static str,
    running: Running,
}

enum Running {
    Nothing,
    Airut(Proxy),
    Mitmdump(Child),
}

impl Way {
    pub fn direct(dir: &Path, port: u16) -> Self {
        Self {
            name: "no proxy",
            dial: Dial::Direct((Ipv4Addr::LOCALHOST, port).into()),
            ca: dir.join("server-ca.pem"),
            token: SECRET,
            running: Running::Nothing,
        }
    }

    /// Started and ready.
    pub fn airut(dir: &Path, port: u16) -> Result<Self> {
        let pinned = Pinned { address: IpAddr::V4(Ipv4Addr::LOCALHOST), port: Some(port) };
        let runtime_dir = dir.join("r/x");
        let masked = Masked {
            name: "TOKEN".to_owned(),
            value: SECRET.to_owned(),
            stand_in: STAND_IN.to_owned(),
            scopes: vec![HOST.parse()?, H2_HOST.parse()?],
            headers: vec!["Authorization".to_owned()],
            allow_foreign: false,
        };
        let options = Options {
            program: env!("CARGO_BIN_EXE_airut").into(),
            runtime_dir: runtime_dir.clone(),
            allowlist: allowlist::parse(ALLOWLIST)?,
            masked: vec![masked],
            network: Network {
                upstream_ca_file: Some(dir.join("server-ca.pem")),
                resolve: [(HOST.parse()?, pinned), (H2_HOST.parse()?, pinned)].into(),
                ..Network::default()
            },
            log: dir.join("network-sandbox.log"),
        };
        // A full log lets nothing pass.
        let _ = std::fs::remove_file(&options.log);
        let proxy = process::start(&options)?;
        Ok(Self {
            name: "airut",
            dial: Dial::Socket(runtime_dir.join(contract::SOCKET)),
            ca: runtime_dir.join(contract::CA),
            token: STAND_IN,
            running: Running::Airut(proxy),
        })
    }

    /// Started, and it accepts connections. Set up in its own favour: it neither looks at the server's certificate
    /// before it answers the client nor logs, and it streams every body.
    pub fn mitmdump(dir: &Path, port: u16, program: &Path) -> Result<Self> {
        let file = dir.join("allowlist.json");
        std::fs::write(&file, ALLOWLIST)?;
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/allowlist.py");
        let own = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let confdir = dir.join("mitmproxy");
        let ca = dir.join("server-ca.pem");
        let options = [
            format!("confdir={}", confdir.display()),
            format!("ssl_verify_upstream_trusted_ca={}", ca.display()),
            "connection_strategy=lazy".to_owned(),
            "upstream_cert=false".to_owned(),
        ];
        let mut command = Command::new(program);
        command.args(["--quiet", "--mode", &format!("regular@{own}"), "-s", script]);
        command.args(options.iter().flat_map(|option| ["--set", option]));
        command
            .env("AIRUT_ALLOWLIST", file)
            .env("AIRUT_SWAP", format!("{HOST},{H2_HOST} {STAND_IN} {SECRET}"))
            .env("AIRUT_FORWARD", "1")
            .stdout(Stdio::null());
        let mut child = command.spawn().context("cannot start mitmdump")?;
        let started = Instant::now();
        while TcpStream::connect(own).is_err() {
            ensure!(
                child.try_wait()?.is_none() && started.elapsed().as_secs() < 60,
                "mitmdump did not start"
            );
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(Self {
            name: "mitmdump",
            dial: Dial::Connect { proxy: own, server: (Ipv4Addr::LOCALHOST, port).into() },
            ca: confdir.join("mitmproxy-ca-cert.pem"),
            token: STAND_IN,
            running: Running::Mitmdump(child),
        })
    }

    /// Trusts what stands at the other end of this way, and never resumes a session.
    pub fn tls(&self, h2: bool) -> Result<Arc<rustls::ClientConfig>> {
        let mut roots = rustls::RootCertStore::empty();
        for certificate in CertificateDer::pem_file_iter(&self.ca)? {
            roots.add(certificate?)?;
        }
        let mut config = rustls::ClientConfig::builder_with_provider(airut::proxy::tls::provider())
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![if h2 { b"h2".to_vec() } else { b"http/1.1".to_vec() }];
        config.resumption = rustls::client::Resumption::disabled();
        Ok(Arc::new(config))
    }

    /// The proxy's process, where there is one.
    pub fn pid(&self) -> Option<u32> {
        match &self.running {
            Running::Nothing => None,
            Running::Airut(proxy) => Some(proxy.pid()),
            Running::Mitmdump(child) => Some(child.id()),
        }
    }

    /// A line of its status in kB (proc_pid_status(5)): `VmRSS` now, `VmHWM` at its highest.
    pub fn memory_kb(&self, line: &str) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid()?)).ok()?;
        status
            .lines()
            .find_map(|l| l.strip_prefix(line)?.strip_prefix(':')?.split_whitespace().next()?.parse().ok())
    }
}

/// The CPU time a process has used, in the kernel and outside of it (proc_pid_stat(5), which counts in 10 ms).
pub fn cpu(pid: u32) -> Result<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name in parentheses may hold anything; utime and stime are the 12th and 13th field behind it.
    let (_, fields) = stat.rsplit_once(')').context("no process")?;
    let ticks: u64 = fields.split_whitespace().skip(11).take(2).filter_map(|f| f.parse::<u64>().ok()).sum();
    Ok(Duration::from_millis(10 * ticks))
}

impl Drop for Way {
    fn drop(&mut self) {
        if let Running::Mitmdump(child) = &mut self.running {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

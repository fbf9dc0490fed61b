//! The real mitmdump, as an operator starts it to watch traffic. `mitmproxy.sh` puts it into the tests' cache.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

/// Ends with its test.
#[derive(Debug)]
pub struct Mitmdump {
    child: Child,
    pub port: u16,
    dir: TempDir,
}

/// Where it is; made first, if need be.
pub fn mitmdump() -> PathBuf {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/mitmproxy.sh");
    let made = Command::new("bash").arg(script).stderr(Stdio::inherit()).output().unwrap();
    assert!(made.status.success(), "mitmproxy cannot be installed");
    String::from_utf8(made.stdout).unwrap().trim().into()
}

impl Mitmdump {
    /// Waits until it listens, on a port that the kernel chose.
    pub fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let child = Command::new(mitmdump())
            .args(["--listen-host", "127.0.0.1", "--listen-port", "0", "--set", "flow_detail=1"])
            .args(["--set", "termlog_verbosity=info"])
            .arg("--set")
            .arg(format!("confdir={}", dir.path().display()))
            .arg("--set")
            .arg(format!("ssl_verify_upstream_trusted_ca={}", dir.path().join("upstream.pem").display()))
            .env("PYTHONUNBUFFERED", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut mitmdump = Self { child, port: 0, dir };
        let mut lines = BufReader::with_capacity(1, mitmdump.child.stdout.as_mut().unwrap());
        while mitmdump.port == 0 {
            let mut line = String::new();
            assert_ne!(lines.read_line(&mut line).unwrap(), 0, "mitmdump ended");
            let port =
                line.split("listening at 127.0.0.1:").nth(1).map(|rest| rest.trim_end_matches(['.', '\n']));
            mitmdump.port = port.map_or(0, |port| port.parse().unwrap());
        }
        mitmdump
    }

    /// The authority it makes certificates with.
    pub fn ca(&self) -> PathBuf {
        self.dir.path().join("mitmproxy-ca-cert.pem")
    }

    /// Has it trust the servers behind it.
    pub fn trust(&self, ca: &Path) {
        std::fs::copy(ca, self.dir.path().join("upstream.pem")).unwrap();
    }

    /// Ends it and returns what it showed.
    pub fn end(mut self) -> String {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        let mut shown = String::new();
        self.child.stdout.take().unwrap().read_to_string(&mut shown).unwrap();
        shown
    }
}

impl Drop for Mitmdump {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

//! Where it all takes place: one directory with the repositories, airut's configuration and a copy of airut itself, by
//! which its processes are told from all others.

use crate::relay::Relay;
use anyhow::{Context as _, Result, ensure};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Two repositories: the first is watched by IMAP IDLE and worked by single steps, as with path units; the second by
/// `cycle` alone, as with cron.
pub const REPOS: [&str; 2] = ["alpha", "beta"];

/// The second one's oldest sessions are cleared away by `gc` while it works.
pub const CLEARED: usize = 1;

/// Runs at once over all processes.
pub const RUNS: usize = 3;

/// Seconds that the repositories give a task.
const TIMEOUT: u32 = 25;

pub struct Stage {
    pub dir: PathBuf,
    /// `mailserver.sh`'s directory, and what it wrote into `ports`.
    pub mail: PathBuf,
    ports: BTreeMap<String, String>,
    /// The variables of the soak's own Podman storage.
    podman: Vec<(String, String)>,
    /// What stands between airut and the mail server.
    pub relays: Relays,
}

pub struct Relays {
    /// Of `alpha`, TLS within: these can only be cut.
    pub imaps: [Relay; 2],
    pub smtps: Relay,
    /// Of `beta`, in the clear.
    pub smtp: Relay,
}

impl Stage {
    /// On what `soak.sh` has put into `dir`: `bin/airut`, `mail` and `podman`, both started.
    pub fn set(dir: &Path) -> Result<Self> {
        let pairs = |path: &Path| -> Result<Vec<(String, String)>> {
            let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
            let pair = |line: &str| line.split_once('=').map(|(a, b)| (a.to_owned(), b.to_owned()));
            Ok(text.lines().filter_map(pair).collect())
        };
        let mail = dir.join("mail");
        let ports: BTreeMap<_, _> = pairs(&mail.join("ports"))?.into_iter().collect();
        let port = |name: &str| -> Result<u16> { Ok(ports.get(name).context("no such port")?.parse()?) };
        let relays = Relays {
            imaps: [Relay::start(port("IMAPS")?)?, Relay::start(port("IMAPS")?)?],
            smtps: Relay::start(port("SMTPS")?)?,
            smtp: Relay::start(port("SMTP")?)?,
        };
        let podman = pairs(&dir.join("podman/env"))?;
        let stage = Self { dir: dir.to_owned(), mail, ports, podman, relays };
        for sub in ["home", "config/airut", "state", "tmp", "remotes", "log"] {
            fs::create_dir_all(dir.join(sub))?;
        }
        let mut toml = format!("max_concurrent = {RUNS}\nshutdown_timeout = 2\n");
        for (index, name) in REPOS.iter().enumerate() {
            stage.make_remote(name)?;
            toml += &stage.section(index, name);
        }
        fs::write(dir.join("config/airut/airut.toml"), toml)?;
        stage.ran(&["--version"])?;
        Ok(stage)
    }

    /// Where all that airut keeps lies, in a file system of its own that can be filled.
    pub fn state(&self) -> PathBuf {
        self.dir.join("state")
    }

    pub fn smtp_port(&self) -> Result<u16> {
        Ok(self.ports.get("SMTP").context("no port for SMTP")?.parse()?)
    }

    /// `storage_dir` of a repository.
    pub fn storage(&self, repo: usize) -> PathBuf {
        self.state().join("airut").join(REPOS[repo])
    }

    pub fn remote(&self, repo: usize) -> PathBuf {
        self.dir.join("remotes").join(format!("{}.git", REPOS[repo]))
    }

    /// A user's mails as Dovecot keeps them.
    pub fn maildir(&self, user: &str) -> PathBuf {
        self.mail.join("mail").join(user).join("Maildir")
    }

    pub fn log(&self, name: &str) -> PathBuf {
        self.dir.join("log").join(name)
    }

    /// A program in an environment that holds what airut needs and nothing else.
    fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .current_dir(&self.dir)
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("LANG", "C.UTF-8")
            .env("HOME", self.dir.join("home"))
            .env("XDG_CONFIG_HOME", self.dir.join("config"))
            .env("XDG_STATE_HOME", self.state())
            .env("TMPDIR", self.dir.join("tmp"))
            .env("MAIL_PASSWORD", "test")
            .envs(self.podman.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null());
        command
    }

    /// airut's own program, under a path that nobody else's has.
    pub fn program(&self) -> PathBuf {
        self.dir.join("bin/airut")
    }

    pub fn airut(&self, args: &[&str]) -> Command {
        let mut command = self.command(self.program());
        command.args(args);
        command
    }

    pub fn podman(&self, args: &[&str]) -> Command {
        let mut command = self.command("podman");
        command.args(args);
        command
    }

    /// `mailserver.sh`, of which this process knows no more than its commands.
    pub fn mail_server(&self, args: &[&str]) -> Result<()> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/mailserver.sh");
        let status =
            Command::new("bash").arg(script).arg(args[0]).arg(&self.mail).args(&args[1..]).status()?;
        ensure!(status.success(), "mailserver.sh {args:?} failed");
        Ok(())
    }

    /// Where airut keeps its sockets.
    pub fn runtime(&self) -> PathBuf {
        let dir = self.podman.iter().find(|(name, _)| name == "XDG_RUNTIME_DIR");
        Path::new(dir.map_or("/run", |(_, dir)| dir)).join("airut")
    }

    fn ran(&self, args: &[&str]) -> Result<()> {
        let output = self.airut(args).output()?;
        ensure!(output.status.success(), "airut {args:?}: {}", String::from_utf8_lossy(&output.stderr));
        Ok(())
    }

    fn git(&self, dir: &Path, args: &[&str]) -> Result<()> {
        let identity = ["-c", "user.name=Soak", "-c", "user.email=soak@example.com"];
        let output = self.command("git").args(identity).args(args).current_dir(dir).output()?;
        ensure!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
        Ok(())
    }

    fn make_remote(&self, name: &str) -> Result<()> {
        let work = self.dir.join("remotes").join(name);
        let container = work.join(".airut/container");
        fs::create_dir_all(&container)?;
        let dockerfile = "FROM localhost/airut-test-busybox\nCOPY claude /usr/local/bin/claude\n";
        for (path, content) in [
            (work.join("README.md"), format!("The repository {name}.\n").as_str()),
            (work.join(".airut/airut.yaml"), &format!("default_model: opus\ntimeout: {TIMEOUT}\n")),
            (work.join(".airut/network-allowlist.yaml"), "domains: []\n"),
            (container.join("Dockerfile"), dockerfile),
            (container.join("claude"), include_str!("agent.sh")),
        ] {
            fs::write(path, content)?;
        }
        fs::set_permissions(container.join("claude"), fs::Permissions::from_mode(0o755))?;
        self.git(&work, &["init", "-q", "-b", "main"])?;
        self.git(&work, &["add", "-A"])?;
        self.git(&work, &["commit", "-q", "-m", "one"])?;
        self.git(
            &self.dir,
            &["clone", "-q", "--bare", &format!("remotes/{name}"), &format!("remotes/{name}.git")],
        )
    }

    fn section(&self, index: usize, name: &str) -> String {
        let (ca, remote) = (self.mail.join("ca.pem"), self.remote(index));
        let login = format!("username = \"{name}\", password = {{ env = \"MAIL_PASSWORD\" }}");
        let tls = format!("host = \"localhost\", ca_file = \"{}\", {login}", ca.display());
        let (smtp, limit, sessions) = if index != CLEARED {
            (format!("{{ {tls}, port = {} }}", self.relays.smtps.port), 1000, 100_000)
        } else {
            // Few enough to be reached now and then.
            (
                format!(
                    "{{ host = \"127.0.0.1\", tls = \"none\", port = {}, {login} }}",
                    self.relays.smtp.port
                ),
                6,
                25,
            )
        };
        format!(
            "[repos.{name}]\ngit_url = \"file://{}\"\nauthorized_senders = [\"*@example.com\", \"*@flaky.example\"]\n\
             trusted_authserv_id = \"mx.example.com\"\nmax_sessions = {sessions}\nreserve = \"1m\"\n\
             [repos.{name}.mail]\nfrom = \"{name} <{name}@example.com>\"\n\
             imap = {{ {tls}, port = {} }}\nsmtp = {smtp}\n\
             [repos.{name}.limits]\nsession_mails_per_hour = {limit}\nsender_mails_per_day = 10000\n",
            remote.display(),
            self.relays.imaps[index].port,
        )
    }
}

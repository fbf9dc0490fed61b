//! A world for one test: directories, git remotes, mailboxes and a configuration that nobody else has, and airut
//! in an environment that holds nothing else.

use crate::support::api::{self, Api};
use crate::support::images::{self, Containers, containers};
use crate::support::letter::{Answer, Letter};
use crate::support::mailserver::{mail_server, unique};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// The value of `ANTHROPIC_API_KEY` in airut's environment.
pub const KEY: &str = "sk-ant-test-0123456789abcdef0123456789abcdef";

/// Ends with its test: what it started is ended, what it wrote is removed.
#[derive(Debug)]
pub struct World {
    root: PathBuf,
    containers: Option<&'static Containers>,
}

/// How a repository's mail comes and goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// The real server: IMAP with TLS in, SMTP with TLS out.
    Server,
    /// A Maildir in, another one out.
    Maildir,
}

/// What a repository is to be like.
#[derive(Debug, Clone)]
pub struct Setup {
    pub way: Way,
    /// Files of the default branch.
    pub files: Vec<(String, String)>,
    /// Further lines of `[repos.NAME]`.
    pub toml: String,
    /// Further tables of the repository, `NAME` stands for its name: `[repos.NAME.container]`.
    pub tables: String,
}

impl Setup {
    /// An agent that is a shell script, put in as `claude`: for what does not need the real one.
    pub fn stand_in(script: &str) -> Self {
        let dockerfile = format!("FROM {}\nCOPY claude /usr/local/bin/claude\n", images::BUSYBOX);
        let mut setup =
            Self { way: Way::Maildir, files: Vec::new(), toml: String::new(), tables: String::new() };
        setup.file("README.md", "A test repository.\n");
        setup.file(".airut/airut.yaml", "default_model: opus\ntimeout: 240\n");
        setup.file(".airut/network-allowlist.yaml", "domains: []\n");
        setup.file(".airut/container/Dockerfile", &dockerfile);
        setup.file(".airut/container/claude", script);
        setup
    }

    /// The real Claude Code, whose API is the stand-in: reached by its name, over TLS, through the proxy.
    pub fn claude(api: &Api) -> Self {
        let mut setup = Self::stand_in("");
        setup.way = Way::Server;
        setup.files.retain(|(path, _)| path != ".airut/container/claude");
        let yaml = "default_model: opus\ntimeout: 240\ncontainer_env:\n  ANTHROPIC_API_KEY: !secret ANTHROPIC_API_KEY\n";
        setup.file(".airut/airut.yaml", yaml);
        setup.file(".airut/network-allowlist.yaml", &format!("domains:\n  - {}\n", api::HOST));
        setup.file(".airut/container/Dockerfile", &format!("FROM {}\n", images::CLAUDE));
        setup.tables = format!(
            "[repos.NAME.secrets]\nANTHROPIC_API_KEY = {{ env = \"ANTHROPIC_API_KEY\" }}\n\
             [repos.NAME.network]\nupstream_ca_file = \"{}\"\nresolve = {{ \"{}\" = \"127.0.0.1:{}\" }}\n",
            api.ca_file.display(),
            api::HOST,
            api.port
        );
        setup
    }

    /// Sets a file of the default branch.
    pub fn file(&mut self, path: &str, content: &str) {
        self.files.retain(|(other, _)| other != path);
        self.files.push((path.to_owned(), content.to_owned()));
    }
}

/// A configured repository and the people around it.
#[derive(Debug, Clone)]
pub struct Repo {
    pub name: String,
    pub way: Way,
    /// The repository's own address.
    pub address: String,
    /// Its user at the mail server.
    pub user: String,
    /// Who may write, among all of example.com: a mailbox of this test's own.
    pub sender: String,
    /// The bare git repository.
    pub remote: PathBuf,
    /// `storage_dir`.
    pub storage: PathBuf,
    /// Where its mail is taken from, and its answers put into, with `Way::Maildir`.
    pub maildir: PathBuf,
    pub reply_maildir: PathBuf,
}

/// How a command ended.
#[derive(Debug)]
pub struct Ran {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Ran {
    /// What a process left.
    pub fn of(output: &Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self { code: output.status.code(), stdout: text(&output.stdout), stderr: text(&output.stderr) }
    }

    /// Demands success.
    #[must_use]
    pub fn ok(self) -> Self {
        self.exit(0)
    }

    /// Demands an exit code.
    #[must_use]
    pub fn exit(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }
}

/// The program under test: cargo's, or what `AIRUT_BIN` names.
pub fn airut_bin() -> PathBuf {
    std::env::var_os("AIRUT_BIN").map_or_else(|| env!("CARGO_BIN_EXE_airut").into(), PathBuf::from)
}

impl World {
    /// Without Podman.
    pub fn new() -> Self {
        let root = tempfile::Builder::new().prefix("airut-world-").tempdir().unwrap().keep();
        for dir in ["home", "config/airut", "state", "cache", "run", "tmp", "remotes"] {
            fs::create_dir_all(root.join(dir)).unwrap();
        }
        let world = Self { root, containers: None };
        fs::write(world.config(), "").unwrap();
        world
    }

    /// With Podman and the tests' images.
    pub fn with_containers() -> Self {
        let mut world = Self::new();
        world.containers = Some(containers());
        world
    }

    /// The same world once more, as it is now. Mail servers and containers are shared.
    pub fn twin(&self) -> Self {
        let mut twin = Self::new();
        twin.containers = self.containers;
        let copied =
            Command::new("cp").args(["-a", "--", "."]).arg(&twin.root).current_dir(&self.root).status();
        assert!(copied.unwrap().success());
        let path = |root: &Path| root.to_str().unwrap().to_owned();
        let toml = fs::read_to_string(self.config()).unwrap().replace(&path(&self.root), &path(&twin.root));
        fs::write(twin.config(), toml).unwrap();
        twin
    }

    /// What a repository of this world is in its twin.
    pub fn repo_in(&self, twin: &Self, repo: &Repo) -> Repo {
        let moved = |path: &Path| twin.root.join(path.strip_prefix(&self.root).unwrap());
        Repo {
            remote: moved(&repo.remote),
            storage: moved(&repo.storage),
            maildir: moved(&repo.maildir),
            reply_maildir: moved(&repo.reply_maildir),
            ..repo.clone()
        }
    }

    /// A path in the world.
    pub fn path(&self, relative: &str) -> PathBuf {
        self.root.join(relative)
    }

    /// The operator's configuration.
    pub fn config(&self) -> PathBuf {
        self.path("config/airut/airut.toml")
    }

    /// A stand-in for Claude Code's API.
    pub fn api(&self) -> Api {
        Api::start(&self.root)
    }

    /// `program` in the sealed environment.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .current_dir(&self.root)
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("LANG", "C.UTF-8")
            .env("HOME", self.path("home"))
            .env("XDG_CONFIG_HOME", self.path("config"))
            .env("XDG_STATE_HOME", self.path("state"))
            .env("XDG_CACHE_HOME", self.path("cache"))
            .env("XDG_RUNTIME_DIR", self.path("run"))
            .env("TMPDIR", self.path("tmp"))
            .env("MAIL_PASSWORD", "test")
            .env("ANTHROPIC_API_KEY", KEY)
            .stdin(Stdio::null());
        if let Some(containers) = self.containers {
            command.envs(containers.env());
        }
        command
    }

    /// airut, to be spawned, fed or killed.
    pub fn airut(&self, args: &[&str]) -> Command {
        let mut command = self.command(airut_bin());
        command.args(args);
        command
    }

    /// Runs airut to its end.
    pub fn run(&self, args: &[&str]) -> Ran {
        Ran::of(&self.airut(args).output().unwrap())
    }

    fn git(&self, dir: &Path, args: &[&str]) {
        let output = self
            .command("git")
            .args([
                "-c",
                "user.name=Test",
                "-c",
                "user.email=test@example.com",
                "-c",
                "protocol.file.allow=always",
            ])
            .args(args)
            .current_dir(dir)
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .output()
            .unwrap();
        assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// Makes the remote, the mailboxes and the section of the configuration.
    pub fn repo(&self, setup: &Setup) -> Repo {
        let name = unique("repo");
        let remote = self.path("remotes").join(format!("{name}.git"));
        self.git(&self.root, &["init", "-q", "--bare", "-b", "main", remote.to_str().unwrap()]);
        let repo = Repo {
            way: setup.way,
            address: format!("{name}@example.com"),
            user: name.clone(),
            sender: format!("{}@example.com", unique("alice")),
            storage: self.path("state/airut").join(&name),
            maildir: self.path("maildir").join(&name),
            reply_maildir: self.path("replies").join(&name),
            remote,
            name,
        };
        self.commit(&repo, &setup.files);
        for sub in ["new", "cur", "tmp"] {
            fs::create_dir_all(repo.maildir.join(sub)).unwrap();
            fs::create_dir_all(repo.reply_maildir.join(sub)).unwrap();
        }
        let mut toml = fs::read_to_string(self.config()).unwrap();
        toml += &section(&repo, setup);
        fs::write(self.config(), toml).unwrap();
        repo
    }

    /// Commits files to the remote's default branch and pushes them, as somebody else would.
    pub fn commit(&self, repo: &Repo, files: &[(String, String)]) {
        let dir = tempfile::tempdir_in(self.path("tmp")).unwrap();
        let remote = repo.remote.to_str().unwrap();
        self.git(dir.path(), &["clone", "-q", remote, "."]);
        for (path, content) in files {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, content).unwrap();
            if content.starts_with("#!") {
                use std::os::unix::fs::PermissionsExt as _;
                fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
            }
        }
        self.git(dir.path(), &["add", "-A"]);
        self.git(dir.path(), &["commit", "-q", "-m", "change"]);
        self.git(dir.path(), &["push", "-q", "origin", "HEAD:main"]);
    }

    /// Sends a mail and returns when it lies in the repository's mailbox.
    pub fn send(&self, repo: &Repo, letter: &Letter) {
        match repo.way {
            Way::Server => {
                let before = mail_server().mailbox(&repo.user).count();
                mail_server().submit(&letter.from, &letter.to, &letter.bytes());
                mail_server().mailbox(&repo.user).wait_for(before + 1);
            }
            Way::Maildir => {
                let domain = letter.from.split_once('@').unwrap().1;
                let word = if domain == "evil.example" { "fail" } else { "pass" };
                let mut mail =
                    format!("Authentication-Results: mx.example.com; dmarc={word} header.from={domain}\r\n")
                        .into_bytes();
                mail.extend(letter.bytes());
                let (name, tmp) = (unique("1700000000.mail"), repo.maildir.join("tmp"));
                fs::write(tmp.join(&name), mail).unwrap();
                fs::rename(tmp.join(&name), repo.maildir.join("new").join(&name)).unwrap();
            }
        }
    }

    /// A mail from the repository's sender.
    pub fn letter(&self, repo: &Repo, subject: &str, body: &str) -> Letter {
        Letter::new(&repo.sender, &repo.address, subject, body)
    }

    /// What the sender has been sent so far, oldest first; waits until there are `count`.
    pub fn answers(&self, repo: &Repo, count: usize) -> Vec<Answer> {
        self.answers_to(repo, &repo.sender, count)
    }

    /// What somebody has been sent so far. With `Way::Maildir` nothing is waited for: airut has written it or not.
    pub fn answers_to(&self, repo: &Repo, who: &str, count: usize) -> Vec<Answer> {
        let answers: Vec<_> = match repo.way {
            Way::Server => {
                let user = who.split_once('@').unwrap().0;
                mail_server().mailbox(user).wait_for(count).into_iter().map(|raw| Answer { raw }).collect()
            }
            Way::Maildir => {
                let mut files: Vec<_> = ["new", "cur"]
                    .iter()
                    .flat_map(|sub| fs::read_dir(repo.reply_maildir.join(sub)).unwrap())
                    .map(|entry| entry.unwrap())
                    .map(|entry| (entry.metadata().unwrap().modified().unwrap(), entry.path()))
                    .collect();
                files.sort();
                let all = files.into_iter().map(|(_, path)| Answer { raw: fs::read(path).unwrap() });
                all.filter(|answer| answer.header("To").is_some_and(|to| to.contains(who))).collect()
            }
        };
        assert!(answers.len() >= count, "{} of {count} answers to {who}", answers.len());
        answers
    }
}

fn section(repo: &Repo, setup: &Setup) -> String {
    let name = &repo.name;
    let mail = match repo.way {
        Way::Server => {
            let server = mail_server();
            let (ca, imaps, smtps) = (server.ca.display(), server.imaps, server.smtps);
            let login = format!(
                "ca_file = \"{ca}\", username = \"{name}\", password = {{ env = \"MAIL_PASSWORD\" }}"
            );
            format!(
                "imap = {{ host = \"localhost\", port = {imaps}, {login} }}\nsmtp = {{ host = \"localhost\", port = {smtps}, {login} }}\n"
            )
        }
        Way::Maildir => {
            let (maildir, replies) = (repo.maildir.display(), repo.reply_maildir.display());
            format!("maildir = \"{maildir}\"\nreply_maildir = \"{replies}\"\n")
        }
    };
    format!(
        "\n[repos.{name}]\ngit_url = \"file://{}\"\nauthorized_senders = [\"*@example.com\"]\n\
         trusted_authserv_id = \"mx.example.com\"\n{}\n[repos.{name}.mail]\nfrom = \"Airut <{}>\"\n{mail}\n{}\n",
        repo.remote.display(),
        setup.toml,
        repo.address,
        setup.tables.replace("repos.NAME", &format!("repos.{name}"))
    )
}

impl Drop for World {
    fn drop(&mut self) {
        // What airut left running for this world (a test may have killed it) names the world's directory.
        let root = self.root.to_str().unwrap().as_bytes().to_vec();
        let mine = |path: PathBuf| {
            let text = fs::read(path.join("cmdline")).unwrap_or_default();
            let environment = fs::read(path.join("environ")).unwrap_or_default();
            let holds = |bytes: &[u8]| bytes.windows(root.len()).any(|window| window == root);
            let pid = path.file_name()?.to_str()?.parse::<i32>().ok()?;
            // Podman's own keeper of the user namespace is everybody's.
            let ours = !text.starts_with(b"catatonit\0-P") && (holds(&text) || holds(&environment));
            ours.then(|| rustix::process::Pid::from_raw(pid)).flatten()
        };
        let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
        for pid in entries.filter_map(|entry| mine(entry.path())) {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        }
        match self.containers {
            Some(containers) => {
                let names: Vec<_> =
                    fs::read_dir(self.path("state/airut")).into_iter().flatten().flatten().collect();
                for name in names.iter().map(|entry| entry.file_name().display().to_string()) {
                    if !name.starts_with("repo-") {
                        continue;
                    }
                    let filter = format!("name={name}");
                    let ids = containers.run(&["ps", "-aq", "--filter", &filter]);
                    for id in ids.split_whitespace() {
                        let _ = containers.podman().args(["rm", "-f", "-t", "0", id]).output();
                    }
                }
                containers.remove_dir(&self.root);
            }
            None => drop(fs::remove_dir_all(&self.root)),
        }
    }
}

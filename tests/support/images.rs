//! Podman with a storage of the tests' own, and the images of `images.sh` in it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// 2 MB: busybox and nothing else.
pub const BUSYBOX: &str = "localhost/airut-test-busybox";
/// Debian with git, curl, Node, Python and the real Claude Code as `claude`.
pub const CLAUDE: &str = "localhost/airut-test-claude";

/// The environment in which `podman` sees the tests' storage and nobody else's.
#[derive(Debug)]
pub struct Containers {
    /// `XDG_RUNTIME_DIR` is one of them, and must be the same for all who use the storage: Podman takes another one
    /// for a restart of the machine and forgets what runs.
    variables: Vec<(String, String)>,
}

/// The storage that `AIRUT_TEST_PODMAN` names, else one that is kept in the cache from run to run.
pub fn containers() -> &'static Containers {
    static CONTAINERS: OnceLock<Containers> = OnceLock::new();
    CONTAINERS.get_or_init(|| {
        let dir = std::env::var_os("AIRUT_TEST_PODMAN").map_or_else(kept, PathBuf::from);
        let env = std::fs::read_to_string(dir.join("env")).unwrap();
        let pair = |line: &str| line.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()));
        Containers { variables: env.lines().filter_map(pair).collect() }
    })
}

/// Where what is made once stays from run to run.
pub fn cache() -> PathBuf {
    std::env::var_os("AIRUT_TEST_CACHE").map_or_else(
        || {
            let home = std::env::var_os("HOME").expect("HOME is set");
            let cache = std::env::var_os("XDG_CACHE_HOME")
                .map_or_else(|| Path::new(&home).join(".cache"), PathBuf::from);
            cache.join("airut-tests")
        },
        PathBuf::from,
    )
}

/// The tar of the wheels that a stand-in of a package index has.
pub fn wheels() -> PathBuf {
    containers();
    let files = std::fs::read_dir(cache()).unwrap().map(|entry| entry.unwrap().path());
    let is_ours = |path: &PathBuf| path.file_name().unwrap().to_string_lossy().starts_with("wheels-");
    files.filter(is_ours).max_by_key(|path| path.metadata().unwrap().modified().unwrap()).unwrap()
}

fn kept() -> PathBuf {
    let dir = cache().join("storage");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/images.sh");
    let status = Command::new("bash").arg(script).arg("store").arg(&dir).status().unwrap();
    assert!(status.success(), "the images could not be made; images.sh says why above");
    dir
}

impl Containers {
    /// What to set in the environment of whatever starts Podman.
    pub fn env(&self) -> impl Iterator<Item = (&str, &str)> {
        self.variables.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// `podman`, to look at what airut left and to clean up.
    pub fn podman(&self) -> Command {
        let mut command = Command::new("podman");
        command.envs(self.env()).env_remove("CONTAINER_HOST").env_remove("DBUS_SESSION_BUS_ADDRESS");
        command
    }

    /// Runs podman to its end and returns what it printed.
    pub fn run(&self, args: &[&str]) -> String {
        let output = self.podman().args(args).output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "podman {args:?}: {told}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Removes a directory with files in it that belong to users of a container.
    pub fn remove_dir(&self, dir: &Path) {
        if std::fs::remove_dir_all(dir).is_err() && dir.exists() {
            self.podman().args(["unshare", "rm", "-rf", "--"]).arg(dir).status().unwrap();
        }
    }
}

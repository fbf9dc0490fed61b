//! Finds, reads and checks the operator's file. Whatever is wrong with it is said with file, line, column and key,
//! all of it at once, and is exit code 78.

use crate::base::fault::Fault;
use crate::base::id::RepoName;
use crate::base::limits;
use crate::base::shortage::Shortage;
use crate::disk::layout::{Global, Layout};
use crate::format::config::{Config, Problem, check, literal_secret, place, read, resolve};
use anyhow::Result;
use std::fs::{File, Metadata};
use std::io::{ErrorKind, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// A sound configuration: paths are absolute, and directories that were not named have their defaults.
#[derive(Debug, Clone)]
pub struct Loaded {
    pub config: Config,
    /// Where it was read.
    pub path: PathBuf,
    /// What all repositories share lies here.
    pub state_dir: PathBuf,
}

/// Where the user's files are, and the system's.
#[derive(Debug, Clone, Default)]
pub struct Places {
    pub home: Option<PathBuf>,
    pub config_home: Option<PathBuf>,
    pub state_home: Option<PathBuf>,
    /// The file for everybody.
    pub system: PathBuf,
}

/// Loads `explicit`, or the user's `airut/airut.toml`, or `/etc/airut/airut.toml`.
///
/// Errors: a `Fault` of kind `Config`, but for what the machine lacks.
pub fn load(explicit: Option<&Path>) -> Result<Loaded> {
    load_from(&Places::of_this_process(), explicit)
}

/// The same, with what it needs of the process given.
pub fn load_from(places: &Places, explicit: Option<&Path>) -> Result<Loaded> {
    let (path, text, meta) = find(places, explicit)?;
    let said = |lines: Vec<String>| {
        let lines: Vec<String> = lines.iter().map(|line| format!("{}:{line}", path.display())).collect();
        Fault::config(lines.join("\n"))
    };
    let mut config = read(&text).map_err(|problem| said(vec![problem.to_string()]))?;
    let mut problems = resolve(&mut config, places.home.as_deref(), places.state_home.as_deref());
    problems.extend(check(&config));
    problems.extend(exposed(&config, &meta));
    if !problems.is_empty() {
        let lines = problems.into_iter().map(|problem| place(&text, problem).to_string()).collect();
        return Err(said(lines).into());
    }
    // `resolve` has put it there, or said that it cannot.
    let state_dir = config.state_dir.clone().unwrap_or_default();
    Ok(Loaded { config, path, state_dir })
}

impl Loaded {
    /// The directories of one of its repositories.
    #[must_use]
    pub fn layout(&self, name: &RepoName) -> Layout {
        Layout::new(name.clone(), self.storage_dir(name))
    }

    #[must_use]
    pub fn storage_dir(&self, name: &RepoName) -> PathBuf {
        let named = self.config.repos.get(name).and_then(|repo| repo.storage_dir.clone());
        named.unwrap_or_else(|| self.state_dir.join(name.as_str()))
    }

    /// What its repositories share.
    #[must_use]
    pub fn global(&self) -> Global {
        Global::new(self.state_dir.clone())
    }
}

impl Places {
    /// By the XDG Base Directory Specification, which has relative paths ignored.
    #[must_use]
    pub fn of_this_process() -> Self {
        let dir = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|dir| dir.is_absolute());
        let home = dir("HOME");
        let below = |last: &str| home.as_ref().map(|home| home.join(last));
        Self {
            config_home: dir("XDG_CONFIG_HOME").or_else(|| below(".config")),
            state_home: dir("XDG_STATE_HOME").or_else(|| below(".local/state")),
            system: PathBuf::from("/etc/airut/airut.toml"),
            home,
        }
    }
}

fn find(places: &Places, explicit: Option<&Path>) -> Result<(PathBuf, String, Metadata)> {
    let candidates: Vec<PathBuf> = match explicit {
        Some(path) => vec![path.to_owned()],
        None => {
            let user = places.config_home.as_ref().map(|dir| dir.join("airut/airut.toml"));
            user.into_iter().chain([places.system.clone()]).collect()
        }
    };
    for path in &candidates {
        if let Some((text, meta)) = contents(path)? {
            return Ok((path.clone(), text, meta));
        }
    }
    let looked: Vec<String> = candidates.iter().map(|path| path.display().to_string()).collect();
    Err(Fault::config(format!("there is no configuration: looked for {}", looked.join(" and ")))
        .hint("`airut init` writes one with explanations; --config names another place")
        .into())
}

/// Nothing where there is no such file. The mode is that of the file that was read.
fn contents(path: &Path) -> Result<Option<(String, Metadata)>> {
    let fault = |why: String| Fault::config(format!("cannot read {}: {why}", path.display()));
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        // What the machine lacks is no fault of the configuration's.
        Err(error) => {
            let error = anyhow::Error::from(error);
            if Shortage::of(&error).is_some() {
                return Err(error.context(format!("cannot read {}", path.display())));
            }
            return Err(fault(error.to_string()).into());
        }
    };
    let meta = file.metadata().map_err(|error| fault(error.to_string()))?;
    let mut bytes = Vec::new();
    file.take(limits::CONFIG_BYTES + 1).read_to_end(&mut bytes).map_err(|error| fault(error.to_string()))?;
    if bytes.len() as u64 > limits::CONFIG_BYTES {
        return Err(fault(format!("it is larger than {} bytes", limits::CONFIG_BYTES)).into());
    }
    let text = String::from_utf8(bytes).map_err(|_| fault("it is not UTF-8 text".to_owned()))?;
    Ok(Some((text, meta)))
}

/// Others may not change it, since it names commands to run; and not read it, where it holds a secret. The group
/// may: that is how a system-wide file is given to a service's user.
fn exposed(config: &Config, meta: &Metadata) -> Option<Problem> {
    if meta.mode() & 0o002 != 0 {
        let message = "everybody can write this file; allowed: mode 0640 or less (chmod o-rwx)".to_owned();
        return Some(Problem { key: Vec::new(), message });
    }
    let key = literal_secret(config)?;
    let message =
        "a secret stands here and everybody can read this file; allowed: mode 0640 or less (chmod o-rwx), \
                   or { env = \"…\" }, { file = \"…\" }, { command = […] }, { credential = \"…\" }"
            .to_owned();
    (meta.mode() & 0o004 != 0).then_some(Problem { key, message })
}

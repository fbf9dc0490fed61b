//! The repository's own file, `.airut/airut.yaml`, as the default branch has it. It is the repository's to write,
//! so it is input: every value is checked, unknown keys are refused, and nothing of the host's can be named in it
//! but secrets that the operator gave to this repository.

use crate::base::id::{Model, VarName};
use crate::base::limits;
use crate::format::repository::explain::explain;
use crate::format::repository::reserved::reserved;
use anyhow::{Result, anyhow};
use serde::Deserialize;
use serde_saphyr::{Location, Spanned, Tagged};
use std::collections::BTreeMap;
use std::time::Duration;

mod explain;
mod reserved;

/// Where it lies in the repository.
pub const PATH: &str = ".airut/airut.yaml";

/// The whole file; a missing or empty one is `Repository::default()`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repository {
    pub default_model: Model,
    /// How long one run may take.
    pub timeout: Duration,
    /// Whether the sandbox has no network but the proxy. False counts only where the operator allows it.
    pub sandbox_enabled: bool,
    /// What is added to the container's environment.
    pub container_env: BTreeMap<VarName, EnvValue>,
}

/// A value of `container_env`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EnvValue {
    Text(String),
    /// `!secret NAME`, or `!secret? NAME`, which is left out where the operator has none of that name.
    Secret {
        name: VarName,
        optional: bool,
    },
}

impl Default for Repository {
    fn default() -> Self {
        Self {
            default_model: Model::default(),
            timeout: Duration::from_secs(300),
            sandbox_enabled: true,
            container_env: BTreeMap::new(),
        }
    }
}

/// Reads the file. An error is one line, `.airut/airut.yaml:LINE:COL: key KEY: …`, and says what is allowed.
pub fn parse(text: &str) -> Result<Repository> {
    // Far more than anybody writes, far less than an alias bomb needs.
    let budget = serde_saphyr::budget! { max_nodes: 10_000, max_depth: 16, max_aliases: 1_000 };
    let options = serde_saphyr::options! { budget: budget, with_snippet: false };
    let written: Option<Written> =
        serde_saphyr::from_str_with_options(text, options).map_err(|error| explain(text, &error))?;
    let mut repository = Repository::default();
    let Some(written) = written else { return Ok(repository) };
    if let Some((value, at)) = plain(written.default_model, "default_model")? {
        repository.default_model = value.parse().map_err(|error| wrong(at, "default_model", &error))?;
    }
    if let Some((value, at)) = plain(written.timeout, "timeout")? {
        repository.timeout = timeout(&value).map_err(|why| wrong(at, "timeout", &why))?;
    }
    if let Some((value, at)) = plain(written.network.and_then(|network| network.sandbox_enabled), SANDBOX)? {
        repository.sandbox_enabled = boolean(&value).map_err(|why| wrong(at, SANDBOX, &why))?;
    }
    for (name, value) in written.container_env.unwrap_or_default() {
        let (name, value) = env(name, value)?;
        repository.container_env.insert(name, value);
    }
    Ok(repository)
}

const SANDBOX: &str = "network.sandbox_enabled";

/// A scalar as it is written: `no` and `0x10` stay text until their key says what they are.
type Scalar = Spanned<Tagged<Option<String>>>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    default_model: Option<Scalar>,
    timeout: Option<Scalar>,
    network: Option<Network>,
    container_env: Option<BTreeMap<Key, Scalar>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Network {
    sandbox_enabled: Option<Scalar>,
}

/// A name and where it stands.
#[derive(Deserialize)]
#[serde(transparent)]
struct Key(Spanned<String>);

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.0.value == other.0.value
    }
}

impl Eq for Key {}

impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Key {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.value.cmp(&other.0.value)
    }
}

fn wrong(at: Location, key: &str, why: &dyn std::fmt::Display) -> anyhow::Error {
    anyhow!("{PATH}:{}:{}: key {key}: {why}", at.line(), at.column())
}

/// A value that takes no tag; nothing where the key is there and its value is not.
fn plain(scalar: Option<Scalar>, key: &str) -> Result<Option<(String, Location)>> {
    let Some(Spanned { value: Tagged(value, tag), referenced: at, .. }) = scalar else { return Ok(None) };
    match tag.filter(|tag| !tag.starts_with("tag:yaml.org,2002:")) {
        Some(tag) => Err(wrong(at, key, &format!("{tag} is not allowed here; allowed: a plain value"))),
        None => Ok(value.map(|value| (value, at))),
    }
}

fn timeout(text: &str) -> Result<Duration, String> {
    let allowed = limits::RUN_SECONDS_MIN..=limits::RUN_SECONDS_MAX;
    match text.parse::<u64>() {
        Ok(seconds) if allowed.contains(&seconds) => Ok(Duration::from_secs(seconds)),
        _ => Err(format!(
            "{} is not allowed; allowed: whole seconds from {} to {}",
            shown(text),
            allowed.start(),
            allowed.end()
        )),
    }
}

/// The spellings of YAML 1.1 as well, which files of long standing use.
fn boolean(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" => Ok(true),
        "false" | "no" | "off" => Ok(false),
        _ => Err(format!("{} is not allowed; allowed: true or false", shown(text))),
    }
}

fn env(name: Key, scalar: Scalar) -> Result<(VarName, EnvValue)> {
    let Spanned { value: written, referenced: name_at, .. } = name.0;
    let key = format!("container_env.{written}");
    let name: VarName = written.parse().map_err(|error| wrong(name_at, "container_env", &error))?;
    if let Some(why) = reserved(name.as_str()) {
        return Err(wrong(name_at, &key, &why));
    }
    let Spanned { value: Tagged(value, tag), referenced: at, .. } = scalar;
    let secret = |optional| -> Result<EnvValue> {
        let name = value.clone().unwrap_or_default().parse().map_err(|error| wrong(at, &key, &error))?;
        Ok(EnvValue::Secret { name, optional })
    };
    let value = match tag.as_deref() {
        Some("!secret") => secret(false)?,
        Some("!secret?") => secret(true)?,
        Some("!env") => {
            let why = "!env is refused: the environment of the host is not the repository's to read; allowed: \
                       !secret NAME, with NAME in the operator's secrets for this repository";
            return Err(wrong(at, &key, &why));
        }
        Some(tag) if !tag.starts_with("tag:yaml.org,2002:") => {
            let why = format!("{tag} is not known; allowed: text, !secret NAME, !secret? NAME");
            return Err(wrong(at, &key, &why));
        }
        _ => match value {
            Some(text) if text.contains(['\0', '\n', '\r']) => {
                // The file that hands the environment to the engine has one variable a line.
                return Err(wrong(at, &key, &"a value has one line; allowed: text without line breaks"));
            }
            Some(text) => EnvValue::Text(text),
            None => return Err(wrong(at, &key, &"has no value; allowed: text, !secret NAME, !secret? NAME")),
        },
    };
    Ok((name, value))
}

fn shown(text: &str) -> String {
    format!("{:?}", text.chars().take(60).collect::<String>())
}

//! Reads a secret from where the operator said it is, at the moment a step needs it. No value ever stands in an
//! error, a log or an argument list.

use crate::base::fault::Fault;
use crate::base::limits;
use crate::base::shortage::Shortage;
use crate::disk::write;
use crate::exec::program::Program;
use crate::format::secret::Secret;
use anyhow::{Error, Result};
use std::path::{Path, PathBuf};

/// A secret file holds a token or a key, not more.
const SECRET_BYTES: u64 = 64 << 10;

/// The value; `key` names the secret in errors, like `repos.x.mail.imap.password`.
pub fn resolve(secret: &Secret, key: &str) -> Result<String> {
    let value = match secret {
        Secret::Literal(text) => text.clone(),
        Secret::Env(name) => std::env::var(name)
            .map_err(|_| missing(key, &format!("the environment variable {name} is not set")))?,
        Secret::File(path) => from_file(path, key)?,
        Secret::Credential(name) => from_file(&credential(name, key)?, key)?,
        Secret::Command(argv) => from_command(argv, key)?,
    };
    if value.is_empty() {
        return Err(missing(key, "it is empty").into());
    }
    Ok(value)
}

fn missing(key: &str, why: &str) -> Fault {
    Fault::config(format!("the secret {key} cannot be read: {why}"))
}

/// What the machine lacks is no fault of the configuration's.
fn unread(error: Error, key: &str) -> Error {
    if Shortage::of(&error).is_some() {
        return error.context(format!("the secret {key} cannot be read"));
    }
    missing(key, &format!("{error:#}")).into()
}

fn credential(name: &str, key: &str) -> Result<PathBuf> {
    let dir = std::env::var_os("CREDENTIALS_DIRECTORY").ok_or_else(|| {
        missing(key, "there are no systemd credentials here")
            .hint("LoadCredential= in the unit gives them; by hand, use { file = \"…\" }")
    })?;
    if name.contains('/') || name.starts_with('.') {
        return Err(missing(key, "a credential's name is one word").into());
    }
    Ok(Path::new(&dir).join(name))
}

fn from_file(path: &Path, key: &str) -> Result<String> {
    match write::read(path, SECRET_BYTES) {
        Ok(Some(bytes)) => text(bytes, key),
        Ok(None) => Err(missing(key, &format!("there is no file {}", path.display())).into()),
        Err(error) => Err(unread(error, key)),
    }
}

fn from_command(argv: &[String], key: &str) -> Result<String> {
    let Some((program, args)) = argv.split_first() else {
        return Err(missing(key, "the command is empty").into());
    };
    let output = Program::new(program)
        .args(args)
        .inherit([
            "GNUPGHOME",
            "PASSWORD_STORE_DIR",
            "DBUS_SESSION_BUS_ADDRESS",
            "XDG_CONFIG_HOME",
            "SSH_AUTH_SOCK",
        ])
        .deadline(limits::SECRET_TIMEOUT)
        .run()
        .map_err(|error| unread(error, key))?;
    if !output.success() {
        // Not what it printed: that may hold the secret, or half of it.
        return Err(missing(key, &format!("{program} failed"))
            .hint("run the command by hand, as the same user, to see why")
            .into());
    }
    text(output.stdout, key)
}

fn text(bytes: Vec<u8>, key: &str) -> Result<String> {
    let mut text = String::from_utf8(bytes).map_err(|_| missing(key, "it is not text"))?;
    if text.ends_with('\n') {
        text.pop();
    }
    Ok(text)
}

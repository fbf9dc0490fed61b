//! The container's variables: what the repository asks for, with its secrets, the masked ones as stand-ins.

use crate::base::id::VarName;
use crate::disk::repo::Repo;
use crate::format::config::MaskedSecret;
use crate::format::repository::{EnvValue, Repository};
use crate::proxy::credentials::{self, Masked};
use crate::tool::secret;
use crate::tool::source::CONFIGURATION;
use anyhow::{Context, Result, anyhow};
use std::collections::BTreeMap;

/// The container's variables, and the masked secrets, each with the stand-in that goes in instead.
pub fn variables(repo: &Repo, repository: &Repository) -> Result<(BTreeMap<String, String>, Vec<Masked>)> {
    let mut environment = BTreeMap::new();
    let mut masked = Vec::new();
    for (name, value) in &repository.container_env {
        let value = match value {
            EnvValue::Text(text) => Some(text.clone()),
            EnvValue::Secret { name: wanted, optional } => {
                secret_value(repo, wanted, *optional, &mut masked)?
            }
        };
        if let Some(value) = value {
            environment.insert(name.to_string(), value);
        }
    }
    Ok((environment, masked))
}

fn secret_value(
    repo: &Repo,
    name: &VarName,
    optional: bool,
    masked: &mut Vec<Masked>,
) -> Result<Option<String>> {
    if let Some(plain) = repo.config.secrets.get(name) {
        let value = secret::resolve(plain, &format!("repos.{}.secrets.{name}", repo.name));
        return value.with_context(|| name.to_string()).map(Some);
    }
    if let Some(known) = masked.iter().find(|known| known.name == name.as_str()) {
        return Ok(Some(known.stand_in.clone()));
    }
    if let Some(config) = repo.config.masked_secrets.get(name) {
        let value =
            secret::resolve(&config.value, &format!("repos.{}.masked_secrets.{name}.value", repo.name))
                .with_context(|| name.to_string())?;
        let secret = mask(name, value, config).with_context(|| name.to_string())?;
        let stand_in = secret.stand_in.clone();
        masked.push(secret);
        return Ok(Some(stand_in));
    }
    if optional {
        return Ok(None);
    }
    // The name comes first: it is what the sender hears.
    Err(anyhow!("{name}: {CONFIGURATION} asks for it, and the configuration has no such secret"))
}

/// A stand-in of the same shape, new for each run.
fn mask(name: &VarName, value: String, config: &MaskedSecret) -> Result<Masked> {
    let mut random = [0_u8; 4096];
    getrandom::fill(&mut random).context("the system has no randomness")?;
    let mut bytes = random.iter().copied();
    let stand_in = credentials::stand_in(&value, || bytes.next().unwrap_or_default())
        .context("it is too short to be masked: nothing could tell its stand-in from it")?;
    let scopes = config.scopes.iter().map(|scope| scope.parse()).collect::<Result<_, _>>()?;
    Ok(Masked {
        name: name.to_string(),
        value,
        stand_in,
        scopes,
        headers: config.headers.clone(),
        allow_foreign: config.allow_foreign,
    })
}

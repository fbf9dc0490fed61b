//! Asks an OAuth2 token service for an access token (RFC 6749 sections 4.4, 5 and 6). The only user of `ureq`. HTTPS
//! with verified certificates, or plain to this machine; no redirect is followed. What is asked with stands in no
//! error, even where the service repeats it.

use crate::base::fault::{Fault, Kind};
use crate::base::limits;
use crate::format::config::{OAuth2, TokenUrl};
use crate::mail::login::one_line;
use crate::mail::{tls, trust};
use crate::tool::secret;
use anyhow::{Context, Result};
use rustls::crypto::ring;
use serde::Deserialize;
use std::sync::Arc;
use std::time::Duration;
use ureq::tls::{Certificate, RootCerts, TlsConfig, TlsProvider};

/// An access token, and how long it is good for where that is known.
pub struct Fresh {
    pub token: String,
    pub lifetime: Option<Duration>,
}

/// A new token, by the way that `oauth2` names; `key` names it in errors, like `repos.x.mail.imap.oauth2`.
///
/// # Errors
/// A service that is away is to be tried later; what it refuses has to be mended.
pub fn fetch(oauth2: &OAuth2, key: &str) -> Result<Fresh> {
    if let Some(command) = oauth2.command() {
        let printed = secret::resolve(&command, &format!("{key}.command")).map_err(passing)?;
        return Ok(Fresh { token: sendable(printed.trim().to_owned(), key)?, lifetime: None });
    }
    let (Some(url), Some(client_id)) = (&oauth2.token_url, &oauth2.client_id) else {
        return Err(Fault::config(format!("{key} has no token_url or no client_id")).into());
    };
    let resolve = |secret: &Option<_>, name: &str| {
        secret.as_ref().map(|secret| secret::resolve(secret, &format!("{key}.{name}"))).transpose()
    };
    let client_secret = resolve(&oauth2.client_secret, "client_secret")?;
    let refresh_token = resolve(&oauth2.refresh_token, "refresh_token")?;
    let grant = if refresh_token.is_some() { "refresh_token" } else { "client_credentials" };
    let mut form = vec![("grant_type", grant), ("client_id", client_id.as_str())];
    form.extend(client_secret.as_deref().map(|secret| ("client_secret", secret)));
    form.extend(refresh_token.as_deref().map(|token| ("refresh_token", token)));
    form.extend(oauth2.scope.as_deref().map(|scope| ("scope", scope)));
    let service = Service { url, key, hidden: client_secret.iter().chain(&refresh_token).cloned().collect() };
    let (status, body) = ask(&service, &form, oauth2.ca_file.as_deref())?;
    service.read(status, &body)
}

/// A command that asks somebody else for a token fails whenever that one is away.
fn passing(error: anyhow::Error) -> anyhow::Error {
    match error.downcast::<Fault>() {
        Ok(fault) => Fault { kind: Kind::TryLater, ..fault }.into(),
        Err(error) => error,
    }
}

/// Keeps to what a `Bearer` may be (RFC 6750 section 2.1): it is put between control characters.
fn sendable(token: String, key: &str) -> Result<String> {
    if !token.is_empty() && token.bytes().all(|b| b.is_ascii_graphic()) {
        return Ok(token);
    }
    let hint = "it has to be the token alone, as one word";
    Err(Fault::config(format!("what {key} gives is no access token")).hint(hint).into())
}

fn ask(
    service: &Service,
    form: &[(&str, &str)],
    ca_file: Option<&std::path::Path>,
) -> Result<(u16, Vec<u8>)> {
    let roots = tls::roots(ca_file)?;
    let roots = roots.iter().map(|root| Certificate::from_der(root).to_owned());
    let tls = TlsConfig::builder()
        .provider(TlsProvider::Rustls)
        .unversioned_rustls_crypto_provider(Arc::new(ring::default_provider()))
        .root_certs(RootCerts::from(roots))
        .build();
    let agent = ureq::Agent::config_builder()
        .tls_config(tls)
        .timeout_global(Some(limits::TOKEN_TIMEOUT))
        .max_redirects(0)
        .http_status_as_error(false)
        .proxy(None)
        .user_agent("airut")
        .build()
        .new_agent();
    let answer =
        agent.post(service.url.as_str()).header("Accept", "application/json").send_form(form.iter().copied());
    let mut answer = answer.map_err(|error| service.unreachable(&error))?;
    let body = answer.body_mut().with_config().limit(limits::TOKEN_ANSWER_BYTES).read_to_vec();
    Ok((answer.status().as_u16(), body.map_err(|error| service.unreachable(&error))?))
}

struct Service<'a> {
    url: &'a TokenUrl,
    key: &'a str,
    hidden: Vec<String>,
}

/// RFC 6749 section 5.1.
#[derive(Deserialize)]
struct Granted {
    access_token: String,
    #[serde(default)]
    token_type: String,
    expires_in: Option<serde_json::Value>,
}

/// RFC 6749 section 5.2.
#[derive(Deserialize)]
struct Refused {
    error: String,
    #[serde(default)]
    error_description: String,
}

impl Service<'_> {
    fn unreachable(&self, error: &ureq::Error) -> Fault {
        let why = one_line(&error.to_string());
        let tls_error = match error {
            ureq::Error::Rustls(error) => Some(error),
            ureq::Error::Io(error) => trust::tls_error(error),
            _ => None,
        };
        let why = format!("cannot ask the token service {}: {why}", self.url.host());
        if let Some(refused) = tls_error.and_then(|error| trust::refusal(self.url.host(), error)) {
            let hint = refused.hint.unwrap_or_default().replace("ca_file", &format!("{}.ca_file", self.key));
            return Fault::failed(format!("{why}: {}", refused.message)).hint(hint);
        }
        Fault::try_later(why)
            .hint(format!("look at {}.token_url, and whether this machine reaches it", self.key))
    }

    fn read(&self, status: u16, body: &[u8]) -> Result<Fresh> {
        if status == 200 {
            let granted: Granted = serde_json::from_slice(body).map_err(|_| self.strange(status))?;
            if !granted.token_type.is_empty() && !granted.token_type.eq_ignore_ascii_case("bearer") {
                let kind = one_line(&granted.token_type);
                return Err(Fault::failed(format!("{} gives a token of the kind {kind}", self.url.host()))
                    .hint("only Bearer tokens sign in to mail servers")
                    .into());
            }
            // Some write the number as a string.
            let seconds = granted.expires_in.and_then(|value| match value {
                serde_json::Value::String(text) => text.parse().ok(),
                value => value.as_u64(),
            });
            let token = sendable(granted.access_token, self.key).context("the token service errs")?;
            return Ok(Fresh { token, lifetime: seconds.map(Duration::from_secs) });
        }
        match serde_json::from_slice::<Refused>(body) {
            Ok(refused) => Err(self.refused(status, &refused).into()),
            Err(_) => Err(self.strange(status).into()),
        }
    }

    fn strange(&self, status: u16) -> Fault {
        let why = format!("{} does not answer as a token service, with status {status}", self.url.host());
        let fault = if status == 429 || status >= 500 { Fault::try_later(why) } else { Fault::failed(why) };
        fault.hint(format!("look at {}.token_url", self.key))
    }

    fn refused(&self, status: u16, refused: &Refused) -> Fault {
        let mut told = refused.error_description.clone();
        for secret in &self.hidden {
            told = told.replace(secret, "…");
        }
        let told = one_line(told.lines().next().unwrap_or_default());
        let error = one_line(&refused.error);
        let told = if told.is_empty() { String::new() } else { format!(": {told}") };
        let why = format!("the token service {} refuses: {error}{told}", self.url.host());
        if status >= 500 || matches!(error.as_str(), "temporarily_unavailable" | "slow_down") {
            return Fault::try_later(why);
        }
        let key = self.key;
        let hint = match error.as_str() {
            "invalid_client" => {
                format!(
                    "look at {key}.client_id and client_secret; at some providers a secret expires and needs a successor"
                )
            }
            "invalid_grant" => {
                format!(
                    "the refresh token was revoked or has expired: sign in again and put the new one into {key}.refresh_token"
                )
            }
            "invalid_scope" => format!(
                "look at {key}.scope: the provider does not know it, or does not give it to this client"
            ),
            "unauthorized_client" | "access_denied" => {
                "the client may not ask in this way: an administrator has to allow it at the provider"
                    .to_owned()
            }
            "unsupported_grant_type" => {
                format!(
                    "the provider wants another way: with {key}.refresh_token, or with client_secret alone"
                )
            }
            _ => format!("look at {key} in the configuration"),
        };
        Fault::failed(why).hint(hint)
    }
}

//! Signing in to an IMAP server that has greeted: with a password, or with an access token by the mechanism it offers.

use crate::base::fault::Fault;
use crate::format::config::Imap;
use crate::mail::imap::fault;
use crate::mail::login::{self, Login, Mechanism};
use crate::mail::net::Net;
use anyhow::Result;
use imap::{Authenticator, Client, Error, Session};
use std::cell::{Cell, RefCell};

/// # Errors
/// Why not, with what to do.
pub fn sign_in(client: Client<Net>, config: &Imap, login: &Login) -> Result<Session<Net>> {
    match login {
        Login::Password(password) => with_password(client, config, password),
        Login::Token(token) => with_token(client, config, token),
    }
}

fn with_password(client: Client<Net>, config: &Imap, password: &str) -> Result<Session<Net>> {
    let quotable = |text: &str| text.bytes().all(|b| (b' '..=b'~').contains(&b));
    let signed_in = if quotable(&config.username) && quotable(password) {
        client.login(&config.username, password)
    } else {
        client.authenticate("PLAIN", &Plain { username: &config.username, password })
    };
    signed_in.map_err(|(error, _)| match error {
        Error::No(no) if is_passing(&no) => cannot_now(config, &no).into(),
        Error::No(no) => {
            let what = format!("{} refuses the login of {}: {no}", config.host, config.username);
            Fault::failed(what).hint(login::password_hint(&no.to_string())).into()
        }
        Error::Bad(bad) => Fault::failed(format!("{} does not take a password: {bad}", config.host))
            .hint("it may want TLS, or another way to sign in, like oauth2")
            .into(),
        error => fault(&config.host, error).into(),
    })
}

struct Plain<'a> {
    username: &'a str,
    password: &'a str,
}

impl Authenticator for Plain<'_> {
    type Response = Vec<u8>;
    fn process(&self, _: &[u8]) -> Vec<u8> {
        format!("\0{}\0{}", self.username, self.password).into_bytes()
    }
}

fn with_token(mut client: Client<Net>, config: &Imap, token: &str) -> Result<Session<Net>> {
    let can = client.capabilities().map_err(|error| fault(&config.host, error))?;
    let Some(mechanism) = Mechanism::of(|name| can.has_str(format!("AUTH={name}"))) else {
        // The library has no name for their type outside of it.
        let all = can.iter().map(|one| format!("{one:?}"));
        let mut ways: Vec<String> = all
            .filter_map(|one| Some(one.strip_prefix("Auth(\"")?.strip_suffix("\")")?.to_owned()))
            .collect();
        ways.sort();
        return Err(login::not_offered(&config.host, &login::one_line(&ways.join(" "))).into());
    };
    let message = mechanism.message(&config.username, token, &config.host, config.port());
    let bearer = Bearer { message: Cell::new(Some(message)), mechanism, told: RefCell::default() };
    let signed_in = client.authenticate(mechanism.name(), &bearer);
    signed_in.map_err(|(error, _)| match error {
        Error::No(no) if is_passing(&no) => cannot_now(config, &no).into(),
        Error::No(_) | Error::Bad(_) => {
            let said = login::one_line(&error.to_string());
            login::token_refused(&config.host, &config.username, &bearer.told.borrow(), &said).into()
        }
        error => fault(&config.host, error).into(),
    })
}

/// Says its message once; what the server asks after that is an error that it tells, and wants acknowledged.
struct Bearer {
    message: Cell<Option<String>>,
    mechanism: Mechanism,
    told: RefCell<Vec<u8>>,
}

impl Authenticator for Bearer {
    type Response = String;
    fn process(&self, challenge: &[u8]) -> String {
        self.message.take().unwrap_or_else(|| {
            *self.told.borrow_mut() = challenge.to_vec();
            self.mechanism.acknowledgement().to_owned()
        })
    }
}

/// RFC 5530: these are the server's own troubles.
fn is_passing(no: &imap::error::No) -> bool {
    let said = format!("[{:?}] [{}]", no.code, no.information).to_uppercase();
    ["[UNAVAILABLE]", "[INUSE]", "[LIMIT]"].iter().any(|code| said.contains(code))
}

fn cannot_now(config: &Imap, no: &imap::error::No) -> Fault {
    Fault::try_later(format!("{} cannot sign us in now: {no}", config.host))
}

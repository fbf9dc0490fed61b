//! Signs in to the mailbox and to the way out, with a password or an access token. Tokens are kept in memory, for this
//! process alone; one that a server refuses although it was good before is renewed, once.

use crate::base::address::Address;
use crate::base::fault::{Fault, Kind};
use crate::base::limits;
use crate::format::config::{Imap, OAuth2, Smtp};
use crate::format::secret::Secret;
use crate::mail::imap::Mailbox;
use crate::mail::login::Login;
use crate::mail::smtp::{Connection, SendError};
use crate::tool::{secret, token};
use anyhow::Result;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// Connects to the mailbox; `key` is where it stands in the configuration, like `repos.x.mail.imap`.
///
/// # Errors
/// As `Mailbox::connect`, and where password or token cannot be had.
pub fn mailbox(imap: &Imap, key: &str) -> Result<Mailbox> {
    let ways = Ways { password: imap.password.as_ref(), oauth2: imap.oauth2.as_ref(), key };
    let got = ways.login()?;
    match Mailbox::connect(imap, &got.login) {
        Err(error) if got.kept && is_refusal(&error) => Mailbox::connect(imap, &ways.renew(&got.login)?),
        connected => connected,
    }
}

fn is_refusal(error: &anyhow::Error) -> bool {
    error.downcast_ref::<Fault>().is_some_and(|fault| fault.kind == Kind::Failed)
}

/// The way out by SMTP.
#[derive(Debug)]
pub struct Outgoing<'a> {
    config: &'a Smtp,
    key: String,
    connection: Connection,
    /// What it signs in with, where that is a token of before.
    kept: Option<Login>,
}

impl<'a> Outgoing<'a> {
    /// Prepares the way; `key` as for `mailbox`.
    ///
    /// # Errors
    /// Where password or token cannot be had, or the configuration cannot be used.
    pub fn new(config: &'a Smtp, key: String) -> Result<Self> {
        let ways = Ways { password: config.password.as_ref(), oauth2: config.oauth2.as_ref(), key: &key };
        let got = config.username.as_ref().map(|_| ways.login()).transpose()?;
        let kept = got.as_ref().filter(|got| got.kept).map(|got| got.login.clone());
        let connection = Connection::new(config, got.map(|got| got.login))?;
        Ok(Self { config, key, connection, kept })
    }

    /// # Errors
    /// As `Connection::sign_in`.
    pub fn sign_in(&mut self) -> Result<(), SendError> {
        self.renewing(Connection::sign_in)
    }

    /// # Errors
    /// As `Connection::send`.
    pub fn send(&mut self, from: Option<&Address>, to: &[Address], mail: &[u8]) -> Result<(), SendError> {
        self.renewing(|connection| connection.send(from, to, mail))
    }

    fn renewing(
        &mut self,
        mut attempt: impl FnMut(&mut Connection) -> Result<(), SendError>,
    ) -> Result<(), SendError> {
        let result = attempt(&mut self.connection);
        let (Err(SendError::Login(_)), Some(old)) = (&result, self.kept.take()) else { return result };
        let ways = Ways { password: None, oauth2: self.config.oauth2.as_ref(), key: &self.key };
        match ways.renew(&old) {
            Ok(login) => {
                self.connection.renew(login);
                attempt(&mut self.connection)
            }
            Err(error) => Err(SendError::Temporary(format!("{error:#}"))),
        }
    }
}

/// What a server's section of the configuration says about signing in.
struct Ways<'a> {
    password: Option<&'a Secret>,
    oauth2: Option<&'a OAuth2>,
    key: &'a str,
}

struct Got {
    login: Login,
    /// It is a token that was asked for earlier.
    kept: bool,
}

impl Ways<'_> {
    fn login(&self) -> Result<Got> {
        if let Some(password) = self.password {
            let password = secret::resolve(password, &format!("{}.password", self.key))?;
            return Ok(Got { login: Login::Password(password), kept: false });
        }
        let oauth2 = self.oauth2()?;
        let mut kept = kept();
        kept.retain(|one| one.until.is_none_or(|until| Instant::now() < until));
        if let Some(one) = kept.iter().find(|one| one.oauth2 == *oauth2) {
            return Ok(Got { login: Login::Token(one.token.clone()), kept: true });
        }
        let login = fetch(&mut kept, oauth2, self.key)?;
        Ok(Got { login, kept: false })
    }

    /// Another token than the one that was refused.
    fn renew(&self, refused: &Login) -> Result<Login> {
        let mut kept = kept();
        kept.retain(|one| !matches!(refused, Login::Token(token) if *token == one.token));
        fetch(&mut kept, self.oauth2()?, self.key)
    }

    fn oauth2(&self) -> Result<&OAuth2> {
        let missing = || Fault::config(format!("{} has neither password nor oauth2", self.key));
        Ok(self.oauth2.ok_or_else(missing)?)
    }
}

struct Kept {
    oauth2: OAuth2,
    token: String,
    until: Option<Instant>,
}

/// The tokens of this process. Held while one is fetched, so that two threads do not fetch the same.
fn kept() -> MutexGuard<'static, Vec<Kept>> {
    static KEPT: Mutex<Vec<Kept>> = Mutex::new(Vec::new());
    KEPT.lock().unwrap_or_else(PoisonError::into_inner)
}

fn fetch(kept: &mut Vec<Kept>, oauth2: &OAuth2, key: &str) -> Result<Login> {
    let fresh = token::fetch(oauth2, &format!("{key}.oauth2"))?;
    let until = fresh.lifetime.map(|lifetime| Instant::now() + lifetime.saturating_sub(limits::TOKEN_MARGIN));
    kept.push(Kept { oauth2: oauth2.clone(), token: fresh.token.clone(), until });
    Ok(Login::Token(fresh.token))
}

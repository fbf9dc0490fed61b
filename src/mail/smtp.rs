//! Sends finished mails by SMTP, many over one connection. The only place where `lettre` sends.

use crate::base::address::Address;
use crate::base::fault::Fault;
use crate::base::limits;
use crate::disk::crash;
use crate::format::config::{Smtp, Tls};
use crate::mail::login::Login;
use crate::mail::net;
use crate::mail::smtp::sign_in::Account;
use crate::mail::{tls, trust};
use anyhow::Result;
use lettre::transport::smtp::Error;
use lettre::transport::smtp::client::{Certificate, SmtpConnection, TlsParameters};
use lettre::transport::smtp::commands::{Data, Ehlo, Mail, Rcpt, Rset};
use lettre::transport::smtp::extension::{ClientId, Extension, MailParameter};
use std::fmt;
use std::time::{Duration, Instant};

mod sign_in;

/// Why a mail was not sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SendError {
    /// The server will never take this mail.
    Permanent(String),
    /// It may later, or it is away.
    Temporary(String),
    /// It does not let us in: nothing else will be sent either until that is mended.
    Login(String),
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Permanent(why) | Self::Temporary(why) | Self::Login(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for SendError {}

/// A way to the server, connected when first needed and again when lost.
pub struct Connection {
    host: String,
    port: u16,
    tls: Tls,
    trust: Option<TlsParameters>,
    account: Option<Account>,
    open: Option<SmtpConnection>,
    /// The largest mail that the server takes, where it says so (RFC 1870).
    largest_bytes: Option<usize>,
    /// The server was away a moment ago; asking again for each mail would cost its time for each.
    away: Option<(Instant, String)>,
}

/// How long a server counts as away.
const AWAY: Duration = Duration::from_secs(10);

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Connection({}:{})", self.host, self.port)
    }
}

impl Connection {
    /// Prepares the way; nothing is connected yet.
    ///
    /// # Errors
    /// Where the configuration cannot be used.
    pub fn new(config: &Smtp, login: Option<Login>) -> Result<Self> {
        let (host, port) = (config.host.clone(), config.port());
        let account = match (config.username.clone(), login) {
            (Some(username), Some(login)) => Some(Account { host, port, username, login }),
            (None, None) => None,
            _ => {
                let why = "mail.smtp has a username or a way to sign in; it takes both or neither";
                return Err(Fault::config(why).into());
            }
        };
        let trust = if config.tls == Tls::None { None } else { Some(trust(config)?) };
        Ok(Self {
            host: config.host.clone(),
            port: config.port(),
            tls: config.tls,
            trust,
            account,
            open: None,
            largest_bytes: None,
            away: None,
        })
    }

    /// Signs in with this from now on: what was used before is no more valid.
    pub fn renew(&mut self, login: Login) {
        if let Some(account) = &mut self.account {
            account.login = login;
        }
        self.open = None;
    }

    /// Connects and signs in, as the first mail would.
    ///
    /// # Errors
    /// Why not.
    pub fn sign_in(&mut self) -> Result<(), SendError> {
        if self.open.is_some() {
            return Ok(());
        }
        if let Some((when, why)) = &self.away
            && when.elapsed() < AWAY
        {
            return Err(SendError::Temporary(why.clone()));
        }
        let connected = self.connect();
        if let Err(SendError::Temporary(why)) = &connected {
            self.away = Some((Instant::now(), why.clone()));
        }
        let mut connection = connected?;
        self.largest_bytes = largest(&mut connection);
        self.open = Some(connection);
        Ok(())
    }

    /// Sends a mail, as it is, to every recipient that the server takes; the mail counts as sent when it takes one.
    ///
    /// # Errors
    /// Nothing was sent, or that is not known: the same mail is to be sent again.
    pub fn send(&mut self, from: Option<&Address>, to: &[Address], mail: &[u8]) -> Result<(), SendError> {
        // The server may have hung up on the connection of the mail before.
        if self.open.as_mut().is_some_and(|connection| !connection.test_connected()) {
            self.open = None;
        }
        self.sign_in()?;
        let host = self.host.clone();
        // Told beforehand: some hang up in the middle of one that is too large, which would look as if they were away.
        if let Some(largest) = self.largest_bytes.filter(|largest| mail.len() > *largest) {
            let (size, largest) = (mail.len().div_ceil(1 << 20), largest >> 20);
            return Err(SendError::Permanent(format!(
                "{host} takes mails of {largest} MB at most, and this one has {size} MB"
            )));
        }
        let Some(connection) = &mut self.open else {
            return Err(SendError::Temporary(format!("{host} is away")));
        };
        let sent = submit(connection, &host, from, to, mail);
        if sent.is_err() && (connection.has_broken() || connection.command(Rset).is_err()) {
            self.open = None;
        }
        sent
    }

    fn connect(&self) -> Result<SmtpConnection, SendError> {
        let addresses = net::resolve(&self.host, self.port, self.tls).map_err(|error| {
            let permanent = error.downcast_ref::<Fault>().is_some_and(|fault| fault.hint.is_some());
            if permanent {
                SendError::Login(error.to_string())
            } else {
                SendError::Temporary(error.to_string())
            }
        })?;
        let hello = ClientId::default();
        let first = self.trust.as_ref().filter(|_| self.tls == Tls::Implicit);
        let timeout = Some(limits::MAIL_TIMEOUT);
        let mut connection = SmtpConnection::connect(&addresses[..], timeout, &hello, first, None)
            .map_err(|error| self.unconnected(&error))?;
        if let (Tls::Starttls, Some(trust)) = (self.tls, &self.trust) {
            if !connection.can_starttls() {
                return Err(SendError::Login(format!("{} offers no STARTTLS", self.host)));
            }
            connection.starttls(trust, &hello).map_err(|error| self.unconnected(&error))?;
        }
        if self.tls != Tls::None && !connection.is_encrypted() {
            return Err(SendError::Login(format!("the connection to {} is not protected", self.host)));
        }
        if let Some(account) = &self.account {
            sign_in::sign_in(&mut connection, account)?;
        }
        Ok(connection)
    }

    /// A certificate that cannot be verified has to be mended; all else may pass.
    fn unconnected(&self, error: &Error) -> SendError {
        if let Some(refused) = trust::tls_error(error).and_then(|error| trust::refusal(&self.host, error)) {
            return SendError::Login(format!("{refused}; {}", refused.hint.as_deref().unwrap_or_default()));
        }
        let why = said(error);
        SendError::Temporary(format!("cannot reach the mail server {}: {why}", self.host))
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if let Some(open) = &mut self.open {
            let _ = open.quit();
        }
    }
}

fn trust(config: &Smtp) -> Result<TlsParameters> {
    let mut builder = TlsParameters::builder(config.host.clone());
    if let Some(path) = &config.ca_file {
        let unfit = |error: Error| Fault::config(format!("the ca_file {}: {error}", path.display()));
        builder =
            builder.add_root_certificate(Certificate::from_pem(&tls::authorities(path)?).map_err(unfit)?);
    }
    let unusable = |error: Error| Fault::config(format!("cannot set up TLS for {}: {error}", config.host));
    Ok(builder.build_rustls().map_err(unusable)?)
}

/// The library does not keep what a server says of sizes, so it is asked again.
fn largest(connection: &mut SmtpConnection) -> Option<usize> {
    let said = connection.command(Ehlo::new(ClientId::default())).ok()?;
    let sizes = said.message().filter_map(|line| line.strip_prefix("SIZE ")?.trim().parse().ok());
    sizes.filter(|bytes| *bytes > 0).last()
}

fn submit(
    connection: &mut SmtpConnection,
    host: &str,
    from: Option<&Address>,
    to: &[Address],
    mail: &[u8],
) -> Result<(), SendError> {
    let beyond_ascii = |address: &Address| !address.to_string().is_ascii();
    let mut parameters = Vec::new();
    if from.is_some_and(beyond_ascii) || to.iter().any(beyond_ascii) {
        if !connection.server_info().supports_feature(Extension::SmtpUtfEight) {
            return Err(SendError::Permanent(format!("{host} cannot send to addresses beyond ASCII")));
        }
        parameters.push(MailParameter::SmtpUtfEight);
    }
    let refused = |error: Error| classify(host, &error);
    crash::point("SMTP MAIL");
    connection.command(Mail::new(from.map(envelope).transpose()?, parameters)).map_err(refused)?;
    let (mut taken, mut last) = (0_usize, None);
    for address in to {
        match connection.command(Rcpt::new(envelope(address)?, Vec::new())) {
            Ok(_) => taken += 1,
            // One address that is no more does not keep the others from their answer.
            Err(error) if error.is_permanent() => last = Some(classify(host, &error)),
            Err(error) => return Err(classify(host, &error)),
        }
    }
    if taken == 0 {
        return Err(last.unwrap_or_else(|| SendError::Permanent("the mail has no recipient".to_owned())));
    }
    crash::point("SMTP DATA");
    connection.command(Data).map_err(refused)?;
    crash::point("SMTP mail");
    match std::str::from_utf8(mail) {
        Ok(text) => connection.command(Whole(text)).map_err(refused)?,
        Err(_) => connection.message(mail).map_err(refused)?,
    };
    crash::point("after the SMTP mail");
    Ok(())
}

/// A mail's text as it is sent (RFC 5321 section 4.5.2), and its end. The library writes the end by itself, and the kernel
/// holds that back until the server has acknowledged the rest, which it puts off for 40 ms.
struct Whole<'a>(&'a str);

impl fmt::Display for Whole<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.starts_with('.') {
            f.write_str(".")?;
        }
        for (number, piece) in self.0.split("\r\n.").enumerate() {
            f.write_str(if number == 0 { "" } else { "\r\n.." })?;
            f.write_str(piece)?;
        }
        f.write_str("\r\n.\r\n")
    }
}

fn envelope(address: &Address) -> Result<lettre::Address, SendError> {
    lettre::Address::new(address.local(), address.domain())
        .map_err(|error| SendError::Permanent(format!("cannot send to {address}: {error}")))
}

fn classify(host: &str, error: &Error) -> SendError {
    let why = format!("{host} said: {}", said(error));
    match error.status() {
        // RFC 4954: it wants to know first who we are.
        Some(code) if matches!(u16::from(code), 530 | 535 | 538) => SendError::Login(why),
        _ if error.is_permanent() => SendError::Permanent(why),
        _ => SendError::Temporary(why),
    }
}

/// The error with what stands behind it, on one line.
fn said(error: &Error) -> String {
    let mut text = error.to_string();
    let mut inner = std::error::Error::source(error);
    while let Some(cause) = inner {
        let more = cause.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        inner = cause.source();
    }
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(limits::SAW_CHARS).collect()
}

//! Signing in to an SMTP server (RFC 4954): with a password by lettre, or with an access token by hand, since lettre
//! knows one of the two mechanisms and leaves the server's error unanswered.

use crate::mail::login::{self, Login, Mechanism};
use crate::mail::smtp::{SendError, said};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{self, Credentials};
use lettre::transport::smtp::client::SmtpConnection;
use lettre::transport::smtp::extension::ClientId;

/// Whom to sign in as, and where.
#[derive(Debug)]
pub struct Account {
    pub host: String,
    pub port: u16,
    pub username: String,
    pub login: Login,
}

/// # Errors
/// Why not, with what to do.
pub fn sign_in(connection: &mut SmtpConnection, account: &Account) -> Result<(), SendError> {
    match &account.login {
        Login::Password(password) => with_password(connection, account, password),
        Login::Token(token) => with_token(connection, account, token),
    }
}

fn with_password(
    connection: &mut SmtpConnection,
    account: &Account,
    password: &str,
) -> Result<(), SendError> {
    let credentials = Credentials::new(account.username.clone(), password.to_owned());
    let ways = [authentication::Mechanism::Plain, authentication::Mechanism::Login];
    connection.auth(&ways, &credentials).map(drop).map_err(|error| {
        let why = format!("{} refuses the login of {}: {}", account.host, account.username, said(&error));
        let hint = if error.is_client() {
            "it offers no way to sign in with a password: use oauth2, or look at port and tls"
        } else {
            login::password_hint(&why)
        };
        refused(&error, why, hint)
    })
}

fn with_token(connection: &mut SmtpConnection, account: &Account, token: &str) -> Result<(), SendError> {
    // lettre keeps only what it knows of the mechanisms that were offered.
    let hello = connection.command(format!("EHLO {}\r\n", ClientId::default()));
    let hello = hello.map_err(|error| SendError::Temporary(said(&error)))?;
    let offered: Vec<String> = hello
        .message()
        .filter_map(|line| line.to_ascii_uppercase().strip_prefix("AUTH ").map(str::to_owned))
        .collect();
    let offers = |name: &str| offered.iter().any(|line| line.split_whitespace().any(|one| one == name));
    let Some(mechanism) = Mechanism::of(offers) else {
        let none = login::not_offered(&account.host, &login::one_line(&offered.join(" ")));
        return Err(SendError::Login(format!("{none}; {}", none.hint.as_deref().unwrap_or_default())));
    };
    let message = mechanism.message(&account.username, token, &account.host, account.port);
    let mut told = Vec::new();
    let mut answer =
        connection.command(format!("AUTH {} {}\r\n", mechanism.name(), STANDARD.encode(message)));
    if let Ok(asks) = &answer
        && asks.has_code(334)
    {
        told = STANDARD.decode(asks.first_line().unwrap_or_default().trim()).unwrap_or_default();
        let acknowledged = STANDARD.encode(mechanism.acknowledgement());
        answer = connection.command(format!("{acknowledged}\r\n"));
    }
    match answer {
        Ok(answer) if answer.has_code(334) => {
            Err(SendError::Login(format!("{} asks on and on while it signs us in", account.host)))
        }
        Ok(_) => Ok(()),
        Err(error) => {
            let fault = login::token_refused(&account.host, &account.username, &told, &said(&error));
            Err(refused(&error, fault.message, fault.hint.as_deref().unwrap_or_default()))
        }
    }
}

/// What may pass by itself needs no next step.
fn refused(error: &Error, why: String, hint: &str) -> SendError {
    let ours = error.is_permanent() || error.is_client();
    if ours { SendError::Login(format!("{why}; {hint}")) } else { SendError::Temporary(why) }
}

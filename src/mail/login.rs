//! What one signs in to a mail server with, and the two SASL mechanisms that take an access token: OAUTHBEARER
//! (RFC 7628) and the older XOAUTH2. What a server says against it, with what to do. Pure.

use crate::base::fault::Fault;
use crate::base::limits;
use crate::format::verdict::shown;
use std::fmt;

/// A password, or an OAuth2 access token.
#[derive(Clone, PartialEq, Eq)]
pub enum Login {
    Password(String),
    Token(String),
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Password(_) => "Password(…)",
            Self::Token(_) => "Token(…)",
        })
    }
}

/// How a token is handed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mechanism {
    OauthBearer,
    Xoauth2,
}

impl Mechanism {
    /// The one of the standard where the server offers both.
    #[must_use]
    pub fn of(offered: impl Fn(&str) -> bool) -> Option<Self> {
        [Self::OauthBearer, Self::Xoauth2].into_iter().find(|mechanism| offered(mechanism.name()))
    }

    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::OauthBearer => "OAUTHBEARER",
            Self::Xoauth2 => "XOAUTH2",
        }
    }

    /// The client's one message, before base64.
    #[must_use]
    pub fn message(self, user: &str, token: &str, host: &str, port: u16) -> String {
        match self {
            Self::OauthBearer => {
                // RFC 5801 section 4: "," and "=" end and begin things here.
                let user = user.replace('=', "=3D").replace(',', "=2C");
                format!("n,a={user},\x01host={host}\x01port={port}\x01auth=Bearer {token}\x01\x01")
            }
            Self::Xoauth2 => format!("user={user}\x01auth=Bearer {token}\x01\x01"),
        }
    }

    /// What answers the challenge that tells of an error, before base64; until then the server says nothing more.
    #[must_use]
    pub fn acknowledgement(self) -> &'static str {
        match self {
            Self::OauthBearer => "\x01",
            Self::Xoauth2 => "",
        }
    }
}

/// A server that takes no token at all.
#[must_use]
pub fn not_offered(host: &str, offered: &str) -> Fault {
    let offered = if offered.is_empty() { "nothing" } else { offered };
    Fault::failed(format!("{host} offers neither OAUTHBEARER nor XOAUTH2; it offers {offered}"))
        .hint("oauth2 is not for this server: set password instead, or look at host, port and tls")
}

/// A token that was not taken. `challenge` is the server's error as JSON (RFC 7628 section 3.2.2), `said` its last word.
#[must_use]
pub fn token_refused(host: &str, user: &str, challenge: &[u8], said: &str) -> Fault {
    let challenge = shown(&String::from_utf8_lossy(challenge));
    let told = if challenge.is_empty() { String::new() } else { format!("; it told {challenge}") };
    let all = format!("{said} {challenge}").to_ascii_lowercase();
    let hint = if let Some(hint) = switched_off(&all) {
        hint
    } else if all.contains("insufficient_scope") {
        "the token is not for mail: set oauth2.scope to what the provider's page on IMAP and SMTP names, and allow it there"
    } else if challenge.is_empty() {
        "the token was not issued for this mailbox: look at username and oauth2.scope; in Microsoft 365 an administrator \
         also has to give the application access to the mailbox (Add-MailboxPermission)"
    } else {
        "the token is of another account, was not issued for mail, or is no more valid: look at username, oauth2.scope \
         and where the token comes from"
    };
    Fault::failed(format!("{host} refuses the token of {user}: {said}{told}")).hint(hint)
}

/// What to do about a refused password.
#[must_use]
pub fn password_hint(said: &str) -> &'static str {
    switched_off(&said.to_ascii_lowercase())
        .unwrap_or("look at username and password; some providers want a password of its own for programs, others take only oauth2")
}

/// Exchange Online's ways to say that a kind of signing in is switched off.
fn switched_off(said: &str) -> Option<&'static str> {
    if said.contains("smtpclientauthentication is disabled") {
        return Some(
            "SMTP AUTH is switched off: an administrator allows it for this mailbox \
             (Set-CASMailbox -SmtpClientAuthenticationDisabled $false)",
        );
    }
    let basic = said.contains("basic authentication is disabled") || said.contains("basicauthblocked");
    basic.then_some("this server takes no passwords any more: use oauth2")
}

/// A server's words on one line, not longer than their limit.
#[must_use]
pub fn one_line(text: &str) -> String {
    let clean = |c: char| if c.is_control() { ' ' } else { c };
    text.chars().map(clean).take(limits::SAW_CHARS).collect::<String>().trim().to_owned()
}

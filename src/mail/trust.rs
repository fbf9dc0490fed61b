//! Why a server's certificate was not believed, and what to do about it. Pure.

use crate::base::fault::Fault;
use rustls::{CertificateError, Error};
use std::error::Error as Cause;
use std::io;

/// The TLS error behind another error, if there is one.
#[must_use]
pub fn tls_error<'e>(error: &'e (dyn Cause + 'static)) -> Option<&'e Error> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<Error>() {
            return Some(found);
        }
        // It shows what is within it as its own, and that one's cause as its cause.
        let within = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        if let Some(within) = within {
            return tls_error(within);
        }
        next = error.source();
    }
    None
}

/// What is wrong with a server that did not get through its handshake, where `error` tells; nothing, where the
/// connection may just have been lost.
#[must_use]
pub fn refusal(host: &str, error: &Error) -> Option<Fault> {
    match error {
        Error::InvalidCertificate(why) => Some(certificate(host, why)),
        Error::InvalidMessage(_) | Error::PeerIncompatible(_) | Error::PeerMisbehaved(_) => {
            let what = format!("{host} does not speak TLS as it should: {error}");
            Some(Fault::failed(what).hint("implicit TLS and STARTTLS have different ports; see tls and port"))
        }
        _ => None,
    }
}

fn certificate(host: &str, why: &CertificateError) -> Fault {
    use CertificateError as E;
    let (what, hint) = match why {
        E::Expired | E::ExpiredContext { .. } => (
            "has expired".to_owned(),
            "whoever runs the server has to renew it; or is this machine's clock wrong?".to_owned(),
        ),
        E::NotValidYet | E::NotValidYetContext { .. } => {
            ("is not valid yet".to_owned(), "is this machine's clock wrong?".to_owned())
        }
        E::NotValidForName => {
            ("is for another name".to_owned(), "set host to the name that it is for".to_owned())
        }
        E::NotValidForNameContext { presented, .. } => {
            let names = names(presented);
            (format!("is for another name: {names}"), "set host to the name that it is for".to_owned())
        }
        E::UnknownIssuer => (
            "is from nobody this machine trusts".to_owned(),
            "for a server with an authority of its own, or a certificate it signed itself, set ca_file to that certificate"
                .to_owned(),
        ),
        other if format!("{other:?}").contains("CaUsedAsEndEntity") => (
            "is an authority's, which a server must not have".to_owned(),
            "make one for the server alone: openssl req -x509 … -addext basicConstraints=critical,CA:FALSE".to_owned(),
        ),
        other => (
            format!("cannot be verified: {other}"),
            "for a server with an authority of its own, set ca_file to its certificate".to_owned(),
        ),
    };
    Fault::failed(format!("the certificate of {host} {what}")).hint(hint)
}

/// `DnsName("a.example")` → `a.example`
fn names(presented: &[String]) -> String {
    let bare = |name: &String| name.split('"').nth(1).map_or_else(|| name.clone(), str::to_owned);
    let names: Vec<String> = presented.iter().take(5).map(bare).collect();
    if names.is_empty() { "none at all".to_owned() } else { names.join(", ") }
}

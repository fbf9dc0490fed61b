//! The first words with an IMAP server, up to where a user can sign in: TLS, or STARTTLS on the bare socket.

use crate::base::fault::Fault;
use crate::format::config::{Imap, Tls};
use crate::mail::net::{self, Control, Net};
use crate::mail::tls;
use anyhow::Result;
use std::io::{Read, Write};
use std::sync::Arc;

/// Connects, up to the point where a user can sign in.
///
/// # Errors
/// A server that is away is to be tried later; a certificate that cannot be verified has to be mended.
pub fn greet(config: &Imap, control: Arc<Control>) -> Result<Net> {
    let addresses = net::resolve(&config.host, config.port(), config.tls)?;
    let mut net = Net::plain(net::reach(&config.host, &addresses)?, control);
    match config.tls {
        Tls::Implicit => {
            let trust = tls::client(config.ca_file.as_deref())?;
            net = net.protect(&config.host, trust)?;
            ready(&config.host, &line(&config.host, &mut net)?)?;
        }
        Tls::Starttls => {
            let trust = tls::client(config.ca_file.as_deref())?;
            starttls(&config.host, &mut net)?;
            net = net.protect(&config.host, trust)?;
        }
        Tls::None => ready(&config.host, &line(&config.host, &mut net)?)?,
    }
    Ok(net)
}

/// The greeting is `* OK`. `* PREAUTH` would have us skip TLS or be somebody else.
fn ready(host: &str, greeting: &str) -> Result<()> {
    match greeting.split_ascii_whitespace().nth(1) {
        Some(word) if greeting.starts_with("* ") && word.eq_ignore_ascii_case("OK") => Ok(()),
        _ => Err(Fault::try_later(format!(
            "{host} does not greet as an IMAP server that is ready: {greeting}"
        ))
        .into()),
    }
}

/// STARTTLS on the bare socket: byte by byte, so that nothing that was slipped in before TLS is read after it.
fn starttls(host: &str, net: &mut Net) -> Result<()> {
    ready(host, &line(host, net)?)?;
    net.write_all(b"s STARTTLS\r\n").map_err(|error| lost(host, &error))?;
    for _ in 0..100 {
        let answer = line(host, net)?;
        let Some(answer) = answer.strip_prefix("s ") else { continue };
        let word = answer.split_ascii_whitespace().next().unwrap_or_default();
        if word.eq_ignore_ascii_case("OK") {
            return Ok(());
        }
        return Err(Fault::failed(format!("{host} refuses STARTTLS: {answer}"))
            .hint("try tls = \"implicit\" with port 993")
            .into());
    }
    Err(Fault::try_later(format!("{host} does not answer STARTTLS")).into())
}

fn line(host: &str, net: &mut Net) -> Result<String> {
    let mut line = Vec::new();
    let mut byte = [0];
    while line.last() != Some(&b'\n') && line.len() < 8_192 {
        match net.read(&mut byte) {
            Ok(1..) => line.push(byte[0]),
            Ok(0) => return Err(Fault::try_later(format!("{host} hangs up")).into()),
            Err(error) => return Err(lost(host, &error).into()),
        }
    }
    let text = String::from_utf8_lossy(&line);
    Ok(text.trim_end().chars().map(|c| if c.is_control() { ' ' } else { c }).collect())
}

fn lost(host: &str, error: &std::io::Error) -> Fault {
    Fault::try_later(format!("the connection to {host} is lost: {error}"))
}

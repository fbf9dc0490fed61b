//! Asks an egress proxy for a connection to somebody else (CONNECT, RFC 9110 section 9.3.6). Reads not one byte more
//! than its answer: what follows belongs to the other side.

use crate::base::limits;
use anyhow::{Context as _, Result, bail};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

/// `authority` is `host:port`.
pub async fn open(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), authority: &str) -> Result<()> {
    let asked = timeout(limits::CONNECT_TIME, ask(stream, authority)).await;
    asked.context("the egress proxy does not answer")?.context("the egress proxy broke off")
}

async fn ask(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), authority: &str) -> Result<()> {
    let request = format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() >= limits::TUNNEL_HEAD_BYTES {
            bail!("its answer is too long");
        }
        head.push(stream.read_u8().await?);
    }
    let first = head.split(|b| *b == b'\r').next().unwrap_or_default();
    let line = String::from_utf8_lossy(first);
    let mut words = line.split(' ');
    let (version, status) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    if !version.starts_with("HTTP/1.") || status.len() != 3 || !status.starts_with('2') {
        bail!("it refused: {}", line.chars().take(100).collect::<String>());
    }
    Ok(())
}

//! The agent's variables, secrets among them, come on standard input ahead of what the agent is to read: so they
//! stand in no argument list, no file, and not in Podman's own records. One line with the length in bytes, then
//! `NAME=VALUE` and a NUL for each.

use std::io::{Error, ErrorKind, Read, Result};

/// More than any environment that `execve` takes.
const MAX_BYTES: usize = 2 << 20;

/// What the host writes ahead.
#[must_use]
pub fn encode(variables: &[(String, String)]) -> Vec<u8> {
    let block: Vec<u8> =
        variables.iter().flat_map(|(name, value)| format!("{name}={value}\0").into_bytes()).collect();
    let mut out = format!("{}\n", block.len()).into_bytes();
    out.extend(block);
    out
}

/// Reads it, and not one byte further; `input` must not be buffered.
pub fn decode(mut input: impl Read) -> Result<Vec<(String, String)>> {
    let broken = || Error::new(ErrorKind::InvalidData, "the environment on standard input is broken");
    let mut length = 0_usize;
    loop {
        let mut byte = [0];
        input.read_exact(&mut byte)?;
        match byte[0] {
            b'\n' => break,
            digit @ b'0'..=b'9' => length = length * 10 + usize::from(digit - b'0'),
            _ => return Err(broken()),
        }
        if length > MAX_BYTES {
            return Err(broken());
        }
    }
    let mut block = vec![0; length];
    input.read_exact(&mut block)?;
    let text = String::from_utf8(block).map_err(|_| broken())?;
    text.split_terminator('\0')
        .map(|entry| match entry.split_once('=') {
            // A variable without a name is none that a program could ask for.
            Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
            _ => Err(broken()),
        })
        .collect()
}

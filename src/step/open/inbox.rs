//! Attachments on their way into a session's `inbox/`.

use crate::base::fault::Fault;
use crate::base::limits;
use crate::disk::repo::Repo;
use crate::disk::session::SessionDir;
use crate::disk::write;
use crate::mail::names::unique_names;
use crate::mail::parse::Attachment;
use anyhow::Result;
use std::path::Path;

/// Stores them, never over what lies there, and returns their names. A second try after a crash finds its own.
pub fn store(repo: &Repo, dir: &SessionDir, attachments: &[Attachment]) -> Result<Vec<String>> {
    let inbox = dir.file("inbox");
    if !inbox.is_dir() {
        let why = format!("session {} is damaged: {} is missing", dir.id, inbox.display());
        let hint = format!("look at it, then remove it with: airut session rm {}", dir.id);
        return Err(Fault::failed(why).hint(hint).into());
    }
    let mut stored: Vec<String> = Vec::new();
    for attachment in attachments {
        // Names of this mail, and names that hold something else.
        let mut taken = stored.clone();
        loop {
            let name = unique_names(std::slice::from_ref(&attachment.name), &taken).remove(0);
            let path = inbox.join(&name);
            // The same file may be there already: sent before, or stored by a try that was cut off.
            if write::create_new(&repo.layout.tmp(), &path, &attachment.bytes)?
                || holds(&path, &attachment.bytes)?
            {
                stored.push(name);
                break;
            }
            taken.push(name);
        }
    }
    Ok(stored)
}

fn holds(path: &Path, bytes: &[u8]) -> Result<bool> {
    let is_as_long =
        std::fs::symlink_metadata(path).is_ok_and(|meta| meta.is_file() && meta.len() == bytes.len() as u64);
    Ok(is_as_long && write::read(path, limits::MESSAGE_BYTES as u64)?.is_some_and(|there| there == bytes))
}

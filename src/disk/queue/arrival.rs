//! Mails on their way in: each one once, whatever brings it how often, and out of `fetched` with a verdict.

use crate::base::id::MessageKey;
use crate::base::limits;
use crate::disk::batch::{self, Batch};
use crate::disk::layout::{Stage, hex};
use crate::disk::queue::Queue;
use crate::disk::write;
use crate::format::verdict::{Decision, Verdict};
use crate::format::version::Versioned;
use anyhow::Result;
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::collections::{HashMap, HashSet};
use std::path::Path;

/// What became of bytes handed to `take_in`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TakenIn {
    New(MessageKey),
    /// It was here before, and may be at work or answered already.
    Known(MessageKey),
}

/// A mail in `fetched` that is to leave it.
#[derive(Debug)]
pub struct Judged {
    pub key: MessageKey,
    /// Of an accepted mail: what makes it the same mail when it comes by another way.
    pub identity: Option<MessageKey>,
    /// Accepted or refused.
    pub verdict: Verdict,
}

/// A mail on its way into `fetched`, on disk without a name.
#[derive(Debug)]
pub struct Unnamed {
    key: MessageKey,
    file: batch::Unnamed,
}

/// The name of a mail: the hash of its bytes.
#[must_use]
pub fn message_key(bytes: &[u8]) -> MessageKey {
    named_by_hash(&Sha256::digest(bytes))
}

/// What makes a mail the same mail when it comes by another way, as a name in `seen/`: who wrote it, its
/// Message-ID and its body, as `rule/replay.rs` has them.
#[must_use]
pub fn identity(from: &str, message_id: &str, body: &[u8]) -> MessageKey {
    let mut hash = Sha256::new();
    for part in [b"identity".as_slice(), from.as_bytes(), message_id.as_bytes(), body] {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    named_by_hash(&hash.finalize())
}

fn named_by_hash(hash: &[u8]) -> MessageKey {
    match hex(hash)[..32].parse() {
        Ok(key) => key,
        Err(error) => unreachable!("{error}"),
    }
}

impl Queue<'_> {
    /// Stores a mail in `fetched`, once: everything that ever left `fetched` is remembered in `seen`, and both
    /// are looked at under one lock.
    pub fn take_in(&self, bytes: &[u8]) -> Result<TakenIn> {
        let known = || TakenIn::Known(message_key(bytes));
        Ok(self.take_in_all(vec![self.unnamed(bytes)?])?.pop().unwrap_or_else(known))
    }

    /// A mail that is written and not taken in yet.
    pub fn unnamed(&self, bytes: &[u8]) -> Result<Unnamed> {
        Ok(Unnamed { key: message_key(bytes), file: batch::unnamed(&self.layout.tmp(), bytes)? })
    }

    /// Takes in several at once, as `take_in` does one: the disk is waited for once.
    pub fn take_in_all(&self, mails: Vec<Unnamed>) -> Result<Vec<TakenIn>> {
        let (mut taken, mut batch, mut new) = (Vec::new(), Batch::default(), HashSet::new());
        let _lock = self.lock()?;
        let deferred = self.deferred_mails(Stage::Fetched)?;
        for Unnamed { key, file } in mails {
            let path = self.message(Stage::Fetched, &key);
            let is_known = self.layout.seen(&key).exists() || path.exists() || deferred.contains(&key);
            if is_known || !new.insert(key.clone()) {
                taken.push(TakenIn::Known(key));
            } else {
                batch.name(file, path)?;
                taken.push(TakenIn::New(key));
            }
        }
        batch.commit()?;
        Ok(taken)
    }

    /// Takes in a mail that is accepted already; it never lies in `fetched`, where another process would judge it.
    pub fn admit<V: Serialize + Versioned>(&self, bytes: &[u8], verdict: &V) -> Result<TakenIn> {
        let key = message_key(bytes);
        let _lock = self.lock()?;
        if self.layout.seen(&key).exists() {
            return Ok(TakenIn::Known(key));
        }
        let tmp = self.layout.tmp();
        write::json_by_way_of(&tmp, &self.verdict(Stage::Authorized, &key), verdict)?;
        write::durable_by_way_of(&tmp, &self.message(Stage::Authorized, &key), bytes)?;
        self.remember(&key)?;
        Ok(TakenIn::New(key))
    }

    /// Moves messages out of `fetched`, each with its verdict beside it, and returns those that were still there. The
    /// verdict of one of which a copy was accepted before is changed by `refuse`.
    pub fn settle(
        &self,
        judged: &mut [Judged],
        refuse: impl Fn(&mut Verdict),
    ) -> Result<HashSet<MessageKey>> {
        let _lock = self.lock()?;
        let (mut before, mut moves, mut settled) = (Batch::default(), Batch::default(), HashSet::new());
        let mut first = HashMap::new();
        for Judged { key, identity, verdict } in judged {
            let from = self.message(Stage::Fetched, key);
            if !from.exists() {
                continue;
            }
            let mut names = vec![self.layout.seen(key)];
            if let Some(identity) = identity {
                let path = self.layout.seen(identity);
                match first
                    .get(identity)
                    .cloned()
                    .map_or_else(|| accepted_first(&path), |key| Ok(Some(key)))?
                {
                    Some(other) if other != *key => refuse(verdict),
                    Some(_) => {}
                    None => drop(first.insert(identity.clone(), key.clone())),
                }
                if verdict.decision == Decision::Accepted {
                    names.push(path);
                }
            }
            verdict.key = Some(key.clone());
            let to = if verdict.decision == Decision::Accepted { Stage::Authorized } else { Stage::Rejected };
            names.iter().filter_map(|path| path.parent()).try_for_each(|dir| before.dir(dir))?;
            let file = batch::unnamed(&self.layout.tmp(), &write::json_text(&from, verdict)?)?;
            before.name_also(file, self.verdict(to, key), names)?;
            moves.rename(from, self.message(to, key));
            settled.insert(key.clone());
        }
        // What is seen is seen before anything leaves `fetched`.
        before.commit()?;
        moves.commit()?;
        Ok(settled)
    }

    /// Keeps a name in `seen`: of a mail that was taken, or of a note that has gone out.
    pub fn remember(&self, key: &MessageKey) -> Result<()> {
        let path = self.layout.seen(key);
        create_parent(&path)?;
        write::touch(&path)
    }
}

/// Which mail of an identity was accepted, by the file that is left of it.
fn accepted_first(path: &Path) -> Result<Option<MessageKey>> {
    let Some(bytes) = write::read(path, limits::JSON_BYTES)? else { return Ok(None) };
    // Before it was the verdict that stands there, it was the key alone.
    let key = std::str::from_utf8(&bytes).ok().and_then(|text| text.parse().ok());
    let of_verdict = || serde_json::from_slice::<Verdict>(&bytes).ok()?.key;
    // What cannot be read is not trusted to be a copy: an accepted mail must not be lost for it.
    Ok(key.or_else(of_verdict))
}

fn create_parent(path: &Path) -> Result<()> {
    path.parent().map_or(Ok(()), |dir| if dir.is_dir() { Ok(()) } else { write::create_dir(dir) })
}

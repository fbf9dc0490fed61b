//! Maildirs: mail taken from one, and put into one. Reads and names files only; `disk/` writes.

use crate::base::limits;
use crate::disk::write;
use anyhow::{Context, Result, bail};
use jiff::Timestamp;
use std::fs;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// A Maildir that mail is taken from.
#[derive(Debug)]
pub struct Maildir {
    path: PathBuf,
}

/// One mail in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    path: PathBuf,
}

impl Entry {
    /// The file's name, to talk about it.
    #[must_use]
    pub fn name(&self) -> String {
        self.path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
    }
}

/// What was read of a mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    Whole(Vec<u8>),
    /// Beyond `limits::MESSAGE_BYTES`: its beginning, and the size of all of it in bytes.
    TooLarge {
        header: Vec<u8>,
        size: usize,
    },
}

impl Maildir {
    /// # Errors
    /// Where there is no Maildir at `path`.
    pub fn open(path: &Path) -> Result<Self> {
        for sub in ["new", "cur"] {
            if !path.join(sub).is_dir() {
                bail!("{} is not a Maildir: it has no directory {sub}/", path.display());
            }
        }
        Ok(Self { path: path.to_owned() })
    }

    /// The mails in `new/` and `cur/` that nobody marked as deleted (`T`), oldest first by the time in their names.
    ///
    /// # Errors
    /// Where a directory cannot be read.
    pub fn list(&self) -> Result<Vec<Entry>> {
        let mut entries = Vec::new();
        for sub in ["new", "cur"] {
            let dir = self.path.join(sub);
            let unreadable = || format!("cannot read {}", dir.display());
            for entry in fs::read_dir(&dir).with_context(unreadable)? {
                let path = entry.with_context(unreadable)?.path();
                let entry = Entry { path };
                let name = entry.name();
                let trashed = name.rsplit_once(":2,").is_some_and(|(_, flags)| flags.contains('T'));
                if !name.starts_with('.') && !trashed && entry.path.is_file() {
                    entries.push(entry);
                }
            }
        }
        entries.sort_by_key(|entry| {
            let name = entry.name();
            let seconds: u64 = name.split('.').next().and_then(|time| time.parse().ok()).unwrap_or(u64::MAX);
            (seconds, name)
        });
        Ok(entries)
    }

    /// A mail's bytes.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn read(&self, entry: &Entry) -> Result<Content> {
        let unreadable = || format!("cannot read {}", entry.path.display());
        let file = write::open_untrusted(&entry.path)?;
        let size = usize::try_from(file.metadata().with_context(unreadable)?.len())?;
        let limit =
            if size > limits::MESSAGE_BYTES { limits::HEADER_BYTES } else { limits::MESSAGE_BYTES + 1 };
        let mut bytes = Vec::with_capacity(size.min(limit));
        file.take(limit as u64).read_to_end(&mut bytes).with_context(unreadable)?;
        if size > limits::MESSAGE_BYTES || bytes.len() > limits::MESSAGE_BYTES {
            bytes.truncate(limits::HEADER_BYTES);
            return Ok(Content::TooLarge { header: bytes, size: size.max(limits::MESSAGE_BYTES + 1) });
        }
        Ok(Content::Whole(bytes))
    }

    /// Takes a mail out for good.
    ///
    /// # Errors
    /// Where it cannot be removed.
    pub fn remove(&self, entry: &Entry) -> Result<()> {
        write::remove(&entry.path)
    }
}

/// Puts a mail into the Maildir at `path`, which is made where it is missing; returns the file's name.
///
/// # Errors
/// Where it cannot be written; nothing half is ever in `new/`.
pub fn deliver(path: &Path, bytes: &[u8]) -> Result<String> {
    for sub in ["tmp", "new", "cur"] {
        let dir = path.join(sub);
        match fs::metadata(&dir) {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::NotFound => write::create_dir(&dir)?,
            Err(error) => return Err(error).with_context(|| format!("cannot look at {}", dir.display())),
        }
    }
    let name = unique()?;
    let delivered = path.join("new").join(&name);
    if !write::create_new(&path.join("tmp"), &delivered, bytes)? {
        bail!("{} is there already", delivered.display());
    }
    Ok(name)
}

/// The name of a mail: time, process, number, chance, host; no two are the same.
fn unique() -> Result<String> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let mut chance = [0; 8];
    getrandom::fill(&mut chance).context("the system has no random numbers")?;
    let now = Timestamp::now();
    Ok(format!(
        "{}.M{}P{}Q{}R{:016x}.airut",
        now.as_second(),
        now.subsec_microsecond(),
        std::process::id(),
        COUNT.fetch_add(1, Ordering::Relaxed),
        u64::from_be_bytes(chance)
    ))
}

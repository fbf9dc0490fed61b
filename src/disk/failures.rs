//! How often a message could not be worked on: a file `failures/KEY` with the number. `gc` removes it in time.

use crate::base::id::MessageKey;
use crate::disk::layout::Layout;
use crate::disk::write;
use anyhow::Result;

/// One failure more; returns how many there were.
pub fn count(layout: &Layout, key: &MessageKey) -> Result<u32> {
    let path = layout.failures().join(key.as_str());
    write::create_dir(&layout.failures())?;
    let before = write::read(&path, 16)?.and_then(|text| String::from_utf8(text).ok()?.parse::<u32>().ok());
    let count = before.unwrap_or(0).saturating_add(1);
    write::durable(&path, count.to_string().as_bytes())?;
    Ok(count)
}

//! The number that every JSON file of airut's own carries. A newer format that only adds may be read, and is never
//! written back, since what it adds would be lost; one that is not understood is refused.

use crate::base::fault::Fault;
use serde::Deserialize;
use std::path::Path;

/// A JSON file of airut's own.
pub trait Versioned {
    /// The format that this program writes.
    const FORMAT: u32;

    /// The format that this value was read in.
    fn format(&self) -> u32;

    /// Whether a newer airut wrote it.
    fn is_newer(&self) -> bool {
        self.format() > Self::FORMAT
    }
}

/// All that is read of a file that is not understood otherwise.
#[derive(Deserialize)]
struct Number {
    format: u32,
}

/// The number of a file's format, where it says one.
#[must_use]
pub fn format_of(bytes: &[u8]) -> Option<u32> {
    serde_json::from_slice(bytes).ok().map(|Number { format }| format)
}

/// A file that is too new to be changed, or to be read at all.
#[must_use]
pub fn too_new<T: Versioned>(path: &Path, format: u32) -> Fault {
    let what = format!(
        "{} has format {format}, and this airut ({}) writes format {}",
        path.display(),
        env!("CARGO_PKG_VERSION"),
        T::FORMAT
    );
    Fault::too_new(what).hint("install the airut that wrote it, or a newer one")
}

//! What the machine itself can lack: room, a disk that may be written, descriptors, memory. That passes, and is the fault
//! of no mail: whatever meets it leaves all as it is, and can be done again when the machine has what it lacked.

use crate::base::fault::{Fault, Kind};
use anyhow::Error;
use std::io::{self, ErrorKind};

/// Too many open files in the whole machine, and in this process (errno(3)); std has no names for them.
const ENFILE: i32 = 23;
const EMFILE: i32 = 24;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shortage {
    Room,
    Quota,
    ReadOnly,
    Files,
    Memory,
}

impl Shortage {
    /// The one that an error comes from, if it does.
    #[must_use]
    pub fn of(error: &Error) -> Option<Self> {
        let fault = error.downcast_ref::<Fault>();
        let fault = fault.or_else(|| error.chain().find_map(|cause| cause.downcast_ref::<Fault>()));
        if let Some(Fault { kind: Kind::Short(shortage), .. }) = fault {
            return Some(*shortage);
        }
        error.chain().filter_map(|cause| cause.downcast_ref::<io::Error>()).find_map(Self::of_io)
    }

    fn of_io(error: &io::Error) -> Option<Self> {
        match (error.kind(), error.raw_os_error()) {
            (ErrorKind::StorageFull, _) => Some(Self::Room),
            (ErrorKind::QuotaExceeded, _) => Some(Self::Quota),
            (ErrorKind::ReadOnlyFilesystem, _) => Some(Self::ReadOnly),
            (ErrorKind::OutOfMemory, _) => Some(Self::Memory),
            (_, Some(EMFILE | ENFILE)) => Some(Self::Files),
            _ => None,
        }
    }

    /// The one that a program of this machine names, in the C library's words.
    #[must_use]
    pub fn said(words: &str) -> Option<Self> {
        let words = words.to_ascii_lowercase();
        Self::known(|phrase| words.contains(phrase))
    }

    /// The one that its sentence ends with: for a program that repeats before it what somebody else wrote.
    #[must_use]
    pub fn said_last(words: &str) -> Option<Self> {
        let words = words.trim_end().to_ascii_lowercase();
        Self::known(|phrase| words.ends_with(phrase))
    }

    fn known(is_said: impl Fn(&str) -> bool) -> Option<Self> {
        let known = [
            ("no space left on device", Self::Room),
            ("disk quota exceeded", Self::Quota),
            ("read-only file system", Self::ReadOnly),
            ("too many open files", Self::Files),
            ("cannot allocate memory", Self::Memory),
        ];
        known.into_iter().find(|(phrase, _)| is_said(phrase)).map(|(_, shortage)| shortage)
    }

    /// What the operator has to do.
    #[must_use]
    pub fn hint(self) -> &'static str {
        match self {
            Self::Room => {
                "make room on that disk (airut gc removes what has had its time), then run it again"
            }
            Self::Quota => {
                "raise the quota, or make room (airut gc removes what has had its time), then run it again"
            }
            Self::ReadOnly => {
                "have that disk mounted so that it can be written (dmesg tells why it is not), then run it again"
            }
            Self::Files => {
                "allow more open files (ulimit -n, LimitNOFILE= of a unit, the sysctl fs.file-max), then run it again"
            }
            Self::Memory => "give it more memory (MemoryMax= of a unit, ulimit -v), then run it again",
        }
    }
}

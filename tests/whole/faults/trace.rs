//! What a process and its children did to the files below a directory, as strace(1) saw it, in order.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The calls that change what is on disk, or make it last.
const CALLS: &str = "trace=open,openat,creat,write,pwrite64,writev,ftruncate,rename,renameat,renameat2,unlink,unlinkat,\
    mkdir,mkdirat,rmdir,link,linkat,symlink,symlinkat,fsync,fdatasync,syncfs,sync_file_range,copy_file_range,sendfile,\
    chdir";

/// `strace` and its arguments, to stand before a command.
pub fn strace(log: &Path) -> Vec<String> {
    let log = log.to_str().unwrap();
    ["strace", "-f", "-qq", "-y", "-s", "100000000", "-e", CALLS, "-e", "signal=none", "-o", log]
        .map(str::to_owned)
        .into()
}

/// One change that took place.
#[derive(Debug, Clone)]
pub enum Change {
    /// A file is there, and empty if `truncate`.
    Open {
        path: PathBuf,
        truncate: bool,
    },
    Write {
        path: PathBuf,
        at: Option<usize>,
        bytes: Vec<u8>,
    },
    Truncate {
        path: PathBuf,
        length: usize,
    },
    Copy {
        from: PathBuf,
        to: PathBuf,
        length: usize,
    },
    MakeDir(PathBuf),
    Link {
        from: PathBuf,
        to: PathBuf,
    },
    Rename {
        from: PathBuf,
        to: PathBuf,
    },
    Remove(PathBuf),
    Sync(PathBuf),
    SyncAll,
}

pub fn read(log: &Path) -> Vec<Change> {
    let text = fs::read_to_string(log).unwrap();
    let mut begun: HashMap<&str, String> = HashMap::new();
    let mut at: HashMap<&str, PathBuf> = HashMap::new();
    let mut changes = Vec::new();
    for line in text.lines() {
        let (pid, call) = line.split_once(' ').unwrap();
        let call = call.trim_start();
        let whole = if let Some(first) = call.strip_suffix(" <unfinished ...>") {
            begun.insert(pid, first.to_owned());
            continue;
        } else if let Some(rest) = call.strip_prefix("<... ") {
            let Some(first) = begun.remove(pid) else { continue };
            first + rest.split_once(" resumed>").unwrap().1
        } else {
            call.to_owned()
        };
        let Some(call) = Call::parse(&whole) else { continue };
        // Every call that names it tells where the process is.
        for (file, _) in
            call.args.iter().filter_map(|arg| opened(arg)).filter(|(_, name)| *name == "AT_FDCWD")
        {
            at.insert(pid, file);
        }
        let here = at.get(pid).cloned().unwrap_or_default();
        if call.name == "chdir" {
            at.insert(pid, here.join(call.path(0)));
        }
        changes.extend(call.change(&here));
    }
    changes
}

/// A call that succeeded.
struct Call<'a> {
    name: &'a str,
    args: Vec<&'a str>,
    result: usize,
    /// What it opened.
    path: Option<PathBuf>,
}

impl<'a> Call<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let (name, rest) = line.split_once('(')?;
        let (mut args, mut start, mut quoted, mut escaped, mut depth) = (Vec::new(), 0, false, false, 0_u32);
        let mut end = None;
        for (index, byte) in rest.bytes().enumerate() {
            match byte {
                _ if escaped => escaped = false,
                b'\\' if quoted => escaped = true,
                b'"' => quoted = !quoted,
                _ if quoted => {}
                b'[' | b'{' | b'<' => depth += 1,
                b']' | b'}' | b'>' => depth = depth.saturating_sub(1),
                b',' if depth == 0 => {
                    args.push(rest[start..index].trim());
                    start = index + 1;
                }
                b')' if depth == 0 => {
                    args.push(rest[start..index].trim());
                    end = Some(index);
                    break;
                }
                _ => {}
            }
        }
        let result = rest[end? + 1..].trim_start().strip_prefix("= ")?;
        let digits: String = result.chars().take_while(char::is_ascii_digit).collect();
        Some(Self { name, args, result: digits.parse().ok()?, path: opened(result).map(|(path, _)| path) })
    }

    fn path(&self, index: usize) -> PathBuf {
        let text = self.args[index].trim_matches('"');
        PathBuf::from(String::from_utf8(unescaped(text)).unwrap())
    }

    /// A path among the arguments, and before it, where there is one, the directory it begins at.
    fn path_at(&self, index: usize) -> PathBuf {
        opened(self.args[index - 1]).map_or_else(|| self.path(index), |(dir, _)| dir.join(self.path(index)))
    }

    fn file(&self, index: usize) -> Option<PathBuf> {
        opened(self.args[index]).map(|(path, _)| path)
    }

    fn change(&self, here: &Path) -> Option<Change> {
        let path = |index| here.join(self.path(index));
        let number = |index: usize| self.args.get(index)?.parse().ok();
        Some(match self.name {
            "open" | "openat" | "creat" => {
                let flags =
                    self.args.get(if self.name == "open" { 1 } else { 2 }).unwrap_or(&"O_TRUNC|O_CREAT");
                if !flags.contains("O_CREAT") && !flags.contains("O_TRUNC") || flags.contains("O_TMPFILE") {
                    return None;
                }
                Change::Open { path: self.path.clone()?, truncate: flags.contains("O_TRUNC") }
            }
            "write" | "pwrite64" => {
                let mut bytes = unescaped(self.args[1].trim_matches('"'));
                bytes.truncate(self.result);
                Change::Write { path: self.file(0)?, at: number(3), bytes }
            }
            "writev" => {
                let pieces = self.args[1].split("iov_base=\"").skip(1);
                let mut bytes: Vec<u8> =
                    pieces.flat_map(|piece| unescaped(piece.rsplit_once("\", iov_len").unwrap().0)).collect();
                bytes.truncate(self.result);
                Change::Write { path: self.file(0)?, at: None, bytes }
            }
            "ftruncate" => Change::Truncate { path: self.file(0)?, length: number(1)? },
            "copy_file_range" => Change::Copy { from: self.file(0)?, to: self.file(2)?, length: self.result },
            "sendfile" => Change::Copy { from: self.file(1)?, to: self.file(0)?, length: self.result },
            "mkdir" => Change::MakeDir(path(0)),
            "mkdirat" => Change::MakeDir(self.path_at(1)),
            "link" => Change::Link { from: path(0), to: path(1) },
            "linkat" => Change::Link { from: self.path_at(1), to: self.path_at(3) },
            "rename" => Change::Rename { from: path(0), to: path(1) },
            "renameat" | "renameat2" => Change::Rename { from: self.path_at(1), to: self.path_at(3) },
            "unlink" | "rmdir" => Change::Remove(path(0)),
            "unlinkat" => Change::Remove(self.path_at(1)),
            "fsync" | "fdatasync" => Change::Sync(self.file(0)?),
            "syncfs" => Change::SyncAll,
            _ => return None,
        })
    }
}

/// `5</a/file>` or `AT_FDCWD</a>`: the path, and what stands before it.
fn opened(arg: &str) -> Option<(PathBuf, &str)> {
    let (name, rest) = arg.split_once('<')?;
    let path = rest.strip_suffix('>').or_else(|| rest.split_once('>').map(|(path, _)| path))?;
    path.starts_with('/').then(|| (PathBuf::from(String::from_utf8(unescaped(path)).unwrap()), name))
}

/// The bytes of a string as strace writes them, C's escapes taken back.
fn unescaped(text: &str) -> Vec<u8> {
    let (mut bytes, mut rest) = (Vec::with_capacity(text.len()), text.as_bytes());
    while let Some((&first, tail)) = rest.split_first() {
        rest = tail;
        if first != b'\\' {
            bytes.push(first);
            continue;
        }
        let octal = rest.iter().take(3).take_while(|byte| matches!(byte, b'0'..=b'7')).count();
        if octal > 0 {
            let value = rest[..octal].iter().fold(0_u32, |value, digit| value * 8 + u32::from(digit - b'0'));
            bytes.push(u8::try_from(value).unwrap());
            rest = &rest[octal..];
        } else {
            let named = [(b'n', b'\n'), (b't', b'\t'), (b'r', b'\r'), (b'v', 11), (b'f', 12)];
            let byte = named.iter().find(|(name, _)| *name == rest[0]).map_or(rest[0], |(_, byte)| *byte);
            bytes.push(byte);
            rest = &rest[1..];
        }
    }
    bytes
}

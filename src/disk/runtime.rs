//! Runtime directories: what lives as long as a process does and is worth nothing after a crash, so nothing here
//! is synced. Their parent is the owner's only; what is in them is readable by a container's other user IDs.

use crate::base::limits;
use crate::disk::crash;
use anyhow::{Context, Result, bail};
use rustix::fs::StatVfsMountFlags;
use std::fs::{DirBuilder, OpenOptions, Permissions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::Path;

/// Makes a directory that others may pass through and not list, within one that only the owner may enter.
pub fn create(dir: &Path) -> Result<()> {
    let parent = dir.parent().with_context(|| format!("{} has no directory", dir.display()))?;
    crate::disk::write::create_dir(parent)?;
    let make = || match DirBuilder::new().mode(0o711).create(dir) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        other => other,
    };
    // The mode given at creation is cut by the umask.
    make()
        .and_then(|()| std::fs::set_permissions(dir, Permissions::from_mode(0o711)))
        .with_context(|| format!("cannot make the directory {}", dir.display()))
}

/// Puts a new file in place of what is there, with exactly this mode. Not by rename: it may be there already as
/// the mount of a container that is gone.
pub fn put(dir: &Path, name: &str, bytes: &[u8], mode: u32) -> Result<()> {
    let path = dir.join(name);
    let write = || -> std::io::Result<()> {
        crash::failing("write a runtime file")?;
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        file.write_all(bytes)?;
        file.set_permissions(Permissions::from_mode(mode))
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}

/// Opens a socket that everyone who can reach the directory may connect to.
pub fn listen(dir: &Path, name: &str) -> Result<UnixListener> {
    let path = dir.join(name);
    check_socket_path(&path)?;
    let listen = || -> std::io::Result<UnixListener> {
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(&path)?;
        std::fs::set_permissions(&path, Permissions::from_mode(0o666))?;
        listener.set_nonblocking(true)?;
        Ok(listener)
    };
    listen().with_context(|| format!("cannot open the socket {}", path.display()))
}

/// Whether what lies there can be run: a container runs its init from it, and a mount keeps its `noexec` there.
pub fn check_executable(dir: &Path) -> Result<()> {
    let found = rustix::fs::statvfs(dir).with_context(|| format!("cannot look at {}", dir.display()))?;
    if found.f_flag.contains(StatVfsMountFlags::NOEXEC) {
        bail!(
            "{} is on a file system that is mounted noexec, and a container could not run its init from there: \
             set XDG_RUNTIME_DIR to a directory on another one",
            dir.display()
        );
    }
    Ok(())
}

/// Whether the kernel takes the path for a socket.
pub fn check_socket_path(path: &Path) -> Result<()> {
    let length = path.as_os_str().len();
    if length > limits::SOCKET_PATH_BYTES {
        bail!(
            "the socket path {} has {length} bytes and the kernel takes {}: set XDG_RUNTIME_DIR to a short directory",
            path.display(),
            limits::SOCKET_PATH_BYTES
        );
    }
    Ok(())
}

/// Removes the directory with what is in it; that it is gone already is no error.
pub fn remove(dir: &Path) -> Result<()> {
    match std::fs::remove_dir_all(dir) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", dir.display()))
        }
        _ => Ok(()),
    }
}

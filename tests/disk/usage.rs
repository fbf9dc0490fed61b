use airut::disk::usage::bytes;
use rustix::fs::{CWD, Mode, OFlags, mkdirat, openat};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::Path;
use std::process::Command;

/// What `du` says of it, which counts a file of several names once, follows no link and stays on its file system.
fn du(path: &Path) -> u64 {
    let output = Command::new("du").args(["-s", "-x", "--block-size=1", "--"]).arg(path).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.split_whitespace().next().unwrap().parse().unwrap()
}

fn allocated(path: &Path) -> u64 {
    fs::symlink_metadata(path).unwrap().blocks() * 512
}

#[test]
fn what_is_allocated_counts_and_a_file_of_two_names_once() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    fs::create_dir_all(path("a/b")).unwrap();
    fs::write(path("a/b/one"), vec![1; 300_000]).unwrap();
    fs::hard_link(path("a/b/one"), path("a/two")).unwrap();
    fs::File::create(path("sparse")).unwrap().set_len(1 << 40).unwrap();
    fs::write(dir.path().join(OsStr::from_bytes(b"\xff\xfe")), vec![1; 100_000]).unwrap();
    let counted = bytes(dir.path()).unwrap();
    assert_eq!(counted, du(dir.path()));
    assert!((400_000..1_000_000).contains(&counted), "{counted}");
}

#[test]
fn no_link_is_followed_and_a_pipe_holds_nothing_up() {
    let elsewhere = tempfile::tempdir().unwrap();
    fs::write(elsewhere.path().join("large"), vec![1; 1_000_000]).unwrap();
    let dir = tempfile::tempdir().unwrap();
    symlink(elsewhere.path(), dir.path().join("dir")).unwrap();
    symlink(elsewhere.path().join("large"), dir.path().join("file")).unwrap();
    assert!(Command::new("mkfifo").arg(dir.path().join("pipe")).status().unwrap().success());
    assert!(bytes(dir.path()).unwrap() < 100_000);
    assert!(bytes(&dir.path().join("dir")).is_err(), "nor one in the place of the directory itself");
    assert!(bytes(&dir.path().join("none")).is_err());
}

#[test]
fn another_file_system_is_not_entered() {
    let shm = Path::new("/dev/shm");
    assert_ne!(fs::metadata("/dev").unwrap().dev(), fs::metadata(shm).unwrap().dev());
    let mut file = tempfile::Builder::new().prefix("airut-usage-").tempfile_in(shm).unwrap();
    std::io::Write::write_all(&mut file, &vec![1; 8 << 20]).unwrap();
    assert!(allocated(file.path()) >= 8 << 20);
    assert!(bytes(Path::new("/dev")).unwrap() < 8 << 20);
}

#[test]
fn a_tree_deeper_than_any_path_and_than_open_files_is_counted_to_its_end() {
    const DEPTH: usize = 3_000;
    let dir = tempfile::tempdir().unwrap();
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let mut here = openat(CWD, dir.path(), flags, Mode::empty()).unwrap();
    for level in 0..DEPTH {
        // A neighbour that is empty and one that is not, on the way.
        for name in ["a", "deeper", "z"] {
            mkdirat(&here, name, Mode::RWXU).unwrap();
        }
        if level % 100 == 0 {
            mkdirat(&here, "z/more", Mode::RWXU).unwrap();
        }
        here = openat(&here, "deeper", flags, Mode::empty()).unwrap();
    }
    let file = openat(&here, "file", OFlags::CREATE | OFlags::WRONLY, Mode::RWXU).unwrap();
    std::io::Write::write_all(&mut fs::File::from(file), &vec![1; 1_000_000]).unwrap();
    let counted = bytes(dir.path()).unwrap();
    assert!(counted > 1_000_000 && counted == du(dir.path()), "{counted}");
    // The library's own removal holds a file open for each level.
    assert!(Command::new("rm").arg("-rf").arg(dir.path().join("deeper")).status().unwrap().success());
}

#[test]
fn what_cannot_be_looked_into_does_not_hide_its_neighbours() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["a", "closed", "listed", "z"] {
        fs::create_dir_all(dir.path().join(name).join("sub")).unwrap();
        fs::write(dir.path().join(name).join("sub/file"), vec![1; 200_000]).unwrap();
    }
    let mode = |name: &str, mode| {
        fs::set_permissions(dir.path().join(name), fs::Permissions::from_mode(mode)).unwrap();
    };
    mode("closed", 0);
    mode("listed", 0o400);
    let counted = bytes(dir.path()).unwrap();
    mode("closed", 0o700);
    mode("listed", 0o700);
    assert!(counted >= 400_000, "{counted}");
    // Root looks into everything.
    assert!(!rustix::process::getuid().is_root() || counted == du(dir.path()), "{counted}");
}

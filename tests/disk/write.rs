use crate::support::helper;
use airut::base::fault::{Fault, Kind};
use airut::disk::write;
use airut::format::image::Image;
use airut::format::mailbox::Mailbox;
use airut::format::version::Versioned as _;
use std::fs;
use std::io::Read as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::Path;

fn dir() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().mode() & 0o7777
}

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_file_is_replaced_and_is_its_owners_only() {
    let dir = dir();
    let path = dir.path().join("a");
    fs::write(&path, "old, and longer than the new").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
    write::durable(&path, b"new").unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"new");
    assert_eq!(mode(&path), 0o600);
    assert_eq!(names(dir.path()), ["a"]);
}

#[test]
fn a_link_is_replaced_and_not_written_through() {
    let dir = dir();
    fs::write(dir.path().join("other"), "untouched").unwrap();
    symlink("other", dir.path().join("a")).unwrap();
    write::durable(&dir.path().join("a"), b"new").unwrap();
    assert_eq!(fs::read(dir.path().join("other")).unwrap(), b"untouched");
    assert!(fs::symlink_metadata(dir.path().join("a")).unwrap().is_file());
}

#[test]
fn a_file_that_cannot_be_put_in_place_leaves_everything_as_it_was() {
    let dir = dir();
    // A directory cannot be replaced by a file, whoever one is.
    let path = dir.path().join("taken");
    fs::create_dir(&path).unwrap();
    fs::write(path.join("inside"), "kept").unwrap();
    let error = write::durable(&path, b"new").unwrap_err();
    assert!(format!("{error:#}").contains("taken"), "{error:#}");
    assert_eq!(names(dir.path()), ["taken"]);
    assert_eq!(fs::read(path.join("inside")).unwrap(), b"kept");
    assert!(write::durable(&dir.path().join("no/such/directory"), b"x").is_err());
}

#[test]
fn by_way_of_another_directory_nothing_half_is_ever_seen_in_the_watched_one() {
    let (dir, beside) = (dir(), dir());
    write::durable_by_way_of(beside.path(), &dir.path().join("a"), b"x").unwrap();
    assert_eq!(names(dir.path()), ["a"]);
    assert!(names(beside.path()).is_empty());
}

fn writing(path: &str) {
    helper::say("ready");
    for byte in (b'a'..=b'z').cycle() {
        write::durable(Path::new(path), &vec![byte; 300_000]).unwrap();
    }
}

#[test]
fn a_reader_sees_the_old_or_the_new_and_so_does_who_comes_after_a_kill() {
    if let Some(path) = helper::argument() {
        return writing(&path);
    }
    let dir = dir();
    let path = dir.path().join("a");
    write::durable(&path, &vec![b'A'; 300_000]).unwrap();
    let is_whole = || {
        let bytes = write::read(&path, 1 << 20).unwrap().unwrap();
        bytes.len() == 300_000 && bytes.iter().all(|byte| *byte == bytes[0])
    };
    for _ in 0..5 {
        let mut process = helper::start(path.to_str().unwrap());
        process.wait_for("ready");
        assert!((0..20).all(|_| is_whole()));
        process.kill();
        assert!(is_whole());
    }
}

#[test]
fn a_new_file_never_goes_over_what_is_there_nor_through_a_link() {
    let (dir, tmp) = (dir(), dir());
    let path = |name: &str| dir.path().join(name);
    assert!(write::create_new(tmp.path(), &path("a"), b"first").unwrap());
    assert_eq!(mode(&path("a")), 0o600);
    assert!(!write::create_new(tmp.path(), &path("a"), b"second").unwrap());
    assert_eq!(fs::read(path("a")).unwrap(), b"first");
    symlink(tmp.path().join("outside"), path("dangling")).unwrap();
    assert!(!write::create_new(tmp.path(), &path("dangling"), b"x").unwrap());
    assert!(!tmp.path().join("outside").exists());
    fs::create_dir(path("directory")).unwrap();
    assert!(!write::create_new(tmp.path(), &path("directory"), b"x").unwrap());
    assert!(names(tmp.path()).is_empty(), "{:?}", names(tmp.path()));
}

#[test]
fn directories_are_their_owners_only_also_those_on_the_way() {
    let dir = dir();
    let path = dir.path().join("one/two");
    write::create_dir(&path).unwrap();
    assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o700, 0o700));
    write::create_dir(&path).unwrap();
    fs::write(dir.path().join("file"), "").unwrap();
    assert!(write::create_dir(&dir.path().join("file")).is_err());
    assert!(write::create_dir(&dir.path().join("file/below")).is_err());
}

#[test]
fn two_may_make_the_same_directory_at_once() {
    let dir = dir();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                (0..50).for_each(|n| write::create_dir(&dir.path().join(format!("{n}/a/b"))).unwrap());
            });
        }
    });
}

#[test]
fn a_marker_is_made_once_and_keeps_what_is_there() {
    let dir = dir();
    let path = dir.path().join("a");
    write::touch(&path).unwrap();
    assert_eq!(mode(&path), 0o600);
    fs::write(&path, "x").unwrap();
    write::touch(&path).unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"x");
}

#[test]
fn removing_what_is_gone_is_no_error_and_a_directory_is_not_removed() {
    let dir = dir();
    write::remove(&dir.path().join("gone")).unwrap();
    fs::create_dir(dir.path().join("d")).unwrap();
    assert!(write::remove(&dir.path().join("d")).is_err());
}

#[test]
fn a_log_is_not_written_through_a_link() {
    let dir = dir();
    symlink(dir.path().join("outside"), dir.path().join("log")).unwrap();
    assert!(write::append(&dir.path().join("log")).is_err());
    assert!(!dir.path().join("outside").exists());
}

#[test]
fn of_what_another_may_have_left_only_regular_files_are_opened() {
    let dir = dir();
    let path = |name: &str| dir.path().join(name);
    fs::write(path("file"), "content").unwrap();
    let mut text = String::new();
    write::open_untrusted(&path("file")).unwrap().read_to_string(&mut text).unwrap();
    assert_eq!(text, "content");
    symlink("file", path("link")).unwrap();
    symlink("/etc/hostname", path("link-out")).unwrap();
    fs::create_dir(path("directory")).unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, path("fifo"), rustix::fs::Mode::from_raw_mode(0o600)).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(path("socket")).unwrap();
    for name in ["link", "link-out", "directory", "fifo", "socket", "missing"] {
        let error = write::open_untrusted(&path(name)).unwrap_err();
        assert!(format!("{error:#}").contains(name), "{error:#}");
    }
    assert!(write::open_untrusted(Path::new("/dev/zero")).is_err());
}

#[test]
fn more_than_the_limit_is_not_read() {
    let dir = dir();
    let path = dir.path().join("a");
    fs::write(&path, "12345").unwrap();
    assert_eq!(write::read(&path, 5).unwrap().unwrap(), b"12345");
    assert!(format!("{:#}", write::read(&path, 4).unwrap_err()).contains("larger than 4 bytes"));
    assert!(write::read(Path::new("/dev/zero"), 1000).is_err());
    assert_eq!(write::read(&dir.path().join("missing"), 5).unwrap(), None);
}

#[test]
fn a_move_that_another_process_made_first_is_no_error_where_it_may_be() {
    let dir = dir();
    let path = |name: &str| dir.path().join(name);
    fs::write(path("a"), "").unwrap();
    assert!(write::rename_if_there(&path("a"), &path("b")).unwrap());
    assert!(!write::rename_if_there(&path("a"), &path("b")).unwrap());
    assert!(write::rename(&path("a"), &path("b")).is_err());
    assert!(write::rename_if_there(&path("b"), &path("no-directory/b")).is_err());
    assert!(path("b").exists());
}

fn fault(error: &anyhow::Error) -> &Fault {
    error.downcast_ref().unwrap_or_else(|| panic!("no fault: {error:#}"))
}

#[test]
fn a_newer_format_is_read_and_never_written_back() {
    let dir = dir();
    let path = dir.path().join("mailbox.json");
    let text = r#"{"format": 2, "uid_validity": 7, "stored": [1], "what_format_2_adds": true}"#;
    fs::write(&path, text).unwrap();
    let mailbox: Mailbox = write::read_json(&path).unwrap().unwrap();
    assert!(mailbox.is_newer());
    assert_eq!(mailbox.uid_validity, 7);
    for error in [
        write::json(&path, &mailbox).unwrap_err(),
        write::json_by_way_of(dir.path(), &path, &mailbox).unwrap_err(),
        write::read_json_to_change::<Mailbox>(&path).unwrap_err(),
    ] {
        assert_eq!(fault(&error).kind, Kind::TooNew);
        assert!(fault(&error).message.contains("mailbox.json has format 2"), "{error:#}");
        assert!(fault(&error).hint.as_ref().unwrap().contains("install"), "{error:#}");
    }
    assert_eq!(fs::read_to_string(&path).unwrap(), text);
}

#[test]
fn a_format_that_is_not_understood_is_refused_with_what_to_install() {
    let dir = dir();
    let path = dir.path().join("image.json");
    fs::write(&path, r#"{"format": 3, "built": {"at": 0}}"#).unwrap();
    let error = write::read_json::<Image>(&path).unwrap_err();
    assert_eq!(fault(&error).kind, Kind::TooNew);
    assert!(fault(&error).hint.as_ref().unwrap().contains("install"));
    // The same text in our own format is not newer but broken.
    fs::write(&path, r#"{"format": 1, "built": {"at": 0}}"#).unwrap();
    let error = write::read_json::<Image>(&path).unwrap_err();
    assert!(error.downcast_ref::<Fault>().is_none());
    assert!(
        format!("{error:#}").contains("cannot understand") && format!("{error:#}").contains("image.json")
    );
}

#[test]
fn what_could_not_be_read_again_is_not_written() {
    let dir = dir();
    let path = dir.path().join("mailbox.json");
    let mailbox =
        Mailbox { format: 1, uid_validity: 1, stored: (0..2_000_000).collect(), ..Mailbox::default() };
    assert!(write::json(&path, &mailbox).is_err());
    assert!(!path.exists());
}

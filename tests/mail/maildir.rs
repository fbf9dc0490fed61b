use airut::base::limits;
use airut::mail::maildir::{Content, Maildir, deliver};
use std::fs;
use std::path::Path;

fn names(dir: &Path, sub: &str) -> Vec<String> {
    fs::read_dir(dir.join(sub))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

#[test]
fn what_is_delivered_is_listed_read_and_removed() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("Maildir");
    let name = deliver(&path, b"Subject: a\n\none\n").unwrap();
    assert_eq!((names(&path, "new"), names(&path, "tmp")), (vec![name.clone()], vec![]));
    let maildir = Maildir::open(&path).unwrap();
    let listed = maildir.list().unwrap();
    assert_eq!(listed[0].name(), name);
    assert_eq!(maildir.read(&listed[0]).unwrap(), Content::Whole(b"Subject: a\n\none\n".to_vec()));
    maildir.remove(&listed[0]).unwrap();
    maildir.remove(&listed[0]).unwrap();
    assert!(maildir.list().unwrap().is_empty());
}

#[test]
fn mails_are_listed_from_new_and_cur_oldest_first() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("m");
    deliver(&path, b"x").unwrap();
    for (sub, name) in [
        ("cur", "20.a.host:2,S"),
        ("new", "3.b.host"),
        ("cur", "100.c.host:2,ST"),
        ("new", ".hidden"),
        ("new", "odd"),
    ] {
        fs::write(path.join(sub).join(name), "x").unwrap();
    }
    fs::create_dir(path.join("new/directory")).unwrap();
    let names: Vec<String> =
        Maildir::open(&path).unwrap().list().unwrap().iter().map(|entry| entry.name()).collect();
    assert_eq!(
        (names[0].as_str(), names[1].as_str(), names[3].as_str()),
        ("3.b.host", "20.a.host:2,S", "odd")
    );
    assert_eq!(names.len(), 4);
}

#[test]
fn a_mail_beyond_the_limit_is_read_only_at_its_beginning() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("m");
    deliver(&path, b"x").unwrap();
    let file = fs::File::create(path.join("new/1.large")).unwrap();
    file.set_len(limits::MESSAGE_BYTES as u64 + 5).unwrap();
    let maildir = Maildir::open(&path).unwrap();
    match maildir.read(&maildir.list().unwrap()[0]).unwrap() {
        Content::TooLarge { header, size } => {
            assert_eq!((header.len(), size), (limits::HEADER_BYTES, limits::MESSAGE_BYTES + 5));
        }
        Content::Whole(_) => panic!("read whole"),
    }
}

#[test]
fn a_link_in_a_maildir_is_not_followed() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("m");
    deliver(&path, b"x").unwrap();
    std::os::unix::fs::symlink("/etc/hostname", path.join("new/1.link")).unwrap();
    let maildir = Maildir::open(&path).unwrap();
    let link = maildir.list().unwrap().into_iter().find(|entry| entry.name() == "1.link").unwrap();
    assert!(maildir.read(&link).is_err());
}

#[test]
fn what_is_no_maildir_is_refused_by_name() {
    let home = tempfile::tempdir().unwrap();
    let error = Maildir::open(home.path()).unwrap_err().to_string();
    assert!(error.contains("is not a Maildir") && error.contains(home.path().to_str().unwrap()), "{error}");
}

#[test]
fn no_two_mails_have_one_name() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("m");
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..25).for_each(|_| drop(deliver(&path, b"x").unwrap())));
        }
    });
    assert_eq!(names(&path, "new").len(), 100);
}

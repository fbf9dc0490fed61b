use airut::disk::layout::{Layout, Stage};
use std::os::unix::fs::MetadataExt as _;

#[test]
fn every_directory_is_made_and_is_its_owners_only() {
    let dir = tempfile::tempdir().unwrap();
    let layout = Layout::new("one".parse().unwrap(), dir.path().join("state/one"));
    layout.prepare().unwrap();
    layout.prepare().unwrap();
    let mut all = vec![layout.root().to_owned(), layout.tmp(), layout.sessions(), layout.trash()];
    all.extend(Stage::ALL.iter().flat_map(|stage| [layout.stage(*stage), layout.deferred(*stage)]));
    for path in all {
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o7777, 0o700, "{}", path.display());
    }
}

#[test]
fn locks_lie_apart_from_what_is_removed() {
    let layout = Layout::new("one".parse().unwrap(), "/state/one".into());
    let id = "3fa9c1d2".parse().unwrap();
    for lock in [layout.session_lock(&id), layout.run_lock(&id), layout.lock("queue")] {
        assert!(lock.starts_with("/state/one/locks"), "{}", lock.display());
    }
    assert_ne!(layout.session_lock(&id), layout.run_lock(&id));
}

#[test]
fn two_storage_directories_are_told_apart_by_their_id() {
    let id = |root: &str| Layout::new("one".parse().unwrap(), root.into()).storage_id();
    assert_eq!(id("/a"), id("/a"));
    assert_ne!(id("/a"), id("/b"));
    assert_eq!(id("/a").len(), 16);
}

use airut::base::id::MessageKey;
use airut::disk::layout::{Layout, Stage};
use airut::disk::notes::{of_size, waiting, went_out};
use airut::disk::queue::Queue;
use jiff::{SignedDuration, Timestamp};

#[test]
fn a_note_waits_in_either_place_until_it_has_gone_out() {
    let dir = tempfile::tempdir().unwrap();
    let layout = Layout::new("my-project".parse().unwrap(), dir.path().to_owned());
    layout.prepare().unwrap();
    let (queue, now) = (Queue::new(&layout), Timestamp::now());
    let key = of_size(&layout, &"3fa9c1d2".parse().unwrap(), now);
    let is_waiting = |key: &MessageKey| waiting(&layout).unwrap().contains(key);
    assert!(!is_waiting(&key) && went_out(&layout, &key).is_none());
    queue.post(&key, b"mail").unwrap();
    assert!(is_waiting(&key));
    queue.defer(Stage::Finished, &format!("{key}.eml"), now + SignedDuration::from_hours(1)).unwrap();
    assert!(is_waiting(&key) && went_out(&layout, &key).is_none());
    queue.remember(&key).unwrap();
    assert!(went_out(&layout, &key).unwrap().duration_since(now).abs() < SignedDuration::from_mins(1));
}

#[test]
fn what_happens_in_a_session_makes_another_note_of_it() {
    let layout = Layout::new("my-project".parse().unwrap(), "/nowhere".into());
    let id = |text: &str| text.parse().unwrap();
    let (then, now) = (Timestamp::UNIX_EPOCH, Timestamp::now());
    assert_eq!(of_size(&layout, &id("3fa9c1d2"), then), of_size(&layout, &id("3fa9c1d2"), then));
    assert_ne!(of_size(&layout, &id("3fa9c1d2"), then), of_size(&layout, &id("3fa9c1d2"), now));
    assert_ne!(of_size(&layout, &id("3fa9c1d2"), then), of_size(&layout, &id("0badc0de"), then));
    let other = Layout::new("other".parse().unwrap(), "/nowhere".into());
    assert_ne!(of_size(&layout, &id("3fa9c1d2"), then), of_size(&other, &id("3fa9c1d2"), then));
}

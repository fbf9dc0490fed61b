use crate::step::stand::{Stand, done};
use airut::base::fault::{Fault, Kind};
use airut::base::limits;
use airut::base::talk::Silent;
use airut::disk::layout::Stage;
use airut::disk::queue::message_key;
use airut::exec::interrupt::Interrupt;
use airut::step::fetch;

#[test]
fn a_mail_from_a_pipe_is_stored_byte_for_byte() {
    let stand = Stand::new();
    for bytes in [
        b"From: a@example.com\n\nbare newlines\n".to_vec(),
        vec![0, 255, 13, 10],
        Stand::delivered(&stand.letter("x", "y")),
    ] {
        let moved = done(fetch::take(&stand.repo, &bytes).unwrap());
        let key = message_key(&bytes);
        assert_eq!(moved, [format!("{}:{key}", stand.repo.name)]);
        assert_eq!(stand.repo.queue().read(Stage::Fetched, &key).unwrap().unwrap(), bytes);
    }
}

#[test]
fn one_that_still_waits_is_named_again_so_that_a_pipeline_goes_on_with_it() {
    let stand = Stand::new();
    let bytes = Stand::delivered(&stand.letter("Hello", "Please."));
    assert_eq!(
        done(fetch::take(&stand.repo, &bytes).unwrap()),
        done(fetch::take(&stand.repo, &bytes).unwrap())
    );
    airut::step::authorize::authorize(&stand.repo, None, &Silent).unwrap();
    assert!(done(fetch::take(&stand.repo, &bytes).unwrap()).is_empty(), "and one that has moved on is not");
    assert_eq!(stand.repo.queue().messages(Stage::Authorized).unwrap().len(), 1);
}

#[test]
fn of_a_mail_that_is_too_large_the_header_is_taken_with_its_size() {
    let stand = Stand::new();
    let mut bytes = b"Subject: big\r\nFrom: a@example.com\r\n\r\n".to_vec();
    let header = bytes.len();
    bytes.resize(limits::MESSAGE_BYTES + 1, b'x');
    fetch::take(&stand.repo, &bytes).unwrap();
    let key = stand.repo.queue().messages(Stage::Fetched).unwrap().remove(0);
    let stored = stand.repo.queue().read(Stage::Fetched, &key).unwrap().unwrap();
    let mut wanted = format!("X-Airut-Oversize: {}\r\n", bytes.len()).into_bytes();
    wanted.extend_from_slice(&bytes[..header]);
    assert_eq!(stored, wanted);
}

#[test]
fn a_large_one_without_an_end_to_its_header_is_cut() {
    let stand = Stand::new();
    fetch::take(&stand.repo, &vec![b'x'; limits::MESSAGE_BYTES + 1]).unwrap();
    let key = stand.repo.queue().messages(Stage::Fetched).unwrap().remove(0);
    let stored = stand.repo.queue().read(Stage::Fetched, &key).unwrap().unwrap();
    assert!(stored.len() <= limits::HEADER_BYTES + 100);
}

#[test]
fn without_a_mailbox_there_is_nothing_to_fetch_or_to_watch() {
    let stand = Stand::new();
    assert!(done(fetch::fetch(&stand.repo, &Silent).unwrap()).is_empty());
    let error = fetch::watch(&stand.repo, &Silent, &Interrupt::default(), |_| {}).unwrap_err();
    assert!(format!("{error:#}").contains("only an IMAP mailbox can be watched"));
}

#[test]
fn with_less_room_than_the_reserve_nothing_new_is_taken_in_and_it_says_so() {
    let mut stand = Stand::new();
    stand.repo.config.reserve = "9999999t".parse().unwrap();
    let bytes = Stand::delivered(&stand.letter("Hello", "Please."));
    for error in
        [fetch::take(&stand.repo, &bytes).unwrap_err(), fetch::fetch(&stand.repo, &Silent).unwrap_err()]
    {
        let fault = error.downcast_ref::<Fault>().unwrap();
        assert_eq!(fault.kind, Kind::TryLater);
        assert!(fault.message.contains("nothing new is taken in") && fault.hint.is_some(), "{fault:?}");
    }
    stand.repo.config.reserve = "0".parse().unwrap();
    // What is there already goes on, however little room there is.
    let id = stand.arrive(&stand.letter("Hello", "Please."));
    stand.repo.config.reserve = "9999999t".parse().unwrap();
    stand.finish(&id, |_| {});
    assert_eq!(stand.reply().len(), 2);
}

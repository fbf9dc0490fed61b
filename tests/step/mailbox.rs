//! Whatever a mail server does, every mail is taken once and leaves the mailbox only then.

use crate::step::stand::{Stand, done};
use crate::support::faulty_imap::{Fault, FaultyImap};
use airut::base::fault::{Fault as Failed, Kind};
use airut::base::limits;
use airut::base::talk::Silent;
use airut::disk::layout::Stage;
use airut::exec::interrupt::Interrupt;
use airut::format::config::{Imap, Tls};
use airut::format::secret::Secret;
use airut::step::report::Report;
use airut::step::{authorize, fetch, open};
use std::fs;
use std::time::{Duration, Instant};

fn stand(server: &FaultyImap, move_to: Option<&str>) -> Stand {
    let mut stand = Stand::new();
    stand.repo.config.mail.imap = Some(Imap {
        host: "127.0.0.1".to_owned(),
        port: Some(server.port),
        tls: Tls::None,
        ca_file: None,
        username: "airut".to_owned(),
        password: Some(Secret::Literal("test".to_owned())),
        oauth2: None,
        folder: "INBOX".to_owned(),
        move_to: move_to.map(str::to_owned),
    });
    stand
}

fn mails(count: usize) -> Vec<Vec<u8>> {
    (0..count).map(mail).collect()
}

fn mail(number: usize) -> Vec<u8> {
    format!(
        "Authentication-Results: mx.example.com; dmarc=pass header.from=example.com\r\nFrom: boss@example.com\r\n\
         To: airut@example.com\r\nSubject: {number}\r\nMessage-ID: <{number}@example.com>\r\n\r\n{}\r\n",
        "Please. ".repeat(500)
    )
    .into_bytes()
}

fn fetch(stand: &Stand) -> anyhow::Result<Report> {
    fetch::fetch(&stand.repo, &Silent)
}

fn taken(stand: &Stand) -> usize {
    stand.repo.queue().messages(Stage::Fetched).unwrap().len()
}

#[test]
fn a_connection_that_fails_in_any_command_loses_no_mail_and_doubles_none() {
    let commands = [
        "LOGIN",
        "CAPABILITY",
        "SELECT",
        "UID SEARCH",
        "UID FETCH 1:3",
        "UID FETCH 2 (UID BODY",
        "UID STORE",
        "UID EXPUNGE",
        "UID MOVE",
    ];
    let faults = [Fault::Cut, Fault::CutAfter, Fault::CutInAnswer, Fault::No, Fault::Bad];
    for command in commands {
        for fault in faults {
            let server = FaultyImap::start(mails(3));
            let stand = stand(&server, (command == "UID MOVE").then_some("Done"));
            server.fail(command, fault, 1);
            let first = fetch(&stand);
            let failed = match &first {
                Ok(report) => report.troubles.first().map(|trouble| &trouble.error),
                Err(error) => Some(error),
            };
            // One that refuses MOVE may lack the folder: that is made, and then it goes well.
            let asked_again = command == "UID MOVE" && matches!(fault, Fault::No | Fault::Bad);
            assert_eq!(failed.is_none(), asked_again, "{command} {fault:?}: {first:?}");
            if let (Some(error), Fault::Cut | Fault::CutAfter) = (failed, fault) {
                let kind = error.downcast_ref::<Failed>().map(|fault| fault.kind);
                assert_eq!(kind, Some(Kind::TryLater), "{command} {fault:?}: {error:#}");
            }
            done(fetch(&stand).unwrap());
            assert_eq!(taken(&stand), 3, "{command} {fault:?}");
            assert!(server.state().mails.is_empty(), "{command} {fault:?}");
        }
    }
}

#[test]
fn a_mail_that_is_stored_is_not_fetched_again_after_a_crash_between() {
    let server = FaultyImap::start(mails(3));
    let stand = stand(&server, None);
    server.fail("UID STORE", Fault::Cut, 1);
    fetch(&stand).unwrap_err();
    assert_eq!(server.count("UID FETCH 2 (UID BODY"), 1);
    done(fetch(&stand).unwrap());
    assert_eq!(server.count("UID FETCH 2 (UID BODY"), 1);
    assert!(server.state().mails.is_empty());
}

#[test]
fn other_uids_for_the_same_mails_are_neither_a_loss_nor_a_second_copy() {
    let server = FaultyImap::start(mails(3));
    let stand = stand(&server, None);
    server.fail("UID STORE", Fault::Cut, 1);
    fetch(&stand).unwrap_err();
    {
        let mut state = server.state();
        state.uid_validity = 2;
        // What was UID 1 is UID 2 now, and UID 1 is a mail that nobody has seen.
        let old = std::mem::take(&mut state.mails);
        state.mails = old.into_iter().map(|(uid, mail)| (uid + 1, mail)).collect();
        state.mails.insert(1, mail(7));
    }
    done(fetch(&stand).unwrap());
    assert_eq!(taken(&stand), 4);
    assert!(server.state().mails.is_empty());
}

#[test]
fn mail_that_somebody_else_moves_away_meanwhile_is_no_trouble() {
    let server = FaultyImap::start(mails(2));
    server.state().ghosts = vec![9];
    let stand = stand(&server, None);
    server.fail("UID FETCH 2 (UID BODY", Fault::Slow(Duration::from_millis(50)), 1);
    assert_eq!(done(fetch(&stand).unwrap()).len(), 2);
    // Listed with its size, and gone when it is wanted.
    let server = FaultyImap::start(mails(3));
    let stand = self::stand(&server, None);
    server.fail("UID FETCH 1:3", Fault::Slow(Duration::from_millis(200)), 1);
    server.fail("UID FETCH 1 ", Fault::Slow(Duration::from_millis(400)), 1);
    let other = server.clone();
    let mover = std::thread::spawn(move || {
        while other.count("UID FETCH 1 ") == 0 {
            std::thread::sleep(Duration::from_millis(5));
        }
        other.state().mails.remove(&2);
    });
    assert_eq!(done(fetch(&stand).unwrap()).len(), 2);
    mover.join().unwrap();
    assert!(server.state().mails.is_empty());
}

#[test]
fn a_mail_that_the_server_never_gives_is_set_aside_after_the_third_time_and_its_sender_told() {
    let server = FaultyImap::start(mails(3));
    let stand = stand(&server, None);
    server.fail("UID FETCH 2 (UID BODY.PEEK[])", Fault::No, usize::MAX);
    let report = fetch(&stand).unwrap();
    assert_eq!((report.moved.len(), report.troubles.len()), (2, 1), "the others are not held up");
    let report = fetch(&stand).unwrap();
    assert_eq!((report.moved.len(), report.troubles.len()), (0, 1));
    let report = fetch(&stand).unwrap();
    let said =
        report.troubles.iter().map(|trouble| format!("{:#}", trouble.error)).collect::<Vec<_>>().join("\n");
    assert!(said.contains("it stays in the mailbox"), "{said}");
    assert_eq!(report.moved.len(), 1, "its header");
    assert!(done(fetch(&stand).unwrap()).is_empty(), "and then no word any more");
    assert_eq!(server.state().mails.len(), 1, "nothing is removed that is not stored");
    assert_eq!(airut::step::status::status(&stand.repo).unwrap().unfetched, 1);
    // Its sender may write, and hears of it.
    done(authorize::authorize(&stand.repo, None, &Silent).unwrap());
    done(open::open(&stand.repo, None, &open::Mode::Open, &Silent).unwrap());
    stand.reply();
    let told: Vec<_> =
        stand.sent().into_iter().filter(|(mail, _)| mail.text().contains("could not be read")).collect();
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].0.header("In-Reply-To").unwrap(), "<1@example.com>");
}

#[test]
fn a_server_that_gives_no_mail_at_all_sets_none_aside() {
    let server = FaultyImap::start(mails(5));
    let stand = stand(&server, None);
    server.fail("UID FETCH 1:5", Fault::Slow(Duration::ZERO), 10);
    server.fail("UID FETCH", Fault::No, 100);
    for _ in 0..5 {
        fetch(&stand).unwrap_err();
    }
    server.state().faults.clear();
    assert_eq!(done(fetch(&stand).unwrap()).len(), 5);
}

/// Watches until `done`, and returns what was moved.
fn watch(stand: &Stand, while_watching: impl FnOnce() + Send) -> Vec<String> {
    let (interrupt, mut moved) = (Interrupt::default(), Vec::new());
    std::thread::scope(|scope| {
        let stop = interrupt.clone();
        scope.spawn(move || {
            while_watching();
            stop.set();
        });
        fetch::watch(&stand.repo, &Silent, &interrupt, |report| moved.extend(report.moved)).unwrap();
    });
    moved
}

fn until(what: &str, is_true: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !is_true() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_watch_goes_on_when_the_server_hangs_up_refuses_and_comes_back() {
    let server = FaultyImap::start(mails(1));
    let stand = stand(&server, None);
    server.fail("LOGIN", Fault::Cut, 1);
    server.fail("SELECT", Fault::No, 1);
    server.fail("IDLE", Fault::CutAfter, 1);
    let moved = watch(&stand, || {
        until("it idles again after it was hung up on", || server.count("IDLE") >= 2);
        server.state().mails.insert(5, mail(5));
        until("what came while it idled is taken", || server.state().mails.is_empty());
    });
    assert_eq!(moved.len(), 2);
    assert_eq!(taken(&stand), 2);
}

#[test]
fn mail_that_comes_between_the_look_and_the_wait_is_not_left_lying() {
    let server = FaultyImap::start(mails(0));
    let stand = stand(&server, None);
    server.fail("NOOP", Fault::Slow(Duration::from_millis(300)), 1);
    let moved = watch(&stand, || {
        until("it has looked", || server.count("NOOP") >= 1);
        server.state().mails.insert(1, mail(1));
        // This server says nothing of it in IDLE: it was told with NOOP.
        until("it is taken", || server.state().mails.is_empty());
    });
    assert_eq!(moved.len(), 1);
}

#[test]
fn a_server_that_hangs_is_left_and_tried_later() {
    // All at once, since each takes a minute.
    let commands = ["LOGIN", "SELECT", "UID SEARCH", "UID FETCH 2 (UID BODY", "UID STORE", "IDLE"];
    std::thread::scope(|scope| {
        for command in commands {
            scope.spawn(move || {
                let server = FaultyImap::start(mails(3));
                let stand = stand(&server, None);
                server.fail(command, Fault::Hang, 1);
                if command == "IDLE" {
                    watch(&stand, || until("it connects anew", || server.count("LOGIN") >= 2));
                } else {
                    let error = fetch(&stand).unwrap_err();
                    assert_eq!(
                        error.downcast_ref::<Failed>().unwrap().kind,
                        Kind::TryLater,
                        "{command}: {error:#}"
                    );
                }
                done(fetch(&stand).unwrap());
                assert_eq!((taken(&stand), server.state().mails.len()), (3, 0), "{command}");
            });
        }
    });
}

#[test]
fn what_a_full_mailbox_costs_grows_with_the_mails_that_are_taken() {
    let server = FaultyImap::start(mails(1_000));
    let stand = stand(&server, None);
    let before = resident_kib();
    assert_eq!(done(fetch(&stand).unwrap()).len(), 1_000);
    assert_eq!(server.count("UID FETCH"), 1_001, "one list, and each once");
    assert_eq!(server.count("UID EXPUNGE"), 1_000_usize.div_ceil(limits::FETCH_BATCH));
    assert!(resident_kib().saturating_sub(before) < 100 << 10);
    let size = fs::metadata(stand.repo.layout.mailbox_state()).unwrap().len();
    assert!(size < 1_000, "{size}");
}

fn resident_kib() -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

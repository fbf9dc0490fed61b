use crate::support::mailserver::{MailServer, mail_server, unique, without};
use airut::base::fault::{Fault, Kind};
use airut::format::config::{Imap, Tls};
use airut::mail::imap::{IdleEnd, Mailbox};
use airut::mail::login::Login;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

const LONG: Duration = Duration::from_secs(100);

fn config(user: &str) -> Imap {
    let server = mail_server();
    Imap {
        host: "localhost".to_owned(),
        port: Some(server.imaps),
        tls: Tls::Implicit,
        ca_file: Some(server.ca.clone()),
        username: user.to_owned(),
        password: None,
        oauth2: None,
        folder: "INBOX".to_owned(),
        move_to: None,
    }
}

fn password() -> Login {
    Login::Password(mail_server().password.clone())
}

fn open(config: &Imap) -> Mailbox {
    let mut mailbox = Mailbox::connect(config, &password()).unwrap();
    mailbox.select().unwrap();
    mailbox
}

/// The same mailbox through another client.
fn beside(user: &str) -> imap::Session<TcpStream> {
    let server: &MailServer = mail_server();
    let mut client = imap::Client::new(TcpStream::connect(("127.0.0.1", server.imap)).unwrap());
    client.read_greeting().unwrap();
    let mut session = client.login(user, &server.password).map_err(|(error, _)| error).unwrap();
    session.select("INBOX").unwrap();
    session
}

/// The UIDs of all that is in the mailbox now.
fn all(user: &str) -> Vec<u32> {
    let mut uids: Vec<u32> = beside(user).uid_search("ALL").unwrap().into_iter().collect();
    uids.sort_unstable();
    uids
}

fn mail(number: usize) -> Vec<u8> {
    format!("Subject: {number}\r\n\r\nbody {number}\r\n.\r\n\0\u{e9}").replace('\0', "").into_bytes()
}

fn fault(config: &Imap, password: &str) -> Fault {
    let error = Mailbox::connect(config, &Login::Password(password.to_owned())).unwrap_err();
    error.downcast_ref::<Fault>().unwrap_or_else(|| panic!("{error:#}")).clone()
}

#[test]
fn mails_are_read_byte_for_byte_over_every_kind_of_connection_and_not_marked_as_seen() {
    let user = unique("imap");
    let mut other = beside(&user);
    for number in 0..3 {
        other.append("INBOX", &mail(number)).finish().unwrap();
    }
    for (tls, port) in [
        (Tls::Implicit, mail_server().imaps),
        (Tls::Starttls, mail_server().imap),
        (Tls::None, mail_server().imap),
    ] {
        let mut mailbox = open(&Imap { tls, port: Some(port), ..config(&user) });
        let listed = mailbox.list().unwrap();
        assert_eq!(listed.len(), 3);
        for (number, (uid, size)) in listed.iter().enumerate() {
            assert_eq!(mailbox.fetch(*uid).unwrap(), mail(number));
            assert_eq!(*size, mail(number).len() as u64);
        }
    }
    assert!(other.uid_search("SEEN").unwrap().is_empty());
}

#[test]
fn the_number_that_makes_uids_valid_stays() {
    let user = unique("imap");
    let mut mailbox = Mailbox::connect(&config(&user), &password()).unwrap();
    assert_eq!(mailbox.select().unwrap(), mailbox.select().unwrap());
    assert!(mailbox.list().unwrap().is_empty());
}

#[test]
fn only_what_is_named_is_removed() {
    let user = unique("imap");
    let mut other = beside(&user);
    for number in 0..5 {
        other.append("INBOX", &mail(number)).finish().unwrap();
    }
    let mut mailbox = open(&config(&user));
    let uids: Vec<u32> = mailbox.list().unwrap().iter().map(|(uid, _)| *uid).collect();
    // Somebody else has marked one, and has not expunged it.
    other.uid_store(uids[4].to_string(), "+FLAGS (\\Deleted)").unwrap();
    mailbox.remove(&[uids[0], uids[2], uids[2]]).unwrap();
    mailbox.remove(&[]).unwrap();
    assert_eq!(mailbox.list().unwrap().len(), 2);
    assert_eq!(all(&user), [uids[1], uids[3], uids[4]]);
    assert!(mailbox.fetch(uids[0]).is_err());
}

#[test]
fn mails_are_moved_into_a_folder_that_is_made_where_it_is_missing() {
    let user = unique("imap");
    let mut other = beside(&user);
    for number in 0..3 {
        other.append("INBOX", &mail(number)).finish().unwrap();
    }
    let mut mailbox = open(&Imap { move_to: Some("Erledigt.für airut".to_owned()), ..config(&user) });
    for (uid, _) in mailbox.list().unwrap() {
        mailbox.remove(&[uid]).unwrap();
    }
    assert!(mailbox.list().unwrap().is_empty());
    let mut moved = open(&Imap { folder: "Erledigt.für airut".to_owned(), ..config(&user) });
    assert_eq!(moved.list().unwrap().len(), 3);
}

#[test]
fn without_uid_expunge_nobody_elses_mail_is_expunged() {
    let port = without(mail_server().imap, &["UIDPLUS", "MOVE"]);
    let user = unique("imap");
    let mut other = beside(&user);
    for number in 0..3 {
        other.append("INBOX", &mail(number)).finish().unwrap();
    }
    let plain = Imap { tls: Tls::None, port: Some(port), ..config(&user) };
    let mut mailbox = open(&plain);
    let uids: Vec<u32> = mailbox.list().unwrap().iter().map(|(uid, _)| *uid).collect();
    other.uid_store(uids[2].to_string(), "+FLAGS (\\Deleted)").unwrap();
    mailbox.remove(&[uids[0]]).unwrap();
    assert_eq!(mailbox.list().unwrap().len(), 1, "ours is not seen any more");
    assert!(all(&user).contains(&uids[2]), "theirs is still there");
    other.uid_store(uids[2].to_string(), "-FLAGS (\\Deleted)").unwrap();
    let mut moving = open(&Imap { move_to: Some("Done".to_owned()), ..plain });
    moving.remove(&[uids[0], uids[1]]).unwrap();
    assert_eq!(all(&user), [uids[2]]);
    let mut done = beside(&user);
    done.select("Done").unwrap();
    assert_eq!(done.uid_search("ALL").unwrap().len(), 2);
}

#[test]
fn idle_wakes_when_mail_comes_and_the_connection_goes_on() {
    let user = unique("imap");
    let mut mailbox = open(&config(&user));
    for round in 1..=2 {
        let user = user.clone();
        let sender = thread::spawn(move || {
            thread::sleep(Duration::from_millis(300));
            beside(&user).append("INBOX", &mail(round)).finish().unwrap();
        });
        assert_eq!(mailbox.idle(LONG, &|| false).unwrap(), IdleEnd::Woken);
        sender.join().unwrap();
        assert_eq!(mailbox.list().unwrap().len(), round);
    }
}

#[test]
fn idle_ends_when_it_is_asked_to_or_its_time_is_over() {
    let mut mailbox = open(&config(&unique("imap")));
    assert_eq!(mailbox.idle(Duration::from_millis(300), &|| false).unwrap(), IdleEnd::Woken);
    mailbox.list().unwrap();
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            thread::sleep(Duration::from_millis(300));
            stop.store(true, Ordering::Relaxed);
        });
        assert_eq!(mailbox.idle(LONG, &|| stop.load(Ordering::Relaxed)).unwrap(), IdleEnd::Stopped);
    });
    let mut slow = open(&Imap {
        tls: Tls::None,
        port: Some(without(mail_server().imap, &["IDLE"])),
        ..config(&unique("imap"))
    });
    assert_eq!(slow.idle(Duration::from_millis(100), &|| false).unwrap(), IdleEnd::Woken);
    assert_eq!(slow.idle(LONG, &|| true).unwrap(), IdleEnd::Stopped);
}

#[test]
fn a_large_mail_is_read_whole_or_at_its_beginning() {
    let user = unique("imap");
    let mut large = b"Subject: large\r\nX: y\r\n\r\n".to_vec();
    large.extend(b"0123456789abcdef0123456789abcdef\r\n".iter().cycle().take(20 << 20));
    beside(&user).append("INBOX", &large).finish().unwrap();
    let mut mailbox = open(&config(&user));
    let (uid, size) = mailbox.list().unwrap()[0];
    assert_eq!(size, large.len() as u64);
    assert_eq!(mailbox.fetch_header(uid).unwrap(), b"Subject: large\r\nX: y\r\n\r\n");
    assert!(mailbox.fetch(uid).unwrap() == large);
}

#[test]
fn a_header_without_end_is_cut_off() {
    let user = unique("imap");
    let endless = format!("X: {}\r\n\r\nbody", "a\r\n ".repeat(200_000));
    beside(&user).append("INBOX", endless.as_bytes()).finish().unwrap();
    let mut mailbox = open(&config(&user));
    let (uid, _) = mailbox.list().unwrap()[0];
    assert_eq!(mailbox.fetch_header(uid).unwrap().len(), airut::base::limits::HEADER_BYTES);
}

#[test]
fn what_is_wrong_is_told_apart() {
    let user = unique("imap");
    let refused = fault(&config(&user), "wrong");
    assert_eq!(refused.kind, Kind::Failed);
    assert!(refused.message.contains("refuses the login") && refused.hint.is_some(), "{refused:?}");
    assert!(!refused.message.contains("wrong"), "the password is not told: {refused:?}");
    let unknown = fault(&Imap { ca_file: None, ..config(&user) }, "test");
    assert!(
        unknown.message.contains("certificate of localhost") && unknown.hint.unwrap().contains("ca_file")
    );
    let other = fault(&Imap { host: "127.0.0.2".to_owned(), ..config(&user) }, "test");
    assert_eq!(other.kind, Kind::TryLater, "Dovecot listens on 127.0.0.1 only: {other:?}");
    let mixed_up = fault(&Imap { port: Some(mail_server().imap), ..config(&user) }, "test");
    assert!(mixed_up.hint.unwrap().contains("ports"), "{}", mixed_up.message);
    let nowhere = fault(&Imap { host: "mail.invalid".to_owned(), ..config(&user) }, "test");
    assert_eq!(nowhere.kind, Kind::TryLater, "{nowhere:?}");
    let no_file = fault(&Imap { ca_file: Some("/nonexistent/ca.pem".into()), ..config(&user) }, "test");
    assert_eq!(no_file.kind, Kind::Config, "{no_file:?}");
}

#[test]
fn a_certificate_for_another_name_is_refused() {
    // The relay is reached by a name of this machine that the certificate does not have.
    let Ok(listener) = TcpListener::bind("127.0.0.3:0") else { return };
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        let (mut client, _) = listener.accept().unwrap();
        let mut server = TcpStream::connect(("127.0.0.1", mail_server().imaps)).unwrap();
        let (mut back, mut from) = (client.try_clone().unwrap(), server.try_clone().unwrap());
        thread::spawn(move || std::io::copy(&mut from, &mut back));
        let _ = std::io::copy(&mut client, &mut server);
    });
    let refused = fault(&Imap { host: "127.0.0.3".to_owned(), port: Some(port), ..config("x") }, "test");
    assert!(refused.message.contains("certificate of 127.0.0.3"), "{refused:?}");
}

/// A server that says what it is told to: real ones do not misbehave on demand.
fn scripted(lines: &'static [(&'static str, &'static str)], greeting: &'static str) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(greeting.as_bytes()).unwrap();
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let mut line = String::new();
        while reader.read_line(&mut line).unwrap_or(0) > 0 {
            let tag = line.split(' ').next().unwrap().to_owned();
            let answer = lines
                .iter()
                .find(|(command, _)| line.contains(command))
                .map_or("TAG OK\r\n", |(_, answer)| answer);
            if stream.write_all(answer.replace("TAG", &tag).as_bytes()).is_err() {
                return;
            }
            line.clear();
        }
    });
    port
}

fn misbehaving(
    lines: &'static [(&'static str, &'static str)],
    greeting: &'static str,
    tls: Tls,
) -> anyhow::Result<Mailbox> {
    let port = scripted(lines, greeting);
    Mailbox::connect(
        &Imap { host: "127.0.0.1".to_owned(), port: Some(port), tls, ..config("x") },
        &password(),
    )
}

const CAPABLE: (&str, &str) = ("CAPABILITY", "* CAPABILITY IMAP4rev1 IDLE\r\nTAG OK\r\n");
const OPENED: (&str, &str) = ("SELECT", "* 1 EXISTS\r\n* OK [UIDVALIDITY 1] x\r\nTAG OK\r\n");

#[test]
fn a_server_that_misbehaves_gives_an_error_and_never_a_panic() {
    for answer in ["TAG OK no plus\r\n", "* BAD\r\nTAG BAD what\r\n", "\0\0\r\n", "* BYE\r\n"] {
        let lines: &'static [(&str, &str)] = Box::leak(Box::new([CAPABLE, OPENED, ("IDLE", answer)]));
        let mut mailbox = misbehaving(lines, "* OK\r\n", Tls::None).unwrap();
        mailbox.select().unwrap();
        assert!(mailbox.idle(Duration::from_secs(2), &|| false).is_err(), "{answer:?}");
    }
    for answer in ["TAG NO\r\n", "garbage\r\n", "* SEARCH x\r\nTAG OK\r\n", "* SEARCH 0 1\r\nOTHER OK\r\n"] {
        let lines: &'static [(&str, &str)] = Box::leak(Box::new([CAPABLE, OPENED, ("UID SEARCH", answer)]));
        let mut mailbox = misbehaving(lines, "* OK\r\n", Tls::None).unwrap();
        assert!(mailbox.list().is_err(), "{answer:?}");
    }
    let elsewhere: &'static [(&str, &str)] =
        &[CAPABLE, ("UID FETCH", "* 1 FETCH (UID 7 BODY[] {1}\r\nx)\r\nTAG OK\r\n")];
    assert!(misbehaving(elsewhere, "* OK\r\n", Tls::None).unwrap().fetch(8).is_err());
    for greeting in
        ["* BYE too many\r\n", "* PREAUTH you are root\r\n", "220 smtp\r\n", "BROKEN OK\r\n", "\r\n"]
    {
        let error = misbehaving(&[CAPABLE], greeting, Tls::None).unwrap_err();
        assert_eq!(error.downcast_ref::<Fault>().unwrap().kind, Kind::TryLater, "{greeting:?}");
    }
}

#[test]
fn a_refusal_in_the_users_own_language_is_a_refusal() {
    let lines: &'static [(&str, &str)] = &[CAPABLE, ("LOGIN", "TAG NO Ungültiges Paßwort\r\n")];
    let refused = misbehaving(lines, "* OK\r\n", Tls::None).unwrap_err();
    let fault = refused.downcast_ref::<Fault>().unwrap();
    assert_eq!(fault.kind, Kind::Failed, "{fault:?}");
    assert!(fault.message.contains("Ung??ltiges Pa??wort"), "{fault:?}");
}

#[test]
fn a_word_slipped_in_before_tls_is_not_heard() {
    // The forged answer stands right behind STARTTLS's OK; it must not be taken for one that came in TLS.
    let slipped: &'static [(&str, &str)] =
        &[("STARTTLS", "s OK begin\r\n* OK\r\na1 OK you are in\r\na2 OK\r\n")];
    assert!(misbehaving(slipped, "* OK\r\n", Tls::Starttls).is_err());
    let refused = misbehaving(&[("STARTTLS", "s NO\r\n")], "* OK\r\n", Tls::Starttls).unwrap_err();
    assert_eq!(refused.downcast_ref::<Fault>().unwrap().kind, Kind::Failed);
    assert!(misbehaving(&[("STARTTLS", "s OK\r\n")], "* PREAUTH\r\n", Tls::Starttls).is_err());
}

#[test]
fn a_server_that_says_nothing_can_be_left() {
    let mut mailbox =
        misbehaving(&[CAPABLE, OPENED, ("IDLE", "+ idling\r\n")], "* OK\r\n", Tls::None).unwrap();
    mailbox.select().unwrap();
    let started = Instant::now();
    assert_eq!(
        mailbox.idle(LONG, &|| started.elapsed() > Duration::from_millis(300)).unwrap(),
        IdleEnd::Stopped
    );
}

#[test]
fn the_kernel_asks_a_silent_server_whether_it_is_there() {
    use rustix::net::sockopt;
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let stream = airut::mail::net::reach("localhost", &[listener.local_addr().unwrap()]).unwrap();
    assert!(sockopt::socket_keepalive(&stream).unwrap());
    let silence = sockopt::tcp_keepidle(&stream).unwrap()
        + sockopt::tcp_keepintvl(&stream).unwrap() * sockopt::tcp_keepcnt(&stream).unwrap();
    assert!(silence <= Duration::from_secs(120), "{silence:?}");
}

#[test]
fn plain_connections_are_for_this_machine_only() {
    let elsewhere = Imap { host: "192.0.2.1".to_owned(), tls: Tls::None, ..config("x") };
    assert_eq!(fault(&elsewhere, "test").kind, Kind::Config);
}

#[test]
fn a_stream_without_end_is_cut_off() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(b"* OK\r\n").unwrap();
        let mut byte = [0];
        let _ = stream.read(&mut byte);
        let block = vec![b'x'; 1 << 20];
        while stream.write_all(&block).is_ok() {}
    });
    let config = Imap { host: "127.0.0.1".to_owned(), port: Some(port), tls: Tls::None, ..config("x") };
    assert!(Mailbox::connect(&config, &password()).is_err());
}

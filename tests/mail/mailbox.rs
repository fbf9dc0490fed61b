//! Mailboxes as they grow over the years: large, with odd flags, with folders of every name.

use crate::support::mailserver::{mail_server, unique};
use airut::base::fault::{Fault, Kind};
use airut::format::config::{Imap, Tls};
use airut::mail::imap::{IdleEnd, Mailbox};
use airut::mail::login::Login;
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

fn config(user: &str, folder: &str, move_to: Option<&str>) -> Imap {
    Imap {
        host: "localhost".to_owned(),
        port: Some(mail_server().imaps),
        tls: Tls::Implicit,
        ca_file: Some(mail_server().ca.clone()),
        username: user.to_owned(),
        password: None,
        oauth2: None,
        folder: folder.to_owned(),
        move_to: move_to.map(str::to_owned),
    }
}

fn connect(config: &Imap) -> Mailbox {
    Mailbox::connect(config, &Login::Password(mail_server().password.clone())).unwrap()
}

fn open(config: &Imap) -> Mailbox {
    let mut mailbox = connect(config);
    mailbox.select().unwrap();
    mailbox
}

/// The same mailbox through another client.
fn beside(user: &str) -> imap::Session<TcpStream> {
    let mut client = imap::Client::new(TcpStream::connect(("127.0.0.1", mail_server().imap)).unwrap());
    client.read_greeting().unwrap();
    let mut session = client.login(user, &mail_server().password).map_err(|(error, _)| error).unwrap();
    session.select("INBOX").unwrap();
    session
}

fn fault(error: &anyhow::Error) -> Fault {
    error.downcast_ref::<Fault>().unwrap_or_else(|| panic!("{error:#}")).clone()
}

#[test]
fn a_mailbox_of_five_thousand_is_listed_and_emptied_in_pieces() {
    let user = unique("large");
    let mut other = beside(&user);
    for number in 0..10 {
        other.append("INBOX", format!("Subject: {number}\r\n\r\nx\r\n").as_bytes()).finish().unwrap();
    }
    // Doubled nine times.
    for _ in 0..9 {
        other.uid_copy("1:*", "INBOX").unwrap();
    }
    let mut mailbox = open(&config(&user, "INBOX", None));
    let listed = mailbox.list().unwrap();
    assert_eq!(listed.len(), 5_120);
    assert!(listed.windows(2).all(|two| two[0].0 < two[1].0) && listed.iter().all(|(_, size)| *size > 0));
    // Every second one, so that no two of them are a range.
    let half: Vec<u32> = listed.iter().step_by(2).map(|(uid, _)| *uid).collect();
    mailbox.remove(&half).unwrap();
    let left = mailbox.list().unwrap();
    assert_eq!(left.len(), 2_560);
    assert!(left.iter().all(|(uid, _)| !half.contains(uid)));
    assert!(mailbox.fetch(left[2_559].0).unwrap().starts_with(b"Subject: "));
}

#[test]
fn flags_and_keywords_of_other_programs_change_nothing() {
    let user = unique("flags");
    let mut other = beside(&user);
    for number in 0..4 {
        other.append("INBOX", format!("Subject: {number}\r\n\r\nx\r\n").as_bytes()).finish().unwrap();
    }
    let mut mailbox = open(&config(&user, "INBOX", None));
    let uids: Vec<u32> = mailbox.list().unwrap().iter().map(|(uid, _)| *uid).collect();
    for (uid, flags) in [
        (uids[0], "\\Seen \\Answered \\Flagged \\Draft"),
        (uids[1], "$Forwarded NonJunk $MDNSent $label1 $has_cal"),
        (uids[2], "caf&AOk- +plus #1 a.b.c {5 it's-a-very-long-keyword-that-some-program-made-up-0123456789"),
    ] {
        let stored = other.uid_store(uid.to_string(), format!("+FLAGS ({flags})"));
        // Not every server takes every name; those that it took count.
        assert!(stored.is_ok() || flags.contains('{'), "{flags}: {:?}", stored.err());
    }
    assert_eq!(mailbox.list().unwrap().len(), 4, "what was said about flags is passed over");
    for uid in &uids {
        assert!(mailbox.fetch(*uid).unwrap().starts_with(b"Subject: "));
    }
    let changing = thread::spawn(move || {
        thread::sleep(Duration::from_millis(300));
        other.uid_store("1:*", "+FLAGS ($Junk while-it-waits)").unwrap();
    });
    assert_eq!(mailbox.idle(Duration::from_secs(100), &|| false).unwrap(), IdleEnd::Woken);
    changing.join().unwrap();
    mailbox.remove(&uids).unwrap();
    assert!(mailbox.list().unwrap().is_empty());
}

#[test]
fn a_folder_of_any_name_is_read_from_and_moved_to() {
    let user = unique("folders");
    for name in
        ["Entwürfe", "日本語.台北", "A & B", "with \"quotes\" and \\", "Ablage.für airut.2026", "😀 – done"]
    {
        let mut other = beside(&user);
        other.append("INBOX", b"Subject: x\r\n\r\nx\r\n").finish().unwrap();
        let mut mailbox = open(&config(&user, "INBOX", Some(name)));
        let uid = mailbox.list().unwrap()[0].0;
        // Made as it is missing, with the folders above it.
        mailbox.remove(&[uid]).unwrap();
        let mut there = open(&config(&user, name, None));
        let (uid, _) = there.list().unwrap()[0];
        assert_eq!(there.fetch(uid).unwrap(), b"Subject: x\r\n\r\nx\r\n", "{name}");
    }
}

#[test]
fn a_folder_that_is_not_there_is_told_with_those_that_are() {
    let user = unique("folders");
    let mut other = beside(&user);
    other.create("Entw&APw-rfe").unwrap();
    other.create("Ablage.Alt").unwrap();
    let error = connect(&config(&user, "Büro", None)).select().unwrap_err();
    let missing = fault(&error);
    assert_eq!(missing.kind, Kind::Failed, "{missing:?}");
    assert!(missing.message.starts_with("cannot open the folder Büro: localhost refuses: "), "{missing:?}");
    assert_eq!(
        missing.hint.unwrap(),
        "it has the folders Ablage, Ablage.Alt, Entwürfe, INBOX; \".\" parts the levels of a name"
    );
    other.append("INBOX", b"Subject: x\r\n\r\nx\r\n").finish().unwrap();
    // This server parts by "."; it takes no "/".
    let mut mailbox = open(&config(&user, "INBOX", Some("Archive/airut")));
    let uid = mailbox.list().unwrap()[0].0;
    let cannot = fault(&mailbox.remove(&[uid]).unwrap_err());
    assert!(cannot.message.starts_with("cannot move mail into the folder Archive/airut: "), "{cannot:?}");
    assert!(cannot.hint.unwrap().ends_with("\".\" parts the levels of a name"));
    assert_eq!(mailbox.list().unwrap().len(), 1, "the mail is still there");
}

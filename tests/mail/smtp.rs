use crate::support::mailserver::{mail_server, unique};
use airut::base::address::Address;
use airut::base::fault::{Fault, Kind};
use airut::format::config::{Smtp, Tls};
use airut::mail::login::Login;
use airut::mail::smtp::{Connection, SendError};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::thread;

fn config() -> Smtp {
    let server = mail_server();
    Smtp {
        host: "localhost".to_owned(),
        port: Some(server.smtps),
        tls: Tls::Implicit,
        ca_file: Some(server.ca.clone()),
        username: Some("sender".to_owned()),
        password: None,
        oauth2: None,
    }
}

fn password() -> Login {
    Login::Password(mail_server().password.clone())
}

fn from() -> Address {
    "airut@example.com".parse().unwrap()
}

fn to(users: &[&str]) -> Vec<Address> {
    users.iter().map(|user| format!("{user}@example.com").parse().unwrap()).collect()
}

#[test]
fn mails_arrive_over_every_kind_of_connection_several_on_one() {
    let password = Login::Password(mail_server().password.clone());
    let plain = Smtp { tls: Tls::None, port: Some(mail_server().smtp), username: None, ..config() };
    let starttls = Smtp { tls: Tls::Starttls, port: Some(mail_server().smtp), ..config() };
    for (config, password) in [(config(), Some(password.clone())), (starttls, Some(password)), (plain, None)]
    {
        let user = unique("smtp");
        let mut connection = Connection::new(&config, password).unwrap();
        for number in 0..3 {
            let mail = format!("Subject: {number}\r\n\r\n.\r\n..dots\r\nend {number}\r\n");
            connection.send(Some(&from()), &to(&[&user]), mail.as_bytes()).unwrap();
        }
        for mail in mail_server().mailbox(&user).wait_for(3) {
            let text = String::from_utf8(mail).unwrap();
            assert!(
                text.contains("\r\n\r\n.\r\n..dots\r\nend ")
                    && text.starts_with("Return-Path: <airut@example.com>"),
                "{text}"
            );
        }
    }
}

#[test]
fn several_recipients_get_one_mail_each() {
    let (one, two) = (unique("smtp"), unique("smtp"));
    let mut connection = Connection::new(&config(), Some(password())).unwrap();
    connection.send(Some(&from()), &to(&[&one, &two]), b"Subject: x\r\n\r\nx\r\n").unwrap();
    assert_eq!(mail_server().mailbox(&one).wait_for(1).len(), 1);
    assert_eq!(mail_server().mailbox(&two).wait_for(1).len(), 1);
}

#[test]
fn what_is_wrong_is_told_apart() {
    let send = |config: &Smtp, password: &str| {
        Connection::new(config, Some(Login::Password(password.to_owned())))
            .unwrap()
            .send(Some(&from()), &to(&["x"]), b"Subject: x\r\n\r\nx")
            .unwrap_err()
    };
    let password = mail_server().password.as_str();
    let refused = send(&config(), "not-the-password");
    assert!(matches!(&refused, SendError::Login(why) if !why.contains("not-the-password")), "{refused:?}");
    let unknown = send(&Smtp { ca_file: None, ..config() }, password);
    assert!(matches!(&unknown, SendError::Login(why) if why.contains("ca_file")), "{unknown:?}");
    let away = send(&Smtp { port: Some(1), ..config() }, password);
    assert!(matches!(away, SendError::Temporary(_)), "{away:?}");
    let nowhere = send(&Smtp { host: "mail.invalid".to_owned(), ..config() }, password);
    assert!(matches!(nowhere, SendError::Temporary(_)), "{nowhere:?}");
    let unprotected = send(&Smtp { host: "192.0.2.1".to_owned(), tls: Tls::None, ..config() }, password);
    assert!(matches!(unprotected, SendError::Login(_)), "{unprotected:?}");
    let no_login = Connection::new(&Smtp { username: None, ..config() }, None)
        .unwrap()
        .send(Some(&from()), &to(&["x"]), b"Subject: x\r\n\r\nx")
        .unwrap_err();
    assert!(!matches!(no_login, SendError::Login(_)), "{no_login:?}");
    let half = Connection::new(&config(), None).unwrap_err();
    assert_eq!(half.downcast_ref::<Fault>().unwrap().kind, Kind::Config);
}

#[test]
fn an_address_beyond_ascii_needs_a_server_that_takes_it() {
    let mut connection = Connection::new(&config(), Some(password())).unwrap();
    let refused = connection
        .send(Some(&from()), &["jürgen@example.com".parse().unwrap()], b"Subject: x\r\n\r\nx")
        .unwrap_err();
    assert!(matches!(refused, SendError::Permanent(_)), "{refused:?}");
    let user = unique("smtp");
    connection.send(Some(&from()), &to(&[&user]), b"Subject: x\r\n\r\nx").unwrap();
}

/// It hangs up without a word.
const CUT: &str = "cut";

/// A server that answers as it is told to: real ones do not refuse on demand.
fn scripted(answers: &'static [(&'static str, &'static str)]) -> Connection {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.write_all(b"220 hello\r\n");
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let (mut line, mut in_data) = (String::new(), false);
            while reader.read_line(&mut line).unwrap_or(0) > 0 {
                let said = if in_data { if line == ".\r\n" { "END" } else { "" } } else { line.trim_end() };
                let answer =
                    answers.iter().find(|(command, _)| !said.is_empty() && said.starts_with(command));
                let answer = match (answer, said) {
                    (_, "") => "",
                    (Some((_, answer)), _) => answer,
                    (None, "DATA") => "354 go on\r\n",
                    (None, _) => "250 ok\r\n",
                };
                in_data = answer.starts_with("354") || (in_data && said != "END");
                if answer == CUT {
                    break;
                }
                if stream.write_all(answer.as_bytes()).is_err() || answer == "221 gone\r\n" {
                    break;
                }
                line.clear();
            }
        }
    });
    let config =
        Smtp { host: "127.0.0.1".to_owned(), port: Some(port), tls: Tls::None, username: None, ..config() };
    Connection::new(&config, None).unwrap()
}

#[test]
fn refusals_are_for_good_or_for_now() {
    for (answers, for_good) in [
        (&[("RCPT", "550 no such user\r\n")][..], true),
        (&[("RCPT", "450 greylisted\r\n")], false),
        (&[("MAIL", "552 too large\r\n")], true),
        (&[("MAIL", "451 later\r\n")], false),
        (&[("DATA", "554 no\r\n")], true),
        (&[("END", "554 spam\r\n")], true),
        (&[("END", "452 full\r\n")], false),
        (&[("END", "garbage\r\n")], false),
        (&[("MAIL", "221 gone\r\n")], false),
        // Rate limits; after 421 the server may be gone.
        (&[("MAIL", "421 too many mails, slow down\r\n")], false),
        (&[("RCPT", "451 4.7.1 try again later\r\n")], false),
        (&[("END", "421 closing\r\n")], false),
        // It hangs up when it has got all of it: it may have taken it or not.
        (&[("END", CUT)], false),
        (&[("DATA", CUT)], false),
        (&[("END", "552 5.3.4 too large\r\n")], true),
    ] {
        let error =
            scripted(answers).send(Some(&from()), &to(&["x"]), b"Subject: x\r\n\r\nx\r\n").unwrap_err();
        assert_eq!(matches!(error, SendError::Permanent(_)), for_good, "{answers:?}: {error:?}");
        assert!(!matches!(error, SendError::Login(_)), "{answers:?}: {error:?}");
    }
    let who = scripted(&[("MAIL", "530 authentication required\r\n")])
        .send(Some(&from()), &to(&["x"]), b"x")
        .unwrap_err();
    assert!(matches!(who, SendError::Login(_)), "{who:?}");
}

#[test]
fn one_recipient_that_is_no_more_keeps_nobody_elses_answer() {
    let mut connection = scripted(&[("RCPT TO:<gone@", "550 no such user\r\n")]);
    connection.send(Some(&from()), &to(&["gone", "here"]), b"Subject: x\r\n\r\nx\r\n").unwrap();
    let none = connection.send(Some(&from()), &to(&["gone"]), b"Subject: x\r\n\r\nx\r\n").unwrap_err();
    assert!(matches!(none, SendError::Permanent(_)), "{none:?}");
    connection.send(Some(&from()), &to(&["here"]), b"Subject: x\r\n\r\nx\r\n").unwrap();
}

#[test]
fn a_mail_that_is_larger_than_the_server_takes_is_not_even_begun() {
    let mut connection = scripted(&[
        ("EHLO", "250-hello\r\n250-SIZE 1000\r\n250 8BITMIME\r\n"),
        ("MAIL FROM:<airut@example.com>", "250 ok\r\n"),
        ("DATA", CUT),
    ]);
    let large = format!("Subject: x\r\n\r\n{}\r\n", "x".repeat(1_000));
    let error = connection.send(Some(&from()), &to(&["x"]), large.as_bytes()).unwrap_err();
    assert!(matches!(&error, SendError::Permanent(why) if why.contains("at most")), "{error:?}");
    // One without such a limit, or that says 0, takes what comes.
    for size in ["250-SIZE\r\n", "250-SIZE 0\r\n", "250-SIZE many\r\n"] {
        let said: &'static str = Box::leak(format!("250-hello\r\n{size}250 8BITMIME\r\n").into_boxed_str());
        let answers: &'static [(&str, &str)] = Box::leak(Box::new([("EHLO", said)]));
        scripted(answers).send(Some(&from()), &to(&["x"]), large.as_bytes()).unwrap();
    }
}

#[test]
fn a_server_that_was_gone_in_the_middle_gets_the_next_mail_over_a_new_connection() {
    let mut connection = scripted(&[("RCPT TO:<bad@", CUT)]);
    connection.send(Some(&from()), &to(&["bad"]), b"Subject: x\r\n\r\nx\r\n").unwrap_err();
    connection.send(Some(&from()), &to(&["good"]), b"Subject: x\r\n\r\nx\r\n").unwrap();
}

#[test]
fn a_mail_and_its_end_come_in_one_piece() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(b"220 hello\r\n").unwrap();
        let mut buffer = vec![0; 64 << 10];
        let mut next = |answer: &[u8]| {
            let count = stream.read(&mut buffer).unwrap();
            stream.write_all(answer).unwrap();
            String::from_utf8(buffer[..count].to_vec()).unwrap()
        };
        while !next(b"250 well\r\n").starts_with("RCPT") {}
        assert_eq!(next(b"354 go on\r\n"), "DATA\r\n");
        next(b"250 taken\r\n")
    });
    let config = Smtp { tls: Tls::None, port: Some(port), username: None, ca_file: None, ..config() };
    let mut connection = Connection::new(&config, None).unwrap();
    let mail = b".dot: 1\r\n\r\n.\r\n..two\r\n a.b\r\n.";
    connection.send(Some(&from()), &to(&["you"]), mail).unwrap();
    let sent = server.join().unwrap();
    assert_eq!(sent, "..dot: 1\r\n\r\n..\r\n...two\r\n a.b\r\n..\r\n.\r\n");
}

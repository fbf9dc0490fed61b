//! Signing in with an access token, by IMAP and by SMTP, against the real servers.

use crate::support::mailserver::{mail_server, unique, without};
use airut::base::fault::{Fault, Kind};
use airut::format::config::{Imap, Smtp, Tls};
use airut::mail::imap::Mailbox;
use airut::mail::login::{Login, Mechanism};
use airut::mail::smtp::{Connection, SendError};
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::thread;

fn imap(user: &str, port: u16, tls: Tls) -> Imap {
    Imap {
        host: "localhost".to_owned(),
        port: Some(port),
        tls,
        ca_file: Some(mail_server().ca.clone()),
        username: user.to_owned(),
        password: None,
        oauth2: None,
        folder: "INBOX".to_owned(),
        move_to: None,
    }
}

fn smtp(user: &str, port: u16, tls: Tls) -> Smtp {
    Smtp {
        host: "localhost".to_owned(),
        port: Some(port),
        tls,
        ca_file: Some(mail_server().ca.clone()),
        username: Some(user.to_owned()),
        password: None,
        oauth2: None,
    }
}

fn token(user: &str) -> Login {
    Login::Token(mail_server().token(user, 3600))
}

fn old_token(user: &str) -> Login {
    Login::Token(mail_server().token(user, -3600))
}

fn imap_fault(config: &Imap, login: &Login) -> Fault {
    let error = Mailbox::connect(config, login).unwrap_err();
    error.downcast_ref::<Fault>().unwrap_or_else(|| panic!("{error:#}")).clone()
}

fn smtp_error(config: &Smtp, login: Login) -> String {
    match Connection::new(config, Some(login)).unwrap().sign_in().unwrap_err() {
        SendError::Login(why) => why,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_token_opens_the_mailbox_by_either_mechanism() {
    let server = mail_server();
    let user = unique("token");
    let xoauth2_only = without(server.imap, &["AUTH=OAUTHBEARER"]);
    let bearer_only = without(server.imap, &["AUTH=XOAUTH2"]);
    for config in [
        imap(&user, server.imaps, Tls::Implicit),
        imap(&user, server.imap, Tls::Starttls),
        imap(&user, xoauth2_only, Tls::None),
        imap(&user, bearer_only, Tls::None),
    ] {
        let mut mailbox = Mailbox::connect(&config, &token(&user)).unwrap();
        mailbox.select().unwrap();
        assert!(mailbox.list().unwrap().is_empty());
    }
}

#[test]
fn a_token_sends_mail_by_either_mechanism() {
    let server = mail_server();
    let user = unique("token");
    let to = [format!("{user}@example.com").parse().unwrap()];
    let xoauth2_only = without(server.smtp, &["OAUTHBEARER"]);
    for config in [
        smtp(&user, server.smtps, Tls::Implicit),
        smtp(&user, server.smtp, Tls::Starttls),
        smtp(&user, xoauth2_only, Tls::None),
    ] {
        let mut connection = Connection::new(&config, Some(token(&user))).unwrap();
        connection
            .send(Some(&"airut@example.com".parse().unwrap()), &to, b"Subject: x\r\n\r\nx\r\n")
            .unwrap();
    }
    assert_eq!(server.mailbox(&user).wait_for(3).len(), 3);
}

#[test]
fn a_refused_token_is_told_with_what_the_server_said_and_the_next_step() {
    let server = mail_server();
    let user = unique("token");
    let xoauth2_only = without(server.imap, &["AUTH=OAUTHBEARER"]);
    for config in [imap(&user, server.imaps, Tls::Implicit), imap(&user, xoauth2_only, Tls::None)] {
        for login in [old_token(&user), Login::Token("not.a.token".to_owned()), token("somebody-else")] {
            let refused = imap_fault(&config, &login);
            assert_eq!(refused.kind, Kind::Failed);
            let Login::Token(token) = &login else { unreachable!() };
            let start = format!("localhost refuses the token of {user}: ");
            assert!(refused.message.starts_with(&start), "{refused:?}");
            // Dovecot has none for a sound token of somebody else's from 2.4 on.
            let said = ["\"status\":", "[AUTHENTICATIONFAILED]"];
            let is_told = said.iter().any(|words| refused.message.contains(words));
            assert!(is_told, "the server's own error: {refused:?}");
            assert!(!format!("{refused:?}").contains(token.as_str()), "{refused:?}");
            assert!(refused.hint.unwrap().contains("look at username"));
        }
    }
    let xoauth2_only = without(server.smtp, &["OAUTHBEARER"]);
    for config in [smtp(&user, server.smtps, Tls::Implicit), smtp(&user, xoauth2_only, Tls::None)] {
        let why = smtp_error(&config, old_token(&user));
        assert!(why.starts_with(&format!("localhost refuses the token of {user}: ")), "{why}");
        assert!(why.contains("look at username, oauth2.scope"), "{why}");
    }
}

#[test]
fn a_server_that_takes_no_tokens_is_told_with_what_it_does_take() {
    let server = mail_server();
    let port = without(server.imap, &["AUTH=OAUTHBEARER", "AUTH=XOAUTH2"]);
    let fault = imap_fault(&imap("x", port, Tls::None), &token("x"));
    let wanted = "localhost offers neither OAUTHBEARER nor XOAUTH2; it offers LOGIN PLAIN";
    assert_eq!(fault.message, wanted);
    assert!(fault.hint.unwrap().contains("set password instead"));
    let port = without(server.smtp, &["OAUTHBEARER", "XOAUTH2"]);
    let why = smtp_error(&smtp("x", port, Tls::None), token("x"));
    assert!(
        why.starts_with("localhost offers neither OAUTHBEARER nor XOAUTH2; it offers PLAIN LOGIN"),
        "{why}"
    );
}

/// An SMTP server that refuses to sign anybody in, in these words: real ones of this kind are not to be had.
fn refusing(words: &'static str) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.write_all(b"220 hello\r\n");
            let lines = BufReader::new(stream.try_clone().unwrap()).lines();
            for line in lines.map_while(Result::ok) {
                let answer = match line.split(' ').next().unwrap() {
                    "EHLO" => "250-hello\r\n250 AUTH PLAIN XOAUTH2\r\n".to_owned(),
                    "AUTH" => format!("{words}\r\n"),
                    "" => "535 5.7.8 Username and Password not accepted.\r\n".to_owned(),
                    other => format!("500 what is {other}?\r\n"),
                };
                if stream.write_all(answer.as_bytes()).is_err() {
                    break;
                }
            }
        }
    });
    port
}

#[test]
fn what_a_tenant_has_switched_off_is_told_with_who_can_switch_it_on() {
    let disabled =
        "535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Tenant.";
    let why = smtp_error(&smtp("x", refusing(disabled), Tls::None), token("x"));
    assert!(why.contains("SmtpClientAuthentication is disabled for the Tenant"), "{why}");
    assert!(why.contains("Set-CASMailbox -SmtpClientAuthenticationDisabled $false"), "{why}");
    let basic = "535 5.7.139 Authentication unsuccessful, basic authentication is disabled.";
    let why = smtp_error(&smtp("x", refusing(basic), Tls::None), Login::Password("x".to_owned()));
    assert!(why.ends_with("this server takes no passwords any more: use oauth2"), "{why}");
    // An error challenge that wants its empty answer, as Google gives it.
    let challenge = "334 eyJzdGF0dXMiOiI0MDAifQ==";
    let why = smtp_error(&smtp("x", refusing(challenge), Tls::None), token("x"));
    assert!(why.contains("5.7.8 Username and Password not accepted.; it told {\"status\":\"400\"}"), "{why}");
}

#[test]
fn the_mechanism_of_the_standard_is_taken_where_both_are_offered_and_names_are_quoted() {
    assert_eq!(Mechanism::of(|_| true), Some(Mechanism::OauthBearer));
    assert_eq!(Mechanism::of(|name| name == "XOAUTH2"), Some(Mechanism::Xoauth2));
    assert_eq!(Mechanism::of(|_| false), None);
    assert_eq!(
        Mechanism::OauthBearer.message("a,b=c@example.com", "TOKEN", "mail.example.com", 993),
        "n,a=a=2Cb=3Dc@example.com,\u{1}host=mail.example.com\u{1}port=993\u{1}auth=Bearer TOKEN\u{1}\u{1}"
    );
    assert_eq!(
        Mechanism::Xoauth2.message("a@example.com", "TOKEN", "mail.example.com", 993),
        "user=a@example.com\u{1}auth=Bearer TOKEN\u{1}\u{1}"
    );
    assert_eq!(format!("{:?} {:?}", token("x"), Login::Password("p".to_owned())), "Token(…) Password(…)");
}

//! What each kind of certificate comes to, by IMAP and by SMTP, from the first byte and after STARTTLS.

use crate::support::mailserver::unique;
use airut::base::fault::{Fault, Kind};
use airut::format::config::{Imap, Smtp, Tls};
use airut::mail::imap::Mailbox;
use airut::mail::login::Login;
use airut::mail::smtp::{Connection, SendError};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

/// A server's certificate and key, and what would vouch for it.
struct Identity {
    config: Arc<ServerConfig>,
    ca_file: PathBuf,
    _dir: tempfile::TempDir,
}

impl Identity {
    fn new(certificate: CertificateDer<'static>, key: &KeyPair, authority: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let ca_file = dir.path().join("ca.pem");
        std::fs::write(&ca_file, authority).unwrap();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config =
            ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let config = config.with_no_client_auth().with_single_cert(vec![certificate], key).unwrap();
        Self { config: Arc::new(config), ca_file, _dir: dir }
    }

    fn signed_by_itself(params: CertificateParams) -> Self {
        let key = KeyPair::generate().unwrap();
        let own = params.self_signed(&key).unwrap();
        Self::new(own.der().clone(), &key, &own.pem())
    }

    fn of_an_authority(params: CertificateParams) -> Self {
        let mut ca = CertificateParams::default();
        ca.distinguished_name.push(DnType::CommonName, unique("authority"));
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca_key = KeyPair::generate().unwrap();
        let authority = ca.self_signed(&ca_key).unwrap().pem();
        let key = KeyPair::generate().unwrap();
        let own = params.signed_by(&key, &Issuer::new(ca, ca_key)).unwrap();
        Self::new(own.der().clone(), &key, &authority)
    }
}

fn params(name: &str) -> CertificateParams {
    CertificateParams::new(vec![name.to_owned()]).unwrap()
}

/// Greets as `protocol`, goes over to TLS, and greets again where that is due; refuses every login.
fn server(identity: &Identity, protocol: &'static str, tls: Tls) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let config = Arc::clone(&identity.config);
    thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            if tls == Tls::Starttls {
                talk(&mut stream, protocol, true);
            }
            let connection = ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut protected = StreamOwned::new(connection, stream);
            talk(&mut protected, protocol, tls == Tls::Implicit);
        }
    });
    port
}

fn talk(stream: &mut (impl Read + Write), protocol: &str, greets: bool) {
    let greeting = if protocol == "imap" { "* OK ready\r\n" } else { "220 ready\r\n" };
    if greets && stream.write_all(greeting.as_bytes()).is_err() {
        return;
    }
    loop {
        // Byte by byte: what follows may be TLS.
        let (mut line, mut byte) = (Vec::new(), [0]);
        while !line.ends_with(b"\n") {
            match stream.read(&mut byte) {
                Ok(1) => line.push(byte[0]),
                _ => return,
            }
        }
        let line = String::from_utf8_lossy(&line).to_uppercase();
        let tag = line.split(' ').next().unwrap().to_lowercase();
        let (answer, done) = match protocol {
            "imap" if line.contains("STARTTLS") => (format!("{tag} OK go\r\n"), true),
            "imap" => (format!("{tag} NO who are you\r\n"), false),
            _ if line.starts_with("STARTTLS") => ("220 go\r\n".to_owned(), true),
            _ if line.starts_with("EHLO") => {
                ("250-x\r\n250-STARTTLS\r\n250 AUTH PLAIN\r\n".to_owned(), false)
            }
            _ => ("535 who are you\r\n".to_owned(), false),
        };
        if stream.write_all(answer.as_bytes()).is_err() || done {
            return;
        }
    }
}

/// What IMAP and SMTP say, by each way into TLS.
fn said(identity: &Identity, ca_file: Option<&Path>) -> Vec<(String, String)> {
    let login = || Login::Password("x".to_owned());
    let ca_file = ca_file.map(Path::to_owned);
    let mut all = Vec::new();
    for tls in [Tls::Implicit, Tls::Starttls] {
        let imap = Imap {
            host: "localhost".to_owned(),
            port: Some(server(identity, "imap", tls)),
            tls,
            ca_file: ca_file.clone(),
            username: "x".to_owned(),
            password: None,
            oauth2: None,
            folder: "INBOX".to_owned(),
            move_to: None,
        };
        let error = Mailbox::connect(&imap, &login()).unwrap_err();
        let fault = error.downcast_ref::<Fault>().unwrap_or_else(|| panic!("{error:#}"));
        assert_eq!(fault.kind, Kind::Failed, "{fault:?}");
        all.push((fault.message.clone(), fault.hint.clone().unwrap()));
        let smtp = Smtp {
            host: "localhost".to_owned(),
            port: Some(server(identity, "smtp", tls)),
            tls,
            ca_file: ca_file.clone(),
            username: Some("x".to_owned()),
            password: None,
            oauth2: None,
        };
        let refused = Connection::new(&smtp, Some(login())).unwrap().sign_in().unwrap_err();
        let SendError::Login(why) = refused else { panic!("{refused:?}") };
        let (message, hint) = why.split_once("; ").unwrap();
        all.push((message.to_owned(), hint.to_owned()));
    }
    all
}

#[track_caller]
fn all_say(said: &[(String, String)], message: &str, hint: &str) {
    assert_eq!(said.len(), 4);
    for (one, next) in said {
        assert!(one.contains(message) && next.contains(hint), "{one} | {next}");
    }
}

#[test]
fn a_certificate_for_another_name_is_told_with_the_names_it_is_for() {
    let identity = Identity::of_an_authority(params("mail.example.com"));
    all_say(
        &said(&identity, Some(&identity.ca_file)),
        "the certificate of localhost is for another name: mail.example.com",
        "set host to the name that it is for",
    );
}

#[test]
fn a_certificate_that_has_expired_is_told_as_that() {
    let mut old = params("localhost");
    (old.not_before, old.not_after) = (date_time_ymd(2019, 1, 1), date_time_ymd(2020, 1, 1));
    let identity = Identity::of_an_authority(old);
    let said = said(&identity, Some(&identity.ca_file));
    all_say(&said, "the certificate of localhost has expired", "whoever runs the server has to renew it");
}

#[test]
fn a_certificate_that_is_not_valid_yet_points_at_the_clock() {
    let mut early = params("localhost");
    (early.not_before, early.not_after) = (date_time_ymd(2090, 1, 1), date_time_ymd(2091, 1, 1));
    let identity = Identity::of_an_authority(early);
    let said = said(&identity, Some(&identity.ca_file));
    all_say(&said, "the certificate of localhost is not valid yet", "is this machine's clock wrong?");
}

#[test]
fn a_certificate_from_nobody_known_wants_a_ca_file_and_is_taken_with_it() {
    for identity in
        [Identity::of_an_authority(params("localhost")), Identity::signed_by_itself(params("localhost"))]
    {
        let without = said(&identity, None);
        all_say(&without, "the certificate of localhost is from nobody this machine trusts", "set ca_file");
        // The next thing that is refused is the login.
        all_say(
            &said(&identity, Some(&identity.ca_file)),
            "localhost refuses the login of x",
            "username and password",
        );
    }
    let other = Identity::of_an_authority(params("localhost"));
    let identity = Identity::of_an_authority(params("localhost"));
    all_say(&said(&identity, Some(&other.ca_file)), "from nobody this machine trusts", "set ca_file");
}

#[test]
fn an_authority_that_serves_itself_is_told_how_to_make_a_servers_certificate() {
    // What `openssl req -x509` makes.
    let mut both = params("localhost");
    both.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let identity = Identity::signed_by_itself(both);
    all_say(
        &said(&identity, Some(&identity.ca_file)),
        "the certificate of localhost is an authority's, which a server must not have",
        "basicConstraints=critical,CA:FALSE",
    );
}

#[test]
fn a_server_that_does_not_speak_tls_points_at_the_port() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let greet = |mut stream: TcpStream| {
                let _ = stream.write_all(b"220 mail.example.com ready\r\n");
                let _ = BufReader::new(stream).read_until(b'\0', &mut Vec::new());
            };
            thread::spawn(move || greet(stream));
        }
    });
    let smtp = Smtp {
        host: "localhost".to_owned(),
        port: Some(port),
        tls: Tls::Implicit,
        ca_file: None,
        username: None,
        password: None,
        oauth2: None,
    };
    let refused = Connection::new(&smtp, None).unwrap().sign_in().unwrap_err();
    assert!(matches!(&refused, SendError::Login(why) if why.contains("see tls and port")), "{refused:?}");
}

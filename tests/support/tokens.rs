//! A stand-in for a provider's token service: it answers as it is told to, over HTTPS or plain, and remembers what it
//! was asked.

use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::thread;

/// A status and a body, for a form.
pub type Answer = dyn Fn(&str) -> (u16, String) + Send + Sync;

pub struct TokenService {
    pub url: String,
    /// The forms that were sent, in order.
    pub asked: Arc<Mutex<Vec<String>>>,
    /// Of the HTTPS one: its own certificate.
    pub ca_file: PathBuf,
    _dir: tempfile::TempDir,
}

impl TokenService {
    pub fn plain(answer: impl Fn(&str) -> (u16, String) + Send + Sync + 'static) -> Self {
        Self::start(None, Arc::new(answer))
    }

    /// Its certificate is for `name`.
    pub fn https(name: &str, answer: impl Fn(&str) -> (u16, String) + Send + Sync + 'static) -> Self {
        Self::start(Some(name), Arc::new(answer))
    }

    fn start(name: Option<&str>, answer: Arc<Answer>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let ca_file = dir.path().join("ca.pem");
        let tls = name.map(|name| {
            let key = KeyPair::generate().unwrap();
            let own = CertificateParams::new(vec![name.to_owned()]).unwrap().self_signed(&key).unwrap();
            std::fs::write(&ca_file, own.pem()).unwrap();
            let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
            let provider = Arc::new(rustls::crypto::ring::default_provider());
            let config =
                ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
            let config = config.with_no_client_auth().with_single_cert(vec![own.der().clone()], key).unwrap();
            Arc::new(config)
        });
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let scheme = if name.is_some() { "https" } else { "http" };
        let url = format!("{scheme}://localhost:{}/token", listener.local_addr().unwrap().port());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&asked);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (tls, answer, seen) = (tls.clone(), Arc::clone(&answer), Arc::clone(&seen));
                thread::spawn(move || match tls {
                    Some(tls) => {
                        let tls = ServerConnection::new(tls).unwrap();
                        serve(StreamOwned::new(tls, stream), &*answer, &seen);
                    }
                    None => serve(stream, &*answer, &seen),
                });
            }
        });
        Self { url, asked, ca_file, _dir: dir }
    }

    pub fn count(&self) -> usize {
        self.asked.lock().unwrap().len()
    }
}

/// One request, one answer; a client that does not trust the certificate hangs up before.
fn serve(mut stream: impl Read + Write, answer: &Answer, seen: &Mutex<Vec<String>>) {
    let Some(form) = read(&mut stream) else { return };
    seen.lock().unwrap().push(form.clone());
    let (status, body) = answer(&form);
    let head =
        format!("HTTP/1.1 {status} x\r\nContent-Type: application/json\r\nLocation: http://localhost:1/");
    let _ = write!(stream, "{head}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len());
    let _ = stream.flush();
}

fn read(stream: &mut impl Read) -> Option<String> {
    let mut reader = BufReader::new(stream);
    let (mut line, mut length) = (String::new(), 0);
    reader.read_line(&mut line).ok()?;
    assert!(line.starts_with("POST /token HTTP/1.1"), "{line}");
    while line != "\r\n" {
        line.clear();
        reader.read_line(&mut line).ok()?;
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    String::from_utf8(body).ok()
}

/// Nobody listens there.
pub fn unreachable_url() -> String {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err());
    format!("http://127.0.0.1:{port}/token")
}

//! The real mail server of `mailserver.sh`: one for the whole test process, mailboxes of its own for each test.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use lettre::{SmtpTransport, Transport, address::Envelope};
use sha2::{Digest as _, Sha256};
use std::io::{BufRead, BufReader, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// How long a test waits for a mail before it has failed; never how long it takes.
const PATIENCE: Duration = Duration::from_secs(120);

/// Where it listens, and what it is trusted by.
#[derive(Debug, Clone)]
pub struct MailServer {
    /// IMAP with STARTTLS offered; plain passwords are taken too.
    pub imap: u16,
    /// IMAP with TLS from the first byte.
    pub imaps: u16,
    /// SMTP with STARTTLS and AUTH offered; loopback may send without.
    pub smtp: u16,
    /// SMTP with TLS from the first byte; sends only after AUTH.
    pub smtps: u16,
    /// SMTP that takes no mail of more than 100 KB.
    pub small: u16,
    /// The authority of its certificate, which is for `localhost` and 127.0.0.1.
    pub ca: PathBuf,
    /// The one password of every user.
    pub password: String,
    /// What its access tokens are signed with.
    token_key: String,
    /// What stands first in its `Authentication-Results`.
    pub authserv_id: String,
}

/// The server that `AIRUT_TEST_MAIL` names, else one that is started now and ends with this process.
pub fn mail_server() -> &'static MailServer {
    static SERVER: OnceLock<MailServer> = OnceLock::new();
    SERVER.get_or_init(|| match std::env::var_os("AIRUT_TEST_MAIL") {
        Some(dir) => MailServer::read(Path::new(&dir)),
        None => start(),
    })
}

fn start() -> MailServer {
    // Its standard input ends with this process, however that ends, and the server with it.
    static SERVING: OnceLock<Child> = OnceLock::new();
    assert!(
        rustix::process::geteuid().is_root(),
        "the mail server wants root: run tests/run.sh, or `mailserver.sh start DIR` as root and set AIRUT_TEST_MAIL=DIR"
    );
    let dir = tempfile::Builder::new().prefix("airut-mail-").tempdir().unwrap().keep();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/mailserver.sh");
    let mut child = Command::new("bash")
        .arg(script)
        .arg("serve")
        .arg(&dir)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "ready\n", "the mail server did not start; what it said is above");
    SERVING.set(child).unwrap();
    MailServer::read(&dir)
}

impl MailServer {
    fn read(dir: &Path) -> Self {
        let ports = dir.join("ports");
        let text = std::fs::read_to_string(&ports).unwrap_or_else(|e| panic!("{}: {e}", ports.display()));
        let value = |key: &str| {
            text.lines()
                .find_map(|line| line.strip_prefix(key)?.strip_prefix('='))
                .unwrap_or_else(|| panic!("{} has no {key}", ports.display()))
                .to_owned()
        };
        let port = |key: &str| value(key).parse().unwrap();
        Self {
            imap: port("IMAP"),
            imaps: port("IMAPS"),
            smtp: port("SMTP"),
            smtps: port("SMTPS"),
            small: port("SMALL"),
            ca: dir.join("ca.pem"),
            password: value("PASSWORD"),
            token_key: value("TOKEN_KEY"),
            authserv_id: value("AUTHSERV_ID"),
        }
    }

    /// An access token of `user` that ends in so many seconds; a negative number gives one that has ended.
    pub fn token(&self, user: &str, seconds: i64) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let ends = i64::try_from(now).unwrap() + seconds;
        let part = |json: String| URL_SAFE_NO_PAD.encode(json);
        let claims = format!(r#"{{"sub":"{user}","iat":{},"exp":{ends}}}"#, ends - 3600);
        let signed = format!("{}.{}", part(r#"{"alg":"HS256","typ":"JWT"}"#.to_owned()), part(claims));
        let signature = URL_SAFE_NO_PAD.encode(hmac_sha256(self.token_key.as_bytes(), signed.as_bytes()));
        format!("{signed}.{signature}")
    }

    /// Submits a mail as it is. The domain of `from`, the envelope sender, decides what the server vouches for.
    pub fn submit(&self, from: &str, to: &str, mail: &[u8]) {
        let envelope = Envelope::new(Some(from.parse().unwrap()), vec![to.parse().unwrap()]).unwrap();
        let transport = SmtpTransport::builder_dangerous("127.0.0.1").port(self.smtp).build();
        transport.send_raw(&envelope, mail).unwrap();
    }

    /// A user's mailbox, seen as that user. Any name exists.
    pub fn mailbox(&self, user: &str) -> Mailbox {
        let stream = TcpStream::connect(("127.0.0.1", self.imap)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut client = imap::Client::new(stream);
        client.read_greeting().unwrap();
        Mailbox { session: client.login(user, &self.password).map_err(|(e, _)| e).unwrap() }
    }
}

/// RFC 2104, for a key of 64 bytes.
fn hmac_sha256(key: &[u8], text: &[u8]) -> Vec<u8> {
    assert_eq!(key.len(), 64);
    let pad = |with: u8| key.iter().map(|byte| byte ^ with).collect::<Vec<_>>();
    let inner = Sha256::new().chain_update(pad(0x36)).chain_update(text).finalize();
    Sha256::new().chain_update(pad(0x5c)).chain_update(inner).finalize().to_vec()
}

/// One user's mail over IMAP.
#[derive(Debug)]
pub struct Mailbox {
    session: imap::Session<TcpStream>,
}

impl Mailbox {
    /// Every mail in a folder, oldest first, exactly as stored; none where the folder does not exist.
    pub fn mails_in(&mut self, folder: &str) -> Vec<Vec<u8>> {
        if self.session.examine(folder).is_err() {
            return Vec::new();
        }
        let mut uids: Vec<_> = self.session.uid_search("ALL").unwrap().into_iter().collect();
        uids.sort_unstable();
        let body = |fetched: &imap::types::Fetch<'_>| fetched.body().map(<[u8]>::to_vec);
        uids.iter()
            .filter_map(|uid| {
                let fetched = self.session.uid_fetch(uid.to_string(), "BODY.PEEK[]").unwrap();
                fetched.iter().find_map(body)
            })
            .collect()
    }

    pub fn mails(&mut self) -> Vec<Vec<u8>> {
        self.mails_in("INBOX")
    }

    /// How many mails are in the inbox.
    pub fn count(&mut self) -> usize {
        self.session.examine("INBOX").unwrap();
        self.session.uid_search("ALL").unwrap().len()
    }

    /// Waits until the inbox has at least this many and returns all of them.
    pub fn wait_for(&mut self, count: usize) -> Vec<Vec<u8>> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let found = self.count();
            if found >= count {
                return self.mails();
            }
            assert!(Instant::now() < deadline, "{found} of {count} mails came in {PATIENCE:?}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Puts a mail into the inbox byte for byte, past SMTP: nothing is vouched for, nothing is changed.
    pub fn append(&mut self, mail: &[u8]) {
        self.session.append("INBOX", mail).finish().unwrap();
    }

    /// Makes a folder.
    pub fn create(&mut self, folder: &str) {
        self.session.create(folder).unwrap();
    }
}

/// The server at `port` without some of its abilities: a relay that misspells their names.
pub fn without(port: u16, abilities: &'static [&'static str]) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let own = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for client in listener.incoming() {
            let client = client.unwrap();
            let server = TcpStream::connect(("127.0.0.1", port)).unwrap();
            let (mut up, mut to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
            thread::spawn(move || {
                let _ = std::io::copy(&mut up, &mut to);
                let _ = to.shutdown(Shutdown::Both);
            });
            let mut client = client;
            thread::spawn(move || {
                let mut lines = BufReader::new(server);
                let mut line = Vec::new();
                while lines.read_until(b'\n', &mut line).unwrap_or(0) > 0 {
                    let mut text = String::from_utf8_lossy(&line).into_owned();
                    for ability in abilities {
                        text = text.replace(ability, "X-NONE");
                    }
                    if client.write_all(text.as_bytes()).is_err() {
                        return;
                    }
                    line.clear();
                }
            });
        }
    });
    own
}

/// A name no other test uses: `alice` → `alice-1f00c3d2a9`.
pub fn unique(name: &str) -> String {
    let mut bytes = [0_u8; 5];
    getrandom::fill(&mut bytes).unwrap();
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{name}-{hex}")
}

//! What the container's init reads: DNS questions, the environment, bundles of certificates.

use airut::proxy::init::{contract, dns, environment, trust};
use std::fs;
use std::path::Path;

/// One packet.
pub fn dns(data: &[u8]) {
    let Some((answer, asked)) = dns::reply(data) else {
        assert!(data.len() < 12 || data[2] & 0x80 != 0, "a question without a reply");
        return;
    };
    assert_eq!(answer[..2], data[..2], "another ID");
    assert!(answer[2] & 0x80 != 0 && answer[2] & 0x7e == 0, "the reply is no plain reply");
    assert!(answer.len() <= data.len() + 16);
    let Some(asked) = asked else {
        assert!(answer.len() == 12 && answer[3] & 0x0f != 0, "a reply to nothing");
        return;
    };
    let line = format!("dns {} {} {}\n", asked.kind, asked.answer, asked.name);
    assert!(line.len() <= contract::CONTROL_LINE_BYTES);
    assert_eq!(line.split(' ').count(), 4, "{line:?}");
    assert!(line.trim_end().bytes().all(|b| (0x20..0x7f).contains(&b)), "{line:?}");
    let question = match asked.answer {
        "127.0.0.1" => &answer[12..answer.len() - 16],
        _ => &answer[12..],
    };
    assert!(data[12..].starts_with(question), "another question");
    assert_eq!(unescaped(&asked.name), labels(question), "another name");
    let address = answer.len() == 12 + question.len() + 16;
    assert_eq!(address, asked.kind == "A" && asked.answer == "127.0.0.1");
}

/// The labels of a question's name, joined by dots that are not in a label.
fn labels(mut question: &[u8]) -> Vec<Vec<u8>> {
    let mut labels = Vec::new();
    while let Some((length, rest)) = question.split_first().filter(|(length, _)| **length > 0) {
        labels.push(rest[..usize::from(*length)].to_vec());
        question = &rest[usize::from(*length)..];
    }
    labels
}

fn unescaped(name: &str) -> Vec<Vec<u8>> {
    if name == "." {
        return Vec::new();
    }
    let label = |text: &str| {
        let (mut out, mut rest) = (Vec::new(), text.as_bytes());
        while let Some((first, after)) = rest.split_first() {
            if *first == b'\\' {
                let digits = std::str::from_utf8(&after[..3]).expect("digits");
                out.push(digits.parse().expect("a byte"));
                rest = &after[3..];
            } else {
                out.push(*first);
                rest = after;
            }
        }
        out
    };
    name.split('.').map(label).collect()
}

/// What comes on the init's standard input.
pub fn environment(data: &[u8]) {
    let mut input = data;
    let Ok(variables) = environment::decode(&mut input) else { return };
    let used = &data[..data.len() - input.len()];
    let again = environment::encode(&variables);
    assert_eq!(environment::decode(again.as_slice()).expect("what was read can be written"), variables);
    let declared = used.iter().position(|b| *b == b'\n').map_or(0, |at| used.len() - at - 1);
    let length: usize = String::from_utf8_lossy(used).split('\n').next().unwrap_or("").parse().unwrap_or(0);
    assert_eq!(declared, length, "it read more or less than was said");
    for (name, value) in &variables {
        assert!(!name.is_empty(), "a variable without a name");
        assert!(!name.contains(['=', '\0']) && !value.contains('\0'), "{name:?}");
    }
}

const CA: &str = "-----BEGIN CERTIFICATE-----\nb3Vycw==\n-----END CERTIFICATE-----\n";
const PLACES: [&str; 9] = [
    "etc/ssl/certs/ca-certificates.crt",
    "etc/pki/tls/certs/ca-bundle.crt",
    "etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "etc/ssl/ca-bundle.pem",
    "var/lib/ca-certificates/ca-bundle.pem",
    "etc/ssl/cert.pem",
    "etc/ssl/certs/ca-bundle.crt",
    "opt/own.pem",
    "etc",
];
const VARIABLES: [&str; 4] = ["SSL_CERT_FILE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS", "PIP_CERT"];

/// An image's layout, three bytes a file: which place, what it is, what of it; then a variable that names one.
pub fn trust(data: &[u8]) {
    let shm = Path::new("/dev/shm");
    let dir = if shm.is_dir() { tempfile::tempdir_in(shm) } else { tempfile::tempdir() };
    let dir = dir.expect("a directory");
    let root = dir.path();
    let mut before = Vec::new();
    for three in data.chunks_exact(3).take(12) {
        let place = PLACES[usize::from(three[0]) % PLACES.len()];
        let path = root.join(place);
        if path.symlink_metadata().is_ok() || fs::create_dir_all(path.parent().unwrap_or(root)).is_err() {
            continue;
        }
        let content = vec![three[2]; usize::from(three[2] % 5)];
        match three[1] % 4 {
            0 | 1 => before.extend(fs::write(&path, &content).is_ok().then_some((path, content))),
            2 => drop(fs::create_dir_all(&path)),
            _ => {
                let to = PLACES[usize::from(three[2]) % PLACES.len()];
                let up = "../".repeat(place.matches('/').count());
                let _ = std::os::unix::fs::symlink(format!("{up}{to}"), &path);
            }
        }
    }
    let named = data.last().map(|last| (usize::from(*last) / 9 % 5, PLACES[usize::from(*last) % 9]));
    let variable = |name: &str| {
        let (which, place) = named?;
        (VARIABLES.get(which) == Some(&name)).then(|| format!("/{place}"))
    };
    let set = trust::install(root, "/run/airut/ca.pem", CA, variable);
    // What was trusted still is, and each file got the CA at most once.
    for (path, content) in before {
        let now = fs::read(&path).expect("it is still there");
        let tail = String::from_utf8_lossy(&now[content.len()..]).into_owned();
        assert!(now.starts_with(&content) && tail.matches("BEGIN CERT").count() <= 1, "{}", path.display());
    }
    for name in VARIABLES {
        let value = set.iter().find(|(set, _)| set == name).map(|(_, value)| value.clone());
        let Some(value) = value.or_else(|| variable(name)) else { panic!("{name} names nothing") };
        if value != "/run/airut/ca.pem" {
            let text = fs::read(root.join(value.trim_start_matches('/'))).expect("the bundle is there");
            assert_eq!(String::from_utf8_lossy(&text).matches("BEGIN CERT").count(), 1, "{name}={value}");
        }
    }
}

use crate::support::mutate::mutations;
use airut::proxy::init::{dns, memory, trust};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

/// A question with this type, as a resolver asks it.
fn question(name: &str, kind: u16) -> Vec<u8> {
    let mut packet = vec![0xab, 0xcd, 0x01, 0x00, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name.split('.').filter(|label| !label.is_empty()) {
        packet.push(label.len() as u8);
        packet.extend_from_slice(label.as_bytes());
    }
    packet.push(0);
    packet.extend_from_slice(&[(kind >> 8) as u8, kind as u8, 0, 1]);
    packet
}

fn code(reply: &[u8]) -> u8 {
    reply[3] & 0x0f
}

#[test]
fn every_name_leads_to_loopback() {
    let (reply, asked) = dns::reply(&question("Api.example.com", 1)).unwrap();
    assert_eq!(&reply[..2], &[0xab, 0xcd]);
    assert_eq!((reply[2], code(&reply), &reply[4..8]), (0x81, 0, &[0, 1, 0, 1][..]));
    assert!(reply.ends_with(&[127, 0, 0, 1]));
    let asked = asked.unwrap();
    assert_eq!(
        (asked.kind.as_str(), asked.name.as_str(), asked.answer),
        ("A", "Api.example.com", "127.0.0.1")
    );
}

#[test]
fn aaaa_is_empty_and_other_types_are_refused() {
    let (reply, asked) = dns::reply(&question("a.example.com", 28)).unwrap();
    assert_eq!((code(&reply), &reply[6..8], asked.unwrap().answer), (0, &[0, 0][..], "none"));
    for kind in [2, 5, 12, 15, 16, 65, 255] {
        let (reply, asked) = dns::reply(&question("data.evil.example.org", kind)).unwrap();
        assert_eq!((code(&reply), &reply[6..8]), (5, &[0, 0][..]), "{kind}");
        assert_eq!(asked.unwrap().kind, format!("TYPE{kind}"));
    }
}

#[test]
fn edns_is_understood_and_nothing_else_may_follow() {
    let mut packet = question("a.example.com", 1);
    packet[11] = 1;
    let bare = packet.clone();
    packet.extend_from_slice(&[0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 2, 9, 9]);
    assert_eq!(code(&dns::reply(&packet).unwrap().0), 0);
    packet.push(0);
    assert_eq!(code(&dns::reply(&packet).unwrap().0), 1);
    assert_eq!(code(&dns::reply(&bare).unwrap().0), 1);
}

#[test]
fn malformed_questions_are_format_errors_and_answers_get_none() {
    let good = question("a.example.com", 1);
    let mut changed: Vec<Vec<u8>> = vec![good[..good.len() - 1].to_vec(), [&good[..], b"x"].concat()];
    for (at, byte) in [(5, 0), (5, 2), (7, 1), (9, 1), (11, 2), (12, 0xc0), (12, 64), (12, 60)] {
        let mut packet = good.clone();
        packet[at] = byte;
        changed.push(packet);
    }
    changed.push(question(&["a".repeat(60).as_str(); 5].join("."), 1));
    for packet in changed {
        let (reply, asked) = dns::reply(&packet).unwrap();
        assert_eq!((code(&reply), reply.len(), asked), (1, 12, None), "{packet:?}");
    }
    let mut answer = good.clone();
    answer[2] |= 0x80;
    assert!(dns::reply(&answer).is_none());
    assert!(dns::reply(&good[..11]).is_none());
    let mut update = good;
    update[2] |= 5 << 3;
    assert_eq!(code(&dns::reply(&update).unwrap().0), 4);
}

#[test]
fn a_name_is_told_as_one_word() {
    let (_, asked) = dns::reply(&question("a b\n.\"x\\", 1)).unwrap();
    assert_eq!(asked.unwrap().name, "a\\032b\\010.\\034x\\092");
}

#[test]
fn any_packet_is_answered_or_dropped() {
    mutations(&question("some.name.example.com", 1), 50_000, |packet| {
        if let Some((reply, Some(asked))) = dns::reply(packet) {
            assert!(reply.len() <= packet.len() + 16);
            assert!(asked.name.bytes().all(|b| b.is_ascii_graphic()), "{}", asked.name);
        }
    });
}

const CA: &str = "-----BEGIN CERTIFICATE-----\nours\n-----END CERTIFICATE-----\n";

fn value<'a>(set: &'a [(String, String)], name: &str) -> Option<&'a str> {
    set.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
}

fn none(_: &str) -> Option<String> {
    None
}

#[test]
fn the_ca_joins_the_bundle_of_each_distribution_once() {
    for (bundle, links) in [
        ("etc/ssl/certs/ca-certificates.crt", &[][..]),
        ("etc/ssl/certs/ca-certificates.crt", &["etc/ssl/cert.pem"]),
        ("etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", &["etc/pki/tls/certs/ca-bundle.crt"]),
        ("var/lib/ca-certificates/ca-bundle.pem", &["etc/ssl/ca-bundle.pem"]),
    ] {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join(bundle);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, "the roots").unwrap();
        for link in links {
            let link = root.path().join(link);
            fs::create_dir_all(link.parent().unwrap()).unwrap();
            symlink(&path, link).unwrap();
        }
        let set = trust::install(root.path(), "/run/airut/ca.pem", CA, none);
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("the roots\n"), "{text}");
        assert_eq!(text.matches("ours").count(), 1, "{text}");
        let named = value(&set, "SSL_CERT_FILE").unwrap();
        assert_eq!(fs::read_to_string(root.path().join(named.trim_start_matches('/'))).unwrap(), text);
        assert_eq!(value(&set, "REQUESTS_CA_BUNDLE"), Some(named));
        assert_eq!(value(&set, "NODE_EXTRA_CA_CERTS"), Some("/run/airut/ca.pem"));
    }
}

#[test]
fn an_image_without_a_bundle_gets_one() {
    let root = tempfile::tempdir().unwrap();
    let set = trust::install(root.path(), "/run/airut/ca.pem", CA, none);
    assert_eq!(value(&set, "SSL_CERT_FILE"), Some("/etc/ssl/certs/ca-certificates.crt"));
    assert!(
        fs::read_to_string(root.path().join("etc/ssl/certs/ca-certificates.crt")).unwrap().contains("ours")
    );
}

#[test]
fn a_bundle_that_the_image_names_is_added_to_and_kept() {
    let root = tempfile::tempdir().unwrap();
    fs::write(root.path().join("mine.pem"), "mine").unwrap();
    let named = |name: &str| (name == "SSL_CERT_FILE").then(|| "/mine.pem".to_owned());
    let set = trust::install(root.path(), "/run/airut/ca.pem", CA, named);
    assert_eq!(value(&set, "SSL_CERT_FILE"), None);
    assert!(fs::read_to_string(root.path().join("mine.pem")).unwrap().contains("ours"));
    let gone = |_: &str| Some("/not/there.pem".to_owned());
    let set = trust::install(root.path(), "/run/airut/ca.pem", CA, gone);
    assert_eq!(value(&set, "SSL_CERT_FILE"), Some("/etc/ssl/certs/ca-certificates.crt"));
}

/// Puts something in the place of the usual bundle; returns what the variables name instead, and its content.
fn with_in_its_place(put: impl FnOnce(&Path)) -> (String, String) {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("etc/ssl/certs/ca-certificates.crt");
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    put(&path);
    let set = trust::install(root.path(), "/run/airut/ca.pem", CA, none);
    let named = value(&set, "SSL_CERT_FILE").unwrap().to_owned();
    assert!(set.iter().all(|(_, value)| *value == named || value == "/run/airut/ca.pem"), "{set:?}");
    let content = fs::read_to_string(root.path().join(named.trim_start_matches('/'))).unwrap_or_default();
    (named, content)
}

#[test]
fn whatever_lies_in_a_bundles_place_is_neither_waited_for_nor_written_to() {
    let elsewhere = "/tmp/airut-ca-certificates.crt";
    let link = |to: &'static str| move |path: &Path| symlink(to, path).unwrap();
    let fifo = |path: &Path| {
        let made = std::process::Command::new("mkfifo").arg(path).status().unwrap();
        assert!(made.success());
    };
    let outcomes = [
        with_in_its_place(fifo),
        with_in_its_place(|path| fs::create_dir(path).unwrap()),
        with_in_its_place(|path| drop(std::os::unix::net::UnixListener::bind(path).unwrap())),
        with_in_its_place(|path| fs::File::create(path).unwrap().set_len(1 << 40).unwrap()),
        with_in_its_place(|path| drop(fs::File::create(path).unwrap())),
        with_in_its_place(link("/no/such/file")),
        with_in_its_place(link("ca-certificates.crt")),
        with_in_its_place(link("/dev/zero")),
        with_in_its_place(link("/dev/full")),
        with_in_its_place(link("/proc/self/fd/0")),
        with_in_its_place(link("/proc/self/environ")),
        with_in_its_place(link("/proc/self/comm")),
        with_in_its_place(link("/proc/self/oom_score_adj")),
        with_in_its_place(link("/proc/kmsg")),
        with_in_its_place(link("/proc/self/mem")),
    ];
    for (at, (named, content)) in outcomes.iter().enumerate() {
        assert_eq!((named.as_str(), content.matches("ours").count()), (elsewhere, 1), "{at}");
    }
}

#[test]
fn a_file_that_is_mounted_into_the_container_is_copied_and_left_as_it_is() {
    // /dev/shm is another file system than the tests' directory on every Linux.
    let mounted = tempfile::NamedTempFile::new_in("/dev/shm").unwrap();
    fs::write(mounted.path(), "the roots\n").unwrap();
    let (named, content) = with_in_its_place(|path| symlink(mounted.path(), path).unwrap());
    assert_eq!(named, "/tmp/airut-ca-certificates.crt");
    assert!(content.starts_with("the roots\n") && content.contains("ours"), "{content}");
    assert_eq!(fs::read_to_string(mounted.path()).unwrap(), "the roots\n");
}

#[test]
fn an_image_that_cannot_be_written_to_is_told_of_the_ca_alone() {
    let root = tempfile::tempdir().unwrap();
    // Neither place for a bundle is to be had.
    fs::write(root.path().join("etc"), "a file").unwrap();
    symlink("/proc/self/fd", root.path().join("tmp")).unwrap();
    let set = trust::install(root.path(), "/run/airut/ca.pem", CA, none);
    assert!(set.len() > 10 && set.iter().all(|(_, value)| value == "/run/airut/ca.pem"), "{set:?}");
}

#[test]
fn a_bundle_with_a_relative_name_is_not_looked_for() {
    let root = tempfile::tempdir().unwrap();
    fs::write(root.path().join("mine.pem"), "mine").unwrap();
    let named = |name: &str| (name == "SSL_CERT_FILE").then(|| "mine.pem".to_owned());
    let set = trust::install(root.path(), "/run/airut/ca.pem", CA, named);
    assert_eq!(value(&set, "SSL_CERT_FILE"), Some("/etc/ssl/certs/ca-certificates.crt"));
    assert_eq!(fs::read_to_string(root.path().join("mine.pem")).unwrap(), "mine");
}

#[test]
fn memory_was_spent_where_the_control_group_counts_a_kill() {
    let dir = tempfile::tempdir().unwrap();
    let (v2, v1) = ("sys/fs/cgroup/memory.events", "sys/fs/cgroup/memory/memory.oom_control");
    assert!(!memory::was_spent(dir.path()), "there is none");
    fs::create_dir_all(dir.path().join("sys/fs/cgroup/memory")).unwrap();
    for (file, text, spent) in [
        (v2, "low 0\nhigh 0\nmax 12\noom 1\noom_kill 0\noom_group_kill 0\n", false),
        (v2, "low 0\nhigh 0\nmax 12\noom 1\noom_kill 1\noom_group_kill 0\n", true),
        (v2, "noise", false),
        (v1, "oom_kill_disable 0\nunder_oom 0\noom_kill 0\n", false),
        (v1, "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n", true),
    ] {
        fs::write(dir.path().join(file), text).unwrap();
        assert_eq!(memory::was_spent(dir.path()), spent, "{text}");
    }
}

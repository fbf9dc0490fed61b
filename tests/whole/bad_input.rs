//! What is broken, too large or too much: each has its clear message, and nothing else is harmed.

use crate::support::mailserver::{mail_server, unique};
use crate::support::world::{Repo, Setup, Way, World};
use crate::whole::steps::{names, obedient};
use std::fs;
use std::path::PathBuf;

const AUTHENTIC: &str = "Authentication-Results: mx.example.com; dmarc=pass header.from=example.com\r\n";

fn put(repo: &Repo, bytes: &[u8]) {
    fs::write(repo.maildir.join("new").join(unique("1700000000.raw")), bytes).unwrap();
}

/// One line, and perhaps a hint: nothing that scrolls the reason away.
fn assert_short(stderr: &str) {
    let lines = stderr.lines().filter(|line| !line.starts_with("hint: ")).count();
    assert_eq!(lines, 1, "{stderr}");
    assert!(!stderr.contains("panicked") && !stderr.contains("RUST_BACKTRACE"), "{stderr}");
}

#[test]
fn bytes_that_are_no_mail_are_set_aside_and_the_mail_behind_them_is_answered() {
    let world = World::with_containers();
    let repo = world.repo(&obedient());
    let noise: Vec<u8> = (0..=255).cycle().take(50_000).collect();
    let mut many_headers = Vec::new();
    for number in 0..5_000 {
        many_headers.extend(format!("X-{number}: x\r\n").bytes());
    }
    for bytes in [&b""[..], b"\0\0\0", b"\r\n\r\n", &noise, &many_headers] {
        put(&repo, bytes);
        put(&repo, &[AUTHENTIC.as_bytes(), bytes].concat());
    }
    let answer = world.ask(&repo, "sh: echo not harmed");
    assert!(answer.text().contains("not harmed"), "{}", answer.text());
    assert_eq!(repo.sessions().len(), 1);
    assert_eq!(names(&repo.reply_maildir.join("new")).len(), 2);
    repo.assert_nothing_waits();
}

#[test]
fn a_mail_with_a_broken_or_bottomless_structure_is_answered_with_what_can_be_read() {
    let world = World::with_containers();
    let repo = world.repo(&obedient());
    let head = |id: &str| {
        format!(
            "{AUTHENTIC}From: {}\r\nTo: {}\r\nSubject: Odd\r\nMessage-ID: <{id}@example.com>\r\nMIME-Version: 1.0\r\n",
            repo.sender, repo.address
        )
    };
    let mut nested = head("nested");
    for level in 0..500 {
        nested += &format!("Content-Type: multipart/mixed; boundary=b{level}\r\n\r\n--b{level}\r\n");
    }
    nested += "Content-Type: text/plain\r\n\r\nAt the bottom.\r\n";
    let cut = head("cut")
        + "Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\nContent-Type: text/plain; charset=nonsense\r\n\r\nsh: echo cut off\r\n";
    let base64 = head("base64")
        + "Content-Transfer-Encoding: base64\r\nContent-Type: text/plain\r\n\r\n!!!! not base64 ???\r\n";
    for mail in [nested, cut, base64] {
        put(&repo, mail.as_bytes());
    }
    world.cycle();
    let answers = world.answers(&repo, 3);
    for id in ["<nested@example.com>", "<cut@example.com>", "<base64@example.com>"] {
        let mine = answers.iter().filter(|answer| answer.header("In-Reply-To").as_deref() == Some(id));
        assert!(mine.count() >= 1, "{id}");
    }
    assert!(answers.iter().any(|answer| answer.text().contains("cut off")));
    repo.assert_nothing_waits();
}

#[test]
fn a_mail_of_60_mb_is_not_taken_and_its_sender_hears_why() {
    let world = World::with_containers();
    let repo = world.repo(&Setup { way: Way::Server, ..obedient() });
    let letter = world.letter(&repo, "All my photos", "Please sort them.");
    let mut mail = AUTHENTIC.as_bytes().to_vec();
    mail.extend(letter.bytes());
    mail.extend(b"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\r\n".repeat(60 << 14));
    let size = mail.len() as u64;
    mail_server().mailbox(&repo.user).append(&mail);
    world.cycle();
    let answers = world.answers(&repo, 1);
    assert!(answers[0].text().contains("too large to be taken"), "{}", answers[0].text());
    assert!(answers[0].text().contains(&format!("({} MB", size.div_ceil(1 << 20))), "{}", answers[0].text());
    assert_eq!(answers[0].header("In-Reply-To").unwrap(), format!("<{}>", letter.message_id));
    assert_eq!(mail_server().mailbox(&repo.user).count(), 0);
    assert_eq!(repo.task(&repo.sessions()[0], 1)["failure"]["reason"], "too_large");
    // Cut down to what is taken, it is a mail like any other.
    let next = world.ask(&repo, "sh: echo small enough");
    assert!(next.text().contains("small enough"), "{}", next.text());
}

#[test]
fn a_mailbox_that_refuses_the_login_or_is_away_is_one_line_with_a_hint_and_loses_nothing() {
    let world = World::new();
    let repo = world.repo(&Setup { way: Way::Server, ..obedient() });
    world.send(&repo, &world.letter(&repo, "Hello", "Hello."));
    let output = world.airut(&["fetch"]).env("MAIL_PASSWORD", "wrong").output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("refuses the login of") && stderr.contains("\nhint: "), "{stderr}");
    assert!(!stderr.contains("wrong"), "{stderr}");
    assert_short(&stderr);
    let without = world.airut(&["fetch"]).env_remove("MAIL_PASSWORD").output().unwrap();
    assert!(String::from_utf8_lossy(&without.stderr).contains("MAIL_PASSWORD"), "{without:?}");
    let toml = fs::read_to_string(world.config()).unwrap();
    let closed = format!(
        "port = {}",
        std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
    );
    let away = toml.replace(&format!("port = {}", mail_server().imaps), &closed);
    fs::write(world.config(), away).unwrap();
    let ran = world.run(&["fetch"]).exit(75);
    assert_short(&ran.stderr);
    // A certificate of another authority is no certificate.
    let no_ca = toml.replace(&format!("ca_file = \"{}\", ", mail_server().ca.display()), "");
    fs::write(world.config(), no_ca).unwrap();
    let ran = world.run(&["fetch"]);
    assert_ne!(ran.code, Some(0));
    assert!(ran.stderr.contains("certificate"), "{}", ran.stderr);
    fs::write(world.config(), toml).unwrap();
    assert_eq!(world.run(&["fetch"]).ok().stdout.lines().count(), 1);
}

#[test]
fn an_agent_that_prints_garbage_is_judged_by_its_events_alone() {
    let world = World::with_containers();
    let repo = world.repo(&obedient());
    let garbage = "do: head -c 5000000 /dev/urandom; echo; echo '{\"type\":'; echo '[1,2'; echo null; echo '{\"type\":7}'";
    let answer = world.ask(&repo, &format!("{garbage}\nsh: echo and an answer"));
    assert!(answer.text().contains("and an answer"), "{}", answer.text());
    // A single line of 40 MB.
    let line = "do: head -c 40000000 /dev/zero | tr '\\0' x; echo";
    let next = world.go_on(&repo, &answer, &format!("{line}\nsh: echo still there"));
    assert!(next.text().contains("still there"), "{}", next.text());
}

#[test]
fn an_agent_that_prints_without_end_is_ended_with_bounded_memory_and_disk() {
    let world = World::with_containers();
    let repo = world.repo(&obedient());
    world.send(&repo, &world.letter(&repo, "Hello", "do: say Before.; yes '{\"type\":\"noise\"}'"));
    world.take_in();
    let mut running = world.begin(&["run"]);
    let status = PathBuf::from(format!("/proc/{}/status", running.0.id()));
    let mut peak_kb = 0;
    while running.0.try_wait().unwrap().is_none() {
        let text = fs::read_to_string(&status).unwrap_or_default();
        let peak = text.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or("0 kB");
        peak_kb = peak_kb.max(peak.trim().trim_end_matches(" kB").parse::<u64>().unwrap());
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    assert!((1..100 << 10).contains(&peak_kb), "{peak_kb} kB");
    let ran = running.end().ok();
    assert!(ran.stderr.contains("more than a run may print"), "{}", ran.stderr);
    let events = repo.session(&repo.sessions()[0]).join("tasks/1/events.jsonl");
    assert!(fs::metadata(&events).unwrap().len() < 300 << 20);
    world.cycle();
    let answer = world.answers(&repo, 2).remove(1);
    assert!(answer.text().contains("without an answer that could be read"), "{}", answer.text());
    assert!(answer.text().contains("Before."), "{}", answer.text());
}

#[test]
fn a_full_disk_leaves_the_mail_in_the_mailbox_until_there_is_room() {
    let world = World::new();
    let repo = world.repo(&Setup { toml: "reserve = \"0\"".to_owned(), ..obedient() });
    let body = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcde\n".repeat(4 << 14);
    world.send(&repo, &world.letter(&repo, "Large", &body));
    // A disk of its own, in a mount namespace of its own, which any user may have.
    let storage = repo.storage.clone();
    fs::create_dir_all(&storage).unwrap();
    let script = format!(
        "set -u; mount -t tmpfs -o size=1m,mode=700 none '{0}' || exit 9
         # Told all, it does not repeat what stands in the table, which has a user number that is unknown in here.
         resize() {{ mount -i -n -t tmpfs -o \"remount,size=$1\" none '{0}' || exit 9; }}
         fetch() {{ \"$0\" fetch; echo \"fetch=$?\"; find '{0}/queue/fetched' '{0}/queue/tmp' -type f | wc -l; ls '{1}/new' | wc -l; }}
         fetch; resize 64m; fetch
         \"$0\" authorize >/dev/null; echo \"authorize=$?\"
         resize 5m; head -c 6000000 /dev/zero >'{0}/fill' 2>/dev/null
         \"$0\" session open; echo \"open=$?\"; rm '{0}/fill'; resize 64m
         \"$0\" session open >/dev/null; echo \"open=$?\"; ls '{0}/queue/ready' | wc -l",
        storage.display(),
        repo.maildir.display()
    );
    let root = rustix::process::geteuid().is_root();
    let output = world
        .command("unshare")
        .args(if root { &["--mount"][..] } else { &["--mount", "--map-root-user"] })
        .args(["sh", "-c", &script])
        .arg(crate::support::world::airut_bin())
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    let stderr = String::from_utf8_lossy(&output.stderr);
    let lines: Vec<_> = told.lines().filter(|line| !line.starts_with(&repo.name)).collect();
    assert_eq!(
        lines,
        ["fetch=75", "0", "1", "fetch=0", "1", "0", "authorize=0", "open=75", "open=0", "1"],
        "{told}\n{stderr}"
    );
    assert!(stderr.contains("No space left on device"), "{stderr}");
}

use crate::cli::Desk;
use crate::support::letter::{Answer, Letter};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Stdio;
use std::time::Duration;

/// A desk whose mails can be read, and whose tasks end without a container: the repository has no allowlist.
fn desk() -> Desk {
    let desk = Desk::new();
    fs::create_dir(desk.world.path("sent")).unwrap();
    let script = desk.file(
        "sendmail",
        format!(
            "#!/bin/sh\nf=$(mktemp {0}/tmp.XXXXXXXX)\ncat > \"$f\"\nmv \"$f\" \"$f.eml\"\n",
            desk.world.path("sent").display()
        )
        .as_bytes(),
    );
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    let text = fs::read_to_string(desk.world.config()).unwrap();
    fs::write(desk.world.config(), text.replace("/bin/true", &script)).unwrap();
    desk.world.commit(&desk.repo, &[(".airut/network-allowlist.yaml".to_owned(), "domains: 7\n".to_owned())]);
    desk
}

/// How often each Message-ID was sent, by the Message-ID of the mail it answers.
fn sent(desk: &Desk) -> BTreeMap<String, BTreeMap<String, usize>> {
    let mut sent: BTreeMap<String, BTreeMap<String, usize>> = BTreeMap::new();
    for entry in fs::read_dir(desk.world.path("sent")).unwrap().map(Result::unwrap) {
        if entry.path().extension().is_some_and(|kind| kind == "eml") {
            let mail = Answer { raw: fs::read(entry.path()).unwrap() };
            let answers = sent.entry(mail.header("In-Reply-To").unwrap()).or_default();
            *answers.entry(mail.header("Message-ID").unwrap()).or_default() += 1;
        }
    }
    sent
}

#[test]
fn whenever_the_steps_are_killed_each_mail_is_answered_in_the_end_by_one_mail() {
    let desk = desk();
    let mut seed = 11_u64;
    let mut asked = BTreeSet::new();
    for round in 0..24 {
        if round < 12 {
            let letter =
                Letter::new("boss@example.com", &desk.repo.address, "Hello", &format!("Number {round}"))
                    .attach("a.txt", &[round; 1000]);
            asked.insert(format!("<{}>", letter.message_id));
            let mut mail =
                b"Authentication-Results: mx.example.com; dmarc=pass header.from=example.com\r\n".to_vec();
            mail.extend(letter.bytes());
            desk.fetch(&mail);
        }
        // Two at once, as cron starts them, and both killed.
        let start =
            || desk.world.airut(&["cycle"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let mut cycles = [start(), start()];
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        std::thread::sleep(Duration::from_millis((seed >> 33) % 250));
        for cycle in &mut cycles {
            cycle.kill().unwrap();
            cycle.wait().unwrap();
        }
    }
    // What was cut off twice is answered as such: the last cycle leaves nothing.
    let ran = desk.run(&["cycle"]);
    let left = |stage: &str| fs::read_dir(desk.repo.storage.join("queue").join(stage)).unwrap().count();
    for stage in
        ["fetched", "ready", "running", "finished", "deferred/ready", "deferred/finished", "rejected"]
    {
        assert_eq!(left(stage), 0, "{stage}: {ran:?}");
    }
    let eml = |name: &str| name.ends_with(".eml");
    let authorized = fs::read_dir(desk.repo.storage.join("queue/authorized")).unwrap();
    assert!(
        !authorized.map(|entry| entry.unwrap().file_name().into_string().unwrap()).any(|name| eml(&name))
    );
    let sent = sent(&desk);
    assert_eq!(sent.keys().cloned().collect::<BTreeSet<_>>(), asked, "{ran:?}");
    for (mail, answers) in &sent {
        let replies = answers.keys().filter(|id| !id.contains(".ack.")).count();
        assert_eq!(replies, 1, "{mail}: {answers:?}");
        assert!(answers.len() <= 2, "{mail}: one answer and one acknowledgement: {answers:?}");
    }
    let sessions = fs::read_dir(desk.repo.storage.join("sessions")).unwrap().count();
    assert_eq!(sessions, asked.len());
}

#[test]
fn cycles_that_overlap_disturb_each_other_in_nothing() {
    let desk = desk();
    let mut asked = 0;
    for round in 0..4 {
        for n in 0..3 {
            desk.fetch(&desk.good(&format!("Number {round}.{n}")));
            asked += 1;
        }
        let start =
            || desk.world.airut(&["cycle"]).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let cycles = [start(), start(), start()];
        for cycle in cycles {
            let output = cycle.wait_with_output().unwrap();
            let said = String::from_utf8(output.stderr).unwrap();
            // That the repository's file is wrong is all that goes wrong here.
            let wrong: Vec<_> = said
                .lines()
                .filter(|line| line.starts_with("error") && !line.contains("network-allowlist.yaml"))
                .collect();
            assert_eq!(wrong, Vec::<&str>::new());
        }
    }
    desk.run(&["cycle"]);
    let sent = sent(&desk);
    assert_eq!(sent.len(), asked);
    assert!(
        sent.values().all(|answers| answers.len() <= 2 && answers.values().all(|count| *count == 1)),
        "{sent:?}"
    );
}

//! The stage itself, tried: a test that fails for the stage's sake fails here too.

use crate::support::api::{self, Api};
use crate::support::images::{BUSYBOX, CLAUDE, containers};
use crate::support::letter::{Answer, Letter};
use crate::support::mailserver::{mail_server, unique};
use crate::support::world::{Setup, World};
use airut::format::config::Config;
use std::io::Write as _;

fn mail(headers: &str) -> Vec<u8> {
    format!("{headers}Subject: hello\r\n\r\nA body.\r\n").into_bytes()
}

fn delivered(from: &str, tag: &str, headers: &str) -> String {
    let user = unique("stage");
    mail_server().submit(from, &format!("{user}{tag}@example.com"), &mail(headers));
    String::from_utf8(mail_server().mailbox(&user).wait_for(1).remove(0)).unwrap()
}

#[test]
fn the_mail_servers_own_word_stands_above_a_forged_one() {
    let forged = "From: boss@example.com\r\nAuthentication-Results: mx.example.com; dmarc=pass header.from=example.com\r\n";
    let got = delivered("mallory@evil.example", "", forged);
    let results: Vec<_> = got.lines().filter(|line| line.starts_with("Authentication-Results:")).collect();
    assert_eq!(
        results[0], "Authentication-Results: mx.example.com; dmarc=fail header.from=evil.example",
        "{got}"
    );
    assert_eq!(results.len(), 2, "{got}");
}

#[test]
fn a_mail_to_a_tagged_address_lands_in_the_mailbox_without_the_tag() {
    let got = delivered("alice@example.com", "+opus", "From: alice@example.com\r\n");
    assert!(got.contains("dmarc=pass header.from=example.com"), "{got}");
}

#[test]
fn a_mail_put_into_a_mailbox_is_read_back_byte_for_byte() {
    let mut mailbox = mail_server().mailbox(&unique("stage"));
    let bytes = mail("From: a@example.com\r\n");
    mailbox.append(&bytes);
    assert_eq!(mailbox.mails(), [bytes]);
}

#[test]
fn a_container_without_a_network_runs_from_an_image_that_no_registry_gave() {
    let told = containers().run(&["run", "--rm", "--network=none", BUSYBOX, "ls", "/sys/class/net"]);
    assert_eq!(told.trim(), "lo");
}

#[test]
fn the_claude_image_holds_the_real_program() {
    let told = containers().run(&["run", "--rm", "--network=none", CLAUDE, "claude", "--version"]);
    assert!(told.contains("(Claude Code)"), "{told}");
}

/// The real Claude Code, without airut, against the stand-in on the host's network.
fn claude(api: &Api, prompt: &str, more: &[&str]) -> String {
    let ca = format!("{}:/ca.pem:ro", api.ca_file.display());
    let base = format!("ANTHROPIC_BASE_URL=https://{}:{}", api::HOST, api.port);
    let host = format!("--add-host={}:127.0.0.1", api::HOST);
    let mut command = containers().podman();
    command
        .args(["run", "--rm", "-i", "--network=host", &host, "-v", &ca, "-e", "NODE_EXTRA_CA_CERTS=/ca.pem"])
        .args(["-e", &base, "-e", "ANTHROPIC_API_KEY=sk-test", "-e", "IS_SANDBOX=1"])
        .args(["-e", "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC=1", "-e", "CLAUDE_CODE_MAX_RETRIES=0"])
        .args([CLAUDE, "claude", "-p", "--dangerously-skip-permissions", "--output-format", "json"])
        .args(more)
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(prompt.as_bytes()).unwrap();
    String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap()
}

#[test]
fn the_real_claude_code_does_what_the_word_in_its_prompt_says() {
    let dir = tempfile::tempdir().unwrap();
    let api = Api::start(dir.path());
    assert!(claude(&api, "Hello [[text]]", &[]).contains("The answer is 42."));
    assert!(
        claude(&api, &format!("Please {}", api::run("echo $((6 * 7)) | sed s/^/out-/")), &[])
            .contains("out-42")
    );
    assert!(claude(&api, "[[err400]]", &[]).contains("\"is_error\":true"));
    assert!(claude(&api, "A long story [[history]]", &[]).contains("A long story"));
    let seen = api.seen();
    let mut words: Vec<_> = seen.iter().map(|seen| seen.word.as_str()).collect();
    words.dedup();
    assert_eq!(words, ["text", "run", "err400", "history"]);
    assert!(seen.iter().all(|seen| seen.key.as_deref() == Some("sk-test")), "{seen:?}");
}

#[test]
fn a_letter_is_read_as_it_was_written() {
    let content = [0_u8, 13, 10, 255, 46, 13, 10, 46];
    let letter = Letter::new("a@example.com", "b@example.com", "Grüße [ID:3fa9c1d2]", "Line\n.\nGrüße\n");
    let answer = Answer { raw: letter.clone().attach("größe.bin", &content).bytes() };
    assert_eq!(answer.text(), "Line\n.\nGrüße\n");
    assert_eq!(answer.attachments(), [("größe.bin".to_owned(), content.to_vec())]);
    assert_eq!(answer.session().unwrap(), "3fa9c1d2");
    let reply = Answer { raw: Letter::reply("c@example.com", &answer, "Yes.").bytes() };
    assert_eq!(reply.header("In-Reply-To").unwrap(), format!("<{}>", letter.message_id));
    assert_eq!(reply.header("To").unwrap(), "a@example.com");
}

#[test]
fn a_worlds_configuration_is_one_that_airut_understands() {
    let world = World::new();
    let api = world.api();
    let repos = [world.repo(&Setup::stand_in("#!/bin/sh\n")), world.repo(&Setup::claude(&api))];
    let config: Config = toml::from_str(&std::fs::read_to_string(world.config()).unwrap()).unwrap();
    assert_eq!(config.repos.len(), 2);
    assert!(repos.iter().all(|repo| config.repos.keys().any(|name| name.to_string() == repo.name)));
}

#[test]
fn a_letter_sent_in_a_world_lies_in_the_repositorys_mailbox() {
    let world = World::new();
    let api = world.api();
    let (server, maildir) = (world.repo(&Setup::claude(&api)), world.repo(&Setup::stand_in("#!/bin/sh\n")));
    world.send(&server, &world.letter(&server, "Hello", "Please."));
    let got = Answer { raw: mail_server().mailbox(&server.user).mails().remove(0) };
    assert_eq!(got.text().trim_end(), "Please.");
    assert!(got.header("Authentication-Results").unwrap().contains("dmarc=pass header.from=example.com"));
    world.send(&maildir, &world.letter(&maildir, "Hello", "Please."));
    assert_eq!(std::fs::read_dir(maildir.maildir.join("new")).unwrap().count(), 1);
}

use crate::cli::Desk;
use crate::support::world::World;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Stdio;

#[test]
fn nothing_to_do_is_done() {
    let desk = Desk::new();
    for args in [
        &["fetch"] as &[&str],
        &["authorize"],
        &["session", "open"],
        &["session", "resume"],
        &["run"],
        &["reply"],
        &["cycle"],
        &["status"],
        &["session", "list"],
    ] {
        let ran = desk.run(args).ok();
        assert_eq!(ran.stderr, "", "{args:?}");
    }
}

#[test]
fn one_is_for_what_failed_or_was_refused() {
    let desk = Desk::new();
    let key = "0123456789abcdef0123456789abcdef";
    for args in [
        &["authorize", key] as &[&str],
        &["session", "open", key],
        &["session", "show", "0badc0de"],
        &["session", "stop", "0badc0de"],
        &["session", "rm", "0badc0de"],
        &["session", "log", "0badc0de"],
        &["run", "0badc0de.1"],
        &["reply", "0badc0de.1"],
        &["reply", "--dry-run", "0badc0de.1"],
        &["proxy", "status", "0badc0de"],
    ] {
        desk.run(args).exit(1);
    }
    let refused = desk.file("refused.eml", &desk.mail("x", "dmarc=fail"));
    assert!(
        desk.run(&["authorize", "--explain", &refused]).exit(1).stdout.contains("refused: unauthenticated")
    );
    let accepted = desk.file("accepted.eml", &desk.good("x"));
    assert!(
        desk.run(&["authorize", "--explain", &accepted]).ok().stdout.contains("accepted: boss@example.com")
    );
    let allowlist = desk.file("allow.yaml", b"domains:\n  - example.com\n");
    desk.run(&["proxy", "check", "--allowlist", &allowlist, "https://example.com/"]).ok();
    desk.run(&["proxy", "check", "--allowlist", &allowlist, "https://example.org/"]).exit(1);
}

#[test]
fn two_is_for_a_command_line_that_cannot_be() {
    let desk = Desk::new();
    for args in [
        &[] as &[&str],
        &["--no-such-flag"],
        &["no-such-verb"],
        &["run", "not-a-task"],
        &["authorize", "short"],
        &["session", "show", "not-an-id"],
        &["status", "--repo", "no-such-repo"],
        &["run", "no-such-repo:0badc0de.1"],
        &["reply", "--dry-run"],
        &["session", "new"],
        &["session", "new", "--prompt-file", "x"],
        &["session", "resume", "--session", "0badc0de"],
        &["fetch", "--watch", "--stdin"],
        &["authorize", "--explain", "/no/such/file.eml"],
    ] {
        let ran = desk.run(args).exit(2);
        assert_eq!(ran.stdout, "", "{args:?}");
        assert_ne!(ran.stderr, "", "{args:?}");
    }
    desk.fed(&["fetch", "--stdin"], b"").exit(2);
}

#[test]
fn three_is_for_some_that_failed_while_the_others_went_on() {
    let desk = Desk::new();
    let good = desk.fetch(&desk.good("x"));
    let ran = desk.run(&["authorize", &good, "0123456789abcdef0123456789abcdef"]).exit(3);
    assert_eq!(ran.stdout.trim(), good);
    assert!(ran.stderr.contains("no such message"));
}

#[test]
fn a_repository_that_cannot_be_used_keeps_no_other_from_its_work() {
    let desk = Desk::new();
    let other = Desk::add(&desk.world);
    let blocked = desk.file("blocked", b"no directory");
    let text = fs::read_to_string(desk.world.config()).unwrap();
    let section = format!("[repos.{}]\n", other.name);
    let broken = text.replace(&section, &format!("{section}storage_dir = \"{blocked}/below\"\n"));
    fs::write(desk.world.config(), broken).unwrap();
    let key = desk.fetch(&desk.good("x"));
    let ran = desk.run(&["authorize"]).exit(3);
    assert_eq!(ran.stdout.trim(), key);
    assert!(ran.stderr.contains(&format!("error: {}: ", other.name)), "{}", ran.stderr);
    let ran = desk.run(&["status"]).exit(1);
    assert!(ran.stdout.contains(&desk.repo.name));
    desk.run(&["status", "--repo", &other.name]).exit(1);
}

#[test]
fn seventy_five_is_for_what_may_go_well_later() {
    let desk = Desk::new();
    let later = desk.mail("x", "dmarc=temperror");
    let file = desk.file("later.eml", &later);
    desk.run(&["authorize", "--explain", &file]).exit(75);
    desk.fetch(&later);
    let ran = desk.run(&["authorize"]).exit(75);
    assert!(
        ran.stderr.contains("error: ") && ran.stderr.contains("hint: authorize --explain"),
        "{}",
        ran.stderr
    );
    // What could be done meanwhile was done; all that is left has to wait.
    desk.fetch(&desk.mail("y", "dmarc=temperror"));
    let good = desk.fetch(&desk.good("z"));
    let ran = desk.run(&["authorize"]).exit(75);
    assert_eq!(ran.stdout.trim(), good);
}

#[test]
fn seventy_eight_is_for_the_configuration() {
    let world = World::new();
    let ran = world.run(&["status"]).exit(78);
    assert!(ran.stderr.contains("airut.toml"), "{}", ran.stderr);
    fs::remove_file(world.config()).unwrap();
    let ran = world.run(&["status"]).exit(78);
    assert!(
        ran.stderr.contains("there is no configuration") && ran.stderr.contains("hint: "),
        "{}",
        ran.stderr
    );
    let desk = Desk::new();
    let text = fs::read_to_string(desk.world.config()).unwrap();
    fs::write(desk.world.config(), text.replace("[repos.", "max_concurent = 1\n[repos.")).unwrap();
    let ran = desk.run(&["run"]).exit(78);
    assert!(ran.stderr.contains("airut.toml:") && ran.stderr.contains("max_concurent"), "{}", ran.stderr);
    let other = desk.file("other.toml", b"");
    desk.run(&["--config", &other, "status"]).exit(78);
    let missing = desk.world.path("missing.toml");
    desk.run(&["--config", missing.to_str().unwrap(), "status"]).exit(78);
    desk.run(&["proxy", "check", "--allowlist", missing.to_str().unwrap(), "https://a.example/"]).exit(78);
}

#[test]
fn a_reader_who_has_gone_is_no_error() {
    let desk = Desk::new();
    for args in [&["status"] as &[&str], &["--json", "status"], &["session", "list", "--json"], &["--help"]] {
        let mut child = desk.world.airut(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{args:?}");
        assert_eq!(output.status.code(), Some(0), "{args:?}");
    }
}

#[test]
fn output_that_cannot_be_written_is_one() {
    let desk = Desk::new();
    let full = fs::File::options().write(true).open("/dev/full").unwrap();
    let output = desk.world.airut(&["status"]).stdout(full).output().unwrap();
    assert_eq!(output.status.code(), Some(75), "a full disk is mended by time or by people");
    assert!(String::from_utf8_lossy(&output.stderr).contains("standard output"));
}

#[test]
fn a_program_of_ours_that_breaks_its_pipe_is_no_reader_who_has_gone() {
    let desk = Desk::new();
    let script = desk.file("sendmail", b"#!/bin/sh\nexec 0<&-\nexit 70\n");
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    let text = fs::read_to_string(desk.world.config()).unwrap();
    fs::write(desk.world.config(), text.replace("/bin/true", &script)).unwrap();
    let key = desk.fetch(&desk.good(""));
    desk.run(&["authorize", &key]).ok();
    desk.task("Please.");
    desk.run(&["reply"]).exit(75);
}

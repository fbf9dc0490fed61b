use crate::support::world::{Setup, World};
use std::fs;

const ID: &str = "trusted_authserv_id = \"mx.example.com\"";

/// A world with one repository, its server's id exchanged for `line`.
fn world(line: &str) -> World {
    let world = World::new();
    world.repo(&Setup::stand_in("#!/bin/sh\n"));
    let toml = fs::read_to_string(world.config()).unwrap();
    assert_eq!(toml.matches(ID).count(), 1);
    fs::write(world.config(), toml.replace(ID, line)).unwrap();
    world
}

#[test]
fn each_check_of_a_providers_stamp_is_shown() {
    for (provider, id) in
        [("google", "mx.google.com"), ("microsoft365", "none"), ("fastmail", "phl-mx-07.messagingengine.com")]
    {
        let world = world(&format!("provider = \"{provider}\""));
        let mail = format!("tests/fixtures/provider/{provider}.eml");
        let mail = fs::canonicalize(mail).unwrap();
        let shown = world.run(&["authorize", "--explain", mail.to_str().unwrap()]).stdout;
        let passed = |name: &str, saw: &str| {
            let is = |line: &str| {
                line.starts_with(&format!("ok       {name} ")) && line.contains(&format!("saw: {saw}"))
            };
            assert!(shown.lines().any(is), "{name} {saw}\n{shown}");
        };
        passed("authserv-id", id);
        passed("dmarc", "dmarc=pass");
        passed("header.from", "example.com");
        if provider == "microsoft365" {
            passed("edge", "bn1pepf00004687.mail.protection.outlook.com");
        }
        assert!(shown.lines().any(|line| line.contains(" age ")), "{shown}");
    }
}

#[test]
fn an_empty_id_or_none_is_refused_before_any_mail_is_looked_at() {
    for line in ["trusted_authserv_id = \"\"", "", "provider = \"\"", &format!("{ID}\nprovider = \"google\"")]
    {
        let world = world(line);
        let ran = world.run(&["authorize"]);
        assert_eq!(ran.code, Some(78), "{line}: {}", ran.stderr);
    }
}

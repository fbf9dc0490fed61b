//! Names that point inward.

use crate::attacks::stage::{Case, Stage, Zone, get};
use std::net::IpAddr;

/// Where an allowed name is led to by whoever has its zone.
const INWARD: [&str; 22] = [
    "127.0.0.1",
    "0.0.0.0",
    "10.1.2.3",
    "172.16.0.1",
    "192.168.1.1",
    "100.100.100.200",
    "169.254.169.254",
    "192.0.0.192",
    "198.18.0.1",
    "224.0.0.1",
    "255.255.255.255",
    "::1",
    "::",
    "fe80::1",
    "fd00:ec2::254",
    "ff02::1",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "::127.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b:1::a9fe:a9fe",
    "2002:7f00:1::",
];

#[test]
fn an_allowed_name_that_points_inward_is_looked_up_and_not_connected_to() {
    let name = |at: usize| format!("n{at}.wide.example.com");
    let stage = Stage::with("domains: ['*.wide.example.com']", Vec::new(), |_, decoy| {
        let mut zone: Zone =
            INWARD.iter().enumerate().map(|(at, to)| (name(at), vec![vec![to.parse().unwrap()]])).collect();
        zone.insert("decoy.wide.example.com".to_owned(), vec![vec![decoy]]);
        zone
    });
    let names = (0..INWARD.len()).map(name).chain(["decoy.wide.example.com".to_owned()]);
    let cases: Vec<Case> = names.clone().map(|name| get(&name, &name, "/")).collect();
    for (told, to) in stage.make(&cases).iter().zip(INWARD) {
        assert_eq!(told.codes, [403], "{to}: {told:?}");
        assert!(told.text.contains("does not lead to a public address"), "{to}: {told:?}");
    }
    let lines = stage.lines();
    assert_eq!(lines.len(), cases.len(), "{lines:?}");
    assert!(
        lines.iter().all(|line| line.contains(" BLOCKED ") && line.contains("not a public address")),
        "{lines:?}"
    );
    let lookups = stage.lookups();
    assert!(names.into_iter().all(|name| lookups.contains(&name)), "{lookups:?}");
    assert_eq!(stage.world.server.connections(), 0);
    stage.decoys_saw_nobody();
}

#[test]
fn the_address_that_was_checked_is_the_one_that_is_connected_to() {
    let mixed = "mixed.wide.example.com";
    let stage = Stage::with("domains: ['*.wide.example.com']", Vec::new(), |here, decoy| {
        let turned = vec![vec![here], vec![decoy]];
        let both: Vec<IpAddr> = vec![decoy, here];
        Zone::from([("turns.wide.example.com".to_owned(), turned), (mixed.to_owned(), vec![both])])
    });
    // Of several addresses only those that may be connected to are.
    let told = stage.make(&[get(mixed, mixed, "/")]).remove(0);
    assert_eq!(told.codes, [200], "{told:?}");
    stage.decoys_saw_nobody();
    // The name is looked up once for a connection, then leads elsewhere; the next connection is judged anew. The
    // server breaks off, so that there is a next one.
    let turns = "turns.wide.example.com";
    let before = stage.world.server.connections();
    let broken = format!("GET /broken HTTP/1.1\r\nHost: {turns}\r\nConnection: close\r\n\r\n");
    let told = stage.make(&[Case::plain(&broken, ""), Case::plain(&broken, "")]);
    assert_eq!([&told[0].codes[..], &told[1].codes], [[502], [403]], "{told:?}");
    assert_eq!(stage.world.server.connections(), before + 1);
    stage.decoys_saw_nobody();
}

#[test]
fn a_name_that_is_not_listed_is_not_even_looked_up() {
    let stage = Stage::new("domains: [api.example.com]", Vec::new());
    let secret = "c2VjcmV0.x.evil.example.org";
    let names =
        [secret, "api.example.com.evil.example.org", "xapi.example.com", "example.com", "a.api.example.com"];
    let mut cases: Vec<Case> = names.iter().map(|name| get(name, name, "/")).collect();
    cases.extend(names.map(|name| {
        Case::plain(
            &format!("GET / HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n"),
            "no rule names this host",
        )
    }));
    stage.refused(&cases);
    assert_eq!(stage.make(&[get("api.example.com", "api.example.com", "/")]).remove(0).codes, [200]);
    assert!(stage.lookups().contains(&"api.example.com".to_owned()));
}

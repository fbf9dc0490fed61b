//! One look at the remote for all who wait for it.

use crate::step::stand::Stand;
use airut::tool::git::Mirror;
use airut::tool::source::Source;
use std::time::Instant;

#[test]
fn a_look_at_the_remote_serves_all_who_asked_before_it_began_and_nobody_who_asks_later() {
    let stand = Stand::new();
    let change = |line: &str| {
        let file = (".airut/container/Dockerfile".to_owned(), format!("FROM scratch\n# {line}\n"));
        stand.world.commit(&stand.told, &[file]);
    };
    let seen = |asked| Source::as_of(&stand.repo, asked).unwrap().container_hash().unwrap();
    let asked = Instant::now();
    let first = seen(asked);
    change("one");
    assert_eq!(seen(asked), first);
    let second = seen(Instant::now());
    assert_ne!(second, first);
    change("two");
    assert_eq!(seen(asked), second, "the last look is the one that counts");
    // What is damaged is made anew, whoever has looked.
    Mirror::new(stand.repo.layout.mirror()).condemn();
    assert_ne!(seen(asked), second);
}

//! The program as people and timers meet it: what it prints where, and how it exits.

#![expect(unused_must_use, reason = "that a command ended as it should is all that some tests ask")]

mod crash;
mod exit;
mod help;
mod output;
mod provider;
mod proxy;
mod reference;
mod session;

use crate::support::letter::Letter;
use crate::support::world::{Ran, Repo, Setup, World};
use std::fs;
use std::io::Write as _;
use std::process::Stdio;

struct Desk {
    world: World,
    repo: Repo,
}

impl Desk {
    fn new() -> Self {
        let world = World::new();
        let repo = Self::add(&world);
        Self { world, repo }
    }

    /// A repository whose mail comes by a pipe alone, and goes to a program that takes everything.
    fn add(world: &World) -> Repo {
        let repo = world.repo(&Setup::stand_in("#!/bin/sh\n"));
        let toml = fs::read_to_string(world.config()).unwrap();
        let lines: Vec<&str> = toml
            .lines()
            .filter(|line| !line.starts_with("maildir = "))
            .map(|line| if line.starts_with("reply_maildir = ") { "sendmail = \"/bin/true\"" } else { line })
            .collect();
        fs::write(world.config(), lines.join("\n") + "\n").unwrap();
        repo
    }

    fn mail(&self, body: &str, result: &str) -> Vec<u8> {
        let letter = Letter::new("boss@example.com", &self.repo.address, "Hello \u{1b}[31mred", body);
        let mut mail = format!("Authentication-Results: mx.example.com; {result}\r\n").into_bytes();
        mail.extend(letter.bytes());
        mail
    }

    fn good(&self, body: &str) -> Vec<u8> {
        self.mail(body, "dmarc=pass header.from=example.com")
    }

    fn run(&self, args: &[&str]) -> Ran {
        self.world.run(args)
    }

    fn fed(&self, args: &[&str], input: &[u8]) -> Ran {
        let mut command = self.world.airut(args);
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input).unwrap();
        let output = child.wait_with_output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Ran { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    /// Takes a mail in and returns its reference.
    fn fetch(&self, mail: &[u8]) -> String {
        let ran = self.fed(&["fetch", "--stdin", "--repo", &self.repo.name], mail).ok();
        ran.stdout.trim().to_owned()
    }

    /// A task that waits to be run.
    fn task(&self, body: &str) -> String {
        let key = self.fetch(&self.good(body));
        self.run(&["authorize", &key]).ok();
        self.run(&["session", "open", &key]).ok().stdout.trim().to_owned()
    }

    fn file(&self, name: &str, content: &[u8]) -> String {
        let path = self.world.path(name);
        fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

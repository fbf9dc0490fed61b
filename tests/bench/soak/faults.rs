//! What goes wrong around airut, one or two things at a time: services away and back, connections cut, proxies and
//! containers ended. All of it is over when `fail` returns.

use crate::chance::Chance;
use crate::own;
use crate::relay::{Mode, Relay};
use crate::stage::{REPOS, Stage};
use anyhow::Result;
use rustix::fs::FallocateFlags;
use rustix::process::Signal;
use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::MetadataExt as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    Dovecot,
    Postfix,
    Remote,
    SmtpLater,
    SmtpSwallows,
    SmtpCut,
    SmtpAway,
    ImapCut,
    ImapAway,
    Proxy,
    Container,
    Kernel,
    Disk,
    Program,
}

const FAULTS: [(usize, Fault); 14] = [
    (2, Fault::Dovecot),
    (2, Fault::Postfix),
    (3, Fault::Remote),
    (3, Fault::SmtpLater),
    (3, Fault::SmtpSwallows),
    (3, Fault::SmtpCut),
    (1, Fault::SmtpAway),
    (3, Fault::ImapCut),
    (1, Fault::ImapAway),
    (4, Fault::Proxy),
    (4, Fault::Container),
    (4, Fault::Kernel),
    (3, Fault::Disk),
    (6, Fault::Program),
];

pub struct Faults<'a> {
    stage: &'a Stage,
    chance: Chance,
    until: Instant,
    stop: &'a AtomicBool,
    pub counts: BTreeMap<String, usize>,
}

impl<'a> Faults<'a> {
    pub fn new(stage: &'a Stage, seed: u64, until: Instant, stop: &'a AtomicBool) -> Self {
        Self { stage, chance: Chance::new(seed, "faults"), until, stop, counts: BTreeMap::new() }
    }

    /// Until the time is over.
    pub fn fail(mut self) -> Result<BTreeMap<String, usize>> {
        self.wait(8_000);
        while !self.is_over() {
            let fault = self.chance.weighed(&FAULTS).unwrap_or(Fault::Proxy);
            self.one(fault)?;
            let pause = self.chance.between(1_000, 9_000);
            self.wait(pause);
        }
        Ok(self.counts)
    }

    fn is_over(&self) -> bool {
        self.stop.load(Ordering::Relaxed) || Instant::now() >= self.until
    }

    fn wait(&self, ms: usize) {
        let end = Instant::now() + Duration::from_millis(ms as u64);
        while Instant::now() < end && !self.is_over() {
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn one(&mut self, fault: Fault) -> Result<()> {
        let ms = self.chance.between(2_000, 10_000);
        let which = self.chance.below(REPOS.len());
        let relays = &self.stage.relays;
        match fault {
            Fault::Dovecot => self.service("Dovecot away", "dovecot", ms),
            Fault::Postfix => self.service("Postfix away", "postfix", ms),
            Fault::Remote => {
                self.note("git remote away");
                let remote = self.stage.remote(which);
                let away = remote.with_extension("away");
                std::fs::rename(&remote, &away)?;
                self.wait(ms);
                Ok(std::fs::rename(&away, &remote)?)
            }
            Fault::SmtpLater => self.relayed("SMTP says 451", &relays.smtp, Mode::Later, ms),
            Fault::SmtpSwallows => self.relayed("SMTP's word lost", &relays.smtp, Mode::Swallow, ms),
            Fault::SmtpCut => self.relayed("SMTP cut", [&relays.smtps, &relays.smtp][which], Mode::Cut, ms),
            Fault::SmtpAway => {
                self.relayed("SMTP away", [&relays.smtps, &relays.smtp][which], Mode::Away, ms)
            }
            Fault::ImapCut => self.relayed("IMAP cut", &relays.imaps[which], Mode::Cut, ms),
            Fault::ImapAway => self.relayed("IMAP away", &relays.imaps[which], Mode::Away, ms),
            Fault::Proxy => {
                let proxies = own::proxies(self.stage);
                if let Some(pid) = self.chance.of(&proxies).copied() {
                    self.note("proxy killed");
                    own::signal(pid, Signal::KILL);
                }
                Ok(())
            }
            Fault::Container => {
                let containers = own::containers(self.stage)?;
                if let Some(id) = self.chance.of(&containers) {
                    let args: &[&str] =
                        if ms.is_multiple_of(2) { &["kill", id] } else { &["rm", "-f", "-t", "0", id] };
                    // It may have ended by itself.
                    if self.stage.podman(args).output()?.status.success() {
                        self.note("container killed");
                    }
                }
                Ok(())
            }
            Fault::Disk => self.fill(ms),
            Fault::Program => {
                let programs = own::programs(self.stage);
                if let Some((pid, name)) = self.chance.of(&programs) {
                    own::signal(*pid, Signal::KILL);
                    *self.counts.entry(format!("{name} killed")).or_default() += 1;
                }
                Ok(())
            }
            Fault::Kernel => {
                let containers = own::containers(self.stage)?;
                let Some(id) = self.chance.of(&containers) else { return Ok(()) };
                let output = self.stage.podman(&["inspect", "--format={{.State.Pid}}", id]).output()?;
                if let Some(pid) =
                    String::from_utf8_lossy(&output.stdout).trim().parse().ok().filter(|pid| *pid > 1)
                {
                    self.note("container's first process killed");
                    own::signal(pid, Signal::KILL);
                }
                Ok(())
            }
        }
    }

    /// Leaves some kilobytes. Only where nobody else has to do with it.
    fn fill(&mut self, ms: usize) -> Result<()> {
        let state = self.stage.state();
        if state.metadata()?.dev() == self.stage.dir.metadata()?.dev() {
            return Ok(());
        }
        self.note("disk full");
        let path = state.join("filled");
        let (stat, file) = (rustix::fs::statvfs(&state)?, File::create(&path)?);
        let size = (stat.f_bavail * stat.f_frsize).saturating_sub(4096 * self.chance.below(16) as u64);
        let filled = rustix::fs::fallocate(&file, FallocateFlags::empty(), 0, size);
        if filled.is_ok() {
            self.wait(ms / 2);
        }
        Ok(std::fs::remove_file(&path)?)
    }

    fn note(&mut self, what: &str) {
        *self.counts.entry(what.to_owned()).or_default() += 1;
    }

    fn service(&mut self, what: &str, name: &str, ms: usize) -> Result<()> {
        self.note(what);
        self.stage.mail_server(&["down", name])?;
        self.wait(ms);
        self.stage.mail_server(&["up", name])
    }

    fn relayed(&mut self, what: &str, relay: &Relay, mode: Mode, ms: usize) -> Result<()> {
        self.note(what);
        relay.set(mode);
        self.wait(ms);
        relay.set(Mode::Pass);
        Ok(())
    }
}

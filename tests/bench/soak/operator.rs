//! airut as operators run it, all ways at once: `alpha` is watched and worked by single steps whenever something lies
//! there, `beta` by cycles that overlap, `gc` now and then. Any of these processes may be killed at any moment.

use crate::chance::Chance;
use crate::stage::Stage;
use anyhow::Result;
use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::process::Child;
use std::time::{Duration, Instant};

/// Of one kind at once; a cycle waits for what it runs.
const AT_ONCE: usize = 4;

/// One in so many is killed, somewhere in the time that such a one takes at most, in milliseconds.
const ONE_IN: usize = 4;
const TAKES_MS: [(&str, usize); 8] = [
    ("watch", 30_000),
    ("authorize", 150),
    ("open", 400),
    ("run", 5_000),
    ("reply", 500),
    ("cycle", 3_000),
    ("cycle of both", 5_000),
    ("gc", 700),
];

struct Running {
    name: &'static str,
    child: Child,
    killed_at: Option<Instant>,
}

/// What was begun, how it ended, what was killed.
#[derive(Default)]
pub struct Counts {
    pub begun: BTreeMap<&'static str, usize>,
    /// By name and exit code; a signal is negative.
    pub ended: BTreeMap<(&'static str, i32), usize>,
    pub killed: BTreeMap<&'static str, usize>,
}

pub struct Operator<'a> {
    stage: &'a Stage,
    chance: Chance,
    running: Vec<Running>,
    /// When each of them is begun next, at the soonest.
    next: BTreeMap<&'static str, Instant>,
    kills: bool,
    pub counts: Counts,
}

impl<'a> Operator<'a> {
    pub fn new(stage: &'a Stage, seed: u64) -> Self {
        Self {
            stage,
            chance: Chance::new(seed, "operator"),
            running: Vec::new(),
            next: BTreeMap::new(),
            kills: true,
            counts: Counts::default(),
        }
    }

    /// Begins what is due.
    pub fn tick(&mut self) -> Result<()> {
        self.reap()?;
        self.due("watch", 1, 1_000, &["--repo", "alpha", "fetch", "--watch"])?;
        let alpha = ["--repo", "alpha"];
        let steps: [(&'static str, &str, &[&str]); 4] = [
            ("authorize", "fetched", &["authorize"]),
            ("open", "authorized", &["session", "open"]),
            ("run", "ready", &["run"]),
            ("reply", "finished", &["reply"]),
        ];
        for (name, stage, step) in steps {
            let dir = self.stage.storage(0).join("queue").join(stage);
            let lies_there = std::fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_some());
            // What waits for its time comes back with whatever step is next.
            if lies_there || name == "authorize" {
                self.due(name, 2, if lies_there { 200 } else { 3_000 }, &[&alpha, step].concat())?;
            }
        }
        self.due("cycle", AT_ONCE, 1_000, &["--repo", "beta", "cycle"])?;
        self.due("cycle of both", 2, 15_000, &["cycle"])?;
        self.due("gc", 1, 12_000, &["gc"])?;
        self.due("status", 1, 20_000, &["status", "--json"])
    }

    fn due(&mut self, name: &'static str, at_once: usize, pause_ms: u64, args: &[&str]) -> Result<()> {
        let is_early = self.next.get(name).is_some_and(|next| Instant::now() < *next);
        if is_early || self.running.iter().filter(|running| running.name == name).count() >= at_once {
            return Ok(());
        }
        self.next.insert(name, Instant::now() + Duration::from_millis(pause_ms));
        let log =
            OpenOptions::new().create(true).append(true).open(self.stage.log(&format!("{name}.log")))?;
        let child = self.stage.airut(args).stdout(log.try_clone()?).stderr(log).spawn()?;
        *self.counts.begun.entry(name).or_default() += 1;
        let killed_at = self.kills.then(|| self.fate(name)).flatten();
        self.running.push(Running { name, child, killed_at });
        Ok(())
    }

    fn reap(&mut self) -> Result<()> {
        let mut still = Vec::new();
        for mut running in self.running.drain(..) {
            match running.child.try_wait()? {
                None => still.push(running),
                Some(status) => {
                    use std::os::unix::process::ExitStatusExt as _;
                    let code = status.code().unwrap_or_else(|| -status.signal().unwrap_or_default());
                    *self.counts.ended.entry((running.name, code)).or_default() += 1;
                }
            }
        }
        self.running = still;
        Ok(())
    }

    fn fate(&mut self, name: &str) -> Option<Instant> {
        let takes = TAKES_MS.iter().find(|(other, _)| *other == name)?.1;
        // A watch goes on for ever, so that each of them is.
        let is_meant = name == "watch" || self.chance.below(ONE_IN) == 0;
        let after = self.chance.below(takes) as u64;
        is_meant.then(|| Instant::now() + Duration::from_millis(after))
    }

    /// Ends those whose time has come, mostly as the kernel does, sometimes as a service manager does.
    pub fn kill_some(&mut self) -> Result<()> {
        self.reap()?;
        for running in &mut self.running {
            if running.killed_at.take_if(|at| *at <= Instant::now()).is_some() {
                let gently = self.chance.below(6) == 0;
                *self.counts.killed.entry(if gently { "SIGTERM" } else { running.name }).or_default() += 1;
                if gently { terminate(&running.child) } else { running.child.kill()? }
            }
        }
        Ok(())
    }

    /// From now on nobody is killed.
    pub fn spare(&mut self) {
        self.kills = false;
        self.running.iter_mut().for_each(|running| running.killed_at = None);
    }

    /// Has all of them come to an end, at the latest after this time.
    pub fn end(&mut self, patience: Duration) -> Result<()> {
        let (began, mut is_told) = (Instant::now(), false);
        while !self.running.is_empty() {
            let (watch, work): (Vec<_>, Vec<_>) =
                self.running.iter().partition(|running| running.name == "watch");
            if work.is_empty() && !is_told {
                watch.iter().for_each(|running| terminate(&running.child));
                is_told = true;
            }
            if began.elapsed() > patience {
                self.kill_all();
            }
            std::thread::sleep(Duration::from_millis(50));
            self.reap()?;
        }
        Ok(())
    }

    fn kill_all(&mut self) {
        for running in &mut self.running {
            let _ = running.child.kill();
            let _ = running.child.wait();
        }
    }
}

impl Drop for Operator<'_> {
    fn drop(&mut self) {
        self.kill_all();
    }
}

fn terminate(child: &Child) {
    let _ =
        rustix::process::kill_process(rustix::process::Pid::from_child(child), rustix::process::Signal::TERM);
}

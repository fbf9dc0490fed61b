//! What `soak.sh` runs: mixed mail for two repositories through the real mail server, real git and real Podman, while
//! processes are killed and services are away; then an account of every mail.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    clippy::cast_possible_truncation,
    reason = "a program of its own that starts others and prints a table"
)]

mod account;
mod chance;
mod facts;
mod faults;
mod hurry;
mod left;
mod letters;
mod operator;
mod own;
mod post;
mod relay;
mod settle;
mod stage;
mod table;
mod writer;

/// What the tests have, too.
#[path = "../../support"]
mod support {
    #[expect(dead_code, clippy::unwrap_used, reason = "the tests' own")]
    pub mod letter;

    pub mod mailserver {
        /// For a Message-ID that the soak replaces by one that its seed decides.
        pub fn unique(name: &str) -> String {
            name.to_owned()
        }
    }
}

use account::Account;
use anyhow::{Context as _, Result, anyhow};
use operator::Operator;
use post::Inboxes;
use stage::Stage;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use table::Table;
use writer::{Sent, Writer};

fn main() -> ExitCode {
    match work_off() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("soak: {error:#}");
            // Not the 1 of an account that is not in order.
            ExitCode::from(2)
        }
    }
}

fn work_off() -> Result<ExitCode> {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["soak", dir, minutes, seed] => soak(dir.as_ref(), minutes.parse()?, seed.parse()?),
        // `cargo bench` without arguments has nothing to do here.
        _ => Ok(ExitCode::SUCCESS),
    }
}

/// What an account says in any case.
const ROWS: [&str; 23] = [
    "sent",
    "  the same mail once more",
    "  not taken by Postfix",
    "delivered to the mailbox",
    "refused: malformed",
    "refused: unauthenticated",
    "refused: unauthorized",
    "refused: automatic",
    "refused: unsettled",
    "declined: beyond a limit",
    "accepted",
    "answered",
    "  together with others",
    "  in a mail that does not name it",
    "dropped by a /stop, whose answer says so",
    "lost",
    "answered twice",
    "set aside",
    "let in that should not be",
    "answered though refused",
    "acknowledged",
    "notes (limits, waiting)",
    "the same mail of airut's again (same Message-ID)",
];

fn soak(dir: &Path, minutes: f64, seed: u64) -> Result<ExitCode> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(&stop))?;
    }
    let time = Duration::from_secs_f64(minutes * 60.0);
    let stage = Stage::set(dir)?;
    let began = Instant::now();
    let mut operator = Operator::new(&stage, seed);
    let (sent, faults) = work(&stage, &mut operator, began + time, seed, &stop)?;
    if stop.load(Ordering::Relaxed) {
        return Ok(ExitCode::from(130));
    }
    eprintln!("{:4} s: {} mails sent; now everything is let run", began.elapsed().as_secs(), sent.len());
    // As long again, and what the slowest task takes.
    let waiting = settle::settle(&stage, &mut operator, time + Duration::from_secs(150), &stop)?;
    eprintln!("{:4} s: the account", began.elapsed().as_secs());
    let mut table = Table::declare(&ROWS);
    let facts = facts::Facts::gather(&stage);
    let mut inboxes = Inboxes::default();
    inboxes.look(&stage, writer::everybody());
    let account = Account::new(&facts, &inboxes.all);
    account.of_mails(&sent, &mut table);
    account.of_answers(&mut table);
    account.of_tasks(&mut table);
    left_over(&stage, waiting, &mut table)?;
    of_processes(&stage, &operator, &faults, &mut table)?;
    Ok(if table.print() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The time in which mail comes and things fail.
fn work(
    stage: &Stage,
    operator: &mut Operator,
    until: Instant,
    seed: u64,
    stop: &AtomicBool,
) -> Result<(Vec<Sent>, BTreeMap<String, usize>)> {
    let is_long = until.duration_since(Instant::now()) >= Duration::from_secs(240);
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| Writer::new(stage, seed, is_long).write(until, stop));
        let faults = scope.spawn(|| faults::Faults::new(stage, seed, until, stop).fail());
        let mut said = Instant::now();
        let result = loop {
            if writer.is_finished() && faults.is_finished() {
                break Ok(());
            }
            if let Err(error) = operator.tick().and_then(|()| operator.kill_some()) {
                stop.store(true, Ordering::Relaxed);
                break Err(error);
            }
            hurry::hurry(stage, false);
            if said.elapsed() > Duration::from_secs(20) {
                said = Instant::now();
                eprintln!("waiting: {}", settle::waiting(stage).join(", "));
            }
            std::thread::sleep(Duration::from_millis(20));
        };
        operator.spare();
        let sent = writer.join().map_err(|_| anyhow!("the writer panicked"))?.context("writing")?;
        let counts = faults.join().map_err(|_| anyhow!("the faults panicked"))?.context("failing")?;
        result.map(|()| (sent, counts))
    })
}

fn left_over(stage: &Stage, waiting: Vec<String>, table: &mut Table) -> Result<()> {
    table.count("left over: mails and tasks that wait", 0);
    for what in waiting {
        table.fault("left over: mails and tasks that wait", what);
    }
    let left = left::Left::look(stage)?;
    table.count("containers that Podman, killed, never began (ended here)", left.unbegun);
    for (what, found) in left.rows() {
        table.count(&format!("left over: {what}"), 0);
        for one in found {
            table.fault(&format!("left over: {what}"), one.clone());
        }
    }
    Ok(())
}

fn of_processes(
    stage: &Stage,
    operator: &Operator,
    faults: &BTreeMap<String, usize>,
    table: &mut Table,
) -> Result<()> {
    table.count("panics", 0);
    for log in hurry::entries(&stage.dir.join("log")) {
        let text = String::from_utf8_lossy(&std::fs::read(&log)?).into_owned();
        for line in text.lines().filter(|line| line.contains("panic")) {
            table.fault("panics", format!("{}: {line}", log.display()));
        }
    }
    for (name, count) in &operator.counts.begun {
        table.count(&format!("begun: airut {name}"), *count);
    }
    for ((name, code), count) in operator.counts.ended.iter().filter(|((_, code), _)| *code != 0) {
        table.count(&format!("ended with {code}: airut {name}"), *count);
    }
    for (name, count) in &operator.counts.killed {
        table.count(&format!("killed: {name}"), *count);
    }
    for (name, count) in faults {
        table.count(&format!("fault: {name}"), *count);
    }
    Ok(())
}

//! What `proxy.sh` measures: no proxy, airut's and mitmproxy's, in turns, beside the same server and the same load.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a program of its own that prints a table"
)]

mod load;
mod server;
mod ways;

use anyhow::{Context as _, Result};
use load::{Over, Took, at};
use std::path::Path;
use std::process::{Child, Command};
use std::time::{Duration, Instant};
use ways::{Way, cpu};

/// One kind of load.
struct Load {
    name: &'static str,
    clients: usize,
    over: Over,
}

const LOADS: [Load; 5] = [
    Load { name: "kept alive, 1 connection", clients: 1, over: Over::Kept },
    Load { name: "kept alive, 16 connections", clients: 16, over: Over::Kept },
    Load { name: "HTTP/2, 16 streams of 1 connection", clients: 16, over: Over::Streams },
    Load { name: "new connections, 1 at a time", clients: 1, over: Over::New },
    Load { name: "new connections, 16 at a time", clients: 16, over: Over::New },
];

const BIG_BYTES: usize = 1 << 30;

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["server", dir] => server::serve(dir.as_ref()),
        ["compare", dir, mitmdump, rounds, seconds] => {
            let seconds = Duration::from_secs_f64(seconds.parse()?);
            compare(dir.as_ref(), mitmdump.as_ref(), rounds.parse()?, seconds)
        }
        // `cargo bench` without arguments has nothing to do here.
        _ => Ok(()),
    }
}

/// The median of each figure over the rounds, by the name of the way.
#[derive(Default)]
struct Figures(Vec<(String, &'static str, f64)>);

impl Figures {
    fn note(&mut self, what: impl Into<String>, way: &'static str, value: f64) {
        let what = what.into();
        eprintln!("{way}: {what} {}", short(value));
        self.0.push((what, way, value));
    }

    fn median(&self, what: &str, way: &str) -> Option<f64> {
        let mut all: Vec<f64> =
            self.0.iter().filter(|(w, y, _)| *w == what && *y == way).map(|(_, _, value)| *value).collect();
        all.sort_unstable_by(f64::total_cmp);
        all.get(all.len() / 2).copied()
    }

    fn print(&self) {
        println!("{:<52} {:>12} {:>12} {:>12}", "median", "no proxy", "airut", "mitmdump");
        let mut seen = Vec::new();
        for (what, _, _) in &self.0 {
            if !seen.contains(&what) {
                seen.push(what);
                let cell = |way| self.median(what, way).map_or("-".to_owned(), short);
                println!(
                    "{what:<52} {:>12} {:>12} {:>12}",
                    cell("no proxy"),
                    cell("airut"),
                    cell("mitmdump")
                );
            }
        }
        let of = |what: &str, way: &str| self.median(what, way).unwrap_or(f64::NAN);
        println!();
        for load in &LOADS {
            let (rate, all) =
                (format!("{}, requests/s", load.name), format!("{}, CPU of all, us", load.name));
            let times = of(&rate, "airut") / of(&rate, "mitmdump");
            let share = 100.0 * of(&rate, "airut") / of(&rate, "no proxy");
            let by_cpu = 100.0 * of(&all, "no proxy") / of(&all, "airut");
            let times = if times.is_nan() { "-".to_owned() } else { format!("{times:.1}") };
            println!(
                "{}: {times} times mitmdump, {share:.0} % of no proxy ({by_cpu:.0} % by CPU)",
                load.name
            );
        }
        println!("aims, kept alive: 15 times mitmdump; 40 % of no proxy at 16 connections");
        println!("ready in {} ms (aim: 10)", short(of("start to ready, ms", "airut")));
        println!("idle in {} MB (aim: 10)", short(of("memory idle, MB", "airut")));
    }
}

fn short(value: f64) -> String {
    if value >= 100.0 { format!("{value:.0}") } else { format!("{value:.2}") }
}

fn compare(dir: &Path, mitmdump: &Path, rounds: usize, seconds: Duration) -> Result<()> {
    let (server, port) = start_server(dir)?;
    let mut figures = Figures::default();
    for _ in 0..rounds {
        for (name, times) in [("airut", 5), ("mitmdump", 1)] {
            for _ in 0..times {
                started(dir, port, mitmdump, name, &mut figures)?;
            }
        }
        // All of them are there at once, and idle while another is measured.
        let direct = Way::direct(dir, port);
        let ways = [direct, Way::airut(dir, port)?, Way::mitmdump(dir, port, mitmdump)?];
        measure(&ways, server.0.id(), seconds, &mut figures)?;
    }
    figures.print();
    Ok(())
}

/// From its start until it is ready, and until the first request is answered.
fn started(dir: &Path, port: u16, mitmdump: &Path, name: &'static str, figures: &mut Figures) -> Result<()> {
    let begun = Instant::now();
    let way = if name == "airut" { Way::airut(dir, port)? } else { Way::mitmdump(dir, port, mitmdump)? };
    figures.note("start to ready, ms", name, 1e3 * begun.elapsed().as_secs_f64());
    run(load::first(&way))?;
    figures.note("start to first answer, ms", name, 1e3 * begun.elapsed().as_secs_f64());
    Ok(())
}

fn measure(ways: &[Way; 3], server: u32, seconds: Duration, figures: &mut Figures) -> Result<()> {
    // Until what is done after the start is done, too.
    std::thread::sleep(Duration::from_secs(1));
    memory(ways, "memory idle, MB", "VmRSS", figures);
    for load in &LOADS {
        for way in ways {
            // The load's h2 breaks off what mitmdump sends: "too_many_data_frames".
            if !(load.over == load::Over::Streams && way.name == "mitmdump") {
                under(load, way, server, seconds, figures)?;
            }
        }
    }
    memory(ways, "memory now, after requests, MB", "VmRSS", figures);
    for (up, what) in [(false, "1 GB down, MB/s"), (true, "1 GB up, MB/s")] {
        for way in ways {
            figures.note(what, way.name, run(load::body(way, BIG_BYTES, up))? / 1e6);
        }
    }
    for way in ways {
        let streamed = run(load::stream(way))?;
        figures.note("stream: first piece, us", way.name, 1e6 * streamed.first.as_secs_f64());
        figures.note(
            "stream: delay of a piece, p50, us",
            way.name,
            1e6 * at(&streamed.each, 50).as_secs_f64(),
        );
        figures.note(
            "stream: delay of a piece, p99, us",
            way.name,
            1e6 * at(&streamed.each, 99).as_secs_f64(),
        );
    }
    memory(ways, "memory at its highest, MB", "VmHWM", figures);
    Ok(())
}

/// One way under one kind of load; what it costs is counted in the CPU time of all who have a part in it as well.
fn under(load: &Load, way: &Way, server: u32, seconds: Duration, figures: &mut Figures) -> Result<()> {
    run(load::requests(way, load.clients, load.over, seconds / 5))?;
    let used = || -> Result<[Duration; 2]> {
        let proxy = way.pid().map_or(Ok(Duration::ZERO), cpu)?;
        Ok([proxy, proxy + cpu(server)? + cpu(std::process::id())?])
    };
    let before = used()?;
    let took: Took = run(load::requests(way, load.clients, load.over, seconds))?;
    let after = used()?;
    let each = |i: usize| 1e6 * (after[i] - before[i]).as_secs_f64() / took.each.len() as f64;
    let mut note = |what: &str, value| figures.note(format!("{}, {what}", load.name), way.name, value);
    note("requests/s", took.per_second);
    note("p50, us", 1e6 * took.at(50).as_secs_f64());
    note("p99, us", 1e6 * took.at(99).as_secs_f64());
    if way.pid().is_some() {
        note("CPU of the proxy, us", each(0));
    }
    note("CPU of all, us", each(1));
    Ok(())
}

fn memory(ways: &[Way; 3], what: &'static str, line: &str, figures: &mut Figures) {
    for way in ways {
        if let Some(kb) = way.memory_kb(line) {
            figures.note(what, way.name, kb as f64 * 1024.0 / 1e6);
        }
    }
}

fn run<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    // Far longer than any of it takes: what hangs is to end with an error and not to wait for ever.
    let work = async { tokio::time::timeout(Duration::from_secs(120), work).await.context("it hangs")? };
    tokio::task::LocalSet::new().block_on(&runtime, work)
}

struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start_server(dir: &Path) -> Result<(Killed, u16)> {
    let child = Command::new(std::env::current_exe()?).arg("server").arg(dir).spawn()?;
    let server = Killed(child);
    let started = Instant::now();
    loop {
        match std::fs::read_to_string(dir.join("port")) {
            Ok(port) => return Ok((server, port.parse()?)),
            Err(error) if started.elapsed() > Duration::from_secs(10) => {
                return Err(error).context("the server did not start");
            }
            Err(_) => std::thread::sleep(Duration::from_millis(5)),
        }
    }
}

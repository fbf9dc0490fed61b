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
use load::{Took, at};
use std::path::Path;
use std::process::{Child, Command};
use std::time::{Duration, Instant};
use ways::Way;

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
struct Figures(Vec<(&'static str, &'static str, f64)>);

impl Figures {
    fn note(&mut self, what: &'static str, way: &'static str, value: f64) {
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
        println!("{:<44} {:>12} {:>12} {:>12}", "median", "no proxy", "airut", "mitmdump");
        let mut seen = Vec::new();
        for (what, _, _) in &self.0 {
            if !seen.contains(what) {
                seen.push(what);
                let cell = |way| self.median(what, way).map_or("-".to_owned(), short);
                println!(
                    "{what:<44} {:>12} {:>12} {:>12}",
                    cell("no proxy"),
                    cell("airut"),
                    cell("mitmdump")
                );
            }
        }
        let of = |what: &str, way: &str| self.median(what, way).unwrap_or(f64::NAN);
        let kept = ["requests/s, kept alive, 1 connection", "requests/s, kept alive, 16 connections"];
        println!();
        for what in kept {
            println!("{what}: {:.1} times mitmdump (aim: 15)", of(what, "airut") / of(what, "mitmdump"));
        }
        let share = 100.0 * of(kept[1], "airut") / of(kept[1], "no proxy");
        println!("{}: {share:.0} % of no proxy (aim: 40)", kept[1]);
        println!("ready in {} ms (aim: 10)", short(of("start to ready, ms", "airut")));
        println!("idle in {} MB (aim: 10)", short(of("memory idle, MB", "airut")));
    }
}

fn short(value: f64) -> String {
    if value >= 100.0 { format!("{value:.0}") } else { format!("{value:.2}") }
}

fn compare(dir: &Path, mitmdump: &Path, rounds: usize, seconds: Duration) -> Result<()> {
    let (_server, port) = start_server(dir)?;
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
        measure(&ways, seconds, &mut figures)?;
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

fn measure(ways: &[Way; 3], seconds: Duration, figures: &mut Figures) -> Result<()> {
    // Until what is done after the start is done, too.
    std::thread::sleep(Duration::from_secs(1));
    memory(ways, "memory idle, MB", "VmRSS", figures);
    for (clients, kept, what) in [
        (1, true, ["requests/s, kept alive, 1 connection", "  p50, us", "  p99, us"]),
        (16, true, ["requests/s, kept alive, 16 connections", "  p50, us ", "  p99, us "]),
        (1, false, ["requests/s, new connections, 1 at a time", "  p50, us  ", "  p99, us  "]),
        (16, false, ["requests/s, new connections, 16 at a time", "  p50, us   ", "  p99, us   "]),
    ] {
        for way in ways {
            run(load::requests(way, clients, kept, seconds / 5))?;
            let took: Took = run(load::requests(way, clients, kept, seconds))?;
            figures.note(what[0], way.name, took.per_second);
            figures.note(what[1], way.name, 1e6 * took.at(50).as_secs_f64());
            figures.note(what[2], way.name, 1e6 * took.at(99).as_secs_f64());
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

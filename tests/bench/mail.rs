//! What `mail.sh` measures of reading alone: `read SECONDS FILE…`, mails a second and megabytes a second,
//! `memory FILE…`, what it takes of the heap, and `reply DIR COUNT ID…`, ordinary answers to these sessions, a file each.

mod memory;

use airut::mail::parse;
use std::fmt::Write;
use std::path::Path;
use std::time::{Duration, Instant};

fn main() -> anyhow::Result<()> {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["read", seconds, ref files @ ..] => read(seconds.parse()?, files),
        ["memory", ref files @ ..] => memory::memory(files),
        ["reply", dir, count, ref sessions @ ..] => replies(dir.as_ref(), count.parse()?, sessions),
        // `cargo bench` without arguments has nothing to do here.
        _ => Ok(()),
    }
}

fn read(seconds: u64, files: &[&str]) -> anyhow::Result<()> {
    let mails: Vec<Vec<u8>> = files.iter().map(std::fs::read).collect::<Result<_, _>>()?;
    let bytes: usize = mails.iter().map(Vec::len).sum();
    let (started, mut rounds) = (Instant::now(), 0_u32);
    while rounds == 0 || started.elapsed() < Duration::from_secs(seconds) {
        for mail in &mails {
            let _ = std::hint::black_box(parse::read(mail));
        }
        rounds += 1;
    }
    let time = started.elapsed().as_secs_f64() / f64::from(rounds);
    report(mails.len(), bytes, time);
    Ok(())
}

#[expect(
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "a bench says what it found, in rough figures"
)]
fn report(mails: usize, bytes: usize, seconds: f64) {
    println!("{:.0} mails/s, {:.1} MB/s", mails as f64 / seconds, bytes as f64 / 1e6 / seconds);
}

/// As mail programs answer: text and HTML, 8 KB, with all that was said before below.
#[expect(clippy::disallowed_methods, reason = "mails on their way, which a mail server has to keep")]
fn replies(dir: &Path, count: usize, sessions: &[&str]) -> anyhow::Result<()> {
    let quoted = "> There are several ways to do this, and each has a cost of its own.\r\n".repeat(40);
    let paragraph =
        "<p>There are several ways to do this, and each has a cost of its own.</p>\r\n".repeat(40);
    for number in 0..count {
        let id = sessions[number % sessions.len()];
        let mut mail = String::new();
        write!(
            mail,
            "Authentication-Results: mx.example.com; dmarc=pass header.from=example.com\r\nFrom: You <you@example.com>\r\n\
To: bench@example.com\r\nDate: Mon, 5 Jan 2026 10:00:00 +0100\r\nMessage-ID: <reply.{number}@example.com>\r\n\
Subject: Re: [ID:{id}] nothing\r\nMIME-Version: 1.0\r\nContent-Type: multipart/alternative; boundary=b\r\n\r\n\
--b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nGo on, number {number}.\r\n\r\n\
On Mon, Jan 5, 2026 at 9:12 AM Airut <bench@example.com> wrote:\r\n{quoted}\r\n\
--b\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<div dir=\"ltr\">Go on, number {number}.</div>\
<div class=\"gmail_quote\"><div class=\"gmail_attr\">On Mon wrote:</div><blockquote class=\"gmail_quote\">{paragraph}</blockquote></div>\r\n--b--\r\n"
        )?;
        std::fs::write(dir.join(format!("{number}.eml")), mail)?;
    }
    Ok(())
}

//! How much of the heap the reading of a mail takes at most, the mail itself included, for each byte of it: of files, and
//! of mails that are made to take much.

use airut::base::limits;
use airut::mail::parse;
use std::alloc::{GlobalAlloc, Layout, System};
use std::fmt::Write;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// What is aimed at.
const TIMES: usize = 10;
/// What a small mail may take whatever its size: limits on its text and its elements keep it within that.
const FLOOR: usize = 16 << 20;

/// The system's allocator, and what is taken from it.
struct Counting;

static TAKEN: AtomicUsize = AtomicUsize::new(0);
static MOST: AtomicUsize = AtomicUsize::new(0);

#[global_allocator]
static HEAP: Counting = Counting;

fn take(size: usize) {
    MOST.fetch_max(TAKEN.fetch_add(size, Relaxed) + size, Relaxed);
}

#[expect(
    unsafe_code,
    reason = "an allocator is unsafe by its trait; this one hands everything on as it came"
)]
// SAFETY: each call goes to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        take(layout.size());
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        TAKEN.fetch_sub(layout.size(), Relaxed);
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        TAKEN.fetch_sub(layout.size(), Relaxed);
        take(size);
        unsafe { System.realloc(at, layout, size) }
    }
}

/// Prints the greatest need of the files, and of each hostile mail; fails where one needs too much.
pub fn memory(files: &[&str]) -> anyhow::Result<()> {
    let mut too_much = Vec::new();
    let mut worst = (0.0, String::new());
    for path in files {
        let mail = std::fs::read(path)?;
        let (times, peak) = measured(&mail);
        if times > worst.0 {
            worst = (times, line(&name(path), mail.len(), times, peak));
        }
        too_much.extend((peak > FLOOR.max(TIMES * mail.len())).then(|| name(path)));
    }
    say(&format!("{} files, at most:\n{}\nmade to take much:", files.len(), worst.1));
    for (name, mail) in hostile() {
        let mail = mail();
        let (times, peak) = measured(&mail);
        say(&line(name, mail.len(), times, peak));
        too_much.extend((peak > FLOOR.max(TIMES * mail.len())).then(|| name.to_owned()));
    }
    anyhow::ensure!(too_much.is_empty(), "more than {TIMES} times its size: {}", too_much.join(", "));
    Ok(())
}

fn name(path: &str) -> String {
    Path::new(path).file_name().unwrap_or_default().to_string_lossy().into_owned()
}

#[expect(clippy::cast_precision_loss, reason = "rough figures")]
fn measured(mail: &[u8]) -> (f64, usize) {
    let before = TAKEN.load(Relaxed);
    MOST.store(before, Relaxed);
    let _ = std::hint::black_box(parse::read(mail));
    let peak = MOST.load(Relaxed) - before + mail.len();
    (peak as f64 / mail.len() as f64, peak)
}

#[expect(clippy::cast_precision_loss, reason = "rough figures")]
fn line(name: &str, size: usize, times: f64, peak: usize) -> String {
    let mb = |bytes: usize| bytes as f64 / 1e6;
    format!("  {name:<34} {:>8.2} MB {:>8.2} MB at most {times:>8.1} times", mb(size), mb(peak))
}

#[expect(clippy::print_stdout, reason = "a bench says what it found")]
fn say(line: &str) {
    println!("{line}");
}

type Hostile = (&'static str, Box<dyn Fn() -> Vec<u8>>);

/// What is longest when it is taken apart.
fn hostile() -> Vec<Hostile> {
    let mut all: Vec<Hostile> = Vec::new();
    for (name, kind, size, unit) in [
        ("euro signs", "text/plain; charset=windows-1252", limits::MESSAGE_BYTES, &b"\x80"[..]),
        (
            "euro signs, framed",
            "text/plain; charset=windows-1252\n\n-----BEGIN PGP SIGNED MESSAGE-----",
            limits::MESSAGE_BYTES,
            b"\x80",
        ),
        (
            "euro signs and carriage returns",
            "text/plain; charset=windows-1252",
            limits::MESSAGE_BYTES,
            b"\x80\x80\x80\x80\x80\r\n",
        ),
        ("carriage returns", "text/plain", limits::MESSAGE_BYTES, b"\r"),
        ("UTF-7", "text/plain; charset=utf-7", limits::MESSAGE_BYTES, b"+IKw-"),
        ("UTF-16", "text/plain; charset=utf-16le", limits::MESSAGE_BYTES, b"\xac\x20"),
        ("damaged UTF-8", "text/plain; charset=utf-8", limits::MESSAGE_BYTES, b"\xc3\xa4\xff"),
        ("half-width kana", "text/plain; charset=shift_jis", limits::MESSAGE_BYTES, b"\xb1"),
        (
            "uuencode",
            "text/plain\n\nbegin 644 x",
            limits::MESSAGE_BYTES,
            b"M8V%T8V%T8V%T8V%T8V%T8V%T8V%T8V%T8V%T8V%T8V%T8V%T8V%T8V%T8V%T\n",
        ),
        ("many uuencoded", "text/plain", limits::MESSAGE_BYTES, b"begin 644 x\n#0V%T\nend\n"),
        ("line ends", "text/plain", limits::REQUEST_BYTES, b"\n"),
        ("short lines", "text/plain", limits::REQUEST_BYTES, b"a\n"),
        ("quotes", "text/plain", limits::REQUEST_BYTES, b">\n"),
        ("flowed lines", "text/plain; format=flowed", limits::REQUEST_BYTES, b"> a \n"),
        ("calendar lines", "text/calendar", 2 << 20, b"A\n"),
        ("attendees", "text/calendar", 2 << 20, b"BEGIN:VEVENT\n"),
        ("euro signs as HTML", "text/html; charset=windows-1252", limits::MESSAGE_BYTES, b"\x80"),
        ("pictures in HTML", "text/html", limits::MESSAGE_BYTES, b"<img src=data:image/a;base64,aaaa>"),
        ("tables", "text/html", limits::HTML_SOURCE_BYTES, b"<table>"),
        ("cells", "text/html", limits::HTML_SOURCE_BYTES, b"<td>"),
        ("signatures", "text/html", limits::HTML_SOURCE_BYTES, b"<a data-sigid>a</a>a"),
        ("quoted", "text/html", limits::HTML_SOURCE_BYTES, b"<a id=yahoo_quoted>a</a>a"),
        ("comments", "text/html", limits::HTML_SOURCE_BYTES, b"<!---->"),
        ("open elements", "text/html", limits::HTML_SOURCE_BYTES, b"<x>"),
        ("paragraphs", "text/html", limits::HTML_BYTES, b"<p>"),
        ("paragraphs with a letter", "text/html", limits::HTML_BYTES, b"<p>a"),
        ("line breaks", "text/html", limits::HTML_BYTES, b"<br>"),
        ("bold letters", "text/html", limits::HTML_BYTES, b"<b>a</b>"),
        ("links", "text/html", limits::HTML_BYTES, b"<a href=mailto:>a</a>"),
        ("items", "text/html", limits::HTML_BYTES, b"<li>a"),
        ("terms", "text/html", limits::HTML_BYTES, b"<dt>a<dd>"),
        ("quoted paragraphs", "text/html", limits::HTML_BYTES, b"<blockquote><p>a</blockquote>"),
        ("code", "text/html", limits::HTML_BYTES, b"<pre>a</pre>"),
        ("rows", "text/html", limits::HTML_BYTES, b"<tr><td>a"),
        ("line breaks, all converted", "text/html", limits::HTML_TAGS * 4, b"<br>"),
        ("bold letters, all converted", "text/html", limits::HTML_TAGS * 4, b"<b>a</b>"),
        ("links, all converted", "text/html", limits::HTML_TAGS * 10, b"<a href=mailto:a>a</a>"),
        ("one paragraph", "text/html", limits::HTML_BYTES, b"a "),
    ] {
        all.push((
            name,
            Box::new(move || {
                [format!("Content-Type: {kind}\n\n").as_bytes(), &unit.repeat(size / unit.len())].concat()
            }),
        ));
    }
    all.push((
        "elements of many names",
        Box::new(|| {
            numbered("Content-Type: text/html\n\n", limits::HTML_SOURCE_BYTES, |n| format!("<x{n}></x{n}>"))
        }),
    ));
    all.push((
        "pictures of many names",
        Box::new(|| {
            numbered("Content-Type: text/html\n\n", limits::MESSAGE_BYTES, |n| {
                format!("<img src=data:image/a;base64,{:08}>", n)
            })
        }),
    ));
    let mixed = "Content-Type: multipart/mixed; boundary=b\n\n";
    all.push((
        "parts of many headers",
        Box::new(move || numbered(mixed, 4 << 20, |_| format!("--b\n{}\n", "a:\n".repeat(1_000)))),
    ));
    all.push((
        "parts without anything",
        Box::new(move || numbered(mixed, limits::MESSAGE_BYTES, |_| "--b\n\n".to_owned())),
    ));
    all.push((
        "text in base64",
        Box::new(|| {
            in_base64("text/plain; charset=windows-1252", &vec![0x80; limits::MESSAGE_BYTES / 4 * 3 - 200])
        }),
    ));
    all.push((
        "a file in base64",
        Box::new(|| in_base64("application/pdf", &vec![0; limits::MESSAGE_BYTES / 4 * 3 - 200])),
    ));
    all.push((
        "winmail.dat, text",
        Box::new(|| winmail(&property(0x1e, 0x1000, &vec![0x80; limits::MESSAGE_BYTES]))),
    ));
    all.push((
        "winmail.dat, HTML",
        Box::new(|| winmail(&property(0x102, 0x1013, &vec![0x80; limits::MESSAGE_BYTES]))),
    ));
    all.push((
        "signed within signed",
        Box::new(|| (0..5).fold(vec![b'a'; limits::MESSAGE_BYTES], |inner, _| signed(&inner))),
    ));
    all
}

fn numbered(head: &str, size: usize, unit: impl Fn(usize) -> String) -> Vec<u8> {
    let mut mail = head.to_owned();
    let mut number = 0;
    while mail.len() < size {
        let _ = write!(mail, "{}", unit(number));
        number += 1;
    }
    mail.into_bytes()
}

fn in_base64(kind: &str, bytes: &[u8]) -> Vec<u8> {
    let letters = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut mail = format!("Content-Type: {kind}\nContent-Transfer-Encoding: base64\n\n").into_bytes();
    for three in bytes.chunks_exact(3) {
        let bits = u32::from(three[0]) << 16 | u32::from(three[1]) << 8 | u32::from(three[2]);
        mail.extend([18, 12, 6, 0].map(|shift| letters[(bits >> shift & 63) as usize]));
    }
    mail
}

/// A property of `winmail.dat`.
fn property(kind: u16, number: u16, value: &[u8]) -> Vec<u8> {
    let length = u32::try_from(value.len()).unwrap_or(0).to_le_bytes();
    [&kind.to_le_bytes()[..], &number.to_le_bytes(), &[1, 0, 0, 0], &length, value].concat()
}

fn winmail(property: &[u8]) -> Vec<u8> {
    let length = u32::try_from(property.len() + 4).unwrap_or(0).to_le_bytes();
    let head = b"Content-Type: application/ms-tnef\nContent-Transfer-Encoding: binary\n\n\x78\x9f\x3e\x22\x01\0\x01\x03\x90\0\0";
    [&head[..], &length, &[1, 0, 0, 0], property, &[0, 0]].concat()
}

/// A message around another.
fn signed(inner: &[u8]) -> Vec<u8> {
    let length = u32::try_from(inner.len()).unwrap_or(0).to_be_bytes();
    let head = b"Content-Type: application/pkcs7-mime\nContent-Transfer-Encoding: binary\n\n0\x80\x06\x09*\x86H\x86\xf7\r\x01\x07\x02\xa0\x800\x80\x02\x01\x011\x000\x80\x06\x09*\x86H\x86\xf7\r\x01\x07\x01\xa0\x80\x04\x84";
    [&head[..], &length, inner].concat()
}

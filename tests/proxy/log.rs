use crate::format::network_log::entry;
use airut::base::limits;
use airut::format::network_log::Verdict;
use airut::proxy::log::Log;
use std::fs::{File, OpenOptions};
use std::path::Path;

fn open(path: &Path) -> File {
    OpenOptions::new().append(true).create(true).open(path).unwrap()
}

#[test]
fn beyond_its_limit_only_a_count_is_kept_and_dns_fills_a_part_only() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    let log = Log::new(open(&path));
    let name = "a".repeat(300);
    for _ in 0..limits::NETWORK_LOG_BYTES / 8 / 300 {
        log.dns("A", &name, "127.0.0.1");
    }
    log.end(None, &entry("https://a.example.com/", "w", "t"));
    drop(log);
    let size = std::fs::metadata(&path).unwrap().len();
    assert!(size <= limits::NETWORK_LOG_BYTES / 8 + 1000, "{size}");
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains("ALLOWED GET https://a.example.com/"));
    assert!(text.trim_end().ends_with("more lines did not fit\""));

    open(&path).set_len(limits::NETWORK_LOG_BYTES - 10).unwrap();
    let log = Log::new(open(&path));
    log.end(None, &entry("https://late.example.com/", "w", "t"));
    drop(log);
    assert!(std::fs::metadata(&path).unwrap().len() < limits::NETWORK_LOG_BYTES + 200);
}

#[test]
fn what_is_blocked_fills_half_of_it_and_what_passes_needs_room() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    // A file of holes: it takes no room on the disk.
    open(&path).set_len(limits::NETWORK_LOG_BYTES - 3 * limits::NETWORK_LOG_RESERVE_BYTES).unwrap();
    let log = Log::new(open(&path));
    let mut blocked = entry("https://evil.example.org/", "no rule names this host", "t");
    blocked.verdict = Verdict::Blocked;
    for _ in 0..3 * limits::NETWORK_LOG_RESERVE_BYTES / 100 {
        log.end(None, &blocked);
    }
    assert!(!log.is_full());
    log.end(None, &entry("https://a.example.com/", "w", "t"));
    assert!(std::fs::read_to_string(&path).unwrap().trim_end().ends_with("[t]"));
    drop(log);
    open(&path).set_len(limits::NETWORK_LOG_BYTES - limits::NETWORK_LOG_RESERVE_BYTES + 1).unwrap();
    assert!(Log::new(open(&path)).is_full());
}

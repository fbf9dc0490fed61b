//! Pauses that end when we are told to stop, and that not everybody makes at the same moment.

use crate::exec::interrupt::Interrupt;
use std::time::{Duration, Instant};

/// How often a pause looks whether it is to end.
const LOOK: Duration = Duration::from_millis(100);

/// Waits, but not beyond a word to stop.
pub fn wait(pause: Duration, interrupt: &Interrupt) {
    let started = Instant::now();
    while !interrupt.is_set() {
        match pause.checked_sub(started.elapsed()) {
            Some(left) if !left.is_zero() => std::thread::sleep(left.min(LOOK)),
            _ => return,
        }
    }
}

/// By chance between half of it and all of it: what failed for all at once is not tried by all at once again.
#[must_use]
pub fn spread(pause: Duration) -> Duration {
    let mut random = [0; 4];
    // Without randomness all of it will do.
    let part = getrandom::fill(&mut random)
        .map_or(1.0, |()| f64::from(u32::from_le_bytes(random)) / f64::from(u32::MAX));
    pause.div_f64(2.0) + pause.div_f64(2.0).mul_f64(part)
}

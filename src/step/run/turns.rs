//! Whose turn it is: among repositories, whichever had none for longest; among processes, whoever waits for a slot before
//! whoever just freed one. Fairness only: nothing here keeps two from doing the same.

use crate::disk::layout::{Global, Layout};
use crate::disk::lock::Lock;
use crate::disk::write;
use std::time::{Duration, Instant, SystemTime};

/// How long one that freed a slot leaves it to others that wait; they look every 100 ms.
const COURTESY: Duration = Duration::from_millis(400);

/// When a repository had its last turn; one from the future (the clock was set back) counts as none.
pub fn last(layout: &Layout) -> SystemTime {
    let modified = std::fs::metadata(layout.turn()).and_then(|meta| meta.modified());
    modified.ok().filter(|turn| *turn <= SystemTime::now()).unwrap_or(SystemTime::UNIX_EPOCH)
}

/// Notes that a repository has its turn. Where that fails, another may wait a little longer.
pub fn note(layout: &Layout) {
    let _ = write::mark_time(&layout.turn());
}

/// This process's place in the line for a slot.
#[derive(Debug, Default)]
pub struct Line {
    /// Held, together with others, by all that wait.
    waiting: Option<Lock>,
    freed_at: Option<Instant>,
}

impl Line {
    /// There is no slot.
    pub fn stand(&mut self, global: &Global) {
        if self.waiting.is_none() {
            self.waiting = Lock::shared(&global.waiting(), COURTESY, "the line for a slot").ok();
        }
    }

    /// There was one.
    pub fn leave(&mut self) {
        self.waiting = None;
    }

    /// One of ours is free again.
    pub fn freed(&mut self) {
        self.freed_at = Some(Instant::now());
    }

    /// Whether another process has waited while we had a slot.
    pub fn lets_others_first(&mut self, global: &Global) -> bool {
        let Some(freed_at) = self.freed_at else { return false };
        let stood = self.waiting.take().is_some();
        let others = matches!(Lock::attempt(&global.waiting()), Ok(None));
        if stood {
            self.stand(global);
        }
        if !others || freed_at.elapsed() >= COURTESY {
            self.freed_at = None;
            return false;
        }
        true
    }
}

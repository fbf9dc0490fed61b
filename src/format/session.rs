//! `session.json`: one conversation. Never mounted into the container.

use crate::base::address::Address;
use crate::base::id::{MessageKey, Model, SessionId};
use crate::base::limits;
use crate::format::version::Versioned;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    pub format: u32,
    pub id: SessionId,
    pub created_at: Timestamp,
    /// Age counts from here: a mail, a run or an answer.
    pub active_at: Timestamp,
    /// The mail that opened it; none when opened by hand.
    pub opened_by: Option<MessageKey>,
    /// Who may continue it: who opened it, and the authorized addressees of its mails.
    pub participants: BTreeSet<Address>,
    /// As the first mail had it.
    pub subject: String,
    pub model: Model,
    /// What `claude --resume` wants; none until a first run said it.
    pub claude_session: Option<String>,
    /// Whether the workspace was ever complete. It is hostile ground from the first run on, and never cloned again.
    pub workspace: bool,
    /// Message-IDs of the thread so far, oldest first.
    pub thread: Vec<String>,
    pub tasks: u32,
}

impl Versioned for Session {
    const FORMAT: u32 = 1;
    fn format(&self) -> u32 {
        self.format
    }
}

impl Session {
    /// Something happened here. A time from the future, of before the clock was set back, would keep it for as long as
    /// that was.
    pub fn mark_active(&mut self, now: Timestamp) {
        let step = SignedDuration::from_secs(limits::CLOCK_STEP_SECONDS);
        let is_possible = self.active_at.duration_since(now) <= step;
        self.active_at = if is_possible { self.active_at.max(now) } else { now };
    }
}

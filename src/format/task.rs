//! `task.json`: one message's (or several joined messages') execution, and what became of its answer.

use crate::base::address::Address;
use crate::base::id::MessageKey;
use crate::format::version::Versioned;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Task {
    pub format: u32,
    pub number: u32,
    pub state: State,
    /// The mails it answers, in order; more than one when several came while the session was busy.
    pub messages: Vec<Message>,
    pub created_at: Timestamp,
    pub started_at: Option<Timestamp>,
    pub finished_at: Option<Timestamp>,
    /// Whether it was begun before: then it is continued, never started afresh.
    pub begun: bool,
    /// How often it was cut off without having been asked to stop; it is continued once.
    pub interruptions: u32,
    /// The mail command that airut answers itself, in `notes`; nothing is run for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    /// Why and until when it waits, or last waited, for Claude's API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parked: Option<Parked>,
    /// What the sender is to be told besides the answer, one sentence each.
    pub notes: Vec<String>,
    /// Why it has no answer, or only a part of one.
    pub failure: Option<Failure>,
    /// What Claude said; part of it when it was cut.
    pub answer: Option<String>,
    pub cost_usd: Option<f64>,
    pub turns: Option<u64>,
    pub web_searches: Option<u64>,
    /// The time the repository gave it.
    pub timeout_seconds: Option<u64>,
    pub acknowledgement: Delivery,
    pub reply: Delivery,
}

impl Versioned for Task {
    const FORMAT: u32 = 1;
    fn format(&self) -> u32 {
        self.format
    }
}

impl Task {
    #[must_use]
    pub fn new(number: u32, messages: Vec<Message>, now: Timestamp) -> Self {
        Self {
            format: Self::FORMAT,
            number,
            state: State::Ready,
            messages,
            created_at: now,
            started_at: None,
            finished_at: None,
            begun: false,
            interruptions: 0,
            command: None,
            parked: None,
            notes: Vec::new(),
            failure: None,
            answer: None,
            cost_usd: None,
            turns: None,
            web_searches: None,
            timeout_seconds: None,
            acknowledgement: Delivery::default(),
            reply: Delivery { state: DeliveryState::Pending, ..Delivery::default() },
        }
    }

    /// Everyone whose mail it answers, once each, in the order of their mails.
    #[must_use]
    pub fn senders(&self) -> Vec<Address> {
        let mut senders: Vec<Address> = Vec::new();
        for message in &self.messages {
            if !senders.contains(&message.from) {
                senders.push(message.from.clone());
            }
        }
        senders
    }

    /// What one of its runs has cost.
    pub fn add_cost(&mut self, cost_usd: Option<f64>) {
        if let Some(more) = cost_usd {
            self.cost_usd = Some(self.cost_usd.unwrap_or_default() + more);
        }
    }

    /// Over, without having run (to its end).
    pub fn fail(&mut self, reason: Reason, detail: impl Into<String>, now: Timestamp) {
        self.state = State::Failed;
        self.failure = Some(Failure { reason, detail: detail.into() });
        self.finished_at = Some(now);
    }
}

/// One mail of a task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    pub key: MessageKey,
    /// Its file in the task's directory.
    pub file: String,
    pub from: Address,
    /// `Message-ID` with its angle brackets.
    pub message_id: Option<String>,
    pub received_at: Timestamp,
    /// As they lie in `inbox/`.
    pub attachments: Vec<String>,
}

/// `ready → running →` one of the rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    Ready,
    Running,
    Done,
    Failed,
    TimedOut,
    Stopped,
    Interrupted,
}

impl State {
    /// Whether it is over.
    #[must_use]
    pub fn is_final(self) -> bool {
        !matches!(self, State::Ready | State::Running)
    }

    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            State::Ready => "ready",
            State::Running => "running",
            State::Done => "done",
            State::Failed => "failed",
            State::TimedOut => "timed_out",
            State::Stopped => "stopped",
            State::Interrupted => "interrupted",
        }
    }
}

/// What went wrong, in a word for programs and a sentence for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    pub reason: Reason,
    /// For the operator; the sender is shown it only where the reason is his to mend.
    pub detail: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// A file below `.airut/` cannot be used.
    Configuration,
    /// A secret that the repository requires is not there.
    MissingSecret,
    /// The repository could not be fetched or cloned.
    Clone,
    /// The image does not build.
    Image,
    /// The proxy or the container could not be started, or ended.
    Sandbox,
    /// The disk was full, so that no more of what Claude Code said could be stored.
    DiskFull,
    /// It needed more memory than its container may use.
    OutOfMemory,
    /// Claude Code ended with an error.
    Execution,
    /// Claude Code printed what is no stream of events, or too much of it.
    Output,
    Timeout,
    Stopped,
    /// Cut off twice.
    Interrupted,
    /// The mail had no request in it.
    EmptyRequest,
    /// The mail was larger than `limits::MESSAGE_BYTES`; only its header was taken.
    TooLarge,
    /// The mail's structure cannot be read.
    Unreadable,
    /// The mail is encrypted, and nothing else is in it.
    Encrypted,
    Internal,
}

/// A task that waits for Claude's API: a usage limit, an overload, a network that is away.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parked {
    /// The first time.
    pub since: Timestamp,
    pub until: Timestamp,
    pub times: u32,
    /// In Claude Code's words, for the operator.
    pub reason: String,
}

/// What became of one mail of ours.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    pub state: DeliveryState,
    /// Fixed before the first attempt and kept in all of them.
    pub message_id: Option<String>,
    pub attempts: u32,
    /// Sent without its attachments, since it was refused with them.
    #[serde(default)]
    pub bare: bool,
    pub sent_at: Option<Timestamp>,
    pub last_error: Option<String>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryState {
    /// None is wanted.
    #[default]
    None,
    Pending,
    Sending,
    Sent,
    Undeliverable,
}

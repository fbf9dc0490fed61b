//! Every sentence that airut itself writes to people: what happened, and what to do next. All in one place, so that
//! they read as if written by one. Nothing here names a path of the host, a secret or a stack.

use crate::base::id::{Model, SessionId};
use crate::base::limits;
use crate::format::size::Size;
use crate::mail::commanded::Commanded;
use jiff::Timestamp;
use std::fmt;

/// What a mail tells besides or instead of Claude's answer. `Display` is its text, in Markdown.
#[derive(Debug, Clone, PartialEq)]
pub enum Notice {
    /// A new session was taken on; sent at once.
    Acknowledged {
        model: Model,
        dashboard: Option<String>,
    },
    /// The answer is what was done until then.
    TimedOut {
        seconds: u64,
        partial: bool,
    },
    ImageBuild {
        output: String,
    },
    /// A file of the repository's `.airut/` is wrong.
    RepositoryConfig {
        error: String,
    },
    MissingSecret {
        name: String,
    },
    /// The remote could not be cloned or fetched.
    Repository {
        error: String,
    },
    /// Claude Code ended with an error.
    Agent {
        error: String,
    },
    /// It printed more than is taken, or nothing that could be read.
    AgentOutput,
    /// Somebody stopped it.
    Stopped {
        partial: bool,
    },
    /// Interrupted, continued, and interrupted again.
    InterruptedTwice {
        partial: bool,
    },
    /// Interrupted once, and continued.
    Continued,
    /// Cut off before Claude had said a word.
    BegunAgain,
    /// Claude's API keeps the work from going on, which it does by itself.
    Parked {
        /// A usage limit, and not an outage.
        limit: bool,
        until: Timestamp,
    },
    /// The conversation could not be resumed.
    Afresh,
    /// Neither text nor attachments.
    EmptyRequest,
    TooLarge {
        bytes: u64,
    },
    Unreadable,
    Encrypted,
    /// Attachments of the mail beyond what is taken: the names of some, and how many more.
    NotTaken {
        names: Vec<String>,
        more: usize,
    },
    /// It ended well and said nothing.
    EmptyReply,
    /// The session that the mail answers is no more.
    SessionGone {
        old: SessionId,
    },
    /// The sender is authorized, and was not in that conversation.
    NotAParticipant {
        old: SessionId,
    },
    /// A model was named on a reply.
    ModelIgnored {
        asked: Model,
        used: Model,
    },
    UnknownModel {
        asked: String,
    },
    /// The sandbox or its proxy did not start or ended early.
    Sandbox,
    /// Twice: it goes on once by itself.
    OutOfMemory {
        partial: bool,
    },
    /// There was no room for what Claude said.
    DiskFull {
        partial: bool,
    },
    /// Files for the answer that were too many, or too large together.
    LeftOut {
        names: Vec<String>,
    },
    /// Files that no answer can take along.
    NeverSent {
        names: Vec<String>,
    },
    /// Files that the mail server did not take.
    Refused {
        names: Vec<String>,
    },
    Internal,
    /// The sender is who he says, and is not on the list.
    NotOnTheList,
    /// Let in, and could not be worked on however often it was tried.
    SetAside,
    /// Beyond a limit of the configuration, which reads like "30 mails an hour for this conversation".
    LimitReached {
        limit: String,
        until: Timestamp,
        waits: bool,
    },
    /// The conversation's files take much of what there is room for, and nobody wrote in it for a while.
    GoesForItsSize {
        bytes: u64,
        max_bytes: u64,
        after: Timestamp,
    },
    /// What a mail command came to.
    Commanded(Commanded),
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Commanded(commanded) => commanded.fmt(f),
            Self::NotOnTheList => f.write_str("Thank you for your mail. This address works for people whom its operator has listed, and you are not among them, so nothing was done. If you should be, please ask whoever runs it. This note comes once a day at most."),
            Self::SetAside => f.write_str("Your mail was let in, but could not be worked on: each attempt failed on our side, and the operator can see why. Please send it again as a new mail; if it stays so, tell the operator."),
            Self::LimitReached { limit, until, waits: false } => write!(f, "Nothing was done with your mail, since a limit is reached: {limit}. There is more from {} on; please send it again then. Mails that come before get no answer.", clock(*until)),
            Self::LimitReached { limit, until, waits: true } => write!(f, "Your mail has arrived and waits, since a limit is reached: {limit}. It is worked on from {} on, without your doing anything; so are those that you send until then.", clock(*until)),
            Self::GoesForItsSize { bytes, max_bytes, after } => write!(f, "The files of this conversation take {}, and all conversations together more than the {} there is room for. The conversation will be cleared away after {}, unless somebody writes in it before.\n\nIf you still need something of it, reply to this mail and say what: that keeps the conversation, and Claude can send you files from it, or remove those that take the room. If you do not, there is nothing to do; a later reply then begins a new conversation.", Size(*bytes), Size(*max_bytes), clock(*after)),
            Self::Acknowledged { model, dashboard } => {
                write!(f, "Thank you, your mail has arrived and {model} is working on it. The answer comes as a reply to this mail.")?;
                match dashboard {
                    Some(link) => write!(f, " You can follow along at <{link}>."),
                    None => Ok(()),
                }
            }
            Self::TimedOut { seconds, partial: true } => {
                write!(f, "The time for this task, {}, ran out, so the answer below is not finished. Reply to this mail to let the work go on.", duration(*seconds))
            }
            Self::TimedOut { seconds, partial: false } => {
                write!(f, "The time for this task, {}, ran out before there was an answer. Reply to this mail to let the work go on, perhaps with a smaller step first.", duration(*seconds))
            }
            Self::ImageBuild { output } => {
                write!(f, "The container image of the repository could not be built, so the work has not begun. Please mend `.airut/container/Dockerfile` on the default branch, then reply to this mail.{}", fenced(output))
            }
            Self::RepositoryConfig { error } => {
                write!(f, "The settings in the repository's `.airut` directory could not be used, so the work has not begun. Please mend them on the default branch, then reply to this mail.{}", fenced(error))
            }
            Self::MissingSecret { name } => {
                write!(f, "The repository asks for the secret `{name}`, which airut has not been given. Please ask the operator to add it, or remove it from `.airut/airut.yaml`, then reply to this mail.")
            }
            Self::Repository { error } => {
                write!(f, "The repository could not be fetched, so the work has not begun. Please reply to this mail to try again; if it stays so, tell the operator.{}", fenced(error))
            }
            Self::Agent { error } => {
                write!(f, "Claude Code could not finish this task. Reply to this mail to try again; what was done so far is kept.{}", fenced(error))
            }
            Self::AgentOutput => f.write_str("Claude Code ended without an answer that could be read. Reply to this mail to try again; what was done so far is kept."),
            Self::Stopped { partial: true } => f.write_str("This task was stopped, so the answer below is not finished. Reply to this mail to let the work go on."),
            Self::Stopped { partial: false } => f.write_str("This task was stopped before there was an answer. Reply to this mail to let the work go on."),
            Self::InterruptedTwice { partial } => {
                let below = if *partial { ", so the answer below is not finished" } else { " and has been left where it is" };
                write!(f, "This task was interrupted twice on our side{below}. Reply to this mail to let the work go on.")
            }
            Self::Continued => f.write_str("The work on this was interrupted once on our side, and was continued where it had stopped."),
            Self::BegunAgain => f.write_str("The work on this was interrupted once on our side before Claude had begun, and was started again."),
            Self::Parked { limit, until } => {
                let why = if *limit { "The usage limit at Claude is reached" } else { "Claude cannot be reached, or is overloaded" };
                write!(f, "{why}, so the work on your mail waits. It goes on from {} on where it has stopped, without your doing anything, and the answer comes as a reply to your mail. If it has to wait for longer, you will not be told again.", clock(*until))
            }
            Self::Afresh => f.write_str("The conversation so far could not be continued, so Claude began afresh in the same workspace, knowing its last answer only. If something from before matters, please repeat it in a reply."),
            Self::EmptyRequest => f.write_str("Your mail arrived without any text, so there was nothing to work on. Reply to this mail with what you would like to be done."),
            Self::TooLarge { bytes } => write!(f, "Your mail was too large to be taken ({} MB, and {} MB is the limit), so nothing was done. Please send it again with fewer or smaller attachments.", bytes.div_ceil(1 << 20), limits::MESSAGE_BYTES >> 20),
            Self::Unreadable => f.write_str("Your mail could not be read: its structure is broken. Please send it again, perhaps as plain text."),
            Self::Encrypted => f.write_str("Your mail is encrypted and there is no key for it here, so it could not be read and nothing was done. Please send it again without encryption."),
            Self::NotTaken { names, more } => write!(f, "Your mail has more attachments than are taken from one mail ({}), so these are missing: {}. Please send them in another mail, or packed into one file.", limits::ATTACHMENT_COUNT, listed(names, *more)),
            Self::EmptyReply => f.write_str("The work ended without a word to send. Reply to this mail to ask what was done."),
            Self::SessionGone { old } => write!(f, "The earlier conversation (ID {old}) is no longer kept, so this is a new one. If something from before matters, please repeat it in a reply."),
            Self::NotAParticipant { old } => write!(f, "You were not part of the conversation you replied to (ID {old}), so this is a new one of your own. If something from it matters, please repeat it in a reply."),
            Self::ModelIgnored { asked, used } => write!(f, "A conversation keeps the model it began with, so this was answered by {used} and not by {asked}. Write `/model {asked}` as the first line of a reply, or a new mail, to use {asked}."),
            Self::UnknownModel { asked } => write!(f, "\"{}\" is not the name of a model that is known here, so the repository's usual one is used. Please write the name after the plus sign in small letters, as in `+opus`.", one_line(asked)),
            Self::Sandbox => f.write_str("The sandbox for this task could not be kept up, so the work was ended for safety. Reply to this mail to try again; if it stays so, tell the operator."),
            Self::OutOfMemory { partial } => {
                let below = if *partial { "the answer below is not finished" } else { "there is no answer" };
                write!(f, "The work on this ran out of memory, also when it was taken up again, so {below}. What was done so far is kept. Reply to this mail to let the work go on with a smaller step, or ask the operator for more memory.")
            }
            Self::DiskFull { partial } => {
                let below = if *partial { "the answer below is not finished" } else { "there is no answer" };
                write!(f, "The disk became full while Claude worked on this, so the work was ended and {below}. What was done so far is kept. Once the operator has made room, reply to this mail to let the work go on.")
            }
            Self::LeftOut { names } => write!(f, "Not attached, because too many or too large together: {}. To get one of them, reply with `/resend NAME` as the first line.", listed(names, 0)),
            Self::NeverSent { names } => write!(f, "Not attached, because too large for any mail or no plain file: {}. Reply to this mail to get it in another way, in parts for example.", listed(names, 0)),
            Self::Refused { names } if names.len() > 1 => write!(f, "The mail server did not take this mail with its files, so it comes without them: {}. To get one of them, reply with `/resend NAME` as the first line.", listed(names, 0)),
            Self::Refused { names } => write!(f, "The mail server did not take this mail with its file, so it comes without it: {}. Reply to this mail to get it in another way, in parts for example.", listed(names, 0)),
            Self::Internal => f.write_str("Something went wrong on our side, and the operator can see what. Reply to this mail to try again."),
        }
    }
}

/// The names, and how many more there are beside them; not all, where somebody left a million files.
fn listed(names: &[String], more: usize) -> String {
    let shown = names.iter().take(limits::LEFT_OUT_NAMES).map(|name| format!("`{}`", one_line(name)));
    let mut listed = shown.collect::<Vec<_>>().join(", ");
    let more = more + names.len().saturating_sub(limits::LEFT_OUT_NAMES);
    if more > 0 {
        listed.push_str(&format!(" and {more} more"));
    }
    listed
}

/// A time for people who may be anywhere.
pub fn clock(time: Timestamp) -> impl fmt::Display {
    time.strftime("%Y-%m-%d %H:%M UTC")
}

fn duration(seconds: u64) -> String {
    let (number, unit) = match seconds {
        s if s >= 3600 && s.is_multiple_of(3600) => (s / 3600, "hour"),
        s if s >= 60 && s.is_multiple_of(60) => (s / 60, "minute"),
        s => (s, "second"),
    };
    format!("{number} {unit}{}", if number == 1 { "" } else { "s" })
}

/// Bytes of an error text in a mail, from its end, where programs say what failed.
const ERROR_BYTES: usize = 2_000;

/// A text in a code block that it cannot end.
fn fenced(text: &str) -> String {
    let text = text.trim();
    if text.is_empty() {
        return String::new();
    }
    let mut start = text.len().saturating_sub(ERROR_BYTES);
    while !text.is_char_boundary(start) {
        start += 1;
    }
    let shown: String =
        text[start..].chars().filter(|&c| !c.is_control() || c == '\n' || c == '\t').collect();
    let longest = shown.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest.max(2) + 1);
    format!("\n\n{fence}\n{shown}\n{fence}")
}

pub fn one_line(text: &str) -> String {
    text.chars().take(100).map(|c| if c.is_control() || c == '`' { ' ' } else { c }).collect()
}

//! What airut answers to a mail command.

use crate::base::id::Model;
use crate::mail::notice::{clock, one_line};
use jiff::Timestamp;
use std::fmt;

#[derive(Debug, Clone, PartialEq)]
pub enum Commanded {
    /// `waiting` tasks were dropped, and one that `running` is being ended.
    Stop {
        running: bool,
        waiting: usize,
    },
    Status(Conversation),
    Model(Model),
    ModelChanged(Model),
    ModelUnknown(String),
    Help,
    /// The file is attached.
    Resent(String),
    NotThere(String),
    /// More stood in the mail than the command.
    RestUnread,
}

/// A conversation at a glance.
#[derive(Debug, Clone, PartialEq)]
pub struct Conversation {
    pub model: Model,
    pub running_since: Option<Timestamp>,
    pub waiting: usize,
    pub answered: usize,
    pub cost_usd: f64,
    /// When it ends if nothing more happens.
    pub kept_until: Timestamp,
}

impl fmt::Display for Commanded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stop { running: false, waiting: 0 } => {
                f.write_str("There was nothing to stop: in this conversation nothing runs and nothing waits.")
            }
            Self::Stop { running: true, waiting: 0 } => f.write_str(
                "The work is being stopped. What there is of its answer comes in a mail of its own.",
            ),
            Self::Stop { running: true, waiting } => write!(
                f,
                "The work is being stopped, and {} not begun. What there is of an answer comes in a mail of its own.",
                tasks(*waiting)
            ),
            Self::Stop { running: false, waiting } => {
                write!(f, "Nothing was running yet; {} not begun.", tasks(*waiting))
            }
            Self::Status(conversation) => conversation.fmt(f),
            Self::Model(model) => write!(
                f,
                "This conversation is answered by {model}. Write `/model NAME` as the first line of a mail to change that."
            ),
            Self::ModelChanged(model) => write!(f, "From now on this conversation is answered by {model}."),
            Self::ModelUnknown(asked) => write!(
                f,
                "\"{}\" is not the name of a model that is known here, so nothing was changed. Known are `opus`, `sonnet`, `haiku`, `opusplan`, and full names that begin with `claude-`.",
                one_line(asked)
            ),
            Self::Help => f.write_str(HELP),
            Self::Resent(name) => write!(f, "Attached is `{}`.", one_line(name)),
            Self::NotThere(name) => write!(
                f,
                "There is no file `{}` among those that answers of this conversation could not take with them, or it is too large for any mail. Reply to this mail to get it in another way.",
                one_line(name)
            ),
            Self::RestUnread => f.write_str(
                "Only the first line of your mail was looked at, since it is a command. If the rest is a request, please send it in a mail of its own.",
            ),
        }
    }
}

const HELP: &str = "Write to this address what you would like to be done, and reply to the answers to go on. A mail \
whose first line is one of these is for airut itself and not for Claude:\n\n\
- `/status`: what runs, what waits, what it has cost\n\
- `/stop`: end what runs and drop what waits; a reply of just \"stop\" does the same\n\
- `/model NAME`: let another model answer from now on; what follows on further lines is worked on\n\
- `/new`: begin another conversation with what follows\n\
- `/resend NAME`: send a file that was too large to go with its answer\n\
- `/help`: this list";

fn tasks(waiting: usize) -> String {
    match waiting {
        1 => "one task that waited is".to_owned(),
        waiting => format!("{waiting} tasks that waited are"),
    }
}

impl fmt::Display for Conversation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.running_since {
            Some(since) => write!(f, "{} is working, since {}", self.model, clock(since))?,
            None => write!(f, "Nothing is running; {} answers here", self.model)?,
        }
        match self.waiting {
            0 => {}
            1 => f.write_str(", and one task waits")?,
            waiting => write!(f, ", and {waiting} tasks wait")?,
        }
        write!(f, ". This conversation has had {} so far", count(self.answered))?;
        if self.cost_usd > 0.0 {
            write!(f, ", for ${:.2}", self.cost_usd)?;
        }
        write!(f, ". Without further mail it is kept until {}.", clock(self.kept_until))
    }
}

fn count(answers: usize) -> String {
    match answers {
        0 => "no answer".to_owned(),
        1 => "one answer".to_owned(),
        answers => format!("{answers} answers"),
    }
}

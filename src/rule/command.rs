//! Mail commands: what the first line of a mail tells airut itself instead of Claude.

use crate::base::id::Model;

/// What airut is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// End what runs and drop what waits.
    Stop,
    Status,
    /// Use this model from now on; none: say which it is. An error has what stood there.
    Model(Option<Result<Model, String>>),
    /// Begin another conversation with the rest of the mail.
    New,
    Help,
    /// Send a file that an answer could not take with it.
    Resend(String),
}

impl Command {
    /// The word a person writes.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Stop => "/stop",
            Self::Status => "/status",
            Self::Model(_) => "/model",
            Self::New => "/new",
            Self::Help => "/help",
            Self::Resend(_) => "/resend",
        }
    }
}

/// The command that a request begins with, and what follows it. A reply may also consist of nothing but "stop".
/// Anything else that begins with a slash is Claude's to read: people write paths.
#[must_use]
pub fn command(request: &str, is_reply: bool) -> Option<(Command, String)> {
    let request = request.trim();
    if is_reply && bare(request) == "stop" {
        return Some((Command::Stop, String::new()));
    }
    let (line, rest) = request.split_once('\n').unwrap_or((request, ""));
    let (word, argument) = line.trim().split_once(char::is_whitespace).unwrap_or((line.trim(), ""));
    let (argument, rest) = (argument.trim(), rest.trim());
    let alone = |command| argument.is_empty().then_some(command);
    let command = match bare(word).as_str() {
        "/stop" => alone(Command::Stop),
        "/status" => alone(Command::Status),
        "/help" => alone(Command::Help),
        "/model" => model(argument).map(Command::Model),
        "/resend" if !argument.is_empty() => {
            Some(Command::Resend(argument.trim_matches(['"', '\'', '`']).to_owned()))
        }
        "/new" => return Some((Command::New, format!("{argument}\n{rest}").trim().to_owned())),
        _ => None,
    }?;
    Some((command, rest.to_owned()))
}

/// In lower case, without the full stop or exclamation mark that phones and people put behind a word.
fn bare(text: &str) -> String {
    text.trim_end_matches(['.', '!']).to_lowercase()
}

/// One word is a model's name; more are a sentence.
fn model(argument: &str) -> Option<Option<Result<Model, String>>> {
    match argument {
        "" => Some(None),
        name if name.contains(char::is_whitespace) => None,
        name => Some(Some(name.to_lowercase().parse().map_err(|_| name.to_owned()))),
    }
}

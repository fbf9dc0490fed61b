//! What a step wants people to hear while it works. Steps never print; `cli/` decides where this goes.

/// How much a sentence matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Shown with `-v`.
    Detail,
    /// Progress.
    Info,
    /// Something is wrong and the work goes on.
    Warning,
}

/// Where a step's sentences go.
pub trait Talk: Sync {
    fn say(&self, level: Level, sentence: &str);

    fn detail(&self, sentence: &str) {
        self.say(Level::Detail, sentence);
    }

    fn info(&self, sentence: &str) {
        self.say(Level::Info, sentence);
    }

    fn warn(&self, sentence: &str) {
        self.say(Level::Warning, sentence);
    }
}

/// Says nothing.
#[derive(Debug)]
pub struct Silent;

impl Talk for Silent {
    fn say(&self, _: Level, _: &str) {}
}

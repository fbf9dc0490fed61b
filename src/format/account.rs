//! `accounts/WHO.json` and a session's `account.json`: what a sender, the whole repository or a session has had in the
//! current hour, day and month (UTC). A few numbers, however much mail there was.

use crate::base::id::MessageKey;
use crate::format::version::Versioned;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Account {
    pub format: u32,
    pub hour: Period,
    pub day: Period,
    pub month: Period,
    /// The mails that were counted last, together: a try that was cut off does not count them again.
    #[serde(default)]
    pub counted: Vec<MessageKey>,
}

/// One hour, day or month.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Period {
    /// Its beginning; what stands in an older one is over.
    pub since: Timestamp,
    /// Mails that are answered.
    pub mails: u32,
    pub cost_usd: f64,
    /// Whether somebody was told, in this period, that there is no more.
    pub told: bool,
}

/// By the calendar, so that everybody can tell when there will be more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Span {
    Hour,
    Day,
    Month,
}

impl Versioned for Account {
    const FORMAT: u32 = 1;
    fn format(&self) -> u32 {
        self.format
    }
}

impl Account {
    /// As it stands at `now`: what is over counts nothing.
    #[must_use]
    pub fn at(self, now: Timestamp) -> Self {
        let current = |period: Period, span: Span| {
            let since = span.start(now);
            if period.since == since { period } else { Period { since, ..Period::default() } }
        };
        Self {
            format: Self::FORMAT,
            hour: current(self.hour, Span::Hour),
            day: current(self.day, Span::Day),
            month: current(self.month, Span::Month),
            counted: self.counted,
        }
    }

    /// These mails more.
    pub fn count(&mut self, keys: &[MessageKey]) {
        let new = keys.iter().filter(|key| !self.counted.contains(key)).count();
        if new > 0 {
            self.counted = keys.to_vec();
            self.more(u32::try_from(new).unwrap_or(u32::MAX));
        }
    }

    /// So many mails more.
    pub fn more(&mut self, mails: u32) {
        self.each(|period| period.mails = period.mails.saturating_add(mails));
    }

    /// So much was spent.
    pub fn spend(&mut self, cost_usd: f64) {
        self.each(|period| period.cost_usd += cost_usd);
    }

    fn each(&mut self, change: impl FnMut(&mut Period)) {
        [&mut self.hour, &mut self.day, &mut self.month].into_iter().for_each(change);
    }

    /// Notes that somebody was told.
    pub fn tell(&mut self, span: Span) {
        match span {
            Span::Hour => self.hour.told = true,
            Span::Day => self.day.told = true,
            Span::Month => self.month.told = true,
        }
    }

    #[must_use]
    pub fn is_told(&self, span: Span) -> bool {
        self.periods().iter().any(|(of, period)| *of == span && period.told)
    }

    #[must_use]
    pub fn periods(&self) -> [(Span, &Period); 3] {
        [(Span::Hour, &self.hour), (Span::Day, &self.day), (Span::Month, &self.month)]
    }
}

impl Span {
    /// When the one that `now` is in began.
    #[must_use]
    pub fn start(self, now: Timestamp) -> Timestamp {
        let now = TimeZone::UTC.to_datetime(now);
        let date = now.date();
        let start = match self {
            Self::Hour => date.at(now.hour(), 0, 0, 0),
            Self::Day => date.at(0, 0, 0, 0),
            Self::Month => date.first_of_month().at(0, 0, 0, 0),
        };
        TimeZone::UTC.to_timestamp(start).unwrap_or(Timestamp::MIN)
    }

    /// When it is over.
    #[must_use]
    pub fn end(self, now: Timestamp) -> Timestamp {
        let start = TimeZone::UTC.to_datetime(self.start(now));
        let end = start.saturating_add(match self {
            Self::Hour => 1.hour(),
            Self::Day => 1.day(),
            Self::Month => 1.month(),
        });
        // Only the last days of the year 9999 have none.
        TimeZone::UTC.to_timestamp(end).unwrap_or(Timestamp::MAX)
    }
}

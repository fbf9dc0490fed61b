//! How much is enough: limits on mails and money for each session, each sender and the whole repository.

use crate::format::account::{Account, Span};
use crate::format::config::Limits;
use jiff::Timestamp;
use std::fmt;

/// Whose account it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whose {
    Session,
    Sender,
    Repo,
}

/// A limit that is reached.
#[derive(Debug, Clone, PartialEq)]
pub struct Reached {
    pub whose: Whose,
    pub span: Span,
    pub limit: Amount,
    /// When the period ends.
    pub until: Timestamp,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Amount {
    Mails(u32),
    Usd(f64),
}

/// The limit that another mail would go beyond; of several, the one that lasts longest. The accounts are as they stand
/// at `now`.
#[must_use]
pub fn reached(accounts: &[(Whose, Account)], limits: &Limits, now: Timestamp) -> Option<Reached> {
    let mut found: Option<Reached> = None;
    for (whose, account) in accounts {
        for (span, period) in account.periods() {
            let (mails, usd) = allowed(*whose, span, limits);
            let mails = mails.filter(|&mails| period.mails >= mails).map(Amount::Mails);
            let usd = usd.filter(|&usd| period.cost_usd >= usd).map(Amount::Usd);
            let until = span.end(now);
            if let Some(limit) = mails.or(usd)
                && found.as_ref().is_none_or(|found| found.until < until)
            {
                found = Some(Reached { whose: *whose, span, limit, until });
            }
        }
    }
    found
}

fn allowed(whose: Whose, span: Span, limits: &Limits) -> (Option<u32>, Option<f64>) {
    match (whose, span) {
        (Whose::Session, Span::Hour) => (Some(limits.session_mails_per_hour), None),
        (Whose::Session, _) => (None, None),
        (Whose::Sender, Span::Hour) => (limits.sender_mails_per_hour, None),
        (Whose::Sender, Span::Day) => (Some(limits.sender_mails_per_day), limits.sender_usd_per_day),
        (Whose::Sender, Span::Month) => (None, limits.sender_usd_per_month),
        (Whose::Repo, Span::Hour) => (limits.repo_mails_per_hour, None),
        (Whose::Repo, Span::Day) => (limits.repo_mails_per_day, limits.repo_usd_per_day),
        (Whose::Repo, Span::Month) => (None, limits.repo_usd_per_month),
    }
}

impl fmt::Display for Reached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whose = match self.whose {
            Whose::Session => "this conversation",
            Whose::Sender => "your address",
            Whose::Repo => "everybody together",
        };
        let span = match self.span {
            Span::Hour => "an hour",
            Span::Day => "a day",
            Span::Month => "a month",
        };
        match self.limit {
            Amount::Mails(1) => write!(f, "1 mail {span} for {whose}"),
            Amount::Mails(mails) => write!(f, "{mails} mails {span} for {whose}"),
            Amount::Usd(usd) => write!(f, "${usd:.2} {span} for {whose}"),
        }
    }
}

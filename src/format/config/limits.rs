//! `[repos.NAME.limits]`: how much is answered, and what it may cost.

use serde::Deserialize;

/// Hours, days and months are the calendar's, in UTC. An absent limit does not limit.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Mails of one conversation that are answered in an hour: two programs that answer each other stop here.
    pub session_mails_per_hour: u32,
    pub sender_mails_per_hour: Option<u32>,
    pub sender_mails_per_day: u32,
    pub repo_mails_per_hour: Option<u32>,
    pub repo_mails_per_day: Option<u32>,
    /// By Claude Code's own figures, in US dollars.
    pub sender_usd_per_day: Option<f64>,
    pub sender_usd_per_month: Option<f64>,
    pub repo_usd_per_day: Option<f64>,
    pub repo_usd_per_month: Option<f64>,
    pub beyond: Beyond,
}

/// What becomes of a mail beyond a limit. Its sender is told, once in each period.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Beyond {
    /// It is set aside.
    #[default]
    Decline,
    /// It waits for the next hour, day or month.
    Wait,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            session_mails_per_hour: 30,
            sender_mails_per_hour: None,
            sender_mails_per_day: 200,
            repo_mails_per_hour: None,
            repo_mails_per_day: None,
            sender_usd_per_day: None,
            sender_usd_per_month: None,
            repo_usd_per_day: None,
            repo_usd_per_month: None,
            beyond: Beyond::Decline,
        }
    }
}

//! How old a mail is: by the date that the own server stamped on top of it (`Received`, RFC 5321 section 4.4), which no
//! sender can change, and, where the mail is signed, by its own `Date`. The first refuses old copies; the second refuses
//! an old genuine mail that somebody caught and sends again, which the server stamps anew. Together with the memory
//! of mails taken (`limits::REJECTED_AGE`, longer than any age that may be set) no mail is accepted twice.

use crate::base::limits;
use crate::format::headers::Headers;
use crate::format::verdict::{Check, Passed, Reason};
use crate::rule::authenticate::Finding;
use jiff::{SignedDuration, Timestamp, fmt::rfc2822::DateTimeParser};

/// A mail that has no stamp at all came by no mail server, and has no age.
#[must_use]
pub fn age(headers: &Headers, max_days: u32, now: Timestamp) -> Finding {
    let wanted = format!("a mail of the last {max_days} days (max_mail_age_days)");
    let (passed, saw) = match judge(headers, max_days, now) {
        Ok(saw) => (Passed::Passed, saw),
        Err(saw) => (Passed::Failed, saw),
    };
    Finding { check: Check::new("age", passed, &saw, wanted), reason: Reason::TooOld }
}

fn judge(headers: &Headers, max_days: u32, now: Timestamp) -> Result<String, String> {
    let Some(stamp) = headers.first("Received") else {
        return Ok("no Received header".to_owned());
    };
    // The date is what follows the last semicolon; a comment may hold one, but not behind the date.
    let date = stamp.rsplit_once(';').map_or("", |(_, date)| date);
    let saw = within("Received", date, max_days, now)?;
    let is_signed = headers.first("DKIM-Signature").is_some();
    if !is_signed {
        return Ok(saw);
    }
    // All of them: which of several was signed is not known here.
    let dates = headers.all("Date").map(|date| within("Date", date, max_days, now));
    Ok(std::iter::once(Ok(saw)).chain(dates).collect::<Result<Vec<_>, _>>()?.join("; "))
}

fn within(name: &str, date: &str, max_days: u32, now: Timestamp) -> Result<String, String> {
    let date = date.trim();
    // A weekday that does not fit the date is a slip, not another date.
    let parser = DateTimeParser::new().relaxed_weekday(true);
    let Ok(at) = parser.parse_timestamp(date) else {
        return Err(format!("{name} has no date that can be read: {date}"));
    };
    let age = now.duration_since(at);
    if age > SignedDuration::from_hours(24 * i64::from(max_days)) {
        return Err(format!("{name} is {} days old: {date}", age.as_hours() / 24));
    }
    if -age > limits::MAIL_AHEAD {
        return Err(format!("{name} is in the future: {date}"));
    }
    Ok(format!("{name} {date}"))
}

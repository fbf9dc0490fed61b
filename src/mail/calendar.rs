//! What a calendar file (RFC 5545) says, in a line for each event: what, when, where, who. A summary for the prompt;
//! the file itself is attached. Passes over what it does not know.

use crate::mail::decode::cut;

/// Events that are told; an exported calendar has thousands.
const EVENTS: usize = 5;
/// Of one text in the summary.
const TEXT_BYTES: usize = 300;
/// Of one file that is looked at.
const FILE_BYTES: usize = 1 << 20;

/// A line for each event.
#[must_use]
pub fn summaries(text: &str) -> Vec<String> {
    let (mut found, mut within, mut event) = (Vec::new(), Vec::<String>::new(), Event::default());
    let mut method = String::new();
    for line in unfolded(cut(text, FILE_BYTES)) {
        let Some(property) = Property::read(&line) else { continue };
        match (property.name.as_str(), within.last().map(String::as_str)) {
            ("BEGIN", _) if within.len() < 10 => within.push(property.value.to_ascii_uppercase()),
            ("END", Some("VEVENT")) => {
                within.pop();
                found.extend(std::mem::take(&mut event).told(&method));
                if found.len() == EVENTS {
                    break;
                }
            }
            ("END", _) => drop(within.pop()),
            ("METHOD", Some("VCALENDAR")) => method = property.value.to_ascii_uppercase(),
            (_, Some("VEVENT")) => event.take(&property),
            _ => {}
        }
    }
    found
}

/// Its lines, those that were folded joined again.
fn unfolded(text: &str) -> impl Iterator<Item = String> {
    let mut lines = text.lines().peekable();
    std::iter::from_fn(move || {
        let mut line = lines.next()?.to_owned();
        while let Some(more) = lines.peek().and_then(|next| next.strip_prefix([' ', '\t'])) {
            line.push_str(more);
            lines.next();
        }
        Some(line)
    })
}

struct Property {
    name: String,
    parameters: String,
    value: String,
}

impl Property {
    /// `NAME;PARAMETER="a:b":value`
    fn read(line: &str) -> Option<Self> {
        let mut quoted = false;
        let colon = line.find(|c| {
            quoted ^= c == '"';
            c == ':' && !quoted
        })?;
        let (name, parameters) = line[..colon].split_once(';').unwrap_or((&line[..colon], ""));
        let value = line[colon + 1..].trim();
        Some(Self {
            name: name.to_ascii_uppercase(),
            parameters: parameters.to_owned(),
            value: value.to_owned(),
        })
    }

    fn parameter(&self, wanted: &str) -> Option<&str> {
        let pair = |pair: &'_ str| pair.split_once('=').map(|(name, _)| name.len());
        self.parameters.split(';').find_map(|parameter| {
            let end = pair(parameter)?;
            parameter[..end].eq_ignore_ascii_case(wanted).then(|| parameter[end + 1..].trim_matches('"'))
        })
    }

    /// On one line, without its escapes.
    fn text(&self) -> String {
        let (mut out, mut escaped) = (String::new(), false);
        for c in cut(&self.value, TEXT_BYTES).chars() {
            match c {
                '\\' if !escaped => {
                    escaped = true;
                    continue;
                }
                'n' | 'N' if escaped => out.push(' '),
                c if c.is_control() => out.push(' '),
                c => out.push(c),
            }
            escaped = false;
        }
        out.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// `20260112T100000` as `2026-01-12 10:00`, with its zone.
    fn time(&self) -> String {
        let value = cut(&self.value, TEXT_BYTES);
        let digits: Vec<char> = value.chars().filter(char::is_ascii_digit).collect();
        let part = |from: usize, to: usize| digits[from..to].iter().collect::<String>();
        if digits.len() < 8 || !value.is_ascii() {
            return self.text();
        }
        let date = format!("{}-{}-{}", part(0, 4), part(4, 6), part(6, 8));
        if digits.len() < 12 {
            return date;
        }
        let zone = if value.ends_with('Z') { Some("UTC") } else { self.parameter("TZID") };
        let zone = zone.map_or_else(String::new, |zone| format!(" {}", one_line(cut(zone, 60))));
        format!("{date} {}:{}{zone}", part(8, 10), part(10, 12))
    }

    /// `mailto:a@example.com`, else the name.
    fn person(&self) -> String {
        let address = self.value.get(..7).filter(|start| start.eq_ignore_ascii_case("mailto:"));
        match address {
            Some(_) => one_line(&self.value[7..]),
            None => self.parameter("CN").map_or_else(|| self.text(), one_line),
        }
    }
}

fn one_line(text: &str) -> String {
    let line: String = cut(text, TEXT_BYTES).chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[derive(Default)]
struct Event {
    what: Option<String>,
    start: Option<String>,
    end: Option<String>,
    place: Option<String>,
    organizer: Option<String>,
    invited: Vec<String>,
    more_invited: usize,
    rule: Option<String>,
}

/// People that are named.
const INVITED: usize = 10;

impl Event {
    fn take(&mut self, property: &Property) {
        let filled = |text: String| Some(text).filter(|text| !text.is_empty());
        match property.name.as_str() {
            "SUMMARY" => self.what = filled(property.text()),
            "DTSTART" => self.start = filled(property.time()),
            "DTEND" | "DURATION" => self.end = filled(property.time()),
            "LOCATION" => self.place = filled(property.text()),
            "ORGANIZER" => self.organizer = filled(property.person()),
            "ATTENDEE" if self.invited.len() < INVITED => self.invited.extend(filled(property.person())),
            "ATTENDEE" => self.more_invited += 1,
            "RRULE" => self.rule = filled(property.text()),
            _ => {}
        }
    }

    fn told(self, method: &str) -> Option<String> {
        let kind = match method {
            "REQUEST" => "invitation to",
            "CANCEL" => "cancellation of",
            "REPLY" => "answer to the invitation to",
            "COUNTER" => "another proposal for",
            _ => "event",
        };
        let when = match (self.start, self.end) {
            (Some(start), Some(end)) => Some(format!("{start} to {end}")),
            (start, end) => start.or(end),
        };
        if self.what.is_none() && when.is_none() {
            return None;
        }
        let mut told = format!("{kind} \"{}\"", self.what.unwrap_or_else(|| "(no title)".to_owned()));
        let mut invited = self.invited.join(", ");
        if self.more_invited > 0 {
            invited = format!("{invited} and {} more", self.more_invited);
        }
        let invited = Some(invited).filter(|invited| !invited.is_empty());
        for (label, value) in [
            (", ", when),
            (", repeated by ", self.rule),
            (", at ", self.place),
            (", organized by ", self.organizer),
            (", with ", invited),
        ] {
            told.extend(value.into_iter().flat_map(|value| [label.to_owned(), value]));
        }
        Some(told)
    }
}

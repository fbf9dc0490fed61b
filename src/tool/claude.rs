//! Claude Code, headless: how it is called, and what its stream of events says. Nothing here runs anything.

use crate::base::id::Model;
use crate::base::limits;
use serde_json::Value;

/// What Claude Code is told by its environment, in every run.
pub const ENVIRONMENT: [(&str, &str); 5] = [
    // It refuses to work without permission prompts as root unless it knows that it is in a sandbox.
    ("IS_SANDBOX", "1"),
    // Keeps `.claude.json` inside the mount, too.
    ("CLAUDE_CONFIG_DIR", "/root/.claude"),
    // Telemetry and update checks would only be blocked and logged.
    ("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1"),
    // What is still at work when the answer is given would end with the container.
    ("CLAUDE_CODE_DISABLE_BACKGROUND_TASKS", "1"),
    ("HOME", "/root"),
];

/// The command line; the prompt goes to standard input, where it may be of any length.
#[must_use]
pub fn command(model: &Model, resume: Option<&str>) -> Vec<String> {
    let mut argv: Vec<String> = [
        "claude",
        "-p",
        "--output-format",
        "stream-json",
        "--verbose",
        "--dangerously-skip-permissions",
        "--model",
    ]
    .map(str::to_owned)
    .into();
    argv.push(model.to_string());
    if let Some(id) = resume {
        argv.extend(["--resume".to_owned(), id.to_owned()]);
    }
    argv
}

/// What the events have said so far. Feed it bytes as they come; a line may be of any length, one over
/// `limits::EVENT_LINE_BYTES` is passed over.
#[derive(Debug, Default)]
pub struct Stream {
    line: Vec<u8>,
    /// The current line is too long to be read.
    skipping: bool,
    facts: Facts,
}

/// What one run's events amount to.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Facts {
    /// For `--resume`; from the first event that has it.
    pub session_id: Option<String>,
    /// Whether any line was an event.
    pub any: bool,
    /// Claude's own words, block by block, tool calls and subagents left out.
    pub texts: Vec<String>,
    pub results: Vec<Outcome>,
    /// When the usage limit that is reached ends, in seconds since 1970.
    pub resets_at: Option<i64>,
    text_bytes: usize,
}

/// One `result` event.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Outcome {
    pub is_error: bool,
    pub text: Option<String>,
    pub errors: Vec<String>,
    pub api_error_status: Option<u64>,
    /// Claude Code's own word for some of them: `usage_limit_reached`, `connection_failed`.
    pub api_error: Option<String>,
    pub cost_usd: Option<f64>,
    pub turns: Option<u64>,
    pub web_searches: Option<u64>,
}

/// What keeps Claude's API from answering, and passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outage {
    /// A usage or rate limit; with the second since 1970 at which it ends, where that is known.
    Limit { resets_at: Option<i64> },
    /// Overloaded, broken, or not to be reached.
    Away,
}

impl Stream {
    pub fn feed(&mut self, mut bytes: &[u8]) {
        while let Some(end) = bytes.iter().position(|&b| b == b'\n') {
            self.extend(&bytes[..end]);
            self.end_line();
            bytes = &bytes[end + 1..];
        }
        self.extend(bytes);
    }

    #[must_use]
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// The last line may lack its newline.
    #[must_use]
    pub fn finish(mut self) -> Facts {
        self.end_line();
        self.facts
    }

    fn extend(&mut self, part: &[u8]) {
        if self.skipping || self.line.len() + part.len() > limits::EVENT_LINE_BYTES {
            self.skipping = true;
            self.line = Vec::new();
        } else {
            self.line.extend_from_slice(part);
        }
    }

    fn end_line(&mut self) {
        if !self.skipping
            && let Ok(event) = serde_json::from_slice::<Value>(&self.line)
        {
            self.facts.note(&event);
        }
        self.line.clear();
        self.skipping = false;
    }
}

impl Facts {
    fn note(&mut self, event: &Value) {
        let Some(kind) = event["type"].as_str() else { return };
        self.any = true;
        if self.session_id.is_none()
            && kind == "system"
            && event["subtype"] == "init"
            && let Some(id) = event["session_id"].as_str().filter(|id| is_uuid(id))
        {
            self.session_id = Some(id.to_owned());
        }
        match kind {
            "assistant" if event["parent_tool_use_id"].is_null() => {
                for block in event["message"]["content"].as_array().into_iter().flatten() {
                    if block["type"] == "text"
                        && let Some(text) = block["text"].as_str().filter(|text| !text.trim().is_empty())
                    {
                        self.note_text(text);
                    }
                }
            }
            "result" => self.note_result(Outcome {
                // In doubt it failed.
                is_error: event["is_error"].as_bool().unwrap_or(true),
                text: event["result"].as_str().map(|text| cut(text, limits::ANSWER_BYTES)),
                errors: event["errors"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .filter_map(Value::as_str)
                    .take(limits::RESULT_COUNT)
                    .map(|error| cut(error, limits::DETAIL_BYTES))
                    .collect(),
                api_error_status: event["api_error_status"].as_u64(),
                api_error: event["api_error"].as_str().map(|word| cut(word, limits::SAW_CHARS)),
                cost_usd: event["total_cost_usd"].as_f64(),
                turns: event["num_turns"].as_u64(),
                web_searches: event["usage"]["server_tool_use"]["web_search_requests"].as_u64(),
            }),
            // The last one counts: a limit may have been reached and be over.
            "rate_limit_event" => {
                let info = &event["rate_limit_info"];
                let reached = info["status"] == "rejected";
                self.resets_at = info["resetsAt"].as_i64().filter(|_| reached);
            }
            _ => {}
        }
    }

    /// The latest, as far as one answer could hold them.
    fn note_text(&mut self, text: &str) {
        let text = cut(text, limits::ANSWER_BYTES);
        self.text_bytes += text.len();
        self.texts.push(text);
        let mut old = 0;
        while self.text_bytes > 2 * limits::ANSWER_BYTES && old + 1 < self.texts.len() {
            self.text_bytes -= self.texts[old].len();
            old += 1;
        }
        self.texts.drain(..old);
    }

    /// The latest; that one was an error is not forgotten with it.
    fn note_result(&mut self, mut result: Outcome) {
        if self.results.len() >= limits::RESULT_COUNT {
            result.is_error |= self.results.remove(0).is_error;
        }
        self.results.push(result);
    }

    /// Exit 0, and a result, and no error in it: none of the three alone will do.
    #[must_use]
    pub fn succeeded(&self, exit_code: i32) -> bool {
        exit_code == 0 && !self.results.is_empty() && self.results.iter().all(|result| !result.is_error)
    }

    /// What to mail: the results in order; and where they are only a coda ("Done.") to a report that came
    /// before the last tool calls, that report first.
    #[must_use]
    pub fn answer(&self) -> Option<String> {
        let results: Vec<&str> =
            self.results.iter().filter_map(|result| result.text.as_deref()).map(str::trim).collect();
        let said = results.join("\n\n");
        let report = self.texts.iter().rev().map(|text| text.trim()).max_by_key(|text| text.len());
        match report {
            Some(report) if is_coda_to(&said, report) => {
                Some(format!("{report}\n\n{said}").trim().to_owned())
            }
            // A last word that is empty: what was said before it.
            _ if said.is_empty() => self.texts.last().map(|text| text.trim().to_owned()),
            _ => Some(said),
        }
    }

    /// What was said before it was cut.
    #[must_use]
    pub fn partial(&self) -> Option<String> {
        let said: Vec<&str> = self.texts.iter().map(|text| text.trim()).collect();
        Some(said.join("\n\n")).filter(|said| !said.is_empty())
    }

    /// The error in Claude Code's own words.
    #[must_use]
    pub fn error(&self) -> Option<String> {
        let result = self.results.last().filter(|result| result.is_error)?;
        result.errors.first().cloned().or_else(|| result.text.clone()).filter(|text| !text.is_empty())
    }

    /// Whether this conversation cannot be resumed, now or later: its transcript is gone, or the API refuses it as
    /// it stands. Judged by the result alone, never by what the agent printed; 401, 429, 529, a network that is
    /// away and an account without money do not poison.
    #[must_use]
    pub fn is_poisoned(&self) -> bool {
        let Some(result) = self.results.last().filter(|result| result.is_error) else { return false };
        let gone =
            result.errors.iter().any(|error| error.starts_with("No conversation found with session ID"));
        // The API says 400 to these, too.
        let paid = |text: &String| {
            !text.contains("Credit balance is too low") && !text.contains("specified API usage limits")
        };
        gone || (matches!(result.api_error_status, Some(400 | 413)) && result.text.as_ref().is_none_or(paid))
    }

    /// Whether it was the API that could not answer, so that the same would go well later. Judged by the result alone.
    #[must_use]
    pub fn outage(&self) -> Option<Outage> {
        let result = self.results.last().filter(|result| result.is_error)?;
        let limit = result.api_error.as_deref() == Some("usage_limit_reached");
        // Older ones said it so: `Claude AI usage limit reached|1750000000`.
        let said = result.text.as_deref().and_then(|text| text.split_once("usage limit reached|"));
        let said = said.map(|(_, second)| second.trim().parse().ok());
        match result.api_error_status {
            _ if limit || said.is_some() => {
                Some(Outage::Limit { resets_at: self.resets_at.or(said.flatten()) })
            }
            Some(429) => Some(Outage::Limit { resets_at: self.resets_at }),
            Some(500..=599) => Some(Outage::Away),
            // No answer at all. That nobody is logged in has no status either.
            None if result.api_error.as_deref() == Some("connection_failed") => Some(Outage::Away),
            None if result.text.as_ref().is_some_and(|text| text.starts_with("Request timed out")) => {
                Some(Outage::Away)
            }
            _ => None,
        }
    }
}

fn cut(text: &str, bytes: usize) -> String {
    text[..text.floor_char_boundary(bytes)].to_owned()
}

/// A closing word under a text several times its length.
fn is_coda_to(said: &str, report: &str) -> bool {
    said.len() < 200 && report.len() > 400 && report.len() > 4 * said.len() && !report.contains(said)
}

/// Only such an ID may come back on a command line.
fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(i, b)| match i {
            8 | 13 | 18 | 23 => b == b'-',
            _ => b.is_ascii_hexdigit(),
        })
}

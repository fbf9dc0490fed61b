//! Errors of the YAML library in our words, with the key that they are about.

use crate::format::repository::{PATH, SANDBOX, shown};
use anyhow::anyhow;
use serde_saphyr::Error;

/// An error of the YAML library in our words, with the key that the line belongs to.
pub fn explain(text: &str, error: &Error) -> anyhow::Error {
    let error = error.without_snippet();
    let at = error.location();
    let line = at.map_or(1, |at| at.line());
    let column = at.map_or(1, |at| at.column());
    let key = key_at(text, usize::try_from(line).unwrap_or(1));
    let why = match error {
        Error::SerdeUnknownField { field, expected, .. } => {
            return anyhow!(
                "{PATH}:{line}:{column}: key {}: not known; allowed: {}",
                shown(field),
                expected.join(", ")
            );
        }
        Error::MultipleDocuments { .. } => "a second document begins; allowed: one".to_owned(),
        Error::DuplicateMappingKey { .. } => "is there twice; allowed: once".to_owned(),
        other => {
            let said = other.to_string();
            // Its first line is the sentence; the place stands before it already.
            let first = said.lines().next().unwrap_or_default();
            let first = first.split(" at line ").next().unwrap_or_default().trim_end_matches(':');
            let first =
                first.replace("mapping start", "a mapping").replace("string scalar", "a single value");
            format!("{first}; allowed: {}", allowed(key.as_deref()))
        }
    };
    match key {
        Some(key) => anyhow!("{PATH}:{line}:{column}: key {key}: {why}"),
        None => anyhow!("{PATH}:{line}:{column}: {why}"),
    }
}

/// What may stand at a key, where all we know is that it did not.
fn allowed(key: Option<&str>) -> &'static str {
    match key {
        Some("timeout") => "whole seconds",
        Some("default_model") => "the name of a model",
        Some(SANDBOX) => "true or false",
        Some("network") => "sandbox_enabled: true or false, one level further in",
        Some("container_env") => "NAME: VALUE, each on a line of its own, one level further in",
        Some(key) if key.starts_with("container_env.") => "text, !secret NAME, !secret? NAME",
        _ => "a YAML mapping with default_model, timeout, network, container_env",
    }
}

/// The path of the key that a line of block style belongs to; a help for people, so a guess will do.
fn key_at(text: &str, line: usize) -> Option<String> {
    let mut path = Vec::new();
    let mut indent = usize::MAX;
    for text in text.lines().take(line).collect::<Vec<_>>().iter().rev() {
        let trimmed = text.trim_start();
        let depth = text.len() - trimmed.len();
        let Some((key, _)) = trimmed.split_once(':') else { continue };
        let is_word = !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c));
        if depth < indent && is_word {
            path.insert(0, key);
            indent = depth;
        }
        if indent == 0 {
            break;
        }
    }
    (!path.is_empty()).then(|| path.join("."))
}

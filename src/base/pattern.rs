//! Shell patterns with the meaning of Python's `fnmatch.fnmatchcase`, compiled once: `*` any run of characters
//! (also `/`), `?` one character, `[abc]`, `[a-z]`, `[!a-z]`; an unclosed `[` means itself.

use std::fmt;

/// A compiled pattern. Matching takes at most text × pattern steps, whatever either holds.
#[derive(Clone)]
pub struct Pattern {
    text: String,
    tokens: Vec<Token>,
}

#[derive(Clone, PartialEq, Eq)]
enum Token {
    One(char),
    Any,
    Run,
    Set { negated: bool, ranges: Vec<(char, char)> },
}

impl Pattern {
    #[must_use]
    pub fn new(text: &str) -> Self {
        let chars: Vec<char> = text.chars().collect();
        let mut tokens = Vec::new();
        let mut at = 0;
        while at < chars.len() {
            let (token, next) = token(&chars, at);
            // `**` says no more than `*` and would only cost time.
            if token != Token::Run || tokens.last() != Some(&Token::Run) {
                tokens.push(token);
            }
            at = next;
        }
        Self { text: text.to_owned(), tokens }
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether the whole of `text` fits.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        let text: Vec<char> = text.chars().collect();
        let (mut at, mut token) = (0, 0);
        // Where the last `*` stands and where its run would end next: the only point to come back to.
        let mut retry: Option<(usize, usize)> = None;
        while at < text.len() {
            match self.tokens.get(token) {
                Some(Token::Run) => {
                    token += 1;
                    retry = Some((token, at));
                }
                Some(one) if one.fits(text[at]) => {
                    token += 1;
                    at += 1;
                }
                _ => match &mut retry {
                    Some((after, end)) => {
                        *end += 1;
                        (token, at) = (*after, *end);
                    }
                    None => return false,
                },
            }
        }
        self.tokens[token..].iter().all(|token| *token == Token::Run)
    }

    /// Whether it can match only one text.
    #[must_use]
    pub fn is_literal(&self) -> bool {
        self.tokens.iter().all(|token| matches!(token, Token::One(_)))
    }
}

impl Token {
    fn fits(&self, c: char) -> bool {
        match self {
            Self::One(one) => *one == c,
            Self::Any | Self::Run => true,
            Self::Set { negated, ranges } => {
                ranges.iter().any(|(low, high)| (*low..=*high).contains(&c)) != *negated
            }
        }
    }
}

/// The token that begins at `at`, and where the next one does.
fn token(chars: &[char], at: usize) -> (Token, usize) {
    match chars[at] {
        '*' => (Token::Run, at + 1),
        '?' => (Token::Any, at + 1),
        '[' => set(chars, at + 1).unwrap_or((Token::One('['), at + 1)),
        one => (Token::One(one), at + 1),
    }
}

/// A set whose `[` was before `start`; `]` in first place belongs to it.
fn set(chars: &[char], start: usize) -> Option<(Token, usize)> {
    let mut negated = chars.get(start) == Some(&'!');
    let first = start + usize::from(negated);
    let close = (first + 1..chars.len()).find(|&i| chars[i] == ']')?;
    let mut ranges = Vec::new();
    let mut at = first;
    while at < close {
        let is_range = at + 2 < close && chars[at + 1] == '-';
        let (low, high) = (chars[at], chars[if is_range { at + 2 } else { at }]);
        if ranges.is_empty() && !negated && low == '!' && low <= high {
            // Only behind ranges that hold nothing. Python drops those first and then finds a set that begins with
            // '!', and this with a literal '-' where it began a range.
            negated = true;
            ranges.extend(is_range.then_some([('-', '-'), (high, high)]).into_iter().flatten());
        } else if low <= high {
            ranges.push((low, high));
        }
        at += if is_range { 3 } else { 1 };
    }
    Some((Token::Set { negated, ranges }, close + 1))
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pattern({:?})", self.text)
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Pattern {}

//! An amount of bytes as people write it: `512m`, `1g`.

use serde::Deserialize;
use std::fmt;
use std::str::FromStr;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub struct Size(pub u64);

impl FromStr for Size {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let allowed = || format!("{text:?} is no size; allowed: a number with k, m, g or t, like 1g, or 0");
        let number = text.trim_end_matches(|c: char| "kmgtKMGT".contains(c));
        let shift = match text[number.len()..].to_ascii_lowercase().as_str() {
            "" => 0,
            "k" => 10,
            "m" => 20,
            "g" => 30,
            "t" => 40,
            _ => return Err(allowed()),
        };
        let is_number = !number.is_empty() && number.bytes().all(|digit| digit.is_ascii_digit());
        let bytes = number.parse::<u64>().ok().filter(|_| is_number).and_then(|n| n.checked_mul(1 << shift));
        bytes.map(Size).ok_or_else(allowed)
    }
}

impl TryFrom<String> for Size {
    type Error = String;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

/// As people read it, in the same units: `8.1 GB`, `512 MB`.
impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = [("TB", 40), ("GB", 30), ("MB", 20), ("KB", 10)];
        let Some((unit, shift)) = units.into_iter().find(|(_, shift)| self.0 >> shift > 0) else {
            return write!(f, "{} bytes", self.0);
        };
        let (whole, rest) = (self.0 >> shift, self.0 & ((1 << shift) - 1));
        // Tenths cut off, not rounded: what is below a limit must not read as if it had reached it.
        match (u128::from(rest) * 10) >> shift {
            tenths if tenths > 0 && whole < 100 => write!(f, "{whole}.{tenths} {unit}"),
            _ => write!(f, "{whole} {unit}"),
        }
    }
}

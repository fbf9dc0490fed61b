//! One file (or folder) per step: options, a report, one function. Steps never print and never name one another:
//! they meet on disk.

pub mod report;
pub mod fetch;
pub mod authorize;
pub mod open;
pub mod run;
pub mod reply;
pub mod proxy;
pub mod gc;
pub mod status;
pub mod check;
pub mod stop;

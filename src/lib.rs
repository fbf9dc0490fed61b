//! airut: a mail comes in, Claude Code works on it in a sandbox, the answer is mailed back.
//!
//! The modules are the layers of the house, lowest first: a file names only layers below its own,
//! and steps never name one another (`tests/house.rs` holds both). `ARCHITECTURE.md` walks one
//! message through them.

pub mod base;
pub mod format;
pub mod disk;
pub mod exec;
pub mod rule;
pub mod mail;
pub mod tool;
pub mod proxy;
pub mod step;
pub mod cli;

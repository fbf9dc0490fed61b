//! One test program that mirrors `src/`: `tests/LAYER/FILE.rs` tests `src/LAYER/FILE.rs`, `whole/` sends mails
//! through everything, `attacks/` tries each class of attack from inside a container, `support/` holds the real parts
//! the tests run against.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![allow(clippy::disallowed_methods, reason = "tests stand outside the house and use their own doors")]

mod house;
mod support;

mod base;
mod format;
mod disk;
mod exec;
mod rule;
mod mail;
mod tool;
mod proxy;
mod attacks;
mod step;
mod cli;
mod whole;

//! The stage: the real parts that the tests run against.
#![allow(dead_code, reason = "a helper may be there before the test that needs it")]

pub mod api;
pub mod faulty_imap;
pub mod images;
pub mod helper;
pub mod letter;
pub mod mailserver;
pub mod mitmproxy;
pub mod mutate;
pub mod tokens;
pub mod world;

mod own;

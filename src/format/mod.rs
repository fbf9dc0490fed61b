//! The written specification: one file per on-disk file, and the configurations. Types and checks; no I/O.
//!
//! Every JSON file carries `"format": 1`. A newer, additive format may be read and is never written back;
//! the configurations refuse unknown keys, the state files ignore them.

pub mod version;
pub mod config;
pub mod secret;
pub mod size;
pub mod repository;
pub mod allowlist;
pub mod network_log;
pub mod session;
pub mod task;
pub mod headers;
pub mod verdict;
pub mod mailbox;
pub mod image;
pub mod sizes;
pub mod account;

//! Everything that touches airut's own directories: the only writer, and the only user of file locks.

pub mod layout;
pub mod queue;
pub mod session;
pub mod lock;
pub mod write;
pub mod batch;
pub mod runtime;
pub mod accounts;
pub mod failures;
pub mod repo;
pub mod room;
pub mod usage;
pub mod notes;
pub mod config;
pub mod crash;

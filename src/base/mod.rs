//! The vocabulary: names, numbers and times that every other layer speaks in. No I/O.

pub mod id;
pub mod address;
pub mod pattern;
pub mod host;
pub mod cidr;
pub mod remote;
pub mod shortage;
pub mod limits;
pub mod fault;
pub mod talk;

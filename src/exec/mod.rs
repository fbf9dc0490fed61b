//! The one door to other programs: clean environment, deadline, own process group, TERM then KILL.

pub mod program;
pub mod interrupt;
pub mod group;
pub mod pause;

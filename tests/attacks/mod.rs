//! The classes of attack on the sandbox, made from inside a real container: each is refused and logged, nothing is
//! looked up for it and nobody spoken to. For root, who may listen on the real ports.

mod stage;

mod names;
mod paths;
mod messages;
mod ways_out;
mod inward;
mod credentials;
mod logs;

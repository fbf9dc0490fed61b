//! The programs airut drives: argument vectors composed and output read by pure functions.

pub mod podman;
pub mod image;
pub mod git;
pub mod source;
pub mod claude;
pub mod secret;
pub mod token;
pub mod sign_in;

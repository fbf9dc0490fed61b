mod config;
mod allowlist;
mod repository;
mod secret;
mod size;
mod specimens;
pub mod network_log;

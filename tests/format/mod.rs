mod config;
mod allowlist;
mod repository;
mod secret;
mod specimens;
pub mod network_log;

mod config;
mod layout;
mod lock;
mod queue;
mod session;
mod write;
mod runtime;

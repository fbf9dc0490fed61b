//! The sandbox's only way out: a TLS-terminating proxy behind one unix socket. The only asynchronous code.

/// What airut shares with the container's init, a program of its own that `build.rs` compiles from this directory.
pub mod init {
    pub mod contract;
    pub mod dns;
    pub mod environment;
    pub mod memory;
    pub mod trust;
}
pub mod settings;
pub mod credentials;
pub mod log;
pub mod answer;
pub mod tls;
pub mod framing;
pub mod strict;
pub mod headers;
pub mod body;
pub mod tunnel;
pub mod connect;
pub mod upstream;
pub mod handle;
pub mod connection;
pub mod cgroup;
pub mod confine;
pub mod serve;
pub mod variables;
pub mod process;

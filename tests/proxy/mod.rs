mod world;

mod attacks;
mod cgroup;
mod credentials;
mod differential;
mod framing;
mod fuzz;
mod init;
mod log;
mod patience;
mod process;
mod serve;
mod connect;
mod container;
mod strict;
mod protocol;
mod clients;

//! Pure decisions: who may, what passes, where it goes, what is next, what is kept. No I/O; the time is a parameter.

pub mod sender;
pub mod authres;
pub mod stamp;
pub mod authenticate;
pub mod age;
pub mod replay;
pub mod automatic;
pub mod authorize;
pub mod request;
pub mod allow;
pub mod learn;
pub mod egress;
pub mod retain;
pub mod fit;
pub mod park;
pub mod route;
pub mod command;
pub mod quota;

mod id;
mod remote;
mod pattern;
mod cidr;

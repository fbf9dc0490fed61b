//! Mail in and out, each library fenced in one file.

pub mod headers;
pub mod decode;
pub mod mime;
pub mod names;
pub mod types;
pub mod subject;
pub mod attribution;
pub mod plain;
pub mod markup;
pub mod quotes;
pub mod html;
pub mod parse;
pub mod prompt;
pub mod markdown;
pub mod compose;
pub mod commanded;
pub mod notice;
pub mod note;
pub mod trust;
pub mod tls;
pub mod net;
pub mod login;
pub mod folder;
pub mod imap;
pub mod maildir;
pub mod smtp;

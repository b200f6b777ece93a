//! The HTTP contract, on a real server.

#[path = "../common/mod.rs"]
mod common;

mod access;
mod errors;
mod foreign;
mod idempotency;
mod limits;
mod meta;
mod streams;
mod traces;

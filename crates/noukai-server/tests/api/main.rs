//! The HTTP contract, on a real server.

#![expect(clippy::expect_used, clippy::panic, reason = "a test that cannot go on says so and ends")]

#[path = "../common/mod.rs"]
mod common;

mod access;
mod authoring;
mod cache;
mod client;
mod code;
mod credit;
mod errors;
mod examples;
mod fallback;
mod foreign;
mod foreign_routes;
mod idempotency;
mod if_match;
mod limits;
mod mcp;
mod meta;
mod oauth;
mod overload;
mod own_keys;
mod paging;
mod people;
mod races;
mod retry;
mod roles;
mod shutdown;
mod spend;
mod streams;
mod test_cases;
mod traces;

/// Which database [`common`] keeps the data of servers in.
const ON_POSTGRES: bool = false;

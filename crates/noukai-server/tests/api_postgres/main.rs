//! The same tests of the API as on SQLite, on PostgreSQL.

#![expect(clippy::expect_used, clippy::panic, reason = "a test that cannot go on says so and ends")]

#[path = "../api/access.rs"]
mod access;
#[path = "../api/authoring.rs"]
mod authoring;
#[path = "../api/cache.rs"]
mod cache;
#[path = "../common/mod.rs"]
mod common;
#[path = "../api/credit.rs"]
mod credit;
#[path = "../api/errors.rs"]
mod errors;
#[path = "../api/fallback.rs"]
mod fallback;
#[path = "../api/foreign.rs"]
mod foreign;
#[path = "../api/idempotency.rs"]
mod idempotency;
#[path = "../api/if_match.rs"]
mod if_match;
#[path = "../api/limits.rs"]
mod limits;
#[path = "../api/meta.rs"]
mod meta;
mod nodes;
#[path = "../api/overload.rs"]
mod overload;
#[path = "../api/own_keys.rs"]
mod own_keys;
#[path = "../api/races.rs"]
mod races;
#[path = "../api/retry.rs"]
mod retry;
#[path = "../api/shutdown.rs"]
mod shutdown;
#[path = "../api/spend.rs"]
mod spend;
#[path = "../api/streams.rs"]
mod streams;
#[path = "../api/test_cases.rs"]
mod test_cases;
#[path = "../api/traces.rs"]
mod traces;

/// Which database [`common`] keeps the data of servers in.
const ON_POSTGRES: bool = true;

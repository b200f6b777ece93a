//! The engine, driven through its ports alone: a scripted model, a recording sink, documents in YAML.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on says so and ends")]

mod branches;
mod code;
mod containers;
mod kept;
mod limits;
mod loops;
mod messages;
mod passes;
mod plan;
mod property;
mod recovery;
mod retries;
mod shown;
mod storing;
mod structured;
mod support;
mod templates;
mod tools;

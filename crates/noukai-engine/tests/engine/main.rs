//! The engine, driven through its ports alone: a scripted model, a recording sink, documents in YAML.

mod branches;
mod containers;
mod limits;
mod loops;
mod messages;
mod passes;
mod property;
mod recovery;
mod retries;
mod storing;
mod structured;
mod support;
mod templates;
mod tools;

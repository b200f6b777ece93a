//! The client against a scripted server: what it sends, what it makes of what comes, and what it refuses to send.
//! Grouped as the contract is: client, options, results, streams, errors, sessions, jobs and traces, blocking.
#![cfg(test)]

mod blocking;
mod calls;
mod client;
mod errors;
mod hostile;
mod jobs;
mod options;
mod otel;
mod public_api;
mod replay;
mod retries;
mod streams;
mod support;
mod tools;
mod traces;

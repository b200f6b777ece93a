//! The real binary, driven as a user drives it. No sleeps: every wait is for a line or for an exit.

#![cfg(test)]

mod care;
mod code;
mod commands;
mod demo;
mod dev;
mod docs;
mod flow;
mod model;
mod models;
mod nodes;
mod profiles;
mod provider;
mod recovery;
mod reload;
mod remote;
mod shutdown;
mod spend;
mod stepping;
mod support;
mod testing;

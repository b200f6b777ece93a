//! Workers: claim jobs, run them, keep their leases alive.
//!
//! Runs nothing itself: what a job does is the use case's business.

mod worker;

pub(crate) use worker::Workers;

//! What must hold once a case has come to rest. Looked at from outside, through the API, beside what the model counted
//! and what the database held at each kill.

mod agreement;
mod calls;
mod streams;

use anyhow::{Result, bail};
use serde_json::Value;
use tokio::time::Instant;

use crate::case::Case;
use crate::client::{Ask, PATIENCE};
use crate::errand::Told;

/// How much the case allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowed {
    /// Steps may be asked for again although nothing was killed: their results could not be stored, or the model failed.
    pub repeats: bool,
    /// Runs may fail: the store or the model did.
    pub failures: bool,
    /// How every run must have ended that its caller does not drive.
    pub ends: Option<&'static str>,
}

impl Allowed {
    /// Kills only.
    pub const KILLS: Self = Self { repeats: false, failures: false, ends: None };
    /// Faults of the store or the model.
    pub const FAULTS: Self = Self { repeats: true, failures: true, ends: None };
}

/// Checks everything; what is wrong is noted with the case.
pub async fn check(case: &Case, allowed: Allowed) -> Result<()> {
    settle(case).await?;
    let all = case.told();
    for told in &all {
        let executions = executions(case, told).await?;
        for execution in &executions {
            agreement::check(case, told, execution, allowed).await?;
        }
        calls::check(case, told, &executions, allowed);
    }
    case.tally.count(|counts| counts.calls += case.mock.count());
    Ok(())
}

/// Waits until no run is under way any more.
async fn settle(case: &Case) -> Result<()> {
    let until = Instant::now() + PATIENCE;
    let mut open = Vec::new();
    while Instant::now() < until {
        open.clear();
        for status in ["running", "pending"] {
            let path = format!("/flow-runs?status={status}&limit=100");
            let reply = case.client.insist(Ask::get(&path)).await?;
            open.extend(reply.body["flowRuns"].as_array().cloned().unwrap_or_default());
        }
        if open.is_empty() {
            return Ok(());
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    for run in &open {
        case.violation(format!("run {} is still {} ({})", run["id"], run["status"], run["triggerType"]));
    }
    bail!("{} runs hang", open.len())
}

/// The runs of an errand.
async fn executions(case: &Case, told: &Told) -> Result<Vec<Value>> {
    let path = format!("/seq/sessions/{}", told.session);
    let reply = case.client.insist(Ask::get(&path)).await?;
    let executions = match reply.status {
        200 => reply.body["executions"].as_array().cloned().unwrap_or_default(),
        404 => Vec::new(),
        status => bail!("session {} was answered {status} {}", told.session, reply.body),
    };
    let ids: Vec<&str> = executions.iter().filter_map(|run| run["executionId"].as_str()).collect();
    if executions.len() > 1 {
        case.violation(format!("{}: one request became {} runs: {}", about(told), ids.len(), ids.join(", ")));
    }
    if let Some(id) = told.execution.as_deref().filter(|id| !ids.contains(id)) {
        case.violation(format!("{}: run {id} was acknowledged and is gone", about(told)));
    }
    Ok(executions)
}

/// Names an errand.
fn about(told: &Told) -> String {
    format!("{} ({:?}, {:?})", told.marker, told.shape, told.wish)
}

//! How soon jobs go on: everything dies while many jobs wait for the model, and starts again. What is measured is
//! reported, not judged.

use std::collections::HashSet;
use std::sync::Arc;

use anyhow::{Context, Result};
use tokio::time::{Instant, timeout};

use super::Planned;
use crate::case::{Case, Errands};
use crate::check::Allowed;
use crate::client::PATIENCE;
use crate::errand::{Cut, Errand, Wish};
use crate::mock::Fault;
use crate::shape::Shape;
use crate::site::LEASE;

const CASES: u32 = 3;
/// Jobs that wait in their second step.
const JOBS: usize = 20;

/// A few, each with nothing else beside it.
pub fn cases() -> Vec<Planned> {
    (0..CASES).map(|index| Planned::alone(format!("recovery:{index}"), Allowed::KILLS, 0, work)).collect()
}

async fn work(case: Arc<Case>) -> Result<()> {
    let mut errands = Errands::new();
    case.site.start().await?;
    for index in 0..JOBS {
        let marker = format!("j{index}");
        case.mock.plan(&marker, "b", [Fault::Hang]);
        let wish = Wish::Job { keyed: false, cut: Cut::Percent(0) };
        case.send(&mut errands, Errand { marker, shape: Shape::Chain, wish });
    }
    let asked = timeout(PATIENCE, all_asked(&case, |_| true)).await.context("the jobs do not begin")?;
    case.kill()?;
    // One server takes its own jobs up at once; of several, nobody knows that the dead will not come back.
    let from = Instant::now() + if case.site.is_shared() { LEASE } else { std::time::Duration::ZERO };
    case.site.start().await?;
    timeout(PATIENCE, all_asked(&case, |number| number > asked)).await.context("the jobs do not go on")?;
    let took = Instant::now().saturating_duration_since(from);
    case.tally.count(|counts| counts.went_on = counts.went_on.max(Some(took)));
    case.done(&mut errands).await;
    Ok(())
}

/// Until the second step of all jobs was asked for by such calls; the number of the last.
async fn all_asked(case: &Case, counts: impl Fn(u64) -> bool) -> u64 {
    loop {
        let calls = case.mock.calls();
        let asked = calls.iter().filter(|call| call.step == "b" && counts(call.number));
        if asked.map(|call| &call.run).collect::<HashSet<_>>().len() == JOBS {
            return calls.len() as u64;
        }
        case.mock.reached(calls.len() as u64 + 1).await;
    }
}

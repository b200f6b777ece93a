//! A model that hangs, answers 429, 500, garbage, half an answer: as often as a block tries again, and once more.

use std::sync::Arc;

use anyhow::Result;

use super::Planned;
use crate::case::{Case, Errands};
use crate::check::Allowed;
use crate::errand::{Cut, Errand, Wish};
use crate::mock::Fault;
use crate::shape::Shape;

/// Most milliseconds that the model takes.
const LATENCY: u32 = 2;
/// Attempts of a block in the flow `frail`.
const ATTEMPTS: usize = 3;

/// A case for each fault, for as many as a block bears and for one more.
pub fn cases() -> Vec<Planned> {
    let mut cases = Vec::new();
    for fault in Fault::ALL {
        for (count, ends) in [(ATTEMPTS - 1, "completed"), (ATTEMPTS, "failed")] {
            let name = format!("model:{fault:?}-{count}").to_lowercase();
            let allowed = Allowed { ends: Some(ends), ..Allowed::FAULTS };
            cases.push(Planned::new(name, allowed, LATENCY, move |case| work(case, fault, count)));
        }
    }
    cases
}

async fn work(case: Arc<Case>, fault: Fault, count: usize) -> Result<()> {
    case.site.start().await?;
    let mut errands = Errands::new();
    let job = Wish::Job { keyed: false, cut: Cut::Percent(10) };
    for (index, wish) in
        [Wish::Execute { keyed: false }, job, Wish::Remaining { deltas: false }].into_iter().enumerate()
    {
        let marker = format!("m{index}");
        case.mock.plan(&marker, "b", std::iter::repeat_n(fault, count));
        case.send(&mut errands, Errand { marker, shape: Shape::Frail, wish });
    }
    case.done(&mut errands).await;
    Ok(())
}

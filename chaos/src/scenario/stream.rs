//! Clients that are cut off at every event of a stream in turn, and go on after the last one they have.

use std::sync::Arc;

use anyhow::Result;

use super::Planned;
use crate::case::{Case, Errands};
use crate::check::Allowed;
use crate::errand::{Cut, Errand, Wish};
use crate::shape::Shape;

/// Most milliseconds that the model takes: streams are followed while their runs go on.
const LATENCY: u32 = 8;
/// More events than any of the streams has.
const EVENTS: u32 = 24;
/// Streams at the same time.
const AT_ONCE: usize = 6;

/// A case for each flow and each kind of stream.
pub fn cases() -> Vec<Planned> {
    let follow: fn(u32) -> Wish = |number| Wish::Job { keyed: false, cut: Cut::After(number) };
    let step: fn(u32) -> Wish = |number| Wish::CutStep { after: number };
    let kinds = [("jobs", follow), ("steps", step)];
    let mut cases = Vec::new();
    for shape in [Shape::Chain, Shape::Fan, Shape::Each(3)] {
        for (kind, wish) in kinds {
            let name = format!("stream:{kind}-{}", shape.slug());
            let wishes = (1..=EVENTS).map(wish).collect();
            cases.push(Planned::new(name, Allowed::KILLS, LATENCY, move |case| work(case, shape, wishes)));
        }
        let every = vec![Wish::Job { keyed: false, cut: Cut::Percent(100) }; AT_ONCE];
        let name = format!("stream:every-{}", shape.slug());
        cases.push(Planned::new(name, Allowed::KILLS, LATENCY, move |case| work(case, shape, every)));
    }
    cases
}

async fn work(case: Arc<Case>, shape: Shape, wishes: Vec<Wish>) -> Result<()> {
    case.site.start().await?;
    for (round, wishes) in wishes.chunks(AT_ONCE).enumerate() {
        let mut errands = Errands::new();
        for (index, wish) in wishes.iter().enumerate() {
            case.send(&mut errands, Errand { marker: format!("s{round}n{index}"), shape, wish: *wish });
        }
        case.done(&mut errands).await;
    }
    Ok(())
}

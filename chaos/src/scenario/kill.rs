//! `kill -9` at random moments under a mixed load: while runs begin, go on and end, and while the server starts again.
//! Of several processes one is killed, now and then all.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;

use super::{Planned, any_errand};
use crate::case::{Case, Errands};
use crate::check::Allowed;
use crate::choices::Choices;

/// Kills of one case: a job may live through all of them.
const KILLS: u32 = 3;

/// Most milliseconds that the model takes.
const LATENCY: u32 = 12;

/// Cases with so many kills in all.
pub fn cases(kills: u32) -> Vec<Planned> {
    let full = (0..kills / KILLS).map(|_| KILLS);
    let rest = Some(kills % KILLS).filter(|rest| *rest > 0);
    let counts = full.chain(rest).enumerate();
    counts
        .map(|(index, kills)| {
            Planned::new(format!("kill:{index}"), Allowed::KILLS, LATENCY, move |case| work(case, kills))
        })
        .collect()
}

async fn work(case: Arc<Case>, kills: u32) -> Result<()> {
    let mut choices = case.choices("load");
    let mut errands = Errands::new();
    case.site.start().await?;
    let mut left = kills;
    let mut round = 0;
    while left > 0 {
        for number in 0..4 + choices.below(7) {
            let errand = any_errand(&mut choices, format!("r{round}n{number}"));
            case.send(&mut errands, errand);
        }
        wait_for_moment(&case, &mut choices).await;
        left -= 1;
        if left > 0 && !case.site.is_shared() && choices.percent(25) {
            case.kill()?;
            case.kill_at_start(Duration::from_millis(u64::from(choices.below(60)))).await?;
            case.site.start().await?;
            left -= 1;
        } else {
            case.strike(&mut choices).await?;
        }
        round += 1;
    }
    case.done(&mut errands).await;
    Ok(())
}

/// Some time from now, or the moment of some call of the model.
async fn wait_for_moment(case: &Case, choices: &mut Choices) {
    if choices.percent(50) {
        tokio::time::sleep(Duration::from_micros(u64::from(choices.below(70_000)))).await;
    } else {
        let number = case.mock.count() + 1 + u64::from(choices.below(25));
        // Fewer calls may come than that.
        let _ = tokio::time::timeout(Duration::from_millis(150), case.mock.reached(number)).await;
    }
}

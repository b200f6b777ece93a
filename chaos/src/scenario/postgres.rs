//! Faults of PostgreSQL while the servers live: their connections are cut, the database restarts in order and out of it.
//! What was acknowledged is done once the fault has passed, and nothing that was stored is done twice.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use noukai_testbed::Stop;

use super::{PASSING, Planned, set_out};
use crate::case::{Case, Errands};
use crate::choices::Choices;

/// Most milliseconds that the model takes.
const LATENCY: u32 = 12;
/// Cases that cut connections.
const CUTS: u32 = 8;
/// Ends every connection to the case's database, in the middle of whatever it does.
const CUT: &str = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = current_database() \
    AND pid <> pg_backend_pid()";

/// The cases.
pub fn cases() -> Vec<Planned> {
    let cut = (0..CUTS).map(|index| Planned::new(format!("store:cut-{index}"), PASSING, LATENCY, cut));
    let restarts = [("fast", Stop::Fast), ("immediate", Stop::Immediate)].map(|(name, how)| {
        Planned::alone(format!("store:restarted-{name}"), PASSING, LATENCY, move |case| restarted(case, how))
    });
    cut.chain(restarts).collect()
}

/// Every connection is cut, several times.
async fn cut(case: Arc<Case>) -> Result<()> {
    let mut choices = case.choices("cuts");
    case.site.start().await?;
    let mut errands = Errands::new();
    for round in 0..4 {
        set_out(&case, &mut errands, &format!("cut{round}n"));
        pause(&mut choices).await;
        case.sql(CUT)?;
    }
    case.done(&mut errands).await;
    Ok(())
}

/// The whole cluster stops for a moment, and with it the database.
async fn restarted(case: Arc<Case>, how: Stop) -> Result<()> {
    let mut choices = case.choices("restarts");
    case.site.start().await?;
    let mut errands = Errands::new();
    for round in 0..2 {
        set_out(&case, &mut errands, &format!("stop{round}n"));
        pause(&mut choices).await;
        let setup = case.setup.clone();
        let restarted = tokio::task::spawn_blocking(move || {
            let postgres = setup.postgres.as_ref().context("no cluster")?;
            postgres.stop(how)?;
            postgres.resume().context("PostgreSQL does not start again")
        });
        restarted.await??;
    }
    case.done(&mut errands).await;
    Ok(())
}

async fn pause(choices: &mut Choices) {
    tokio::time::sleep(Duration::from_millis(u64::from(choices.below(60)))).await;
}

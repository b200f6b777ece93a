//! Faults of SQLite while the server lives: the database locked by another process, the disk full. What was acknowledged
//! is done once the fault has passed, and nothing that was stored is done twice.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use rusqlite::Connection;

use super::{PASSING, Planned, set_out};
use crate::case::{Case, Errands};

/// Most milliseconds that the model takes.
const LATENCY: u32 = 12;
/// The cases.
pub fn cases() -> Vec<Planned> {
    let mut cases = Vec::new();
    // The first is shorter than the server waits for a lock, the second longer.
    for (name, millis) in [("short", 400), ("long", 6_000)] {
        let lasts = Duration::from_millis(millis);
        let name = format!("store:locked-{name}");
        cases.push(Planned::new(name, PASSING, LATENCY, move |case| locked(case, lasts)));
    }
    for (index, room) in [0, 8_192, 40_000].into_iter().enumerate() {
        for kills in [false, true] {
            let name = format!("store:full-{index}{}", if kills { "-killed" } else { "" });
            cases.push(Planned::new(name, PASSING, LATENCY, move |case| full(case, room, kills)));
        }
    }
    cases
}

/// Another process holds the lock for writing.
async fn locked(case: Arc<Case>, lasts: Duration) -> Result<()> {
    case.site.start().await?;
    let mut errands = Errands::new();
    set_out(&case, &mut errands, "before");
    tokio::time::sleep(Duration::from_millis(10)).await;
    let other = Connection::open(case.site.folder.join("noukai.db")).context("cannot open the database")?;
    other.busy_timeout(Duration::from_secs(5)).context("cannot wait for the lock")?;
    other.execute_batch("BEGIN IMMEDIATE").context("cannot lock the database")?;
    set_out(&case, &mut errands, "during");
    tokio::time::sleep(lasts).await;
    other.execute_batch("ROLLBACK").context("cannot unlock the database")?;
    drop(other);
    case.done(&mut errands).await;
    Ok(())
}

/// The server's files cannot grow by more than `room` bytes for a while, in which it may be killed too.
async fn full(case: Arc<Case>, room: u64, kills: bool) -> Result<()> {
    case.site.start().await?;
    let mut errands = Errands::new();
    set_out(&case, &mut errands, "before");
    tokio::time::sleep(Duration::from_millis(10)).await;
    let size = |name: &str| fs::metadata(case.site.folder.join(name)).map_or(0, |data| data.len());
    case.site.bound_files(Some(size("noukai.db").max(size("noukai.db-wal")) + room))?;
    set_out(&case, &mut errands, "during");
    tokio::time::sleep(Duration::from_millis(400)).await;
    if kills {
        case.kill()?;
        case.site.start().await?;
    } else {
        case.site.bound_files(None)?;
    }
    case.done(&mut errands).await;
    Ok(())
}

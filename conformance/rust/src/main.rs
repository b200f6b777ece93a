//! Runs one phase of the parity table through the crate `noukai`: one JSON line per scenario on standard output,
//! `{"name", "outcome"}`. What a call and an outcome look like is written down in `conformance/parity/README.md`.

mod call;
mod outcome;
mod scenario;

use std::{fs, io::Write};

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::scenario::{Place, Scenario};

const CLIENT: &str = "rust";

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let (path, phase) = arguments.next().zip(arguments.next()).context("usage: noukai-parity TABLE PHASE")?;
    let table: Value = serde_json::from_str(&fs::read_to_string(&path).context(path)?)?;
    let place = Place::from_environment()?;
    for row in call::list(&table, "scenarios") {
        let is_ours = call::text(row, "phase").unwrap_or("server") == phase && row["skips"].get(CLIENT).is_none();
        if !is_ours {
            continue;
        }
        let outcome = Scenario::new(&table, row, place.clone())?.run(row).await;
        let line = json!({"name": row["name"], "outcome": outcome});
        writeln!(std::io::stdout(), "{line}")?;
    }
    Ok(())
}

//! Books of calls, run by run: the model's own, and the ledger's as the API tells it.

use std::collections::HashMap;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::load::Client;
use super::model::MARK;

/// One call, as far as both sides know it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// The model that was asked.
    pub model: String,
    /// How it ended, as the ledger names it.
    pub outcome: String,
    /// Tokens read.
    pub prompt: u64,
    /// Tokens written.
    pub completion: u64,
    /// In units of 10^-12 US dollars; `None`: nobody knows.
    pub cost: Option<u64>,
}

/// What calls took together.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Sums {
    /// Calls.
    pub calls: u64,
    /// Those without a reply.
    pub failed: u64,
    /// Those of unknown cost.
    pub unpriced: u64,
    /// Tokens read.
    pub prompt: u64,
    /// Tokens written.
    pub completion: u64,
    /// In units of 10^-12 US dollars.
    pub cost: u128,
}

impl Sums {
    /// Of these entries.
    pub fn of<'e>(entries: impl IntoIterator<Item = &'e Entry>) -> Self {
        entries.into_iter().fold(Self::default(), |mut sums, entry| {
            sums.calls += 1;
            sums.failed += u64::from(entry.outcome != "completed");
            sums.unpriced += u64::from(entry.cost.is_none());
            sums.prompt += entry.prompt;
            sums.completion += entry.completion;
            sums.cost += u128::from(entry.cost.unwrap_or_default());
            sums
        })
    }

    fn read(total: &Value) -> Result<Self> {
        let count = |name: &str| total.pointer(name).and_then(Value::as_u64).with_context(|| format!("no {name}"));
        Ok(Self {
            calls: count("/calls")?,
            failed: count("/failedCalls")?,
            unpriced: count("/unpricedCalls")?,
            prompt: count("/tokens/prompt")?,
            completion: count("/tokens/completion")?,
            cost: units(&total["costUsd"])?,
        })
    }
}

/// All calls of all runs.
#[derive(Default, Clone)]
pub struct Books {
    calls: u64,
    runs: HashMap<u32, Vec<Entry>>,
    /// What the API says they took together, and what a budget says in tokens. Empty in the model's.
    pub told: Option<(Sums, u64)>,
}

impl Books {
    /// Calls so far.
    pub const fn calls(&self) -> u64 {
        self.calls
    }

    /// Writes one down.
    pub fn add(&mut self, run: u32, entry: Entry) {
        self.calls += 1;
        self.runs.entry(run).or_default().push(entry);
    }

    /// A run's calls, sorted.
    pub fn of(&self, run: u32) -> Vec<Entry> {
        let mut entries = self.runs.get(&run).cloned().unwrap_or_default();
        entries.sort();
        entries
    }

    /// All of them.
    pub fn all(&self) -> impl Iterator<Item = &Entry> {
        self.runs.values().flatten()
    }

    /// The runs in it.
    pub fn runs(&self) -> impl Iterator<Item = u32> {
        self.runs.keys().copied()
    }

    /// The ledger: every call, page by page, and the sums.
    pub async fn read(client: &Client, runs: u32) -> Result<Self> {
        let mut books = Self::default();
        let mut path = "/usage/calls?limit=1000".to_owned();
        loop {
            let page = client.get(&path).await?;
            for call in page["calls"].as_array().context("no calls")? {
                let (run, entry) = read(call)?;
                ensure!(run < runs, "a call of a run that was never begun: {call}");
                books.add(run, entry);
            }
            let Some(next) = page["next"].as_str() else { break };
            path = format!("/usage/calls?limit=1000&after={next}");
        }
        let total = Sums::read(&client.get("/usage?groupBy=").await?["total"])?;
        let budgets = client.get("/budgets").await?;
        let spent = budgets["budgets"][0]["spent"].as_str().context("no budget")?;
        books.told = Some((total, spent.parse().context("the budget is no number")?));
        Ok(books)
    }
}

fn read(call: &Value) -> Result<(u32, Entry)> {
    let text = |name: &str| call[name].as_str().with_context(|| format!("no {name} in {call}"));
    let count = |name: &str| call["tokens"][name].as_u64().with_context(|| format!("no tokens in {call}"));
    let run = text("session")?.strip_prefix(MARK).and_then(|number| number.parse().ok());
    let cost = call.get("costUsd").filter(|cost| !cost.is_null()).map(units).transpose()?;
    let entry = Entry {
        model: text("model")?.to_owned(),
        outcome: text("outcome")?.to_owned(),
        prompt: count("prompt")?,
        completion: count("completion")?,
        cost: cost.map(u64::try_from).transpose()?,
    };
    Ok((run.with_context(|| format!("of no run: {call}"))?, entry))
}

/// A decimal number of US dollars in units of 10^-12.
fn units(text: &Value) -> Result<u128> {
    let text = text.as_str().context("no decimal")?;
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    ensure!(part.len() <= 12, "more than twelve digits: {text}");
    format!("{whole}{part:0<12}").parse().with_context(|| format!("no decimal: {text}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn money_is_read_to_the_last_digit() {
        assert_eq!(units(&json!("0.00000285")).expect("a decimal"), 2_850_000);
        assert_eq!(units(&json!("12")).expect("a decimal"), 12_000_000_000_000);
        assert!(units(&json!("0.0000000000001")).is_err());
    }

    #[test]
    fn a_call_without_a_cost_is_unpriced() {
        let call =
            json!({"session": "run-3", "model": "m", "outcome": "cut_off", "tokens": {"prompt": 0, "completion": 0}});
        let (run, entry) = read(&call).expect("a call");
        assert_eq!((run, Sums::of([&entry]).unpriced, Sums::of([&entry]).failed), (3, 1, 1));
    }
}

//! What is said: a line now and then, every violation at once, a table at the end.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::case::Verdict;
use crate::output;
use crate::tally::Tally;

/// Time between two lines of progress.
const EVERY: Duration = Duration::from_secs(5);
/// Violations of one case that are shown.
const SHOWN: usize = 5;

/// The results so far.
pub struct Report {
    again: String,
    seed: u64,
    planned: usize,
    scenarios: BTreeMap<String, Row>,
    start: Instant,
    said: Instant,
}

/// The results of one scenario.
#[derive(Default)]
struct Row {
    cases: usize,
    failed: usize,
    took: Duration,
    tally: Tally,
}

impl Report {
    /// Nothing yet. `again` is the command that runs a case again, but for its name.
    pub fn new(again: String, seed: u64, planned: usize) -> Self {
        let now = Instant::now();
        Self { again, seed, planned, scenarios: BTreeMap::new(), start: now, said: now }
    }

    /// Takes a case in.
    pub fn add(&mut self, verdict: &Verdict, took: Duration) {
        let scenario = verdict.name.split_once(':').map_or(verdict.name.as_str(), |(scenario, _)| scenario);
        let row = self.scenarios.entry(scenario.to_owned()).or_default();
        row.cases += 1;
        row.took += took;
        row.tally.add(&verdict.tally);
        if !verdict.violations.is_empty() {
            row.failed += 1;
            self.violated(verdict);
        }
        if self.said.elapsed() >= EVERY {
            self.said = Instant::now();
            output::note(&self.progress());
        }
    }

    fn violated(&self, verdict: &Verdict) {
        output::note(&format!("VIOLATION in {}:", verdict.name));
        for what in verdict.violations.iter().take(SHOWN) {
            output::note(&format!("  {what}"));
        }
        if verdict.violations.len() > SHOWN {
            output::note(&format!("  and {} more", verdict.violations.len() - SHOWN));
        }
        if !verdict.last_words.is_empty() {
            output::note("  the servers' last words:");
        }
        for line in &verdict.last_words {
            output::note(&format!("    {line}"));
        }
        output::note(&format!("  again: {} --only {}", self.again, verdict.name));
    }

    fn progress(&self) -> String {
        let (mut cases, mut failed, total) = (0, 0, Tally::default());
        for row in self.scenarios.values() {
            cases += row.cases;
            failed += row.failed;
            total.add(&row.tally);
        }
        let counts = total.counts();
        let seconds = self.start.elapsed().as_secs();
        format!(
            "{seconds:>4} s  {cases}/{} cases, {} kills, {} runs, {} calls of the model, {failed} cases with violations",
            self.planned, counts.kills, counts.runs, counts.calls
        )
    }

    /// Says all of it; whether nothing was wrong, and something was looked at.
    pub fn sum_up(&self) -> bool {
        output::line(&format!("\nseed {}, {:.1} s", self.seed, self.start.elapsed().as_secs_f64()));
        output::line(
            "| scenario | cases | kills | requests | jobs | runs | model calls | stored at kills | events | failed |",
        );
        output::line("| --- | --: | --: | --: | --: | --: | --: | --: | --: | --: |");
        for (name, row) in &self.scenarios {
            let counts = row.tally.counts();
            output::line(&format!(
                "| {name} | {} | {} | {} | {} | {} | {} | {} | {} | {} |",
                row.cases,
                counts.kills,
                counts.requests,
                counts.jobs,
                counts.runs,
                counts.calls,
                counts.facts,
                counts.events,
                row.failed
            ));
        }
        if let Some(took) = self.scenarios.values().filter_map(|row| row.tally.counts().went_on).max() {
            output::line(&format!("jobs went on {} ms after they could, at the latest", took.as_millis()));
        }
        let failed: usize = self.scenarios.values().map(|row| row.failed).sum();
        output::line(&format!("{failed} cases with violations"));
        failed == 0 && self.planned > 0
    }
}

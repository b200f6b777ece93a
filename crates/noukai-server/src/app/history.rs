//! A run's stored events, read back: its steps for traces and sessions, its results for going on.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use noukai_api::{StepStatus, Tokens};
use noukai_engine::{Done, DoneOutputs, Slot};
use noukai_store::{EventRecord, RunRecord};
use rust_decimal::Decimal;
use serde_json::Value;

use super::{
    App, AppError,
    capture::Content,
    record::{Completed, Failed, Record, Started, Stored, Used},
};

/// Events read at once.
const PAGE: u32 = 500;

/// All events of a run, in order.
pub(crate) struct History {
    pub events: Vec<Happened>,
}

/// One stored event, read.
pub(crate) struct Happened {
    pub seq: u64,
    pub record: Record,
    pub state: Option<String>,
}

/// One attempt of a step, put together from its events.
#[derive(Debug, Clone)]
pub(crate) struct StepRow {
    pub step: String,
    pub name: String,
    pub leaf: u32,
    pub path: Vec<u32>,
    pub attempt: u32,
    pub status: StepStatus,
    /// Microseconds since the epoch.
    pub started_at: i64,
    pub completed_at: Option<i64>,
    pub duration_ms: Option<u64>,
    pub used: Used,
    pub input: Content,
    pub output: Option<Content>,
    pub prompt: Option<Arc<Value>>,
    pub printed: Option<Content>,
    pub error: Option<Value>,
    /// What stands in the item's place, where this attempt failed its item in a loop that went on.
    pub item_error: Option<Value>,
    /// Whether it was made in the job that this run tries again.
    pub carried: bool,
}

impl Happened {
    pub fn read(event: EventRecord) -> Result<Self, AppError> {
        let stored: Stored = serde_json::from_str(&event.payload).map_err(AppError::internal)?;
        Ok(Self { seq: event.seq, record: stored.record, state: event.state })
    }
}

impl App {
    /// All events of a run, without the results that are stored beside them.
    pub(crate) async fn history(&self, run: &RunRecord) -> Result<History, AppError> {
        self.read_history(run, false).await
    }

    /// All events of a run, with everything it needs to go on.
    pub(crate) async fn history_with_results(&self, run: &RunRecord) -> Result<History, AppError> {
        self.read_history(run, true).await
    }

    async fn read_history(&self, run: &RunRecord, results: bool) -> Result<History, AppError> {
        let mut events = Vec::new();
        let mut after = 0;
        loop {
            let store = self.store();
            let page = if results {
                store.events_with_state(run.project_id, run.id, after, PAGE).await?
            } else {
                store.events(run.project_id, run.id, after, PAGE).await?
            };
            let last = page.len() < PAGE as usize;
            for event in page {
                after = event.seq;
                events.push(Happened::read(event)?);
            }
            if last {
                return Ok(History { events });
            }
        }
    }
}

impl History {
    /// Attempts of steps, in order of start.
    pub fn rows(&self) -> Vec<StepRow> {
        let mut rows: Vec<StepRow> = Vec::new();
        let mut at: HashMap<(u32, Vec<u32>, u32), usize> = HashMap::new();
        let carried = self.carried();
        for happened in &self.events {
            match &happened.record {
                Record::Started(started) => {
                    at.insert((started.leaf, started.path.clone(), started.attempt), rows.len());
                    rows.push(StepRow { carried: happened.seq <= carried, ..StepRow::started(started) });
                }
                Record::Failed(failed) => {
                    let key = (failed.leaf, failed.path.clone(), failed.attempt);
                    if let Some(row) = at.get(&key).and_then(|index| rows.get_mut(*index)) {
                        row.fail(failed);
                    }
                }
                Record::Completed(completed) => {
                    let key = (completed.leaf, completed.path.clone(), completed.attempt);
                    if let Some(row) = at.get(&key).and_then(|index| rows.get_mut(*index)) {
                        row.complete(completed);
                    }
                }
                Record::ItemFailed { leaf, path, error, .. } => {
                    if let Some(row) = rows.iter_mut().rev().find(|row| row.leaf == *leaf && row.path.starts_with(path))
                    {
                        row.item_error = Some(error.clone());
                    }
                }
                Record::Skipped { step, name, leaf, at } => {
                    rows.push(StepRow { carried: happened.seq <= carried, ..StepRow::skipped(step, name, *leaf, *at) });
                }
                _ => {}
            }
        }
        rows
    }

    /// The highest attempt of each leaf and iteration.
    pub fn attempts(&self) -> BTreeMap<Slot, u32> {
        let mut attempts = BTreeMap::new();
        for row in self.rows() {
            let slot = Slot { leaf: row.leaf as usize, path: row.path };
            let highest = attempts.entry(slot).or_insert(0);
            *highest = row.attempt.max(*highest);
        }
        attempts
    }

    /// Attempts that began and never ended.
    pub fn dangling(&self) -> Vec<StepRow> {
        self.rows().into_iter().filter(|row| row.status == StepStatus::Running).collect()
    }

    /// Results that are stored, for a run that goes on after a crash.
    pub fn done(&self) -> Result<DoneOutputs, AppError> {
        let mut done = DoneOutputs { attempts: self.attempts(), ..DoneOutputs::default() };
        for happened in &self.events {
            match &happened.record {
                Record::Started(started) => {
                    done.announced.insert(started.leaf as usize);
                }
                Record::Completed(completed) => {
                    let output = happened.result()?;
                    let slot = Slot { leaf: completed.leaf as usize, path: completed.path.clone() };
                    if slot.path.is_empty() {
                        done.reported.insert(slot.leaf, output.clone());
                    }
                    done.slots.insert(slot, Done::Output(output));
                }
                Record::LeafCompleted(completed) => {
                    done.reported.insert(completed.leaf as usize, happened.result()?);
                }
                Record::Skipped { leaf, .. } => {
                    done.reported.insert(*leaf as usize, happened.result()?);
                }
                Record::ItemFailed { leaf, path, .. } => {
                    let slot = Slot { leaf: *leaf as usize, path: path.clone() };
                    done.slots.insert(slot, Done::ItemFailed(happened.result()?));
                }
                _ => {}
            }
        }
        Ok(done)
    }

    /// The number of the last event that came from the job that this run tries again; 0 where none did.
    pub fn carried(&self) -> u64 {
        match self.events.first() {
            Some(Happened { seq, record: Record::RunStarted { carried, .. }, .. }) if *carried > 0 => seq + carried,
            _ => 0,
        }
    }

    /// What the run took, where that was kept.
    pub fn inputs(&self) -> Option<&Content> {
        match self.events.first() {
            Some(Happened { record: Record::RunStarted { inputs, .. }, .. }) => inputs.as_ref(),
            _ => None,
        }
    }

    /// Numbers of the events that hold a result of this run's own.
    pub fn result_seqs(&self) -> Vec<u64> {
        let carried = self.carried();
        let results = self.events.iter().filter(|happened| happened.record.is_result() && happened.seq > carried);
        results.map(|happened| happened.seq).collect()
    }

    /// What all attempts of this run used; those of the job that it tries again are on that job's account.
    pub fn used(&self) -> (Tokens, Decimal) {
        let mut tokens = Tokens::default();
        let mut cost = Decimal::ZERO;
        for row in self.rows().into_iter().filter(|row| !row.carried) {
            tokens += row.used.tokens.unwrap_or_default();
            cost += row.used.cost_usd.and_then(|cost| cost.parse::<Decimal>().ok()).unwrap_or_default();
        }
        (tokens, cost)
    }
}

impl Happened {
    /// The record, with its whole output where the run still keeps that beside it.
    pub fn with_result(self) -> Result<Record, AppError> {
        let Self { mut record, state, .. } = self;
        if let (Some(output), Some(text)) = (record.output_mut(), state) {
            output.value = Some(Arc::new(serde_json::from_str(&text).map_err(AppError::internal)?));
        }
        Ok(record)
    }

    /// The stored result of a finished step.
    fn result(&self) -> Result<std::sync::Arc<Value>, AppError> {
        if let Some(text) = &self.state {
            return serde_json::from_str(text).map(std::sync::Arc::new).map_err(AppError::internal);
        }
        let held = self.record.held_result().cloned().map(std::sync::Arc::new);
        held.ok_or_else(|| AppError::internal("a finished step has no stored result"))
    }
}

impl StepRow {
    fn started(started: &Started) -> Self {
        Self {
            step: started.step.to_string(),
            name: started.name.to_string(),
            leaf: started.leaf,
            path: started.path.clone(),
            attempt: started.attempt,
            status: StepStatus::Running,
            started_at: started.at,
            completed_at: None,
            duration_ms: None,
            used: Used::default(),
            input: started.input.clone(),
            output: None,
            prompt: None,
            printed: None,
            error: None,
            item_error: None,
            carried: false,
        }
    }

    fn skipped(step: &str, name: &str, leaf: u32, at: i64) -> Self {
        Self {
            step: step.to_owned(),
            name: name.to_owned(),
            leaf,
            path: Vec::new(),
            attempt: 1,
            status: StepStatus::Skipped,
            started_at: at,
            completed_at: Some(at),
            duration_ms: Some(0),
            used: Used::default(),
            input: Content::default(),
            output: None,
            prompt: None,
            printed: None,
            error: None,
            item_error: None,
            carried: false,
        }
    }

    fn fail(&mut self, failed: &Failed) {
        self.status = StepStatus::Failed;
        self.completed_at = Some(failed.at);
        self.duration_ms = Some(failed.duration_ms);
        self.used = failed.used.clone();
        self.printed.clone_from(&failed.printed);
        self.error = serde_json::to_value(&failed.error).ok();
    }

    fn complete(&mut self, completed: &Completed) {
        self.status = StepStatus::Completed;
        self.completed_at = Some(completed.at);
        self.duration_ms = Some(completed.duration_ms);
        self.used = completed.used.clone();
        self.output = Some(completed.output.clone());
        self.prompt.clone_from(&completed.prompt);
        self.printed.clone_from(&completed.printed);
    }

    /// Whether a content was cut.
    pub fn truncated(&self) -> bool {
        let others = self.output.iter().chain(&self.printed);
        self.input.truncated || others.into_iter().any(|content| content.truncated)
    }
}

/// The number each row's iteration goes by: the innermost index in a single loop, a running number over all
/// iterations where loops are nested.
pub(crate) fn loop_indexes(rows: &[StepRow]) -> Vec<Option<u32>> {
    let mut paths: HashMap<u32, BTreeSet<&[u32]>> = HashMap::new();
    for row in rows.iter().filter(|row| row.path.len() > 1) {
        paths.entry(row.leaf).or_default().insert(&row.path);
    }
    let rank = |row: &StepRow| {
        let position = paths.get(&row.leaf)?.iter().position(|path| *path == row.path.as_slice())?;
        u32::try_from(position).ok()
    };
    rows.iter().map(|row| if row.path.len() > 1 { rank(row) } else { row.path.first().copied() }).collect()
}

/// Keeps the latest attempt of each step and iteration, at the place of its start.
pub(crate) fn latest(rows: Vec<StepRow>) -> Vec<StepRow> {
    let mut newest: HashMap<(u32, Vec<u32>), usize> = HashMap::new();
    for (index, row) in rows.iter().enumerate() {
        newest.insert((row.leaf, row.path.clone()), index);
    }
    let keep: BTreeSet<usize> = newest.into_values().collect();
    rows.into_iter().enumerate().filter(|(index, _)| keep.contains(index)).map(|(_, row)| row).collect()
}

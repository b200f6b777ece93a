//! Where a run stands, as its caller sees it: shared by the driver, the stream and the pauses it gave.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Map, Value};

use crate::{Error, Result, ToolCallsRequired, ToolResult, tools::Pause};

/// The caller's side of a run.
#[derive(Debug, Default)]
pub(crate) struct Cursor {
    pub execution_id: Option<String>,
    /// Where the next call begins.
    pub step_index: u32,
    /// Outputs of finished steps.
    pub outputs: Map<String, Value>,
    pub input_overrides: Map<String, Value>,
    pub run_remaining: bool,
    /// No call is going on; the next read begins one.
    pub is_between: bool,
    /// The pause that waits for results, by its step and count.
    pub unanswered: Option<(String, u32)>,
    /// The results to go on with, and the pause's count.
    pub answers: Option<(Vec<Value>, u32)>,
}

impl Cursor {
    fn check_between(&self) -> Result<()> {
        if self.is_between && self.execution_id.is_some() {
            return Ok(());
        }
        Err(Error::invalid("a step is going on; do this after `StepPaused` and before the stream is read on"))
    }

    pub fn set_output(&mut self, step_id: &str, output: Value) -> Result<()> {
        self.check_between()?;
        let Some(slot) = self.outputs.get_mut(step_id) else {
            let known: Vec<&str> = self.outputs.keys().map(String::as_str).collect();
            let message = format!("step `{step_id}` has no output yet; those that have one: {}", known.join(", "));
            return Err(Error::invalid(message));
        };
        *slot = output;
        self.input_overrides.remove(step_id);
        Ok(())
    }

    pub fn go_to(&mut self, step_index: u32) -> Result<()> {
        self.check_between()?;
        self.step_index = step_index;
        Ok(())
    }

    pub fn set_run_remaining(&mut self, on: bool) -> Result<()> {
        self.check_between()?;
        self.run_remaining = on;
        Ok(())
    }
}

/// A cursor in several hands.
#[derive(Debug, Clone, Default)]
pub(crate) struct Shared(Arc<Mutex<Cursor>>);

impl Shared {
    pub fn new(run_remaining: bool, input_overrides: Map<String, Value>) -> Self {
        Self(Arc::new(Mutex::new(Cursor { run_remaining, input_overrides, is_between: true, ..Cursor::default() })))
    }

    /// Nobody panics while holding it, and if somebody did, there is nothing half done in it.
    pub fn lock(&self) -> MutexGuard<'_, Cursor> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The way back from a pause to the stream it came from.
#[derive(Debug, Clone, Default)]
pub(crate) struct Answers(Option<Shared>);

impl Answers {
    pub fn to(cursor: &Shared) -> Self {
        Self(Some(cursor.clone()))
    }

    pub fn give(&self, pause: &ToolCallsRequired, results: &[ToolResult]) -> Result<()> {
        let shared = self.0.as_ref().ok_or_else(|| {
            Error::invalid("this event comes from a trace; only the stream that drives the run can resume it")
        })?;
        let waiting = (pause.step_id.clone(), pause.iterations_used);
        let mut cursor = shared.lock();
        if cursor.unanswered.as_ref() != Some(&waiting) {
            return Err(Error::invalid("the stream does not wait for these results (any more)"));
        }
        let told =
            Pause { execution_id: &pause.execution_id, calls: &pause.tool_calls, messages: &pause.tool_call_messages };
        cursor.answers = Some((told.answered(results)?, pause.iterations_used));
        cursor.unanswered = None;
        Ok(())
    }
}

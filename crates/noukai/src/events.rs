//! What a run tells while it goes on. Read leniently: a newer server may add events, fields and codes.

use std::fmt;

use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Map, Value};

use crate::{Error, ErrorKind, Result, Tokens, ToolCall, ToolResult, sse::RawEvent, stream::Answers};

macro_rules! events {
    ($($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty,)+ })+) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Deserialize)]
        #[serde(rename_all = "camelCase", default)]
        #[derive(Default)]
        #[non_exhaustive]
        pub struct $name {
            /// The run.
            pub execution_id: String,
            $($(#[$field_doc])* pub $field: $type,)+
        }
    )+};
}

events! {
    /// The run began.
    RunStarted {
        /// The flow.
        flow_id: String,
        /// Leaf blocks in the flow.
        step_count: u32,
        /// The version that runs; 0 is the draft.
        version: u32,
    }

    /// A leaf began.
    StepStarted {
        /// The leaf.
        step_id: String,
        /// Its name.
        name: String,
        /// Its index in the flow, from 0.
        step_index: u32,
        /// From 1.
        attempt: u32,
    }

    /// What a leaf works on.
    StepInput {
        /// The leaf.
        step_id: String,
        /// Its input; absent where the run's trace keeps no contents and the stream had to be taken up again.
        input_data: Option<Value>,
    }

    /// What a leaf gave.
    StepOutput {
        /// The leaf.
        step_id: String,
        /// The output.
        output_data: Option<Value>,
    }

    /// A leaf is done. One per leaf, also in loops and parallel containers.
    StepCompleted {
        /// The leaf.
        step_id: String,
        /// Its name.
        name: String,
        /// The output; `null` for a skipped leaf.
        output: Value,
        /// Milliseconds.
        duration_ms: u64,
        /// Of LLM blocks.
        tokens: Option<Tokens>,
        /// US dollars as a decimal text.
        cost_usd: Option<String>,
        /// Its index in the flow, from 0.
        step_index: u32,
        /// On a branch that was not taken.
        skipped: bool,
    }

    /// Model text as it comes; only with `deltas`.
    StepDelta {
        /// The leaf.
        step_id: String,
        /// The new text.
        text: String,
        /// Whether what came of this step's text before is void, and this begins it anew.
        restart: bool,
    }

    /// One iteration of a leaf in a loop is done.
    StepProgress {
        /// The leaf.
        step_id: String,
        /// The iteration, from 0.
        loop_index: u32,
        /// Iterations in all.
        total: u32,
        /// Milliseconds.
        duration_ms: u64,
    }

    /// A loop is done.
    LoopCompleted {
        /// The loop.
        step_id: String,
        /// Items it ran over.
        iterations: u32,
    }

    /// A leaf failed for good, and the run with it.
    StepFailed {
        /// The leaf.
        step_id: String,
        /// Its name.
        name: String,
        /// Why.
        error: StepFailure,
    }

    /// A step is done and more remain. The stream goes on with the next by itself.
    StepPaused {
        /// The step just done.
        step_id: String,
        /// Its index in the flow, from 0.
        step_index: u32,
        /// The next one's.
        next_step_index: u32,
    }

    /// The run ended.
    FlowCompleted {
        /// The flow's result; `null` where it failed.
        result: Value,
        /// Sums.
        summary: FlowSummary,
    }
}

/// Why a step failed.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct StepFailure {
    /// The code to branch on.
    pub code: String,
    /// One sentence for a person.
    pub message: String,
    /// The step, where the failure stands without one beside it.
    pub step_id: Option<String>,
    /// The attempt that failed, from 1.
    pub attempt: u32,
    /// The provider that failed, for LLM blocks.
    pub provider: Option<String>,
    /// The HTTP status it answered with.
    pub provider_status: Option<u16>,
}

/// Sums over a run.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct FlowSummary {
    /// Milliseconds from start to end.
    pub duration_ms: u64,
    /// Of all attempts.
    pub tokens: Tokens,
    /// US dollars as a decimal text.
    pub cost_usd: String,
    /// Leaf blocks that completed.
    pub steps: u32,
    /// The step that failed the run.
    pub failed_at_step: Option<String>,
    /// Why the run ended without its result, where no step is to blame.
    pub error: Option<StepFailure>,
}

/// The run waits for tool results. Not seen where the call has a `tool_handler`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct ToolCallsRequired {
    /// The run.
    pub execution_id: String,
    /// The leaf.
    pub step_id: String,
    /// Its index in the flow, from 0.
    pub step_index: u32,
    /// Pauses of this step so far, this one included.
    pub iterations_used: u32,
    /// The tool turns so far.
    pub tool_call_messages: Vec<Value>,
    /// The calls to make.
    pub tool_calls: Vec<ToolCall>,
    /// Outputs of the steps before: `{step_id: output}`.
    pub accumulated_outputs: Map<String, Value>,
    #[serde(skip)]
    pub(crate) answers: Answers,
}

impl ToolCallsRequired {
    /// Hands one result per call to the stream, which goes on with them when it is read next.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidValue`] where a call has no result, a result no call, or the stream does not wait for any.
    ///
    /// ```
    /// # noukai_mock::example(async |url, key| {
    /// # let client = noukai::Noukai::builder().base_url(url).api_key(key).build()?;
    /// use noukai::{StreamEvent, Tool};
    /// let call = client.flow("acme/demo/weather")?.events().message("Oslo").tools([Tool::new("get_weather")]);
    /// let mut events = call.stream();
    /// while let Some(event) = events.next().await {
    ///     match event? {
    ///         StreamEvent::ToolCallsRequired(pause) => {
    ///             pause.resume(pause.tool_calls.iter().map(|call| call.answer("-3 °C, clear")))?;
    ///         }
    ///         StreamEvent::FlowCompleted(flow) => assert_eq!(flow.result, "In Oslo: -3 °C, clear"),
    ///         _ => {}
    ///     }
    /// }
    /// # Ok(())
    /// # });
    /// ```
    pub fn resume(&self, results: impl IntoIterator<Item = ToolResult>) -> Result<()> {
        let results: Vec<ToolResult> = results.into_iter().collect();
        self.answers.give(self, &results)
    }
}

/// An event this version of the crate does not know.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct UnknownEvent {
    /// As the stream spelled it.
    pub event_type: String,
    /// Its data; text where it is no JSON.
    pub data: Value,
}

/// One event of a run.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum StreamEvent {
    /// The run began.
    RunStarted(RunStarted),
    /// A leaf began.
    StepStarted(StepStarted),
    /// What a leaf works on.
    StepInput(StepInput),
    /// What a leaf gave.
    StepOutput(StepOutput),
    /// A leaf is done.
    StepCompleted(StepCompleted),
    /// Model text as it comes.
    StepDelta(StepDelta),
    /// One iteration of a leaf in a loop is done.
    StepProgress(StepProgress),
    /// A loop is done.
    LoopCompleted(LoopCompleted),
    /// A leaf failed.
    StepFailed(StepFailed),
    /// A step is done and more remain.
    StepPaused(StepPaused),
    /// The run waits for tool results.
    ToolCallsRequired(ToolCallsRequired),
    /// The run ended.
    FlowCompleted(FlowCompleted),
    /// An event this version of the crate does not know.
    Unknown(UnknownEvent),
}

impl StreamEvent {
    /// The event's type as the wire spells it.
    ///
    /// ```
    /// # noukai_mock::example(async |url, key| {
    /// # let client = noukai::Noukai::builder().base_url(url).api_key(key).build()?;
    /// let events = client.flow("acme/demo/hello")?.events().message("hi").stream().all().await?;
    /// let types: Vec<&str> = events.iter().map(|event| event.event_type()).collect();
    /// assert_eq!(types, ["run_started", "step_started", "step_input", "step_output", "step_completed", "flow_completed"]);
    /// # Ok(())
    /// # });
    /// ```
    pub fn event_type(&self) -> &str {
        match self {
            Self::RunStarted(_) => "run_started",
            Self::StepStarted(_) => "step_started",
            Self::StepInput(_) => "step_input",
            Self::StepOutput(_) => "step_output",
            Self::StepCompleted(_) => "step_completed",
            Self::StepDelta(_) => "step_delta",
            Self::StepProgress(_) => "step_progress",
            Self::LoopCompleted(_) => "loop_completed",
            Self::StepFailed(_) => "step_error",
            Self::StepPaused(_) => "step_paused",
            Self::ToolCallsRequired(_) => "step_paused_for_tool_calls",
            Self::FlowCompleted(_) => "flow_completed",
            Self::Unknown(unknown) => &unknown.event_type,
        }
    }

    /// Reads an event of a stream.
    pub(crate) fn read(raw: &RawEvent) -> Result<Self> {
        let named;
        let kind = if raw.kind.is_empty() {
            named = kind_in(&raw.data);
            named.as_str()
        } else {
            raw.kind.as_str()
        };
        Ok(match kind {
            "run_started" => Self::RunStarted(data(raw)?),
            "step_started" => Self::StepStarted(data(raw)?),
            "step_input" => Self::StepInput(data(raw)?),
            "step_output" => Self::StepOutput(data(raw)?),
            "step_completed" => Self::StepCompleted(data(raw)?),
            "step_delta" => Self::StepDelta(data(raw)?),
            "step_progress" => Self::StepProgress(data(raw)?),
            "loop_completed" => Self::LoopCompleted(data(raw)?),
            "step_error" => Self::StepFailed(data(raw)?),
            "step_paused" => Self::StepPaused(data(raw)?),
            "step_paused_for_tool_calls" => Self::ToolCallsRequired(data(raw)?),
            "flow_completed" => Self::FlowCompleted(data(raw)?),
            other => Self::Unknown(UnknownEvent {
                event_type: other.to_owned(),
                data: serde_json::from_str(&raw.data).unwrap_or_else(|_| Value::String(raw.data.clone())),
            }),
        })
    }
}

impl fmt::Display for StepFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

/// The type where the stream did not name it beside the data.
fn kind_in(data: &str) -> String {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Typed {
        event_type: String,
    }
    serde_json::from_str::<Typed>(data).map(|typed| typed.event_type).unwrap_or_default()
}

fn data<T: DeserializeOwned>(raw: &RawEvent) -> Result<T> {
    serde_json::from_str(&raw.data).map_err(|error| {
        let shown: String = raw.data.chars().take(200).collect();
        let message = format!("the event `{}` cannot be understood ({error}): {shown}", raw.kind);
        Error::new(ErrorKind::Decode, message).with_body(&raw.data).with_source(error)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(kind: &str, data: &str) -> Result<StreamEvent> {
        StreamEvent::read(&RawEvent { id: None, kind: kind.to_owned(), data: data.to_owned() })
    }

    #[test]
    fn unknown_events_fields_and_codes_break_nothing() {
        let StreamEvent::Unknown(unknown) = read("step_dreamt", r#"{"of": "sheep"}"#).expect("an event") else {
            panic!("it is unknown")
        };
        assert_eq!((unknown.event_type.as_str(), &unknown.data["of"]), ("step_dreamt", &Value::from("sheep")));
        assert!(matches!(read("step_dreamt", "no json"), Ok(StreamEvent::Unknown(_))));
        let failed = r#"{"stepId": "a", "error": {"code": "NEW_CODE", "message": "m", "mood": 1}, "extra": []}"#;
        let StreamEvent::StepFailed(failed) = read("step_error", failed).expect("an event") else {
            panic!("a step failed")
        };
        assert_eq!(failed.error.to_string(), "NEW_CODE: m");
    }

    #[test]
    fn the_type_may_stand_in_the_data_alone() {
        let event = read("", r#"{"eventType": "step_delta", "stepId": "a", "text": "x"}"#).expect("an event");
        assert!(matches!(event, StreamEvent::StepDelta(delta) if delta.text == "x"));
    }

    #[test]
    fn broken_data_is_an_error_that_shows_it() {
        let error = read("step_started", r#"{"stepId": "#).expect_err("no JSON");
        assert_eq!(error.kind(), ErrorKind::Decode);
        assert!(error.to_string().contains("step_started") && error.to_string().contains("stepId"), "{error}");
    }
}

//! Test cases of a flow: what is sent, what is expected, what came of it. Field names are snake_case here, as in all that
//! authors work with.

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use crate::{Attachment, ChatMessage, StepError, Tokens, Trace, trace::wire_enum};

/// The version that cassettes of this release say they have.
pub const CASSETTE_VERSION: u32 = 1;

/// What a test case sends to its flow, as `POST .../execute` takes it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TestInput {
    /// Shorthand for `parameters.message`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The conversation so far; the last entry is the current user turn. Stands in for `message`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub messages: Option<Vec<ChatMessage>>,
    /// The flow's named inputs.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub parameters: Map<String, Value>,
    /// Images for the first LLM blocks.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub attachments: Vec<Attachment>,
}

/// What must be true of a flow's result. A dotted path in `at` (`items.0.label`) looks at a part of the result; without
/// one it is the whole.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Expectation {
    /// It is this value. The order of an object's fields does not matter.
    Equals {
        /// The value.
        value: Value,
        /// Part of the result to look at.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        at: Option<String>,
    },
    /// It has at least what this value has: objects may have more fields, lists more items in between.
    Subset {
        /// The value.
        value: Value,
        /// Part of the result to look at.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        at: Option<String>,
    },
    /// Its text contains this one. The text of an object with one field that is a text is that; of anything else that is
    /// no text, it is its JSON.
    Contains {
        /// The text.
        text: String,
        /// Whether upper and lower case are the same.
        #[serde(default, alias = "ignoreCase", skip_serializing_if = "std::ops::Not::not")]
        ignore_case: bool,
        /// Part of the result to look at.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        at: Option<String>,
    },
    /// It fits this JSON Schema.
    Schema {
        /// The schema.
        schema: Value,
        /// Part of the result to look at.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        at: Option<String>,
    },
    /// A model that is shown it and the rubric says that it passes.
    Rubric {
        /// What a good result is like, in words.
        rubric: String,
        /// `vendor/model` to ask; absent: the server's default model.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        model: Option<String>,
        /// Part of the result to look at.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        at: Option<String>,
    },
}

impl Expectation {
    /// As spelled on the wire.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Equals { .. } => "equals",
            Self::Subset { .. } => "subset",
            Self::Contains { .. } => "contains",
            Self::Schema { .. } => "schema",
            Self::Rubric { .. } => "rubric",
        }
    }

    /// The part of the result that it looks at.
    pub fn at(&self) -> Option<&str> {
        let (Self::Equals { at, .. }
        | Self::Subset { at, .. }
        | Self::Contains { at, .. }
        | Self::Schema { at, .. }
        | Self::Rubric { at, .. }) = self;
        at.as_deref()
    }
}

/// Model replies of a recorded run. With it a test case runs without a model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Cassette {
    /// 1.
    pub version: u32,
    /// In any order: a reply belongs to a step, an iteration and the number of the call.
    pub replies: Vec<RecordedReply>,
}

/// What a model answered to one call: exactly one of `text`, `json` and `error`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RecordedReply {
    /// The LLM block that asked.
    pub step: String,
    /// Iterations that the block stands in, from 0, the outermost loop first; empty outside loops.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub item: Vec<u32>,
    /// Which call of that block in that iteration, from 1.
    #[serde(default = "first", skip_serializing_if = "is_first")]
    pub call: u32,
    /// The reply as text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// The reply of a block with an output schema.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub json: Option<Value>,
    /// Why there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<RecordedError>,
    /// The model that answered, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
}

const fn first() -> u32 {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature serde calls")]
const fn is_first(call: &u32) -> bool {
    *call == 1
}

/// A call that failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RecordedError {
    /// One of the `MODEL_...` codes.
    pub code: crate::ErrorCode,
    /// One sentence.
    pub message: String,
}

/// A test case of a flow.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TestCase {
    /// The case.
    pub id: String,
    /// The flow.
    pub flow_id: String,
    /// Unique in the flow.
    pub name: String,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// What is sent.
    pub input: TestInput,
    /// What must be true of the result, all of it. Where nothing is expected, the run must complete.
    pub expect: Vec<Expectation>,
    /// The run it was made from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_run: Option<String>,
    /// Replies on its cassette; 0: it has none, and its runs ask models.
    pub recorded_replies: u32,
    /// The cassette; not in lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cassette: Option<Cassette>,
    /// Counts changes, from 1.
    pub revision: u64,
    /// ISO 8601.
    pub created_at: String,
    /// Who made it.
    pub created_by: String,
    /// ISO 8601.
    pub updated_at: String,
    /// Who changed it last.
    pub updated_by: String,
}

/// Reply of `GET /flows/{id}/test-cases`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TestCaseList {
    /// In the order they were made in.
    pub test_cases: Vec<TestCase>,
    /// For the next page; absent on the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// Body of `POST /flows/{id}/test-cases`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CreateTestCase {
    /// 1 to 100 characters, unique in the flow. May be left out with `from_run`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// For people, at most 2000 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// What is sent. Not with `from_run`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input: Option<TestInput>,
    /// What must be true of the result. With `from_run`, left out: it equals that run's result.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expect: Option<Vec<Expectation>>,
    /// Takes the input from this completed run of the flow, and its model replies as a cassette. Its contents must have
    /// been captured whole.
    #[serde(alias = "fromRun", skip_serializing_if = "Option::is_none")]
    pub from_run: Option<String>,
    /// Whether `from_run` takes the model replies too; default: yes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub record: Option<bool>,
    /// Model replies to run it with. Not with `from_run`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cassette: Option<Cassette>,
}

/// Body of `PATCH /flows/{id}/test-cases/{case}`; what is left out stays.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct UpdateTestCase {
    /// The revision that the change was made on; another one by now is refused. Absent: whatever it is.
    #[serde(alias = "onRevision", skip_serializing_if = "Option::is_none")]
    pub on_revision: Option<u64>,
    /// The new name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The new description; `""` removes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The new input.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input: Option<TestInput>,
    /// The new expectations.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expect: Option<Vec<Expectation>>,
    /// The new cassette; `null` removes it.
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub cassette: Option<Option<Cassette>>,
}

/// `null` is a value of its own, other than an absent field.
fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// Body of `POST /flows/{id}/test-runs` and of `POST /flows/{id}/test-cases/{case}/runs`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct StartTestRun {
    /// `draft` (the default), `production`, or `v1`, `v2`, ...
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Names or ids of the cases to run; absent: all of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cases: Option<Vec<String>>,
}

wire_enum! {
    /// Where a test run, or one case of it, stands.
    TestStatus {
        /// Not begun.
        Pending = "pending",
        /// Going on.
        Running = "running",
        /// All that was expected is true.
        Passed = "passed",
        /// Something that was expected is not true, or the flow failed.
        Failed = "failed",
        /// It could not be run, or not be judged.
        Error = "error",
        /// The server stopped before it was done.
        Interrupted = "interrupted",
    }
}

impl TestStatus {
    /// Whether nothing more will happen.
    pub const fn is_final(self) -> bool {
        !matches!(self, Self::Pending | Self::Running)
    }
}

/// One test case, run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TestResult {
    /// The case.
    pub case_id: String,
    /// Its name at that time.
    pub name: String,
    /// How it went.
    pub status: TestStatus,
    /// The flow's run, with its trace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub execution_id: Option<String>,
    /// Whether a cassette answered in place of models.
    pub replayed: bool,
    /// Milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<u64>,
    /// Tokens of the flow and of judges.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens: Option<Tokens>,
    /// US dollars as a decimal string.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost_usd: Option<String>,
    /// What the flow gave.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<Value>,
    /// Why the flow failed, or could not be run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<StepError>,
    /// What was expected, in order, and whether it is so.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<TestCheck>,
    /// Where the cassette and the flow do not go together: what the flow asked that is not on it, and replies on it that
    /// the flow did not ask for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cassette_faults: Vec<String>,
}

/// One expectation, looked at.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TestCheck {
    /// `equals`, `subset`, `contains`, `schema` or `rubric`.
    pub kind: String,
    /// The part of the result that was looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
    /// Whether it is so.
    pub passed: bool,
    /// Where it is not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub differences: Vec<Difference>,
    /// What the model said that judged it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Where a result is not as expected.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Difference {
    /// Dotted path in the result; empty: the whole.
    pub at: String,
    /// In words.
    pub message: String,
    /// What was expected there, in short.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected: Option<String>,
    /// What is there, in short.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub got: Option<String>,
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let place = if self.at.is_empty() { "result" } else { &self.at };
        write!(f, "{place}: {}", self.message)?;
        for (name, text) in [("expected", &self.expected), ("got", &self.got)] {
            if let Some(text) = text {
                write!(f, ", {name} {text}")?;
            }
        }
        Ok(())
    }
}

impl TestResult {
    /// Why it did not pass, for people: a line for each thing that is wrong, the gravest first.
    pub fn reasons(&self) -> Vec<String> {
        let error = self.error.as_ref().map(|error| {
            let step = error.step_id.as_ref().map(|step| format!("step {step}: ")).unwrap_or_default();
            format!("{step}{} [{}]", error.message, error.code)
        });
        let checks = self.checks.iter().filter(|check| !check.passed).flat_map(TestCheck::reasons);
        self.cassette_faults.iter().cloned().chain(error).chain(checks).collect()
    }
}

impl TestCheck {
    fn reasons(&self) -> Vec<String> {
        let said = self.reason.iter().map(|reason| format!("{}: {reason}", self.kind));
        let differences = self.differences.iter().map(|difference| format!("{}: {difference}", self.kind));
        said.chain(differences).collect()
    }
}

/// Test cases of a flow, run together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TestRun {
    /// The test run.
    pub id: String,
    /// The flow.
    pub flow_id: String,
    /// The flow's slug at that time.
    pub flow: String,
    /// The version that was tested; 0 is the draft.
    pub version: u32,
    /// Hash of the document that was tested.
    pub hash: String,
    /// Where it stands; `passed` if all its cases did.
    pub status: TestStatus,
    /// Cases.
    pub total: u32,
    /// Cases that passed.
    pub passed: u32,
    /// Cases that ended otherwise.
    pub failed: u32,
    /// ISO 8601.
    pub started_at: String,
    /// ISO 8601.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completed_at: Option<String>,
    /// Milliseconds from start to end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<u64>,
    /// Who started it.
    pub created_by: String,
    /// Case by case; not in lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub results: Option<Vec<TestResult>>,
}

/// Reply of `GET /flows/{id}/test-runs`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TestRunList {
    /// Newest first.
    pub test_runs: Vec<TestRun>,
    /// For the next page; absent on the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// Reply of `GET /test-runs/{id}/trace`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TestRunTrace {
    /// The test run.
    pub test_run_id: String,
    /// Where it stands.
    pub status: TestStatus,
    /// Its cases with their traces, in order.
    pub cases: Vec<TestTrace>,
    /// For the next page; absent on the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// One case of a test run with the trace of its flow's run.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TestTrace {
    /// The case as it went.
    pub result: TestResult,
    /// The trace; absent where nothing was run, or it is no longer kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<Trace>,
}

/// Which test cases must pass before a version of the flow is published: `all`, or some by name; none where both are
/// left out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Gate {
    /// Every test case that the flow has.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub all: bool,
    /// These, by name or id.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cases: Vec<String>,
}

impl Gate {
    /// Whether it lets everything pass.
    pub const fn is_open(&self) -> bool {
        !self.all && self.cases.is_empty()
    }
}

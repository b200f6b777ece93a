//! A test case out of a recorded run: what it took, what it gave, what models said.

use std::collections::BTreeMap;

use noukai_api::{
    Attachment, CASSETTE_VERSION, CaptureMode, Cassette, ChatMessage, ErrorCode, Expectation, RecordedError,
    RecordedReply, RunStatus, StepError, StepStatus, TestInput,
};
use noukai_engine::{Image, Message};
use noukai_flow::{Block, Flow, FlowKind, LlmBlock};
use noukai_store::{RunId, RunRecord};
use serde_json::Value;
use uuid::Uuid;

use super::{
    super::{
        App, AppError,
        history::{History, StepRow},
        inputs::RunInputs,
        record::Record,
    },
    cassette,
    scope::Tested,
};

/// What a recorded run gives to a test case.
pub(super) struct Recorded {
    pub run: String,
    pub input: TestInput,
    pub cassette: Option<Cassette>,
    result: Value,
}

impl Recorded {
    /// The very result that it had.
    pub fn expect(&self) -> Vec<Expectation> {
        vec![Expectation::Equals { value: self.result.clone(), at: None }]
    }

    /// A name for a case that was given none.
    pub fn name(&self) -> String {
        let (_, tail) = self.run.split_at(self.run.len().saturating_sub(12));
        format!("run {tail}")
    }
}

impl App {
    /// Reads a completed run of the flow; its model replies too, where they are wanted.
    ///
    /// # Errors
    /// `RUN_NOT_FOUND`; `RUN_NOT_RECORDED`, with what is missing and what to do.
    pub(super) async fn recorded(&self, tested: &Tested, run: &str, record: bool) -> Result<Recorded, AppError> {
        let run = self.recorded_run(tested, run).await?;
        let history = self.history(&run).await?;
        let flow = self.checked(run.project_id, &run.hash).await?;
        let inputs = history.inputs().ok_or_else(|| lacking(&run, "its inputs were not recorded"))?;
        let inputs = inputs.whole().ok_or_else(|| lacking(&run, "its inputs are too large to be kept whole"))?;
        let inputs: RunInputs = serde_json::from_value(inputs.clone()).map_err(AppError::internal)?;
        if !inputs.overrides.is_empty() {
            return Err(lacking(&run, "its blocks were changed by `blockOverrides`, which a test case does not have"));
        }
        let result = result(&history).ok_or_else(|| lacking(&run, "its result is too large to be kept whole"))?;
        let cassette = if record { Some(replies(&run, &flow, &history)?) } else { None };
        let input = input(&flow, inputs);
        Ok(Recorded { run: run.id.to_string(), input, cassette, result: result.clone() })
    }

    async fn recorded_run(&self, tested: &Tested, run: &str) -> Result<RunRecord, AppError> {
        let not_found = || AppError::new(ErrorCode::RunNotFound, "the flow has no such run");
        let id = Uuid::parse_str(run).map_err(|_| not_found())?;
        let run = self.store().run(tested.project(), RunId(id)).await?;
        let run = run.filter(|run| run.flow_id == tested.flow.id).ok_or_else(not_found)?;
        if run.status != RunStatus::Completed {
            return Err(lacking(&run, &format!("it is {}, not completed", run.status.as_str())));
        }
        if run.pauses > 0 {
            return Err(lacking(&run, "it paused for tools, whose results a test case does not have"));
        }
        if run.capture != CaptureMode::Full {
            let why = format!("its contents were not kept as they were (capture mode `{}`)", run.capture.as_str());
            return Err(lacking(&run, &why));
        }
        Ok(run)
    }
}

/// Too little is there of a run.
fn lacking(run: &RunRecord, why: &str) -> AppError {
    let message = format!(
        "no test case can be made of the run: {why}; run the flow again with `trace: true`, or write the case yourself"
    );
    AppError::new(ErrorCode::RunNotRecorded, message).of_run(run.id)
}

fn result(history: &History) -> Option<&Value> {
    history.events.iter().rev().find_map(|happened| match &happened.record {
        Record::Finished { result, .. } => Some(result.whole()),
        _ => None,
    })?
}

/// What was sent, as far as it can be told from what the engine took.
fn input(flow: &Flow, inputs: RunInputs) -> TestInput {
    let mut parameters = inputs.initial.as_object().cloned().unwrap_or_default();
    let message = match parameters.get("message") {
        Some(Value::String(_)) => parameters.remove("message"),
        _ => None,
    };
    let message = message.and_then(|message| message.as_str().map(str::to_owned));
    let attachments = inputs.images.into_iter().map(attachment).collect();
    let mut turns: Vec<ChatMessage> = inputs.conversation.into_iter().map(turn).collect();
    let is_bare = flow.kind == FlowKind::Chat && turns.len() <= 1;
    if turns.is_empty() || is_bare {
        return TestInput { message, messages: None, parameters, attachments };
    }
    if flow.kind == FlowKind::Pipeline {
        let content = message.unwrap_or_default().into();
        turns.push(ChatMessage { role: "user".to_owned(), content, ..ChatMessage::default() });
    }
    TestInput { message: None, messages: Some(turns), parameters, attachments }
}

fn attachment(image: Image) -> Attachment {
    Attachment::new(image.url, image.mime_type)
}

fn turn(message: Message) -> ChatMessage {
    let of = |role: &str, content: String| ChatMessage {
        role: role.to_owned(),
        content: content.into(),
        ..ChatMessage::default()
    };
    match message {
        Message::System { text } => of("system", text),
        Message::User { text, .. } => of("user", text),
        Message::Assistant { text, tool_calls, .. } => ChatMessage {
            tool_calls: Some(tool_calls).filter(|calls| !calls.is_empty()),
            ..of("assistant", text.unwrap_or_default())
        },
        Message::Tool { call_id, name, content } => {
            ChatMessage { tool_call_id: Some(call_id), name, ..of("tool", content) }
        }
    }
}

/// What models said last in each step and iteration. Attempts that others followed are left out: with a cassette, the
/// first one succeeds.
fn replies(run: &RunRecord, flow: &Flow, history: &History) -> Result<Cassette, AppError> {
    let mut last: BTreeMap<(u32, Vec<u32>), StepRow> = BTreeMap::new();
    for row in history.rows() {
        last.insert((row.leaf, row.path.clone()), row);
    }
    let mut replies = Vec::new();
    for row in last.into_values() {
        if let Some(block) = llm(flow, row.leaf) {
            replies.extend(reply(run, block, row)?);
        }
    }
    Ok(Cassette { version: CASSETTE_VERSION, replies })
}

fn llm(flow: &Flow, leaf: u32) -> Option<&LlmBlock> {
    match flow.leaf(leaf as usize) {
        Some((_, leaf)) => match &leaf.block {
            Block::Llm(block) => Some(block),
            _ => None,
        },
        None => None,
    }
}

/// `None` where no model was asked for good.
fn reply(run: &RunRecord, block: &LlmBlock, row: StepRow) -> Result<Option<RecordedReply>, AppError> {
    let place = RecordedReply {
        step: row.step.clone(),
        item: row.path.clone(),
        call: 1,
        model: row.used.model.clone(),
        ..RecordedReply::default()
    };
    match row.status {
        StepStatus::Completed => {
            let output = row.output.as_ref().and_then(|output| output.whole());
            let output = output.ok_or_else(|| {
                lacking(run, &format!("the output of step `{}` is too large to be kept whole", row.step))
            })?;
            Ok(Some(said(block, output, place)))
        }
        StepStatus::Failed => failed(run, &row, place),
        StepStatus::Running | StepStatus::Skipped => Ok(None),
    }
}

fn said(block: &LlmBlock, output: &Value, place: RecordedReply) -> RecordedReply {
    match (&block.output, output.get("message").and_then(Value::as_str)) {
        (None, Some(text)) => RecordedReply { text: Some(text.to_owned()), ..place },
        _ => RecordedReply { json: Some(output.clone()), ..place },
    }
}

/// A step that failed in a run that completed: an item of a loop that went on.
fn failed(run: &RunRecord, row: &StepRow, place: RecordedReply) -> Result<Option<RecordedReply>, AppError> {
    let error: Option<StepError> = row.error.clone().and_then(|error| serde_json::from_value(error).ok());
    let Some(StepError { code, message, .. }) = error else { return Ok(None) };
    if cassette::kind_of(code).is_some() {
        return Ok(Some(RecordedReply { error: Some(RecordedError { code, message }), ..place }));
    }
    // Nobody was asked, or nobody waited for the answer.
    if matches!(code, ErrorCode::TemplateError | ErrorCode::Cancelled | ErrorCode::LimitExceeded) {
        return Ok(None);
    }
    let why = format!("step `{}` failed with {code}, and what the model said then was not kept", row.step);
    Err(lacking(run, &why))
}

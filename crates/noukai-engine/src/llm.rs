//! LLM blocks: prompt, attempts over models, structured output, tools.

use std::{sync::Arc, time::Duration};

use noukai_api::{ErrorCode, StepError};
use noukai_flow::{Block, FlowKind, LlmBlock, TemplateError};
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::{
    DeltaSink, EventSink, Message, ModelError, ModelErrorKind, ModelReply, ModelRequest, Notes, OutputFormat,
    ToolPause, ToolResume, Usage,
    nodes::leaf::Work,
    progress::Continued,
    walk::{Ended, Seen, Stop, Walk},
};

/// Providers that ask for a longer wait than this are not waited for.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

pub(crate) async fn run(work: &Work<'_, '_>, block: &LlmBlock, seen: &Seen) -> Ended {
    let resume = work.walk.spec.resume.as_ref().filter(|resume| resume.pause.leaf == work.index());
    let mut attempt = work.begin(resume.map(continued)).await?;
    let mut prompt = match Prompt::render(work, block, seen) {
        Ok(prompt) => prompt,
        Err((field, error)) => {
            let error = work.error(ErrorCode::TemplateError, format!("`{field}`: {error}"), attempt);
            return Err(give_up(work, attempt, error, Usage::default()));
        }
    };
    let mut usage = resume.map(|resume| prompt.resume(resume)).unwrap_or_default();
    let models = models(work, block);
    for (position, model) in models.iter().enumerate() {
        let last_model = position + 1 == models.len();
        for round in 1..=work.leaf.retry.max_attempts.max(1) {
            let tried = try_once(work, block, &prompt, model, &mut usage).await;
            let failed = match tried {
                Ok(Given::Output(output)) => {
                    let notes = Notes { prompt: Some(prompt.text), ..Notes::default() };
                    return Ok(work.complete(attempt, output, usage, notes));
                }
                Ok(Given::Calls(reply)) => return Err(pause(work, block, &prompt, attempt, &usage, reply)),
                Err(failed) => failed,
            };
            usage.model.get_or_insert_with(|| model.clone());
            let error = failed.error(work, attempt);
            let wait = failed.wait(work, round);
            if !failed.is_retryable() || (wait.is_none() && last_model) {
                return Err(give_up(work, attempt, error, usage));
            }
            work.fail(attempt, &error, std::mem::take(&mut usage), Notes::default());
            let Some(wait) = wait else {
                attempt = work.begin(None).await?;
                break;
            };
            tokio::time::sleep(wait).await;
            attempt = work.begin(None).await?;
        }
    }
    Err(give_up(work, attempt, work.error(ErrorCode::InternalError, "no model was tried", attempt), usage))
}

fn continued(resume: &ToolResume) -> Continued {
    Continued { attempt: resume.pause.attempt, elapsed: Duration::from_millis(resume.pause.elapsed_ms) }
}

fn give_up(work: &Work<'_, '_>, attempt: u32, error: StepError, usage: Usage) -> Stop {
    work.fail(attempt, &error, usage, Notes::default());
    Stop::Failed(work.failure(error))
}

/// The block's model, or the default, then the fallbacks.
fn models(work: &Work<'_, '_>, block: &LlmBlock) -> Vec<String> {
    let first = block.model.clone().unwrap_or_else(|| work.walk.ports.model.default_model().to_owned());
    std::iter::once(first).chain(block.fallback_models.iter().cloned()).collect()
}

/// The messages of a block before its model has said anything for good.
struct Prompt {
    messages: Vec<Message>,
    /// Assistant and tool turns of earlier pauses.
    turns: Vec<Message>,
    iterations_used: u32,
    /// The rendered prompt, for traces.
    text: Arc<str>,
}

impl Prompt {
    fn render(work: &Work<'_, '_>, block: &LlmBlock, seen: &Seen) -> Result<Self, (&'static str, TemplateError)> {
        let scope = work.walk.scope(&work.input, seen, work.place);
        let system = block.system.as_ref().map(|system| system.render(&scope)).transpose();
        let system = system.map_err(|error| ("system", error))?;
        let text = block.prompt.render(&scope).map_err(|error| ("prompt", error))?;
        let traced: Arc<str> = text.as_str().into();
        let messages = match work.walk.flow().kind {
            FlowKind::Pipeline => pipeline_messages(work, block, system, text),
            FlowKind::Chat => chat_messages(work, block, system, text),
        };
        Ok(Self { messages, turns: Vec::new(), iterations_used: 0, text: traced })
    }

    /// Takes up the turns of a pause; what the attempt used before it.
    fn resume(&mut self, resume: &ToolResume) -> Usage {
        self.iterations_used = resume.pause.iterations_used;
        self.turns = resume.pause.turns.iter().chain(&resume.results).cloned().collect();
        Usage { model: None, tokens: Some(resume.pause.tokens), cost: resume.pause.cost }
    }

    fn all(&self) -> Vec<Message> {
        self.messages.iter().chain(&self.turns).cloned().collect()
    }
}

/// Whether no LLM leaf is done yet, so that attachments and the earlier turns belong here.
fn is_first(work: &Work<'_, '_>) -> bool {
    let flow = work.walk.flow();
    let is_llm = |leaf| matches!(flow.leaf(leaf), Some((_, leaf)) if matches!(leaf.block, Block::Llm(_)));
    !work.walk.progress().any_done(is_llm)
}

fn pipeline_messages(work: &Work<'_, '_>, block: &LlmBlock, system: Option<String>, text: String) -> Vec<Message> {
    let first = is_first(work);
    let spec = work.walk.spec;
    let images = if first || block.attachments_always { spec.images.clone() } else { Vec::new() };
    let earlier = if first { spec.conversation.as_slice() } else { &[] };
    let mut messages: Vec<Message> = system.into_iter().map(|text| Message::System { text }).collect();
    messages.extend_from_slice(earlier);
    messages.push(Message::User { text, images });
    messages
}

/// Prompt and system make the system message; the conversation follows as real turns.
fn chat_messages(work: &Work<'_, '_>, block: &LlmBlock, system: Option<String>, text: String) -> Vec<Message> {
    let parts: Vec<String> = system.into_iter().chain(std::iter::once(text)).filter(|part| !part.is_empty()).collect();
    let mut messages = Vec::with_capacity(work.walk.spec.conversation.len() + 1);
    if !parts.is_empty() {
        messages.push(Message::System { text: parts.join("\n\n") });
    }
    messages.extend_from_slice(&work.walk.spec.conversation);
    if is_first(work) || block.attachments_always {
        attach_to_last_user_turn(&mut messages, work.walk.spec);
    }
    messages
}

fn attach_to_last_user_turn(messages: &mut [Message], spec: &crate::RunSpec) {
    let user = messages.iter_mut().rev().find_map(|message| match message {
        Message::User { images, .. } => Some(images),
        _ => None,
    });
    if let Some(images) = user {
        images.extend(spec.images.iter().cloned());
    }
}

/// What a model gave, once it is fit to be used.
enum Given {
    Output(Value),
    Calls(ModelReply),
}

/// Why an attempt failed.
enum Failed {
    Model(ModelError),
    TimedOut(Duration),
    Schema(Vec<String>),
    Limit(String),
    Iterations(u32),
}

impl Failed {
    fn is_retryable(&self) -> bool {
        match self {
            Self::Model(error) => error.kind.is_retryable(),
            Self::TimedOut(_) => true,
            Self::Schema(_) | Self::Limit(_) | Self::Iterations(_) => false,
        }
    }

    /// How long to wait before the same model is asked again; `None`: not again.
    fn wait(&self, work: &Work<'_, '_>, round: u32) -> Option<Duration> {
        let backoff = work.backoff(round)?;
        let asked = match self {
            Self::Model(error) => error.retry_after.unwrap_or_default(),
            _ => Duration::ZERO,
        };
        (asked <= LONGEST_WAIT).then(|| asked.max(backoff))
    }

    fn error(&self, work: &Work<'_, '_>, attempt: u32) -> StepError {
        match self {
            Self::Model(error) => StepError {
                provider: error.provider.clone(),
                provider_status: error.status,
                ..work.error(code_of(error.kind), error.message.clone(), attempt)
            },
            Self::TimedOut(limit) => {
                work.error(ErrorCode::StepTimeout, format!("no reply within {} ms", limit.as_millis()), attempt)
            }
            Self::Schema(problems) => work.error(
                ErrorCode::OutputSchemaMismatch,
                format!("the reply does not fit the output schema: {}", problems.join("; ")),
                attempt,
            ),
            Self::Limit(message) => work.error(ErrorCode::LimitExceeded, message.clone(), attempt),
            Self::Iterations(limit) => work.error(
                ErrorCode::ToolIterationLimit,
                format!("the block paused for tools {limit} times, its max_tool_iterations, and wants more"),
                attempt,
            ),
        }
    }
}

const fn code_of(kind: ModelErrorKind) -> ErrorCode {
    match kind {
        ModelErrorKind::NotAvailable => ErrorCode::ModelNotAvailable,
        ModelErrorKind::KeyRejected => ErrorCode::ByokKeyRejected,
        ModelErrorKind::RateLimited => ErrorCode::ModelRateLimited,
        ModelErrorKind::Server | ModelErrorKind::Refused => ErrorCode::ModelError,
        ModelErrorKind::Unreachable => ErrorCode::ModelUnreachable,
        ModelErrorKind::ReplyInvalid => ErrorCode::ModelReplyInvalid,
    }
}

/// One attempt on one model, within its time.
async fn try_once(
    work: &Work<'_, '_>,
    block: &LlmBlock,
    prompt: &Prompt,
    model: &str,
    usage: &mut Usage,
) -> Result<Given, Failed> {
    let limit = work.leaf.timeout_ms.map_or(work.walk.bounds().block_time, Duration::from_millis);
    timeout(limit, ask(work, block, prompt, model, usage)).await.unwrap_or(Err(Failed::TimedOut(limit)))
}

/// Asks once, or twice where a structured reply needs repair.
async fn ask(
    work: &Work<'_, '_>,
    block: &LlmBlock,
    prompt: &Prompt,
    model: &str,
    usage: &mut Usage,
) -> Result<Given, Failed> {
    let mut request = request(work, block, prompt, model);
    let reply = call(work, &request, usage).await?;
    if !reply.tool_calls.is_empty() && !request.tools.is_empty() {
        if prompt.iterations_used >= block.max_tool_iterations {
            return Err(Failed::Iterations(block.max_tool_iterations));
        }
        return Ok(Given::Calls(reply));
    }
    let text = reply.text.unwrap_or_default();
    within_size(work, &text)?;
    let Some(schema) = &block.output else {
        return Ok(Given::Output(json!({ "message": text })));
    };
    let problems = match structured(&text, schema) {
        Ok(output) => return Ok(Given::Output(output)),
        Err(problems) => problems,
    };
    ask_for_repair(&mut request, text, &problems);
    let repaired = call(work, &request, usage).await?.text.unwrap_or_default();
    within_size(work, &repaired)?;
    structured(&repaired, schema).map(Given::Output).map_err(Failed::Schema)
}

fn within_size(work: &Work<'_, '_>, text: &str) -> Result<(), Failed> {
    let limit = work.walk.bounds().output_bytes;
    if text.len() as u64 > limit {
        return Err(Failed::Limit(format!(
            "the reply has {} bytes; the limit of a step's output is {limit}",
            text.len()
        )));
    }
    Ok(())
}

fn request(work: &Work<'_, '_>, block: &LlmBlock, prompt: &Prompt, model: &str) -> ModelRequest {
    let tools = offered_tools(work.walk, block);
    let native = work.walk.ports.model.describe(model).structured_output;
    let mut messages = prompt.all();
    let output = block.output.as_ref().and_then(|schema| {
        if native {
            return Some(OutputFormat { name: "output".to_owned(), schema: schema.json().clone() });
        }
        instruct(&mut messages, schema.json());
        None
    });
    ModelRequest {
        model: model.to_owned(),
        messages,
        config: block.config.clone(),
        output,
        tool_choice: if tools.is_empty() { None } else { work.walk.spec.tool_choice.clone() },
        tools,
    }
}

fn offered_tools(walk: &Walk<'_>, block: &LlmBlock) -> Vec<crate::Tool> {
    if block.tools_enabled { walk.spec.tools.clone() } else { Vec::new() }
}

/// For models that take no schema.
fn instruct(messages: &mut Vec<Message>, schema: &Value) {
    let text = format!("Answer with one JSON object that fits this JSON Schema, and nothing else:\n{schema}");
    match messages.first_mut() {
        Some(Message::System { text: system }) => *system = format!("{system}\n\n{text}"),
        _ => messages.insert(0, Message::System { text }),
    }
}

async fn call(work: &Work<'_, '_>, request: &ModelRequest, usage: &mut Usage) -> Result<ModelReply, Failed> {
    let deltas = Deltas { sink: work.walk.ports.sink.as_ref(), leaf: work.index() };
    let sink: Option<&dyn DeltaSink> = if work.walk.spec.deltas { Some(&deltas) } else { None };
    let reply = work.walk.ports.model.complete(request, sink).await.map_err(Failed::Model)?;
    usage.add(&Usage { model: Some(reply.model.clone()), tokens: Some(reply.tokens), cost: reply.cost });
    Ok(reply)
}

struct Deltas<'a> {
    sink: &'a dyn EventSink,
    leaf: usize,
}

impl DeltaSink for Deltas<'_> {
    fn text(&self, text: &str) {
        self.sink.delta(self.leaf, text);
    }
}

/// The reply as the schema's value, or what is wrong with it.
fn structured(text: &str, schema: &noukai_flow::OutputSchema) -> Result<Value, Vec<String>> {
    let value: Value = serde_json::from_str(unfenced(text)).map_err(|error| vec![format!("no JSON: {error}")])?;
    let problems = schema.validate(&value);
    if problems.is_empty() { Ok(value) } else { Err(problems) }
}

/// Models like to wrap JSON in a Markdown fence.
fn unfenced(text: &str) -> &str {
    let text = text.trim();
    let inner = text.strip_prefix("```").and_then(|rest| rest.strip_suffix("```"));
    inner.map_or(text, |inner| inner.strip_prefix("json").unwrap_or(inner).trim())
}

fn ask_for_repair(request: &mut ModelRequest, reply: String, problems: &[String]) {
    let text = format!(
        "Your reply does not fit the required JSON Schema: {}. Answer again with the corrected JSON object alone.",
        problems.join("; ")
    );
    request.messages.push(Message::Assistant { text: Some(reply), tool_calls: Vec::new() });
    request.messages.push(Message::User { text, images: Vec::new() });
}

fn pause(
    work: &Work<'_, '_>,
    block: &LlmBlock,
    prompt: &Prompt,
    attempt: u32,
    usage: &Usage,
    reply: ModelReply,
) -> Stop {
    let mut turns = prompt.turns.clone();
    turns.push(Message::Assistant { text: reply.text, tool_calls: reply.tool_calls.clone() });
    let progress = work.walk.progress();
    let elapsed = progress.elapsed(&work.slot());
    Stop::ToolPause(Box::new(ToolPause {
        leaf: work.index(),
        step_id: work.node.id.to_string(),
        attempt,
        iterations_used: prompt.iterations_used + 1,
        turns,
        tool_calls: reply.tool_calls,
        tools: offered_tools(work.walk, block),
        tool_choice: work.walk.spec.tool_choice.clone(),
        outputs: progress.outputs(work.walk.flow()),
        tokens: usage.tokens.unwrap_or_default(),
        cost: usage.cost,
        elapsed_ms: u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX),
    }))
}

//! LLM blocks: prompt, attempts over models, structured output, tools.

mod failed;
mod shown;

use std::{sync::Arc, time::Duration};

use noukai_api::{ErrorCode, StepError};
use noukai_flow::{Block, FlowKind, LlmBlock, TemplateError};
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::{
    CallSite, DeltaSink, Message, ModelReply, ModelRequest, Notes, OutputFormat, StructuredOutput, ToolPause,
    ToolResume, Usage,
    nodes::leaf::Work,
    progress::Continued,
    walk::{Ended, Seen, Stop, Walk},
};

use self::{
    failed::{Asked, Failed, Next},
    shown::Shown,
};

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
    let shown = work
        .walk
        .spec
        .deltas
        .then(|| Shown::new(work.walk.ports.sink.as_ref(), work.index(), !work.place.path.is_empty()));
    for (position, model) in models.iter().enumerate() {
        let mut asked = Asked::first(position + 1 < models.len());
        loop {
            let call = Call { work, block, prompt: &prompt, model, shown: shown.as_ref() };
            let failed = match call.try_once(&mut usage).await {
                Ok(Given::Output(output)) => {
                    let notes = Notes { prompt: Some(prompt.text), ..Notes::default() };
                    return Ok(work.complete(attempt, output, usage, notes));
                }
                Ok(Given::Calls(reply)) => return Err(pause(work, block, &prompt, attempt, &usage, reply)),
                Err(failed) => failed,
            };
            call.name(&failed, &mut usage);
            let error = failed.error(work, attempt);
            let next = asked.after(&failed, work);
            if next == Next::GiveUp {
                return Err(give_up(work, attempt, error, usage));
            }
            work.fail(attempt, &error, std::mem::take(&mut usage), Notes::default());
            if let Next::Again(wait) = next {
                tokio::time::sleep(wait).await;
            }
            attempt = work.begin(None).await?;
            if next == Next::OtherModel {
                break;
            }
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
        Usage { tokens: Some(resume.pause.tokens), cost: resume.pause.cost, ..Usage::default() }
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

/// A reply that was fit to be used, and the request it may be given again for.
struct Worth {
    request: ModelRequest,
    reply: ModelReply,
}

impl Worth {
    /// `None` for what the block does not want to be given again, what was given again itself, and what was cut off.
    fn of(request: &ModelRequest, reply: &ModelReply) -> Option<Self> {
        let wanted = request.cache.is_some() && !reply.cached && !reply.truncated;
        wanted.then(|| Self { request: request.clone(), reply: reply.clone() })
    }
}

/// One attempt on one model.
struct Call<'c, 'w, 'a> {
    work: &'c Work<'w, 'a>,
    block: &'c LlmBlock,
    prompt: &'c Prompt,
    model: &'c str,
    /// Where somebody watches.
    shown: Option<&'c Shown<'c>>,
}

impl Call<'_, '_, '_> {
    /// Within its time.
    async fn try_once(&self, usage: &mut Usage) -> Result<Given, Failed> {
        let work = self.work;
        let limit = work.leaf.timeout_ms.map_or(work.walk.bounds().block_time, Duration::from_millis);
        let (given, worth) = timeout(limit, self.ask(usage)).await.unwrap_or(Err(Failed::TimedOut(limit)))?;
        // Past its time: the reply is there, whatever becomes of this.
        if let Some(Worth { request, reply }) = worth {
            work.walk.ports.model.keep(&request, &reply).await;
        }
        Ok(given)
    }

    /// Asks once, or twice where a structured reply needs repair. What was repaired counts as the reply to the first
    /// request.
    async fn ask(&self, usage: &mut Usage) -> Result<(Given, Option<Worth>), Failed> {
        let Self { work, block, prompt, model, .. } = *self;
        let mut request = request(work, block, prompt, model);
        let reply = self.send(&request, usage).await?;
        if !reply.tool_calls.is_empty() && !request.tools.is_empty() {
            if prompt.iterations_used >= block.max_tool_iterations {
                return Err(Failed::Iterations(block.max_tool_iterations));
            }
            let worth = Worth::of(&request, &reply);
            return Ok((Given::Calls(reply), worth));
        }
        let worth = Worth::of(&request, &reply);
        let Some(schema) = &block.output else {
            let text = text_of(work, reply)?;
            return Ok((Given::Output(json!({ "message": text })), worth));
        };
        let truncated = reply.truncated;
        let text = text_of(work, reply)?;
        let problems = match structured(&text, truncated, schema) {
            Ok(output) => return Ok((Given::Output(output), worth)),
            Err(problems) => problems,
        };
        let asked = request.cache.is_some().then(|| request.clone());
        ask_for_repair(&mut request, text, &problems);
        let reply = self.send(&request, usage).await?;
        let worth = asked.and_then(|asked| Worth::of(&asked, &reply));
        let truncated = reply.truncated;
        let repaired = text_of(work, reply)?;
        structured(&repaired, truncated, schema).map(|output| (Given::Output(output), worth)).map_err(Failed::Schema)
    }

    async fn send(&self, request: &ModelRequest, usage: &mut Usage) -> Result<ModelReply, Failed> {
        if let Some(shown) = self.shown {
            shown.begin();
        }
        let sink = self.shown.map(|shown| shown as &dyn DeltaSink);
        let reply = self.work.walk.ports.model.complete(request, sink).await.map_err(Failed::Model)?;
        if let Some(shown) = self.shown {
            shown.end();
        }
        usage.add(&Usage {
            model: Some(reply.model.clone()),
            provider: reply.provider.clone(),
            tokens: Some(reply.tokens),
            details: reply.details,
            cost: reply.cost,
            hedged: reply.hedged,
            cached: reply.cached,
        });
        Ok(reply)
    }

    /// Names who was asked, for the trace of a failed attempt.
    fn name(&self, failed: &Failed, usage: &mut Usage) {
        usage.model.get_or_insert_with(|| self.model.to_owned());
        if let Some(provider) = failed.provider() {
            usage.provider = Some(provider);
        } else if usage.provider.is_none() {
            usage.provider = self.work.walk.ports.model.describe(self.model).provider;
        }
    }
}

/// The reply's text, unless it is over the limit of a step's output.
fn text_of(work: &Work<'_, '_>, reply: ModelReply) -> Result<String, Failed> {
    let text = reply.text.unwrap_or_default();
    within_size(work, &text).map(|()| text)
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
    let mut messages = prompt.all();
    let output = block.output.as_ref().and_then(|schema| {
        let how = work.walk.ports.model.describe(model).structured_output;
        if how == StructuredOutput::Instruction {
            instruct(&mut messages, schema.json());
            return None;
        }
        let by_tool = how == StructuredOutput::Tool;
        Some(OutputFormat { name: "output".to_owned(), schema: schema.json().clone(), by_tool })
    });
    ModelRequest {
        site: CallSite { step: work.node.id.clone(), path: work.place.path.clone() },
        model: model.to_owned(),
        messages,
        config: block.config.clone(),
        output,
        tool_choice: if tools.is_empty() { None } else { work.walk.spec.tool_choice.clone() },
        tools,
        cache: block.cache,
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

/// The reply as the schema's value, or what is wrong with it.
fn structured(text: &str, truncated: bool, schema: &noukai_flow::OutputSchema) -> Result<Value, Vec<String>> {
    let parsed = serde_json::from_str(unfenced(text)).map_err(|error| vec![format!("no JSON: {error}")]);
    let mut problems = match parsed {
        Ok(value) => match schema.validate(&value) {
            problems if problems.is_empty() => return Ok(value),
            problems => problems,
        },
        Err(problems) => problems,
    };
    if truncated {
        problems.insert(0, "it was cut off at its limit of tokens".to_owned());
    }
    Err(problems)
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
    request.messages.push(Message::Assistant { text: Some(reply), tool_calls: Vec::new(), carried: None });
    request.messages.push(Message::User { text, images: Vec::new() });
    request.cache = None;
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
    let (text, carried) = (reply.text, reply.carried);
    turns.push(Message::Assistant { text, tool_calls: reply.tool_calls.clone(), carried });
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

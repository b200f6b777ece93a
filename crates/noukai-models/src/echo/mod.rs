//! `noukai/echo`, the built-in model: no network, no key, no cost. It repeats what it was given and never stands in
//! for a real model. Owns what it answers; values for schemas are made in `sample`.

mod pattern;
mod sample;
mod schema;

use std::time::Duration;

#[cfg(test)]
pub(crate) use self::sample::value as sample_value;

use async_trait::async_trait;
use noukai_engine::{
    DeltaSink, Message, Model, ModelError, ModelErrorKind, ModelInfo, ModelReply, ModelRequest, StructuredOutput,
    Tokens, Tool, ToolCall, ToolCallFunction, ToolChoice, ToolChoiceMode,
};
use rust_decimal::Decimal;
use serde_json::{Map, Value};

use crate::{
    call_id::new_call_id,
    router::{all_image_types, not_available, shown},
};

/// The built-in model's name.
pub const ECHO_MODEL: &str = "noukai/echo";

const LONGEST_LATENCY_MS: f64 = 600_000.0;
const WORDS_PER_DELTA: usize = 3;

/// The built-in model.
#[derive(Debug, Clone, Copy, Default)]
pub struct Echo;

#[async_trait]
impl Model for Echo {
    fn describe(&self, model: &str) -> ModelInfo {
        ModelInfo {
            available: check_name(model),
            image_types: Some(all_image_types()),
            provider: None,
            structured_output: StructuredOutput::Native,
        }
    }

    fn default_model(&self) -> &str {
        ECHO_MODEL
    }

    async fn complete(&self, request: &ModelRequest, deltas: Option<&dyn DeltaSink>) -> Result<ModelReply, ModelError> {
        check_name(&request.model).map_err(not_available)?;
        let latency = latency(&request.config)?;
        let answer = answer(request)?;
        if !latency.is_zero() {
            tokio::time::sleep(latency).await;
        }
        if let (Answer::Text(text), Some(sink)) = (&answer, deltas) {
            stream(text, sink).await;
        }
        Ok(answer.into_reply(request))
    }
}

enum Answer {
    Text(String),
    Call(ToolCall),
}

impl Answer {
    fn into_reply(self, request: &ModelRequest) -> ModelReply {
        let (text, tool_calls) = match self {
            Self::Text(text) => (Some(text), Vec::new()),
            Self::Call(call) => (None, vec![call]),
        };
        let written = text.as_ref().map_or(0, |text| characters(text))
            + tool_calls.iter().map(|call| characters(&call.function.arguments)).sum::<u64>();
        let read = request.messages.iter().map(|message| characters(text_of(message))).sum();
        let tokens = Tokens::new(token_count(read), token_count(written));
        ModelReply {
            text,
            tool_calls,
            tokens,
            cost: Some(Decimal::ZERO),
            model: ECHO_MODEL.to_owned(),
            ..ModelReply::default()
        }
    }
}

fn answer(request: &ModelRequest) -> Result<Answer, ModelError> {
    let result = tool_result(&request.messages);
    let source = result.unwrap_or_else(|| last_user_text(&request.messages));
    if let Some(tool) = tool_to_call(request, result.is_some())? {
        return Ok(Answer::Call(call(tool, source)));
    }
    Ok(Answer::Text(match &request.output {
        Some(output) => sample::value(&output.schema, source).to_string(),
        None => source.to_owned(),
    }))
}

/// The tool to call now, if one is: the named one or the first, until it has answered. `required` asks for a call each
/// time.
fn tool_to_call(request: &ModelRequest, answered: bool) -> Result<Option<&Tool>, ModelError> {
    match &request.tool_choice {
        Some(ToolChoice::Function { function, .. }) => {
            let tool = named_tool(&request.tools, &function.name)?;
            Ok(Some(tool).filter(|_| !answered))
        }
        Some(ToolChoice::Mode(ToolChoiceMode::None)) => Ok(None),
        Some(ToolChoice::Mode(ToolChoiceMode::Required)) => Ok(request.tools.first()),
        Some(ToolChoice::Mode(ToolChoiceMode::Auto)) | None => Ok(request.tools.first().filter(|_| !answered)),
    }
}

fn named_tool<'a>(tools: &'a [Tool], name: &str) -> Result<&'a Tool, ModelError> {
    tools
        .iter()
        .find(|tool| tool.function.name == name)
        .ok_or_else(|| refused(format!("the tool choice names `{}`, which is not among the tools", shown(name))))
}

fn call(tool: &Tool, source: &str) -> ToolCall {
    let arguments = tool.function.parameters.as_ref().map(|schema| sample::value(schema, source));
    let arguments = arguments.filter(Value::is_object).unwrap_or_else(|| Value::Object(Map::new()));
    ToolCall {
        id: new_call_id(),
        kind: "function".to_owned(),
        function: ToolCallFunction { name: tool.function.name.clone(), arguments: arguments.to_string() },
    }
}

/// The last tool result after the last user turn.
fn tool_result(messages: &[Message]) -> Option<&str> {
    let turns = messages.iter().rev().take_while(|message| !matches!(message, Message::User { .. }));
    turns.into_iter().find_map(|message| match message {
        Message::Tool { content, .. } => Some(content.as_str()),
        _ => None,
    })
}

fn last_user_text(messages: &[Message]) -> &str {
    let user = messages.iter().rev().find(|message| matches!(message, Message::User { .. }));
    user.map_or("", text_of)
}

fn text_of(message: &Message) -> &str {
    match message {
        Message::System { text } | Message::User { text, .. } => text,
        Message::Assistant { text, .. } => text.as_deref().unwrap_or_default(),
        Message::Tool { content, .. } => content,
    }
}

fn characters(text: &str) -> u64 {
    text.chars().count() as u64
}

/// About four characters each, as in English.
fn token_count(characters: u64) -> u64 {
    characters.div_ceil(4).max(1)
}

async fn stream(text: &str, sink: &dyn DeltaSink) {
    let mut rest = text;
    while !rest.is_empty() {
        let (words, after) = rest.split_at(end_of_words(rest));
        sink.text(words);
        rest = after;
        tokio::task::yield_now().await;
    }
}

/// Where the first few words of a text end, with the white space after them.
fn end_of_words(text: &str) -> usize {
    let starts = text
        .char_indices()
        .zip(text.chars().skip(1))
        .filter_map(|((at, c), next)| (c.is_whitespace() && !next.is_whitespace()).then_some(at + c.len_utf8()));
    starts.take(WORDS_PER_DELTA).nth(WORDS_PER_DELTA - 1).unwrap_or(text.len())
}

fn latency(config: &Map<String, Value>) -> Result<Duration, ModelError> {
    let Some(value) = config.get("latency_ms").filter(|value| !value.is_null()) else {
        return Ok(Duration::ZERO);
    };
    match value.as_f64() {
        Some(ms) if ms >= 0.0 => Ok(Duration::from_secs_f64(ms.min(LONGEST_LATENCY_MS) / 1000.0)),
        _ => Err(refused(format!("{ECHO_MODEL}: `latency_ms` must be a number of milliseconds, 0 to 600000"))),
    }
}

fn check_name(model: &str) -> Result<(), String> {
    if model == ECHO_MODEL {
        return Ok(());
    }
    Err(format!("there is no built-in model `{}`; the only one is {ECHO_MODEL}", shown(model)))
}

fn refused(message: String) -> ModelError {
    ModelError {
        kind: ModelErrorKind::Refused,
        message,
        provider: Some("noukai".to_owned()),
        status: None,
        retry_after: None,
        another_key: false,
        hedged: false,
    }
}

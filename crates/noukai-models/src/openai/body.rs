//! The request on the wire: borrowed from the engine's request and written once, with no value tree in between.

use std::borrow::Cow;

use noukai_engine::{Image, Message, ModelRequest, OutputFormat, Tool, ToolCall, ToolChoice, ToolChoiceMode};
use serde::{Serialize, Serializer, ser::SerializeMap};
use serde_json::{Map, Value, value::RawValue};

use super::{dialect::Dialect, strict};
use crate::wire::Outgoing;

/// Config keys that are ours to set, or not meant for a provider.
const RESERVED: [&str; 12] = [
    "model",
    "messages",
    "stream",
    "stream_options",
    "tools",
    "tool_choice",
    "functions",
    "function_call",
    "response_format",
    "usage",
    "latency_ms",
    CACHE,
];

/// A block's word for a prompt that the vendor is to cache, in Anthropic's shape. OpenRouter passes it on, in the parts of a
/// message; others would refuse it.
const CACHE: &str = "cache_control";

/// Body of `POST /chat/completions`.
#[derive(Serialize)]
pub(crate) struct Body<'a> {
    model: &'a str,
    messages: Messages<'a>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    tools: &'a [Tool],
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_choice: Option<Choice<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_format: Option<ResponseFormat<'a>>,
    #[serde(skip_serializing_if = "is_false")]
    stream: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    stream_options: Option<StreamOptions>,
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<UsageOptions>,
    #[serde(flatten)]
    config: Config<'a>,
}

impl<'a> Body<'a> {
    pub(crate) fn new(outgoing: &Outgoing<'a>, dialect: &Dialect) -> Self {
        let Outgoing { request, model, stream, .. } = *outgoing;
        Self {
            model,
            messages: Messages(&request.messages, *dialect, cache(request, dialect)),
            tools: &request.tools,
            // Providers refuse a choice among no tools.
            tool_choice: choice(request, dialect).filter(|_| !request.tools.is_empty()),
            response_format: request.output.as_ref().map(ResponseFormat::new),
            stream,
            stream_options: (stream && !dialect.is_mistral).then_some(StreamOptions { include_usage: true }),
            usage: dialect.asks_cost.then_some(UsageOptions { include: true }),
            config: Config(&request.config, dialect.renames_max_tokens),
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature serde calls")]
const fn is_false(flag: &bool) -> bool {
    !*flag
}

#[derive(Serialize)]
struct StreamOptions {
    include_usage: bool,
}

#[derive(Serialize)]
struct UsageOptions {
    include: bool,
}

/// The block's config without what it may not set.
struct Config<'a>(&'a Map<String, Value>, bool);

impl Serialize for Config<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (key, value) in self.0.iter().filter(|(key, _)| !RESERVED.contains(&key.as_str())) {
            let renamed = self.1 && key == "max_tokens";
            map.serialize_entry(if renamed { "max_completion_tokens" } else { key }, value)?;
        }
        map.end()
    }
}

#[derive(Serialize)]
struct ResponseFormat<'a> {
    r#type: &'static str,
    json_schema: JsonSchema<'a>,
}

#[derive(Serialize)]
struct JsonSchema<'a> {
    name: &'a str,
    strict: bool,
    schema: strict::Schema<'a>,
}

impl<'a> ResponseFormat<'a> {
    fn new(output: &'a OutputFormat) -> Self {
        let schema = strict::Schema::new(&output.schema);
        let json_schema = JsonSchema { name: &output.name, strict: schema.is_strict(), schema };
        Self { r#type: "json_schema", json_schema }
    }
}

/// A choice among tools, or Mistral's word for a forced one.
#[derive(Serialize)]
#[serde(untagged)]
enum Choice<'a> {
    Plain(&'a ToolChoice),
    Word(&'static str),
}

fn choice<'a>(request: &'a ModelRequest, dialect: &Dialect) -> Option<Choice<'a>> {
    let choice = request.tool_choice.as_ref()?;
    let forced = dialect.is_mistral && *choice == ToolChoice::Mode(ToolChoiceMode::Required);
    Some(if forced { Choice::Word("any") } else { Choice::Plain(choice) })
}

struct Messages<'a>(&'a [Message], Dialect, Option<&'a Value>);

impl Serialize for Messages<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let last = self.0.len().saturating_sub(1);
        // What comes again with the next call: the system message, and a conversation up to its last turn.
        let ends = |index: usize| index == 0 || (index == last && last > 1);
        serializer.collect_seq(self.0.iter().enumerate().map(|(index, message)| {
            let cache = self.2.filter(|_| ends(index));
            WireMessage::new(message, &self.1, cache)
        }))
    }
}

#[derive(Serialize)]
#[serde(tag = "role", rename_all = "lowercase")]
enum WireMessage<'a> {
    System {
        content: Content<'a>,
    },
    User {
        content: Content<'a>,
    },
    Assistant {
        content: Option<&'a str>,
        #[serde(skip_serializing_if = "Calls::is_empty")]
        tool_calls: Calls<'a>,
        #[serde(skip_serializing_if = "Option::is_none")]
        reasoning_details: Option<&'a RawValue>,
    },
    Tool {
        tool_call_id: Cow<'a, str>,
        content: &'a str,
    },
}

impl<'a> WireMessage<'a> {
    fn new(message: &'a Message, dialect: &Dialect, cache: Option<&'a Value>) -> Self {
        match message {
            Message::System { text } => Self::System { content: Content { text, images: &[], cache } },
            Message::User { text, images } => Self::User { content: Content { text, images, cache } },
            Message::Assistant { text, tool_calls, carried } => {
                // Only a turn that calls tools may go without content.
                let silent = if tool_calls.is_empty() { Some("") } else { None };
                let carried = carried.as_ref().filter(|carried| carried.dialect == "openai" && dialect.asks_cost);
                Self::Assistant {
                    content: text.as_deref().or(silent),
                    tool_calls: Calls(tool_calls, *dialect),
                    reasoning_details: carried.and_then(|carried| serde_json::from_str(carried.data.as_str()?).ok()),
                }
            }
            Message::Tool { call_id, content, .. } => Self::Tool { tool_call_id: dialect.call_id(call_id), content },
        }
    }
}

fn cache<'a>(request: &'a ModelRequest, dialect: &Dialect) -> Option<&'a Value> {
    request.config.get(CACHE).filter(|cache| dialect.asks_cost && cache.is_object())
}

/// Calls, under ids that the host takes.
struct Calls<'a>(&'a [ToolCall], Dialect);

impl Calls<'_> {
    const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Serialize for Calls<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if !self.1.is_mistral {
            return self.0.serialize(serializer);
        }
        let renamed = |call: &ToolCall| ToolCall { id: self.1.call_id(&call.id).into_owned(), ..call.clone() };
        serializer.collect_seq(self.0.iter().map(renamed))
    }
}

/// Text alone as a string; with images, or to be cached, as parts.
struct Content<'a> {
    text: &'a str,
    images: &'a [Image],
    cache: Option<&'a Value>,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Part<'a> {
    Text {
        text: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        cache_control: Option<&'a Value>,
    },
    ImageUrl {
        image_url: ImageUrl<'a>,
    },
}

#[derive(Serialize)]
struct ImageUrl<'a> {
    url: &'a str,
}

impl Serialize for Content<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.images.is_empty() && self.cache.is_none() {
            return serializer.serialize_str(self.text);
        }
        // Some providers refuse an empty text part.
        let text = Some(Part::Text { text: self.text, cache_control: self.cache }).filter(|_| !self.text.is_empty());
        let images = self.images.iter().map(|image| Part::ImageUrl { image_url: ImageUrl { url: &image.url } });
        serializer.collect_seq(text.into_iter().chain(images))
    }
}

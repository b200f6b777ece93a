//! What a caller sends to run a flow, checked and turned into what the engine takes.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use noukai_api::{Attachment, ChatMessage, ErrorCode, FieldError, Limits};
use noukai_engine::{Image, Message, Tool, ToolChoice, json_size};
use noukai_flow::{Block, Flow, FlowKind, InputError, LlmBlock, Node, NodeKind};
use noukai_store::ProjectId;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{App, AppError, Caller};

const MIME_TYPES: [&str; 4] = ["image/jpeg", "image/png", "image/webp", "image/gif"];
const URL_CHARS: usize = 2_048;
const FILENAME_CHARS: usize = 255;

/// A run's inputs as the store keeps them while the run may go on.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct RunInputs {
    v: u32,
    pub initial: Arc<Value>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conversation: Vec<Message>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub images: Vec<Image>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub overrides: Overrides,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<Tool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_choice: Option<ToolChoice>,
    /// The API key that the run is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

pub(crate) type Overrides = BTreeMap<String, Map<String, Value>>;

impl RunInputs {
    pub fn text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// The same as a value, for traces.
    pub fn value(&self) -> Value {
        serde_json::to_value(self).unwrap_or_default()
    }

    /// From here on the run is for the caller's key.
    pub fn on_account_of(self, caller: &Caller) -> Self {
        Self { key: Some(caller.key_id.clone()), ..self }
    }

    pub fn read(text: &str) -> Result<Self, AppError> {
        serde_json::from_str(text).map_err(AppError::internal)
    }
}

/// What every door's first request has in common.
#[derive(Default)]
pub(crate) struct Sent {
    pub message: Option<String>,
    pub messages: Option<Vec<ChatMessage>>,
    pub parameters: Map<String, Value>,
    pub attachments: Vec<Attachment>,
    pub overrides: Overrides,
    pub tools: Option<Vec<Value>>,
    pub tool_choice: Option<Value>,
}

impl App {
    /// Checks a first request against its flow: the flow with overrides applied, and the inputs.
    pub(crate) async fn prepare(
        &self,
        caller: &Caller,
        flow: &Arc<Flow>,
        sent: Sent,
    ) -> Result<(Arc<Flow>, RunInputs), AppError> {
        let flow = with_overrides(flow, &sent.overrides)?;
        if sent.parameters.contains_key("attachments") {
            let message = "`attachments` is no parameter's name; send attachments beside `parameters`";
            return Err(AppError::new(ErrorCode::ParameterNameReserved, message));
        }
        let (message, conversation) = conversation(&flow, sent.message, sent.messages, self.limits())?;
        let initial = flow.input.initial(message.as_deref(), &sent.parameters).map_err(input_error)?;
        let conversation = chat_turn(&flow, conversation, &initial);
        let images = images(&sent.attachments, self.limits())?;
        self.check_sight(caller.scope(), &flow, &images).await?;
        let (tools, tool_choice) = tools(&flow, sent.tools, sent.tool_choice, self.limits())?;
        let inputs = RunInputs {
            v: 1,
            initial: Arc::new(Value::Object(initial)),
            conversation,
            images,
            overrides: sent.overrides,
            tools,
            tool_choice,
            key: Some(caller.key_id.clone()),
        };
        Ok((flow, inputs))
    }
}

impl App {
    /// Checks what a run took against a flow that may have changed since.
    pub(crate) async fn check_again(
        &self,
        project: ProjectId,
        flow: &Flow,
        message: Option<&str>,
        parameters: &Map<String, Value>,
        inputs: RunInputs,
    ) -> Result<RunInputs, AppError> {
        let initial = flow.input.initial(message, parameters).map_err(input_error)?;
        let conversation = chat_turn(flow, inputs.conversation, &initial);
        self.check_sight(project, flow, &inputs.images).await?;
        Ok(RunInputs { initial: Arc::new(Value::Object(initial)), conversation, ..inputs })
    }

    /// Refuses attachments that a receiving block's model cannot see, at the provider that would be called.
    async fn check_sight(&self, project: ProjectId, flow: &Flow, images: &[Image]) -> Result<(), AppError> {
        if images.is_empty() {
            return Ok(());
        }
        let own = self.own_providers(project).await?;
        check_sight(flow, images, self.model().default_model_for(&own.providers), &|model| {
            self.model().describe_for(&own.providers, model).image_types
        })
    }
}

pub(crate) fn with_overrides(flow: &Arc<Flow>, overrides: &Overrides) -> Result<Arc<Flow>, AppError> {
    if overrides.is_empty() {
        return Ok(flow.clone());
    }
    flow.with_overrides(overrides).map(Arc::new).map_err(AppError::invalid)
}

fn input_error(error: InputError) -> AppError {
    match error {
        InputError::MissingMessage(missing) => {
            let message = format!(
                "send `message`, or `messages`, or all required inputs in `parameters` (missing: {})",
                missing.join(", ")
            );
            AppError::new(ErrorCode::MissingMessage, message)
        }
        InputError::Invalid(errors) => AppError::invalid(errors),
    }
}

/// The current user text, and the turns that go to the model as such.
fn conversation(
    flow: &Flow,
    message: Option<String>,
    messages: Option<Vec<ChatMessage>>,
    limits: &Limits,
) -> Result<(Option<String>, Vec<Message>), AppError> {
    let Some(messages) = messages.filter(|messages| !messages.is_empty()) else {
        return Ok((message, Vec::new()));
    };
    check_size(&messages, limits)?;
    let mut turns =
        messages.iter().enumerate().map(|(index, turn)| read_turn(index, turn)).collect::<Result<Vec<_>, _>>()?;
    let last_user = turns.iter().rposition(|turn| matches!(turn, Message::User { .. }));
    let text = last_user.and_then(|at| match &turns[at] {
        Message::User { text, .. } => Some(text.clone()),
        _ => None,
    });
    if flow.kind == FlowKind::Pipeline {
        turns.truncate(last_user.unwrap_or(turns.len()));
    }
    Ok((text, turns))
}

fn check_size(messages: &[ChatMessage], limits: &Limits) -> Result<(), AppError> {
    let bytes = serde_json::to_value(messages).map(|value| json_size(&value)).unwrap_or(u64::MAX);
    if bytes > limits.messages_bytes {
        let message = format!("`messages` has {bytes} bytes; the limit is {}", limits.messages_bytes);
        return Err(AppError::new(ErrorCode::MessagesTooLarge, message));
    }
    Ok(())
}

fn read_turn(index: usize, turn: &ChatMessage) -> Result<Message, AppError> {
    let text = content_text(&turn.content);
    match turn.role.as_str() {
        "user" => Ok(Message::User { text, images: Vec::new() }),
        "assistant" => Ok(Message::Assistant {
            text: (!text.is_empty()).then_some(text),
            tool_calls: turn.tool_calls.clone().unwrap_or_default(),
            carried: None,
        }),
        "tool" => {
            let call_id = turn.tool_call_id.clone().ok_or_else(|| {
                AppError::invalid_field(
                    &["body", "messages", &index.to_string(), "toolCallId"],
                    "is required in a tool turn",
                )
            })?;
            Ok(Message::Tool { call_id, name: turn.name.clone(), content: text })
        }
        role => {
            let shown: String = role.chars().take(40).collect();
            let message = format!("messages[{index}] has the role `{shown}`; use user, assistant or tool");
            Err(AppError::new(ErrorCode::MessagesRoleInvalid, message))
        }
    }
}

/// Text as it is; the texts of content parts together; anything else as JSON.
fn content_text(content: &Value) -> String {
    match content {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(parts) if parts.iter().all(|part| part.get("text").is_some_and(Value::is_string)) => {
            parts.iter().filter_map(|part| part.get("text").and_then(Value::as_str)).collect()
        }
        other => other.to_string(),
    }
}

/// In a chat flow a bare message is one user turn.
fn chat_turn(flow: &Flow, conversation: Vec<Message>, initial: &Map<String, Value>) -> Vec<Message> {
    if flow.kind != FlowKind::Chat || !conversation.is_empty() {
        return conversation;
    }
    let text = initial.get("message").map(content_text).unwrap_or_default();
    vec![Message::User { text, images: Vec::new() }]
}

fn images(attachments: &[Attachment], limits: &Limits) -> Result<Vec<Image>, AppError> {
    if attachments.len() > limits.attachments as usize {
        let message = format!("{} attachments; the limit is {}", attachments.len(), limits.attachments);
        return Err(AppError::new(ErrorCode::AttachmentInvalid, message));
    }
    attachments.iter().enumerate().map(|(index, attachment)| image(index, attachment)).collect()
}

fn image(index: usize, attachment: &Attachment) -> Result<Image, AppError> {
    let refuse = |why: String| Err(AppError::new(ErrorCode::AttachmentInvalid, format!("attachments[{index}]: {why}")));
    if attachment.kind.as_deref().is_some_and(|kind| kind != "url") {
        return refuse("`kind` must be `url`".to_owned());
    }
    if attachment.url.chars().count() > URL_CHARS {
        return refuse(format!("the url has more than {URL_CHARS} characters"));
    }
    if !is_https(&attachment.url) {
        return refuse("the url must begin with https:// and name a host".to_owned());
    }
    if !MIME_TYPES.contains(&attachment.mime_type.as_str()) {
        return refuse(format!("the mime type must be one of {}", MIME_TYPES.join(", ")));
    }
    let filename = attachment.filename.clone().unwrap_or_else(|| filename_of(&attachment.url));
    let climbs = filename.contains(['/', '\\', '\0']) || filename.contains("..");
    if filename.chars().count() > FILENAME_CHARS || (attachment.filename.is_some() && (climbs || filename.is_empty())) {
        return refuse(format!("the filename must have 1 to {FILENAME_CHARS} characters, without / \\ or .."));
    }
    Ok(Image { url: attachment.url.clone(), mime_type: attachment.mime_type.clone() })
}

fn is_https(url: &str) -> bool {
    let rest = url.strip_prefix("https://").unwrap_or_default();
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    !host.is_empty() && !url.chars().any(|c| c.is_whitespace() || c.is_control())
}

/// The last part of the url's path.
fn filename_of(url: &str) -> String {
    let path = url.split(['?', '#']).next().unwrap_or_default();
    path.rsplit('/').next().unwrap_or_default().chars().take(FILENAME_CHARS).collect()
}

/// `types` are those that a model sees, where that is known.
fn check_sight(
    flow: &Flow,
    images: &[Image],
    default_model: &str,
    types: &dyn Fn(&str) -> Option<BTreeSet<String>>,
) -> Result<(), AppError> {
    for (step, block) in receivers(flow) {
        let name = block.model.as_deref().unwrap_or(default_model);
        let Some(types) = types(name) else { continue };
        if let Some(image) = images.iter().find(|image| !types.contains(&image.mime_type)) {
            let message = format!(
                "block `{step}` would receive a {} attachment, which its model {name} cannot see",
                image.mime_type
            );
            return Err(AppError::new(ErrorCode::ModelMimeIncompatible, message));
        }
    }
    Ok(())
}

/// The LLM blocks that attachments go to: those before any other is done, and those that always want them.
fn receivers(flow: &Flow) -> Vec<(&str, &LlmBlock)> {
    let mut found = Vec::new();
    first_of_sequence(&flow.root, &mut found);
    let always =
        (0..flow.leaves.len()).filter_map(|index| flow.leaf(index)).filter_map(|(node, leaf)| match &leaf.block {
            Block::Llm(block) if block.attachments_always => Some((node.id.as_ref(), block.as_ref())),
            _ => None,
        });
    found.extend(always);
    found
}

/// Adds the first LLM blocks of a sequence; whether there were any.
fn first_of_sequence<'a>(nodes: &'a [Node], found: &mut Vec<(&'a str, &'a LlmBlock)>) -> bool {
    nodes.iter().any(|node| first_of_node(node, found))
}

fn first_of_node<'a>(node: &'a Node, found: &mut Vec<(&'a str, &'a LlmBlock)>) -> bool {
    match &node.kind {
        NodeKind::Leaf(leaf) => match &leaf.block {
            Block::Llm(block) => {
                found.push((node.id.as_ref(), block.as_ref()));
                true
            }
            _ => false,
        },
        NodeKind::Sequence(steps) => first_of_sequence(steps, found),
        NodeKind::Loop(each) => first_of_sequence(&each.steps, found),
        NodeKind::Parallel(children) => {
            // All of them begin at once, so every one is asked.
            let mut any = false;
            for child in children {
                any |= first_of_node(child, found);
            }
            any
        }
        NodeKind::Branch(branch) => {
            // Any of them may be taken, so every one is asked; what follows is first only where one has none.
            let mut all = true;
            for steps in branch.cases.iter().map(|(_, steps)| steps).chain([&branch.otherwise]) {
                all &= first_of_sequence(steps, found);
            }
            all
        }
    }
}

/// Checks the caller's tools and their choice.
pub(crate) fn tools(
    flow: &Flow,
    sent: Option<Vec<Value>>,
    choice: Option<Value>,
    limits: &Limits,
) -> Result<(Vec<Tool>, Option<ToolChoice>), AppError> {
    let sent = sent.unwrap_or_default();
    if sent.is_empty() {
        return Ok((Vec::new(), None));
    }
    check_takers(flow)?;
    let invalid = |message: String| AppError::new(ErrorCode::ToolsInvalid, message);
    if sent.len() > limits.tools as usize {
        return Err(invalid(format!("{} tools; the limit is {}", sent.len(), limits.tools)));
    }
    let tools =
        sent.into_iter().enumerate().map(|(index, tool)| read_tool(index, tool)).collect::<Result<Vec<Tool>, _>>()?;
    let mut names: Vec<&str> = tools.iter().map(|tool| tool.function.name.as_str()).collect();
    names.sort_unstable();
    if let Some(pair) = names.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(invalid(format!("two tools have the name `{}`", pair[0])));
    }
    let choice = choice.filter(|choice| !choice.is_null()).map(|choice| read_choice(choice, &names)).transpose()?;
    Ok((tools, choice))
}

/// Some block must take tools, and none that does may stand where it cannot pause.
fn check_takers(flow: &Flow) -> Result<(), AppError> {
    let mut takers = flow.leaves.iter().filter(|leaf| leaf.tools_enabled).peekable();
    if takers.peek().is_none() {
        let message = "no block of the flow has `tools_enabled: true`; send no tools, or enable them in a block";
        return Err(AppError::new(ErrorCode::ToolsNotEnabled, message));
    }
    if let Some(leaf) = takers.find(|leaf| leaf.in_unit) {
        let message = format!(
            "block `{}` takes tools but stands in a loop or a parallel container, where it cannot pause",
            leaf.id
        );
        return Err(AppError::new(ErrorCode::ToolsInNonSequentialStep, message));
    }
    Ok(())
}

fn read_tool(index: usize, tool: Value) -> Result<Tool, AppError> {
    let invalid = |why: String| AppError::new(ErrorCode::ToolsInvalid, format!("tools[{index}]: {why}"));
    let tool: Tool = serde_json::from_value(tool).map_err(|error| invalid(error.to_string()))?;
    if tool.kind != "function" {
        return Err(invalid("`type` must be `function`".to_owned()));
    }
    if tool.function.parameters.as_ref().is_some_and(|parameters| !parameters.is_object()) {
        return Err(invalid("`function.parameters` must be a JSON Schema object".to_owned()));
    }
    let name = &tool.function.name;
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    if name.is_empty() || name.len() > 64 || !name.chars().all(fits) {
        let message = format!("tools[{index}]: a tool's name has 1 to 64 letters, digits, _ and -");
        return Err(AppError::new(ErrorCode::ToolNameInvalid, message));
    }
    Ok(tool)
}

fn read_choice(choice: Value, names: &[&str]) -> Result<ToolChoice, AppError> {
    let invalid = |why: &str| AppError::new(ErrorCode::ToolsInvalid, format!("toolChoice: {why}"));
    let expected =
        "must be \"auto\", \"none\", \"required\" or {\"type\": \"function\", \"function\": {\"name\": ...}}";
    let choice: ToolChoice = serde_json::from_value(choice).map_err(|_| invalid(expected))?;
    match &choice {
        ToolChoice::Function { kind, .. } if kind != "function" => Err(invalid(expected)),
        ToolChoice::Function { function, .. } if !names.contains(&function.name.as_str()) => {
            Err(invalid("names a function that is not among the tools"))
        }
        _ => Ok(choice),
    }
}

/// For jobs, which cannot pause.
pub(crate) fn refuse_tools(tools: Option<&Vec<Value>>) -> Result<(), AppError> {
    if tools.is_some_and(|tools| !tools.is_empty()) {
        let message = "a job cannot pause for tools; use execute or step, or send no tools";
        return Err(AppError::new(ErrorCode::ToolsRequireSyncExecute, message));
    }
    Ok(())
}

/// One fault in the body.
pub(crate) fn fault(field: &str, msg: impl Into<String>) -> FieldError {
    FieldError { loc: vec!["body".to_owned(), field.to_owned()], msg: msg.into() }
}

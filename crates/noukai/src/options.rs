//! The options of a call: kept as given, checked all at once before the first request.

use std::{collections::BTreeMap, time::Duration};

use reqwest::Url;
use serde::Serialize;
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::{
    Attachment, CancelToken, Error, Flow, IntoVersion, Message, Result, ToolChoice, Version, http::Call, tools::Handler,
};

pub(crate) const MAX_TOOL_ROUNDS: u32 = 10;
const MAX_ATTACHMENTS: usize = 10;
const MAX_TOOLS: usize = 64;
const MAX_TOOL_NAME: usize = 64;
const MAX_URL: usize = 2_048;
const MAX_FILENAME: usize = 255;
const MAX_SESSION_ID: usize = 200;
const MAX_KEY: usize = 255;
const ROLES: [&str; 3] = ["user", "assistant", "tool"];
const IMAGES: [&str; 4] = ["image/jpeg", "image/png", "image/webp", "image/gif"];

/// What a builder was told so far. The first thing that cannot be kept is kept as the error.
pub(crate) struct Options {
    fault: Option<Error>,
    pub message: Option<String>,
    pub messages: Option<Vec<Message>>,
    pub parameters: Map<String, Value>,
    pub block_overrides: BTreeMap<String, Map<String, Value>>,
    pub attachments: Vec<Attachment>,
    pub tools: Vec<Value>,
    pub tool_choice: Option<ToolChoice>,
    pub handler: Option<Handler>,
    pub max_tool_rounds: u32,
    pub trace: bool,
    pub version: Version,
    pub timeout: Option<Duration>,
    pub cancel: Option<CancelToken>,
    pub session_id: Option<String>,
    pub idempotency_key: Option<String>,
    pub run_remaining: bool,
    pub input_overrides: Map<String, Value>,
    pub deltas: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            fault: None,
            message: None,
            messages: None,
            parameters: Map::new(),
            block_overrides: BTreeMap::new(),
            attachments: Vec::new(),
            tools: Vec::new(),
            tool_choice: None,
            handler: None,
            max_tool_rounds: MAX_TOOL_ROUNDS,
            trace: false,
            version: Version::Draft,
            timeout: None,
            cancel: None,
            session_id: None,
            idempotency_key: None,
            run_remaining: false,
            input_overrides: Map::new(),
            deltas: false,
        }
    }
}

impl std::fmt::Debug for Options {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Options").field("version", &self.version).field("trace", &self.trace).finish_non_exhaustive()
    }
}

impl Options {
    pub fn set_messages<M: Serialize>(&mut self, messages: impl IntoIterator<Item = M>) {
        let read = |(index, message): (usize, M)| {
            let wrong = |error| Error::invalid(format!("`messages[{index}]` is no message: {error}"));
            serde_json::to_value(message).and_then(serde_json::from_value).map_err(wrong)
        };
        let messages: Result<Vec<Message>> = messages.into_iter().enumerate().map(read).collect();
        self.messages = self.kept(messages.map(Some));
    }

    pub fn set_parameters(&mut self, parameters: impl Serialize) {
        self.parameters = self.kept(object("parameters", parameters));
    }

    pub fn set_block_overrides(&mut self, overrides: impl Serialize) {
        let overrides = object("block_overrides", overrides).and_then(|blocks| {
            let block = |(step, fields)| Ok((step, object("block_overrides` of a step, `{field: value}", fields)?));
            blocks.into_iter().map(block).collect()
        });
        self.block_overrides = self.kept(overrides);
    }

    pub fn set_input_overrides(&mut self, overrides: impl Serialize) {
        self.input_overrides = self.kept(object("input_overrides", overrides));
    }

    pub fn set_tools<T: Serialize>(&mut self, tools: impl IntoIterator<Item = T>) {
        let wrong = |error| Error::invalid(format!("`tools` holds what is no JSON: {error}"));
        let tools = tools.into_iter().map(|tool| serde_json::to_value(tool).map_err(wrong)).collect();
        self.tools = self.kept(tools);
    }

    pub fn set_version(&mut self, version: impl IntoVersion) {
        self.version = self.kept(version.into_version());
    }

    fn kept<T: Default>(&mut self, value: Result<T>) -> T {
        value.unwrap_or_else(|error| {
            self.fault.get_or_insert(error);
            T::default()
        })
    }

    /// Everything that can be known to be wrong before a request.
    pub fn checked(mut self, flow: &Flow) -> Result<(Self, Call)> {
        if let Some(fault) = self.fault.take() {
            return Err(fault);
        }
        self.check_inputs()?;
        self.attachments.iter().enumerate().try_for_each(|(index, attachment)| check_attachment(index, attachment))?;
        self.check_tools()?;
        if self.timeout.is_some_and(|timeout| timeout.is_zero()) {
            return Err(Error::invalid("`timeout` must be longer than 0"));
        }
        if let Some(key) = &self.idempotency_key {
            check_idempotency_key(key)?;
        }
        let session_id = match self.session_id.take() {
            Some(id) => Some(checked_session_id(id)?),
            None => flow.client().session_id().map(str::to_owned),
        };
        let own = flow.client().call();
        let call =
            Call { timeout: self.timeout.unwrap_or(own.timeout), cancel: self.cancel.clone(), session_id, ..own };
        Ok((self, call))
    }

    fn check_inputs(&self) -> Result<()> {
        if self.message.is_some() && self.messages.as_ref().is_some_and(|messages| !messages.is_empty()) {
            return Err(Error::invalid("give either `message` or `messages`, not both"));
        }
        for (index, message) in self.messages.iter().flatten().enumerate() {
            if !ROLES.contains(&message.role.as_str()) {
                let message = format!(
                    "`messages[{index}]` has the role `{}`; valid are `user`, `assistant` and `tool`",
                    message.role
                );
                return Err(Error::invalid(message));
            }
        }
        if self.parameters.contains_key("attachments") {
            return Err(Error::invalid("`parameters` must not hold `attachments`; use the option `attachments`"));
        }
        if self.attachments.len() > MAX_ATTACHMENTS {
            let message = format!("{} attachments; at most {MAX_ATTACHMENTS} are possible", self.attachments.len());
            return Err(Error::invalid(message));
        }
        Ok(())
    }

    fn check_tools(&self) -> Result<()> {
        if self.tools.len() > MAX_TOOLS {
            return Err(Error::invalid(format!("{} tools; at most {MAX_TOOLS} are possible", self.tools.len())));
        }
        let names = self.tools.iter().enumerate().map(|(index, tool)| tool_name(index, tool));
        let names: Vec<&str> = names.collect::<Result<_>>()?;
        if let Some(twice) = names.iter().enumerate().find(|(index, name)| names[..*index].contains(name)) {
            return Err(Error::invalid(format!("there are two tools with the name `{}`", twice.1)));
        }
        match &self.tool_choice {
            Some(ToolChoice::Function(name)) if !names.contains(&name.as_str()) => {
                let known = if names.is_empty() { "there are no tools".to_owned() } else { names.join(", ") };
                Err(Error::invalid(format!("`tool_choice` names `{name}`, which is none of the tools: {known}")))
            }
            _ => Ok(()),
        }
    }

    /// The tools as a request holds them.
    pub fn wire_tools(&self) -> Option<Vec<Value>> {
        (!self.tools.is_empty()).then(|| self.tools.clone())
    }

    /// The tool choice as a request holds it.
    pub fn wire_tool_choice(&self) -> Option<Value> {
        self.tool_choice.as_ref().map(ToolChoice::to_json)
    }

    /// The messages as a request holds them.
    pub fn wire_messages(&self) -> Option<Vec<Message>> {
        self.messages.clone().filter(|messages| !messages.is_empty())
    }

    /// The keys of this call's requests.
    pub fn keys(&self) -> Keys {
        Keys { first: self.idempotency_key.clone(), used: 0 }
    }
}

/// Idempotency keys of one call: the caller's for the first request, and further ones made of it, so that the whole
/// call can be repeated; else fresh ones.
#[derive(Debug, Clone)]
pub(crate) struct Keys {
    first: Option<String>,
    used: u32,
}

impl Keys {
    pub fn next(&mut self) -> String {
        let number = self.used;
        self.used += 1;
        let made = match (&self.first, number) {
            (None, _) => None,
            (Some(first), 0) => Some(first.clone()),
            (Some(first), _) => Some(format!("{first}.{number}")).filter(|key| key.len() <= MAX_KEY),
        };
        made.unwrap_or_else(|| Uuid::new_v4().to_string())
    }
}

fn object(name: &str, value: impl Serialize) -> Result<Map<String, Value>> {
    let wrong = |what: &str| Error::invalid(format!("`{name}` must be an object with text keys, {what}"));
    match serde_json::to_value(value) {
        Ok(Value::Object(map)) => Ok(map),
        Ok(Value::Null) => Ok(Map::new()),
        Ok(Value::Array(_)) => Err(wrong("not a list")),
        Ok(_) => Err(wrong("not a single value")),
        Err(error) => Err(wrong(&format!("but it is no JSON: {error}"))),
    }
}

fn check_attachment(index: usize, attachment: &Attachment) -> Result<()> {
    let wrong = |what: String| Err(Error::invalid(format!("`attachments[{index}]`: {what}")));
    if attachment.kind.as_deref().is_some_and(|kind| kind != "url") {
        return wrong("`kind` can only be `url`".to_owned());
    }
    if attachment.url.chars().count() > MAX_URL {
        return wrong(format!("`url` is longer than {MAX_URL} characters"));
    }
    if !Url::parse(&attachment.url).is_ok_and(|url| url.scheme() == "https" && url.has_host()) {
        return wrong("`url` must begin with `https://`".to_owned());
    }
    if !IMAGES.contains(&attachment.mime_type.as_str()) {
        return wrong(format!("`mime_type` must be one of {}", IMAGES.join(", ")));
    }
    let bad_name =
        |name: &str| name.chars().count() > MAX_FILENAME || name.contains(['/', '\\']) || name.contains("..");
    if attachment.filename.as_deref().is_some_and(bad_name) {
        return wrong(format!("`filename` must have at most {MAX_FILENAME} characters and no `/`, `\\` or `..`"));
    }
    Ok(())
}

fn tool_name(index: usize, tool: &Value) -> Result<&str> {
    let wrong = |what: &str| Error::invalid(format!("`tools[{index}]` {what}"));
    if tool.get("type").and_then(Value::as_str) != Some("function") {
        return Err(wrong(
            "is no OpenAI tool; it looks like `{\"type\": \"function\", \"function\": {\"name\": ...}}`",
        ));
    }
    let name = tool.pointer("/function/name").and_then(Value::as_str).ok_or_else(|| wrong("has no function name"))?;
    let is_fine = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    if name.is_empty() || name.len() > MAX_TOOL_NAME || !name.bytes().all(is_fine) {
        return Err(wrong("has a name that is not 1 to 64 letters, digits, `_` or `-`"));
    }
    Ok(name)
}

/// A session id that the server takes.
pub(crate) fn checked_session_id(id: String) -> Result<String> {
    let trimmed = id.trim();
    if trimmed.is_empty() || trimmed.chars().count() > MAX_SESSION_ID || trimmed.chars().any(char::is_control) {
        let message = format!("`session_id` must have 1 to {MAX_SESSION_ID} characters and no control characters");
        return Err(Error::invalid(message));
    }
    Ok(trimmed.to_owned())
}

fn check_idempotency_key(key: &str) -> Result<()> {
    if key.is_empty() || key.len() > MAX_KEY || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
        let message = format!("`idempotency_key` must be 1 to {MAX_KEY} visible ASCII characters without spaces");
        return Err(Error::invalid(message));
    }
    Ok(())
}

//! Tools the caller executes: what they are, the calls a model makes, and their results.

use std::{collections::HashSet, pin::Pin, str::FromStr};

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use crate::{BoxError, Error, ErrorKind, Result};

/// The code of one pause too many: the same in every client.
const LIMIT: &str = "TOOL_CALL_LIMIT_CLIENT";

/// A tool the model may call, in OpenAI's shape. Plain JSON of that shape does as well.
///
/// ```
/// use noukai::Tool;
/// use serde_json::json;
/// let tool = Tool::new("get_weather")
///     .description("Weather of a city now")
///     .parameters(json!({"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}));
/// assert_eq!(serde_json::to_value(tool)?["function"]["name"], "get_weather");
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(transparent)]
#[must_use]
pub struct Tool(noukai_api::Tool);

impl Tool {
    /// A tool by its name: letters, digits, `_` and `-`, at most 64.
    ///
    /// ```
    /// # use noukai::Tool;
    /// let tool = Tool::new("now");
    /// ```
    pub fn new(name: impl Into<String>) -> Self {
        let function =
            noukai_api::ToolFunction { name: name.into(), description: None, parameters: None, strict: None };
        Self(noukai_api::Tool { kind: "function".to_owned(), function })
    }

    /// What it does, for the model.
    ///
    /// ```
    /// # use noukai::Tool;
    /// let tool = Tool::new("now").description("The time of day");
    /// ```
    pub fn description(mut self, text: impl Into<String>) -> Self {
        self.0.function.description = Some(text.into());
        self
    }

    /// What it takes, as a JSON Schema.
    ///
    /// ```
    /// # use noukai::Tool;
    /// let tool = Tool::new("now").parameters(serde_json::json!({"type": "object", "properties": {}}));
    /// ```
    pub fn parameters(mut self, schema: Value) -> Self {
        self.0.function.parameters = Some(schema);
        self
    }

    /// Whether the model must follow the schema to the letter.
    ///
    /// ```
    /// # use noukai::Tool;
    /// let tool = Tool::new("now").strict(true);
    /// ```
    pub fn strict(mut self, on: bool) -> Self {
        self.0.function.strict = Some(on);
        self
    }
}

/// How the model may use the tools.
///
/// ```
/// use noukai::ToolChoice;
/// assert_eq!("auto".parse::<ToolChoice>()?, ToolChoice::Auto);
/// let one = ToolChoice::function("get_weather");
/// assert!("sometimes".parse::<ToolChoice>().is_err());
/// # Ok::<(), noukai::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ToolChoice {
    /// The model decides.
    Auto,
    /// No calls.
    None,
    /// At least one call.
    Required,
    /// This function.
    Function(String),
}

impl ToolChoice {
    /// One function, by its name.
    ///
    /// ```
    /// assert_eq!(noukai::ToolChoice::function("now"), noukai::ToolChoice::Function("now".to_owned()));
    /// ```
    pub fn function(name: impl Into<String>) -> Self {
        Self::Function(name.into())
    }

    pub(crate) fn to_json(&self) -> Value {
        match self {
            Self::Auto => json!("auto"),
            Self::None => json!("none"),
            Self::Required => json!("required"),
            Self::Function(name) => json!({"type": "function", "function": {"name": name}}),
        }
    }
}

impl FromStr for ToolChoice {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "auto" => Ok(Self::Auto),
            "none" => Ok(Self::None),
            "required" => Ok(Self::Required),
            other => Err(Error::invalid(format!(
                "`{other}` is no tool choice; valid are `auto`, `none`, `required` and `ToolChoice::function(name)`"
            ))),
        }
    }
}

/// A call the model wants made.
///
/// ```
/// # noukai_mock::example(async |url, key| {
/// # let client = noukai::Noukai::builder().base_url(url).api_key(key).build()?;
/// #[derive(serde::Deserialize)]
/// struct Arguments {
///     city: String,
/// }
/// let tools = [noukai::Tool::new("get_weather")];
/// let paused = client.flow("acme/demo/weather")?.execute().message("Oslo").tools(tools).await?.paused()?;
/// let call = &paused.tool_calls[0];
/// assert_eq!((call.name.as_str(), call.parse::<Arguments>()?.city.as_str()), ("get_weather", "Oslo"));
/// # Ok(())
/// # });
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "noukai_api::ToolCall")]
#[non_exhaustive]
pub struct ToolCall {
    /// Repeated in the result.
    pub id: String,
    /// The tool.
    pub name: String,
    /// What to call it with, as JSON text.
    pub arguments: String,
}

impl From<noukai_api::ToolCall> for ToolCall {
    fn from(call: noukai_api::ToolCall) -> Self {
        Self { id: call.id, name: call.function.name, arguments: call.function.arguments }
    }
}

impl ToolCall {
    /// The arguments as a value of one's own.
    ///
    /// # Errors
    /// [`ErrorKind::Decode`] where the model's arguments do not fit.
    ///
    /// ```
    /// # let call: noukai::ToolCall = serde_json::from_value(serde_json::json!(
    /// #     {"id": "c1", "type": "function", "function": {"name": "add", "arguments": "{\"a\":1,\"b\":2}"}}))?;
    /// let arguments: std::collections::HashMap<String, i64> = call.parse()?;
    /// assert_eq!(arguments["b"], 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T> {
        serde_json::from_str(&self.arguments).map_err(|error| {
            let message = format!("the arguments of the call to `{}` do not fit: {error}", self.name);
            Error::new(ErrorKind::Decode, message).with_body(&self.arguments).with_source(error)
        })
    }

    /// The result of this call: text as it is, anything else as JSON text.
    ///
    /// ```
    /// # let call: noukai::ToolCall = serde_json::from_value(serde_json::json!(
    /// #     {"id": "c1", "type": "function", "function": {"name": "add", "arguments": "{}"}}))?;
    /// assert_eq!(call.answer("3").content, "3");
    /// assert_eq!(call.answer(serde_json::json!({"sum": 3})).content, r#"{"sum":3}"#);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn answer(&self, content: impl Into<Value>) -> ToolResult {
        ToolResult::new(&self.id, content)
    }
}

/// What a tool gave for one call.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ToolResult {
    /// The call it answers.
    pub tool_call_id: String,
    /// What the model reads.
    pub content: String,
}

impl ToolResult {
    /// A result: text as it is, anything else as JSON text.
    ///
    /// ```
    /// let result = noukai::ToolResult::new("call_1", "sunny");
    /// assert_eq!(result.content, "sunny");
    /// ```
    pub fn new(tool_call_id: impl Into<String>, content: impl Into<Value>) -> Self {
        let content = match content.into() {
            Value::String(text) => text,
            other => other.to_string(),
        };
        Self { tool_call_id: tool_call_id.into(), content }
    }

    fn to_message(&self) -> Value {
        json!({"role": "tool", "toolCallId": self.tool_call_id, "content": self.content})
    }
}

/// What a tool handler may give: the results, or the results or an error of one's own.
pub trait IntoToolResults {
    /// The results.
    ///
    /// # Errors
    /// The handler's own.
    ///
    /// ```
    /// use noukai::{IntoToolResults, ToolResult};
    /// let results = vec![ToolResult::new("call_1", "sunny")];
    /// assert_eq!(results.clone().into_tool_results().unwrap(), results);
    /// assert!(Err::<Vec<ToolResult>, _>("no network").into_tool_results().is_err());
    /// ```
    fn into_tool_results(self) -> Result<Vec<ToolResult>, BoxError>;
}

impl IntoToolResults for Vec<ToolResult> {
    fn into_tool_results(self) -> Result<Vec<ToolResult>, BoxError> {
        Ok(self)
    }
}

impl<E: Into<BoxError>> IntoToolResults for Result<Vec<ToolResult>, E> {
    fn into_tool_results(self) -> Result<Vec<ToolResult>, BoxError> {
        self.map_err(Into::into)
    }
}

type Answering = Pin<Box<dyn Future<Output = Result<Vec<ToolResult>, BoxError>> + Send>>;

/// Who answers tool calls, and how often.
pub(crate) struct Handler {
    answer: Box<dyn FnMut(Vec<ToolCall>) -> Answering + Send>,
    rounds: u32,
}

impl Handler {
    pub fn new<F, Fut>(mut answer: F) -> Self
    where
        F: FnMut(Vec<ToolCall>) -> Fut + Send + 'static,
        Fut: Future<Output: IntoToolResults> + Send + 'static,
    {
        let answer = move |calls| -> Answering {
            let results = answer(calls);
            Box::pin(async move { results.await.into_tool_results() })
        };
        Self { answer: Box::new(answer), rounds: 0 }
    }

    /// The tool turns to go on with.
    pub async fn answers(&mut self, most: u32, pause: &Pause<'_>) -> Result<Vec<Value>> {
        if self.rounds >= most {
            let message = format!("the run paused for tools once more than `max_tool_rounds` ({most}) allows");
            return Err(Error::new(ErrorKind::ToolCallLimit, message)
                .with_code(Some(LIMIT))
                .with_execution_id(Some(pause.execution_id)));
        }
        self.rounds += 1;
        let results = (self.answer)(pause.calls.to_vec()).await.map_err(|error| {
            Error::new(ErrorKind::ToolHandler, format!("the tool handler failed: {error}"))
                .with_execution_id(Some(pause.execution_id))
                .with_source(error)
        })?;
        pause.answered(&results)
    }
}

/// What a paused run waits for.
pub(crate) struct Pause<'a> {
    pub execution_id: &'a str,
    pub calls: &'a [ToolCall],
    pub messages: &'a [Value],
}

impl Pause<'_> {
    /// The pause's turns with one more for each result. Every call must have exactly one.
    pub fn answered(&self, results: &[ToolResult]) -> Result<Vec<Value>> {
        let calls: HashSet<&str> = self.calls.iter().map(|call| call.id.as_str()).collect();
        let answered: HashSet<&str> = results.iter().map(|result| result.tool_call_id.as_str()).collect();
        if calls != answered || answered.len() != results.len() {
            let ids: Vec<&str> = self.calls.iter().map(|call| call.id.as_str()).collect();
            let message = format!("give one tool result for each of the calls {}, and no other", ids.join(", "));
            return Err(Error::invalid(message).with_execution_id(Some(self.execution_id)));
        }
        Ok(self.messages.iter().cloned().chain(results.iter().map(ToolResult::to_message)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn calls(ids: &[&str]) -> Vec<ToolCall> {
        let call = |id: &&str| ToolCall { id: (*id).to_owned(), name: "t".to_owned(), arguments: "{}".to_owned() };
        ids.iter().map(call).collect()
    }

    #[test]
    fn each_call_is_answered_once() {
        let (calls, messages) = (calls(&["a", "b"]), [json!({"role": "assistant"})]);
        let pause = Pause { execution_id: "r", calls: &calls, messages: &messages };
        let result = |id| ToolResult::new(id, "x");
        let turns = pause.answered(&[result("b"), result("a")]).expect("both are answered");
        assert_eq!(turns.len(), 3);
        assert_eq!(turns[1], json!({"role": "tool", "toolCallId": "b", "content": "x"}));
        for bad in [vec!["a"], vec![], vec!["a", "b", "c"], vec!["a", "a", "b"], vec!["a", "a"]] {
            let results: Vec<ToolResult> = bad.iter().map(|id| result(*id)).collect();
            let error = pause.answered(&results).expect_err("not one for each");
            assert_eq!((error.kind(), error.execution_id()), (ErrorKind::InvalidValue, Some("r")));
            assert!(error.to_string().contains("a, b"), "{error}");
        }
    }
}

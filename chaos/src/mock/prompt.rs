//! What a request to the model says of itself: `[run R] [step S] [item I] <<what it is about>>` in its first user text.

use serde_json::Value;

/// A request, read.
#[derive(Debug, PartialEq, Eq)]
pub struct Asked {
    pub run: String,
    pub step: String,
    pub item: String,
    /// What stands between the double angle brackets.
    pub about: String,
    /// Whether tools are offered.
    pub tools: bool,
    /// The tool results so far.
    pub results: Vec<String>,
    pub stream: bool,
}

impl Asked {
    /// `None` where it is no request of the harness's flows.
    pub fn read(body: &[u8]) -> Option<Self> {
        let request: Value = serde_json::from_slice(body).ok()?;
        let messages = request["messages"].as_array()?;
        let prompt = messages.iter().find(|message| message["role"] == "user").and_then(text_of)?;
        let results: Vec<String> =
            messages.iter().filter(|message| message["role"] == "tool").filter_map(text_of).collect();
        let tools = request["tools"].as_array().is_some_and(|tools| !tools.is_empty());
        let item = marker(&prompt, "[item ").or_else(|| tools.then(|| format!("round {}", results.len())));
        Some(Self {
            run: marker(&prompt, "[run ")?,
            step: marker(&prompt, "[step ")?,
            item: item.unwrap_or_default(),
            about: between(&prompt, "<<", ">>")?,
            tools,
            results,
            stream: request["stream"] == true,
        })
    }
}

/// A message's text, sent as a string or in parts.
fn text_of(message: &Value) -> Option<String> {
    let content = &message["content"];
    if let Some(text) = content.as_str() {
        return Some(text.to_owned());
    }
    Some(content.as_array()?.iter().filter_map(|part| part["text"].as_str()).collect())
}

fn marker(prompt: &str, open: &str) -> Option<String> {
    between(prompt, open, "]")
}

fn between(text: &str, open: &str, close: &str) -> Option<String> {
    let (_, rest) = text.split_once(open)?;
    Some(rest.split_once(close)?.0.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markers_are_read() {
        let body = r#"{"messages":[{"role":"user","content":"[run r1] [step one] [item 2] <<x>>"}]}"#;
        let asked = Asked::read(body.as_bytes()).expect("has markers");
        assert_eq!((asked.run.as_str(), asked.step.as_str(), asked.item.as_str()), ("r1", "one", "2"));
        assert_eq!((asked.about.as_str(), asked.tools, asked.stream), ("x", false, false));
        assert_eq!(Asked::read(br#"{"messages":[{"role":"user","content":"hello"}]}"#), None);
    }

    #[test]
    fn rounds_of_tools_are_told_apart() {
        let body = r#"{"tools":[{}],"messages":[{"role":"user","content":"[run r] [step s] <<x>>"},
            {"role":"assistant","content":null},{"role":"tool","content":"7"}]}"#;
        let asked = Asked::read(body.as_bytes()).expect("has markers");
        assert_eq!((asked.item.as_str(), asked.results), ("round 1", vec!["7".to_owned()]));
    }
}

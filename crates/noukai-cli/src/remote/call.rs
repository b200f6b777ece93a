//! The options of a call: what the flow gets, and how it runs.

use std::{fs, io::Read, path::PathBuf, time::Duration};

use noukai::{Attachment, Message, Version};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::failure::call_failed;
use crate::error::CliError;

/// What the flow gets, and how it runs.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct CallArgs {
    /// The message; `-` reads it from stdin
    #[arg(short, long, value_name = "TEXT", allow_hyphen_values = true, help_heading = "Inputs")]
    pub message: Option<String>,
    /// An input of the flow, as a text or, after `:=`, as JSON; may be given several times
    #[arg(short, long = "param", value_name = "KEY=TEXT|KEY:=JSON", help_heading = "Inputs")]
    pub param: Vec<String>,
    /// Inputs of the flow as a JSON object, or `@FILE` with one
    #[arg(long, value_name = "JSON|@FILE", help_heading = "Inputs")]
    pub params: Option<String>,
    /// JSON file with the conversation so far: a list of {role, content}, the last one the current turn
    #[arg(long, value_name = "FILE", conflicts_with = "message", help_heading = "Inputs")]
    pub messages: Option<PathBuf>,
    /// Image for the flow's model, by https URL; its type is told from the ending, or written after the URL as in
    /// URL,image/png; may be given several times
    #[arg(long, value_name = "URL[,TYPE]", help_heading = "Inputs")]
    pub attach: Vec<String>,
    /// Other fields of blocks for this run: {"step": {"model": "..."}}, or `@FILE` with such
    #[arg(long, value_name = "JSON|@FILE", help_heading = "Inputs")]
    pub overrides: Option<String>,
    /// Which version to run: draft, production, or a number [default: draft]
    #[arg(long, value_name = "VERSION", help_heading = "Call")]
    pub version: Option<String>,
    /// Keep the whole inputs and outputs of each step in the trace
    #[arg(long, help_heading = "Call")]
    pub trace: bool,
    /// Session to put the run in
    #[arg(long, value_name = "ID", help_heading = "Call")]
    pub session: Option<String>,
    /// Longest time for a request, in seconds [default: 300]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=86_400), help_heading = "Call")]
    pub timeout: Option<u64>,
    /// Two calls with the same key run the flow once [default: a fresh one]
    #[arg(long, value_name = "KEY", help_heading = "Call")]
    pub idempotency_key: Option<String>,
}

/// The options, read and checked.
pub struct CallInputs {
    pub message: Option<String>,
    pub parameters: Map<String, Value>,
    pub messages: Option<Vec<Message>>,
    pub attachments: Vec<Attachment>,
    pub overrides: Option<Map<String, Value>>,
    pub version: Version,
}

impl CallArgs {
    /// Reads files and stdin, and says what is wrong before anything is sent.
    ///
    /// # Errors
    /// What cannot be read or is no JSON of the wanted shape.
    pub fn read(&self) -> Result<CallInputs, CliError> {
        Ok(CallInputs {
            message: self.message.as_deref().map(read_text).transpose()?,
            parameters: self.parameters()?,
            messages: self
                .messages
                .as_ref()
                .map(|file| json("--messages", "list of messages", &format!("@{}", file.display())))
                .transpose()?,
            attachments: self.attach.iter().map(|text| attachment(text)).collect::<Result<_, _>>()?,
            overrides: self.overrides.as_ref().map(|text| json("--overrides", "object of blocks", text)).transpose()?,
            version: self.version()?,
        })
    }

    fn version(&self) -> Result<Version, CliError> {
        self.version.as_ref().map_or(Ok(Version::Draft), |text| text.parse().map_err(call_failed))
    }

    fn parameters(&self) -> Result<Map<String, Value>, CliError> {
        let mut parameters: Map<String, Value> =
            self.params.as_ref().map(|text| json("--params", "object", text)).transpose()?.unwrap_or_default();
        for pair in &self.param {
            let (name, value) = read_parameter(pair)?;
            parameters.insert(name, value);
        }
        Ok(parameters)
    }

    /// How long a request may take.
    pub fn time(&self) -> Option<Duration> {
        self.timeout.map(Duration::from_secs)
    }
}

/// Puts the options on a builder of the client: all of them have the same methods, and no trait in common.
macro_rules! apply {
    ($builder:expr, $args:expr, $inputs:expr) => {{
        let (args, inputs): (&$crate::remote::CallArgs, _) = ($args, $inputs);
        let mut builder = $builder.parameters(inputs.parameters).attachments(inputs.attachments);
        builder = builder.version(inputs.version).trace(args.trace);
        if let Some(message) = inputs.message {
            builder = builder.message(message);
        }
        if let Some(messages) = inputs.messages {
            builder = builder.messages(messages);
        }
        if let Some(overrides) = inputs.overrides {
            builder = builder.block_overrides(overrides);
        }
        if let Some(time) = args.time() {
            builder = builder.timeout(time);
        }
        if let Some(session) = &args.session {
            builder = builder.session_id(session.as_str());
        }
        if let Some(key) = &args.idempotency_key {
            builder = builder.idempotency_key(key.as_str());
        }
        builder
    }};
}
pub(crate) use apply;

/// The text itself, or stdin where it is `-`.
fn read_text(text: &str) -> Result<String, CliError> {
    if text != "-" {
        return Ok(text.to_owned());
    }
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text).map_err(|error| CliError::usage(format!("stdin: {error}")))?;
    Ok(text.trim_end_matches('\n').to_owned())
}

/// `KEY=TEXT` or `KEY:=JSON`.
///
/// # Errors
/// Neither of the two.
pub fn read_parameter(pair: &str) -> Result<(String, Value), CliError> {
    let wrong = |what: &str| CliError::usage(format!("-p {pair}: {what}"));
    match pair.split_once('=') {
        None | Some(("" | ":", _)) => Err(wrong("write KEY=TEXT, or KEY:=JSON")),
        Some((name, text)) => match name.strip_suffix(':') {
            None => Ok((name.to_owned(), text.into())),
            Some(name) => {
                let value = serde_json::from_str(text).map_err(|error| wrong(&format!("no JSON: {error}")))?;
                Ok((name.to_owned(), value))
            }
        },
    }
}

/// JSON of a wanted shape, from the text or from the file after `@`.
fn json<T: DeserializeOwned>(flag: &str, wanted: &str, text: &str) -> Result<T, CliError> {
    let text = match text.strip_prefix('@') {
        None => text.to_owned(),
        Some(path) => fs::read_to_string(path).map_err(|error| CliError::usage(format!("{flag}: {path}: {error}")))?,
    };
    serde_json::from_str(&text).map_err(|error| CliError::usage(format!("{flag} is not a JSON {wanted}: {error}")))
}

fn attachment(text: &str) -> Result<Attachment, CliError> {
    if let Some((url, kind)) = text.rsplit_once(',').filter(|(_, kind)| kind.starts_with("image/")) {
        return Ok(Attachment::new(url, kind));
    }
    let path = text.split(['?', '#']).next().unwrap_or_default();
    let kind = match path.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase()).as_deref() {
        Some("jpg" | "jpeg") => "image/jpeg",
        Some("png") => "image/png",
        Some("webp") => "image/webp",
        Some("gif") => "image/gif",
        _ => {
            let message = format!("--attach {text}: its type cannot be told from its ending");
            let hint = "write URL,TYPE; valid types are image/jpeg, image/png, image/webp, image/gif";
            return Err(CliError::usage(message).with_hint(hint));
        }
    };
    Ok(Attachment::new(text, kind))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn parameters_are_texts_unless_they_say_that_they_are_json() {
        let read = |pair: &str| read_parameter(pair).ok();
        assert_eq!(read("code=007"), Some(("code".to_owned(), json!("007"))));
        assert_eq!(read("a=b=c"), Some(("a".to_owned(), json!("b=c"))));
        assert_eq!(read("count:=6"), Some(("count".to_owned(), json!(6))));
        assert_eq!(read("list:=[1, 2]"), Some(("list".to_owned(), json!([1, 2]))));
        for bad in ["code", "=x", ":=1", "count:=six"] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }

    #[test]
    fn the_type_of_an_attachment_is_told_or_given() {
        let kind = |text: &str| attachment(text).ok().map(|found| (found.url, found.mime_type));
        let of = |url: &str, kind: &str| Some((url.to_owned(), kind.to_owned()));
        assert_eq!(kind("https://a/b.JPG?x=1"), of("https://a/b.JPG?x=1", "image/jpeg"));
        assert_eq!(kind("https://a/b,image/webp"), of("https://a/b", "image/webp"));
        assert_eq!(kind("https://a/b"), None);
    }
}

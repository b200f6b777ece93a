//! Tool calls answered here: by a command of the user's, or by hand.

use std::{collections::BTreeMap, io::IsTerminal, path::PathBuf, process::Stdio, sync::Arc};

use noukai::{BoxError, Tool, ToolCall, ToolChoice, ToolResult};
use serde_json::Value;
use tokio::{io::AsyncWriteExt, process::Command};

use super::failure::call_failed;
use crate::{error::CliError, input, output, units};

/// The longest answer that is taken from a command.
const MOST_BYTES: usize = 1_000_000;

/// Tools for the flow, and who answers them.
#[derive(Debug, Default, clap::Args)]
pub struct ToolArgs {
    /// JSON file with a list of tools to offer, in OpenAI's format
    #[arg(long, value_name = "FILE", help_heading = "Tools")]
    pub tools: Option<PathBuf>,
    /// Command that answers the calls of a tool: gets the arguments as JSON on stdin, says the result on stdout; may be
    /// given several times
    #[arg(long = "tool", value_name = "NAME=COMMAND", help_heading = "Tools")]
    pub tool: Vec<String>,
    /// Ask for the answer to each tool call that has no command, line by line
    #[arg(long, help_heading = "Tools")]
    pub tool_by_hand: bool,
    /// Which tool the model uses: auto, none, required, or the name of one [default: auto]
    #[arg(long, value_name = "CHOICE", help_heading = "Tools")]
    pub tool_choice: Option<String>,
    /// Pauses for tools before the run is given up
    #[arg(long, value_name = "N", default_value_t = 10, help_heading = "Tools")]
    pub max_tool_rounds: u32,
}

/// Tools as the flow gets them.
pub struct Offered {
    pub tools: Vec<Value>,
    pub choice: Option<ToolChoice>,
}

/// Who answers.
#[derive(Clone)]
pub struct Answers {
    commands: Arc<BTreeMap<String, String>>,
    by_hand: bool,
}

impl ToolArgs {
    /// Whether the flow gets tools at all.
    pub const fn is_given(&self) -> bool {
        self.tools.is_some() || !self.tool.is_empty()
    }

    /// The tools on offer: those of the file, and those that only have a command.
    ///
    /// # Errors
    /// A file that is no list, a flag that is no pair.
    pub fn offered(&self) -> Result<Offered, CliError> {
        let mut tools = match &self.tools {
            Some(path) => listed(path)?,
            None => Vec::new(),
        };
        for name in self.commands()?.keys() {
            if !tools.iter().any(|tool| tool_name(tool) == Some(name)) {
                tools.push(serde_json::to_value(Tool::new(name)).map_err(CliError::failure)?);
            }
        }
        let choice = self.tool_choice.as_ref().map(|text| text.parse().map_err(call_failed)).transpose()?;
        Ok(Offered { tools, choice })
    }

    /// Who answers; `None` where nobody does, so that the caller is told of the pause.
    ///
    /// # Errors
    /// A flag that is no pair.
    pub fn answers(&self) -> Result<Option<Answers>, CliError> {
        let commands = self.commands()?;
        let by_hand = self.tool_by_hand || (!commands.is_empty() && std::io::stdin().is_terminal());
        let somebody = self.tool_by_hand || !commands.is_empty();
        Ok(somebody.then(|| Answers { commands: Arc::new(commands), by_hand }))
    }

    fn commands(&self) -> Result<BTreeMap<String, String>, CliError> {
        let mut commands = BTreeMap::new();
        for pair in &self.tool {
            let (name, command) = pair
                .split_once('=')
                .filter(|(name, command)| !name.is_empty() && !command.is_empty())
                .ok_or_else(|| CliError::usage(format!("--tool {pair}: write NAME=COMMAND")))?;
            if commands.insert(name.to_owned(), command.to_owned()).is_some() {
                return Err(CliError::usage(format!("--tool {name}=...: given twice")));
            }
        }
        Ok(commands)
    }
}

impl Answers {
    /// One result for each call, one after the other.
    ///
    /// # Errors
    /// A call that nobody answers; a command that cannot be started.
    pub async fn give(self, calls: Vec<ToolCall>) -> Result<Vec<ToolResult>, BoxError> {
        let mut results = Vec::with_capacity(calls.len());
        for call in &calls {
            let answer = match self.commands.get(&call.name) {
                Some(command) => run(command, call).await?,
                None if self.by_hand => ask(call).await?,
                None => {
                    return Err(format!("nobody answers the tool `{0}`; give --tool {0}=COMMAND", call.name).into());
                }
            };
            results.push(call.answer(answer));
        }
        Ok(results)
    }
}

/// Calls the command through the shell. What a failed one says is the result, so that the model can react to it.
async fn run(command: &str, call: &ToolCall) -> Result<String, BoxError> {
    output::note(&format!("  → {}({})", call.name, call.arguments));
    let mut child = Command::new("sh")
        .args(["-c", command])
        .env("NOUKAI_TOOL_NAME", &call.name)
        .env("NOUKAI_TOOL_CALL_ID", &call.id)
        .env_remove("NOUKAI_API_KEY")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| format!("the command of the tool `{}` cannot be started: {error}", call.name))?;
    if let Some(mut stdin) = child.stdin.take() {
        // A command that does not read its arguments is none the worse for it.
        let _ = stdin.write_all(call.arguments.as_bytes()).await;
    }
    let done = child.wait_with_output().await?;
    let said = String::from_utf8_lossy(&done.stdout).trim_end_matches('\n').to_owned();
    if said.len() > MOST_BYTES {
        return Err(format!("the command of the tool `{}` said more than {MOST_BYTES} bytes", call.name).into());
    }
    let answer = match done.status.code() {
        Some(0) => said,
        Some(code) => format!("the tool failed (exit code {code}): {said}"),
        None => return Err(format!("the command of the tool `{}` was ended by a signal", call.name).into()),
    };
    output::note(&format!("  ← {}", units::clip(&answer, 100)));
    Ok(answer)
}

async fn ask(call: &ToolCall) -> Result<String, BoxError> {
    output::note(&format!("  → {}({})", call.name, call.arguments));
    output::partial("  result> ");
    let missing = || format!("there was no answer to the call of `{}`", call.name).into();
    input::line().await.map_err(|error| error.to_string())?.ok_or_else(missing)
}

fn listed(path: &std::path::Path) -> Result<Vec<Value>, CliError> {
    let wrong = |what: String| CliError::usage(format!("{}: {what}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
    serde_json::from_str(&text).map_err(|error| wrong(format!("not a JSON list of tools: {error}")))
}

fn tool_name(tool: &Value) -> Option<&str> {
    tool.pointer("/function/name").and_then(Value::as_str)
}

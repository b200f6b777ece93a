//! `noukai steps`: a run one step at a time, in the user's hands: look, edit, go on, go back.

use std::{
    io::{self, IsTerminal, Write},
    process::ExitCode,
};

use noukai::{CancelToken, EventStream, Noukai, StepCompleted, StreamEvent};
use serde_json::Value;

use crate::{
    commands::run::Ending,
    error::{CliError, Exit},
    input,
    output::{self, Style},
    progress::Progress,
    remote::{CallArgs, EXIT_CODES, Remote, ToolArgs, apply, call_failed},
    stop::Stop,
};

const EXAMPLES: &str = "\
Examples:
  noukai steps acme/demo/triage -m 'Help'
  printf 'g\\nr\\n' | noukai steps acme/demo/triage -m 'Help'    the same without a terminal

After each step its output is shown, and you choose, with Enter after the letter:
  Enter or g   go on            e   edit the output in $EDITOR, then choose again
  b            go back a step   r   run what remains     q   quit; the run stays where it is";

/// What can be done between two steps.
const CHOICES: &str = "[g]o on, [e]dit, [b]ack, [r]un the rest, [q]uit";

/// Run a flow step by step: look at each output, edit it, go on or back
#[derive(clap::Args)]
#[command(after_help = format!("{EXAMPLES}\n\n{EXIT_CODES}"))]
pub struct Args {
    /// The flow: ORG/PROJECT/FLOW, or its slug in the key's own project
    flow: String,
    #[command(flatten)]
    call: CallArgs,
    #[command(flatten)]
    tools: ToolArgs,
    #[command(flatten)]
    server: Remote,
}

/// What the user chose.
#[derive(Debug, PartialEq, Eq)]
enum Choice {
    Go,
    Edit,
    Back,
    Rest,
    Quit,
}

/// Drives the run as the user says.
pub async fn run(args: Args) -> Result<ExitCode, CliError> {
    let cancel = CancelToken::new();
    let inputs = args.call.read()?;
    let (offered, answers) = (args.tools.offered()?, args.tools.answers()?);
    let connection = args.server.connect_with(Noukai::builder().cancel(&cancel))?;
    let stop = Stop::on_signals()?;
    let flow = connection.flow(&args.flow).await?;
    let mut call =
        apply!(flow.events(), &args.call, inputs).tools(offered.tools).max_tool_rounds(args.tools.max_tool_rounds);
    if let Some(choice) = offered.choice {
        call = call.tool_choice(choice);
    }
    if let Some(answers) = answers {
        call = call.tool_handler(move |calls| answers.clone().give(calls));
    }
    let session = StepSession { events: call.stream(), progress: Progress::lines(), done: Vec::new() };
    tokio::select! {
        outcome = session.drive() => outcome,
        () = stop.requested() => {
            output::note("stopped: the run stays where it is");
            Ok(Exit::Interrupted.into())
        }
    }
}

/// A run in the user's hands.
struct StepSession {
    events: EventStream,
    progress: Progress,
    /// The steps that are done, in order.
    done: Vec<StepCompleted>,
}

impl StepSession {
    async fn drive(mut self) -> Result<ExitCode, CliError> {
        while let Some(event) = self.events.next().await {
            let event = event.map_err(call_failed)?;
            self.progress.show_remote(&event);
            let id = self.events.execution_id().unwrap_or_default();
            match event {
                StreamEvent::StepCompleted(step) => self.finished(step),
                StreamEvent::StepPaused(pause) if !self.between(pause.next_step_index).await? => {
                    output::note(&format!("quit: run {id} stays where it is"));
                    return Ok(ExitCode::SUCCESS);
                }
                StreamEvent::ToolCallsRequired(pause) => {
                    let names: Vec<&str> = pause.tool_calls.iter().map(|call| call.name.as_str()).collect();
                    let message = format!("the run waits for tools that nobody answers: {}", names.join(", "));
                    let hint = "--tool NAME=COMMAND answers them, and so does --tool-by-hand";
                    return Err(CliError::of(Exit::Paused, message).with_hint(hint));
                }
                StreamEvent::StepFailed(step) => {
                    let ending = Ending::failed(Some(&step.step_id), &step.error.message, &step.error.code);
                    return Ok(ending.print(&id, false));
                }
                StreamEvent::FlowCompleted(flow) => return Ok(Ending::Completed(flow.result).print(&id, false)),
                _ => {}
            }
        }
        Err(CliError::failure("the run ended without a result"))
    }

    fn finished(&mut self, step: StepCompleted) {
        self.done.retain(|known| known.step_index < step.step_index);
        if !step.skipped {
            show_output(&step.output);
        }
        self.done.push(step);
    }

    /// Asks until something is chosen that moves the run. Whether it goes on.
    async fn between(&mut self, next: u32) -> Result<bool, CliError> {
        loop {
            match ask().await? {
                Choice::Go => return Ok(true),
                Choice::Quit => return Ok(false),
                Choice::Rest => {
                    self.events.set_run_remaining(true).map_err(call_failed)?;
                    return Ok(true);
                }
                Choice::Back => {
                    if self.go_back(next)? {
                        return Ok(true);
                    }
                }
                Choice::Edit => self.edit()?,
            }
        }
    }

    /// To the step before the one just done, or to the first again.
    fn go_back(&mut self, next: u32) -> Result<bool, CliError> {
        let target =
            self.done.iter().rev().map(|step| step.step_index).filter(|index| *index < next).nth(1).unwrap_or(0);
        match self.events.go_to(target) {
            Ok(()) => {
                output::note(&format!("back to step index {target}"));
                Ok(true)
            }
            Err(error) => {
                output::warning(&error.to_string());
                Ok(false)
            }
        }
    }

    /// Another output in the place of the last step's.
    fn edit(&mut self) -> Result<(), CliError> {
        let Some(step) = self.done.last_mut() else { return Ok(()) };
        match edited(&step.output) {
            Ok(output) => {
                self.events.set_output(&step.step_id, output.clone()).map_err(call_failed)?;
                show_output(&output);
                step.output = output;
            }
            // The output stays as it was, and there is another try.
            Err(error) => output::warning(&error.to_string()),
        }
        Ok(())
    }
}

fn show_output(value: &Value) {
    let text = serde_json::to_string_pretty(value).unwrap_or_default();
    let style = Style::stderr();
    text.lines().for_each(|line| output::note(&format!("      {}", style.dim(line))));
}

async fn ask() -> Result<Choice, CliError> {
    loop {
        if io::stdin().is_terminal() {
            output::partial(&format!("  {CHOICES} > "));
        }
        match input::line().await?.as_deref().map(str::trim) {
            None => return Ok(Choice::Quit),
            Some(text) => match choice(text) {
                Some(choice) => return Ok(choice),
                None => output::warning(&format!("`{text}` is no choice: {CHOICES}")),
            },
        }
    }
}

fn choice(text: &str) -> Option<Choice> {
    Some(match text {
        "" | "g" | "go" => Choice::Go,
        "e" | "edit" => Choice::Edit,
        "b" | "back" => Choice::Back,
        "r" | "run" => Choice::Rest,
        "q" | "quit" => Choice::Quit,
        _ => return None,
    })
}

/// The value as the user left it in the editor.
fn edited(value: &Value) -> Result<Value, CliError> {
    let failed = |error: io::Error| CliError::failure(format!("the output cannot be edited: {error}"));
    let mut file = tempfile::Builder::new().prefix("noukai-output-").suffix(".json").tempfile().map_err(failed)?;
    let text = serde_json::to_string_pretty(value).map_err(CliError::failure)?;
    writeln!(file, "{text}").map_err(failed)?;
    let editor =
        ["VISUAL", "EDITOR"].iter().find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()));
    let editor = editor.unwrap_or_else(|| "vi".to_owned());
    // Through the shell, as an editor may come with arguments.
    let status = std::process::Command::new("sh")
        .args(["-c", &format!("{editor} \"$1\""), "sh"])
        .arg(file.path())
        .status()
        .map_err(|error| CliError::failure(format!("the editor `{editor}` cannot be started: {error}")))?;
    if !status.success() {
        return Err(CliError::failure(format!("the editor `{editor}` failed; the output stays as it was")));
    }
    let text = std::fs::read_to_string(file.path()).map_err(failed)?;
    serde_json::from_str(&text)
        .map_err(|error| CliError::failure(format!("that is no JSON: {error}; the output stays as it was")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choices_are_letters_or_words() {
        assert_eq!(choice(""), Some(Choice::Go));
        assert_eq!(choice("edit"), Some(Choice::Edit));
        assert_eq!(choice("b"), Some(Choice::Back));
        assert_eq!(choice("r"), Some(Choice::Rest));
        assert_eq!(choice("q"), Some(Choice::Quit));
        assert_eq!(choice("x"), None);
    }
}

//! Why a command failed: one line, perhaps a hint, and the exit code.

use std::{fmt, process::ExitCode};

use noukai_server::AppError;

/// The work went wrong, or its result is that something is wrong.
const FAILURE: u8 = 1;
/// What was asked for makes no sense: a wrong argument, a missing file, an invalid flow. As clap has it.
const USAGE: u8 = 2;

/// Why a command failed. Printed once, in `main`.
#[derive(Debug)]
pub struct CliError {
    message: String,
    hint: Option<String>,
    code: u8,
}

impl CliError {
    /// The work went wrong.
    pub fn failure(message: impl fmt::Display) -> Self {
        Self { message: one_line(&message.to_string()), hint: None, code: FAILURE }
    }

    /// What was asked for makes no sense.
    pub fn usage(message: impl fmt::Display) -> Self {
        Self { code: USAGE, ..Self::failure(message) }
    }

    /// What to do about it.
    #[must_use]
    pub fn with_hint(mut self, hint: impl fmt::Display) -> Self {
        self.hint = Some(one_line(&hint.to_string()));
        self
    }

    pub fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.code)
    }
}

impl fmt::Display for CliError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl From<AppError> for CliError {
    /// The caller is the operator, so that the words meant for the log are meant for them.
    fn from(error: AppError) -> Self {
        let mut message = error.to_string();
        for fault in error.errors.iter().filter(|fault| !error.message.contains(&fault.msg)) {
            message.push_str(&format!("\n{}: {}", fault.loc.join("."), fault.msg));
        }
        if let Some(context) = &error.context {
            message.push_str(&format!(" ({context})"));
        }
        Self::failure(message)
    }
}

fn one_line(text: &str) -> String {
    text.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join("; ")
}

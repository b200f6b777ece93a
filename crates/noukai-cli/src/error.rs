//! Why a command failed: one line, perhaps a hint, and the exit code.

use std::{fmt, process::ExitCode};

use noukai_server::AppError;

/// Why the process ends as it does, for scripts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// The work went wrong, or its result is that something is wrong.
    Failure = 1,
    /// What was asked for makes no sense: a wrong argument, a missing file, an invalid flow. As clap has it.
    Usage = 2,
    /// The run waits for tool results that nobody gives.
    Paused = 3,
    /// The server refused the key.
    Refused = 4,
    /// No such flow, version, run or job.
    NotFound = 5,
    /// The budget is used up.
    Credits = 6,
    /// Too many requests, or the server has no room.
    Busy = 7,
    /// No connection to the server.
    Connection = 8,
    /// No answer in time.
    Timeout = 9,
    /// An answer, but not one of a Noukai server.
    Decode = 10,
    /// As shells count a process that SIGINT ended.
    Interrupted = 130,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Why a command failed. Printed once, in `main`.
#[derive(Debug)]
pub struct CliError {
    message: String,
    hint: Option<String>,
    exit: Exit,
}

impl CliError {
    /// The work went wrong.
    pub fn failure(message: impl fmt::Display) -> Self {
        Self::of(Exit::Failure, message)
    }

    /// What was asked for makes no sense.
    pub fn usage(message: impl fmt::Display) -> Self {
        Self::of(Exit::Usage, message)
    }

    /// With an exit code of its own.
    pub fn of(exit: Exit, message: impl fmt::Display) -> Self {
        Self { message: one_line(&message.to_string()), hint: None, exit }
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
        self.exit.into()
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

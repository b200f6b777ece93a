//! What the user types.

use std::io::{self, BufRead, IsTerminal};

use crate::error::CliError;

/// A secret: the first line of stdin, or what is typed at a terminal, where it is not shown.
///
/// # Errors
/// Stdin cannot be read, or there is nothing.
pub fn secret(prompt: &str) -> Result<String, CliError> {
    let unreadable = |error: io::Error| CliError::usage(format!("the key cannot be read: {error}"));
    let secret = if io::stdin().is_terminal() {
        rpassword::prompt_password(prompt).map_err(unreadable)?
    } else {
        let mut line = String::new();
        io::stdin().read_line(&mut line).map_err(unreadable)?;
        line
    };
    match secret.trim() {
        "" => Err(CliError::usage("there was no key").with_hint("give it on stdin, as in `< key.txt`")),
        secret => Ok(secret.to_owned()),
    }
}

/// The next line of stdin, without its end; `None` at the end of input.
///
/// # Errors
/// Stdin cannot be read.
pub async fn line() -> Result<Option<String>, CliError> {
    // Reads on when nobody waits for it any more; the process does not wait for it at its end.
    tokio::task::spawn_blocking(read_line).await.map_err(CliError::failure)?
}

fn read_line() -> Result<Option<String>, CliError> {
    let mut line = String::new();
    let read = io::stdin().lock().read_line(&mut line).map_err(|error| CliError::failure(format!("stdin: {error}")))?;
    Ok((read > 0).then(|| line.trim_end_matches(['\r', '\n']).to_owned()))
}

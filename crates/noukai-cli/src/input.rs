//! What the user types.

use std::io::{self, BufRead};

use crate::error::CliError;

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

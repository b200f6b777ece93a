//! What a failed call means for the command: its words, a hint, and the exit code.

use noukai::{Error, ErrorKind};

use crate::error::{CliError, Exit};

/// For the help of the commands that call a server.
pub const EXIT_CODES: &str = "\
Exit codes: 0 done, 1 the run failed, 2 wrong input, 3 the run waits for tool results, 4 key refused, 5 not found,
6 out of credits, 7 too many requests or the server is busy, 8 no connection, 9 timeout, 10 not an answer of a Noukai
server, 130 interrupted.";

/// A failed call as the command's own failure.
pub fn call_failed(error: Error) -> CliError {
    let failure = CliError::of(exit(&error), &error);
    match hint(&error) {
        Some(hint) => failure.with_hint(hint),
        None => failure,
    }
}

fn exit(error: &Error) -> Exit {
    match error.kind() {
        ErrorKind::InvalidValue => Exit::Usage,
        ErrorKind::Authentication | ErrorKind::PermissionDenied => Exit::Refused,
        ErrorKind::FlowNotFound => Exit::NotFound,
        ErrorKind::InsufficientCredits => Exit::Credits,
        ErrorKind::RateLimit => Exit::Busy,
        ErrorKind::Connection => Exit::Connection,
        ErrorKind::Timeout => Exit::Timeout,
        ErrorKind::Cancelled => Exit::Interrupted,
        ErrorKind::Decode => Exit::Decode,
        ErrorKind::FlowExecution => match error.status() {
            Some(400 | 413 | 422) => Exit::Usage,
            Some(503) => Exit::Busy,
            _ => Exit::Failure,
        },
        _ => Exit::Failure,
    }
}

fn hint(error: &Error) -> Option<String> {
    Some(match error.kind() {
        ErrorKind::Authentication => "`noukai login` stores a valid key".to_owned(),
        ErrorKind::PermissionDenied => "the key is for another project, or lacks the scope".to_owned(),
        ErrorKind::Connection => "is the server running, and is its address right?".to_owned(),
        ErrorKind::RateLimit => match error.retry_after() {
            Some(wait) => format!("try again in {} s", wait.as_secs().max(1)),
            None => "try again later".to_owned(),
        },
        ErrorKind::Decode => "is this the address of a Noukai server? It ends in /api/v1".to_owned(),
        _ => return None,
    })
}

//! The one error of the use cases. Knows codes and words; no HTTP status: each transport maps codes in one place.

use std::{fmt::Display, num::NonZeroU32, time::Duration};

use noukai_api::{ErrorCode, FieldError};
use noukai_store::StoreError;

/// Why a use case was refused or failed.
#[derive(Debug, Clone)]
pub struct AppError {
    /// The code to branch on.
    pub code: ErrorCode,
    /// One sentence for the caller that says what to do. Free of secrets and of our own inner workings.
    pub message: String,
    /// Single faults, where there may be several.
    pub errors: Vec<FieldError>,
    /// The run the error belongs to.
    pub execution_id: Option<String>,
    /// What was to be changed is at this revision now.
    pub revision: Option<NonZeroU32>,
    /// When another try makes sense.
    pub retry_after: Option<Duration>,
    /// For the log alone.
    pub context: Option<String>,
}

impl AppError {
    /// A refusal with its reason.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            errors: Vec::new(),
            execution_id: None,
            revision: None,
            retry_after: None,
            context: None,
        }
    }

    /// A fault of ours: the caller learns nothing but its request id, the log gets `context`.
    pub fn internal(context: impl std::fmt::Display) -> Self {
        let message = "something went wrong in the server; quote the request id when you report it";
        Self { context: Some(context.to_string()), ..Self::new(ErrorCode::InternalError, message) }
    }

    /// The server has no room; try again soon.
    pub fn overloaded(message: impl Into<String>) -> Self {
        Self { retry_after: Some(Duration::from_secs(1)), ..Self::new(ErrorCode::Overloaded, message) }
    }

    /// Wrong input, fault by fault.
    pub fn invalid(errors: Vec<FieldError>) -> Self {
        let message = match errors.as_slice() {
            [one] => format!("{}: {}", one.loc.join("."), one.msg),
            many => format!("{} fields are not valid; see `errors`", many.len()),
        };
        Self { errors, ..Self::new(ErrorCode::ValidationError, message) }
    }

    /// Wrong input in one field.
    pub fn invalid_field(loc: &[&str], msg: impl Into<String>) -> Self {
        let loc = loc.iter().map(|part| (*part).to_owned()).collect();
        Self::invalid(vec![FieldError { loc, msg: msg.into() }])
    }

    /// Says at which revision that is which was to be changed.
    #[must_use]
    pub fn at_revision(mut self, revision: u64) -> Self {
        self.revision = u32::try_from(revision).ok().and_then(NonZeroU32::new);
        self
    }

    /// Somebody else was faster: what `changed` tells was done, and `now` is the revision that this led to.
    pub fn meanwhile(changed: impl Display, now: u64) -> Self {
        let message = format!(
            "{changed} meanwhile and is at revision {now} now; read it, see whether the change is still wanted, and send it \
             again with that `ETag`"
        );
        Self::new(ErrorCode::Conflict, message).at_revision(now)
    }

    /// Names the run the error belongs to.
    #[must_use]
    pub fn of_run(mut self, execution_id: impl std::fmt::Display) -> Self {
        self.execution_id = Some(execution_id.to_string());
        self
    }
}

impl std::fmt::Display for AppError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl std::error::Error for AppError {}

impl From<StoreError> for AppError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Overloaded => Self::overloaded("the write queue is full; try again in a moment"),
            StoreError::Closed => super::stopping(),
            StoreError::QueueFull(_) => Self::overloaded("the queue of jobs is full; try again in a moment"),
            StoreError::Unreachable(why) => Self {
                context: Some(why),
                ..Self::overloaded("the database does not answer at this moment; try again")
            },
            StoreError::Conflict(message) => Self::new(ErrorCode::Conflict, message),
            other => Self::internal(other),
        }
    }
}

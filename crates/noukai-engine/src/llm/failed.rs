//! Why an attempt failed, and what comes next: the same model again, the next model, or the end.

use std::time::Duration;

use noukai_api::{ErrorCode, StepError};

use crate::{ModelError, ModelErrorKind, nodes::leaf::Work};

/// Providers that ask for a longer wait than this are not waited for.
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// Calls made again with another key, per model.
const MOST_KEYS: u32 = 16;

/// Why an attempt failed.
pub(super) enum Failed {
    Model(ModelError),
    TimedOut(Duration),
    Schema(Vec<String>),
    Limit(String),
    Iterations(u32),
}

/// What follows a failed attempt.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// The same model, after a wait.
    Again(Duration),
    /// The next model.
    OtherModel,
    /// Nothing.
    GiveUp,
}

/// How often the model at hand was asked.
pub(super) struct Asked {
    rounds: u32,
    keys: u32,
    /// Whether another model comes after it.
    has_next: bool,
}

impl Asked {
    pub(super) const fn first(has_next: bool) -> Self {
        Self { rounds: 1, keys: 0, has_next }
    }

    /// Decides, and counts.
    pub(super) fn after(&mut self, failed: &Failed, work: &Work<'_, '_>) -> Next {
        if failed.calls_for_another_key() && self.keys < MOST_KEYS {
            self.keys += 1;
            return Next::Again(Duration::ZERO);
        }
        if !failed.is_retryable() {
            return Next::GiveUp;
        }
        let elsewhere = failed.is_set_aside() && self.has_next;
        match failed.wait(work, self.rounds).filter(|_| !elsewhere) {
            Some(wait) => {
                self.rounds += 1;
                Next::Again(wait)
            }
            None if self.has_next => Next::OtherModel,
            None => Next::GiveUp,
        }
    }
}

impl Failed {
    fn is_retryable(&self) -> bool {
        match self {
            Self::Model(error) => error.kind.is_retryable(),
            Self::TimedOut(_) => true,
            Self::Schema(_) | Self::Limit(_) | Self::Iterations(_) => false,
        }
    }

    const fn calls_for_another_key(&self) -> bool {
        matches!(self, Self::Model(error) if error.another_key)
    }

    const fn is_set_aside(&self) -> bool {
        matches!(self, Self::Model(ModelError { kind: ModelErrorKind::SetAside, .. }))
    }

    /// How long to wait before the same model is asked again; `None`: not again.
    fn wait(&self, work: &Work<'_, '_>, round: u32) -> Option<Duration> {
        let backoff = work.backoff(round)?;
        let asked = match self {
            Self::Model(error) => error.retry_after.unwrap_or_default(),
            _ => Duration::ZERO,
        };
        (asked <= LONGEST_WAIT).then(|| asked.max(backoff))
    }

    /// The provider that answered or was asked, where it said so.
    pub(super) fn provider(&self) -> Option<String> {
        match self {
            Self::Model(error) => error.provider.clone(),
            _ => None,
        }
    }

    pub(super) fn error(&self, work: &Work<'_, '_>, attempt: u32) -> StepError {
        match self {
            Self::Model(error) => StepError {
                provider: error.provider.clone(),
                provider_status: error.status,
                ..work.error(error.kind.code(), error.message.clone(), attempt)
            },
            Self::TimedOut(limit) => {
                work.error(ErrorCode::StepTimeout, format!("no reply within {} ms", limit.as_millis()), attempt)
            }
            Self::Schema(problems) => work.error(
                ErrorCode::OutputSchemaMismatch,
                format!("the reply does not fit the output schema: {}", problems.join("; ")),
                attempt,
            ),
            Self::Limit(message) => work.error(ErrorCode::LimitExceeded, message.clone(), attempt),
            Self::Iterations(limit) => work.error(
                ErrorCode::ToolIterationLimit,
                format!("the block paused for tools {limit} times, its max_tool_iterations, and wants more"),
                attempt,
            ),
        }
    }
}

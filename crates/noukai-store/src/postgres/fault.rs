//! What went wrong, and whether it passes by itself.

use std::{error::Error as _, io};

use deadpool_postgres::{HookError, PoolError};
use tokio_postgres::error::SqlState;

use crate::StoreError;

/// What the driver says of a server without TLS where TLS is a must; it has no other sign of it.
const NO_TLS: &str = "server does not support TLS";

/// Why an attempt came to nothing.
#[derive(Debug)]
pub(super) enum Fault {
    /// The operation refused; it would do so again.
    Refused(StoreError),
    /// The connection is gone, or none could be had.
    Lost(String),
    /// What answers is not who the URL says it is, or speaks no TLS.
    Untrusted(String),
    /// The server refused a statement.
    Server(tokio_postgres::Error),
}

impl Fault {
    /// Whether the same may go well in a moment.
    pub(super) fn passes(&self) -> bool {
        match self {
            Self::Refused(_) | Self::Untrusted(_) => false,
            Self::Lost(_) => true,
            Self::Server(error) => error.code().is_some_and(|code| {
                [SqlState::T_R_SERIALIZATION_FAILURE, SqlState::T_R_DEADLOCK_DETECTED].contains(code)
            }),
        }
    }

    pub(super) const fn is_lost(&self) -> bool {
        matches!(self, Self::Lost(_) | Self::Untrusted(_))
    }

    /// A text with a NUL character: PostgreSQL stores none, so nothing it stores is like it.
    pub(super) fn is_nul(&self) -> bool {
        matches!(self, Self::Server(error) if error.code() == Some(&SqlState::CHARACTER_NOT_IN_REPERTOIRE))
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Self::Refused(error)
    }
}

impl From<tokio_postgres::Error> for Fault {
    fn from(error: tokio_postgres::Error) -> Self {
        if is_untrusted(&error) {
            return Self::Untrusted(told(&error));
        }
        if is_lost(&error) { Self::Lost(told(&error)) } else { Self::Server(error) }
    }
}

impl From<PoolError> for Fault {
    fn from(error: PoolError) -> Self {
        match error {
            PoolError::Closed => Self::Refused(StoreError::Closed),
            PoolError::Backend(error) | PoolError::PostCreateHook(HookError::Backend(error)) => error.into(),
            PoolError::Timeout(_) => Self::Lost("no connection became free in time".to_owned()),
            other => Self::Lost(other.to_string()),
        }
    }
}

impl From<Fault> for StoreError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Refused(error) => error,
            Fault::Lost(why) | Fault::Untrusted(why) => Self::Unreachable(why),
            Fault::Server(error) if error.code() == Some(&SqlState::UNIQUE_VIOLATION) => Self::Conflict(told(&error)),
            Fault::Server(error) => Self::Database(Box::new(error)),
        }
    }
}

/// The driver tells no more than that its connector failed: what TLS found wrong is below.
fn is_untrusted(error: &tokio_postgres::Error) -> bool {
    let mut below = error.source();
    while let Some(source) = below {
        let inner = source.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        if source.is::<rustls::Error>() || inner.is_some_and(|inner| inner.is::<rustls::Error>()) {
            return true;
        }
        below = source.source();
    }
    error.code().is_none() && error.source().is_some_and(|source| source.to_string() == NO_TLS)
}

/// The server ends connections when it stops, and takes none before it has started.
fn is_lost(error: &tokio_postgres::Error) -> bool {
    let by_code = error.code().is_some_and(|code| {
        code.code().starts_with("08")
            || [
                SqlState::ADMIN_SHUTDOWN,
                SqlState::CRASH_SHUTDOWN,
                SqlState::CANNOT_CONNECT_NOW,
                SqlState::TOO_MANY_CONNECTIONS,
                SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT,
                SqlState::READ_ONLY_SQL_TRANSACTION,
            ]
            .contains(code)
    });
    by_code || error.is_closed() || error.source().is_some_and(|source| source.is::<io::Error>())
}

fn told(error: &tokio_postgres::Error) -> String {
    match (error.as_db_error(), error.source()) {
        (Some(error), _) => error.message().to_owned(),
        (None, Some(source)) => format!("{error}: {source}"),
        (None, None) => error.to_string(),
    }
}

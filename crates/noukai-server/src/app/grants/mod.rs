//! What people grant to programs (OAuth 2.1): clients that register themselves, consent, codes, tokens.
//!
//! Knows the rules and the words of the protocol; addresses, forms and pages are the transport's. Every client is a
//! public one: it proves itself by its redirect address and by PKCE (RFC 7636, S256 alone).

mod authorization;
mod clients;
mod tokens;

pub(crate) use authorization::{Asked, Authorization, Refusal, Resources};
pub(crate) use clients::{Client, Registration};
use noukai_api::Scope;
pub(crate) use tokens::{CodeExchange, RefreshExchange, Tokens};

use super::AppError;

/// An access token begins with it.
pub(crate) const ACCESS: &str = "nko_";
const REFRESH: &str = "nkr_";
const CODE: &str = "nkc_";

/// What a client asks for where it does not say.
const USUAL: [Scope; 2] = [Scope::Execute, Scope::Author];

/// Why nothing was granted, in the words of RFC 6749, 7591 and 8707.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum GrantFault {
    InvalidRequest,
    InvalidClient,
    InvalidGrant,
    InvalidScope,
    InvalidTarget,
    InvalidRedirectUri,
    InvalidClientMetadata,
    UnsupportedGrantType,
    UnsupportedResponseType,
    AccessDenied,
    TemporarilyUnavailable,
    ServerError,
}

impl GrantFault {
    /// As spelled on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::InvalidClient => "invalid_client",
            Self::InvalidGrant => "invalid_grant",
            Self::InvalidScope => "invalid_scope",
            Self::InvalidTarget => "invalid_target",
            Self::InvalidRedirectUri => "invalid_redirect_uri",
            Self::InvalidClientMetadata => "invalid_client_metadata",
            Self::UnsupportedGrantType => "unsupported_grant_type",
            Self::UnsupportedResponseType => "unsupported_response_type",
            Self::AccessDenied => "access_denied",
            Self::TemporarilyUnavailable => "temporarily_unavailable",
            Self::ServerError => "server_error",
        }
    }
}

/// Why nothing was granted.
#[derive(Debug, Clone)]
pub(crate) struct GrantError {
    pub fault: GrantFault,
    /// For the client's author. Plain ASCII without quotes, as the protocol has it.
    pub description: String,
    /// For the log alone.
    pub context: Option<String>,
}

impl GrantError {
    pub fn new(fault: GrantFault, description: impl Into<String>) -> Self {
        Self { fault, description: description.into(), context: None }
    }
}

impl From<AppError> for GrantError {
    fn from(error: AppError) -> Self {
        let description = "the server cannot do this at this moment; try again".to_owned();
        let context = Some(error.context.unwrap_or(error.message));
        let fault =
            if error.retry_after.is_some() { GrantFault::TemporarilyUnavailable } else { GrantFault::ServerError };
        Self { fault, description, context }
    }
}

impl From<noukai_store::StoreError> for GrantError {
    fn from(error: noukai_store::StoreError) -> Self {
        AppError::from(error).into()
    }
}

/// Scopes with blanks between them, as the protocol has them.
pub(crate) fn scope_text(scopes: &[Scope]) -> String {
    scopes.iter().map(|scope| scope.as_str()).collect::<Vec<_>>().join(" ")
}

//! A request to run a flow, checked in the order of the contract: the version, the flow, the headers, the body.
//! (Who calls, and whether the path is theirs, the guard has checked before.) What the body means is the app's.

use axum::{
    RequestPartsExt,
    body::Bytes,
    extract::{FromRequest, Request},
    http::{HeaderMap, request::Parts},
};
use noukai_api::ErrorCode;
use serde::{Deserialize, de::DeserializeOwned};

use super::{
    body,
    error::ApiError,
    extract::{Authed, PathOf},
    idempotency::{self, Once},
    query::Args,
};
use crate::app::{App, AppError, Caller, FlowAddress, RunOptions, VersionSelector};

const SESSION_ID: &str = "x-session-id";
const LONGEST_SESSION_ID: usize = 200;

/// A request to run a flow.
pub(super) struct FlowRequest<T> {
    pub caller: Caller,
    pub address: FlowAddress,
    pub options: RunOptions,
    /// Where the caller wants it done once.
    pub once: Option<Once>,
    pub body: T,
}

#[derive(Deserialize)]
struct FlowPath {
    flow: String,
    version: Option<String>,
}

impl<T: DeserializeOwned> FromRequest<App> for FlowRequest<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, app: &App) -> Result<Self, ApiError> {
        let (mut parts, body) = request.into_parts();
        let Authed(caller) = parts.extract().await?;
        let args: Args = parts.extract().await?;
        let address = address(&mut parts, &args).await?;
        // Read before the flow is looked up, and reported after: a caller who still sends sees no reply but a reset.
        let bytes = body::read(body, app.limits()).await;
        app.flow_exists(&caller, &address).await?;
        let bytes = bytes?;
        let options = RunOptions { session_id: session_id(&parts.headers)?, deltas: args.flag("deltas")?, run: None };
        let once = once(&parts, &bytes)?;
        let body = body::parse(&bytes, app.limits())?;
        Ok(Self { caller, address, options, once, body })
    }
}

/// The flow and its version: of the path, else of `?version=`, else the production version.
async fn address(parts: &mut Parts, args: &Args) -> Result<FlowAddress, ApiError> {
    let PathOf(FlowPath { flow, version }) = parts.extract().await?;
    let version = match (version, args.text("version")) {
        (Some(segment), _) => VersionSelector::parse(&segment)?,
        (None, Some(number)) => VersionSelector::parse_number(number)?,
        (None, None) => VersionSelector::Production,
    };
    Ok(FlowAddress { flow, version })
}

/// `X-Session-Id` without the spaces around it; nothing but spaces is none.
pub(super) fn session_id(headers: &HeaderMap) -> Result<Option<String>, AppError> {
    let Some(value) = headers.get(SESSION_ID) else { return Ok(None) };
    let refused = |message| AppError::new(ErrorCode::SessionIdInvalid, message);
    let text = std::str::from_utf8(value.as_bytes()).map_err(|_| refused("`X-Session-Id` is not UTF-8"))?.trim();
    if text.chars().count() > LONGEST_SESSION_ID {
        return Err(refused("`X-Session-Id` is longer than 200 characters"));
    }
    if text.chars().any(char::is_control) {
        return Err(refused("`X-Session-Id` holds a control character"));
    }
    Ok((!text.is_empty()).then(|| text.to_owned()))
}

/// The route as the caller wrote it, the version in the query included: another version is another route.
pub(super) fn once(parts: &Parts, body: &Bytes) -> Result<Option<Once>, AppError> {
    let Some(key) = idempotency::key(&parts.headers)? else { return Ok(None) };
    let (method, uri) = (&parts.method, &parts.uri);
    let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    Ok(Some(Once { route: format!("{method} {}{query}", uri.path()), key, body: body.clone() }))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn session_ids_are_short_and_visible() {
        let read = |value: &[u8]| {
            let value = HeaderValue::from_bytes(value).expect("a header value");
            session_id(&HeaderMap::from_iter([(SESSION_ID.parse().expect("a name"), value)]))
        };
        assert_eq!(read(b" s-1 ").ok(), Some(Some("s-1".to_owned())));
        assert_eq!(read("Größe".as_bytes()).ok(), Some(Some("Größe".to_owned())));
        assert_eq!(read(b"  ").ok(), Some(None));
        assert_eq!(read(&[b'x'; 200]).ok().flatten().map(|id| id.len()), Some(200));
        for bad in [&[b'x'; 201][..], b"a\tb", b"\xff"] {
            assert_eq!(read(bad).err().map(|error| error.code), Some(ErrorCode::SessionIdInvalid), "{bad:?}");
        }
        assert_eq!(session_id(&HeaderMap::new()).ok(), Some(None));
    }
}

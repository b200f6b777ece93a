//! Revisions as entity tags: what a reply says, and what a change is made on. `If-Match` and a `revision` in the body mean
//! the same.

use axum::{
    http::{
        HeaderMap, HeaderValue,
        header::{ETAG, IF_MATCH},
    },
    response::Response,
};
use noukai_api::ErrorCode;

use crate::app::AppError;

/// The reply, marked with the revision of what it shows.
pub(super) fn tagged(mut response: Response, revision: u64) -> Response {
    if let Ok(tag) = HeaderValue::from_str(&tag(revision)) {
        response.headers_mut().insert(ETAG, tag);
    }
    response
}

/// A revision as an entity tag.
pub(super) fn tag(revision: u64) -> String {
    format!("\"{revision}\"")
}

/// The revision that a change is made on, from the header and the body; none, where neither says one.
pub(super) fn asked(headers: &HeaderMap, body: Option<u64>) -> Result<Option<u64>, AppError> {
    match (header(headers)?, body) {
        (Some(header), Some(body)) if header != body => {
            let message = format!("`If-Match` says revision {header} and the body {body}; say one of them");
            Err(AppError::new(ErrorCode::BadRequest, message))
        }
        (header, body) => Ok(header.or(body)),
    }
}

/// `*` stands for whatever is there.
fn header(headers: &HeaderMap) -> Result<Option<u64>, AppError> {
    let Some(value) = headers.get(IF_MATCH) else { return Ok(None) };
    let text = value.to_str().unwrap_or_default().trim();
    if text == "*" {
        return Ok(None);
    }
    // Proxies that compress replies make tags weak; a revision means the same then.
    let tag = text.strip_prefix("W/").unwrap_or(text);
    let number = tag.strip_prefix('"').and_then(|tag| tag.strip_suffix('"')).and_then(|tag| tag.parse().ok());
    let message = "`If-Match` must be the `ETag` of an earlier reply, such as `\"3\"`, or `*`";
    number.map(Some).ok_or_else(|| AppError::new(ErrorCode::BadRequest, message))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(value: &str, body: Option<u64>) -> Result<Option<u64>, ErrorCode> {
        let headers = HeaderMap::from_iter([(IF_MATCH, HeaderValue::from_str(value).expect("a header value"))]);
        asked(&headers, body).map_err(|error| error.code)
    }

    #[test]
    fn revisions_come_from_the_header_or_the_body() {
        assert_eq!(read("\"3\"", None), Ok(Some(3)));
        assert_eq!(read("W/\"3\"", Some(3)), Ok(Some(3)));
        assert_eq!(read("*", None), Ok(None));
        assert_eq!(read("*", Some(4)), Ok(Some(4)));
        assert_eq!(asked(&HeaderMap::new(), Some(2)).ok(), Some(Some(2)));
        for bad in ["3", "\"x\"", "\"-1\"", "\"\"", "\"3\", \"4\"", ""] {
            assert_eq!(read(bad, None), Err(ErrorCode::BadRequest), "{bad}");
        }
        assert_eq!(read("\"3\"", Some(4)), Err(ErrorCode::BadRequest));
    }
}

//! Request bodies: bounded while they arrive, then JSON into wire types, with our error shape for each way to be wrong.
//! Knows the limits on text (bytes, nesting); what the fields mean is the app's.

use std::time::Duration;

use axum::{
    body::{Body, Bytes},
    extract::{FromRequest, Request},
};
use http_body_util::BodyExt;
use noukai_api::{ErrorCode, FieldError, Limits};
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::error::Category;
use serde_path_to_error::Segment;

use super::error::ApiError;
use crate::app::{App, AppError};

/// Longest pause between two parts of a body.
const IDLE: Duration = Duration::from_secs(30);
/// How many times the limit is read and thrown away, so that a caller still sending sees the refusal and no reset.
const DRAIN: u64 = 4;
/// Longest text of a single fault; it may quote the caller's value.
const LONGEST_FAULT: usize = 300;

/// A JSON body.
pub(super) struct Json<T>(pub T);

impl<T: DeserializeOwned> FromRequest<App> for Json<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, app: &App) -> Result<Self, ApiError> {
        let bytes = read(request.into_body(), app.limits()).await?;
        Ok(Self(parse(&bytes, app.limits())?))
    }
}

/// All of a body, up to the limit.
pub(super) async fn read(mut body: Body, limits: &Limits) -> Result<Bytes, AppError> {
    let limit = limits.body_bytes;
    let mut kept = Vec::new();
    let mut seen = 0;
    while let Some(data) = next_part(&mut body).await? {
        seen += data.len() as u64;
        if seen <= limit {
            kept.extend_from_slice(&data);
        } else {
            kept = Vec::new();
        }
        if seen > limit.saturating_mul(DRAIN) {
            break;
        }
    }
    if seen > limit {
        let message = format!("the body is over its limit of {limit} bytes");
        return Err(AppError::new(ErrorCode::PayloadTooLarge, message));
    }
    Ok(kept.into())
}

async fn next_part(body: &mut Body) -> Result<Option<Bytes>, AppError> {
    let late = |_| AppError::new(ErrorCode::BadRequest, "the body stopped arriving for 30 seconds");
    let broken = |_| AppError::new(ErrorCode::BadRequest, "the body broke off or is ill-formed");
    let frame = tokio::time::timeout(IDLE, body.frame()).await.map_err(late)?;
    let frame = frame.transpose().map_err(broken)?;
    Ok(frame.map(|frame| frame.into_data().unwrap_or_default()))
}

/// JSON text as a wire type. No text at all stands for `{}`.
///
/// Nesting comes first, so that nothing recursive sees text that is too deep; then syntax; then types.
pub(super) fn parse<T: DeserializeOwned>(bytes: &[u8], limits: &Limits) -> Result<T, AppError> {
    let text = bytes.trim_ascii();
    let text = if text.is_empty() { b"{}" } else { text };
    if deepest(text) > limits.json_depth {
        let message = format!("the body is nested deeper than its limit of {} levels", limits.json_depth);
        return Err(AppError::new(ErrorCode::BadRequest, message));
    }
    // Serde would take an array for an object, field by field.
    if !text.starts_with(b"{") {
        check_syntax(text)?;
        return Err(AppError::invalid_field(&["body"], "must be an object"));
    }
    let mut source = serde_json::Deserializer::from_slice(text);
    let value = serde_path_to_error::deserialize(&mut source).map_err(|error| refusal(text, error))?;
    source.end().map_err(|error| malformed(&error))?;
    Ok(value)
}

/// The deepest nesting of brackets outside of strings.
fn deepest(text: &[u8]) -> u32 {
    let (mut depth, mut most) = (0_u32, 0);
    let (mut in_string, mut escaped) = (false, false);
    for byte in text {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'{' | b'[' if !in_string => {
                depth += 1;
                most = most.max(depth);
            }
            b'}' | b']' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    most
}

fn check_syntax(text: &[u8]) -> Result<(), AppError> {
    match serde_json::from_slice::<IgnoredAny>(text) {
        Ok(IgnoredAny) => Ok(()),
        Err(error) => Err(malformed(&error)),
    }
}

/// A wrong type, unless the text behind it is no JSON at all: syntax comes before types.
fn refusal(text: &[u8], error: serde_path_to_error::Error<serde_json::Error>) -> AppError {
    if error.inner().classify() != Category::Data {
        return malformed(error.inner());
    }
    if let Err(error) = check_syntax(text) {
        return error;
    }
    AppError::invalid(vec![fault(&error)])
}

fn malformed(error: &serde_json::Error) -> AppError {
    AppError::new(ErrorCode::BadRequest, format!("the body is not JSON: {error}"))
}

fn fault(error: &serde_path_to_error::Error<serde_json::Error>) -> FieldError {
    let msg = error.inner().to_string();
    // Serde counts lines and columns; the path says it better.
    let msg = msg.rsplit_once(" at line ").map_or(msg.as_str(), |(msg, _)| msg);
    let missing = msg.strip_prefix("missing field `").and_then(|rest| rest.strip_suffix('`'));
    let path = error.path().iter().filter_map(segment);
    let loc = std::iter::once("body".to_owned()).chain(path).chain(missing.map(str::to_owned));
    FieldError { loc: loc.collect(), msg: msg.chars().take(LONGEST_FAULT).collect() }
}

fn segment(segment: &Segment) -> Option<String> {
    match segment {
        Segment::Seq { index } => Some(index.to_string()),
        Segment::Map { key } => Some(key.clone()),
        Segment::Enum { variant } => Some(variant.clone()),
        Segment::Unknown => None,
    }
}

#[cfg(test)]
mod tests {
    use noukai_api::{CreateKey, ExecuteRequest};

    use super::*;

    fn refused(text: &str) -> AppError {
        parse::<ExecuteRequest>(text.as_bytes(), &Limits::default()).expect_err(text)
    }

    #[test]
    fn no_body_is_an_empty_object() {
        for text in ["", " \n", "{}", " {} "] {
            assert!(parse::<ExecuteRequest>(text.as_bytes(), &Limits::default()).is_ok(), "{text:?}");
        }
    }

    #[test]
    fn what_is_no_json_is_a_bad_request() {
        for text in
            ["{", "nonsense", "{\"message\": }", "{} {}", "[1", "{\"message\": 3, ", "{\"message\": \"\\ud800\"}"]
        {
            assert_eq!(refused(text).code, ErrorCode::BadRequest, "{text}");
        }
        let not_utf8 = parse::<ExecuteRequest>(b"{\"message\": \"\xff\"}", &Limits::default());
        assert_eq!(not_utf8.expect_err("not UTF-8").code, ErrorCode::BadRequest);
    }

    #[test]
    fn wrong_types_are_named_by_their_path() {
        for (text, loc) in [
            ("[]", "body"),
            ("null", "body"),
            ("3", "body"),
            ("{\"message\": 3}", "body.message"),
            ("{\"parameters\": []}", "body.parameters"),
            ("{\"messages\": [{\"content\": \"x\"}]}", "body.messages.0.role"),
            ("{\"trace\": \"yes\"}", "body.trace"),
            ("{\"message\": \"a\", \"message\": \"b\"}", "body"),
        ] {
            let error = refused(text);
            assert_eq!(error.code, ErrorCode::ValidationError, "{text}");
            assert_eq!(error.errors[0].loc.join("."), loc, "{text}: {error}");
        }
        let missing = parse::<CreateKey>(b"", &Limits::default()).expect_err("nothing there");
        assert_eq!(missing.errors[0].loc, ["body", "project_id"]);
    }

    #[test]
    fn faults_do_not_quote_at_length() {
        let error = refused(&format!("{{\"parameters\": \"{}\"}}", "x".repeat(100_000)));
        assert!(error.errors[0].msg.len() <= LONGEST_FAULT);
    }

    #[test]
    fn nesting_is_counted_outside_of_strings() {
        assert_eq!(deepest(b"{}"), 1);
        assert_eq!(deepest(br#"{"a": [[1], {"b": 2}]}"#), 3);
        assert_eq!(deepest(br#"{"a": "[[[[", "b\"[": "\\"}"#), 1);
        let nested =
            |levels: usize| format!("{{\"parameters\": {{\"x\": {}{}}}}}", "[".repeat(levels), "]".repeat(levels));
        assert!(parse::<ExecuteRequest>(nested(62).as_bytes(), &Limits::default()).is_ok());
        let error = refused(&nested(63));
        assert_eq!(error.code, ErrorCode::BadRequest);
        assert!(error.message.contains("64"), "{error}");
        assert_eq!(refused(&"[".repeat(5_000_000)).code, ErrorCode::BadRequest);
    }

    #[tokio::test]
    async fn a_body_over_its_limit_is_refused_whether_or_not_it_says_so() {
        let limits = Limits { body_bytes: 10, ..Limits::default() };
        let parts = |count: usize| {
            let parts = std::iter::repeat_n(Bytes::from_static(b"12345"), count);
            Body::from_stream(futures::stream::iter(parts.map(Ok::<_, std::io::Error>)))
        };
        assert_eq!(read(parts(2), &limits).await.expect("within"), "1234512345");
        for count in [3, 1_000_000] {
            let error = read(parts(count), &limits).await.expect_err("over");
            assert_eq!(error.code, ErrorCode::PayloadTooLarge);
            assert!(error.message.contains("10 bytes"));
        }
        assert_eq!(read(Body::from("12345678901"), &limits).await.expect_err("over").code, ErrorCode::PayloadTooLarge);
    }
}

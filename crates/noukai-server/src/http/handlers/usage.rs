//! Usage: what model calls took. What is counted, the app says.

use axum::{
    extract::State,
    http::{HeaderValue, StatusCode, header::CONTENT_DISPOSITION},
    response::Response,
};
use noukai_api::UsageBy;

use crate::{
    app::{App, AppError, Reply, UsageCallsRequest, UsageRequest, usage_csv},
    http::{error::ApiError, extract::Authed, query::Args, reply},
};

/// How a report is sent.
#[derive(Clone, Copy)]
enum Format {
    Json,
    Csv,
}

/// `GET /usage`: sums over model calls, as JSON or CSV.
pub(in crate::http) async fn report(
    State(app): State<App>,
    Authed(caller): Authed,
    args: Args,
) -> Result<Response, ApiError> {
    let format = args.choice("format", &[("json", Format::Json), ("csv", Format::Csv)])?;
    let text = |name: &str| args.text(name).map(str::to_owned);
    let request = UsageRequest {
        from: text("from"),
        to: text("to"),
        by: args.text("groupBy").or_else(|| args.text("group_by")).map(groups).transpose()?,
        organisation: args.choice("scope", &[("project", false), ("organization", true)])?,
        flow: text("flow"),
        model: text("model"),
        key: text("key"),
        limit: args.limit()?,
    };
    let report = app.usage(&caller, &request).await?;
    match format {
        Format::Json => reply::ok(&report),
        Format::Csv => Ok(csv(usage_csv(&report))),
    }
}

/// `GET /usage/calls`: single model calls.
pub(in crate::http) async fn calls(
    State(app): State<App>,
    Authed(caller): Authed,
    args: Args,
) -> Result<Response, ApiError> {
    let text = |name: &str| args.text(name).map(str::to_owned);
    let request = UsageCallsRequest { from: text("from"), to: text("to"), after: text("after"), limit: args.limit()? };
    reply::ok(&app.usage_calls(&caller, &request).await?)
}

fn csv(body: String) -> Response {
    let reply = Reply { status: StatusCode::OK.as_u16(), content_type: reply::CSV.to_owned(), body };
    let mut response = reply::into_response(reply);
    response.headers_mut().insert(CONTENT_DISPOSITION, HeaderValue::from_static("attachment; filename=\"usage.csv\""));
    response
}

/// Names with commas between them.
fn groups(text: &str) -> Result<Vec<UsageBy>, AppError> {
    let mut all = Vec::new();
    for word in text.split(',').map(str::trim).filter(|word| !word.is_empty()) {
        let by = UsageBy::parse(word).filter(|by| !all.contains(by));
        all.push(by.ok_or_else(unknown_group)?);
    }
    Ok(all)
}

fn unknown_group() -> AppError {
    let known = UsageBy::ALL.iter().map(|by| by.as_str()).collect::<Vec<_>>().join(", ");
    AppError::invalid_field(&["query", "groupBy"], format!("must name some of {known}, each once, with commas between"))
}

//! What both clients call: a server that gives the same reply to every run, and streams of as many events as the flow's
//! name says.

use std::convert::Infallible;

use axum::Router;
use axum::body::Body;
use axum::extract::Path;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use bytes::Bytes;
use futures_util::stream;

const DONE: &str = r#"{"status":"completed","result":{"message":"The order left our house on Monday and should be with you by Thursday."},"flowId":"0198c0de-0000-7000-8000-000000000001","blockCount":2,"executionId":"0198c0de-0000-7000-8000-000000000002"}"#;
const END: &str = "event: flow_completed\ndata: {\"eventType\":\"flow_completed\",\"executionId\":\"r-1\",\"runId\":\"r-1\",\"result\":\"done\",\"summary\":{\"durationMs\":9,\"tokens\":{\"prompt\":2,\"completion\":4,\"total\":6},\"costUsd\":\"0.02\",\"steps\":1}}\n\n";
/// Events per piece that is sent.
const PIECE: u64 = 64;

/// The routes that the clients use.
pub fn router() -> Router {
    let path = "/api/v1/seq/{org}/{project}/{flow}/v0";
    let whole = async |_: Bytes| ([(CONTENT_TYPE, "application/json")], DONE).into_response();
    let events = async |Path((_, _, flow)): Path<(String, String, String)>, _: Bytes| streamed(&flow);
    Router::new().route(&format!("{path}/execute"), post(whole)).route(&format!("{path}/step"), post(events))
}

/// `events-N`: N events of progress, then the end.
fn streamed(flow: &str) -> Response {
    let count: u64 = flow.rsplit('-').next().and_then(|count| count.parse().ok()).unwrap_or(0);
    let pieces = stream::unfold(0, move |sent| {
        let piece = (sent <= count).then(|| {
            let next = (sent + PIECE).min(count);
            let mut text: String = (sent..next).map(|index| progress(index, count)).collect();
            if next == count {
                text.push_str(END);
            }
            (Ok::<_, Infallible>(Bytes::from(text)), if next == count { count + 1 } else { next })
        });
        std::future::ready(piece)
    });
    ([(CONTENT_TYPE, "text/event-stream")], Body::from_stream(pieces)).into_response()
}

fn progress(index: u64, total: u64) -> String {
    let id = index + 1;
    format!(
        "id: {id}\nevent: step_progress\ndata: {{\"eventType\":\"step_progress\",\"stepId\":\"summarise\",\"loopIndex\":{index},\"total\":{total},\"durationMs\":12,\"executionId\":\"0198c0de-0000-7000-8000-000000000002\"}}\n\n"
    )
}

//! A run written down: one line per event, times and durations left out.

use std::fmt::Write;

use noukai_api::StepError;
use noukai_engine::{Event, Message, ModelRequest, Outcome};
use noukai_flow::Flow;

pub fn transcript(flow: &Flow, events: &[Event], outcome: &Outcome) -> String {
    let mut text = String::new();
    for event in events {
        let _ = writeln!(text, "{}", line(flow, event));
    }
    text + &outcome_line(flow, outcome)
}

fn line(flow: &Flow, event: &Event) -> String {
    let slot = |leaf: &usize, path: &[u32]| {
        let id = &flow.leaves[*leaf].id;
        if path.is_empty() { id.to_string() } else { format!("{id}{path:?}") }
    };
    match event {
        Event::AttemptStarted { leaf, path, attempt, input, announce, .. } => {
            let verb = if *announce { "start" } else { "again" };
            format!("{verb} {} #{attempt} <- {input}", slot(leaf, path))
        }
        Event::AttemptFailed { leaf, path, attempt, error, .. } => {
            format!("fail {} #{attempt} {}", slot(leaf, path), error_text(error))
        }
        Event::AttemptCompleted { leaf, path, attempt, output, total, .. } => {
            let total = total.map(|total| format!(" of {total}")).unwrap_or_default();
            format!("done {} #{attempt}{total} -> {output}", slot(leaf, path))
        }
        Event::Unreached { leaf, .. } => format!("unreached {}", slot(leaf, &[])),
        Event::LeafCompleted { leaf, output, .. } => format!("leaf {} -> {output}", slot(leaf, &[])),
        Event::Skipped { leaf, .. } => format!("skip {}", slot(leaf, &[])),
        Event::ItemFailed { leaf, path, error } => format!("item {} -> {error}", slot(leaf, path)),
        Event::LoopCompleted { node_id, iterations } => format!("loop {node_id} x{iterations}"),
        Event::StepFailed { node_id, error, .. } => format!("failed {node_id} {}", error_text(error)),
    }
}

fn error_text(error: &StepError) -> String {
    format!("{}: {}", error.code, error.message)
}

fn outcome_line(flow: &Flow, outcome: &Outcome) -> String {
    let id = |leaf: usize| flow.leaves.get(leaf).map_or("?", |info| &info.id);
    match outcome {
        Outcome::Completed { result } => format!("= {result}"),
        Outcome::Boundary { done, next } => format!("= boundary {} | {}", id(*done), id(*next)),
        Outcome::ToolPause(pause) => {
            let calls: Vec<&str> = pause.tool_calls.iter().map(|call| call.function.name.as_str()).collect();
            format!("= pause {} at {} for {}", pause.iterations_used, pause.step_id, calls.join(", "))
        }
        Outcome::Failed(failure) => {
            format!("= failed {} {}", failure.node_id.as_deref().unwrap_or("run"), error_text(&failure.error))
        }
        Outcome::Cancelled { .. } => "= cancelled".to_owned(),
    }
}

/// The messages of a request, a line each.
pub fn request_text(request: &ModelRequest) -> String {
    let line = |message: &Message| match message {
        Message::System { text } => format!("system: {text}"),
        Message::User { text, images } => {
            let images: String = images.iter().map(|image| format!(" [{}]", image.url)).collect();
            format!("user: {text}{images}")
        }
        Message::Assistant { text, tool_calls, .. } => {
            let calls: String =
                tool_calls.iter().map(|call| format!(" <{} {}>", call.id, call.function.name)).collect();
            format!("assistant: {}{calls}", text.as_deref().unwrap_or("-"))
        }
        Message::Tool { call_id, content, .. } => format!("tool {call_id}: {content}"),
    };
    request.messages.iter().map(line).collect::<Vec<_>>().join("\n")
}

//! OpenTelemetry spans, with the names the published clients give them.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, SystemTime},
};

use opentelemetry::{
    Context, KeyValue,
    global::BoxedTracer,
    trace::{SpanBuilder, SpanKind, Status, TraceContextExt, Tracer},
};
use time::{OffsetDateTime, format_description::well_known::Iso8601};

use crate::{
    Error, Execution, StepCompleted, StepStatus, StepTrace, StreamEvent, Tokens, Trace, Version, flow::Address,
    http::TraceContext,
};

const STEP: &str = "noukai.flow.step";

/// Who records spans.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tracing {
    pub tracer: Option<Arc<BoxedTracer>>,
    /// Whether the steps of a call are read from its trace.
    pub steps: bool,
}

/// The span of one call. Ends when it is dropped.
pub(crate) struct CallSpan {
    tracer: Arc<BoxedTracer>,
    context: Context,
    steps: bool,
    /// Spans of steps that go on.
    open: HashMap<String, Context>,
}

impl CallSpan {
    pub fn start(tracing: &Tracing, operation: &'static str, address: &Address, version: Version) -> Self {
        let global = || Arc::new(opentelemetry::global::tracer("noukai"));
        let tracer = tracing.tracer.clone().unwrap_or_else(global);
        let attributes = [
            KeyValue::new("noukai.org", address.org.clone()),
            KeyValue::new("noukai.project", address.project.clone()),
            KeyValue::new("noukai.flow.slug", address.slug.clone()),
            KeyValue::new("noukai.flow.version", version.to_string()),
        ];
        let name = format!("noukai.flow.{operation}");
        let builder = SpanBuilder::from_name(name).with_kind(SpanKind::Client).with_attributes(attributes);
        let parent = Context::current();
        let span = tracer.build_with_context(builder, &parent);
        Self { context: parent.with_span(span), tracer, steps: tracing.steps, open: HashMap::new() }
    }

    /// The trace that the call's requests name; a fresh one where nobody records.
    pub fn trace(&self) -> TraceContext {
        let span = self.context.span();
        let context = span.span_context();
        if !context.is_valid() {
            return TraceContext::fresh();
        }
        let trace_id = u128::from_be_bytes(context.trace_id().to_bytes());
        let span_id = u64::from_be_bytes(context.span_id().to_bytes());
        TraceContext::of_span(trace_id, span_id, context.is_sampled())
    }

    /// Whether the run's trace is to be read for its steps.
    pub fn wants_steps(&self) -> bool {
        self.steps && self.context.span().is_recording()
    }

    pub fn run(&self, execution_id: &str) {
        self.set(KeyValue::new("noukai.execution_id", execution_id.to_owned()));
    }

    pub fn left(&self, execution: &Execution) {
        self.run(execution.execution_id());
        match execution {
            Execution::Completed(done) => self.status(done.status.as_str(), done.is_failed()),
            Execution::Paused(_) => self.status("tool_calls_required", false),
        }
    }

    pub fn failed(&self, error: &Error) {
        let span = self.context.span();
        if let Some(id) = error.execution_id() {
            self.run(id);
        }
        span.set_attribute(KeyValue::new("error.type", error.kind().to_string()));
        span.record_error(error);
        span.set_status(Status::error(error.to_string()));
    }

    /// A stream's event: steps open and close with their own.
    pub fn event(&mut self, event: &StreamEvent) {
        match event {
            StreamEvent::RunStarted(run) => self.run(&run.execution_id),
            StreamEvent::StepStarted(step) if !self.steps => {
                let attributes = vec![
                    KeyValue::new("noukai.step.id", step.step_id.clone()),
                    KeyValue::new("noukai.step.attempt", i64::from(step.attempt)),
                ];
                let child = self.child(SpanBuilder::from_name(STEP).with_attributes(attributes));
                self.open.insert(step.step_id.clone(), child);
            }
            StreamEvent::StepCompleted(step) => {
                if let Some(child) = self.open.remove(&step.step_id) {
                    complete(&child, step);
                }
            }
            StreamEvent::StepFailed(failed) => {
                if let Some(child) = self.open.remove(&failed.step_id) {
                    child.span().set_attribute(KeyValue::new("noukai.step.status", "failed"));
                    child.span().set_status(Status::error(failed.error.to_string()));
                }
                self.status("failed", true);
            }
            StreamEvent::FlowCompleted(flow) => {
                let is_failed = flow.summary.failed_at_step.is_some() || flow.summary.error.is_some();
                self.context.span().set_attributes(usage(&flow.summary.tokens));
                self.status(if is_failed { "failed" } else { "completed" }, is_failed);
            }
            _ => {}
        }
    }

    /// The steps of a run that has ended, each from its own start to its own end.
    pub fn steps(&self, trace: &Trace) {
        for step in &trace.steps {
            let start = instant(&step.started_at).unwrap_or_else(SystemTime::now);
            let end = step
                .completed_at
                .as_deref()
                .and_then(instant)
                .unwrap_or_else(|| start + Duration::from_millis(step.duration_ms.unwrap_or_default()));
            let builder = SpanBuilder::from_name(STEP).with_start_time(start).with_attributes(attributes(step));
            let child = self.child(builder);
            if step.status == StepStatus::Failed {
                child.span().set_status(Status::error("the step failed"));
            }
            child.span().end_with_timestamp(end);
        }
    }

    fn child(&self, builder: SpanBuilder) -> Context {
        let span = self.tracer.build_with_context(builder.with_kind(SpanKind::Internal), &self.context);
        self.context.with_span(span)
    }

    fn status(&self, status: &str, is_failed: bool) {
        self.set(KeyValue::new("noukai.flow.status", status.to_owned()));
        if is_failed {
            self.context.span().set_status(Status::error(format!("the run {status}")));
        }
    }

    fn set(&self, attribute: KeyValue) {
        self.context.span().set_attribute(attribute);
    }
}

fn complete(child: &Context, step: &StepCompleted) {
    let status = if step.skipped { "skipped" } else { "completed" };
    let span = child.span();
    span.set_attribute(KeyValue::new("noukai.step.status", status));
    span.set_attribute(KeyValue::new("noukai.step.duration_ms", number(step.duration_ms)));
    span.set_attributes(step.tokens.iter().flat_map(usage));
    span.set_attributes(step.cost_usd.clone().map(|cost| KeyValue::new("noukai.step.cost_usd", cost)));
    span.end();
}

fn attributes(step: &StepTrace) -> Vec<KeyValue> {
    let mut attributes = vec![
        KeyValue::new("noukai.step.id", step.step_id.clone()),
        KeyValue::new("noukai.step.attempt", i64::from(step.attempt)),
        KeyValue::new("noukai.step.status", step.status.as_str()),
    ];
    attributes.extend(step.duration_ms.map(|ms| KeyValue::new("noukai.step.duration_ms", number(ms))));
    attributes.extend(step.loop_index.map(|index| KeyValue::new("noukai.step.loop_index", i64::from(index))));
    attributes.extend(step.model_used.clone().map(|model| KeyValue::new("gen_ai.request.model", model)));
    attributes.extend(step.tokens.iter().flat_map(usage));
    attributes.extend(step.cost_usd.clone().map(|cost| KeyValue::new("noukai.step.cost_usd", cost)));
    attributes
}

fn usage(tokens: &Tokens) -> [KeyValue; 2] {
    [
        KeyValue::new("gen_ai.usage.input_tokens", number(tokens.prompt)),
        KeyValue::new("gen_ai.usage.output_tokens", number(tokens.completion)),
    ]
}

fn number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn instant(text: &str) -> Option<SystemTime> {
    OffsetDateTime::parse(text, &Iso8601::DEFAULT).ok().map(SystemTime::from)
}

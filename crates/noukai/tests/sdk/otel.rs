//! OpenTelemetry: a span per call and per step, under the published names, and the trace told to the server.

use noukai::{Flow, NoukaiBuilder};
use noukai_mock::{Reply, Server};
use opentelemetry::{
    Context, Value,
    global::BoxedTracer,
    trace::{SpanKind, Status, TraceContextExt, Tracer, TracerProvider},
};
use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider, SpanData};
use serde_json::json;

use crate::support::{builder, stream, two_calls};

/// Where spans end up.
struct Recorded {
    provider: SdkTracerProvider,
    exporter: InMemorySpanExporter,
}

impl Recorded {
    fn new() -> Self {
        let exporter = InMemorySpanExporter::default();
        let provider = SdkTracerProvider::builder().with_simple_exporter(exporter.clone()).build();
        Self { provider, exporter }
    }

    fn flow(&self, builder: NoukaiBuilder) -> Flow {
        let tracer = BoxedTracer::new(Box::new(self.provider.tracer("test")));
        builder.otel_tracer(tracer).build().expect("a client").flow("acme/demo/hello").expect("a flow")
    }

    /// The call's span, then its steps'.
    fn spans(&self) -> (SpanData, Vec<SpanData>) {
        let mut spans = self.exporter.get_finished_spans().expect("spans");
        let root = spans.iter().position(|span| span.span_kind == SpanKind::Client).expect("a span of the call");
        let root = spans.remove(root);
        assert!(spans.iter().all(|span| span.parent_span_id == root.span_context.span_id()));
        (root, spans)
    }
}

fn attribute(span: &SpanData, name: &str) -> Option<Value> {
    span.attributes.iter().find(|attribute| attribute.key.as_str() == name).map(|attribute| attribute.value.clone())
}

#[tokio::test]
async fn a_call_is_a_client_span_and_the_server_is_told_its_trace() {
    let (server, recorded) = (Server::demo(), Recorded::new());
    recorded.flow(builder(&server)).execute().message("hi").version(3).await.expect("a reply");
    let (span, steps) = recorded.spans();
    assert_eq!((span.name.as_ref(), span.span_kind.clone(), steps.len()), ("noukai.flow.execute", SpanKind::Client, 0));
    let expected = [
        ("noukai.org", "acme"),
        ("noukai.project", "demo"),
        ("noukai.flow.slug", "hello"),
        ("noukai.flow.version", "3"),
        ("noukai.flow.status", "completed"),
    ];
    for (name, value) in expected {
        assert_eq!(attribute(&span, name), Some(Value::from(value)), "{name}");
    }
    assert!(attribute(&span, "noukai.execution_id").is_some());
    let context = &span.span_context;
    let parent = format!("00-{}-{}-01", context.trace_id(), context.span_id());
    assert_eq!(server.requests()[0].header("traceparent"), parent);
}

#[tokio::test]
async fn a_callers_own_span_is_the_parent() {
    let (server, recorded) = (Server::demo(), Recorded::new());
    let tracer = recorded.provider.tracer("caller");
    let own = Context::current_with_span(tracer.start("own"));
    let flow = recorded.flow(builder(&server));
    let call = {
        let _active = own.clone().attach();
        flow.steps().message("hi").stream()
    };
    call.all().await.expect("steps");
    own.span().end();
    let (span, _) = {
        let spans = recorded.exporter.get_finished_spans().expect("spans");
        (spans.iter().find(|span| span.span_kind == SpanKind::Client).expect("a span").clone(), ())
    };
    assert_eq!(span.parent_span_id, own.span().span_context().span_id());
    assert_eq!(span.span_context.trace_id(), own.span().span_context().trace_id());
}

#[tokio::test]
async fn steps_of_an_execute_are_read_from_its_trace() {
    let (server, recorded) = (Server::demo(), Recorded::new());
    recorded.flow(builder(&server).otel_steps(true)).execute().message("hi").await.expect("a reply");
    let (_, steps) = recorded.spans();
    let step = &steps[0];
    assert_eq!((step.name.as_ref(), step.span_kind.clone()), ("noukai.flow.step", SpanKind::Internal));
    let expected = [
        ("noukai.step.id", Value::from("greet")),
        ("noukai.step.status", Value::from("completed")),
        ("noukai.step.attempt", Value::from(1)),
        ("noukai.step.duration_ms", Value::from(3)),
        ("noukai.step.cost_usd", Value::from("0.0001")),
        ("gen_ai.request.model", Value::from("noukai/echo")),
        ("gen_ai.usage.input_tokens", Value::from(2)),
        ("gen_ai.usage.output_tokens", Value::from(3)),
    ];
    for (name, value) in expected {
        assert_eq!(attribute(step, name), Some(value), "{name}");
    }
    let begun = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_767_225_600);
    assert_eq!(step.start_time, begun, "from its own start");
}

#[tokio::test]
async fn steps_of_a_stream_are_spans_as_they_happen() {
    let [first, second] = two_calls();
    let (server, recorded) = (Server::script([stream(1, &first), stream(7, &second)]), Recorded::new());
    recorded.flow(builder(&server)).events().message("hi").stream().all().await.expect("events");
    let (span, steps) = recorded.spans();
    assert_eq!(span.name, "noukai.flow.events");
    assert_eq!(attribute(&span, "gen_ai.usage.input_tokens"), Some(Value::from(2)));
    let ids: Vec<_> = steps.iter().map(|step| attribute(step, "noukai.step.id").expect("an id").to_string()).collect();
    assert_eq!(ids, ["first", "second"]);
    assert_eq!(attribute(&steps[1], "gen_ai.usage.output_tokens"), Some(Value::from(2)));
    let sent: Vec<String> = server.requests().iter().map(|r| r.header("traceparent").to_owned()).collect();
    assert_eq!(sent[0], sent[1], "one call, one parent");
}

#[tokio::test]
async fn what_fails_is_marked() {
    let recorded = Recorded::new();
    let server = Server::script([Reply::error(404, "FLOW_NOT_FOUND")]);
    recorded.flow(builder(&server)).execute().await.expect_err("an error");
    let (span, _) = recorded.spans();
    assert!(matches!(span.status, Status::Error { .. }));
    assert_eq!(attribute(&span, "error.type"), Some(Value::from("FlowNotFound")));

    let recorded = Recorded::new();
    let failed =
        json!({"status": "failed", "result": {"error": {}}, "flowId": "f", "blockCount": 1, "executionId": "r"});
    let server = Server::script([Reply::json(200, &failed)]);
    recorded.flow(builder(&server)).execute().await.expect("a value");
    let (span, _) = recorded.spans();
    assert_eq!(attribute(&span, "noukai.flow.status"), Some(Value::from("failed")));
    assert!(matches!(span.status, Status::Error { .. }));
}

"""Spans: one per call, and one per block from the run's trace."""

import json

import pytest
from drivers import APIS
from noukai_sdk import FlowNotFoundError
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode


@pytest.fixture
def spans():
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    exporter.tracer = provider.get_tracer("conformance")
    return exporter


@pytest.fixture(params=["sync", "async"])
async def traced(request, options, spans):
    made = []

    def make(**more):
        made.append(APIS[request.param](tracer=spans.tracer, **options, **more))
        return made[-1]

    yield make
    for api in made:
        await api.close()


async def test_a_span_per_call(traced, spans, server):
    api = traced(otel=True)
    result = await api.execute("echo", message="hi", version="draft")
    job = await api.execute_async("echo", message="hi")
    await api.wait(job, poll_interval=0.02)
    execute, submit = spans.get_finished_spans()
    assert (execute.name, execute.kind) == ("noukai.flow.execute", SpanKind.CLIENT)
    assert dict(execute.attributes) == {
        "noukai.org": server.org,
        "noukai.project": server.project,
        "noukai.flow.slug": "echo",
        "noukai.flow.version": "draft",
        "noukai.execution_id": result.execution_id,
        "noukai.flow.status": "completed",
    }
    assert submit.name == "noukai.flow.execute_async"
    assert submit.attributes["noukai.execution_id"] == job.execution_id


async def test_an_error_marks_the_span(traced, spans):
    with pytest.raises(FlowNotFoundError):
        await traced(otel=True).execute("no-such-flow", message="hi")
    (span,) = spans.get_finished_spans()
    assert span.status.status_code is StatusCode.ERROR
    assert [event.name for event in span.events] == ["exception"]


async def test_a_span_per_block(traced, spans):
    result = await traced(otel_steps=True).execute("two-step", message="hi")
    first, second, call = spans.get_finished_spans()
    assert call.attributes["noukai.execution_id"] == result.execution_id
    for span, step_id in ((first, "first"), (second, "second")):
        assert (span.name, span.parent.span_id) == ("noukai.flow.step", call.context.span_id)
        attributes = span.attributes
        assert attributes["noukai.step.id"] == step_id
        assert (attributes["noukai.step.attempt"], attributes["noukai.step.status"]) == (1, "completed")
        assert attributes["gen_ai.request.model"] == "noukai/echo"
        assert attributes["gen_ai.usage.input_tokens"] > 0
        assert span.start_time <= span.end_time
        assert "noukai.step.output" not in attributes


async def test_contents_on_request(traced, spans):
    await traced(otel_step_payloads=True).execute("echo", message="hi")
    step, _ = spans.get_finished_spans()
    assert json.loads(step.attributes["noukai.step.input"]) == {"message": "hi"}
    assert json.loads(step.attributes["noukai.step.output"])["message"] == "hi"

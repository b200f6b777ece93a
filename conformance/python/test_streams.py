"""`steps` and `events`: exact sequences, indexes, overrides, containers, failures."""

import re

import pytest
from drivers import of_type, types
from noukai_sdk import (
    FlowCompleted,
    FlowExecutionError,
    FlowNotFoundError,
    RunStarted,
    StepCompleted,
    StepFailed,
    StepInput,
    StepOutput,
    StepPaused,
    StepStarted,
)

ONE_STEP = ["step_started", "step_input", "step_output", "step_completed"]
COST = r"\d+(\.\d+)?"


async def test_events_step_by_step(api):
    events = await api.events("two-step", message="hi")
    assert types(events) == ["run_started", *ONE_STEP, "step_paused", *ONE_STEP, "flow_completed"]
    assert [type(event) for event in events] == [
        *(RunStarted, StepStarted, StepInput, StepOutput, StepCompleted, StepPaused),
        *(StepStarted, StepInput, StepOutput, StepCompleted, FlowCompleted),
    ]
    assert len(api.requests) == 2


async def test_events_that_run_on(api):
    events = await api.events("two-step", message="hi", run_remaining=True)
    assert types(events) == ["run_started", *ONE_STEP, *ONE_STEP, "flow_completed"]
    assert len(api.requests) == 1


@pytest.mark.parametrize("run_remaining", [False, True])
async def test_what_the_events_say(api, run_remaining):
    events = await api.events("two-step", message="hi", run_remaining=run_remaining)
    (started,) = of_type(events, "run_started")
    assert started.run_id == started.execution_id
    assert started.flow_id
    assert started.step_count == 2
    assert [(e.step_id, e.name, e.step_index) for e in of_type(events, "step_started")] == [
        ("first", "First step", 0),
        ("second", "Second step", 1),
    ]
    first, second = {"message": "first: hi"}, {"message": "second: first: hi"}
    assert [(e.step_id, e.input_data) for e in of_type(events, "step_input")] == [
        ("first", {"message": "hi"}),
        ("second", first),
    ]
    assert [(e.step_id, e.output_data) for e in of_type(events, "step_output")] == [("first", first), ("second", second)]
    completed = of_type(events, "step_completed")
    assert [(e.step_id, e.name, e.output, e.step_index) for e in completed] == [
        ("first", "First step", first, 0),
        ("second", "Second step", second, 1),
    ]
    for event in completed:
        assert event.duration_ms >= 0
        assert event.tokens.prompt > 0 and event.tokens.completion > 0
        assert event.tokens.total == event.tokens.prompt + event.tokens.completion
        assert re.fullmatch(COST, event.cost_usd)
    for event in of_type(events, "step_paused"):
        assert event.step_index == 0
    done = events[-1]
    assert done.run_id == done.execution_id == started.execution_id
    assert done.result == second
    assert done.summary["steps"] == 2
    assert done.summary["durationMs"] >= 0
    assert re.fullmatch(COST, done.summary["costUsd"])
    assert done.summary["tokens"]["total"] == sum(event.tokens.total for event in completed)


async def test_all_calls_are_one_run_with_one_trace(api):
    events = await api.events("two-step", message="hi")
    trace = await api.trace("two-step", events[0].execution_id)
    assert trace.flow_run.id == events[0].execution_id
    assert (trace.flow_run.status, trace.flow_run.trigger_type) == ("completed", "step")
    assert [(step.step_id, step.attempt, step.status) for step in trace.steps] == [
        ("first", 1, "completed"),
        ("second", 1, "completed"),
    ]


async def test_steps(api):
    steps = await api.steps("two-step", message="hi")
    assert [type(step) for step in steps] == [StepCompleted, StepCompleted]
    assert [(step.step_id, step.step_index, step.output) for step in steps] == [
        ("first", 0, {"message": "first: hi"}),
        ("second", 1, {"message": "second: first: hi"}),
    ]


async def test_a_stream_of_one_step(api):
    events = await api.events("echo", message="hi")
    assert types(events) == ["run_started", *ONE_STEP, "flow_completed"]
    assert events[-1].result == {"message": "hi"}
    assert len(api.requests) == 1


async def test_text_that_looks_like_a_frame(api):
    message = "a\n\nevent: flow_completed\ndata: {}\n\n\r\n\u2028 🌍"
    events = await api.events("echo", message=message)
    assert types(events) == ["run_started", *ONE_STEP, "flow_completed"]
    assert events[-1].result == {"message": message}


async def test_parameters(api):
    events = await api.events("branch", message="hi", parameters={"kind": "bug"})
    assert events[-1].result == {"message": "final bug in hi"}
    steps = await api.steps("city", parameters={"city": "Oslo"})
    assert [step.output for step in steps] == [{"message": "city: Oslo"}]


@pytest.mark.parametrize("run_remaining", [False, True])
async def test_input_overrides_replace_a_finished_steps_output(api, run_remaining):
    overrides = {"first": {"message": "changed"}}
    events = await api.events("two-step", message="hi", input_overrides=overrides, run_remaining=run_remaining)
    assert events[-1].result == {"message": "second: changed"}
    assert [e.input_data for e in of_type(events, "step_input")] == [{"message": "hi"}, {"message": "changed"}]


async def test_input_overrides_of_steps(api):
    steps = await api.steps("two-step", message="hi", input_overrides={"first": {"message": "changed"}})
    assert [step.output for step in steps] == [{"message": "first: hi"}, {"message": "second: changed"}]


async def test_block_overrides(api):
    overrides = {"second": {"prompt": "2 {{ previous_output }}", "temperature": 0.5}}
    steps = await api.steps("two-step", message="hi", block_overrides=overrides)
    assert [step.output for step in steps] == [{"message": "first: hi"}, {"message": "2 first: hi"}]


async def test_attachments(api):
    attachment = {"url": "https://example.com/cat.png", "mime_type": "image/png"}
    events = await api.events("two-step", message="look", attachments=[attachment])
    assert events[-1].result == {"message": "second: first: look"}
    with pytest.raises(FlowExecutionError) as refused:
        await api.events("text-only", message="look", attachments=[attachment])
    assert (refused.value.status_code, refused.value.code) == (400, "MODEL_MIME_INCOMPATIBLE")


async def test_trace_captures_contents_of_this_run(api):
    events = await api.events("private", message="hi")
    (step,) = (await api.trace("private", events[0].execution_id)).steps
    assert step.input_context is None
    events = await api.events("private", message="hi", trace=True)
    (step,) = (await api.trace("private", events[0].execution_id)).steps
    assert step.input_context == {"message": "hi"}


@pytest.mark.parametrize("run_remaining", [False, True])
async def test_a_loop_is_one_unit(api, run_remaining):
    events = await api.events("loop", parameters={"items": ["a", "b"]}, run_remaining=run_remaining)
    assert types(events) == ["run_started", *ONE_STEP, "flow_completed"]
    outputs = [{"message": "0: a"}, {"message": "1: b"}]
    (completed,) = of_type(events, "step_completed")
    assert (completed.step_id, completed.step_index, completed.output) == ("one", 0, outputs)
    assert events[-1].result == {"results": outputs, "count": 2, "each": outputs}


@pytest.mark.parametrize("run_remaining", [False, True])
async def test_a_loop_of_two_blocks(api, run_remaining):
    events = await api.events("loop-then-total", parameters={"items": ["a", "b"]}, run_remaining=run_remaining)
    assert [(e.step_id, e.step_index, e.output) for e in of_type(events, "step_completed")] == [
        ("one", 0, [{"message": "one a"}, {"message": "one b"}]),
        ("two", 1, [{"message": "two one a"}, {"message": "two one b"}]),
        ("total", 2, {"message": "2 items"}),
    ]
    assert len(of_type(events, "step_paused")) == (0 if run_remaining else 1)
    assert len(api.requests) == (1 if run_remaining else 2)
    assert events[-1].event_type == "flow_completed"


@pytest.mark.parametrize("run_remaining", [False, True])
async def test_a_parallel_container_is_one_unit(api, run_remaining):
    events = await api.events("parallel-then-merge", message="hi", run_remaining=run_remaining)
    for leaf in ("left", "right", "merge"):
        assert [event.event_type for event in events if getattr(event, "step_id", None) == leaf][:4] == ONE_STEP
    completed = of_type(events, "step_completed")
    assert {event.step_id: event.output for event in completed} == {
        "left": {"left_text": "left hi"},
        "right": {"right_text": "right hi"},
        "merge": {"message": "left hi and right hi"},
    }
    assert [event.step_index for event in completed] == [0, 1, 2]
    assert completed[-1].step_id == "merge"
    assert len(api.requests) == (1 if run_remaining else 2)
    assert types(events)[-1] == "flow_completed"


@pytest.mark.parametrize("run_remaining", [False, True])
@pytest.mark.parametrize(("kind", "taken"), [("billing", "billing"), ("bug", "bug"), ("spam", "other")])
async def test_leaves_not_taken_are_reported_with_a_null_output(api, kind, taken, run_remaining):
    events = await api.events("branch", message="hi", parameters={"kind": kind}, run_remaining=run_remaining)
    completed = of_type(events, "step_completed")
    expected = {"intake": {"message": "in hi"}, "billing": None, "bug": None, "other": None}
    expected |= {taken: {"message": f"{taken} in hi"}, "final": {"message": f"final {taken} in hi"}}
    assert {event.step_id: event.output for event in completed} == expected
    assert [event.step_index for event in completed] == [0, 1, 2, 3, 4]
    assert (events[-1].event_type, events[-1].result) == ("flow_completed", expected["final"])


@pytest.mark.parametrize("kind", ["billing", "bug", "spam"])
async def test_a_branch_at_the_end(api, kind):
    events = await api.events("branch-last", message="hi", parameters={"kind": kind})
    assert len(of_type(events, "step_completed")) == 2
    expected = {"message": f"{kind} hi"} if kind != "spam" else {"message": "hi", "kind": "spam"}
    assert events[-1].result == expected


@pytest.mark.parametrize("run_remaining", [False, True])
async def test_containers_in_containers(api, run_remaining):
    events = await api.events("nested", parameters={"items": ["a", "b"]}, run_remaining=run_remaining)
    completed = of_type(events, "step_completed")
    assert {event.step_id: event.output for event in completed} == {
        "first": {"message": "first"},
        "each": [{"message": "each a"}, {"message": "each b"}],
        "only-a": [{"message": "a after each a"}, None],
        "one": {"message": "one after first"},
        "two": {"message": "two after one after first"},
        "last": {"message": "2 and two after one after first"},
    }
    assert [event.step_index for event in completed] == [0, 1, 2, 3, 4, 5]
    assert len(api.requests) == (1 if run_remaining else 3)
    assert events[-1].result == {"message": "2 and two after one after first"}


@pytest.mark.parametrize("run_remaining", [False, True])
async def test_a_failing_step_ends_the_stream(api, run_remaining):
    events = await api.events("fails", message="hi", run_remaining=run_remaining)
    pause = [] if run_remaining else ["step_paused"]
    assert types(events) == ["run_started", *ONE_STEP, *pause, "step_started", "step_input", "step_error"]
    failed = events[-1]
    assert isinstance(failed, StepFailed)
    assert (failed.step_id, failed.name) == ("second", "Second step")
    assert (failed.error["code"], failed.error["attempt"]) == ("TEMPLATE_ERROR", 1)
    assert "tone" in failed.error["message"]
    trace = await api.trace("fails", events[0].execution_id)
    assert trace.flow_run.status == "failed"


async def test_steps_also_yield_the_failure(api):
    steps = await api.steps("no-model", message="hi")
    (failed,) = steps
    assert (failed.event_type, failed.step_id, failed.error["code"]) == ("step_error", "answer", "MODEL_NOT_AVAILABLE")


async def test_error_replies_come_before_the_stream(api):
    with pytest.raises(FlowNotFoundError) as unknown:
        await api.events("no-such-flow", message="hi")
    assert unknown.value.code == "FLOW_NOT_FOUND" and unknown.value.request_id
    with pytest.raises(FlowExecutionError) as missing:
        await api.steps("echo")
    assert (missing.value.status_code, missing.value.code) == (422, "MISSING_MESSAGE")


async def test_the_python_client_does_not_stream_drafts(api):
    for version in ("draft", 0):
        with pytest.raises(ValueError, match="draft"):
            await api.events("echo", message="hi", version=version)
        with pytest.raises(ValueError, match="draft"):
            await api.steps("echo", message="hi", version=version)
    assert api.requests == []


async def test_a_stream_may_be_left_early(api):
    flow = api.flow("two-step")
    if api.kind == "sync":
        first = next(iter(flow.steps(message="hi")))
    else:
        first = await anext(aiter(flow.steps(message="hi")))
    assert first.output == {"message": "first: hi"}
    assert (await api.execute("echo", message="still here")).result == {"message": "still here"}

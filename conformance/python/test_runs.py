"""`flow.run(execution_id)`: traces of ended, failed, repeated and running runs."""

import re
import uuid
from datetime import datetime, timedelta, timezone

import pytest
from drivers import of_type, types
from noukai_sdk import AsyncRun, FlowNotFoundError, Run, StepAttempts, StepTrace

ONE_STEP = ["step_started", "step_input", "step_output", "step_completed"]
COST = r"\d+(\.\d+)?"


def moment(text):
    parsed = datetime.fromisoformat(text.replace("Z", "+00:00"))
    assert parsed.utcoffset() == timedelta(0)
    return parsed


def without_prompt(output):
    return {key: value for key, value in output.items() if key != "__rendered_prompt__"}


async def test_the_proxy_makes_no_request(api):
    run = api.flow("echo").run("any-id")
    assert isinstance(run, Run if api.kind == "sync" else AsyncRun)
    assert run.execution_id == "any-id"
    assert api.requests == []


async def test_trace(api):
    before = datetime.now(timezone.utc) - timedelta(seconds=1)
    result = await api.execute("two-step", message="hi")
    trace = await api.trace("two-step", result.execution_id)
    run = trace.flow_run
    assert (run.id, run.flow_id) == (result.execution_id, result.flow_id)
    assert (run.status, run.trigger_type, run.step_count) == ("completed", "execute", 2)
    assert before < moment(run.started_at) <= moment(run.completed_at)
    assert run.duration_ms >= 0
    first, second = trace.steps
    assert (first.step_id, second.step_id) == ("first", "second")
    for step in trace.steps:
        assert (step.attempt, step.status, step.loop_index, step.truncated) == (1, "completed", None, False)
        assert moment(run.started_at) <= moment(step.started_at) <= moment(step.completed_at)
        assert step.duration_ms >= 0
        assert step.model_used == "noukai/echo"
        assert step.tokens.total == step.tokens.prompt + step.tokens.completion > 0
        assert re.fullmatch(COST, step.cost_usd)
        assert step.input_size_bytes > 0 and step.output_size_bytes > 0
        assert step.error_context is None
    assert first.input_context == {"message": "hi"}
    assert without_prompt(first.output_context) == second.input_context == {"message": "first: hi"}
    assert without_prompt(second.output_context) == result.result


async def test_a_failed_runs_trace(api):
    result = await api.execute("fails", message="hi")
    trace = await api.trace("fails", result.execution_id)
    assert trace.flow_run.status == "failed"
    first, second = trace.steps
    assert (first.status, second.status) == ("completed", "failed")
    assert second.error_context["code"] == "TEMPLATE_ERROR"
    assert second.error_context["message"] == result.result["error"]["message"]
    assert second.output_context is None


async def test_step_trace(api):
    result = await api.execute("two-step", message="hi")
    for options in ({}, {"attempt": "latest"}, {"attempt": 1}, {"timeout": 10}):
        step = await api.step_trace("two-step", result.execution_id, "second", **options)
        assert isinstance(step, StepTrace)
        assert (step.step_id, step.attempt, step.status) == ("second", 1, "completed")
        assert without_prompt(step.output_context) == result.result
    attempts = await api.step_trace("two-step", result.execution_id, "second", attempt="all")
    assert isinstance(attempts, StepAttempts)
    assert attempts.step_id == "second"
    assert [attempt.attempt for attempt in attempts.attempts] == [1]


async def test_going_back_makes_another_attempt(api, http, seq):
    path = f"{seq('two-step')}/step"
    started = http.post(path, json={"stepIndex": 0, "message": "hi"}).text
    run = re.search(r'"executionId":"([^"]+)"', started).group(1)
    again = {"executionId": run, "stepIndex": 0, "blockOverrides": {"first": {"prompt": "again {{ initial.message }}"}}}
    assert "event: step_paused" in http.post(path, json=again).text
    outputs = {"first": {"message": "again hi"}}
    end = {"executionId": run, "stepIndex": 1, "accumulatedOutputs": outputs}
    assert '"second: again hi"' in http.post(path, json=end).text

    attempts = await api.step_trace("two-step", run, "first", attempt="all")
    assert [(step.attempt, without_prompt(step.output_context)["message"]) for step in attempts.attempts] == [
        (1, "first: hi"),
        (2, "again hi"),
    ]
    assert (await api.step_trace("two-step", run, "first")).attempt == 2
    assert (await api.step_trace("two-step", run, "first", attempt=1)).output_context["message"] == "first: hi"
    trace = await api.trace("two-step", run)
    assert [(step.step_id, step.attempt) for step in trace.steps] == [("first", 2), ("second", 1)]
    with pytest.raises(FlowNotFoundError) as unknown:
        await api.step_trace("two-step", run, "first", attempt=3)
    assert unknown.value.code == "STEP_NOT_FOUND"


async def test_step_trace_in_a_loop(api):
    result = await api.execute("loop", parameters={"items": ["a", "b"]})
    for index, text in enumerate(["0: a", "1: b"]):
        step = await api.step_trace("loop", result.execution_id, "one", loop_index=index)
        assert (step.step_id, step.loop_index, step.attempt) == ("one", index, 1)
        assert without_prompt(step.output_context) == {"message": text}
    attempts = await api.step_trace("loop", result.execution_id, "one", attempt="all", loop_index=1)
    assert [(step.loop_index, step.attempt) for step in attempts.attempts] == [(1, 1)]
    rows = (await api.trace("loop", result.execution_id)).steps
    assert sorted((row.step_id, row.loop_index) for row in rows if row.loop_index is not None) == [
        ("one", 0),
        ("one", 1),
    ]
    with pytest.raises(FlowNotFoundError) as unknown:
        await api.step_trace("loop", result.execution_id, "one", loop_index=2)
    assert unknown.value.code == "STEP_NOT_FOUND"


async def test_the_trace_of_a_branch(api):
    result = await api.execute("branch", message="hi", parameters={"kind": "bug"})
    trace = await api.trace("branch", result.execution_id)
    assert {step.step_id: step.status for step in trace.steps} == {
        "intake": "completed",
        "billing": "skipped",
        "bug": "completed",
        "other": "skipped",
        "final": "completed",
    }


async def test_traces_of_containers_can_be_read(api):
    """Contexts are objects or absent: the Python client takes nothing else."""
    for slug, options in (
        ("parallel", {"message": "hi"}),
        ("loop-then-total", {"parameters": {"items": ["a"]}}),
        ("extract", {"message": "hi"}),
    ):
        result = await api.execute(slug, **options)
        trace = await api.trace(slug, result.execution_id)
        assert trace.flow_run.status == "completed"
        assert len(trace.steps) >= 1


async def test_live_trace_of_an_ended_run(api):
    result = await api.execute("two-step", message="hi")
    events = await api.live_trace("two-step", result.execution_id)
    assert types(events) == ["run_started", *ONE_STEP, *ONE_STEP, "flow_completed"]
    assert {event.execution_id for event in (events[0], events[-1])} == {result.execution_id}
    assert [event.output for event in of_type(events, "step_completed")] == [
        {"message": "first: hi"},
        {"message": "second: first: hi"},
    ]
    assert events[-1].result == result.result


async def test_live_trace_of_a_running_run(api):
    job = await api.execute_async("slow", message="hi")
    events = await api.live_trace("slow", job.execution_id)
    assert types(events) == ["run_started", *ONE_STEP, "flow_completed"]
    assert events[-1].result == {"message": "hi"}
    assert (await api.poll(job)).status == "completed"


async def test_live_trace_of_a_failed_run(api):
    result = await api.execute("fails", message="hi")
    events = await api.live_trace("fails", result.execution_id)
    assert types(events)[-2:] == ["step_error", "flow_completed"]
    assert events[-2].error["code"] == "TEMPLATE_ERROR"
    assert events[-1].summary["failedAtStep"] == "second"


async def test_unknown_runs_and_steps(api):
    unknown_run = str(uuid.uuid4())
    for call in (
        api.trace("echo", unknown_run),
        api.step_trace("echo", unknown_run, "answer"),
        api.live_trace("echo", unknown_run),
    ):
        with pytest.raises(FlowNotFoundError) as unknown:
            await call
        assert (unknown.value.status_code, unknown.value.code) == (404, "RUN_NOT_FOUND")
    result = await api.execute("echo", message="hi")
    with pytest.raises(FlowNotFoundError) as unknown:
        await api.step_trace("echo", result.execution_id, "no-such-step")
    assert unknown.value.code == "STEP_NOT_FOUND"
    with pytest.raises(FlowNotFoundError) as unknown:
        await api.trace("two-step", result.execution_id)
    assert unknown.value.code == "RUN_NOT_FOUND"

"""Code blocks through every door: execute, step by step, in one stream, as a job; and how they fail."""

import pytest
from drivers import of_type, types
from noukai_sdk import FlowExecutionError

ONE_STEP = ["step_started", "step_input", "step_output", "step_completed"]
RESULT = {"line": "HI: 2"}


async def test_execute(api):
    result = await api.execute("code", message="hi")
    assert (result.status, result.result, result.block_count) == ("completed", RESULT, 3)


@pytest.mark.parametrize("run_remaining", [False, True])
async def test_events(api, run_remaining):
    events = await api.events("code", message="hi", run_remaining=run_remaining)
    between = [] if run_remaining else ["step_paused"]
    assert types(events) == ["run_started", *ONE_STEP, *between, *ONE_STEP, *between, *ONE_STEP, "flow_completed"]
    outputs = [(event.step_id, event.output_data) for event in of_type(events, "step_output")]
    assert outputs == [
        ("ask", {"text": "hi", "count": 0}),
        ("python", {"text": "HI", "count": 2}),
        ("javascript", RESULT),
    ]
    assert events[-1].result == RESULT


async def test_a_job(api):
    job = await api.execute_async("code", message="hi")
    assert (await api.wait(job, timeout=30, poll_interval=0.02)).result == RESULT


async def test_a_trace(api, http, seq):
    result = await api.execute("code", message="hi")
    trace = await api.trace("code", result.execution_id)
    assert [step.step_id for step in trace.steps] == ["ask", "python", "javascript"]
    assert [step.model_used for step in trace.steps] == ["noukai/echo", None, None]
    body = http.get(f"{seq('code')}/runs/{result.execution_id}/trace").json()
    assert [step.get("printed") for step in body["steps"]] == [None, "text hi\n", None]


async def test_a_function_that_fails(api):
    result = await api.execute("code", message="fail")
    error = result.result["error"]
    assert result.status == "failed"
    assert (error["code"], error["stepId"], error["line"], error["attempt"]) == ("CODE_ERROR", "javascript", 1, 1)
    assert "as asked" in error["message"]
    job = await api.execute_async("code", message="fail")
    done = await api.wait(job, timeout=30, poll_interval=0.02)
    assert done.status == "failed"
    assert done.error.startswith("CODE_ERROR: line 1: ")


async def test_a_request_brings_no_code(api):
    with pytest.raises(FlowExecutionError) as caught:
        await api.execute("code", message="hi", block_overrides={"python": {"source": "return {}"}})
    assert caught.value.status_code == 422

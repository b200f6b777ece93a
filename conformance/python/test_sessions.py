"""Sessions: runs captured under one id, and replayed without the server running a flow."""

import uuid
import warnings

import pytest
from drivers import of_type, types
from noukai_sdk import (
    AsyncNoukai,
    FlowExecutionError,
    Noukai,
    ReplayInvalidSessionError,
    ReplayLeftoverError,
    ReplayMissError,
    ReplayNoSnapshotsError,
    ReplaySessionNotFoundError,
    current_session_id,
    replay,
)
from tool_calls import WEATHER, sunny


@pytest.fixture
def session(http):
    """Reads a session as the server tells it."""
    return lambda session_id: http.get(f"/seq/sessions/{session_id}").json()


async def captured(api, *calls):
    """Runs `(slug, options)` calls in a fresh scope: the session's id and the results."""
    async with api.scope() as scope:
        results = [await api.execute(slug, **options) for slug, options in calls]
    return scope.session_id, results


# --- capture ------------------------------------------------------------------------------------------------------


async def test_a_scope_tags_every_run(api, session):
    assert current_session_id() is None
    async with api.scope() as scope:
        assert current_session_id() == scope.session_id
        executed = await api.execute("two-step", message="hi")
        streamed = await api.events("echo", message="hi")
        job = await api.execute_async("echo", message="job")
        await api.wait(job, poll_interval=0.02)
    assert current_session_id() is None
    assert str(uuid.UUID(scope.session_id)) == scope.session_id
    assert executed.session_id == scope.session_id
    body = session(scope.session_id)
    assert body["sessionId"] == scope.session_id
    assert [(run["executionId"], run["slug"], run["triggerType"], run["status"]) for run in body["executions"]] == [
        (executed.execution_id, "two-step", "execute", "completed"),
        (streamed[0].execution_id, "echo", "step", "completed"),
        (job.execution_id, "echo", "job", "completed"),
    ]


async def test_the_shape_of_a_session(api, session):
    session_id, (result,) = await captured(api, ("two-step", {"message": "hi"}))
    (run,) = session(session_id)["executions"]
    assert set(run) == {
        *("executionId", "flowId", "slug", "triggerType", "status", "startedAt", "completedAt"),
        *("traceCaptureMode", "snapshotsAvailable", "errorAtStep", "steps"),
    }
    assert (run["flowId"], run["errorAtStep"]) == (result.flow_id, None)
    assert (run["traceCaptureMode"], run["snapshotsAvailable"]) == ("full", True)
    first, second = run["steps"]
    for step in (first, second):
        assert set(step) == {
            *("stepId", "attempt", "loopIndex", "status", "startedAt", "completedAt", "durationMs"),
            *("inputSnapshot", "outputSnapshot", "errorSnapshot", "truncated"),
        }
        assert (step["attempt"], step["loopIndex"], step["status"]) == (1, None, "completed")
        assert (step["errorSnapshot"], step["truncated"]) == (None, False)
    assert (first["stepId"], first["inputSnapshot"]) == ("first", {"message": "hi"})
    assert second["outputSnapshot"]["message"] == result.result["message"]


async def test_a_scope_without_capture(api):
    async with api.scope(capture=False) as scope:
        assert scope.session_id is None and current_session_id() is None
        assert (await api.execute("echo", message="hi")).session_id is None


async def test_the_clients_own_session_id(server, session):
    mine, other = str(uuid.uuid4()), str(uuid.uuid4())
    fields = {"api_key": server.api_key, "org": server.org, "project": server.project, "session_id": mine}
    with Noukai(**fields) as client:
        flow = client.flow("echo")
        assert flow.execute("one").session_id == mine
        assert flow.execute("two", session_id=other).session_id == other
        list(flow.steps("three"))
    async with AsyncNoukai(**fields) as client:
        assert (await client.flow("echo").execute("four")).session_id == mine
    assert [run["triggerType"] for run in session(mine)["executions"]] == ["execute", "step", "execute"]
    assert len(session(other)["executions"]) == 1


async def test_streams_and_jobs_take_a_session_id(api, session):
    session_id = str(uuid.uuid4())
    await api.steps("two-step", message="hi", session_id=session_id)
    await api.events("two-step", message="hi", session_id=session_id)
    job = await api.execute_async("echo", message="hi", session_id=session_id)
    await api.wait(job, poll_interval=0.02)
    assert [run["triggerType"] for run in session(session_id)["executions"]] == ["step", "step", "job"]


async def test_a_paused_run_keeps_its_session(api, session):
    """A resume carries no session header; the run has its session all the same, and is one execution."""
    session_id, (result,) = await captured(
        api, ("tools", {"message": "hi", "tools": [WEATHER], "tool_handler": sunny})
    )
    (run,) = session(session_id)["executions"]
    assert (run["executionId"], run["status"]) == (result.execution_id, "completed")


async def test_the_decorator(options, session):
    seen = []

    @replay
    def decorated():
        with Noukai(**options) as client:
            seen.append(current_session_id())
            return client.flow("echo").execute("hi")

    @replay
    async def decorated_async():
        async with AsyncNoukai(**options) as client:
            seen.append(current_session_id())
            return await client.flow("echo").execute("hi")

    assert decorated().session_id == seen[0]
    assert (await decorated_async()).session_id == seen[1]
    assert seen[0] != seen[1]
    for session_id in seen:
        assert len(session(session_id)["executions"]) == 1


# --- replay -------------------------------------------------------------------------------------------------------

CALLS = [
    ("echo", {"message": "one"}),
    ("two-step", {"message": "two"}),
    ("echo", {"message": "three"}),
    ("extract", {"message": "four"}),
    ("loop", {"parameters": {"items": ["a", "b"]}}),
    ("loop-then-total", {"parameters": {"items": ["a", "b"]}}),
    ("parallel", {"message": "five"}),
    ("parallel-then-merge", {"message": "six"}),
    ("branch", {"message": "seven", "parameters": {"kind": "billing"}}),
    ("branch-last", {"message": "eight", "parameters": {"kind": "billing"}}),
    ("nested", {"parameters": {"items": ["a", "b"]}}),
    ("tools-branch", {"message": "ten", "parameters": {"kind": "billing"}}),
    ("tools-later", {"message": "nine", "tools": [WEATHER], "tool_handler": sunny}),
]


@pytest.mark.parametrize(("slug", "call"), CALLS, ids=[f"{number}-{slug}" for number, (slug, _) in enumerate(CALLS)])
async def test_a_replayed_result_is_the_recorded_one(api, replay_enabled, slug, call):
    session_id, (live,) = await captured(api, (slug, call))
    requests = len(api.requests)
    async with api.scope(session_id):
        replayed = await api.execute(slug, message="anything")
    assert replayed.result == live.result
    assert (replayed.status, replayed.flow_id, replayed.execution_id) == ("completed", live.flow_id, live.execution_id)
    assert replayed.session_id == session_id
    assert api.requests[requests:] == [("GET", f"/seq/sessions/{session_id}")]


async def test_calls_are_matched_in_order_per_flow(api, replay_enabled):
    session_id, _ = await captured(
        api, ("echo", {"message": "one"}), ("two-step", {"message": "two"}), ("echo", {"message": "three"})
    )
    async with api.scope(session_id):
        assert (await api.execute("two-step", message="x")).result == {"message": "second: first: two"}
        assert (await api.execute("echo", message="x")).result == {"message": "one"}
        assert (await api.execute("echo", message="x")).result == {"message": "three"}


async def test_replayed_events(api, replay_enabled):
    async with api.scope() as scope:
        live = await api.events("two-step", message="hi", run_remaining=True)
    async with api.scope(scope.session_id):
        replayed = await api.events("two-step", message="anything")
    step = ["step_started", "step_completed"]
    assert types(replayed) == ["run_started", *step, *step, "flow_completed"]
    assert replayed[0].execution_id == live[0].execution_id
    assert (replayed[0].flow_id, replayed[0].step_count) == (live[0].flow_id, 2)
    assert [(e.step_id, e.step_index, e.output) for e in of_type(replayed, "step_completed")] == [
        (e.step_id, e.step_index, e.output) for e in of_type(live, "step_completed")
    ]
    assert replayed[-1].result == live[-1].result


async def test_replayed_steps(api, replay_enabled):
    """In a replay the Python client's `steps` yields all events, not only the completed steps."""
    async with api.scope() as scope:
        live = await api.steps("two-step", message="hi")
    async with api.scope(scope.session_id):
        replayed = of_type(await api.steps("two-step", message="anything"), "step_completed")
    assert [(step.step_id, step.output) for step in replayed] == [(step.step_id, step.output) for step in live]


async def test_a_recorded_failure_is_raised(api, replay_enabled):
    session_id, (live,) = await captured(api, ("fails", {"message": "hi"}))
    async with api.scope(session_id):
        with pytest.raises(FlowExecutionError) as replayed:
            await api.execute("fails", message="anything")
    assert replayed.value.code == "TEMPLATE_ERROR"
    assert replayed.value.message == live.result["error"]["message"]
    assert replayed.value.execution_id == live.execution_id


async def test_a_recorded_failure_in_a_stream(api, replay_enabled):
    async with api.scope() as scope:
        await api.events("fails", message="hi")
    async with api.scope(scope.session_id):
        replayed = await api.events("fails", message="anything")
    assert types(replayed)[-2:] == ["step_error", "flow_completed"]
    assert (replayed[-2].step_id, replayed[-2].error["code"]) == ("second", "TEMPLATE_ERROR")


async def test_a_failed_item_does_not_end_a_replayed_stream(api, replay_enabled):
    items = {"items": [{"name": "a"}, {}, {"name": "c"}]}
    async with api.scope() as scope:
        live = await api.events("loop-continue", parameters=items)
    assert of_type(live, "step_completed")[0].output[1]["error"]["code"] == "TEMPLATE_ERROR"
    async with api.scope(scope.session_id):
        replayed = await api.events("loop-continue", message="anything")
    assert "step_error" not in types(replayed)
    assert replayed[-1].result == live[-1].result == {"message": "3 items"}


async def test_a_container_that_fails_is_replayed_as_a_failure(api, replay_enabled):
    """`over` names a list of the input: what is no list fails the loop itself, not a block in it."""
    session_id, (live,) = await captured(api, ("loop-over", {"message": "hi"}))
    assert live.result["error"]["code"] == "LOOP_INPUT_INVALID"
    assert live.result["error"]["stepId"] == "each"
    async with api.scope(session_id):
        with pytest.raises(FlowExecutionError) as replayed:
            await api.execute("loop-over", message="anything")
    assert (replayed.value.code, replayed.value.message) == ("LOOP_INPUT_INVALID", live.result["error"]["message"])


async def test_a_call_without_a_recording(api, replay_enabled):
    session_id, _ = await captured(api, ("echo", {"message": "one"}))
    with pytest.raises(ReplayMissError, match="call #2"):
        async with api.scope(session_id):
            await api.execute("echo", message="x")
            await api.execute("echo", message="x")
    with pytest.raises(ReplayMissError, match="two-step"):
        async with api.scope(session_id):
            await api.execute("two-step", message="x")


async def test_recordings_left_over(api, replay_enabled):
    session_id, (one, two) = await captured(api, ("echo", {"message": "one"}), ("echo", {"message": "two"}))
    with pytest.raises(ReplayLeftoverError, match=two.execution_id) as leftover:
        async with api.scope(session_id):
            await api.execute("echo", message="x")
    assert one.execution_id not in str(leftover.value)


async def test_jobs_are_not_replayed(api, replay_enabled):
    session_id, _ = await captured(api, ("echo", {"message": "one"}))
    with pytest.raises(ReplayMissError, match="jobs"):
        async with api.scope(session_id):
            await api.execute_async("echo", message="x")


async def test_an_explicit_session_inside_a_replay(api, replay_enabled):
    outer, _ = await captured(api, ("echo", {"message": "outer"}))
    inner, _ = await captured(api, ("echo", {"message": "inner"}))
    async with api.scope(outer):
        result = await api.execute("echo", message="x", session_id=inner)
    assert (result.result, result.session_id) == ({"message": "inner"}, inner)


async def test_runs_without_contents_cannot_be_replayed(api, session, replay_enabled):
    session_id, _ = await captured(api, ("private", {"message": "hi"}))
    (run,) = session(session_id)["executions"]
    assert (run["traceCaptureMode"], run["snapshotsAvailable"]) == ("metadata_only", False)
    assert (run["steps"][0]["inputSnapshot"], run["steps"][0]["outputSnapshot"]) == (None, None)
    with pytest.raises(ReplayNoSnapshotsError, match="metadata_only"):
        async with api.scope(session_id):
            pass
    traced, (live,) = await captured(api, ("private", {"message": "hi", "trace": True}))
    async with api.scope(traced):
        assert (await api.execute("private", message="x")).result == live.result


async def test_unknown_and_misshapen_sessions(api, http, replay_enabled):
    with pytest.raises(ReplaySessionNotFoundError) as unknown:
        async with api.scope(str(uuid.uuid4())):
            pass
    assert unknown.value.response_body["detail"]["code"] == "SESSION_NOT_FOUND"
    with pytest.raises(ReplayInvalidSessionError):  # the clients send no such request
        async with api.scope("no-uuid"):
            pass
    reply = http.get("/seq/sessions/no-uuid")
    assert (reply.status_code, reply.json()["detail"]["code"]) == (400, "SESSION_ID_INVALID")


async def test_without_the_switch_a_replay_is_a_capture(api):
    session_id, _ = await captured(api, ("echo", {"message": "one"}))
    async with api.scope(session_id) as scope:
        assert scope.session_id != session_id
        assert (await api.execute("echo", message="live")).result == {"message": "live"}


async def test_calls_at_once_are_warned_of(async_api, replay_enabled):
    import asyncio

    session_id, _ = await captured(async_api, ("echo", {"message": "one"}), ("echo", {"message": "two"}))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        async with async_api.scope(session_id):
            flow = async_api.flow("echo")
            results = await asyncio.gather(flow.execute("x"), flow.execute("x"))
    assert sorted(result.result["message"] for result in results) == ["one", "two"]
    assert any("Concurrent" in str(warning.message) for warning in caught)

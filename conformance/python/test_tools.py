"""Tool calls: pauses, resumes and their limits, in `execute` and in streams."""

import json
import uuid

import pytest
from drivers import of_type, types
from noukai_sdk import ExecuteResult, FlowExecutionError, PausedResult, ToolCallLimitError
from tool_calls import CLOCK, NAMED, WEATHER, answer, sunny, sunny_async, tool


# --- execute ------------------------------------------------------------------------------------------------------


async def test_a_pause_says_everything_needed_to_go_on(api):
    paused = await api.execute("tools-later", message="weather?", tools=[WEATHER, CLOCK])
    assert isinstance(paused, PausedResult)
    assert paused.status == "tool_calls_required"
    assert paused.requires_tool_calls is True
    assert paused.paused_at_step == "ask"
    assert paused.iterations_used == 1
    assert paused.block_count == 3
    assert paused.accumulated_outputs == {"prepare": {"message": "prepared: weather?"}}
    (call,) = paused.tool_calls
    assert call["type"] == "function" and call["id"]
    assert call["function"]["name"] == "get_weather"
    arguments = json.loads(call["function"]["arguments"])
    assert isinstance(arguments["city"], str) and arguments["days"] == 1
    (turn,) = paused.tool_call_messages
    assert turn["role"] == "assistant"
    assert turn["toolCalls"] == turn["tool_calls"] == paused.tool_calls


async def test_manual_resume(api):
    paused = await api.execute("tools-later", message="weather?", tools=[WEATHER])
    done = await api.resume(paused, [answer(paused.tool_calls[0])])
    assert isinstance(done, ExecuteResult)
    assert done.status == "completed"
    assert done.result == {"message": "report: sunny"}
    assert (done.execution_id, done.flow_id, done.block_count) == (paused.execution_id, paused.flow_id, 3)


async def test_the_other_clients_resume_is_refused(sync_api, async_api):
    paused = await sync_api.execute("tools", message="weather?", tools=[WEATHER])
    with pytest.raises(TypeError):
        await paused.resume(tool_results=[])
    paused = await async_api.execute("tools", message="weather?", tools=[WEATHER])
    with pytest.raises(TypeError):
        paused.resume_sync(tool_results=[])


@pytest.mark.parametrize(
    "result",
    [
        lambda call: {"role": "tool", "toolCallId": call["id"], "content": "sunny"},
        lambda call: {"role": "tool", "tool_call_id": call["id"], "content": "sunny"},
        lambda call: {"toolCallId": call["id"], "output": "sunny"},
        lambda call: {"tool_call_id": call["id"], "output": "sunny"},
    ],
    ids=["camel", "snake", "python-readme", "node-readme"],
)
async def test_each_documented_shape_of_a_tool_result(api, result):
    done = await api.execute("tools", message="hi", tools=[WEATHER], tool_handler=lambda calls: [result(calls[0])])
    assert done.result == {"message": "report: sunny"}


async def test_a_tool_result_may_be_data(api):
    paused = await api.execute("chat-tools", message="hi", tools=[WEATHER])
    done = await api.resume(paused, [{"toolCallId": paused.tool_calls[0]["id"], "output": {"degrees": 21}}])
    assert json.loads(done.result["message"]) == {"degrees": 21}


async def test_a_handler_resumes_by_itself(api):
    seen = []

    def handler(calls):
        seen.append(calls)
        return sunny(calls)

    done = await api.execute("tools", message="weather?", tools=[WEATHER], tool_handler=handler)
    assert done.result == {"message": "report: sunny"}
    assert [[call["function"]["name"] for call in calls] for calls in seen] == [["get_weather"]]
    assert len(api.requests) == 2


async def test_an_async_handler(async_api):
    done = await async_api.execute("tools", message="weather?", tools=[WEATHER], tool_handler=sunny_async)
    assert done.result == {"message": "report: sunny"}


async def test_the_sync_client_refuses_an_async_handler(sync_api):
    with pytest.raises(TypeError, match="async tool_handler"):
        await sync_api.execute("tools", message="weather?", tools=[WEATHER], tool_handler=sunny_async)
    with pytest.raises(TypeError, match="async tool_handler"):
        await sync_api.events("tools", message="weather?", tools=[WEATHER], tool_handler=sunny_async)
    assert sync_api.requests == []


async def test_tools_in_a_chat_flow(api):
    messages = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "hello"}]
    messages.append({"role": "user", "content": "weather?"})
    done = await api.execute("chat-tools", messages=messages, tools=[WEATHER], tool_handler=sunny)
    assert done.result == {"message": "sunny"}


async def test_tool_choice_auto(api):
    paused = await api.execute("tools", message="hi", tools=[WEATHER, CLOCK], tool_choice="auto")
    assert paused.tool_calls[0]["function"]["name"] == "get_weather"
    assert (await api.resume(paused, sunny(paused.tool_calls))).result == {"message": "report: sunny"}


async def test_tool_choice_none(api):
    done = await api.execute("tools", message="hi", tools=[WEATHER], tool_choice="none")
    assert done.result == {"message": "report: hi"}


async def test_tool_choice_by_name(api):
    paused = await api.execute("tools", message="hi", tools=[WEATHER, CLOCK], tool_choice=NAMED)
    (call,) = paused.tool_calls
    assert call["function"] == {"name": "get_time", "arguments": "{}"}
    assert (await api.resume(paused, sunny(paused.tool_calls))).result == {"message": "report: sunny"}


async def test_tool_choice_required_counts_on_each_resume(api):
    paused = await api.execute("tools", message="hi", tools=[WEATHER], tool_choice="required")
    again = await api.resume(paused, [answer(paused.tool_calls[0], "sunny")])
    assert isinstance(again, PausedResult)
    assert (again.execution_id, again.iterations_used) == (paused.execution_id, 2)
    assert [turn["role"] for turn in again.tool_call_messages] == ["assistant", "tool", "assistant"]
    assert again.tool_call_messages[2]["toolCalls"] == again.tool_calls
    assert again.tool_calls[0]["id"] != paused.tool_calls[0]["id"]


async def test_max_tool_rounds(api):
    rounds = []

    def handler(calls):
        rounds.append(len(calls))
        return sunny(calls)

    with pytest.raises(ToolCallLimitError) as limit:
        await api.execute(
            "tools", message="hi", tools=[WEATHER], tool_choice="required", tool_handler=handler, max_tool_rounds=2
        )
    assert rounds == [1, 1]
    assert limit.value.code == "TOOL_CALL_LIMIT_CLIENT"
    assert limit.value.execution_id


async def test_the_blocks_own_limit(api):
    with pytest.raises(FlowExecutionError) as limit:
        await api.execute(
            "tools-limited", message="hi", tools=[WEATHER], tool_choice="required", tool_handler=sunny
        )
    assert (limit.value.status_code, limit.value.code) == (409, "TOOL_ITERATION_LIMIT")
    done = await api.execute("tools-limited", message="hi", tools=[WEATHER], tool_handler=sunny)
    assert done.result == {"message": "sunny"}


async def test_a_pause_is_resumed_once(api):
    paused = await api.execute("tools", message="hi", tools=[WEATHER])
    await api.resume(paused, sunny(paused.tool_calls))
    with pytest.raises(FlowExecutionError) as twice:
        await api.resume(paused, sunny(paused.tool_calls))
    assert (twice.value.status_code, twice.value.code) == (409, "ALREADY_RESUMED")


@pytest.mark.parametrize(
    "results",
    [[], [{"role": "tool", "toolCallId": "call-of-another", "content": "sunny"}]],
    ids=["missing", "unknown"],
)
async def test_results_must_answer_the_calls(api, results):
    paused = await api.execute("tools", message="hi", tools=[WEATHER])
    with pytest.raises(FlowExecutionError) as mismatch:
        await api.resume(paused, results)
    assert (mismatch.value.status_code, mismatch.value.code) == (400, "TOOL_RESULTS_MISMATCH")
    assert (await api.resume(paused, sunny(paused.tool_calls))).result == {"message": "report: sunny"}


async def test_a_resume_names_the_paused_run_and_step(api):
    paused = await api.execute("tools", message="hi", tools=[WEATHER])
    execution_id = paused.execution_id
    paused.paused_at_step = "report"
    with pytest.raises(FlowExecutionError) as wrong:
        await api.resume(paused, sunny(paused.tool_calls))
    assert (wrong.value.status_code, wrong.value.code) == (400, "PAUSED_STEP_INVALID")
    paused.paused_at_step = "ask"
    paused.execution_id = str(uuid.uuid4())
    with pytest.raises(FlowExecutionError) as wrong:
        await api.resume(paused, sunny(paused.tool_calls))
    assert (wrong.value.status_code, wrong.value.code) == (400, "EXECUTION_ID_INVALID")
    paused.execution_id = execution_id
    assert (await api.resume(paused, sunny(paused.tool_calls))).status == "completed"


async def test_what_the_client_echoes_is_not_trusted(api):
    paused = await api.execute("tools-later", message="hi", tools=[WEATHER])
    paused.accumulated_outputs = {"prepare": {"message": "forged"}}
    done = await api.resume(paused, sunny(paused.tool_calls))
    (prepare,) = [
        step for step in (await api.trace("tools-later", done.execution_id)).steps if step.step_id == "prepare"
    ]
    assert prepare.output_context["message"] == "prepared: hi"


async def test_tools_for_a_flow_that_takes_none(api):
    with pytest.raises(FlowExecutionError) as refused:
        await api.execute("echo", message="hi", tools=[WEATHER])
    assert (refused.value.status_code, refused.value.code) == (400, "TOOLS_NOT_ENABLED")


@pytest.mark.parametrize(
    ("tools", "code"),
    [
        ([tool("bad name!")], "TOOL_NAME_INVALID"),
        ([WEATHER, WEATHER], "TOOLS_INVALID"),
        ([tool(f"tool_{index}") for index in range(65)], "TOOLS_INVALID"),
    ],
    ids=["name", "duplicate", "number"],
)
async def test_malformed_tools(api, tools, code):
    with pytest.raises(FlowExecutionError) as refused:
        await api.execute("tools", message="hi", tools=tools)
    assert (refused.value.status_code, refused.value.code) == (400, code)


async def test_a_paused_run_is_one_run_with_one_trace(api):
    done = await api.execute("tools-later", message="hi", tools=[WEATHER], tool_handler=sunny)
    trace = await api.trace("tools-later", done.execution_id)
    assert (trace.flow_run.status, trace.flow_run.step_count) == ("completed", 3)
    assert [(step.step_id, step.attempt, step.status) for step in trace.steps] == [
        ("prepare", 1, "completed"),
        ("ask", 1, "completed"),
        ("report", 1, "completed"),
    ]


def test_tools_with_a_job_are_refused(http, seq):
    reply = http.post(f"{seq('tools')}/jobs", json={"message": "hi", "tools": [WEATHER]})
    assert reply.status_code == 400
    assert reply.json()["detail"]["code"] == "TOOLS_REQUIRE_SYNC_EXECUTE"


# --- streams ------------------------------------------------------------------------------------------------------

ONE_STEP = ["step_started", "step_input", "step_output", "step_completed"]


async def test_a_handler_in_a_stream_hides_the_pause(api):
    events = await api.events("tools", message="weather?", tools=[WEATHER], tool_handler=sunny)
    assert types(events) == ["run_started", *ONE_STEP, "step_paused", *ONE_STEP, "flow_completed"]
    assert events[-1].result == {"message": "report: sunny"}
    assert [event.step_id for event in of_type(events, "step_completed")] == ["ask", "report"]
    assert [event.step_index for event in of_type(events, "step_completed")] == [0, 1]
    assert len(api.requests) == 3


async def test_a_handler_in_a_stream_that_runs_on(api):
    events = await api.events(
        "tools-later", message="weather?", tools=[WEATHER], tool_handler=sunny, run_remaining=True
    )
    assert types(events) == ["run_started", *ONE_STEP * 3, "flow_completed"]
    assert events[-1].result == {"message": "report: sunny"}
    assert [event.step_index for event in of_type(events, "step_completed")] == [0, 1, 2]
    assert len(api.requests) == 2


@pytest.mark.parametrize("run_remaining", [False, True])
async def test_a_pause_behind_skipped_blocks(api, run_remaining):
    options = {"message": "hi", "parameters": {"kind": "bug"}, "tools": [WEATHER], "tool_handler": sunny}
    events = await api.events("tools-branch", run_remaining=run_remaining, **options)
    assert {event.step_id: event.output for event in of_type(events, "step_completed")} == {
        "billing": None,
        "ask": {"message": "sunny"},
        "other": None,
        "report": {"message": "report: sunny"},
    }
    assert len(of_type(events, "step_completed")) == 4
    assert events[-1].result == {"message": "report: sunny"}
    assert (await api.execute("tools-branch", **options)).result == {"message": "report: sunny"}


async def test_an_async_handler_in_a_stream(async_api):
    steps = await async_api.steps("tools", message="weather?", tools=[WEATHER], tool_handler=sunny_async)
    assert [(step.step_id, step.output) for step in steps] == [
        ("ask", {"message": "sunny"}),
        ("report", {"message": "report: sunny"}),
    ]


async def test_manual_resume_in_a_stream(async_api):
    events, pauses = [], []
    async for event in async_api.flow("tools-later").events(message="weather?", tools=[WEATHER]):
        events.append(event)
        if event.event_type == "step_paused_for_tool_calls":
            pauses.append(event)
            await event.resume(tool_results=sunny(event.tool_calls))
    (pause,) = pauses
    assert pause.run_id == pause.execution_id == events[0].execution_id
    assert (pause.step_id, pause.step_index, pause.iterations_used) == ("ask", 1, 1)
    assert pause.accumulated_outputs == {"prepare": {"message": "prepared: weather?"}}
    assert pause.tool_call_messages[0]["toolCalls"] == pause.tool_calls
    assert types(events) == [
        "run_started",
        *ONE_STEP,
        "step_paused",
        "step_started",
        "step_input",
        "step_paused_for_tool_calls",
        "step_output",
        "step_completed",
        "step_paused",
        *ONE_STEP,
        "flow_completed",
    ]
    assert events[-1].result == {"message": "report: sunny"}


async def test_a_pause_that_is_ignored_comes_again(async_api):
    """Without a resume the client calls the step again at the same place: another attempt of it."""
    pauses = []
    async for event in async_api.flow("tools").events(message="weather?", tools=[WEATHER]):
        if event.event_type == "step_paused_for_tool_calls":
            pauses.append(event)
            if len(pauses) == 1:
                continue
            await event.resume(tool_results=sunny(event.tool_calls))
    first, second = pauses
    assert second.execution_id == first.execution_id
    assert (second.step_index, second.iterations_used) == (0, 1)
    attempts = (await async_api.step_trace("tools", first.execution_id, "ask", attempt="all")).attempts
    assert [step.attempt for step in attempts] == [1, 2]
    assert attempts[-1].status == "completed"
    assert event.result == {"message": "report: sunny"}


async def test_the_sync_client_shows_the_pause_and_ends(sync_api):
    events = await sync_api.events("tools", message="weather?", tools=[WEATHER])
    assert types(events) == ["run_started", "step_started", "step_input", "step_paused_for_tool_calls"]
    assert events[-1].step_index == 0


async def test_max_tool_rounds_in_a_stream(api):
    with pytest.raises(ToolCallLimitError) as limit:
        await api.events(
            "tools", message="hi", tools=[WEATHER], tool_choice="required", tool_handler=sunny, max_tool_rounds=2
        )
    assert limit.value.code == "TOOL_CALL_LIMIT_CLIENT"
    assert len(api.requests) == 3


async def test_tool_choice_in_a_stream(api):
    events = await api.events("tools", message="hi", tools=[WEATHER], tool_choice="none")
    assert events[-1].result == {"message": "report: hi"}
    names = []

    def handler(calls):
        names.extend(call["function"]["name"] for call in calls)
        return sunny(calls)

    await api.events("tools", message="hi", tools=[WEATHER, CLOCK], tool_choice=NAMED, tool_handler=handler)
    assert names == ["get_time"]


async def test_tools_for_a_flow_that_takes_none_in_a_stream(api):
    with pytest.raises(FlowExecutionError) as refused:
        await api.events("echo", message="hi", tools=[WEATHER])
    assert (refused.value.status_code, refused.value.code) == (400, "TOOLS_NOT_ENABLED")

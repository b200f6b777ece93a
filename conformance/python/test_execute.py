"""`execute`: every option, on both clients. The results are known because noukai/echo is."""

import uuid

import pytest
from noukai_sdk import APITimeoutError, ChatMessage, ExecuteResult, FlowExecutionError

PNG = {"url": "https://example.com/pictures/cat.png", "mime_type": "image/png"}


async def test_message(api):
    result = await api.execute("echo", message="hello")
    assert isinstance(result, ExecuteResult)
    assert result.status == "completed"
    assert result.result == result.output == {"message": "hello"}
    assert result.block_count == 1
    assert result.requires_tool_calls is False
    assert result.session_id is None
    assert result.flow_id and result.execution_id
    again = await api.execute("echo", message="hello")
    assert again.flow_id == result.flow_id
    assert again.execution_id != result.execution_id


async def test_the_empty_message_is_a_message(api):
    assert (await api.execute("two-step", message="")).result == {"message": "second: first: "}


async def test_a_message_survives_as_it_is(api):
    message = "Grüße, 世界 🌍\r\n\tdata: {{ initial }} {message} \u2028 \"quoted\" \\ \x00 end" + "x" * 200_000
    assert (await api.execute("echo", message=message)).result == {"message": message}


async def test_two_steps(api):
    result = await api.execute("two-step", message="hi")
    assert result.result == {"message": "second: first: hi"}
    assert result.block_count == 2


async def test_parameters(api):
    assert (await api.execute("greeting", message="hi")).result == {"message": "hi (plain)"}
    warm = await api.execute("greeting", message="hi", parameters={"tone": "warm"})
    assert warm.result == {"message": "hi (warm)"}
    assert (await api.execute("greeting", parameters={"message": "hi"})).result == {"message": "hi (plain)"}


async def test_parameters_alone(api):
    assert (await api.execute("city", parameters={"city": "Oslo"})).result == {"message": "city: Oslo"}


async def test_messages_in_a_pipeline_flow(api):
    messages = [
        {"role": "user", "content": "before"},
        {"role": "assistant", "content": "I see"},
        {"role": "user", "content": "now"},
    ]
    assert (await api.execute("two-step", messages=messages)).result == {"message": "second: first: now"}


async def test_messages_in_a_chat_flow(api):
    messages = [
        {"role": "user", "content": "what is the weather"},
        {
            "role": "assistant",
            "toolCalls": [{"id": "c1", "type": "function", "function": {"name": "weather", "arguments": "{}"}}],
        },
        {"role": "tool", "toolCallId": "c1", "content": "sunny"},
        ChatMessage(role="assistant", content="It is sunny."),
        ChatMessage(role="user", content="thanks"),
    ]
    result = await api.execute("chat-tools", messages=messages)
    assert result.result == {"message": "thanks"}
    assert (await api.execute("chat-tools", message="one turn")).result == {"message": "one turn"}


async def test_message_and_messages_exclude_each_other(api):
    with pytest.raises(ValueError, match="not both"):
        await api.execute("echo", message="a", messages=[{"role": "user", "content": "b"}])
    with pytest.raises(ValueError, match="MESSAGES_ROLE_INVALID"):
        await api.execute("chat-tools", messages=[{"role": "system", "content": "obey"}])


async def test_structured_output(api):
    result = await api.execute("extract", message="hi")
    assert result.result == {"title": "hi", "tags": ["hi"], "count": 0, "urgent": False, "label": "billing"}


async def test_block_overrides_of_prompts(api):
    overrides = {"first": {"prompt": "1 {{ initial.message }}"}, "second": {"prompt": "2 {{ previous_output }}"}}
    assert (await api.execute("two-step", message="hi", block_overrides=overrides)).result == {"message": "2 1 hi"}
    assert (await api.execute("two-step", message="hi")).result == {"message": "second: first: hi"}


async def test_block_overrides_of_config_fields(api):
    """The clients' own example: a config field beside the others, not under `config`."""
    overrides = {"answer": {"temperature": 0.5}}
    assert (await api.execute("echo", message="hi", block_overrides=overrides)).result == {"message": "hi"}


async def test_block_overrides_of_the_config(api):
    slow = await api.execute("slow", message="hi")
    fast = await api.execute("slow", message="hi", block_overrides={"wait": {"config": {"latency_ms": 0}}})
    (slow_step,), (fast_step,) = [(await api.trace("slow", run.execution_id)).steps for run in (slow, fast)]
    assert fast_step.duration_ms < 1500 <= slow_step.duration_ms


async def test_block_overrides_of_the_model(api):
    failed = await api.execute("echo", message="hi", block_overrides={"answer": {"model": "acme/no-such-model"}})
    assert failed.status == "failed"
    assert failed.result["error"]["code"] == "MODEL_NOT_AVAILABLE"
    mended = await api.execute("no-model", message="hi", block_overrides={"answer": {"model": "noukai/echo"}})
    assert mended.result == {"message": "hi"}


async def test_block_overrides_of_the_output_schema(api):
    schema = {"type": "object", "properties": {"title": {"type": "string"}}, "required": ["title"]}
    result = await api.execute("echo", message="hi", block_overrides={"answer": {"output_schema": schema}})
    assert result.result == {"title": "hi"}


@pytest.mark.parametrize("attachment", [PNG, {"url": PNG["url"], "mimeType": "image/png"}, {"kind": "url", **PNG}])
async def test_attachments(api, attachment):
    assert (await api.execute("echo", message="look", attachments=[attachment])).result == {"message": "look"}


async def test_attachments_that_the_model_cannot_see(api):
    with pytest.raises(FlowExecutionError) as refused:
        await api.execute("text-only", message="look", attachments=[PNG])
    assert (refused.value.status_code, refused.value.code) == (400, "MODEL_MIME_INCOMPATIBLE")


@pytest.mark.parametrize(
    "attachments",
    [
        [{**PNG, "url": "http://example.com/cat.png"}],
        [{**PNG, "url": "https://example.com/" + "x" * 2048}],
        [{**PNG, "mime_type": "application/pdf"}],
        [{**PNG, "filename": "../cat.png"}],
        [PNG] * 11,
    ],
    ids=["scheme", "length", "type", "filename", "number"],
)
async def test_invalid_attachments(api, attachments):
    with pytest.raises(FlowExecutionError) as refused:
        await api.execute("echo", message="look", attachments=attachments)
    assert (refused.value.status_code, refused.value.code) == (400, "ATTACHMENT_INVALID")


async def test_trace_captures_contents_of_this_run_alone(api):
    plain = await api.execute("private", message="secret")
    (step,) = (await api.trace("private", plain.execution_id)).steps
    assert step.input_context is None and step.output_context is None
    assert step.input_size_bytes > 0 and step.output_size_bytes > 0
    traced = await api.execute("private", message="shown", trace=True)
    (step,) = (await api.trace("private", traced.execution_id)).steps
    assert step.input_context == {"message": "shown"}
    assert step.output_context["message"] == "shown"


async def test_timeout_ends_the_call_and_not_the_run(api, http):
    marker = f"slow {uuid.uuid4()}"
    with pytest.raises(APITimeoutError):
        await api.execute("slow", message=marker, timeout=0.3)
    run = http.get("/flow-runs", params={"limit": 1}).json()["flowRuns"][0]
    events = await api.live_trace("slow", run["id"])
    assert events[-1].event_type == "flow_completed"
    assert events[-1].result == {"message": marker}
    assert (await api.trace("slow", run["id"])).flow_run.status == "completed"


async def test_session_id_tags_the_run(api, http):
    session_id = str(uuid.uuid4())
    result = await api.execute("echo", message="hi", session_id=session_id)
    assert result.session_id == session_id
    (execution,) = http.get(f"/seq/sessions/{session_id}").json()["executions"]
    assert execution["executionId"] == result.execution_id


async def test_a_block_that_fails_is_no_error_reply(api):
    failed = await api.execute("fails", message="hi")
    assert isinstance(failed, ExecuteResult)
    assert failed.status == "failed"
    assert failed.block_count == 2
    error = failed.result["error"]
    assert error["code"] == "TEMPLATE_ERROR"
    assert error["stepId"] == "second"
    assert error["attempt"] == 1
    assert "tone" in error["message"]
    mended = await api.execute("fails", message="hi", parameters={"tone": "calm"})
    assert (mended.status, mended.result) == ("completed", {"message": "second: calm"})


async def test_a_model_that_no_provider_serves(api):
    failed = await api.execute("no-model", message="hi")
    assert failed.status == "failed"
    error = failed.result["error"]
    assert (error["code"], error["stepId"]) == ("MODEL_NOT_AVAILABLE", "answer")
    assert "acme/no-such-model" in error["message"]


async def test_a_loop(api):
    result = await api.execute("loop", parameters={"items": ["a", "b", "c"]})
    outputs = [{"message": "0: a"}, {"message": "1: b"}, {"message": "2: c"}]
    assert result.result == {"results": outputs, "count": 3, "each": outputs}
    assert result.block_count == 1
    total = await api.execute("loop-then-total", parameters={"items": []})
    assert total.result == {"message": "0 items"}


async def test_a_parallel_container(api):
    left, right = {"left_text": "left hi"}, {"right_text": "right hi"}
    result = await api.execute("parallel", message="hi")
    assert result.result == {**left, **right, "left": left, "right": right}
    merged = await api.execute("parallel-then-merge", message="hi")
    assert merged.result == {"message": "left hi and right hi"}
    assert merged.block_count == 3


@pytest.mark.parametrize(("kind", "taken"), [("billing", "billing"), ("bug", "bug"), ("spam", "other")])
async def test_a_branch(api, kind, taken):
    result = await api.execute("branch", message="hi", parameters={"kind": kind})
    assert result.result == {"message": f"final {taken} in hi"}
    assert result.block_count == 5

"""What reaches a model provider, and what comes back: the server is pointed at a stand-in for one."""

import json

import pytest
from drivers import types
from noukai_sdk import FlowExecutionError
from stub_http import Stub, serve
from tool_calls import WEATHER, sunny

KEY = "sk-stand-in"
PNG = {"url": "https://example.com/cat.png", "mime_type": "image/png"}


def completion(content=None, tool_calls=None):
    message = {"role": "assistant", "content": content}
    if tool_calls:
        message["tool_calls"] = tool_calls
    return {
        "id": "completion-1",
        "object": "chat.completion",
        "created": 1,
        "model": "stand-in",
        "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls" if tool_calls else "stop"}],
        "usage": {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10},
    }


@pytest.fixture(scope="module")
def provider():
    with serve(Stub(lambda *_: (200, completion("unused")))) as stub:
        yield stub


@pytest.fixture(scope="module")
def server(servers, new_server, provider):
    env = {"NOUKAI_PROVIDER_BASE_URL": f"http://127.0.0.1:{provider.port}/v1", "NOUKAI_PROVIDER_API_KEY": KEY}
    return servers.use(new_server("provider", env=env))


@pytest.fixture
def asked(provider):
    """Sets the provider's next replies, the last one for good; gives the bodies it was asked with."""

    def set_replies(*replies):
        provider.requests.clear()
        provider.headers.clear()
        left = list(replies)
        provider.reply = lambda *_: left.pop(0) if len(left) > 1 else left[0]
        return provider.requests

    return set_replies


async def test_prompt_system_and_config(api, asked, provider):
    requests = asked((200, completion("hello back")))
    result = await api.execute("retry", message="hello")
    assert result.result == {"message": "hello back"}
    ((method, path, body),) = requests
    assert (method, path) == ("POST", "/v1/chat/completions")
    assert provider.headers[0]["authorization"] == f"Bearer {KEY}"
    assert body["messages"] == [
        {"role": "system", "content": "You are brief."},
        {"role": "user", "content": "hello"},
    ]
    assert (body["temperature"], body["max_tokens"]) == (0, 50)
    (step,) = (await api.trace("retry", result.execution_id)).steps
    assert (step.tokens.prompt, step.tokens.completion, step.tokens.total) == (7, 3, 10)


async def test_block_overrides_reach_the_provider(api, asked):
    """The clients' own example names a config field beside the others."""
    requests = asked((200, completion("ok")))
    overrides = {"answer": {"temperature": 0.5, "system_prompt": "You are loud.", "prompt": "say {{ initial.message }}"}}
    await api.execute("retry", message="hello", block_overrides=overrides)
    body = requests[0][2]
    assert (body["temperature"], body["max_tokens"]) == (0.5, 50)
    assert body["messages"] == [
        {"role": "system", "content": "You are loud."},
        {"role": "user", "content": "say hello"},
    ]


async def test_attachments_reach_the_provider(api, asked):
    requests = asked((200, completion("a cat")))
    await api.execute("two-step", message="look", attachments=[PNG])
    first, second = (body["messages"][-1]["content"] for _, _, body in requests)
    assert {"type": "text", "text": "first: look"} in first
    (image,) = [part for part in first if part["type"] == "image_url"]
    assert image["image_url"]["url"] == PNG["url"]
    assert second == "second: a cat"


async def test_a_conversation_reaches_the_provider(api, asked):
    requests = asked((200, completion("ok")))
    messages = [
        {"role": "user", "content": "one"},
        {"role": "assistant", "content": "two"},
        {"role": "user", "content": "three"},
    ]
    await api.execute("chat-tools", messages=messages)
    assert requests[0][2]["messages"] == [{"role": "system", "content": "You are a helpful agent."}, *messages]
    await api.execute("echo", messages=messages)
    assert requests[1][2]["messages"] == messages


async def test_tools_reach_the_provider(api, asked):
    call = {"id": "call-1", "type": "function", "function": {"name": "get_weather", "arguments": '{"city": "Oslo"}'}}
    requests = asked((200, completion(None, [call])), (200, completion("It is sunny in Oslo.")))
    done = await api.execute(
        "chat-tools", message="weather?", tools=[WEATHER], tool_choice="auto", tool_handler=sunny
    )
    assert done.result == {"message": "It is sunny in Oslo."}
    first, second = (body for _, _, body in requests)
    assert (first["tools"], first["tool_choice"]) == ([WEATHER], "auto")
    assert second["tools"] == [WEATHER]
    turns = second["messages"][-2:]
    assert (turns[0]["role"], turns[0]["tool_calls"]) == ("assistant", [call])
    assert (turns[1]["role"], turns[1]["tool_call_id"], turns[1]["content"]) == ("tool", "call-1", "sunny")


async def test_a_rejected_key(api, asked):
    asked((401, {"error": {"message": f"Incorrect API key provided: {KEY}", "code": "invalid_api_key"}}))
    with pytest.raises(FlowExecutionError) as rejected:
        await api.execute("retry", message="hello")
    assert (rejected.value.status_code, rejected.value.code) == (502, "BYOK_KEY_REJECTED")
    assert rejected.value.request_id
    assert KEY not in json.dumps(rejected.value.response_body)


async def test_attempts(api, asked):
    requests = asked((500, {"error": {"message": "try again"}}), (200, completion("at last")))
    result = await api.execute("retry", message="hello")
    assert result.result == {"message": "at last"}
    assert len(requests) == 2
    attempts = (await api.step_trace("retry", result.execution_id, "answer", attempt="all")).attempts
    assert [(step.attempt, step.status) for step in attempts] == [(1, "failed"), (2, "completed")]
    first = await api.step_trace("retry", result.execution_id, "answer", attempt=1)
    assert first.error_context["message"]
    assert (await api.step_trace("retry", result.execution_id, "answer")).attempt == 2


async def test_a_retried_step_is_replayed_as_completed(api, asked, replay_enabled):
    asked((500, {"error": {"message": "try again"}}), (200, completion("at last")))
    async with api.scope() as scope:
        live = await api.events("retry", message="hello")
    async with api.scope(scope.session_id):
        replayed = await api.events("retry", message="anything")
    assert types(replayed) == ["run_started", "step_started", "step_completed", "flow_completed"]
    assert replayed[-1].result == live[-1].result == {"message": "at last"}


async def test_a_provider_that_stays_down(api, asked):
    requests = asked((503, {"error": {"message": "down"}}))
    failed = await api.execute("retry", message="hello")
    assert failed.status == "failed"
    error = failed.result["error"]
    assert (error["code"], error["stepId"], error["attempt"]) == ("MODEL_ERROR", "answer", 2)
    assert len(requests) == 2
    events = await api.events("retry", message="hello")
    assert events[-1].event_type == "step_error"
    assert events[-1].error["providerStatus"] == 503


async def test_a_model_known_to_see_no_images(api, asked):
    requests = asked((200, completion("unused")))
    with pytest.raises(FlowExecutionError) as refused:
        await api.execute("text-only", message="look", attachments=[PNG])
    assert (refused.value.status_code, refused.value.code) == (400, "MODEL_MIME_INCOMPATIBLE")
    assert requests == []

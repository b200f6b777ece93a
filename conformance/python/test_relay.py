"""The relay: a keyless caller, a web application that holds the key, and the server behind it."""

import httpx
import pytest
from flask import Flask, abort
from noukai_sdk import (
    AsyncNoukai,
    AsyncRelayFlow,
    ChatMessage,
    ExecuteResult,
    FlowExecutionError,
    Noukai,
    PausedResult,
    PermissionDeniedError,
    RelayExecuteTransport,
    RelayFlow,
    RelaySyncExecuteTransport,
    ToolCallLimitError,
)
from noukai_sdk.adapters.relay import RelayBounds, flow_relay_blueprint, mount_flow_relay
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from tool_calls import WEATHER, sunny, sunny_async

URL = "http://relay.test/agent/execute"


class AsyncRelay:
    """Starlette in this process, with the async client behind it."""

    flow_class, transport_class = AsyncRelayFlow, RelayExecuteTransport

    def __init__(self, server, slug, options):
        async def authorize(request):
            if request.headers.get("x-role") != "maker":
                raise HTTPException(status_code=403, detail="makers only")

        app = Starlette()
        self.noukai = AsyncNoukai(**options)
        mount_flow_relay(
            app,
            client=self.noukai,
            org=server.org,
            project=server.project,
            slug=slug,
            authorize=authorize,
            max_body_bytes=20_000,
            max_messages=3,
        )
        self.client = self.http({"x-role": "maker"}, app)
        self.stranger = self.http({}, app)

    def http(self, headers, app):
        return httpx.AsyncClient(transport=httpx.ASGITransport(app), headers=headers)

    def flow(self, client=None):
        return self.flow_class(URL, client=client or self.client, timeout=30)

    async def execute(self, client=None, **options):
        return await self.flow(client).execute(**options)

    async def resume(self, paused, results):
        return await paused.resume(tool_results=results)

    async def send(self, payload):
        return await self.transport_class(URL, client=self.client).send(payload)

    async def post(self, content):
        return await self.client.post(URL, content=content)

    async def close(self):
        await self.client.aclose()
        await self.stranger.aclose()
        await self.noukai.aclose()


class SyncRelay(AsyncRelay):
    """Flask in this process, with the sync client behind it."""

    flow_class, transport_class = RelayFlow, RelaySyncExecuteTransport

    def __init__(self, server, slug, options):
        def authorize(request):
            if request.headers.get("X-Role") != "maker":
                abort(403)

        app = Flask(__name__)
        self.noukai = Noukai(**options)
        app.register_blueprint(
            flow_relay_blueprint(
                client=self.noukai,
                org=server.org,
                project=server.project,
                slug=slug,
                authorize=authorize,
                bounds=RelayBounds(max_body_bytes=20_000, max_messages=3),
            )
        )
        self.client = self.http({"X-Role": "maker"}, app)
        self.stranger = self.http({}, app)

    def http(self, headers, app):
        return httpx.Client(transport=httpx.WSGITransport(app), headers=headers)

    async def execute(self, client=None, **options):
        return self.flow(client).execute(**options)

    async def resume(self, paused, results):
        return paused.resume_sync(tool_results=results)

    async def send(self, payload):
        return self.transport_class(URL, client=self.client).send(payload)

    async def post(self, content):
        return self.client.post(URL, content=content)

    async def close(self):
        for client in (self.client, self.stranger, self.noukai):
            client.close()


@pytest.fixture(params=[SyncRelay, AsyncRelay], ids=["flask", "starlette"])
async def relay(request, server, options):
    made = []

    def make(slug):
        made.append(request.param(server, slug, options))
        return made[-1]

    yield make
    for one in made:
        await one.close()


async def test_execute(relay):
    tools = relay("tools")
    result = await tools.execute(message="hi")
    assert isinstance(result, ExecuteResult)
    assert (result.status, result.result) == ("completed", {"message": "report: hi"})
    chat = relay("chat-tools")
    messages = [{"role": "user", "content": "a"}, ChatMessage(role="user", content="b")]
    assert (await chat.execute(messages=messages)).result == {"message": "b"}
    assert (await relay("greeting").execute(message="hi", parameters={"tone": "warm"})).result["message"] == "hi (warm)"


async def test_tools(relay):
    tools = relay("tools")
    done = await tools.execute(message="hi", tools=[WEATHER], tool_choice="auto", tool_handler=sunny, trace=True)
    assert done.result == {"message": "report: sunny"}
    paused = await tools.execute(message="hi", tools=[WEATHER])
    assert isinstance(paused, PausedResult)
    assert (await tools.resume(paused, sunny(paused.tool_calls))).result == {"message": "report: sunny"}
    with pytest.raises(ToolCallLimitError):
        await tools.execute(
            message="hi", tools=[WEATHER], tool_choice="required", tool_handler=sunny, max_tool_rounds=1
        )


async def test_async_handlers(server, options):
    asynchronous = AsyncRelay(server, "tools", options)
    done = await asynchronous.execute(message="hi", tools=[WEATHER], tool_handler=sunny_async)
    assert done.result == {"message": "report: sunny"}
    await asynchronous.close()
    synchronous = SyncRelay(server, "tools", options)
    with pytest.raises(TypeError):
        await synchronous.execute(message="hi", tools=[WEATHER], tool_handler=sunny_async)
    await synchronous.close()


async def test_the_servers_refusals_pass_through(relay):
    with pytest.raises(FlowExecutionError) as refused:
        await relay("echo").execute(message="hi", tools=[WEATHER])
    assert (refused.value.status_code, refused.value.code) == (400, "TOOLS_NOT_ENABLED")
    status, body = await relay("no-such-flow").send({"message": "hi"})
    assert (status, body["detail"]["code"]) == (404, "FLOW_NOT_FOUND")


async def test_the_application_decides_who_may(relay):
    guarded = relay("echo")
    with pytest.raises(PermissionDeniedError):
        await guarded.execute(guarded.stranger, message="hi")


async def test_bounds(relay):
    bounded = relay("echo")
    for content, status, detail in (
        ("x" * 20_001, 413, "BODY_TOO_LARGE"),
        ('{"messages": [{}, {}, {}, {}]}', 413, "TOO_MANY_MESSAGES"),
        ("{", 400, "INVALID_JSON"),
    ):
        reply = await bounded.post(content)
        assert (reply.status_code, reply.json()) == (status, {"detail": detail})

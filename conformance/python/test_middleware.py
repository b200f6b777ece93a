"""The session adapters for web applications: capture on the way in, replay on a header."""

import uuid

import httpx
import pytest
from flask import Flask, jsonify
from noukai_sdk import AsyncNoukai, Noukai
from noukai_sdk.adapters.fastapi import NoukaiTraceMiddleware
from noukai_sdk.adapters.flask import init_noukai_trace
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import JSONResponse
from starlette.routing import Route


@pytest.fixture
async def starlette(options):
    async with AsyncNoukai(**options) as noukai:

        async def ask(request):
            result = await noukai.flow(request.path_params["slug"]).execute("hi")
            return JSONResponse({"result": result.result, "session": result.session_id})

        app = Starlette(
            routes=[Route("/{slug}", ask)], middleware=[Middleware(NoukaiTraceMiddleware, client=noukai)]
        )
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://app.test") as client:

            async def get(path, **headers):
                return await client.get(path, headers=headers)

            yield get


@pytest.fixture
async def flask(options):
    with Noukai(**options) as noukai:
        app = Flask(__name__)
        init_noukai_trace(app, client=noukai)

        @app.get("/<slug>")
        def ask(slug):
            result = noukai.flow(slug).execute("hi")
            return jsonify({"result": result.result, "session": result.session_id})

        with httpx.Client(transport=httpx.WSGITransport(app), base_url="http://app.test") as client:

            async def get(path, **headers):
                return client.get(path, headers=headers)

            yield get


@pytest.fixture(params=["starlette", "flask"])
def get(request):
    return request.getfixturevalue(request.param)


async def test_capture_and_replay(get, http, replay_enabled):
    live = await get("/two-step")
    session_id = live.headers["x-noukai-session"]
    assert live.json() == {"result": {"message": "second: first: hi"}, "session": session_id}
    assert len(http.get(f"/seq/sessions/{session_id}").json()["executions"]) == 1
    replayed = await get("/two-step", **{"X-Noukai-Replay": session_id})
    assert (replayed.json(), replayed.headers["x-noukai-session"]) == (live.json(), session_id)
    assert len(http.get(f"/seq/sessions/{session_id}").json()["executions"]) == 1


async def test_refusals(get, replay_enabled):
    unknown = await get("/echo", **{"X-Noukai-Replay": str(uuid.uuid4())})
    assert (unknown.status_code, unknown.json()["error"]) == (404, "replay_session_not_found")
    misshapen = await get("/echo", **{"X-Noukai-Replay": "../keys"})
    assert (misshapen.status_code, misshapen.json()["error"]) == (400, "replay_invalid_session")
    private = (await get("/private")).headers["x-noukai-session"]
    empty = await get("/private", **{"X-Noukai-Replay": private})
    assert (empty.status_code, empty.json()["error"]) == (409, "replay_no_snapshots")

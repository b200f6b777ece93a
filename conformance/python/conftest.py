"""Fixtures: the running server, both clients on it, and plain HTTP for what the clients have no method for."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import httpx
import pytest
from noukai_server import FLOWS, Server, Servers

os.environ["NOUKAI_ENV"] = "dev"
for name in ("NOUKAI_API_KEY", "NOUKAI_REPLAY_ENABLED"):
    os.environ.pop(name, None)

from drivers import APIS, AsyncApi, SyncApi  # noqa: E402  (the environment comes first)


@pytest.fixture(scope="session")
def servers() -> Iterator[Servers]:
    servers = Servers()
    yield servers
    servers.stop()


@pytest.fixture(scope="session")
def new_server(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Server]:
    """Makes a server on a copy of the flows, so that no run touches the repository."""

    def make(name: str, env: dict[str, str] | None = None) -> Server:
        base = tmp_path_factory.mktemp(name)
        shutil.copytree(FLOWS, base / "flows")
        return Server(folder=base / "flows", data=base / "data", env=env or {})

    return make


@pytest.fixture(scope="session")
def main_server(new_server: Callable[..., Server]) -> Server:
    return new_server("main")


@pytest.fixture(scope="module")
def server(servers: Servers, main_server: Server) -> Server:
    """The server with the conformance flows and noukai/echo alone."""
    return servers.use(main_server)


@pytest.fixture
def options(server: Server) -> dict[str, Any]:
    """What a client needs to talk to the server."""
    return {"api_key": server.api_key, "org": server.org, "project": server.project, "timeout": 30}


@pytest.fixture(params=["sync", "async"])
async def api(request: pytest.FixtureRequest, options: dict[str, Any]) -> AsyncIterator[SyncApi]:
    """Both Python clients in turn."""
    api = APIS[request.param](**options)
    yield api
    await api.close()


@pytest.fixture
async def async_api(options: dict[str, Any]) -> AsyncIterator[AsyncApi]:
    api = AsyncApi(**options)
    yield api
    await api.close()


@pytest.fixture
async def sync_api(options: dict[str, Any]) -> AsyncIterator[SyncApi]:
    api = SyncApi(**options)
    yield api
    await api.close()


@pytest.fixture
def http(server: Server) -> Iterator[httpx.Client]:
    """Plain HTTP with a valid key."""
    headers = {"Authorization": f"Bearer {server.api_key}"}
    with httpx.Client(base_url=server.api, headers=headers, timeout=30) as client:
        yield client


@pytest.fixture
def seq(server: Server) -> Callable[[str], str]:
    """The path of a flow."""
    return lambda slug: f"/seq/{server.org}/{server.project}/{slug}"


@pytest.fixture
def replay_enabled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOUKAI_REPLAY_ENABLED", "true")

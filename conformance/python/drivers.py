"""The sync and the async client behind one shape, so that each test runs on both. Adds nothing to what they do."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

from noukai_sdk import AsyncNoukai, Noukai, replay_scope, replay_scope_sync


class SyncApi:
    kind = "sync"

    def __init__(self, **options: Any) -> None:
        self.requests: list[tuple[str, str]] = []
        self.client = Noukai(log_handler=self._log, **options)

    def _log(self, event: dict[str, Any]) -> None:
        if event["phase"] == "request":
            self.requests.append((event["method"], event["path"]))

    def flow(self, slug: str) -> Any:
        return self.client.flow(slug)

    async def execute(self, slug: str, message: str | None = None, **options: Any) -> Any:
        return self.flow(slug).execute(message, **options)

    async def resume(self, paused: Any, tool_results: list[dict[str, Any]]) -> Any:
        return paused.resume_sync(tool_results=tool_results)

    async def execute_async(self, slug: str, message: str | None = None, **options: Any) -> Any:
        return self.flow(slug).execute_async(message, **options)

    async def poll(self, job: Any, **options: Any) -> Any:
        return job.poll(**options)

    async def wait(self, job: Any, **options: Any) -> Any:
        return job.wait(**options)

    async def events(self, slug: str, message: str | None = None, **options: Any) -> list[Any]:
        return list(self.flow(slug).events(message, **options))

    async def steps(self, slug: str, message: str | None = None, **options: Any) -> list[Any]:
        return list(self.flow(slug).steps(message, **options))

    async def trace(self, slug: str, execution_id: str) -> Any:
        return self.flow(slug).run(execution_id).trace()

    async def step_trace(self, slug: str, execution_id: str, step_id: str, **options: Any) -> Any:
        return self.flow(slug).run(execution_id).step_trace(step_id, **options)

    async def live_trace(self, slug: str, execution_id: str) -> list[Any]:
        return list(self.flow(slug).run(execution_id).live_trace())

    async def request(self, method: str, path: str, **options: Any) -> Any:
        """The client's own transport, for routes that it has no method for."""
        return self.client._transport.request(method, path, **options)

    @asynccontextmanager
    async def scope(self, replay_session_id: str | None = None, **options: Any) -> AsyncIterator[Any]:
        transport = self.client._transport
        with replay_scope_sync(replay_session_id=replay_session_id, transport=transport, **options) as scope:
            yield scope

    async def close(self) -> None:
        self.client.close()


class AsyncApi(SyncApi):
    kind = "async"

    def __init__(self, **options: Any) -> None:
        self.requests = []
        self.client = AsyncNoukai(log_handler=self._log, **options)

    async def execute(self, slug: str, message: str | None = None, **options: Any) -> Any:
        return await self.flow(slug).execute(message, **options)

    async def resume(self, paused: Any, tool_results: list[dict[str, Any]]) -> Any:
        return await paused.resume(tool_results=tool_results)

    async def execute_async(self, slug: str, message: str | None = None, **options: Any) -> Any:
        return await self.flow(slug).execute_async(message, **options)

    async def poll(self, job: Any, **options: Any) -> Any:
        return await job.poll(**options)

    async def wait(self, job: Any, **options: Any) -> Any:
        return await job.wait(**options)

    async def events(self, slug: str, message: str | None = None, **options: Any) -> list[Any]:
        return [event async for event in self.flow(slug).events(message, **options)]

    async def steps(self, slug: str, message: str | None = None, **options: Any) -> list[Any]:
        return [event async for event in self.flow(slug).steps(message, **options)]

    async def trace(self, slug: str, execution_id: str) -> Any:
        return await self.flow(slug).run(execution_id).trace()

    async def step_trace(self, slug: str, execution_id: str, step_id: str, **options: Any) -> Any:
        return await self.flow(slug).run(execution_id).step_trace(step_id, **options)

    async def live_trace(self, slug: str, execution_id: str) -> list[Any]:
        return [event async for event in self.flow(slug).run(execution_id).live_trace()]

    async def request(self, method: str, path: str, **options: Any) -> Any:
        return await self.client._transport.request(method, path, **options)

    @asynccontextmanager
    async def scope(self, replay_session_id: str | None = None, **options: Any) -> AsyncIterator[Any]:
        transport = self.client._transport
        async with replay_scope(replay_session_id=replay_session_id, transport=transport, **options) as scope:
            yield scope

    async def close(self) -> None:
        await self.client.aclose()


def types(events: list[Any]) -> list[str]:
    return [event.event_type for event in events]


def of_type(events: list[Any], event_type: str) -> list[Any]:
    return [event for event in events if event.event_type == event_type]


def frames(lines: Iterator[str]) -> list[dict[str, str]]:
    """Server-sent events as their fields, comments left out."""
    found: list[dict[str, str]] = []
    frame: dict[str, str] = {}
    for line in lines:
        if line.startswith(":"):
            continue
        if line:
            name, _, value = line.partition(": ")
            frame[name] = value
        elif frame:
            found.append(frame)
            frame = {}
    return found


APIS = {"sync": SyncApi, "async": AsyncApi}

"""Runs one phase of the parity table through the published Python client: one JSON line per scenario, `{name, outcome}`.

Adds nothing to what the client does. What a call and an outcome look like is written down in ../parity/README.md.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import uuid
import warnings
from typing import Any

import noukai_sdk as sdk
from noukai_sdk import AsyncNoukai, replay_scope

CLIENT = "python"


class HandlerFailed(Exception):
    """What a tool handler of the caller raises."""


KINDS = {
    sdk.APITimeoutError: "Timeout",
    sdk.APIConnectionError: "Connection",
    sdk.AuthenticationError: "Authentication",
    sdk.PermissionDeniedError: "PermissionDenied",
    sdk.FlowNotFoundError: "FlowNotFound",
    sdk.InsufficientCreditsError: "InsufficientCredits",
    sdk.RateLimitError: "RateLimit",
    sdk.ToolCallLimitError: "ToolCallLimit",
    sdk.FlowExecutionError: "FlowExecution",
    sdk.ReplayMissError: "ReplayMiss",
    sdk.ReplayLeftoverError: "ReplayLeftover",
    sdk.ReplayNoSnapshotsError: "ReplayUnavailable",
    sdk.ReplayDisabledError: "ReplayDisabled",
    HandlerFailed: "ToolHandler",
    asyncio.CancelledError: "Cancelled",
    ValueError: "InvalidValue",
}
OPTIONS = ["message", "messages", "parameters", "block_overrides", "input_overrides", "attachments", "tool_choice"]
OPTIONS += ["max_tool_rounds", "trace", "version", "run_remaining"]


def sunny(calls: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{"role": "tool", "toolCallId": call["id"], "content": "sunny"} for call in calls]


def fails(calls: list[dict[str, Any]]) -> list[dict[str, Any]]:
    raise HandlerFailed


HANDLERS = {True: sunny, "none": lambda calls: [], "fails": fails}


def given(answers: str, calls: list[dict[str, Any]]) -> list[dict[str, Any]]:
    if answers == "none":
        return []
    return sunny([{"id": "call-of-another"}] if answers == "another" else calls)


def error(raised: BaseException) -> dict[str, Any]:
    kind = next((name for cls, name in KINDS.items() if isinstance(raised, cls)), type(raised).__name__)
    found: dict[str, Any] = {"error": kind}
    for field, value in (
        ("status", getattr(raised, "status_code", None)),
        ("code", getattr(raised, "code", None)),
        ("retry_after", getattr(raised, "retry_after", None)),
    ):
        if value is not None:
            found[field] = int(value) if field == "retry_after" else value
    return found


def names(calls: list[dict[str, Any]]) -> list[Any]:
    return [[call["function"]["name"], json.loads(call["function"]["arguments"])] for call in calls]


def execution(result: Any) -> dict[str, Any]:
    if result.requires_tool_calls:
        return {
            **{"status": "paused", "blocks": result.block_count, "step": result.paused_at_step},
            **{"round": result.iterations_used, "calls": names(result.tool_calls)},
            "turns": [turn["role"] for turn in result.tool_call_messages],
            "outputs": result.accumulated_outputs,
        }
    found: dict[str, Any] = {"status": result.status, "blocks": result.block_count}
    if result.status == "failed":
        failed = result.result["error"]
        found["failed"] = [failed.get("stepId"), failed.get("code"), failed.get("attempt")]
    else:
        found["result"] = result.result
    if result.session_id is not None:
        found["session"] = True
    return found


def tokens(used: Any) -> Any:
    return None if used is None else [used.prompt, used.completion]


def event(e: Any) -> list[Any]:
    kind = e.event_type
    if kind == "run_started":
        return [kind, e.step_count]
    if kind == "step_started":
        return [kind, e.step_id, e.step_index, e.name]
    if kind == "step_input":
        return [kind, e.step_id, e.input_data]
    if kind == "step_output":
        return [kind, e.step_id, e.output_data]
    if kind == "step_completed":
        return [kind, e.step_id, e.step_index, e.output, tokens(e.tokens), e.cost_usd]
    if kind == "step_error":
        return [kind, e.step_id, e.error.get("code"), e.error.get("attempt")]
    if kind == "step_paused":
        return [kind, e.step_id, e.step_index]
    if kind == "step_paused_for_tool_calls":
        calls = [call["function"]["name"] for call in e.tool_calls]
        return [kind, e.step_id, e.step_index, e.iterations_used, calls, e.accumulated_outputs]
    if kind == "flow_completed":
        summary = e.summary or {}
        used = (summary.get("tokens") or {}).get("total")
        return [kind, e.result, summary.get("steps"), used, summary.get("costUsd"), summary.get("failedAtStep")]
    return [kind]


def attempt(step: Any) -> dict[str, Any]:
    found = {"step": step.step_id, "attempt": step.attempt, "status": step.status}
    output = step.output_context
    if isinstance(output, dict):
        output = {name: value for name, value in output.items() if name != "__rendered_prompt__"}
    optional = {
        **{"loop_index": step.loop_index, "model": step.model_used, "tokens": tokens(step.tokens)},
        **{"input": step.input_context, "output": output},
        "code": None if step.error_context is None else step.error_context.get("code"),
    }
    return found | {name: value for name, value in optional.items() if value is not None}


class Scenario:
    def __init__(self, table: dict[str, Any], row: dict[str, Any]) -> None:
        self.table = table
        self.org, self.project = os.environ["PARITY_ORG"], os.environ["PARITY_PROJECT"]
        self.requests = 0
        self.sessions: dict[str, str] = {}
        self.run: Any = None
        self.job: Any = None
        self.captured = str(uuid.uuid4())
        self.client = self.connect(row.get("client", {}), log_handler=self.log)

    def connect(self, options: dict[str, Any], **more: Any) -> AsyncNoukai:
        more |= {} if options.get("without_project") else {"project": self.project}
        more |= {"timeout": options["timeout_ms"] / 1000} if "timeout_ms" in options else {}
        more |= {"max_retries": options["max_retries"]} if "max_retries" in options else {}
        return AsyncNoukai(api_key=options.get("key", os.environ["PARITY_KEY"]), org=self.org, **more)

    def log(self, event: dict[str, Any]) -> None:
        self.requests += event["phase"] == "request"

    async def outcome(self, call: dict[str, Any]) -> dict[str, Any]:
        before = self.requests
        try:
            found = await self.perform(call)
        except (Exception, asyncio.CancelledError) as raised:
            found = error(raised)
        # How often a job is asked for while waiting is each client's own affair.
        if call["do"] not in ("wait", "capture"):
            found["requests"] = self.requests - before
        return found

    async def perform(self, call: dict[str, Any]) -> dict[str, Any]:
        return await getattr(self, f"do_{call['do']}")(call)

    def flow(self, call: dict[str, Any]) -> Any:
        return self.client.flow(call["flow"].replace("ORG", self.org).replace("PROJECT", self.project))

    def options(self, call: dict[str, Any]) -> dict[str, Any]:
        options = {name: call[name] for name in OPTIONS if name in call}
        if "function" in (choice := call.get("tool_choice", "")) and isinstance(choice, dict):
            options["tool_choice"] = {"type": "function", "function": {"name": choice["function"]}}
        if "tools" in call:
            options["tools"] = [self.table["tools"][t] if isinstance(t, str) else t for t in call["tools"]]
        if call.get("handler"):
            options["tool_handler"] = HANDLERS[call["handler"]]
        if "timeout_ms" in call:
            options["timeout"] = call["timeout_ms"] / 1000
        if "session" in call:
            options["session_id"] = self.sessions.setdefault(call["session"], str(uuid.uuid4()))
        return options

    async def do_construct(self, call: dict[str, Any]) -> dict[str, Any]:
        self.connect(call)
        return {"made": True}

    async def do_flow(self, call: dict[str, Any]) -> dict[str, Any]:
        flow = self.flow(call)
        neutral = {self.org: "ORG", self.project: "PROJECT"}
        return {"flow": [neutral.get(part, part) for part in (flow.org, flow.project, flow.slug)]}

    async def do_execute(self, call: dict[str, Any]) -> dict[str, Any]:
        flow = self.flow(call)
        result = await cancelled_after(call, flow.execute(**self.options(call)))
        self.run = flow.run(result.execution_id)
        rounds = [execution(result)]
        for answers in call.get("resume", []):
            if not result.requires_tool_calls:
                break
            result = await result.resume(tool_results=given(answers, result.tool_calls))
            rounds.append(execution(result))
        return {"rounds": rounds} if "resume" in call else rounds[0]

    async def do_steps(self, call: dict[str, Any]) -> dict[str, Any]:
        return await self.stream(call, self.flow(call).steps)

    async def do_events(self, call: dict[str, Any]) -> dict[str, Any]:
        return await self.stream(call, self.flow(call).events)

    async def stream(self, call: dict[str, Any], start: Any) -> dict[str, Any]:
        found: list[Any] = []
        flow = self.flow(call)

        async def read() -> None:
            async for e in start(**self.options(call)):
                found.append(event(e))
                if run := getattr(e, "execution_id", None):
                    self.run = flow.run(run)
                if e.event_type == "step_paused_for_tool_calls" and call.get("answer"):
                    await e.resume(tool_results=sunny(e.tool_calls))
                if len(found) == call.get("take"):
                    break

        try:
            await cancelled_after(call, read())
        except (Exception, asyncio.CancelledError) as raised:
            return error(raised) | ({"events": found} if found else {})
        return {"events": found}

    async def do_job(self, call: dict[str, Any]) -> dict[str, Any]:
        flow = self.flow(call)
        self.job = await flow.execute_async(**self.options(call))
        self.run = flow.run(self.job.execution_id)
        return {"job": "queued"}

    async def do_poll(self, call: dict[str, Any]) -> dict[str, Any]:
        return status(await self.job.poll())

    async def do_wait(self, call: dict[str, Any]) -> dict[str, Any]:
        timeout, interval = call.get("timeout_ms", 30_000) / 1000, call.get("interval_ms", 20) / 1000
        return status(await self.job.wait(timeout=timeout, poll_interval=interval))

    def traced(self, call: dict[str, Any]) -> Any:
        return self.flow(call).run(str(uuid.uuid4())) if call.get("unknown_run") else self.run

    async def do_trace(self, call: dict[str, Any]) -> dict[str, Any]:
        trace = await self.traced(call).trace()
        run = trace.flow_run
        steps = [attempt(step) for step in trace.steps]
        return {"status": run.status, "trigger": run.trigger_type, "blocks": run.step_count, "steps": steps}

    async def do_step_trace(self, call: dict[str, Any]) -> dict[str, Any]:
        options = {name: call[name] for name in ("attempt", "loop_index") if name in call}
        found = await self.traced(call).step_trace(call["step"], **options)
        attempts = found.attempts if isinstance(found, sdk.StepAttempts) else [found]
        return {"step": found.step_id, "attempts": [attempt(step) for step in attempts]}

    async def do_live_trace(self, call: dict[str, Any]) -> dict[str, Any]:
        return {"events": [event(e) async for e in self.traced(call).live_trace()]}

    async def do_capture(self, call: dict[str, Any]) -> dict[str, Any]:
        async with replay_scope(transport=self.client._transport) as scope:
            self.captured = scope.session_id
            return {"inside": [await self.outcome(inner) for inner in call["calls"]]}

    async def do_replay(self, call: dict[str, Any]) -> dict[str, Any]:
        inside: list[Any] = []
        session = call.get("of", self.captured)
        try:
            async with replay_scope(replay_session_id=session, transport=self.client._transport):
                for inner in call["calls"]:
                    inside.append(await self.outcome(inner))
                if any("error" in found for found in inside):
                    raise Ended
        except Ended:
            pass
        return {"inside": inside}


class Ended(Exception):
    """Leaves a replay as the error of a call in it would."""


def status(job: Any) -> dict[str, Any]:
    found = {"status": job.status}
    if job.result is not None:
        found["result"] = job.result
    if job.error is not None:
        found["explained"] = True
    return found


async def cancelled_after(call: dict[str, Any], work: Any) -> Any:
    """This client is cancelled as Python cancels: by its task."""
    if "cancel_after_ms" not in call:
        return await work
    task = asyncio.ensure_future(work)
    await asyncio.sleep(call["cancel_after_ms"] / 1000)
    task.cancel()
    return await task


async def main(path: str, phase: str) -> None:
    # A stream of this client has no `aclose`: one that is left early is cleaned up late, and complains.
    asyncio.get_running_loop().set_exception_handler(lambda *_: None)
    with open(path, encoding="utf-8") as file:
        table = json.load(file)
    for row in table["scenarios"]:
        if row.get("phase", "server") != phase or CLIENT in row.get("skips", {}):
            continue
        scenario = Scenario(table, row)
        outcome = [await scenario.outcome(call) for call in row["calls"]]
        print(json.dumps({"name": row["name"], "outcome": outcome}), flush=True)
        await scenario.client.aclose()


warnings.simplefilter("ignore")
asyncio.run(main(*sys.argv[1:]))

"""Tool definitions, and handlers that answer every call."""

from __future__ import annotations

from typing import Any


def tool(name: str, **properties: Any) -> dict[str, Any]:
    parameters = {"type": "object", "properties": properties, "required": list(properties)}
    return {"type": "function", "function": {"name": name, "description": f"Calls {name}.", "parameters": parameters}}


WEATHER = tool("get_weather", city={"type": "string"}, days={"type": "integer", "minimum": 1})
CLOCK = tool("get_time")
NAMED = {"type": "function", "function": {"name": "get_time"}}


def answer(call: dict[str, Any], content: str = "sunny") -> dict[str, Any]:
    return {"role": "tool", "toolCallId": call["id"], "content": content}


def sunny(calls: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [answer(call) for call in calls]


async def sunny_async(calls: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sunny(calls)

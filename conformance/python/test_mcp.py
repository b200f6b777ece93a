"""The official MCP client: a whole conversation from an empty flow to a promoted one, ending in the published Python client
that runs what was built; and signing in by browser, where the test is the browser."""

from __future__ import annotations

import json
import re
import subprocess
import urllib.parse
from contextlib import asynccontextmanager
from html import unescape
from pathlib import Path
from typing import Any, AsyncIterator

import httpx
import httpx2
import pytest
from mcp import Client
from mcp.client.auth import OAuthClientProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import AuthorizationCodeResult, OAuthClientInformationFull, OAuthClientMetadata, OAuthToken
from noukai_sdk import Noukai
from noukai_server import Server, binary, environment

PASSWORD = "a long password of Ann's"
BACK = "http://127.0.0.1:7777/callback"
GUIDE = Path(__file__).parents[2] / "docs" / "authoring.md"


@asynccontextmanager
async def assistant(server: Server, auth: Any = None, path: str = "/mcp") -> AsyncIterator[Client]:
    headers = {} if auth else {"Authorization": f"Bearer {server.api_key}"}
    async with httpx2.AsyncClient(headers=headers, auth=auth, timeout=60) as http:
        async with Client(streamable_http_client(server.api + path, http_client=http)) as client:
            yield client


async def does(client: Client, tool: str, **arguments: Any) -> Any:
    """The structured content of a call that goes well; the client holds it against the tool's output schema."""
    result = await client.call_tool(tool, arguments)
    assert not result.is_error, result.content
    return result.structured_content


async def all_tools(client: Client) -> list[str]:
    return [tool.name for tool in (await client.list_tools()).tools]


async def build(client: Client, project: str, slug: str) -> None:
    flow = (await does(client, "create_flow", project_id=project, name="Triage", slug=slug))["flow_id"]
    first = await does(
        client, "add_block", flow_id=flow, name="Classify", processor_type="llm", prompt="Class of {{ initial.message }}"
    )
    classify = first["created"][0]
    second = await does(
        client,
        "add_block",
        flow_id=flow,
        name="Answer",
        processor_type="llm",
        prompt="Re: {{ classify.message }}",
        target_id=classify,
        direction="right",
    )
    for step in (classify, second["created"][0]):
        await does(client, "update_block_model", flow_id=flow, step_id=step, model="noukai/echo")
    structure = await does(client, "get_flow_structure", flow_id=flow)
    assert [node["name"] for node in structure["nodes"]] == ["Classify", "Answer"]
    await does(
        client,
        "create_test_case",
        flow_id=flow,
        name="printer",
        input={"message": "Printer on fire"},
        expect=[{"kind": "contains", "text": "Printer on fire"}],
    )
    run = await does(client, "run_all_test_cases", flow_id=flow)
    assert run["status"] == "passed", run
    version = await does(client, "publish_version", flow_id=flow, note="first")
    promoted = await does(client, "set_production_version", flow_id=flow, version_id=version["version_id"])
    assert promoted["version"] == 1


async def test_an_assistant_builds_what_a_program_then_runs(server: Server) -> None:
    async with assistant(server) as client:
        assert len(await all_tools(client)) >= 46
        await build(client, str(server.project_id), "by-assistant")
    with Noukai(api_key=str(server.api_key)) as program:
        result = program.flow(f"{server.org}/{server.project}/by-assistant").execute("Printer on fire")
    assert result.output == {"message": "Re: Class of Printer on fire"}


async def test_an_assistant_does_what_the_guide_says(server: Server) -> None:
    """The third way of `docs/authoring.md`: each tool that it names, in its order."""
    guide = GUIDE.read_text().split("## With an assistant\n")[1].split("\n## ")[0]
    async with assistant(server) as client:
        tools = await all_tools(client)
        named = [name for name in re.findall(r"`(\w+)`", guide) if name in tools]
        called: list[str] = []

        async def step(tool: str, **arguments: Any) -> Any:
            called.extend([] if tool in called else [tool])
            return await does(client, tool, **arguments)

        flow = (await step("create_flow", project_id=str(server.project_id), name="Support", slug="support"))["flow_id"]
        prompt = "Label this mail and draft an answer: {{ initial.message }}"
        added = await step("add_block", flow_id=flow, name="Sort", processor_type="llm", prompt=prompt)
        label = {"type": "string", "enum": ["billing", "bug", "other"]}
        gives = {"type": "object", "properties": {"label": label, "reply": {"type": "string"}}, "required": ["label", "reply"]}
        await step("update_block_output_schema", flow_id=flow, step_id=added["created"][0], content=gives)
        for number, mail in enumerate(["I was charged twice", "The app crashes on start", "Good morning"]):
            expect = [{"kind": "schema", "schema": gives}]
            await step("create_test_case", flow_id=flow, name=f"mail {number}", input={"message": mail}, expect=expect)
        run = await step("run_all_test_cases", flow_id=flow)
        assert (run["status"], run["passed"]) == ("passed", 3), run
        version = await step("publish_version", flow_id=flow, note="first")
        await step("set_production_version", flow_id=flow, version_id=version["version_id"])
        assert called == named, "the guide names other tools, or in another order"
        log = await does(client, "get_operation_history", flow_id=flow)
        assert {line["author_name"] for line in log["operations"]} == {log["operations"][0]["author_name"]}
    with Noukai(api_key=str(server.api_key)) as program:
        result = program.flow(f"{server.org}/{server.project}/support").execute("Where is my invoice?")
    assert result.output["label"] in label["enum"]


async def test_an_error_is_a_result_that_says_what_to_do(server: Server) -> None:
    async with assistant(server, path="/mcp/") as client:
        result = await client.call_tool("get_flow", {"flow_id": "nope"})
        assert result.is_error
        told = json.loads(result.content[0].text)
        assert told["code"] == "FLOW_NOT_FOUND" and "list_flows" in told["next"]


class Kept:
    """Where the client keeps what it gets."""

    tokens: OAuthToken | None = None
    client: OAuthClientInformationFull | None = None

    async def get_tokens(self) -> OAuthToken | None:
        return self.tokens

    async def set_tokens(self, tokens: OAuthToken) -> None:
        self.tokens = tokens

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        return self.client

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        self.client = client_info


class Browser:
    """A person who signs in and allows, as the pages say."""

    def __init__(self) -> None:
        self.back: dict[str, str] = {}

    async def open(self, url: str) -> None:
        parts = urllib.parse.urlsplit(url)
        headers = {"Origin": f"{parts.scheme}://{parts.netloc}"}
        async with httpx.AsyncClient(headers=headers) as http:
            page = await http.get(url)
            form = {**fields(page.text), "email": "ann@acme.test", "password": PASSWORD}
            page = await http.post(url.split("/oauth/")[0] + "/oauth/sign-in", data=form, follow_redirects=True)
            project = re.search(r'<option value="([^"]+)"', page.text)
            assert project, page.text
            form = {**fields(page.text), "project": project[1], "decision": "allow"}
            reply = await http.post(url.split("/oauth/")[0] + "/oauth/consent", data=form)
        assert reply.status_code == 303, reply.text
        self.back = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(reply.headers["location"]).query))

    async def called_back(self) -> AuthorizationCodeResult:
        return AuthorizationCodeResult(code=self.back["code"], state=self.back.get("state"), iss=self.back.get("iss"))


def fields(page: str) -> dict[str, str]:
    found = re.findall(r'<input type=hidden name=(\w+) value="([^"]*)"', page)
    return {name: unescape(value) for name, value in found}


@pytest.fixture
def account(server: Server) -> None:
    """Ann, the owner. Her account is made once; who comes later finds it."""
    made = subprocess.run(
        [str(binary()), "setup", "--data", str(server.data)], env=environment(), capture_output=True, text=True, check=False
    )
    if made.returncode == 0:
        body = {
            "token": made.stdout.strip(),
            "organization": server.org,
            "project": server.project,
            "email": "ann@acme.test",
            "name": "Ann",
            "password": PASSWORD,
        }
        assert httpx.post(f"{server.api}/setup", json=body, timeout=30).status_code == 201


async def test_a_program_signs_a_person_in_by_browser(server: Server, account: None) -> None:
    kept, browser = Kept(), Browser()
    metadata = OAuthClientMetadata.model_validate({"client_name": "Conformance", "redirect_uris": [BACK]})
    auth = OAuthClientProvider(
        server_url=f"{server.api}/mcp",
        client_metadata=metadata,
        storage=kept,
        redirect_handler=browser.open,
        callback_handler=browser.called_back,
    )
    async with assistant(server, auth=auth) as client:
        assert "list_flows" in await all_tools(client)
        flows = await does(client, "list_flows", project_id=str(server.project_id))
        assert any(flow["slug"] == "echo" for flow in flows["flows"])
    assert kept.tokens is not None and kept.tokens.refresh_token
    first = kept.tokens.access_token

    # What is kept is good for the next time; once it is over, it is replaced without the person.
    kept.tokens = kept.tokens.model_copy(update={"access_token": "nko_over"})
    browser.back = {}
    again = OAuthClientProvider(
        server_url=f"{server.api}/mcp",
        client_metadata=metadata,
        storage=kept,
        redirect_handler=browser.open,
        callback_handler=browser.called_back,
    )
    async with assistant(server, auth=again) as client:
        assert "list_flows" in await all_tools(client)
    assert kept.tokens.access_token not in ("nko_over", first)

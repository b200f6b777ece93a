"""Versions: production, the draft and published numbers, set with the command line while the server runs."""

import re

import httpx
import pytest
from noukai_sdk import AsyncNoukai, AsyncRelayFlow, FlowNotFoundError
from noukai_sdk.adapters.relay import mount_flow_relay
from starlette.applications import Starlette


@pytest.fixture(scope="module")
def server(servers, new_server):
    """`versioned`: version 1 says "first" and is production, version 2 says "second", the draft says "third"."""
    server = new_server("versions")
    document = server.folder / "versioned.flow.yaml"
    servers.use(server)
    server.publish("versioned", "the first")
    for before, after in (("first", "second"), ("second", "third")):
        servers.stop()
        document.write_text(document.read_text().replace(f'"{before} ', f'"{after} '))
        servers.use(server)
        if after == "second":
            server.publish("versioned", "the second")
    server.promote("versioned", 1)
    return server


@pytest.mark.parametrize(
    ("version", "word"), [("production", "first"), (1, "first"), (2, "second"), ("draft", "third"), (0, "third")]
)
async def test_execute_and_jobs(api, version, word):
    assert (await api.execute("versioned", message="hi", version=version)).result == {"message": f"{word} hi"}
    job = await api.execute_async("versioned", message="hi", version=version)
    assert (await api.wait(job, poll_interval=0.02)).result == {"message": f"{word} hi"}


@pytest.mark.parametrize(("version", "word"), [("production", "first"), (1, "first"), (2, "second")])
async def test_streams(api, version, word):
    assert (await api.steps("versioned", message="hi", version=version))[0].output == {"message": f"{word} hi"}
    assert (await api.events("versioned", message="hi", version=version))[-1].result == {"message": f"{word} hi"}


async def test_the_default_is_production(api):
    assert (await api.execute("versioned", message="hi")).result == {"message": "first hi"}
    assert (await api.steps("versioned", message="hi"))[0].output == {"message": "first hi"}


async def test_production_is_the_draft_where_nothing_was_published(api):
    assert (await api.execute("echo", message="hi", version="production")).result == {"message": "hi"}


async def test_setting_production_is_instant(api, server):
    try:
        server.promote("versioned", 2)
        assert (await api.execute("versioned", message="hi")).result == {"message": "second hi"}
    finally:
        server.promote("versioned", 1)
    assert (await api.execute("versioned", message="hi")).result == {"message": "first hi"}


async def test_the_trace_names_the_version(api, http, seq):
    for version, number in (("production", 1), (2, 2), ("draft", 0)):
        result = await api.execute("versioned", message="hi", version=version)
        run = http.get(f"{seq('versioned')}/runs/{result.execution_id}/trace").json()["flowRun"]
        assert run["version"] == number


@pytest.mark.parametrize(("version", "word"), [("production", "first"), (2, "second"), ("draft", "third")])
async def test_a_relay_is_pinned_to_a_version(server, options, version, word):
    async def everyone(_request):
        pass

    app = Starlette()
    async with AsyncNoukai(**options) as noukai:
        path = {"org": server.org, "project": server.project, "slug": "versioned"}
        mount_flow_relay(app, client=noukai, authorize=everyone, version=version, path="/ask", **path)
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app)) as client:
            result = await AsyncRelayFlow("http://relay.test/ask", client=client).execute("hi")
    assert result.result == {"message": f"{word} hi"}


async def test_unknown_versions(api):
    with pytest.raises(FlowNotFoundError) as unknown:
        await api.execute("versioned", message="hi", version=3)
    assert unknown.value.code == "VERSION_NOT_FOUND"
    for wrong in (-1, "latest", "3", True):
        with pytest.raises(ValueError, match="version"):
            await api.execute("versioned", message="hi", version=wrong)


def test_misspelt_versions_on_the_wire(http, seq):
    for wrong in ("vx", "v-1", "v1x", "v", "v99999999999999999999"):
        reply = http.post(f"{seq('versioned')}/{wrong}/execute", json={"message": "hi"})
        assert (reply.status_code, reply.json()["detail"]["code"]) == (400, "INVALID_VERSION"), wrong


def test_an_older_client_names_the_version_in_the_query(http, seq):
    reply = http.post(f"{seq('versioned')}/execute", params={"version": 2}, json={"message": "hi"})
    assert reply.json()["result"] == {"message": "second hi"}


def test_drafts_can_be_streamed_on_the_wire(http, seq):
    stream = http.post(f"{seq('versioned')}/v0/step", json={"message": "hi"}).text
    assert '"third hi"' in stream and '"version":0' in stream


def test_a_run_keeps_its_version(http, seq):
    stream = http.post(f"{seq('two-step')}/step", json={"message": "hi"}).text
    run = re.search(r'"executionId":"([^"]+)"', stream).group(1)
    stream = http.post(f"{seq('versioned')}/v2/step", json={"message": "hi"}).text
    versioned = re.search(r'"executionId":"([^"]+)"', stream).group(1)
    again = {"executionId": versioned, "stepIndex": 0}
    assert '"second hi"' in http.post(f"{seq('versioned')}/v2/step", json=again).text
    stale = http.post(f"{seq('versioned')}/v1/step", json=again)
    assert (stale.status_code, stale.json()["detail"]["code"]) == (409, "STALE_TREE")
    other_flow = http.post(f"{seq('versioned')}/v2/step", json={"executionId": run, "stepIndex": 0})
    assert (other_flow.status_code, other_flow.json()["detail"]["code"]) == (404, "RUN_NOT_FOUND")

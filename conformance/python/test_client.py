"""Construction, addressing and closing of the clients, and what they log."""

import re

import pytest
from noukai_sdk import APITimeoutError, AsyncNoukai, AuthenticationError, Noukai, __version__

CLIENTS = [Noukai, AsyncNoukai]


def test_the_published_version_is_tested():
    assert __version__ == "0.5.2"


@pytest.mark.parametrize("client", CLIENTS)
def test_a_missing_or_misshapen_key_fails_at_construction(client):
    with pytest.raises(AuthenticationError, match="No API key"):
        client()
    with pytest.raises(AuthenticationError, match="prefix"):
        client(api_key="sk_1234")


@pytest.mark.parametrize("client", CLIENTS)
def test_org_and_project_come_together(client, server):
    with pytest.raises(ValueError, match="together"):
        client(api_key=server.api_key, org="acme")


async def test_the_key_may_come_from_the_environment(server, monkeypatch):
    monkeypatch.setenv("NOUKAI_API_KEY", server.api_key)
    with Noukai(env="dev", org=server.org, project=server.project) as client:
        assert client.flow("echo").execute("from the environment").result == {"message": "from the environment"}
    async with AsyncNoukai(org=server.org, project=server.project) as client:
        assert (await client.flow("echo").execute("again")).result == {"message": "again"}


async def test_a_flow_is_addressed_in_three_ways(server):
    fields = {"org": server.org, "project": server.project, "slug": "echo"}
    path = f"{server.org}/{server.project}/echo"
    with Noukai(api_key=server.api_key, org=server.org, project=server.project) as client:
        for flow in (client.flow("echo"), client.flow(path), client.flow(**fields)):
            assert (flow.org, flow.project, flow.slug) == tuple(fields.values())
            assert flow.execute("hi").result == {"message": "hi"}
    async with AsyncNoukai(api_key=server.api_key) as client:
        for flow in (client.flow(path), client.flow(**fields)):
            assert (flow.org, flow.project, flow.slug) == tuple(fields.values())
            assert (await flow.execute("hi")).result == {"message": "hi"}
        for wrong in ("echo", "a/b", "a/b/c/d", "a//c", ""):
            with pytest.raises(ValueError):
                client.flow(wrong)


async def test_the_clients_own_timeout(options):
    with Noukai(**{**options, "timeout": 0.3}) as client:
        with pytest.raises(APITimeoutError):
            client.flow("slow").execute("hi")
        assert client.flow("slow").execute("hi", timeout=30).status == "completed"
    async with AsyncNoukai(**{**options, "timeout": 0.3}) as client:
        with pytest.raises(APITimeoutError):
            await client.flow("slow").execute("hi")


async def test_a_client_can_be_closed_twice(server):
    sync_client = Noukai(api_key=server.api_key)
    sync_client.close()
    sync_client.close()
    async_client = AsyncNoukai(api_key=server.api_key)
    await async_client.aclose()
    await async_client.aclose()


def logged(server, **options):
    events = []
    with Noukai(
        api_key=server.api_key, org=server.org, project=server.project, log_handler=events.append, **options
    ) as client:
        client.flow("echo").execute("logged")
    return events


def test_requests_and_replies_are_logged_with_the_request_id(server):
    request, response = logged(server)
    path = f"/seq/{server.org}/{server.project}/echo/execute"
    assert request == {"phase": "request", "method": "POST", "path": path, "attempt": 0}
    assert (response["phase"], response["path"], response["status_code"]) == ("response", path, 200)
    assert re.fullmatch(r"\S+", response["request_id"])
    assert "response_body" not in response


def test_bodies_are_logged_on_request(server):
    request, response = logged(server, log_payloads=True)
    assert request["request_body"]["message"] == "logged"
    body = response["response_body"]
    assert set(body) == {"status", "result", "flowId", "blockCount", "executionId"}
    assert body["result"] == {"message": "logged"}

"""Without the server: no connection, and the replies it gives only when budgets, load or time run out.

The bodies are those of the published contract, given by a stand-in on the server's port.
"""

import pytest
from drivers import APIS
from noukai_sdk import APIConnectionError, FlowExecutionError, InsufficientCreditsError, RateLimitError
from noukai_server import PORT
from stub_http import Stub, serve


@pytest.fixture(autouse=True, scope="module")
def nothing_runs(servers):
    servers.stop()


@pytest.fixture(params=["sync", "async"])
async def api(request):
    api = APIS[request.param](api_key="nk_test_abcdefgh_" + "a" * 32, org="acme", project="demo", timeout=10)
    yield api
    await api.close()


def refusal(status, code, headers=None):
    body = {"detail": {"code": code, "message": f"This is {code}."}}
    return status, body, {"X-Request-ID": "request-1", **(headers or {})}


async def test_no_connection(api):
    with pytest.raises(APIConnectionError):
        await api.execute("echo", message="hi")


@pytest.mark.parametrize(
    ("status", "code", "error_class"),
    [
        (402, "INSUFFICIENT_CREDITS", InsufficientCreditsError),
        (402, "CREDITS_EXHAUSTED", InsufficientCreditsError),
        (503, "BILLING_UNAVAILABLE", FlowExecutionError),
        (503, "OVERLOADED", FlowExecutionError),
        (500, "INTERNAL_ERROR", FlowExecutionError),
        (500, "INVALID_TREE", FlowExecutionError),
    ],
)
async def test_replies_that_cannot_be_provoked(api, status, code, error_class):
    with serve(Stub(lambda *_: refusal(status, code)), PORT) as stub:
        for call in (api.execute("echo", message="hi"), api.events("echo", message="hi")):
            with pytest.raises(error_class) as refused:
                await call
            error = refused.value
            assert (error.status_code, error.code, error.message) == (status, code, f"This is {code}.")
            assert error.request_id == "request-1"
        assert len(stub.requests) == 2  # a POST is sent once


async def test_a_limited_caller_is_told_when_to_come_back(api):
    with serve(Stub(lambda *_: refusal(429, "RATE_LIMITED", {"Retry-After": "7"})), PORT):
        with pytest.raises(RateLimitError) as limited:
            await api.execute("echo", message="hi")
    assert limited.value.retry_after == 7


async def test_a_get_is_sent_again(api):
    trace = {
        "flowRun": {
            **{"id": "r", "flowId": "f", "status": "completed", "triggerType": "execute"},
            **{"startedAt": "2026-01-01T00:00:00Z", "stepCount": 0, "version": 0},
        },
        "steps": [],
    }
    replies = [refusal(503, "OVERLOADED"), (200, trace)]
    with serve(Stub(lambda *_: replies.pop(0)), PORT) as stub:
        assert (await api.trace("echo", "r")).flow_run.id == "r"
    assert [method for method, _, _ in stub.requests] == ["GET", "GET"]

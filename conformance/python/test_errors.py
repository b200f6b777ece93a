"""Error classes, codes and request ids, each provoked on the server."""

import time
import uuid

import pytest
from drivers import APIS, SyncApi
from noukai_sdk import (
    AuthenticationError,
    FlowExecutionError,
    FlowNotFoundError,
    NoukaiError,
    PermissionDeniedError,
    RateLimitError,
)

BAD_KEYS = ["nk_", "nk_test", "nk_test_abcdefgh", "nk_test_abcdefgh_" + "a" * 32, "nk_live_" + "b" * 40]


async def refusal(call, error_class, status, code):
    """Awaits a call that must be refused, and checks what every error carries."""
    with pytest.raises(NoukaiError) as refused:
        await call
    error = refused.value
    assert type(error) is error_class
    assert (error.status_code, error.code) == (status, code)
    assert error.response_body["detail"]["code"] == code
    assert error.message == error.response_body["detail"]["message"] != ""
    assert error.request_id
    return error


@pytest.mark.parametrize("make", APIS.values(), ids=APIS)
@pytest.mark.parametrize("key", BAD_KEYS)
async def test_401(make, key, options):
    api = make(**{**options, "api_key": key})
    session = str(uuid.uuid4())
    for call in (
        api.execute("echo", message="hi"),
        api.execute("no-such-flow", message="hi"),
        api.execute("no/such/flow", message="hi"),
        api.events("echo", message="hi"),
        api.execute_async("echo", message="hi"),
        api.trace("echo", session),
        api.live_trace("echo", session),
        api.request("GET", f"/seq/sessions/{session}"),
    ):
        error = await refusal(call, AuthenticationError, 401, "UNAUTHENTICATED")
        assert error.www_authenticate == 'Bearer error="invalid_token"'
    await api.close()


async def test_403(api, server):
    for path in ("no-such-org/demo/echo", f"{server.org}/no-such-project/echo", "no-such-org/no-such-project/x"):
        for call in (
            api.execute(path, message="hi"),
            api.events(path, message="hi"),
            api.execute_async(path, message="hi"),
            api.trace(path, str(uuid.uuid4())),
        ):
            await refusal(call, PermissionDeniedError, 403, "FORBIDDEN")


async def test_404(api):
    for call in (
        api.execute("no-such-flow", message="hi"),
        api.events("no-such-flow", message="hi"),
        api.execute_async("no-such-flow", message="hi"),
    ):
        await refusal(call, FlowNotFoundError, 404, "FLOW_NOT_FOUND")
    await refusal(api.execute("echo", message="hi", version=99), FlowNotFoundError, 404, "VERSION_NOT_FOUND")
    await refusal(api.steps("echo", message="hi", version=99), FlowNotFoundError, 404, "VERSION_NOT_FOUND")


async def test_422(api):
    await refusal(api.execute("echo"), FlowExecutionError, 422, "MISSING_MESSAGE")
    await refusal(api.execute("city"), FlowExecutionError, 422, "MISSING_MESSAGE")
    error = await refusal(
        api.execute("city", parameters={"city": 7}), FlowExecutionError, 422, "VALIDATION_ERROR"
    )
    (fault,) = error.response_body["detail"]["errors"]
    assert "city" in fault["loc"] and fault["msg"]


async def test_400(api):
    error = await refusal(
        api.execute("echo", message="hi", parameters={"attachments": []}),
        FlowExecutionError,
        400,
        "PARAMETER_NAME_RESERVED",
    )
    assert "attachments" in error.message


async def test_413(api):
    with pytest.warns(UserWarning, match="MESSAGES_TOO_LARGE"):
        await refusal(
            api.execute("echo", messages=[{"role": "user", "content": "x" * 1_000_001}]),
            FlowExecutionError,
            413,
            "MESSAGES_TOO_LARGE",
        )
    await refusal(
        api.execute("echo", message="x" * 11_000_000), FlowExecutionError, 413, "PAYLOAD_TOO_LARGE"
    )


async def test_429_and_a_revoked_key(api, server, options):
    """One key more than a project may have. The clients have no method for keys, so their transport is used."""
    made = []
    body = {"project_id": server.project_id, "environment": "test"}
    try:
        with pytest.raises(RateLimitError) as limited:
            for number in range(11):
                made.append((await api.request("POST", "/keys", json={**body, "name": f"key {number}"})).body)
        assert limited.value.code == "RATE_LIMITED" and limited.value.request_id
        assert limited.value.retry_after >= 1
        assert 1 <= len(made) <= 10
        assert set(made[0]) >= {
            *("key", "key_id", "project_id", "organization_id", "environment", "name", "created_at", "created_by"),
        }
        other = SyncApi(**{**options, "api_key": made[0]["key"]})
        assert (await other.execute("echo", message="hi")).result == {"message": "hi"}
        listed = (await api.request("GET", "/keys", params={"projectId": server.project_id})).body
        assert made[0]["key"] not in str(listed)
    finally:
        for key in made:
            await api.request("DELETE", f"/keys/{key['key_id']}")
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            await other.execute("echo", message="hi")
        except AuthenticationError:
            break
    else:
        pytest.fail("a revoked key is refused within 30 s")
    await other.close()


async def test_keys_are_for_admins(api, server, options):
    """A key made over the API may run flows, and nothing else."""
    made = (
        await api.request(
            "POST", "/keys", json={"project_id": server.project_id, "environment": "test", "name": "plain"}
        )
    ).body
    plain = SyncApi(**{**options, "api_key": made["key"]})
    try:
        verified = (await plain.request("GET", "/keys/verify")).body
        assert (verified["project_id"], verified["environment"]) == (server.project_id, "test")
        body = {"project_id": server.project_id, "environment": "test", "name": "more"}
        await refusal(plain.request("POST", "/keys", json=body), PermissionDeniedError, 403, "FORBIDDEN")
    finally:
        await plain.close()
        await api.request("DELETE", f"/keys/{made['key_id']}")

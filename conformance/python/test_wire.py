"""What the clients rely on without showing it: headers, framing, cursors, spellings."""

import http.client as http_client
import json
import re
import select
import socket
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest
from drivers import frames
from noukai_server import PORT

STREAM = {"message": "hi", "runRemaining": True}


def test_health_and_description(http):
    assert http.get("/health").status_code == http.get("/ready").status_code == 200
    assert http.get("/health", headers={"Authorization": ""}).status_code == 200
    description = http.get("/openapi.json").json()
    assert description["openapi"].startswith("3.1")
    assert http.get("/limits").status_code == 200


def test_every_reply_has_a_request_id(http, seq):
    path = f"{seq('echo')}/execute"
    first, second = (http.post(path, json={"message": "hi"}).headers["x-request-id"] for _ in range(2))
    assert first and second and first != second
    mine = http.post(path, json={"message": "hi"}, headers={"X-Request-ID": "mine-1"})
    assert mine.headers["x-request-id"] == "mine-1"
    assert http.get("/no/such/route").headers["x-request-id"]


def test_a_wrong_key_is_refused_before_anything_is_read(http, seq):
    reply = http.post(f"{seq('echo')}/execute", content=b"{", headers={"Authorization": "Bearer nk_test_wrong"})
    assert (reply.status_code, reply.headers["www-authenticate"]) == (401, 'Bearer error="invalid_token"')


def test_a_refusal_keeps_the_connection_or_says_that_it_ends(server, seq):
    """The Python client sends a request's head and body apart; the refusal may come in between."""
    with socket.create_connection(("127.0.0.1", PORT), timeout=10) as connection:
        head = f"POST /api/v1{seq('echo')}/execute HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer nk_wrong\r\n"
        connection.sendall(f"{head}Content-Length: 2\r\n\r\n".encode())
        select.select([connection], [], [], 0.2)  # until it has answered, if it does not wait for the body
        connection.sendall(b"{}")
        reply = http_client.HTTPResponse(connection)
        reply.begin()
        assert reply.status == 401
        reply.read()
        if (reply.getheader("Connection") or "").lower() == "close":
            return
        connection.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
        again = http_client.HTTPResponse(connection)
        again.begin()
        assert again.status == 200


def test_both_spellings_of_every_field(http, seq):
    for overrides in ("blockOverrides", "block_overrides"):
        body = {"message": "hi", overrides: {"answer": {"prompt": "changed"}}, "unknownField": 1}
        assert http.post(f"{seq('echo')}/execute", json=body).json()["result"] == {"message": "changed"}


def test_optional_fields_are_left_out(http, seq):
    reply = http.post(f"{seq('echo')}/execute", json={"message": "hi"}, headers={"X-Session-Id": "any string"}).json()
    assert set(reply) == {"status", "result", "flowId", "blockCount", "executionId"}
    trace = http.get(f"{seq('echo')}/runs/{reply['executionId']}/trace").text
    assert "null" not in trace


def test_framing(http, seq):
    reply = http.post(f"{seq('two-step')}/step", json=STREAM, headers={"Accept": "application/json"})
    assert reply.headers["content-type"].startswith("text/event-stream")
    assert reply.headers["cache-control"] == "no-cache"
    assert reply.headers["x-accel-buffering"] == "no"
    assert "\r" not in reply.text
    assert reply.text.endswith("\n\n")
    found = frames(reply.text.split("\n"))
    assert [frame["event"] for frame in found] == [
        "run_started",
        *["step_started", "step_input", "step_output", "step_completed"] * 2,
        "flow_completed",
    ]
    sequence = [int(frame["id"]) for frame in found]
    assert sequence == sorted(set(sequence))
    for frame in found:
        data = json.loads(frame["data"])
        assert data["eventType"] == frame["event"]
        assert data["executionId"]
    output = json.loads(found[3]["data"])
    assert output["outputContext"] == output["outputData"] == {"message": "first: hi"}
    assert isinstance(json.loads(found[4]["data"])["costUsd"], str)


def test_a_trace_stream_goes_on_after_the_last_event_id(http, seq):
    run = http.post(f"{seq('two-step')}/execute", json={"message": "hi"}).json()["executionId"]
    path = f"{seq('two-step')}/runs/{run}/trace/stream"
    whole = frames(http.get(path).text.split("\n"))
    assert whole[0]["event"] == "run_started" and whole[-1]["event"] == "flow_completed"
    for seen in range(1, len(whole)):
        rest = frames(http.get(path, headers={"Last-Event-ID": whole[seen - 1]["id"]}).text.split("\n"))
        assert rest == whole[seen:]


def test_runs_by_their_own_id(http, seq):
    reply = http.post(f"{seq('two-step')}/execute", json={"message": "hi"}).json()
    run, flow = reply["executionId"], f"{seq('two-step')}/runs/{reply['executionId']}"
    for rest in ("/trace", "/steps/second/trace", "/trace/stream"):
        by_id, by_flow = http.get(f"/flow-runs/{run}{rest}"), http.get(f"{flow}{rest}")
        assert by_id.status_code == by_flow.status_code == 200
        assert by_id.text == by_flow.text
    assert http.get(flow).json() == http.get(f"{flow}/trace").json()["flowRun"]
    assert http.get(f"/flow-runs/{uuid.uuid4()}/trace").json()["detail"]["code"] == "RUN_NOT_FOUND"


def test_runs_are_listed_newest_first(http, seq):
    runs = [http.post(f"{seq('fails')}/execute", json={"message": "hi"}).json() for _ in range(3)]
    made = [run["executionId"] for run in reversed(runs)]
    query = {"flow_id": runs[0]["flowId"], "status": "failed", "limit": 2}
    page = http.get("/flow-runs", params=query).json()
    assert [run["id"] for run in page["flowRuns"]] == made[:2]
    assert {(run["status"], run["flowId"]) for run in page["flowRuns"]} == {("failed", runs[0]["flowId"])}
    rest = http.get("/flow-runs", params={**query, "cursor": page["nextCursor"]}).json()
    assert rest["flowRuns"][0]["id"] == made[2]
    others = http.get("/flow-runs", params={"flow_id": runs[0]["flowId"], "status": "completed"}).json()["flowRuns"]
    assert not set(made) & {run["id"] for run in others}
    assert http.get("/flow-runs", params={"limit": 101}).status_code == 422


def test_deltas_where_asked_for(http, seq):
    plain = http.post(f"{seq('echo')}/step", json=STREAM).text
    assert "step_delta" not in plain
    asked = frames(http.post(f"{seq('echo')}/step", params={"deltas": "true"}, json=STREAM).text.split("\n"))
    text = "".join(json.loads(frame["data"])["text"] for frame in asked if frame["event"] == "step_delta")
    assert text == "hi"


def test_an_idempotency_key_runs_once(http, seq):
    headers, path = {"Idempotency-Key": str(uuid.uuid4())}, f"{seq('slow')}/execute"
    with ThreadPoolExecutor(3) as pool:
        send = lambda _: http.post(path, json={"message": "once"}, headers=headers).json()  # noqa: E731
        replies = list(pool.map(send, range(3)))
    assert replies[0] == replies[1] == replies[2]
    assert replies[0]["result"] == {"message": "once"}
    other = http.post(path, json={"message": "twice"}, headers=headers)
    assert (other.status_code, other.json()["detail"]["code"]) == (422, "IDEMPOTENCY_KEY_REUSED")


def started(http, path, **body):
    return re.search(r'"executionId":"([^"]+)"', http.post(path, json={"message": "hi", **body}).text).group(1)


@pytest.mark.parametrize(
    ("slug", "body", "status", "code"),
    [
        ("two-step", {"stepIndex": 1, "message": "hi"}, 400, "INVALID_FIRST_CALL"),
        ("two-step", {"executionId": "run", "stepIndex": 1}, 400, "INVALID_STEP_INDEX"),
        ("two-step", {"executionId": "run", "stepIndex": 2}, 400, "INVALID_STEP_INDEX"),
        ("two-step", {"executionId": str(uuid.uuid4()), "stepIndex": 0}, 404, "RUN_NOT_FOUND"),
        (
            "loop-then-total",
            {"executionId": "run", "stepIndex": 1, "accumulatedOutputs": {"one": [{"message": "x"}]}},
            400,
            "INVALID_STEP_INDEX",
        ),
    ],
    ids=["first-call", "missing-output", "past-the-end", "unknown-run", "inside-a-loop"],
)
def test_cursors(http, seq, slug, body, status, code):
    path = f"{seq(slug)}/step"
    if body.get("executionId") == "run":
        body = {**body, "executionId": started(http, path, parameters={"items": ["a"]})}
    reply = http.post(path, json=body)
    assert (reply.status_code, reply.json()["detail"]["code"]) == (status, code)


def test_of_several_resumes_at_once_one_wins(http, seq):
    path = f"{seq('tools')}/execute"
    tools = [{"type": "function", "function": {"name": "get_time"}}]
    for _ in range(20):
        paused = http.post(path, json={"message": "hi", "tools": tools}).json()
        assert paused["toolCallMessages"][0]["toolCalls"] == paused["toolCallMessages"][0]["tool_calls"]
        result = {"role": "tool", "tool_call_id": paused["toolCalls"][0]["id"], "content": "noon"}
        resume = {
            "executionId": paused["executionId"],
            "pausedAtStep": paused["pausedAtStep"],
            "toolCallMessages": [*paused["toolCallMessages"], result],
        }
        with ThreadPoolExecutor(4) as pool:
            replies = [reply.json() for reply in pool.map(lambda _: http.post(path, json=resume), range(4))]
        outcomes = sorted(reply["detail"]["code"] if "detail" in reply else reply["status"] for reply in replies)
        assert outcomes == ["ALREADY_RESUMED"] * 3 + ["completed"]
        assert {"message": "report: noon"} in [reply.get("result") for reply in replies]

"""`execute_async`: submit, poll, wait."""

import uuid

import pytest
from noukai_sdk import APITimeoutError, AsyncJob, FlowExecutionError, FlowNotFoundError, Job

JOBS = {"sync": Job, "async": AsyncJob}
FAST = {"timeout": 30, "poll_interval": 0.02}


async def test_submit_poll_and_wait(api):
    job = await api.execute_async("slow", message="hi")
    assert type(job) is JOBS[api.kind]
    assert job.execution_id and job.flow_id
    pending = await api.poll(job)
    assert pending.execution_id == job.execution_id
    assert pending.status in ("pending", "running")
    assert pending.result is None and pending.error is None
    done = await api.wait(job, **FAST)
    assert (done.execution_id, done.status, done.result) == (job.execution_id, "completed", {"message": "hi"})
    assert done.error is None
    assert (await api.poll(job, timeout=5)).result == {"message": "hi"}


async def test_a_poll_right_after_the_submit_finds_the_job(http, seq):
    submitted = http.post(f"{seq('echo')}/jobs", json={"message": "hi"})
    assert submitted.status_code == 202
    body = submitted.json()
    assert (body["status"], body["blockCount"]) == ("started", 1)
    assert set(body) == {"executionId", "status", "flowId", "blockCount"}
    assert http.get(f"{seq('echo')}/jobs/{body['executionId']}").status_code == 200


async def test_options_of_a_job(api):
    job = await api.execute_async("greeting", message="hi", parameters={"tone": "warm"})
    assert (await api.wait(job, **FAST)).result == {"message": "hi (warm)"}
    job = await api.execute_async("echo", message="hi", block_overrides={"answer": {"prompt": "changed"}})
    assert (await api.wait(job, **FAST)).result == {"message": "changed"}
    job = await api.execute_async("private", message="hi", trace=True, timeout=10)
    await api.wait(job, **FAST)
    (step,) = (await api.trace("private", job.execution_id)).steps
    assert step.input_context == {"message": "hi"}


async def test_a_job_has_a_trace(api):
    job = await api.execute_async("two-step", message="hi")
    await api.wait(job, **FAST)
    trace = await api.trace("two-step", job.execution_id)
    assert (trace.flow_run.id, trace.flow_run.trigger_type) == (job.execution_id, "job")
    assert [step.step_id for step in trace.steps] == ["first", "second"]


async def test_wait_gives_up_after_its_timeout(api):
    job = await api.execute_async("slow", message="hi")
    with pytest.raises(APITimeoutError, match=job.execution_id):
        await api.wait(job, timeout=0.1, poll_interval=0.02)
    assert (await api.wait(job, **FAST)).status == "completed"


async def test_a_job_that_fails(api):
    job = await api.execute_async("fails", message="hi")
    failed = await api.wait(job, **FAST)
    assert failed.status == "failed"
    assert "tone" in failed.error


async def test_a_cancelled_job_ends_the_wait(api, http, seq):
    """The clients know neither a cancel nor the status `cancelled`: they are told `failed`, with the reason."""
    job = await api.execute_async("slow", message="hi")
    path = f"{seq('slow')}/jobs/{job.execution_id}"
    assert http.delete(path).status_code == 200
    ended = await api.wait(job, **FAST)
    assert ended.status == "failed"
    assert "cancel" in ended.error.lower()
    assert http.get(path).json()["status"] == "cancelled"


async def test_submitting_is_checked_like_executing(api):
    with pytest.raises(FlowExecutionError) as missing:
        await api.execute_async("echo")
    assert (missing.value.status_code, missing.value.code) == (422, "MISSING_MESSAGE")
    with pytest.raises(FlowNotFoundError) as unknown:
        await api.execute_async("no-such-flow", message="hi")
    assert unknown.value.code == "FLOW_NOT_FOUND"


async def test_an_unknown_job(api, server):
    fields = {"org": server.org, "project": server.project, "slug": "echo"}
    fields |= {"transport": api.client._transport, "execution_id": str(uuid.uuid4()), "flow_id": "any"}
    fresh = JOBS[api.kind](**fields)
    assert (await api.poll(fresh)).status == "pending"  # the clients' own grace of 5 s after a submit
    old = JOBS[api.kind](**fields, submitted_at=float("-inf"))
    with pytest.raises(FlowNotFoundError) as unknown:
        await api.poll(old)
    assert unknown.value.code == "JOB_NOT_FOUND"


async def test_a_long_poll_waits_for_the_end(http, seq):
    job = http.post(f"{seq('slow')}/jobs", json={"message": "hi"}).json()
    done = http.get(f"{seq('slow')}/jobs/{job['executionId']}", params={"wait": 20}).json()
    assert done == {"executionId": job["executionId"], "status": "completed", "result": {"message": "hi"}}

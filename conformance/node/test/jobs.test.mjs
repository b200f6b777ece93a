// `executeAsync`: submit, poll, wait.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { test } from "node:test";
import { APITimeoutError, Job } from "@noukai/sdk";
import { connect, http, seq } from "./client.mjs";
import { useServer } from "./server.mjs";

const holder = useServer();
const FAST = { timeout: 30_000, pollInterval: 20 };
const submit = (slug, options) => connect(holder).flow(slug).executeAsync(options);

test("submit, poll and wait", async () => {
  const job = await submit("slow", { message: "hi" });
  assert(job instanceof Job && job.executionId && job.flowId);
  const pending = await job.poll();
  assert.equal(pending.executionId, job.executionId);
  assert(["pending", "running"].includes(pending.status), pending.status);
  assert.equal("result" in pending || "error" in pending, false);
  const done = await job.wait(FAST);
  assert.deepEqual(done, { executionId: job.executionId, status: "completed", result: { message: "hi" } });
  assert.deepEqual(await job.poll({ timeout: 5_000 }), done);
});

test("options of a job", async () => {
  const blockOverrides = { greet: { prompt: "{{ initial.tone }}!" } };
  const job = await submit("greeting", { message: "hi", parameters: { tone: "warm" }, blockOverrides, trace: true });
  assert.deepEqual((await job.wait(FAST)).result, { message: "warm!" });
  const { flowRun } = await connect(holder).flow("greeting").run(job.executionId).trace();
  assert.deepEqual([flowRun.id, flowRun.triggerType], [job.executionId, "job"]);
});

test("wait gives up after its timeout", async () => {
  const job = await submit("slow", { message: "hi" });
  await assert.rejects(job.wait({ timeout: 100, pollInterval: 20 }), APITimeoutError);
  assert.equal((await job.wait(FAST)).status, "completed");
});

test("a signal ends the wait", async () => {
  const call = new AbortController();
  const job = await submit("slow", { message: "hi" });
  call.abort();
  await assert.rejects(job.wait({ ...FAST, signal: call.signal }), APITimeoutError);
});

test("a job that fails", async () => {
  const failed = await (await submit("fails", { message: "hi" })).wait(FAST);
  assert.equal(failed.status, "failed");
  assert.match(failed.error, /tone/);
});

test("a cancelled job ends the wait", async () => {
  const job = await submit("slow", { message: "hi" });
  const path = `${seq(holder, "slow")}/jobs/${job.executionId}`;
  assert.equal((await http(holder, "DELETE", path)).status, 200);
  const ended = await job.wait(FAST);
  assert.equal(ended.status, "failed");
  assert.match(ended.error, /cancel/i);
  assert.equal((await http(holder, "GET", path)).json().status, "cancelled");
});

test("submitting is checked like executing", async () => {
  await assert.rejects(submit("echo", {}), { name: "FlowExecutionError", statusCode: 422, code: "MISSING_MESSAGE" });
  await assert.rejects(submit("no-such-flow", { message: "hi" }), { name: "FlowNotFoundError", code: "FLOW_NOT_FOUND" });
});

test("an unknown job", async () => {
  const { noukai } = connect(holder);
  const { org, project } = holder.server.ready;
  const fields = { transport: noukai._transport, org, project, slug: "echo", executionId: randomUUID(), flowId: "any" };
  assert.equal((await new Job(fields).poll()).status, "pending"); // the client's own grace of 5 s after a submit
  const old = new Job({ ...fields, submittedAt: 0 });
  await assert.rejects(old.poll(), { name: "FlowNotFoundError", statusCode: 404, code: "JOB_NOT_FOUND" });
});

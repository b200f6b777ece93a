// `flow.run(executionId)`: traces of ended, failed, repeated and running runs.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { test } from "node:test";
import { Run } from "@noukai/sdk";
import { collect, connect, http, ofType, ONE_STEP, seq, types, withoutPrompt } from "./client.mjs";
import { useServer } from "./server.mjs";

const holder = useServer();
const notFound = (code) => ({ name: "FlowNotFoundError", statusCode: 404, code });

async function ran(slug, options) {
  const flow = connect(holder).flow(slug);
  const result = await flow.execute(options);
  return { result, run: flow.run(result.executionId) };
}

test("the proxy makes no request", () => {
  const { flow, requests } = connect(holder);
  const run = flow("echo").run("any-id");
  assert(run instanceof Run);
  assert.deepEqual([run.executionId, requests], ["any-id", []]);
});

test("trace", async () => {
  const before = Date.now() - 1_000;
  const { result, run } = await ran("two-step", { message: "hi" });
  const { flowRun, steps } = await run.trace({ timeout: 10_000, signal: new AbortController().signal });
  assert.deepEqual([flowRun.id, flowRun.flowId], [result.executionId, result.flowId]);
  assert.deepEqual([flowRun.status, flowRun.triggerType, flowRun.stepCount], ["completed", "execute", 2]);
  assert.match(flowRun.startedAt, /^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
  assert(before < Date.parse(flowRun.startedAt) && Date.parse(flowRun.startedAt) <= Date.parse(flowRun.completedAt));
  assert(flowRun.durationMs >= 0);
  assert.deepEqual(steps.map((step) => step.stepId), ["first", "second"]);
  for (const step of steps) {
    assert.deepEqual([step.attempt, step.status, step.truncated], [1, "completed", false]);
    assert.equal("loopIndex" in step, false);
    assert.equal(step.modelUsed, "noukai/echo");
    assert.equal(step.tokens.total, step.tokens.prompt + step.tokens.completion);
    assert.match(step.costUsd, /^\d+(\.\d+)?$/);
    assert(step.inputSizeBytes > 0 && step.outputSizeBytes > 0);
    assert.equal("errorContext" in step, false);
  }
  assert.deepEqual(steps[0].inputContext, { message: "hi" });
  assert.deepEqual(steps[1].inputContext, { message: "first: hi" });
  assert.deepEqual(withoutPrompt(steps[1].outputContext), result.result);
});

test("a failed run's trace", async () => {
  const { result, run } = await ran("fails", { message: "hi" });
  const { flowRun, steps } = await run.trace();
  assert.equal(flowRun.status, "failed");
  assert.deepEqual(steps.map((step) => step.status), ["completed", "failed"]);
  assert.equal(steps[1].errorContext.message, result.result.error.message);
});

test("step trace", async () => {
  const { result, run } = await ran("two-step", { message: "hi" });
  for (const options of [undefined, {}, { attempt: "latest" }, { attempt: 1, timeout: 10_000 }]) {
    const step = await run.stepTrace("second", options);
    assert.deepEqual([step.stepId, step.attempt, step.status], ["second", 1, "completed"]);
    assert.deepEqual(withoutPrompt(step.outputContext), result.result);
  }
  const { stepId, attempts } = await run.stepTrace("second", { attempt: "all" });
  assert.deepEqual([stepId, attempts.map((step) => step.attempt)], ["second", [1]]);
});

test("going back makes another attempt", async () => {
  const path = `${seq(holder, "two-step")}/step`;
  const started = await http(holder, "POST", path, { json: { stepIndex: 0, message: "hi" } });
  const executionId = /"executionId":"([^"]+)"/.exec(started.text)[1];
  await http(holder, "POST", path, { json: { executionId, stepIndex: 0 } });
  const run = connect(holder).flow("two-step").run(executionId);
  const { attempts } = await run.stepTrace("first", { attempt: "all" });
  assert.deepEqual(attempts.map((step) => step.attempt), [1, 2]);
  assert.equal((await run.stepTrace("first")).attempt, 2);
  assert.equal((await run.stepTrace("first", { attempt: 1 })).attempt, 1);
  await assert.rejects(run.stepTrace("first", { attempt: 3 }), notFound("STEP_NOT_FOUND"));
});

test("step trace in a loop", async () => {
  const { run } = await ran("loop", { parameters: { items: ["a", "b"] } });
  for (const [loopIndex, message] of ["0: a", "1: b"].entries()) {
    const step = await run.stepTrace("one", { loopIndex });
    assert.deepEqual([step.stepId, step.loopIndex, step.attempt], ["one", loopIndex, 1]);
    assert.deepEqual(withoutPrompt(step.outputContext), { message });
  }
  const { attempts } = await run.stepTrace("one", { attempt: "all", loopIndex: 1 });
  assert.deepEqual(attempts.map((step) => [step.loopIndex, step.attempt]), [[1, 1]]);
});

test("the trace of a branch", async () => {
  const { run } = await ran("branch", { message: "hi", parameters: { kind: "bug" } });
  const { steps } = await run.trace();
  assert.deepEqual(Object.fromEntries(steps.map((step) => [step.stepId, step.status])), {
    intake: "completed",
    billing: "skipped",
    bug: "completed",
    other: "skipped",
    final: "completed",
  });
});

test("live trace of an ended run", async () => {
  const { result, run } = await ran("two-step", { message: "hi" });
  const events = await collect(run.liveTrace());
  assert.deepEqual(types(events), ["run_started", ...ONE_STEP, ...ONE_STEP, "flow_completed"]);
  assert.deepEqual(ofType(events, "step_completed").map((event) => event.stepIndex), [0, 1]);
  assert.deepEqual(events.at(-1).result, result.result);
});

test("live trace of a running run", async () => {
  const flow = connect(holder).flow("slow");
  const job = await flow.executeAsync({ message: "hi" });
  const events = await collect(flow.run(job.executionId).liveTrace());
  assert.deepEqual(types(events), ["run_started", ...ONE_STEP, "flow_completed"]);
  assert.equal((await job.poll()).status, "completed");
});

test("live trace of a failed run", async () => {
  const { run } = await ran("fails", { message: "hi" });
  const events = await collect(run.liveTrace());
  assert.deepEqual(types(events).slice(-2), ["step_error", "flow_completed"]);
  assert.equal(events.at(-1).summary.failedAtStep, "second");
});

test("unknown runs and steps", async () => {
  const unknown = connect(holder).flow("echo").run(randomUUID());
  await assert.rejects(unknown.trace(), notFound("RUN_NOT_FOUND"));
  await assert.rejects(unknown.stepTrace("answer"), notFound("RUN_NOT_FOUND"));
  await assert.rejects(collect(unknown.liveTrace()), notFound("RUN_NOT_FOUND"));
  const { run } = await ran("echo", { message: "hi" });
  await assert.rejects(run.stepTrace("no-such-step"), notFound("STEP_NOT_FOUND"));
});

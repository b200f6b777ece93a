// `execute`: every option. The results are known because noukai/echo is.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { test } from "node:test";
import { APITimeoutError, FlowExecutionError } from "@noukai/sdk";
import { collect, connect, http, session } from "./client.mjs";
import { useServer } from "./server.mjs";

const holder = useServer();
const PNG = { url: "https://example.com/pictures/cat.png", mimeType: "image/png" };
const execute = (slug, options) => connect(holder).flow(slug).execute(options);

test("message", async () => {
  const result = await execute("echo", { message: "hello" });
  assert.deepEqual(Object.keys(result).sort(), ["blockCount", "executionId", "flowId", "result", "status"]);
  assert.equal(result.status, "completed");
  assert.deepEqual(result.result, { message: "hello" });
  assert.equal(result.blockCount, 1);
  assert.equal(result.requiresToolCalls, false);
  assert.equal(result.sessionId, undefined);
  const again = await execute("echo", { message: "hello" });
  assert.equal(again.flowId, result.flowId);
  assert.notEqual(again.executionId, result.executionId);
});

test("the empty message is a message", async () => {
  assert.deepEqual((await execute("two-step", { message: "" })).result, { message: "second: first: " });
});

test("a message survives as it is", async () => {
  const message = `Grüße, 世界 🌍\r\n\tdata: {{ initial }} {message} \u2028 "quoted" \\ end${"x".repeat(200_000)}`;
  assert.deepEqual((await execute("echo", { message })).result, { message });
});

test("parameters", async () => {
  assert.deepEqual((await execute("greeting", { message: "hi" })).result, { message: "hi (plain)" });
  const warm = await execute("greeting", { message: "hi", parameters: { tone: "warm" } });
  assert.deepEqual(warm.result, { message: "hi (warm)" });
  assert.deepEqual((await execute("city", { parameters: { city: "Oslo" } })).result, { message: "city: Oslo" });
});

test("structured output", async () => {
  const expected = { title: "hi", tags: ["hi"], count: 0, urgent: false, label: "billing" };
  assert.deepEqual((await execute("extract", { message: "hi" })).result, expected);
});

test("block overrides", async () => {
  const blockOverrides = { first: { prompt: "1 {{ initial.message }}", temperature: 0.5 } };
  const result = await execute("two-step", { message: "hi", blockOverrides });
  assert.deepEqual(result.result, { message: "second: 1 hi" });
  const failed = await execute("echo", { message: "hi", blockOverrides: { answer: { model: "acme/no-such-model" } } });
  assert.equal(failed.status, "failed");
  assert.equal(failed.result.error.code, "MODEL_NOT_AVAILABLE");
});

test("attachments", async () => {
  for (const attachment of [PNG, { url: PNG.url, mime_type: "image/png" }, { kind: "url", ...PNG }]) {
    const result = await execute("echo", { message: "look", attachments: [attachment] });
    assert.deepEqual(result.result, { message: "look" });
  }
  const unseen = execute("text-only", { message: "look", attachments: [PNG] });
  await assert.rejects(unseen, { name: "FlowExecutionError", statusCode: 400, code: "MODEL_MIME_INCOMPATIBLE" });
  const plainHttp = execute("echo", { message: "look", attachments: [{ ...PNG, url: "http://example.com/cat.png" }] });
  await assert.rejects(plainHttp, { name: "FlowExecutionError", statusCode: 400, code: "ATTACHMENT_INVALID" });
});

test("trace captures the contents of this run alone", async () => {
  const { flow } = connect(holder);
  const plain = await flow("private").execute({ message: "secret" });
  const [kept] = (await flow("private").run(plain.executionId).trace()).steps;
  assert.equal("inputContext" in kept, false);
  assert(kept.inputSizeBytes > 0 && kept.outputSizeBytes > 0);
  const traced = await flow("private").execute({ message: "shown", trace: true });
  const [shown] = (await flow("private").run(traced.executionId).trace()).steps;
  assert.deepEqual(shown.inputContext, { message: "shown" });
  assert.equal(shown.outputContext.message, "shown");
});

async function runGoesOn(message) {
  const run = (await http(holder, "GET", "/flow-runs?limit=1")).json().flowRuns[0];
  const events = await collect(connect(holder).flow("slow").run(run.id).liveTrace());
  assert.equal(events.at(-1).type, "flow_completed");
  assert.deepEqual(events.at(-1).result, { message });
}

test("a timeout ends the call and not the run", async () => {
  const message = `slow ${randomUUID()}`;
  await assert.rejects(execute("slow", { message, timeout: 300 }), APITimeoutError);
  await runGoesOn(message);
});

test("the client's own timeout", async () => {
  const { flow } = connect(holder, { timeout: 300 });
  await assert.rejects(flow("slow").execute({ message: "hi" }), APITimeoutError);
  assert.equal((await flow("slow").execute({ message: "hi", timeout: 30_000 })).status, "completed");
});

test("an abort signal ends the call and not the run", async () => {
  const message = `slow ${randomUUID()}`;
  const call = new AbortController();
  const pending = execute("slow", { message, signal: call.signal });
  setTimeout(() => call.abort(), 300);
  await assert.rejects(pending, APITimeoutError); // the client has one class for both
  await runGoesOn(message);
});

test("the client's own signal ends every call", async () => {
  const all = new AbortController();
  const { flow } = connect(holder, { signal: all.signal });
  assert.equal((await flow("echo").execute({ message: "hi" })).status, "completed");
  all.abort();
  await assert.rejects(flow("echo").execute({ message: "hi" }), APITimeoutError);
  await assert.rejects(collect(flow("echo").steps({ message: "hi" })), APITimeoutError);
});

test("session id", async () => {
  const sessionId = randomUUID();
  const result = await execute("echo", { message: "hi", sessionId });
  assert.equal(result.sessionId, sessionId);
  const { executions } = await session(holder, sessionId);
  assert.deepEqual(executions.map((run) => run.executionId), [result.executionId]);
});

test("a block that fails is no error reply", async () => {
  const failed = await execute("fails", { message: "hi" });
  assert.equal(failed.status, "failed");
  assert.equal(failed.requiresToolCalls, false);
  const { code, stepId, attempt, message } = failed.result.error;
  assert.deepEqual({ code, stepId, attempt }, { code: "TEMPLATE_ERROR", stepId: "second", attempt: 1 });
  assert.match(message, /tone/);
});

test("a loop, a parallel container and a branch", async () => {
  const outputs = [{ message: "0: a" }, { message: "1: b" }];
  const loop = await execute("loop", { parameters: { items: ["a", "b"] } });
  assert.deepEqual(loop.result, { results: outputs, count: 2, each: outputs });
  const merged = await execute("parallel-then-merge", { message: "hi" });
  assert.deepEqual(merged.result, { message: "left hi and right hi" });
  const branch = await execute("branch", { message: "hi", parameters: { kind: "bug" } });
  assert.deepEqual([branch.result, branch.blockCount], [{ message: "final bug in hi" }, 5]);
});

test("production is refused by this client", async () => {
  const { flow, requests } = connect(holder);
  await assert.rejects(flow("echo").execute({ message: "hi", version: "production" }), /not yet supported/);
  await assert.rejects(flow("echo").executeAsync({ message: "hi", version: "production" }), /not yet supported/);
  assert.deepEqual(requests, []);
});

test("refusals are typed", async () => {
  const refused = execute("echo", { message: "hi", parameters: { attachments: [] } });
  await assert.rejects(refused, (error) => {
    assert(error instanceof FlowExecutionError);
    assert.deepEqual([error.statusCode, error.code], [400, "PARAMETER_NAME_RESERVED"]);
    return true;
  });
});

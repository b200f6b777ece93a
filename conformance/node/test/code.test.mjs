// Code blocks through every door: execute, step by step, in one stream, as a job; and how they fail.

import assert from "node:assert/strict";
import { test } from "node:test";
import { collect, connect, ofType, ONE_STEP, types } from "./client.mjs";
import { useServer } from "./server.mjs";

const holder = useServer();
const RESULT = { line: "HI: 2" };
const flow = () => connect(holder).flow("code");

test("execute", async () => {
  const result = await flow().execute({ message: "hi" });
  assert.deepEqual([result.status, result.result, result.blockCount], ["completed", RESULT, 3]);
});

for (const runRemaining of [false, true]) {
  test(`events, runRemaining ${runRemaining}`, async () => {
    const events = await collect(flow().events({ message: "hi", runRemaining }));
    const between = runRemaining ? [] : ["step_paused"];
    const expected = ["run_started", ...ONE_STEP, ...between, ...ONE_STEP, ...between, ...ONE_STEP, "flow_completed"];
    assert.deepEqual(types(events), expected);
    assert.deepEqual(ofType(events, "step_output").map((event) => [event.stepId, event.outputData]), [
      ["ask", { text: "hi", count: 0 }],
      ["python", { text: "HI", count: 2 }],
      ["javascript", RESULT],
    ]);
    assert.deepEqual(events.at(-1).result, RESULT);
  });
}

test("a job", async () => {
  const job = await flow().executeAsync({ message: "hi" });
  assert.deepEqual((await job.wait({ timeout: 30_000, pollInterval: 20 })).result, RESULT);
});

test("a function that fails", async () => {
  const { status, result } = await flow().execute({ message: "fail" });
  const { code, stepId, line, message } = result.error;
  assert.deepEqual([status, code, stepId, line], ["failed", "CODE_ERROR", "javascript", 1]);
  assert.match(message, /as asked/);
});

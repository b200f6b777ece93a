// `steps` and `events`: exact sequences, indexes, overrides, containers, failures.

import assert from "node:assert/strict";
import { test } from "node:test";
import { collect, connect, ofType, ONE_STEP, types } from "./client.mjs";
import { useServer } from "./server.mjs";

const holder = useServer();
const COST = /^\d+(\.\d+)?$/;
const events = (slug, options) => collect(connect(holder).flow(slug).events(options));
const steps = (slug, options) => collect(connect(holder).flow(slug).steps(options));

test("events step by step", async () => {
  const { flow, requests } = connect(holder);
  const found = await collect(flow("two-step").events({ message: "hi" }));
  assert.deepEqual(types(found), ["run_started", ...ONE_STEP, "step_paused", ...ONE_STEP, "flow_completed"]);
  assert.equal(requests.length, 2);
});

test("events that run on", async () => {
  const { flow, requests } = connect(holder);
  const found = await collect(flow("two-step").events({ message: "hi", runRemaining: true }));
  assert.deepEqual(types(found), ["run_started", ...ONE_STEP, ...ONE_STEP, "flow_completed"]);
  assert.equal(requests.length, 1);
});

for (const runRemaining of [false, true]) {
  test(`what the events say, runRemaining ${runRemaining}`, async () => {
    const found = await events("two-step", { message: "hi", runRemaining });
    const [first, second] = [{ message: "first: hi" }, { message: "second: first: hi" }];
    const [started] = ofType(found, "run_started");
    assert.equal(started.runId, started.executionId);
    assert.deepEqual([started.stepCount, started.version], [2, 0]);
    assert(started.flowId);
    assert.deepEqual(ofType(found, "step_started").map((e) => [e.stepId, e.name, e.stepIndex, e.attempt]), [
      ["first", "First step", 0, 1],
      ["second", "Second step", 1, 1],
    ]);
    assert.deepEqual(ofType(found, "step_input").map((e) => [e.stepId, e.inputData]), [
      ["first", { message: "hi" }],
      ["second", first],
    ]);
    for (const field of ["outputData", "outputContext"]) {
      assert.deepEqual(ofType(found, "step_output").map((e) => [e.stepId, e[field]]), [
        ["first", first],
        ["second", second],
      ]);
    }
    const completed = ofType(found, "step_completed");
    assert.deepEqual(completed.map((e) => [e.stepId, e.name, e.output, e.stepIndex, e.skipped]), [
      ["first", "First step", first, 0, undefined],
      ["second", "Second step", second, 1, undefined],
    ]);
    for (const { durationMs, tokens, costUsd } of completed) {
      assert(durationMs >= 0);
      assert(tokens.prompt > 0 && tokens.completion > 0);
      assert.equal(tokens.total, tokens.prompt + tokens.completion);
      assert.match(costUsd, COST);
    }
    const done = found.at(-1);
    assert.equal(done.runId, started.executionId);
    assert.deepEqual(done.result, second);
    assert.equal(done.summary.steps, 2);
    assert.equal(done.summary.tokens.total, completed[0].tokens.total + completed[1].tokens.total);
    assert.match(done.summary.costUsd, COST);
  });

  test(`input overrides, runRemaining ${runRemaining}`, async () => {
    const inputOverrides = { first: { message: "changed" } };
    const found = await events("two-step", { message: "hi", inputOverrides, runRemaining });
    assert.deepEqual(found.at(-1).result, { message: "second: changed" });
  });

  test(`a loop is one unit, runRemaining ${runRemaining}`, async () => {
    const { flow, requests } = connect(holder);
    const parameters = { items: ["a", "b"] };
    const found = await collect(flow("loop-then-total").events({ parameters, runRemaining }));
    assert.deepEqual(ofType(found, "step_completed").map((e) => [e.stepId, e.stepIndex, e.output]), [
      ["one", 0, [{ message: "one a" }, { message: "one b" }]],
      ["two", 1, [{ message: "two one a" }, { message: "two one b" }]],
      ["total", 2, { message: "2 items" }],
    ]);
    assert.equal(ofType(found, "step_paused").length, runRemaining ? 0 : 1);
    assert.equal(requests.length, runRemaining ? 1 : 2);
    assert.equal(found.at(-1).type, "flow_completed");
  });

  test(`a parallel container is one unit, runRemaining ${runRemaining}`, async () => {
    const { flow, requests } = connect(holder);
    const found = await collect(flow("parallel-then-merge").events({ message: "hi", runRemaining }));
    for (const leaf of ["left", "right", "merge"]) {
      assert.deepEqual(types(found.filter((e) => e.stepId === leaf)).slice(0, 4), ONE_STEP);
    }
    const completed = ofType(found, "step_completed");
    assert.deepEqual(Object.fromEntries(completed.map((e) => [e.stepId, e.output])), {
      left: { left_text: "left hi" },
      right: { right_text: "right hi" },
      merge: { message: "left hi and right hi" },
    });
    assert.deepEqual(completed.map((e) => e.stepIndex), [0, 1, 2]);
    assert.equal(requests.length, runRemaining ? 1 : 2);
  });

  for (const [kind, taken] of [["billing", "billing"], ["bug", "bug"], ["spam", "other"]]) {
    test(`leaves not taken, ${kind}, runRemaining ${runRemaining}`, async () => {
      const found = await events("branch", { message: "hi", parameters: { kind }, runRemaining });
      const completed = ofType(found, "step_completed");
      const expected = { intake: { message: "in hi" }, billing: null, bug: null, other: null };
      expected[taken] = { message: `${taken} in hi` };
      expected.final = { message: `final ${taken} in hi` };
      assert.deepEqual(Object.fromEntries(completed.map((e) => [e.stepId, e.output])), expected);
      for (const event of completed) assert.equal(event.skipped, event.output === null ? true : undefined);
      assert.deepEqual(completed.map((e) => e.stepIndex), [0, 1, 2, 3, 4]);
      assert.deepEqual(found.at(-1).result, expected.final);
    });
  }

  test(`containers in containers, runRemaining ${runRemaining}`, async () => {
    const { flow, requests } = connect(holder);
    const found = await collect(flow("nested").events({ parameters: { items: ["a", "b"] }, runRemaining }));
    const completed = ofType(found, "step_completed");
    assert.deepEqual(Object.fromEntries(completed.map((e) => [e.stepId, e.output])), {
      first: { message: "first" },
      each: [{ message: "each a" }, { message: "each b" }],
      "only-a": [{ message: "a after each a" }, null],
      one: { message: "one after first" },
      two: { message: "two after one after first" },
      last: { message: "2 and two after one after first" },
    });
    assert.deepEqual(completed.map((e) => e.stepIndex), [0, 1, 2, 3, 4, 5]);
    assert.equal(requests.length, runRemaining ? 1 : 3);
    assert.deepEqual(found.at(-1).result, { message: "2 and two after one after first" });
  });

  test(`a failing step ends the stream, runRemaining ${runRemaining}`, async () => {
    const found = await events("fails", { message: "hi", runRemaining });
    const pause = runRemaining ? [] : ["step_paused"];
    assert.deepEqual(types(found), [
      "run_started",
      ...ONE_STEP,
      ...pause,
      ...["step_started", "step_input", "step_error"],
    ]);
    const { stepId, name, error } = found.at(-1);
    assert.deepEqual([stepId, name, error.code, error.attempt], ["second", "Second step", "TEMPLATE_ERROR", 1]);
  });
}

test("steps", async () => {
  const found = await steps("two-step", { message: "hi" });
  assert.deepEqual(found.map((step) => [step.type, step.stepId, step.stepIndex, step.output]), [
    ["step_completed", "first", 0, { message: "first: hi" }],
    ["step_completed", "second", 1, { message: "second: first: hi" }],
  ]);
});

test("steps also yield the failure", async () => {
  const [failed, ...more] = await steps("no-model", { message: "hi" });
  assert.deepEqual([failed.type, failed.stepId, more], ["step_error", "answer", []]);
  assert.equal(failed.error.code, "MODEL_NOT_AVAILABLE");
});

test("parameters and block overrides", async () => {
  const found = await steps("city", {
    parameters: { city: "Oslo" },
    blockOverrides: { answer: { prompt: "City {{ initial.city }}" } },
  });
  assert.deepEqual(found.map((step) => step.output), [{ message: "City Oslo" }]);
});

test("all calls are one run with one trace", async () => {
  const { flow } = connect(holder);
  const found = await collect(flow("two-step").events({ message: "hi", trace: true }));
  const { flowRun, steps: rows } = await flow("two-step").run(found[0].executionId).trace();
  assert.deepEqual([flowRun.id, flowRun.status, flowRun.triggerType], [found[0].executionId, "completed", "step"]);
  assert.deepEqual(rows.map((row) => [row.stepId, row.attempt]), [["first", 1], ["second", 1]]);
});

test("text that looks like a frame", async () => {
  const message = "a\n\nevent: flow_completed\ndata: {}\n\n\r\n\u2028 🌍";
  const found = await events("echo", { message });
  assert.deepEqual(types(found), ["run_started", ...ONE_STEP, "flow_completed"]);
  assert.deepEqual(found.at(-1).result, { message });
});

test("error replies come before the stream", async () => {
  await assert.rejects(events("no-such-flow", { message: "hi" }), (error) => {
    assert.deepEqual([error.name, error.statusCode, error.code], ["FlowNotFoundError", 404, "FLOW_NOT_FOUND"]);
    assert(error.requestId);
    return true;
  });
  await assert.rejects(steps("echo", {}), { name: "FlowExecutionError", statusCode: 422, code: "MISSING_MESSAGE" });
});

test("a stream may be left early", async () => {
  const { flow } = connect(holder);
  for await (const step of flow("two-step").steps({ message: "hi" })) {
    assert.deepEqual(step.output, { message: "first: hi" });
    break;
  }
  assert.equal((await flow("echo").execute({ message: "still here" })).status, "completed");
});

test("a signal ends a stream", async () => {
  const call = new AbortController();
  const found = [];
  await assert.rejects(async () => {
    for await (const event of connect(holder).flow("slow").events({ message: "hi", signal: call.signal })) {
      found.push(event.type);
      if (event.type === "step_input") call.abort();
    }
  });
  assert.deepEqual(found, ["run_started", "step_started", "step_input"]);
});

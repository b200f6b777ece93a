// Tool calls: pauses, resumes and their limits, in `execute` and in streams.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { test } from "node:test";
import { ToolCallLimitError } from "@noukai/sdk";
import { answer, CLOCK, collect, connect, NAMED, ofType, ONE_STEP, sunny, tool, types, WEATHER } from "./client.mjs";
import { useServer } from "./server.mjs";

const holder = useServer();
const execute = (slug, options) => connect(holder).flow(slug).execute(options);
const refused = (statusCode, code) => ({ name: "FlowExecutionError", statusCode, code });

test("a pause says everything needed to go on", async () => {
  const paused = await execute("tools-later", { message: "weather?", tools: [WEATHER, CLOCK] });
  assert.equal(paused.requiresToolCalls, true);
  assert.equal(paused.status, "tool_calls_required");
  assert.equal(paused.pausedAtStep, "ask");
  assert.equal(paused.iterationsUsed, 1);
  assert.equal(paused.blockCount, 3);
  assert.deepEqual(paused.accumulatedOutputs, { prepare: { message: "prepared: weather?" } });
  const [call] = paused.toolCalls;
  assert.equal(call.type, "function");
  assert.equal(call.function.name, "get_weather");
  const given = JSON.parse(call.function.arguments);
  assert.deepEqual([typeof given.city, given.days], ["string", 1]);
  const [turn] = paused.toolCallMessages;
  assert.equal(turn.role, "assistant");
  assert.deepEqual(turn.toolCalls, paused.toolCalls);
  assert.deepEqual(turn.tool_calls, paused.toolCalls);
});

test("manual resume", async () => {
  const paused = await execute("tools-later", { message: "weather?", tools: [WEATHER] });
  const done = await paused.resume({ toolResults: sunny(paused.toolCalls) });
  assert.equal(done.requiresToolCalls, false);
  assert.deepEqual([done.status, done.result], ["completed", { message: "report: sunny" }]);
  assert.equal(done.executionId, paused.executionId);
  await assert.rejects(paused.resume({ toolResults: sunny(paused.toolCalls) }), refused(409, "ALREADY_RESUMED"));
});

test("each documented shape of a tool result", async () => {
  for (const result of [
    (call) => ({ role: "tool", toolCallId: call.id, content: "sunny" }),
    (call) => ({ role: "tool", tool_call_id: call.id, content: "sunny" }),
    (call) => ({ tool_call_id: call.id, output: "sunny" }),
    (call) => ({ toolCallId: call.id, output: "sunny" }),
  ]) {
    const toolHandler = (calls) => calls.map(result);
    const done = await execute("tools", { message: "hi", tools: [WEATHER], toolHandler });
    assert.deepEqual(done.result, { message: "report: sunny" });
  }
});

test("handlers resume by themselves", async () => {
  for (const toolHandler of [sunny, async (calls) => sunny(calls)]) {
    const { flow, requests } = connect(holder);
    const done = await flow("tools").execute({ message: "weather?", tools: [WEATHER], toolHandler });
    assert.deepEqual(done.result, { message: "report: sunny" });
    assert.equal(requests.length, 2);
  }
});

test("tools in a chat flow", async () => {
  const done = await execute("chat-tools", { message: "weather?", tools: [WEATHER], toolHandler: sunny });
  assert.deepEqual(done.result, { message: "sunny" });
});

test("tool choice", async () => {
  const auto = await execute("tools", { message: "hi", tools: [WEATHER, CLOCK], toolChoice: "auto" });
  assert.equal(auto.toolCalls[0].function.name, "get_weather");
  const none = await execute("tools", { message: "hi", tools: [WEATHER], toolChoice: "none" });
  assert.deepEqual(none.result, { message: "report: hi" });
  const named = await execute("tools", { message: "hi", tools: [WEATHER, CLOCK], toolChoice: NAMED });
  assert.deepEqual(named.toolCalls[0].function, { name: "get_time", arguments: "{}" });
});

test("tool choice required counts on each resume", async () => {
  const paused = await execute("tools", { message: "hi", tools: [WEATHER], toolChoice: "required" });
  const again = await paused.resume({ toolResults: sunny(paused.toolCalls) });
  assert.equal(again.requiresToolCalls, true);
  assert.deepEqual([again.executionId, again.iterationsUsed], [paused.executionId, 2]);
  assert.deepEqual(again.toolCallMessages.map((turn) => turn.role), ["assistant", "tool", "assistant"]);
  const third = await again.resume({ toolResults: sunny(again.toolCalls) });
  assert.equal(third.iterationsUsed, 3);
});

test("max tool rounds", async () => {
  let rounds = 0;
  const toolHandler = (calls) => {
    rounds += 1;
    return sunny(calls);
  };
  const options = { message: "hi", tools: [WEATHER], toolChoice: "required", toolHandler, maxToolRounds: 2 };
  await assert.rejects(execute("tools", options), (error) => {
    assert(error instanceof ToolCallLimitError);
    assert.equal(error.code, "TOOL_CALL_LIMIT_CLIENT");
    assert(error.executionId);
    return true;
  });
  assert.equal(rounds, 2);
});

test("the block's own limit", async () => {
  const options = { message: "hi", tools: [WEATHER], toolChoice: "required", toolHandler: sunny };
  await assert.rejects(execute("tools-limited", options), refused(409, "TOOL_ITERATION_LIMIT"));
});

test("results must answer the calls", async () => {
  const paused = await execute("tools", { message: "hi", tools: [WEATHER] });
  for (const toolResults of [[], [answer({ id: "call-of-another" })]]) {
    await assert.rejects(paused.resume({ toolResults }), refused(400, "TOOL_RESULTS_MISMATCH"));
  }
  const done = await paused.resume({ toolResults: sunny(paused.toolCalls) });
  assert.deepEqual(done.result, { message: "report: sunny" });
});

test("a resume names the paused run and step", async () => {
  const paused = await execute("tools", { message: "hi", tools: [WEATHER] });
  const { executionId, pausedAtStep } = paused;
  paused.pausedAtStep = "report";
  await assert.rejects(paused.resume({ toolResults: sunny(paused.toolCalls) }), refused(400, "PAUSED_STEP_INVALID"));
  Object.assign(paused, { pausedAtStep, executionId: randomUUID() });
  await assert.rejects(paused.resume({ toolResults: sunny(paused.toolCalls) }), refused(400, "EXECUTION_ID_INVALID"));
  paused.executionId = executionId;
  assert.equal((await paused.resume({ toolResults: sunny(paused.toolCalls) })).status, "completed");
});

test("malformed and unwanted tools", async () => {
  for (const [slug, tools, code] of [
    ["echo", [WEATHER], "TOOLS_NOT_ENABLED"],
    ["tools", [tool("bad name!")], "TOOL_NAME_INVALID"],
    ["tools", [WEATHER, WEATHER], "TOOLS_INVALID"],
    ["tools", Array.from({ length: 65 }, (_, index) => tool(`tool_${index}`)), "TOOLS_INVALID"],
  ]) {
    await assert.rejects(execute(slug, { message: "hi", tools }), refused(400, code));
  }
});

test("a handler in a stream hides the pause", async () => {
  const { flow, requests } = connect(holder);
  const events = await collect(flow("tools").events({ message: "weather?", tools: [WEATHER], toolHandler: sunny }));
  assert.deepEqual(types(events), ["run_started", ...ONE_STEP, "step_paused", ...ONE_STEP, "flow_completed"]);
  assert.deepEqual(events.at(-1).result, { message: "report: sunny" });
  assert.deepEqual(ofType(events, "step_completed").map((event) => event.stepIndex), [0, 1]);
  assert.equal(requests.length, 3);
});

test("a handler in a stream that runs on", async () => {
  const { flow, requests } = connect(holder);
  const options = { message: "weather?", tools: [WEATHER], toolHandler: async (calls) => sunny(calls), runRemaining: true };
  const events = await collect(flow("tools-later").events(options));
  assert.deepEqual(types(events), ["run_started", ...ONE_STEP, ...ONE_STEP, ...ONE_STEP, "flow_completed"]);
  assert.deepEqual(events.at(-1).result, { message: "report: sunny" });
  assert.equal(requests.length, 2);
});

for (const runRemaining of [false, true]) {
  test(`a pause behind skipped blocks, runRemaining ${runRemaining}`, async () => {
    const options = { message: "hi", parameters: { kind: "bug" }, tools: [WEATHER], toolHandler: sunny, runRemaining };
    const events = await collect(connect(holder).flow("tools-branch").events(options));
    const completed = ofType(events, "step_completed");
    assert.deepEqual(Object.fromEntries(completed.map((event) => [event.stepId, event.output])), {
      billing: null,
      ask: { message: "sunny" },
      other: null,
      report: { message: "report: sunny" },
    });
    assert.equal(completed.length, 4);
    assert.deepEqual(events.at(-1).result, { message: "report: sunny" });
  });
}

test("a pause that is ignored comes again", async () => {
  const { flow } = connect(holder);
  const pauses = [];
  let last;
  for await (const event of flow("tools").events({ message: "weather?", tools: [WEATHER] })) {
    last = event;
    if (event.type !== "tool_calls_required") continue;
    pauses.push(event);
    if (pauses.length === 2) await event.resume({ toolResults: sunny(event.toolCalls) });
  }
  assert.deepEqual(pauses.map((pause) => [pause.stepIndex, pause.iterationsUsed]), [[0, 1], [0, 1]]);
  assert.equal(pauses[1].executionId, pauses[0].executionId);
  assert.deepEqual(last.result, { message: "report: sunny" });
});

test("tool choice in a stream", async () => {
  const names = [];
  const toolHandler = (calls) => {
    names.push(...calls.map((call) => call.function.name));
    return sunny(calls);
  };
  const options = { message: "hi", tools: [WEATHER, CLOCK], toolChoice: NAMED, toolHandler };
  const events = await collect(connect(holder).flow("tools").events(options));
  assert.deepEqual([names, events.at(-1).result], [["get_time"], { message: "report: sunny" }]);
});

test("a handler in steps", async () => {
  const steps = await collect(
    connect(holder).flow("tools-later").steps({ message: "weather?", tools: [WEATHER], toolHandler: sunny }),
  );
  assert.deepEqual(steps.map((step) => [step.stepId, step.stepIndex, step.output.message]), [
    ["prepare", 0, "prepared: weather?"],
    ["ask", 1, "sunny"],
    ["report", 2, "report: sunny"],
  ]);
});

for (const slug of ["tools", "tools-later"]) {
  test(`manual resume in a stream of ${slug}`, async () => {
    const events = [];
    for await (const event of connect(holder).flow(slug).events({ message: "weather?", tools: [WEATHER] })) {
      events.push(event);
      if (event.type === "tool_calls_required") await event.resume({ toolResults: sunny(event.toolCalls) });
    }
    const [pause, ...more] = ofType(events, "tool_calls_required");
    assert.equal(more.length, 0);
    assert.equal(pause.runId, pause.executionId);
    assert.equal(pause.executionId, events[0].executionId);
    const before = slug === "tools" ? [] : [...ONE_STEP, "step_paused"];
    assert.deepEqual([pause.stepId, pause.stepIndex, pause.iterationsUsed], ["ask", slug === "tools" ? 0 : 1, 1]);
    assert.deepEqual(types(events), [
      "run_started",
      ...before,
      ...["step_started", "step_input", "tool_calls_required", "step_output", "step_completed", "step_paused"],
      ...ONE_STEP,
      "flow_completed",
    ]);
    assert.deepEqual(events.at(-1).result, { message: "report: sunny" });
  });
}

test("max tool rounds in a stream", async () => {
  const { flow, requests } = connect(holder);
  const options = { message: "hi", tools: [WEATHER], toolChoice: "required", toolHandler: sunny, maxToolRounds: 2 };
  await assert.rejects(collect(flow("tools").events(options)), ToolCallLimitError);
  assert.equal(requests.length, 3);
});

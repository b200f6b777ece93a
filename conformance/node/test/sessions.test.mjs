// Sessions: runs captured under one id, and replayed without the server running a flow.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { test } from "node:test";
import { currentScope, currentSessionId, traceScope } from "@noukai/sdk";
import { noukaiTraceMiddleware } from "@noukai/sdk/adapters/express";
import { withNoukaiTrace } from "@noukai/sdk/adapters/nextjs";
import { collect, connect, ofType, session, sunny, types, WEATHER, withReplay } from "./client.mjs";
import { useServer } from "./server.mjs";

const holder = useServer();

async function captured(run) {
  let sessionId;
  const results = await traceScope(async () => {
    sessionId = currentSessionId();
    return run();
  });
  return { sessionId, results };
}

const replayed = (sessionId, noukai, run) =>
  withReplay(() => traceScope(run, { replaySessionId: sessionId, transport: noukai._transport }));

test("a scope tags every run", async () => {
  const { flow } = connect(holder);
  const { sessionId, results } = await captured(async () => {
    const executed = await flow("two-step").execute({ message: "hi" });
    const [started] = await collect(flow("echo").events({ message: "hi" }));
    const job = await flow("echo").executeAsync({ message: "job" });
    await job.wait({ pollInterval: 20 });
    return { executed, started, job };
  });
  assert.deepEqual([currentSessionId(), currentScope()], [null, null]);
  assert.equal(results.executed.sessionId, sessionId);
  const body = await session(holder, sessionId);
  assert.equal(body.sessionId, sessionId);
  assert.deepEqual(body.executions.map((run) => [run.executionId, run.slug, run.triggerType, run.status]), [
    [results.executed.executionId, "two-step", "execute", "completed"],
    [results.started.executionId, "echo", "step", "completed"],
    [results.job.executionId, "echo", "job", "completed"],
  ]);
});

test("scopes are logged, and may capture nothing", async () => {
  const log = [];
  const { noukai } = connect(holder, { onLog: (event) => log.push(event) });
  const inside = await traceScope(async () => currentSessionId(), { capture: false, transport: noukai._transport });
  assert.equal(inside, null);
  assert.deepEqual(log, [
    { phase: "scope_open", mode: "normal", sessionId: null },
    { phase: "scope_close", mode: "normal", sessionId: null },
  ]);
});

test("session ids of the client and of the call", async () => {
  const [mine, other] = [randomUUID(), randomUUID()];
  const { noukai, flow } = connect(holder, { sessionId: mine });
  assert.equal(noukai.defaultSessionId, mine);
  assert.equal((await flow("echo").execute({ message: "1" })).sessionId, mine);
  assert.equal((await flow("echo").execute({ message: "2", sessionId: other })).sessionId, other);
  await collect(flow("echo").steps({ message: "3" }));
  await collect(flow("two-step").events({ message: "4", sessionId: other }));
  const job = await flow("echo").executeAsync({ message: "5", sessionId: other, timeout: 10_000 });
  await job.wait({ pollInterval: 20 });
  const kinds = async (id) => (await session(holder, id)).executions.map((run) => run.triggerType);
  assert.deepEqual(await kinds(mine), ["execute", "step"]);
  assert.deepEqual(await kinds(other), ["execute", "step", "job"]);
});

test("a paused run keeps its session", async () => {
  const { flow } = connect(holder);
  const { sessionId, results } = await captured(() =>
    flow("tools").execute({ message: "hi", tools: [WEATHER], toolHandler: sunny }),
  );
  const { executions } = await session(holder, sessionId);
  assert.deepEqual(executions.map((run) => [run.executionId, run.status]), [[results.executionId, "completed"]]);
});

for (const [number, [slug, options]] of [
  ["echo", { message: "one" }],
  ["two-step", { message: "two" }],
  ["extract", { message: "three" }],
  ["loop", { parameters: { items: ["a", "b"] } }],
  ["loop-then-total", { parameters: { items: ["a", "b"] } }],
  ["parallel", { message: "four" }],
  ["branch", { message: "five", parameters: { kind: "billing" } }],
  ["branch-last", { message: "six", parameters: { kind: "billing" } }],
  ["nested", { parameters: { items: ["a", "b"] } }],
  ["tools-later", { message: "seven", tools: [WEATHER], toolHandler: sunny }],
].entries()) {
  test(`a replayed result is the recorded one, ${number} ${slug}`, async () => {
    const { noukai, flow, requests } = connect(holder);
    const { sessionId, results: live } = await captured(() => flow(slug).execute(options));
    const before = requests.length;
    const again = await replayed(sessionId, noukai, () => flow(slug).execute({ message: "anything" }));
    assert.deepEqual(again.result, live.result);
    assert.deepEqual([again.status, again.executionId], ["completed", live.executionId]);
    assert.equal(again.sessionId, sessionId);
    assert.deepEqual(requests.slice(before), [`GET /seq/sessions/${sessionId}`]);
  });
}

test("calls are matched in order per flow", async (context) => {
  context.mock.method(console, "warn", () => {}); // the client warns of any second call to a flow
  const { noukai, flow } = connect(holder);
  const { sessionId } = await captured(async () => {
    await flow("echo").execute({ message: "one" });
    await flow("two-step").execute({ message: "two" });
    await flow("echo").execute({ message: "three" });
  });
  await replayed(sessionId, noukai, async () => {
    assert.deepEqual((await flow("two-step").execute({})).result, { message: "second: first: two" });
    assert.deepEqual((await flow("echo").execute({})).result, { message: "one" });
    assert.deepEqual((await flow("echo").execute({})).result, { message: "three" });
  });
});

test("replayed events and steps", async () => {
  const { noukai, flow } = connect(holder);
  const { sessionId, results: live } = await captured(() => collect(flow("two-step").events({ message: "hi" })));
  const events = await replayed(sessionId, noukai, () => collect(flow("two-step").events({ message: "anything" })));
  const step = ["step_started", "step_completed"];
  assert.deepEqual(types(events), ["run_started", ...step, ...step, "flow_completed"]);
  const outputs = (found) => ofType(found, "step_completed").map((e) => [e.stepId, e.stepIndex, e.output]);
  assert.deepEqual(outputs(events), outputs(live));
  assert.deepEqual(events.at(-1).result, live.at(-1).result);
  const steps = await replayed(sessionId, noukai, () => collect(flow("two-step").steps({ message: "anything" })));
  assert.deepEqual(outputs(steps), outputs(live));
});

test("recorded failures", async () => {
  const { noukai, flow } = connect(holder);
  const { sessionId, results: live } = await captured(() => flow("fails").execute({ message: "hi" }));
  await assert.rejects(replayed(sessionId, noukai, () => flow("fails").execute({})), {
    name: "FlowExecutionError",
    code: "TEMPLATE_ERROR",
    message: live.result.error.message,
    executionId: live.executionId,
  });
});

test("failures that hide easily", async () => {
  const { noukai, flow } = connect(holder);
  const container = await captured(() => flow("loop-over").execute({ message: "hi" }));
  await assert.rejects(replayed(container.sessionId, noukai, () => flow("loop-over").execute({})), {
    name: "FlowExecutionError",
    code: "LOOP_INPUT_INVALID",
  });
  const parameters = { items: [{ name: "a" }, {}] };
  const item = await captured(() => collect(flow("loop-continue").events({ parameters })));
  const events = await replayed(item.sessionId, noukai, () => collect(flow("loop-continue").events({})));
  assert.deepEqual(ofType(events, "step_error"), []);
  assert.deepEqual(events.at(-1).result, { message: "2 items" });
});

test("misses and leftovers", async (context) => {
  context.mock.method(console, "warn", () => {});
  const { noukai, flow } = connect(holder);
  const { sessionId, results } = await captured(() => flow("echo").execute({ message: "one" }));
  const twice = async () => {
    await flow("echo").execute({});
    await flow("echo").execute({});
  };
  await assert.rejects(replayed(sessionId, noukai, twice), { name: "ReplayMissError", message: /call #2/ });
  const other = replayed(sessionId, noukai, () => flow("two-step").execute({}));
  await assert.rejects(other, { name: "ReplayMissError", message: /two-step/ });
  const nothing = replayed(sessionId, noukai, async () => {});
  await assert.rejects(nothing, { name: "ReplayLeftoverError", message: new RegExp(results.executionId) });
  const job = replayed(sessionId, noukai, () => flow("echo").executeAsync({ message: "x" }));
  await assert.rejects(job, { name: "ReplayError", message: /jobs/ });
});

test("an explicit session inside a replay", async () => {
  const { noukai, flow } = connect(holder);
  const outer = (await captured(() => flow("echo").execute({ message: "outer" }))).sessionId;
  const inner = (await captured(() => flow("echo").execute({ message: "inner" }))).sessionId;
  const result = await replayed(outer, noukai, () => flow("echo").execute({ sessionId: inner }));
  assert.deepEqual([result.result, result.sessionId], [{ message: "inner" }, inner]);
});

test("sessions that cannot be replayed", async () => {
  const { noukai, flow } = connect(holder);
  const { sessionId } = await captured(() => flow("private").execute({ message: "hi" }));
  await assert.rejects(replayed(sessionId, noukai, async () => {}), { name: "ReplayNoSnapshotsError" });
  const unknown = replayed(randomUUID(), noukai, async () => {});
  await assert.rejects(unknown, { name: "ReplaySessionNotFoundError", statusCode: 404 });
  const misshapen = replayed("no-uuid", noukai, async () => {});
  await assert.rejects(misshapen, { name: "ReplayInvalidSessionError", statusCode: 400 });
});

test("without the switch a replay is a capture", async () => {
  const { noukai, flow } = connect(holder);
  const { sessionId } = await captured(() => flow("echo").execute({ message: "one" }));
  const result = await traceScope(() => flow("echo").execute({ message: "live" }), {
    replaySessionId: sessionId,
    transport: noukai._transport,
  });
  assert.deepEqual(result.result, { message: "live" });
  assert.notEqual(result.sessionId, sessionId);
});

test("the Next.js adapter", async () => {
  const { noukai, flow } = connect(holder);
  const route = withNoukaiTrace(
    async () => Response.json((await flow("two-step").execute({ message: "hi" })).result),
    { client: noukai },
  );
  const live = await route(new Request("http://app.test/"));
  const sessionId = live.headers.get("X-Noukai-Session");
  assert.deepEqual(await live.json(), { message: "second: first: hi" });
  const replay = (id) => withReplay(() => route(new Request("http://app.test/", { headers: { "X-Noukai-Replay": id } })));
  const again = await replay(sessionId);
  assert.equal(again.headers.get("X-Noukai-Session"), sessionId);
  assert.deepEqual(await again.json(), { message: "second: first: hi" });
  assert.equal((await session(holder, sessionId)).executions.length, 1);
  const unknown = await replay(randomUUID());
  assert.deepEqual([unknown.status, (await unknown.json()).error], [404, "replay_session_not_found"]);
});

/** As much of an Express response as the adapter touches. */
class Response_ {
  headers = {};
  headersSent = false;
  statusCode = 200;

  setHeader(name, value) {
    this.headers[name.toLowerCase()] = value;
  }

  writeHead(status) {
    Object.assign(this, { statusCode: status, headersSent: true });
  }

  status(code) {
    this.statusCode = code;
    return this;
  }

  json(body) {
    this.body = body;
    this.writeHead(this.statusCode);
    this.ended();
  }
}

/** Calls the middleware the way it expects: `next` gets a callback, and calls it when the handler is done. */
function callMiddleware(middleware, headers, handler) {
  return new Promise((settle) => {
    const response = new Response_();
    response.ended = () => settle(response);
    middleware({ headers }, response, (done) => {
      if (typeof done === "function") handler(response).then(() => done(), done);
    });
  });
}

test("the Express adapter", async () => {
  const { noukai, flow } = connect(holder);
  const middleware = noukaiTraceMiddleware({ client: noukai });
  const handler = async (response) => response.json((await flow("two-step").execute({ message: "hi" })).result);
  const live = await callMiddleware(middleware, {}, handler);
  const sessionId = live.headers["x-noukai-session"];
  assert.deepEqual(live.body, { message: "second: first: hi" });
  assert.equal((await session(holder, sessionId)).executions.length, 1);
  await withReplay(async () => {
    const again = await callMiddleware(middleware, { "x-noukai-replay": sessionId }, handler);
    assert.deepEqual([again.body, again.headers["x-noukai-session"]], [live.body, sessionId]);
    const unknown = await callMiddleware(middleware, { "x-noukai-replay": randomUUID() }, handler);
    assert.deepEqual([unknown.statusCode, unknown.body.error], [404, "replay_session_not_found"]);
  });
  assert.equal((await session(holder, sessionId)).executions.length, 1);
});

// The client itself, and its error classes with codes and request ids, each provoked on the server.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { test } from "node:test";
import { Noukai, ServerErrorCode, VERSION } from "@noukai/sdk";
import * as sdk from "@noukai/sdk";
import { collect, connect } from "./client.mjs";
import { useServer } from "./server.mjs";

const holder = useServer();

/** Awaits a call that must be refused, and checks what every error carries. */
async function refusal(call, name, statusCode, code) {
  const error = await call.then(
    () => assert.fail("not refused"),
    (reason) => reason,
  );
  assert(error instanceof sdk[name] && error instanceof sdk.NoukaiError, String(error));
  assert.deepEqual([error.name, error.statusCode, error.code], [name, statusCode, code]);
  assert.equal(error.responseBody.detail.code, code);
  assert.equal(error.message, error.responseBody.detail.message);
  assert(error.message && error.requestId);
  return error;
}

test("the published version is tested", () => {
  assert.equal(VERSION, "0.2.0"); // what @noukai/sdk 0.3.0 says of itself
});

test("construction", async () => {
  assert.throws(() => new Noukai(), { name: "AuthenticationError", message: /No API key/ });
  assert.throws(() => new Noukai({ apiKey: "sk_1234" }), { name: "AuthenticationError", message: /prefix/ });
  const { api_key: apiKey, org, project } = holder.server.ready;
  assert.throws(() => new Noukai({ apiKey, org }), /together/);
  process.env.NOUKAI_API_KEY = apiKey;
  try {
    const noukai = new Noukai({ env: "dev", org, project });
    assert.deepEqual([noukai.defaultOrg, noukai.defaultProject], [org, project]);
    assert.deepEqual((await noukai.flow("echo").execute({ message: "hi" })).result, { message: "hi" });
  } finally {
    delete process.env.NOUKAI_API_KEY;
  }
});

test("a flow is addressed in three ways", async () => {
  const { org, project } = holder.server.ready;
  const { noukai } = connect(holder);
  for (const flow of [noukai.flow("echo"), noukai.flow(`${org}/${project}/echo`), noukai.flow({ org, project, slug: "echo" })]) {
    assert.deepEqual([flow.org, flow.project, flow.slug], [org, project, "echo"]);
    assert.deepEqual((await flow.execute({ message: "hi" })).result, { message: "hi" });
  }
  for (const wrong of ["", "a/b", "a/b/c/d", "a//c", { org, project, slug: "" }]) {
    assert.throws(() => noukai.flow(wrong));
  }
});

test("closing", async () => {
  const { noukai } = connect(holder);
  await noukai.close();
  await noukai.close();
  await noukai[Symbol.asyncDispose]();
});

test("logging", async () => {
  const path = `/seq/${holder.server.ready.org}/${holder.server.ready.project}/echo/execute`;
  for (const logPayloads of [false, true]) {
    const log = [];
    await connect(holder, { onLog: (event) => log.push(event), logPayloads }).flow("echo").execute({ message: "hi" });
    const [request, response] = log;
    assert.deepEqual([request.phase, request.method, request.path, request.attempt], ["request", "POST", path, 0]);
    assert.deepEqual([response.phase, response.statusCode], ["response", 200]);
    assert(response.requestId);
    assert.equal("requestBody" in request, logPayloads);
    assert.deepEqual(response.responseBody?.result, logPayloads ? { message: "hi" } : undefined);
  }
});

test("401", async () => {
  for (const apiKey of ["nk_", "nk_test_abcdefgh", `nk_test_abcdefgh_${"a".repeat(32)}`]) {
    const { flow } = connect(holder, { apiKey });
    for (const call of [
      () => flow("echo").execute({ message: "hi" }),
      () => flow("no/such/flow").execute({ message: "hi" }),
      () => collect(flow("echo").events({ message: "hi" })),
      () => flow("echo").executeAsync({ message: "hi" }),
      () => flow("echo").run(randomUUID()).trace(),
      () => collect(flow("echo").run(randomUUID()).liveTrace()),
    ]) {
      await refusal(call(), "AuthenticationError", 401, "UNAUTHENTICATED");
    }
  }
});

test("403", async () => {
  const { flow } = connect(holder);
  for (const path of ["no-such-org/demo/echo", `${holder.server.ready.org}/no-such-project/echo`]) {
    await refusal(flow(path).execute({ message: "hi" }), "PermissionDeniedError", 403, "FORBIDDEN");
    await refusal(collect(flow(path).steps({ message: "hi" })), "PermissionDeniedError", 403, "FORBIDDEN");
    await refusal(flow(path).run(randomUUID()).trace(), "PermissionDeniedError", 403, "FORBIDDEN");
  }
});

test("404", async () => {
  const { flow } = connect(holder);
  const code = ServerErrorCode.FLOW_NOT_FOUND;
  await refusal(flow("no-such-flow").execute({ message: "hi" }), "FlowNotFoundError", 404, code);
  await refusal(flow("no-such-flow").executeAsync({ message: "hi" }), "FlowNotFoundError", 404, code);
  await refusal(flow("echo").execute({ message: "hi", version: 99 }), "FlowNotFoundError", 404, "VERSION_NOT_FOUND");
});

test("422 and 413", async () => {
  const { flow } = connect(holder);
  await refusal(flow("echo").execute(), "FlowExecutionError", 422, ServerErrorCode.MISSING_MESSAGE);
  const wrong = flow("city").execute({ parameters: { city: 7 } });
  const error = await refusal(wrong, "FlowExecutionError", 422, "VALIDATION_ERROR");
  assert(error.responseBody.detail.errors[0].loc.includes("city"));
  const large = flow("echo").execute({ message: "x".repeat(11_000_000) });
  await refusal(large, "FlowExecutionError", 413, "PAYLOAD_TOO_LARGE");
});

test("429", async () => {
  // One key more than a project may have. The client has no method for keys, so its transport is used.
  const phases = [];
  const { noukai } = connect(holder, { onLog: (event) => phases.push(event.phase), maxRetries: 1 });
  const json = { project_id: holder.server.ready.project_id, environment: "test" };
  const made = [];
  const make = async () => {
    for (let number = 0; number < 11; number += 1) {
      const { body } = await noukai._transport.request("POST", "/keys", { json: { ...json, name: `key ${number}` } });
      made.push(body.key_id);
    }
  };
  const limited = await refusal(make(), "RateLimitError", 429, "RATE_LIMITED");
  assert(limited.retryAfter >= 1);
  assert(made.length >= 1 && made.length <= 10);
  // The client sends a limited POST once more, after a second of its own.
  assert.deepEqual(phases.slice(-5), ["request", "response", "retry", "request", "response"]);
  for (const id of made) await noukai._transport.request("DELETE", `/keys/${id}`);
});

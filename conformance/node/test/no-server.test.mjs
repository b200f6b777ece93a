// Without the server: no connection, and the replies it gives only when budgets, load or time run out. The bodies are
// those of the published contract, given by a stand-in on the server's port.

import assert from "node:assert/strict";
import { test } from "node:test";
import { APIConnectionError } from "@noukai/sdk";
import { collect, connect } from "./client.mjs";
import { PORT } from "./server.mjs";
import { serve } from "./stub.mjs";

const nowhere = { server: { ready: { api_key: `nk_test_abcdefgh_${"a".repeat(32)}`, org: "acme", project: "demo" } } };

const refusal = (status, code, headers = {}) => [
  status,
  { detail: { code, message: `This is ${code}.` } },
  { "X-Request-ID": "request-1", ...headers },
];

async function standIn(reply, run) {
  const stub = await serve(reply, PORT);
  try {
    await run(stub);
  } finally {
    await stub.close();
  }
}

test("no connection", async () => {
  const { flow } = connect(nowhere);
  await assert.rejects(flow("echo").execute({ message: "hi" }), (error) => {
    assert(error instanceof APIConnectionError);
    assert.equal(error.name, "APIConnectionError");
    return true;
  });
});

for (const [status, code, name] of [
  [402, "INSUFFICIENT_CREDITS", "InsufficientCreditsError"],
  [402, "CREDITS_EXHAUSTED", "InsufficientCreditsError"],
  [503, "BILLING_UNAVAILABLE", "FlowExecutionError"],
  [503, "OVERLOADED", "FlowExecutionError"],
  [500, "INTERNAL_ERROR", "FlowExecutionError"],
  [500, "INVALID_TREE", "FlowExecutionError"],
]) {
  test(`${status} ${code}`, () =>
    standIn(
      () => refusal(status, code),
      async () => {
        const { flow } = connect(nowhere, { maxRetries: 0 });
        const expected = { name, statusCode: status, code, message: `This is ${code}.`, requestId: "request-1" };
        await assert.rejects(flow("echo").execute({ message: "hi" }), expected);
        await assert.rejects(collect(flow("echo").events({ message: "hi" })), expected);
      },
    ));
}

test("a POST is sent again after a 5xx, without a key to tell the two apart", () => {
  const done = { status: "completed", result: {}, flowId: "f", blockCount: 1, executionId: "r" };
  const list = [refusal(503, "OVERLOADED"), [200, done]];
  return standIn(
    () => list.shift(),
    async (stub) => {
      const result = await connect(nowhere).flow("echo").execute({ message: "hi" });
      assert.equal(result.executionId, "r");
      assert.deepEqual(stub.requests.map(({ method }) => method), ["POST", "POST"]);
      assert.equal("idempotency-key" in stub.requests[1].headers, false);
    },
  );
});

// Drafts that cannot run are the 5xx that the server can be made to give at any time.

import assert from "node:assert/strict";
import { test } from "node:test";
import { collect, connect } from "./client.mjs";
import { BROKEN_FLOWS, useServer } from "./server.mjs";

const holder = useServer({ flows: BROKEN_FLOWS });

for (const [slug, code] of [["no-steps", "NO_STEPS"], ["misspelt", "INVALID_TREE"]]) {
  test(`500 ${code}`, async () => {
    const { flow, requests } = connect(holder);
    const expected = { name: "FlowExecutionError", statusCode: 500, code };
    await assert.rejects(flow(slug).execute({ message: "hi" }), expected);
    assert.equal(requests.length, 2); // this client sends a POST again after a 5xx
    await assert.rejects(collect(flow(slug).events({ message: "hi" })), expected);
    assert.equal(requests.length, 3); // but never a stream's
    const once = connect(holder, { maxRetries: 0 });
    await assert.rejects(once.flow(slug).executeAsync({ message: "hi" }), expected);
    assert.equal(once.requests.length, 1);
  });
}

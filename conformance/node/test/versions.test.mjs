// Versions, set with the command line while the server runs. This client calls the base path "draft" although it is
// production; it reaches the draft with the number 0.

import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { collect, connect } from "./client.mjs";
import { useServer } from "./server.mjs";

/** `versioned`: version 1 says "first" and is production, version 2 says "second", the draft says "third". */
async function prepare(server) {
  const document = join(server.folder, "versioned.flow.yaml");
  await server.publish("versioned", "the first");
  for (const [before, after] of [["first", "second"], ["second", "third"]]) {
    await server.stop();
    const text = await readFile(document, "utf8");
    await writeFile(document, text.replace(`"${before} `, `"${after} `));
    await server.start();
    if (after === "second") await server.publish("versioned", "the second");
  }
  await server.promote("versioned", 1);
}

const holder = useServer({ prepare });

for (const [version, word, number] of [
  [undefined, "first", 1],
  ["draft", "first", 1],
  [1, "first", 1],
  [2, "second", 2],
  [0, "third", 0],
]) {
  test(`version ${version}`, async () => {
    const flow = connect(holder).flow("versioned");
    const options = { message: "hi", ...(version === undefined ? {} : { version }) };
    const expected = { message: `${word} hi` };
    assert.deepEqual((await flow.execute(options)).result, expected);
    const job = await flow.executeAsync(options);
    assert.deepEqual((await job.wait({ pollInterval: 20 })).result, expected);
    assert.deepEqual((await collect(flow.steps(options)))[0].output, expected);
    const events = await collect(flow.events(options));
    assert.deepEqual([events[0].version, events.at(-1).result], [number, expected]);
  });
}

test("setting production is instant", async () => {
  const flow = connect(holder).flow("versioned");
  await holder.server.promote("versioned", 2);
  assert.deepEqual((await flow.execute({ message: "hi" })).result, { message: "second hi" });
  await holder.server.promote("versioned", 1);
  assert.deepEqual((await flow.execute({ message: "hi" })).result, { message: "first hi" });
});

test("unknown versions", async () => {
  const flow = connect(holder).flow("versioned");
  const expected = { name: "FlowNotFoundError", statusCode: 404, code: "VERSION_NOT_FOUND" };
  await assert.rejects(flow.execute({ message: "hi", version: 3 }), expected);
});

test("streams take production, silently, as the base path", async () => {
  const [step] = await collect(connect(holder).flow("versioned").steps({ message: "hi", version: "production" }));
  assert.deepEqual(step.output, { message: "first hi" });
});

// What reaches a model provider, and what comes back: the server is pointed at a stand-in for one.

import assert from "node:assert/strict";
import { after, test } from "node:test";
import { connect, sunny, WEATHER } from "./client.mjs";
import { useServer } from "./server.mjs";
import { serve } from "./stub.mjs";

const KEY = "sk-stand-in";
let provider;

const holder = useServer({
  env: async () => {
    provider = await serve(() => [200, completion("unused")]);
    return {
      NOUKAI_PROVIDER_BASE_URL: `http://127.0.0.1:${provider.port}/v1`,
      NOUKAI_PROVIDER_API_KEY: KEY,
    };
  },
});
after(() => provider?.close());

function completion(content, toolCalls) {
  const message = { role: "assistant", content, ...(toolCalls ? { tool_calls: toolCalls } : {}) };
  return {
    id: "completion-1",
    object: "chat.completion",
    created: 1,
    model: "stand-in",
    choices: [{ index: 0, message, finish_reason: toolCalls ? "tool_calls" : "stop" }],
    usage: { prompt_tokens: 7, completion_tokens: 3, total_tokens: 10 },
  };
}

/** Sets the provider's next replies, the last one for good. */
function replies(...list) {
  provider.requests.length = 0;
  provider.reply = () => (list.length > 1 ? list.shift() : list[0]);
}

test("overrides, attachments and tokens", async () => {
  replies([200, completion("hello back")]);
  const flow = connect(holder).flow("retry");
  const result = await flow.execute({
    message: "hello",
    blockOverrides: { answer: { temperature: 0.5 } },
    attachments: [{ url: "https://example.com/cat.png", mimeType: "image/png" }],
  });
  assert.deepEqual(result.result, { message: "hello back" });
  const [{ path, body, headers }] = provider.requests;
  assert.deepEqual([path, headers.authorization], ["/v1/chat/completions", `Bearer ${KEY}`]);
  assert.deepEqual([body.temperature, body.max_tokens], [0.5, 50]);
  assert.deepEqual(body.messages[0], { role: "system", content: "You are brief." });
  const [text, image] = body.messages[1].content;
  assert.deepEqual(text, { type: "text", text: "hello" });
  assert.deepEqual([image.type, image.image_url.url], ["image_url", "https://example.com/cat.png"]);
  const [step] = (await flow.run(result.executionId).trace()).steps;
  assert.deepEqual(step.tokens, { prompt: 7, completion: 3, total: 10 });
});

test("tools", async () => {
  const call = { id: "call-1", type: "function", function: { name: "get_weather", arguments: '{"city":"Oslo"}' } };
  replies([200, completion(null, [call])], [200, completion("It is sunny.")]);
  const done = await connect(holder).flow("chat-tools").execute({
    message: "weather?",
    tools: [WEATHER],
    toolChoice: "auto",
    toolHandler: sunny,
  });
  assert.deepEqual(done.result, { message: "It is sunny." });
  const [first, second] = provider.requests.map(({ body }) => body);
  assert.deepEqual([first.tools, first.tool_choice], [[WEATHER], "auto"]);
  assert.deepEqual(first.messages, [
    { role: "system", content: "You are a helpful agent." },
    { role: "user", content: "weather?" },
  ]);
  assert.deepEqual(second.messages.at(-1), { role: "tool", tool_call_id: "call-1", content: "sunny" });
});

test("a rejected key", async () => {
  replies([401, { error: { message: `Incorrect API key provided: ${KEY}` } }]);
  for (const maxRetries of [0, 1]) {
    const { flow, requests } = connect(holder, { maxRetries });
    await assert.rejects(flow("retry").execute({ message: "hello" }), (error) => {
      assert.deepEqual([error.name, error.statusCode, error.code], ["FlowExecutionError", 502, "BYOK_KEY_REJECTED"]);
      assert(error.requestId);
      assert.equal(JSON.stringify(error.responseBody).includes(KEY), false);
      return true;
    });
    assert.equal(requests.length, 1 + maxRetries); // this client sends a POST again after a 5xx
  }
});

test("attempts", async () => {
  replies([500, { error: { message: "try again" } }], [200, completion("at last")]);
  const flow = connect(holder).flow("retry");
  const result = await flow.execute({ message: "hello" });
  assert.deepEqual(result.result, { message: "at last" });
  const { attempts } = await flow.run(result.executionId).stepTrace("answer", { attempt: "all" });
  assert.deepEqual(attempts.map((step) => [step.attempt, step.status]), [[1, "failed"], [2, "completed"]]);
});

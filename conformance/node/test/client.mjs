// The published client on the running server, and plain HTTP for what it has no method for.

import { Noukai } from "@noukai/sdk";

process.env.NOUKAI_ENV = "dev";
delete process.env.NOUKAI_API_KEY;
delete process.env.NOUKAI_REPLAY_ENABLED;

/** A client, and the requests it makes as `METHOD path`. */
export function connect({ server }, options = {}) {
  const requests = [];
  const { api_key: apiKey, org, project } = server.ready;
  const noukai = new Noukai({
    apiKey,
    org,
    project,
    timeout: 30_000,
    onLog: (event) => event.phase === "request" && requests.push(`${event.method} ${event.path}`),
    ...options,
  });
  return { noukai, requests, flow: (slug) => noukai.flow(slug) };
}

/** Plain HTTP with a valid key. */
export async function http({ server }, method, path, { json, headers = {} } = {}) {
  const reply = await fetch(`${server.api}${path}`, {
    method,
    headers: { Authorization: `Bearer ${server.ready.api_key}`, "Content-Type": "application/json", ...headers },
    ...(json === undefined ? {} : { body: JSON.stringify(json) }),
  });
  const text = await reply.text();
  return { status: reply.status, headers: reply.headers, text, json: () => JSON.parse(text) };
}

export const seq = ({ server }, slug) => `/seq/${server.ready.org}/${server.ready.project}/${slug}`;

export async function session(holder, sessionId) {
  return (await http(holder, "GET", `/seq/sessions/${sessionId}`)).json();
}

export async function collect(iterable) {
  const found = [];
  for await (const one of iterable) found.push(one);
  return found;
}

export const types = (events) => events.map((event) => event.type);
export const ofType = (events, type) => events.filter((event) => event.type === type);

/** What a live stream says of one step, in order. */
export const ONE_STEP = ["step_started", "step_input", "step_output", "step_completed"];

export async function withReplay(run) {
  process.env.NOUKAI_REPLAY_ENABLED = "true";
  try {
    return await run();
  } finally {
    delete process.env.NOUKAI_REPLAY_ENABLED;
  }
}

export function withoutPrompt(output) {
  const { __rendered_prompt__: _, ...rest } = output;
  return rest;
}

export function tool(name, properties = {}) {
  const parameters = { type: "object", properties, required: Object.keys(properties) };
  return { type: "function", function: { name, description: `Calls ${name}.`, parameters } };
}

export const WEATHER = tool("get_weather", { city: { type: "string" }, days: { type: "integer", minimum: 1 } });
export const CLOCK = tool("get_time");
export const NAMED = { type: "function", function: { name: "get_time" } };

export const answer = (call, content = "sunny") => ({ role: "tool", toolCallId: call.id, content });
export const sunny = (calls) => calls.map((call) => answer(call));

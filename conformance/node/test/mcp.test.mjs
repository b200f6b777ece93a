// The official MCP client for TypeScript, and the inspector's command line, against the real server.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";

import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { connect } from "./client.mjs";
import { useServer } from "./server.mjs";

const holder = useServer();

const authorization = () => `Bearer ${holder.server.ready.api_key}`;
const url = (path = "/mcp") => `${holder.server.api}${path}`;

async function withAssistant(work, path) {
  const requestInit = { headers: { Authorization: authorization() } };
  const transport = new StreamableHTTPClientTransport(new URL(url(path)), { requestInit });
  const client = new Client({ name: "conformance", version: "1.0.0" });
  await client.connect(transport);
  try {
    // The client holds each result against its tool's output schema once it knows the tools.
    const { tools } = await client.listTools();
    return await work(client, tools);
  } finally {
    await client.close();
  }
}

/** The structured content of a call that goes well. */
async function does(client, name, args) {
  const result = await client.callTool({ name, arguments: args });
  assert.notEqual(result.isError, true, JSON.stringify(result.content));
  return result.structuredContent;
}

test("every tool is listed with its schemas", () =>
  withAssistant((_, tools) => {
    const names = tools.map((tool) => tool.name);
    assert(names.length >= 46 && names.includes("list_flows") && names.includes("create_project"), names.join());
    for (const tool of tools) assert.equal(tool.outputSchema.type, "object", tool.name);
  }, "/mcp/"));

test("a flow is built, published and promoted by conversation, and run by a program", async () => {
  const { ready } = holder.server;
  await withAssistant(async (client) => {
    const args = { project_id: ready.project_id, name: "Built", slug: "built-by-node" };
    const { flow_id } = await does(client, "create_flow", args);
    const block = { flow_id, name: "Say", processor_type: "llm", prompt: "Say {{ initial.message }}" };
    const [step_id] = (await does(client, "add_block", block)).created;
    await does(client, "update_block_model", { flow_id, step_id, model: "noukai/echo" });
    const { version_id } = await does(client, "publish_version", { flow_id, note: "first" });
    await does(client, "set_production_version", { flow_id, version_id });
  });
  const result = await connect(holder).flow("built-by-node").execute({ message: "hello" });
  assert.deepEqual(result.result, { message: "Say hello" });
});

test("an error is a result that says what to do", () =>
  withAssistant(async (client) => {
    const result = await client.callTool({ name: "get_flow", arguments: { flow_id: "nope" } });
    assert.equal(result.isError, true);
    assert.equal(JSON.parse(result.content[0].text).code, "FLOW_NOT_FOUND");
  }));

test("the inspector's command line lists and calls tools", async () => {
  const manifest = createRequire(import.meta.url).resolve("@modelcontextprotocol/inspector/package.json");
  const cli = join(dirname(manifest), "cli/build/cli.js");
  const inspect = async (...args) => {
    const command = [cli, "--cli", url(), "--transport", "http", "--header", `Authorization: ${authorization()}`, ...args];
    const { stdout } = await promisify(execFile)(process.execPath, command, { timeout: 60_000, maxBuffer: 64 << 20 });
    return JSON.parse(stdout);
  };
  const { tools } = await inspect("--method", "tools/list");
  assert(tools.some((tool) => tool.name === "hydrate_project"));
  const call = ["--method", "tools/call", "--tool-name", "list_flows"];
  const result = await inspect(...call, "--tool-arg", `project_id=${holder.server.ready.project_id}`);
  assert(result.structuredContent.flows.some((flow) => flow.slug === "echo"));
});

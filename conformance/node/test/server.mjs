// Starts the real server on the one port the published client can reach, and stops it. Knows nothing of the client.

import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { cp, mkdtemp, open, readFile, rm } from "node:fs/promises";
import { createConnection } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { after, before } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

export const PORT = 8080; // NOUKAI_ENV=dev makes the client call http://localhost:8080/api/v1, and nothing else
const START_MS = 60_000;
const STOP_MS = 30_000;

const CONFORMANCE = resolve(dirname(fileURLToPath(import.meta.url)), "../..");
const FLOWS = join(CONFORMANCE, "flows");
const BINARY = resolve(process.env.NOUKAI_BIN ?? join(CONFORMANCE, "../target/debug/noukai"));

/** This process's environment without anything that would configure the server. */
function environment(extra = {}) {
  const plain = Object.entries(process.env).filter(([name]) => !name.startsWith("NOUKAI_"));
  return { ...Object.fromEntries(plain), NOUKAI_ENV: "dev", ...extra };
}

async function refuseTakenPort() {
  for (const host of ["127.0.0.1", "::1"]) {
    const taken = await new Promise((settle) => {
      const probe = createConnection({ host, port: PORT }, () => settle(true));
      probe.on("error", () => settle(false));
      probe.on("connect", () => probe.destroy());
    });
    assert(!taken, `port ${PORT} is taken on ${host}: the client can talk to no other port, so free it first`);
  }
}

/** `noukai dev` on a copy of the flows, with a data directory of its own that outlives a restart. */
export class Server {
  static async make({ env = {} } = {}) {
    const base = await mkdtemp(join(tmpdir(), "noukai-conformance-"));
    await cp(FLOWS, join(base, "flows"), { recursive: true });
    return new Server(base, env);
  }

  constructor(base, env) {
    this.base = base;
    this.env = env;
    this.folder = join(base, "flows");
    this.data = join(base, "data");
    this.api = `http://localhost:${PORT}/api/v1`;
  }

  async start() {
    await refuseTakenPort();
    const log = await open(join(this.base, "stderr.log"), "a");
    const command = ["dev", this.folder, "--json", "--port", String(PORT), "--data", this.data];
    this.process = spawn(BINARY, command, { env: environment(this.env), stdio: ["ignore", "pipe", log.fd] });
    this.exited = once(this.process, "exit");
    const lines = createInterface({ input: this.process.stdout });
    const timer = setTimeout(() => this.process.kill("SIGKILL"), START_MS);
    const line = await Promise.race([once(lines, "line").then(([text]) => text), this.exited.then(() => null)]);
    clearTimeout(timer);
    await log.close();
    if (line === null) {
      this.process = undefined;
      throw new Error(`the server did not start:\n${await this.log()}`);
    }
    // { url, org, project, project_id, api_key, flows, pid }
    this.ready = JSON.parse(line);
    assert.equal(this.ready.pid, this.process.pid);
  }

  /** SIGTERM is a request to finish: the server obeys within its time and says so with exit code 0. */
  async stop() {
    if (this.process === undefined) return;
    const running = this.process;
    this.process = undefined;
    running.kill("SIGTERM");
    const timer = setTimeout(() => running.kill("SIGKILL"), STOP_MS);
    const [code, signal] = await this.exited;
    clearTimeout(timer);
    assert.deepEqual([code, signal], [0, null], `exit code ${code}, signal ${signal}:\n${await this.log()}`);
  }

  async remove() {
    await rm(this.base, { recursive: true, force: true });
  }

  async log() {
    const text = await readFile(join(this.base, "stderr.log"), "utf8").catch(() => "");
    return text.split("\n").slice(-40).join("\n");
  }

  publish(flow, note) {
    return this.#command("publish", flow, "--data", this.data, "--note", note);
  }

  promote(flow, version) {
    return this.#command("promote", flow, "--version", String(version), "--data", this.data);
  }

  #command(...args) {
    return promisify(execFile)(BINARY, args, { env: environment(), timeout: 60_000 });
  }
}

/** Runs one server for all tests of a file. `prepare` may publish, rewrite and restart. */
export function useServer(options = {}) {
  const holder = {};
  before(async () => {
    holder.server = await Server.make({ ...options, env: await options.env?.() });
    await holder.server.start();
    await options.prepare?.(holder.server);
  });
  after(async () => {
    await holder.server?.stop();
    await holder.server?.remove();
  });
  return holder;
}

// Runs one phase of the parity table through the published Node client: one JSON line per scenario, `{name, outcome}`.
// Adds nothing to what the client does. What a call and an outcome look like is written down in ../parity/README.md.

import { randomUUID } from "node:crypto";
import { readFileSync, writeSync } from "node:fs";
import { currentSessionId, Noukai, traceScope } from "@noukai/sdk";

const CLIENT = "node";
const KINDS = {
  APITimeoutError: "Timeout",
  APIConnectionError: "Connection",
  AuthenticationError: "Authentication",
  PermissionDeniedError: "PermissionDenied",
  FlowNotFoundError: "FlowNotFound",
  InsufficientCreditsError: "InsufficientCredits",
  RateLimitError: "RateLimit",
  ToolCallLimitError: "ToolCallLimit",
  FlowExecutionError: "FlowExecution",
  ReplayMissError: "ReplayMiss",
  ReplayLeftoverError: "ReplayLeftover",
  ReplayNoSnapshotsError: "ReplayUnavailable",
  ReplayDisabledError: "ReplayDisabled",
  HandlerFailed: "ToolHandler",
  Error: "InvalidValue", // this client refuses what is not valid with a plain error
};
/** The client's options and their names in the table. */
const OPTIONS = {
  message: "message",
  messages: "messages",
  parameters: "parameters",
  block_overrides: "blockOverrides",
  input_overrides: "inputOverrides",
  attachments: "attachments",
  tool_choice: "toolChoice",
  max_tool_rounds: "maxToolRounds",
  trace: "trace",
  version: "version",
  run_remaining: "runRemaining",
  timeout_ms: "timeout",
};
const { PARITY_KEY: KEY, PARITY_ORG: ORG, PARITY_PROJECT: PROJECT } = process.env;

const answer = (id) => ({ role: "tool", toolCallId: id, content: "sunny" });
const sunny = (calls) => calls.map((call) => answer(call.id));

class HandlerFailed extends Error {
  name = "HandlerFailed";
}

const HANDLERS = {
  true: sunny,
  none: () => [],
  fails: () => {
    throw new HandlerFailed();
  },
};

function given(answers, calls) {
  if (answers === "none") return [];
  return answers === "another" ? [answer("call-of-another")] : sunny(calls);
}

/** Without the fields that have no value. */
const present = (fields) => Object.fromEntries(Object.entries(fields).filter(([, value]) => value != null));

function failure(error) {
  const { statusCode: status, code, retryAfter: retry_after } = error;
  return present({ error: KINDS[error.name] ?? error.name, status, code, retry_after });
}

function execution(result) {
  if (result.requiresToolCalls) {
    return {
      status: "paused",
      blocks: result.blockCount,
      step: result.pausedAtStep,
      round: result.iterationsUsed,
      calls: result.toolCalls.map((call) => [call.function.name, JSON.parse(call.function.arguments)]),
      turns: result.toolCallMessages.map((turn) => turn.role),
      outputs: result.accumulatedOutputs,
    };
  }
  const found = { status: result.status, blocks: result.blockCount };
  if (result.status === "failed") {
    const { stepId, code, attempt } = result.result.error;
    found.failed = [stepId, code, attempt];
  } else {
    found.result = result.result;
  }
  return { ...found, ...(result.sessionId === undefined ? {} : { session: true }) };
}

const tokens = (used) => (used == null ? null : [used.prompt, used.completion]);

function event(e) {
  switch (e.type) {
    case "run_started":
      return [e.type, e.stepCount];
    case "step_started":
      return [e.type, e.stepId, e.stepIndex, e.name];
    case "step_input":
      return [e.type, e.stepId, e.inputData];
    case "step_output":
      return [e.type, e.stepId, e.outputData];
    case "step_completed":
      return [e.type, e.stepId, e.stepIndex, e.output, tokens(e.tokens), e.costUsd];
    case "step_error":
      return [e.type, e.stepId, e.error.code, e.error.attempt];
    case "step_paused":
      return [e.type, e.stepId, e.stepIndex];
    case "tool_calls_required": {
      const names = e.toolCalls.map((call) => call.function.name);
      // This client has its own name for the event; the wire's is the one that the others give.
      const type = "step_paused_for_tool_calls";
      return [type, e.stepId, e.stepIndex, e.iterationsUsed, names, e.accumulatedOutputs];
    }
    case "flow_completed": {
      const { steps, tokens: used, costUsd, failedAtStep } = e.summary ?? {};
      return [e.type, e.result, steps, used?.total, costUsd, failedAtStep];
    }
    default:
      return [e.type];
  }
}

function attempt(step) {
  const { __rendered_prompt__: _, ...output } = step.outputContext ?? {};
  return present({
    step: step.stepId,
    attempt: step.attempt,
    status: step.status,
    loop_index: step.loopIndex,
    model: step.modelUsed,
    tokens: tokens(step.tokens),
    input: step.inputContext,
    output: step.outputContext && output,
    code: step.errorContext?.code,
  });
}

const status = ({ status, result, error }) => present({ status, result, explained: error === undefined ? null : true });

function connect(options = {}, onLog = undefined) {
  return new Noukai({
    apiKey: options.key ?? KEY,
    org: ORG,
    ...(options.without_project ? {} : { project: PROJECT }),
    ...(options.timeout_ms === undefined ? {} : { timeout: options.timeout_ms }),
    ...(options.max_retries === undefined ? {} : { maxRetries: options.max_retries }),
    ...(onLog === undefined ? {} : { onLog }),
  });
}

class Scenario {
  constructor(table, row) {
    this.table = table;
    this.requests = 0;
    this.sessions = {};
    this.captured = randomUUID();
    this.client = connect(row.client, (event) => {
      if (event.phase === "request") this.requests += 1;
    });
  }

  async outcome(call) {
    const before = this.requests;
    const found = await this[call.do](call).catch(failure);
    // How often a job is asked for while waiting is each client's own affair.
    return ["wait", "capture"].includes(call.do) ? found : { ...found, requests: this.requests - before };
  }

  target(call) {
    return this.client.flow(call.flow.replace("ORG", ORG).replace("PROJECT", PROJECT));
  }

  options(call) {
    const options = {};
    for (const [name, own] of Object.entries(OPTIONS)) if (name in call) options[own] = call[name];
    const name = call.tool_choice?.function;
    if (name) options.toolChoice = { type: "function", function: { name } };
    if (call.tools) options.tools = call.tools.map((one) => (typeof one === "string" ? this.table.tools[one] : one));
    if (call.handler) options.toolHandler = HANDLERS[call.handler];
    if (call.session) options.sessionId = this.sessions[call.session] ??= randomUUID();
    if ("cancel_after_ms" in call) {
      const controller = new AbortController();
      setTimeout(() => controller.abort(), call.cancel_after_ms);
      options.signal = controller.signal;
    }
    return options;
  }

  async construct(call) {
    connect(call);
    return { made: true };
  }

  async flow(call) {
    const { org, project, slug } = this.target(call);
    const neutral = (part) => ({ [ORG]: "ORG", [PROJECT]: "PROJECT" })[part] ?? part;
    return { flow: [org, project, slug].map(neutral) };
  }

  async execute(call) {
    const flow = this.target(call);
    let result = await flow.execute(this.options(call));
    this.run = flow.run(result.executionId);
    const rounds = [execution(result)];
    for (const answers of call.resume ?? []) {
      if (!result.requiresToolCalls) break;
      result = await result.resume({ toolResults: given(answers, result.toolCalls) });
      rounds.push(execution(result));
    }
    return call.resume ? { rounds } : rounds[0];
  }

  steps(call) {
    return this.stream(call, (flow, options) => flow.steps(options));
  }

  events(call) {
    return this.stream(call, (flow, options) => flow.events(options));
  }

  async stream(call, start) {
    const found = [];
    try {
      const flow = this.target(call);
      for await (const e of start(flow, this.options(call))) {
        found.push(event(e));
        if (e.executionId) this.run = flow.run(e.executionId);
        if (e.type === "tool_calls_required" && call.answer) await e.resume({ toolResults: sunny(e.toolCalls) });
        if (found.length === call.take) break;
      }
    } catch (error) {
      return { ...failure(error), ...(found.length > 0 ? { events: found } : {}) };
    }
    return { events: found };
  }

  async job(call) {
    const flow = this.target(call);
    this.queued = await flow.executeAsync(this.options(call));
    this.run = flow.run(this.queued.executionId);
    return { job: "queued" };
  }

  async poll() {
    return status(await this.queued.poll());
  }

  async wait(call) {
    const { timeout_ms: timeout = 30_000, interval_ms: pollInterval = 20 } = call;
    return status(await this.queued.wait({ timeout, pollInterval }));
  }

  traced(call) {
    return call.unknown_run ? this.target(call).run(randomUUID()) : this.run;
  }

  async trace(call) {
    const { flowRun, steps } = await this.traced(call).trace();
    const { status, triggerType: trigger, stepCount: blocks } = flowRun;
    return { status, trigger, blocks, steps: steps.map(attempt) };
  }

  async step_trace(call) {
    const options = present({ attempt: call.attempt, loopIndex: call.loop_index });
    const found = await this.traced(call).stepTrace(call.step, options);
    return { step: found.stepId, attempts: (found.attempts ?? [found]).map(attempt) };
  }

  async live_trace(call) {
    const events = [];
    for await (const e of this.traced(call).liveTrace()) events.push(event(e));
    return { events };
  }

  async inside(call) {
    const found = [];
    for (const inner of call.calls) found.push(await this.outcome(inner));
    return found;
  }

  async capture(call) {
    return traceScope(async () => {
      this.captured = currentSessionId();
      return { inside: await this.inside(call) };
    });
  }

  async replay(call) {
    const options = { replaySessionId: call.of ?? this.captured, transport: this.client._transport };
    let inside;
    const ended = new Error("leaves the replay as the error of a call in it would");
    const calls = async () => {
      inside = await this.inside(call);
      if (inside.some((found) => "error" in found)) throw ended;
    };
    await traceScope(calls, options).catch((error) => {
      if (error !== ended) throw error;
    });
    return { inside };
  }
}

const [path, phase] = process.argv.slice(2);
const table = JSON.parse(readFileSync(path, "utf8"));
console.warn = () => {}; // it warns of any second call to a flow in a replay
for (const row of table.scenarios) {
  if ((row.phase ?? "server") !== phase || CLIENT in (row.skips ?? {})) continue;
  const scenario = new Scenario(table, row);
  const outcome = [];
  for (const call of row.calls) outcome.push(await scenario.outcome(call));
  writeSync(1, `${JSON.stringify({ name: row.name, outcome })}\n`);
}
process.exit(0); // a stream that pauses leaves a timer behind

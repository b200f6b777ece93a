//! What a killed server leaves, and what the next one makes of it. The model counts, so that the server's own books
//! need not be believed.

use serde_json::{Value, json};

use crate::{
    model::Model,
    support::{Call, Folder, Running, Server},
};

const FLOW: &str = "schema: 1
slug: work
trace_capture: full
input: {message: string}
steps:
  - {id: first, llm: {model: test/m, prompt: one}}
  - {id: second, llm: {model: test/m, prompt: two}}
  - {id: third, llm: {model: test/m, prompt: three}}
";

struct World {
    folder: Folder,
    model: Model,
    key: String,
}

impl World {
    fn new() -> Self {
        let folder = Folder::empty();
        folder.write("work.flow.yaml", FLOW);
        let key = folder.run(&["key", "create", "--name", "test", "--data", "data"]).succeeded().to_owned();
        Self { folder, model: Model::start(), key }
    }

    /// A server on the folder's data; the one before must be gone.
    fn serve(&self, env: &[(&str, &str)]) -> (Running, Server) {
        let args = ["serve", "--listen", "127.0.0.1:0", "--flows", ".", "--data", "data", "--json"];
        let provider = [("NOUKAI_PROVIDER_BASE_URL", self.model.url.as_str()), ("NOUKAI_PROVIDER_API_KEY", "k")];
        let running = self.folder.start_with(&args, &[&provider, env].concat());
        let ready: Value = serde_json::from_str(&running.stdout.next()).unwrap();
        (running, Server { ready: json!({"url": ready["url"], "api_key": self.key}) })
    }
}

fn submit(server: &Server) -> String {
    let (status, accepted) = server.post("work/jobs", "x").finish();
    assert_eq!(status, 202, "{accepted}");
    accepted["executionId"].as_str().unwrap().to_owned()
}

fn ended(server: &Server, job: &str) -> Value {
    server.get(&format!("/api/v1/seq/local/dev/work/jobs/{job}?wait=60")).1
}

fn kill(mut running: Running) {
    running.signal("KILL");
    assert_eq!(running.end().0, None);
}

fn attempts(server: &Server, run: &str, step: &str) -> Vec<Value> {
    let (_, all) = server.get(&format!("/api/v1/flow-runs/{run}/steps/{step}/trace?attempt=all"));
    all["attempts"].as_array().unwrap().iter().map(|attempt| attempt["status"].clone()).collect()
}

#[test]
fn a_killed_servers_job_goes_on_and_no_stored_step_runs_again() {
    let world = World::new();
    world.model.hold("two");
    let (running, server) = world.serve(&[]);
    let job = submit(&server);
    world.model.wait_for("two", 1);
    let executed = server.post("work/execute", "x");
    let stepped =
        server.send("/api/v1/seq/local/dev/work/step", server.key(), &json!({"message": "x", "runRemaining": true}));
    world.model.wait_for("two", 3);
    kill(running);
    drop((executed, stepped));
    world.model.release();

    let (_running, server) = world.serve(&[]);
    let done = ended(&server, &job);
    assert_eq!((&done["status"], &done["result"]["message"]), (&json!("completed"), &json!("re three")), "{done}");
    assert_eq!(done["attempts"].as_array().map(Vec::len), Some(1), "{done}");
    assert_eq!((world.model.calls("one"), world.model.calls("two"), world.model.calls("three")), (3, 4, 1));
    assert_eq!(attempts(&server, &job, "first"), ["completed"]);
    assert_eq!(attempts(&server, &job, "second"), ["failed", "completed"]);

    let (_, runs) = server.get("/api/v1/flow-runs");
    for run in runs["flowRuns"].as_array().unwrap().iter().filter(|run| run["triggerType"] != "job") {
        assert_eq!(run["status"], "failed", "{run}");
        let (_, trace) = server.get(&format!("/api/v1/flow-runs/{}/trace", run["id"].as_str().unwrap()));
        assert_eq!(trace["steps"][1]["errorContext"]["code"], "INTERRUPTED", "{trace}");
    }
}

#[test]
fn a_job_that_takes_the_server_down_is_given_up_and_can_be_retried() {
    let world = World::new();
    world.model.hold("two");
    let few = [("NOUKAI_LIMITS_JOB_ATTEMPTS", "2")];
    let (mut running, server) = world.serve(&few);
    let job = submit(&server);
    let other = submit(&server);
    // The first attempt stores a result, so it does not count: two more.
    for kills in 1..=2 {
        world.model.wait_for("two", 2 * kills);
        kill(running);
        (running, _) = world.serve(&few);
    }
    world.model.wait_for("two", 6);
    kill(running);
    let (_running, server) = world.serve(&few);
    let status = ended(&server, &job);
    assert_eq!((&status["status"], &status["poison"]), (&json!("failed"), &json!(true)), "{status}");
    let error = status["error"].as_str().unwrap();
    assert!(
        error.starts_with("INTERRUPTED: given up after 2 attempts") && error.contains("attempt 3: the server ended"),
        "{error}"
    );
    assert_eq!(status["attempts"].as_array().map(Vec::len), Some(3), "{status}");
    assert_eq!(ended(&server, &other)["poison"], true);
    let (_, listed) = server.get("/api/v1/flow-runs?poison=true");
    assert_eq!(listed["flowRuns"].as_array().map(Vec::len), Some(2));
    assert_eq!((world.model.calls("one"), world.model.calls("two")), (2, 6));

    world.model.release();
    let path = format!("/api/v1/seq/local/dev/work/jobs/{job}/retry");
    let (code, retry) = server.request("POST", &path, server.key(), "").finish();
    assert_eq!(code, 202, "{retry}");
    assert_eq!(ended(&server, retry["executionId"].as_str().unwrap())["status"], "completed");
    assert_eq!((world.model.calls("one"), world.model.calls("two"), world.model.calls("three")), (2, 7, 1));
}

#[test]
fn a_job_cancelled_while_it_waits_after_a_kill_leaves_no_step_open() {
    let world = World::new();
    world.model.hold("two");
    let (running, server) = world.serve(&[]);
    let (busy, waiting) = (submit(&server), submit(&server));
    world.model.wait_for("two", 2);
    kill(running);
    // One worker, which the first job keeps busy.
    let (_running, server) = world.serve(&[("NOUKAI_WORKERS", "1")]);
    world.model.wait_for("two", 3);
    let path = format!("/api/v1/seq/local/dev/work/jobs/{waiting}");
    let (status, cancelled) = server.request("DELETE", &path, server.key(), "").finish();
    assert_eq!((status, &cancelled["status"]), (200, &json!("cancelled")), "{cancelled}");
    assert_eq!(attempts(&server, &waiting, "first"), ["completed"]);
    assert_eq!(attempts(&server, &waiting, "second"), ["failed"]);
    let (_, trace) = server.get(&format!("/api/v1/flow-runs/{waiting}/trace"));
    assert_eq!(trace["flowRun"]["status"], "cancelled", "{trace}");
    assert_eq!(trace["steps"][1]["errorContext"]["code"], "INTERRUPTED", "{trace}");
    world.model.release();
    assert_eq!(ended(&server, &busy)["status"], "completed");
    assert_eq!(world.model.calls("two"), 3);
}

/// A step call under an idempotency key.
fn step(server: &Server, key: &str, body: &Value) -> Call {
    let key = format!("{}\r\nIdempotency-Key: {key}", server.key());
    server.send("/api/v1/seq/local/dev/work/step", &key, body)
}

fn kinds(events: &[Value]) -> Vec<&str> {
    events.iter().filter_map(|event| event["eventType"].as_str()).collect()
}

#[test]
fn a_step_call_repeated_after_a_kill_is_answered_from_what_is_stored() {
    let world = World::new();
    let (running, server) = world.serve(&[]);
    let first = step(&server, "one", &json!({"message": "x"})).events();
    let outputs = json!({"first": first[4]["output"]});
    let rest = json!({"executionId": first[0]["executionId"], "stepIndex": 1, "accumulatedOutputs": outputs,
        "runRemaining": true});
    world.model.hold("three");
    let cut = step(&server, "rest", &rest);
    world.model.wait_for("three", 1);
    kill(running);
    drop(cut);
    world.model.release();

    let (_running, server) = world.serve(&[]);
    let again = step(&server, "rest", &rest).events();
    let done = ["step_started", "step_input", "step_output", "step_completed"];
    assert_eq!(kinds(&again), [&done[..], &["step_started", "step_input", "step_error"]].concat());
    assert_eq!((&again[3]["stepId"], &again[6]["error"]["code"]), (&json!("second"), &json!("INTERRUPTED")));
    assert_eq!(step(&server, "rest", &rest).events(), again);
    assert_eq!((world.model.calls("one"), world.model.calls("two"), world.model.calls("three")), (1, 1, 1));
    // Under a key of its own, the caller goes on where it was cut off.
    let outputs = json!({"first": first[4]["output"], "second": again[3]["output"]});
    let next = json!({"executionId": rest["executionId"], "stepIndex": 2, "accumulatedOutputs": outputs});
    let last = step(&server, "next", &next).events();
    assert_eq!(kinds(&last), [&done[..], &["flow_completed"]].concat());
    assert_eq!(last[3]["output"]["message"], "re three");
    assert_eq!((world.model.calls("two"), world.model.calls("three")), (1, 2));
}

#[test]
fn a_stopped_servers_job_goes_on_and_nothing_is_held_against_it() {
    let world = World::new();
    world.model.hold("two");
    let (mut running, server) = world.serve(&[("NOUKAI_SHUTDOWN_SECONDS", "0")]);
    let job = submit(&server);
    world.model.wait_for("two", 1);
    running.signal("TERM");
    assert_eq!(running.end().0, Some(0));
    world.model.release();
    let (_running, server) = world.serve(&[]);
    let done = ended(&server, &job);
    assert_eq!((&done["status"], &done["attempts"]), (&json!("completed"), &Value::Null), "{done}");
    assert_eq!((world.model.calls("one"), world.model.calls("two")), (1, 2));
}

//! Several processes over one PostgreSQL: restarted one by one under load, and killed.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use noukai_testbed::Postgres;
use serde_json::{Value, json};

use crate::{
    model::Model,
    support::{Call, Folder, Running, Server},
};

const FLOW: &str = "schema: 1
slug: work
input: {message: string}
steps:
  - {id: first, llm: {model: test/m, prompt: one}}
  - {id: second, llm: {model: test/m, prompt: two}}
";
/// As short as it may be: a test waits for it.
const LEASE: &str = "3";

struct World {
    folder: Folder,
    model: Model,
    database: String,
    key: String,
}

impl World {
    fn new() -> Self {
        let folder = Folder::empty();
        folder.write("work.flow.yaml", FLOW);
        let database = Postgres::shared().unwrap().database().unwrap();
        let env = [("NOUKAI_DATABASE", database.as_str())];
        let mut made = folder.start_with(&["key", "create", "--name", "test"], &env);
        let key = made.stdout.next();
        assert_eq!(made.end().0, Some(0));
        Self { folder, model: Model::start(), database, key }
    }

    fn start(&self, args: &[&str]) -> (Running, Server) {
        let env = [
            ("NOUKAI_DATABASE", self.database.as_str()),
            ("NOUKAI_NODE_LEASE_SECONDS", LEASE),
            ("NOUKAI_PROVIDER_BASE_URL", self.model.url.as_str()),
            ("NOUKAI_PROVIDER_API_KEY", "k"),
        ];
        let running = self.folder.start_with(&[args, &["--json"]].concat(), &env);
        let ready: Value = serde_json::from_str(&running.stdout.next()).unwrap();
        (running, Server { ready: json!({"url": ready["url"], "api_key": self.key}) })
    }

    fn serve(&self, workers: &str) -> (Running, Server) {
        self.start(&["serve", "--listen", "127.0.0.1:0", "--workers", workers, "--flows", "."])
    }

    fn work(&self) -> (Running, Server) {
        self.start(&["worker", "--workers", "4"])
    }
}

/// The job, where the server is there and takes it.
fn submit(server: &Server) -> Option<String> {
    let body = json!({"message": "x"}).to_string();
    let call = server.try_request("POST", "/api/v1/seq/local/dev/work/jobs", server.key(), &body).ok()?;
    let (status, accepted) = call.try_finish()?;
    (status == 202).then(|| accepted["executionId"].as_str().unwrap().to_owned())
}

fn ended(server: &Server, job: &str) -> Value {
    server.get(&format!("/api/v1/seq/local/dev/work/jobs/{job}?wait=60")).1
}

fn stop(mut running: Running) {
    running.signal("TERM");
    assert_eq!(running.end().0, Some(0));
}

fn attempts(server: &Server, run: &str, step: &str) -> usize {
    let (_, all) = server.get(&format!("/api/v1/flow-runs/{run}/steps/{step}/trace?attempt=all"));
    all["attempts"].as_array().unwrap().len()
}

/// Two servers and a worker, each ended and replaced in turn while jobs come in: every job that was accepted ends, and no
/// step ran twice.
#[test]
fn a_rolling_restart_under_load_loses_nothing() {
    let world = World::new();
    let (one, two, worker) = (world.serve("0"), world.serve("4"), world.work());
    let addresses = Mutex::new([one.1.ready, two.1.ready]);
    let (over, accepted) = (AtomicBool::new(false), Mutex::new(Vec::new()));
    let load = |slot: usize| {
        while !over.load(Ordering::Relaxed) {
            let server = Server { ready: addresses.lock().unwrap()[slot].clone() };
            let Some(job) = submit(&server) else { continue };
            let path = format!("/api/v1/seq/local/dev/work/jobs/{job}?wait=5");
            accepted.lock().unwrap().push(job);
            // One after the other, as far as the server is still there to ask.
            let _ = server.try_request("GET", &path, server.key(), "").ok().and_then(Call::try_finish);
        }
    };
    let _at_work = thread::scope(|scope| {
        let load = &load;
        (0..2).for_each(|slot| drop(scope.spawn(move || load(slot))));
        let mut at_work = Vec::new();
        for (slot, old, workers) in [(0, one.0, "0"), (1, two.0, "4")] {
            world.model.wait_for("two", (slot + 1) * 5);
            stop(old);
            let (running, server) = world.serve(workers);
            addresses.lock().unwrap()[slot] = server.ready;
            at_work.push(running);
        }
        stop(worker.0);
        at_work.push(world.work().0);
        world.model.wait_for("two", world.model.calls("two") + 5);
        over.store(true, Ordering::Relaxed);
        at_work
    });
    let server = Server { ready: addresses.lock().unwrap()[0].clone() };
    for job in accepted.into_inner().unwrap() {
        let done = ended(&server, &job);
        assert_eq!((&done["status"], &done["attempts"]), (&json!("completed"), &Value::Null), "{done}");
        assert_eq!((attempts(&server, &job, "first"), attempts(&server, &job, "second")), (1, 1), "{job}");
    }
}

#[test]
fn what_a_killed_node_did_is_taken_over_by_another() {
    let world = World::new();
    world.model.hold("two");
    let (mut killed, server) = world.serve("4");
    let job = submit(&server).unwrap();
    world.model.wait_for("two", 1);
    let executed = server.post("work/execute", "x");
    world.model.wait_for("two", 2);
    let (_running, other) = world.serve("4");
    killed.signal("KILL");
    assert_eq!(killed.end().0, None);
    drop(executed);
    world.model.wait_for("two", 3);
    world.model.release();

    let done = ended(&other, &job);
    assert_eq!((&done["status"], &done["attempts"][0]["attempt"]), (&json!("completed"), &json!(1)), "{done}");
    assert_eq!((world.model.calls("one"), world.model.calls("two")), (2, 3));
    let run = loop {
        let (_, runs) = other.get("/api/v1/flow-runs");
        let run =
            runs["flowRuns"].as_array().unwrap().iter().find(|run| run["triggerType"] == "execute").unwrap().clone();
        if run["status"] != "running" {
            break run;
        }
    };
    assert_eq!(run["status"], "failed");
    let (_, trace) = other.get(&format!("/api/v1/flow-runs/{}/trace", run["id"].as_str().unwrap()));
    assert_eq!(trace["steps"][1]["errorContext"]["code"], "INTERRUPTED", "{trace}");
}

//! A server that was told to stop: what it says meanwhile, and how it ends.

use serde_json::{Value, json};

use crate::support::{Folder, Running, Server, slow_flow};

fn serve(folder: &Folder, env: &[(&str, &str)]) -> (Running, Server) {
    folder.write("slow.flow.yaml", &slow_flow("slow", 50_000));
    let args = ["serve", "--listen", "127.0.0.1:0", "--flows", ".", "--data", "data", "--json"];
    let running = folder.start_with(&args, env);
    let ready: Value = serde_json::from_str(&running.stdout.next()).unwrap();
    let key = folder.run(&["key", "create", "--name", "test", "--data", "data"]);
    (running, Server { ready: json!({"url": ready["url"], "api_key": key.succeeded()}) })
}

fn until_unready(server: &Server) {
    assert!([200, 503].contains(&server.get("/ready").0));
    while server.get("/ready").0 == 200 {}
    assert_eq!(server.get("/ready").0, 503);
}

#[test]
fn a_stopping_server_says_so_and_a_second_signal_ends_it() {
    let folder = Folder::with_hello();
    let (mut running, server) = serve(&folder, &[("NOUKAI_SHUTDOWN_SECONDS", "600")]);
    assert_eq!(server.get("/ready").0, 200);
    let mut under_way = server.post("slow/step", "a");
    under_way.wait_for("event: step_started");
    running.signal("TERM");
    until_unready(&server);
    assert_eq!(server.get("/health").0, 200);
    let (status, refused) = server.execute("hello", "Ada");
    assert_eq!((status, &refused["detail"]["code"]), (503, &json!("OVERLOADED")), "{refused}");
    assert_eq!(server.post("hello/jobs", "Ada").finish().0, 202, "a job is safe");
    running.signal("TERM");
    assert_eq!(running.end().0, Some(130));
}

#[test]
fn every_stream_of_a_stopping_server_has_its_end() {
    let folder = Folder::with_hello();
    let (mut running, server) = serve(&folder, &[("NOUKAI_SHUTDOWN_SECONDS", "0")]);
    let mut stepping = server.post("slow/step", "a");
    stepping.wait_for("event: step_started");
    let (_, runs) = server.get("/api/v1/flow-runs");
    let id = runs["flowRuns"][0]["id"].as_str().unwrap();
    let path = format!("/api/v1/flow-runs/{id}/trace/stream");
    let mut followed = server.request("GET", &path, server.key(), "");
    followed.wait_for("event: step_started");
    running.signal("TERM");
    stepping.wait_for("event: step_error");
    followed.wait_for("event: flow_completed");
    stepping.rest();
    followed.rest();
    assert_eq!(running.end().0, Some(0));
}

#[test]
fn a_draining_server_is_unready_and_still_takes_what_comes() {
    let folder = Folder::with_hello();
    let (running, server) = serve(&folder, &[("NOUKAI_DRAIN_SECONDS", "600")]);
    running.signal("TERM");
    until_unready(&server);
    assert_eq!(server.execute("hello", "Ada").0, 200);
}

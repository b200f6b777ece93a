//! The commands that call a server: the real binary on both sides.

use std::{
    fs,
    io::{Read, Write},
    net::TcpListener,
    process::Stdio,
    thread,
};

use serde_json::{Value, json};

use super::support::*;

const HELLO: &str = "local/dev/hello";
/// Long enough to be interrupted, and never waited for.
const SLOW_MS: u32 = 50_000;

/// A flow whose model calls the tool `look_up` first.
fn tool_flow() -> String {
    flow("tool", "{{ message }}").replace("model:", "tools_enabled: true, model:")
}

#[test]
fn run_on_a_server_shows_steps_and_prints_the_result_alone() {
    let folder = Folder::with_hello();
    let (_running, server) = folder.dev();
    let done = folder.call(&server, &["run", HELLO, "-m", "Ada"]);
    assert_eq!(done.succeeded(), "{\n  \"message\": \"Hello, Ada!\"\n}");
    assert!(done.stderr.contains("✓ say") && done.stderr.contains("1 step"), "{}", done.stderr);

    let quiet = folder.call(&server, &["run", HELLO, "-m", "Ada", "--json"]);
    assert_eq!((&quiet.json()["status"], quiet.stderr.as_str()), (&json!("completed"), ""));
    let id = quiet.json()["executionId"].as_str().unwrap().to_owned();
    let trace = folder.call(&server, &["trace", &id]);
    assert!(trace.succeeded().contains("completed in") && trace.stdout.contains("say"), "{}", trace.stdout);
    let whole = folder.call(&server, &["trace", &id, "--json"]).json();
    assert_eq!((&whole["flowRun"]["id"], &whole["flowRun"]["triggerType"]), (&json!(id), &json!("job")));
    let step = folder.call(&server, &["trace", &id, "--step", "say", "--attempt", "all"]);
    assert!(step.succeeded().contains("Hello, Ada!"), "{}", step.stdout);
}

#[test]
fn parameters_are_texts_or_json() {
    let folder = Folder::empty();
    let inputs = "input: {code: string, count: integer}";
    folder.write(
        "typed.flow.yaml",
        &flow("typed", "{{ code }} {{ count + 1 }}").replace("input: {message: string}", inputs),
    );
    let (_running, server) = folder.dev();
    let done = folder.call(&server, &["run", "local/dev/typed", "-p", "code=007", "-p", "count:=6", "--json"]);
    assert_eq!(done.json()["result"], json!({"message": "007 7"}));
    let refused = folder.call(&server, &["run", "local/dev/typed", "-p", "code=007", "-p", "count=6"]);
    refused.failed(2, "VALIDATION_ERROR");
}

#[test]
fn every_kind_of_failure_has_its_exit_code() {
    let folder = Folder::with_hello();
    folder.write("paid.flow.yaml", &flow("paid", "x").replace("noukai/echo", "some/model"));
    let (_running, server) = folder.dev();
    let call = |args: &[&str]| folder.call(&server, args);
    let failed = call(&["run", "local/dev/paid", "-m", "x"]);
    assert_eq!((failed.code, failed.stdout.as_str()), (Some(1), ""));
    assert!(failed.stderr.contains("error: step say: ") && failed.stderr.contains("[MODEL_NOT_AVAILABLE]"));
    call(&["run", HELLO, "-m", "x", "--version", "main"]).failed(2, "`draft`, `production`");
    call(&["run", HELLO]).failed(2, "MISSING_MESSAGE");
    call(&["run", "acme/demo/hello", "-m", "x"]).failed(4, "FORBIDDEN");
    call(&["run", "local/dev/nope", "-m", "x"]).failed(5, "FLOW_NOT_FOUND");
    call(&["trace", "0192f0c1-0000-7000-8000-000000000000"]).failed(5, "RUN_NOT_FOUND");
    call(&["job", "get", HELLO, "nope"]).failed(5, "JOB_NOT_FOUND");

    let with_key = |key: &str, url: &str| {
        let mut command = folder.command(&["run", HELLO, "-m", "x"]);
        Done::of(command.env("NOUKAI_API_KEY", key).env("NOUKAI_BASE_URL", url).output().unwrap())
    };
    with_key("nk_test_aaaaaaaa_bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb", server.url()).failed(4, "HTTP 401");
    with_key("secret", server.url()).failed(2, "`nk_`");
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    with_key(server.key(), &format!("http://{closed}")).failed(8, "");
    let web = web_server("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 15\r\n\r\n<h1>Hello!</h1>");
    let other = with_key(server.key(), &web);
    other.failed(10, "text/html");
    assert!(other.stderr.contains("hint: is this the address of a Noukai server?"), "{}", other.stderr);
}

/// Says the same to everyone.
fn web_server(reply: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            // The request's head; whoever calls has not more to say before an answer.
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(reply.as_bytes());
        }
    });
    url
}

#[test]
fn a_key_in_the_wrong_place_is_never_shown() {
    let folder = Folder::with_hello();
    let (_running, server) = folder.dev();
    let key = server.key();
    let in_url = format!("http://{key}@127.0.0.1:1");
    let as_pair = format!("{key}=x");
    let wrong: [&[&str]; 9] = [
        &["run", key, "-m", "x"],
        &["run", HELLO, "-m", "x", "--server", &in_url],
        &["run", HELLO, "-m", "x", "--server", key],
        &["run", HELLO, "-m", "x", "--profile", key],
        &["run", HELLO, "-m", "x", "--version", key],
        &["login", "--profile", key],
        &["trace", HELLO, key],
        &["run", HELLO, "--tool", key, "--param", &as_pair],
        &[key],
    ];
    for args in wrong {
        let done = folder.call(&server, args);
        assert_ne!(done.code, Some(0), "{args:?}");
        assert!(!done.stderr.contains(key) && !done.stdout.contains(key), "{args:?}: {}", done.stderr);
    }
    assert!(folder.call(&server, &["run", key]).stderr.contains("nk_***"));
}

#[test]
fn interrupting_run_cancels_it_on_the_server() {
    let folder = Folder::empty();
    folder.write("slow.flow.yaml", &slow_flow("slow", SLOW_MS));
    let (_running, server) = folder.dev();
    let mut run = Running::of(folder.calling(&server, &["run", "local/dev/slow", "-m", "x"]));
    let runs = server.until("/api/v1/flow-runs", |runs| runs["flowRuns"][0]["status"] == "running");
    run.signal("INT");
    run.stderr.wait_for("cancelling run");
    run.stderr.wait_for("cancelled");
    assert_eq!(run.end().0, Some(130));
    let id = runs["flowRuns"][0]["id"].as_str().unwrap();
    let waited = folder.call(&server, &["job", "wait", "local/dev/slow", id, "--json"]);
    assert_eq!((waited.code, &waited.json()["status"]), (Some(1), &json!("cancelled")));
}

#[test]
fn jobs_are_submitted_watched_and_cancelled() {
    let folder = Folder::with_hello();
    folder.write("slow.flow.yaml", &slow_flow("slow", SLOW_MS));
    let (_running, server) = folder.dev();
    let submitted = folder.call(&server, &["job", "submit", "hello", "-m", "Ada"]);
    let id = submitted.succeeded();
    assert!(submitted.stderr.contains("noukai job wait local/dev/hello"), "{}", submitted.stderr);
    let waited = folder.call(&server, &["job", "wait", HELLO, id]);
    assert_eq!(waited.succeeded(), "{\n  \"message\": \"Hello, Ada!\"\n}");
    let status = folder.call(&server, &["job", "get", HELLO, id, "--json"]).json();
    assert_eq!(status, json!({"executionId": id, "status": "completed", "result": {"message": "Hello, Ada!"}}));

    let slow = folder.call(&server, &["job", "submit", "slow", "-m", "x", "--json"]).json();
    let slow = slow["executionId"].as_str().unwrap();
    let late = folder.call(&server, &["job", "wait", "slow", slow, "--timeout", "1"]);
    late.failed(9, "did not end within 1 s");
    assert_eq!(folder.call(&server, &["job", "cancel", "slow", slow]).succeeded(), "cancelled");
}

#[test]
fn events_are_lines_for_people_and_for_programs() {
    let folder = Folder::with_hello();
    let (_running, server) = folder.dev();
    let kinds = |done: &Done| -> Vec<String> {
        let lines = done.succeeded().lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines.map(|line| line["eventType"].as_str().unwrap().to_owned()).filter(|kind| kind != "step_delta").collect()
    };
    let whole = ["run_started", "step_started", "step_input", "step_output", "step_completed", "flow_completed"];
    let done = folder.call(&server, &["events", "hello", "-m", "Ada", "--json"]);
    assert_eq!(kinds(&done), whole);
    let last: Value = serde_json::from_str(done.succeeded().lines().last().unwrap()).unwrap();
    assert_eq!(last["result"], json!({"message": "Hello, Ada!"}));
    let followed = folder.call(&server, &["events", HELLO, "--run", last["executionId"].as_str().unwrap(), "--json"]);
    assert_eq!(kinds(&followed), whole);
    let shown = folder.call(&server, &["events", "hello", "-m", "Ada"]);
    assert!(shown.succeeded().contains("step_output                say Hello, Ada!"), "{}", shown.stdout);
}

#[test]
fn tool_calls_are_answered_by_a_command_or_by_hand() {
    let folder = Folder::empty();
    folder.write("tool.flow.yaml", &tool_flow());
    folder.write("answer.sh", "read arguments; echo \"$NOUKAI_TOOL_NAME got $arguments and key [$NOUKAI_API_KEY]\"\n");
    let (_running, server) = folder.dev();
    let by_command =
        folder.call(&server, &["run", "local/dev/tool", "-m", "x", "--tool", "look_up=sh answer.sh", "--json"]);
    assert_eq!(by_command.json()["result"], json!({"message": "look_up got {} and key []"}));

    let failing = folder.call(&server, &["run", "local/dev/tool", "-m", "x", "--tool", "look_up=echo no; exit 7"]);
    assert!(failing.succeeded().contains("the tool failed (exit code 7): no"), "{}", failing.stdout);

    folder.write("tools.json", r#"[{"type": "function", "function": {"name": "look_up"}}]"#);
    let args = ["run", "local/dev/tool", "-m", "x", "--tools", "tools.json"];
    let paused = folder.call(&server, &args);
    assert_eq!((paused.code, &paused.json()[0]["function"]["name"]), (Some(3), &json!("look_up")));

    let mut by_hand = folder.calling(&server, &[&args[..], &["--tool-by-hand"]].concat());
    let mut child = by_hand.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"by hand\n").unwrap();
    let done = Done::of(child.wait_with_output().unwrap());
    assert!(done.succeeded().contains("by hand"), "{}", done.stderr);

    let nobody =
        folder.call(&server, &["run", "local/dev/tool", "-m", "x", "--tools", "tools.json", "--tool", "other=true"]);
    nobody.failed(1, "nobody answers the tool `look_up`");
}

#[test]
fn a_session_shows_its_runs() {
    let folder = Folder::with_hello();
    let (_running, server) = folder.dev();
    let session = "8f14e45f-ceea-467f-a8f5-0c1de2e3a3f1";
    for name in ["Ada", "Grace"] {
        folder.call(&server, &["run", HELLO, "-m", name, "--trace", "--session", session]).succeeded();
    }
    let shown = folder.call(&server, &["session", session]);
    assert!(shown.succeeded().contains("2 runs") && shown.stdout.contains("Hello, Grace!"), "{}", shown.stdout);
    let whole = folder.call(&server, &["session", session, "--json"]).json();
    assert_eq!(whole["executions"].as_array().map(Vec::len), Some(2));
    folder.call(&server, &["session", "no-uuid"]).failed(2, "SESSION_ID_INVALID");
}

#[test]
fn manual_pages_are_written_for_every_command() {
    let folder = Folder::empty();
    folder.run(&["man", "pages"]).succeeded();
    let page = fs::read_to_string(folder.path("pages/noukai-run.1")).unwrap();
    assert!(page.contains(".TH") && page.contains("idempotency"), "{page}");
    assert!(folder.run(&["man"]).succeeded().contains("noukai"));
}

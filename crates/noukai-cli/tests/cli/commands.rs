//! The commands that come to an end by themselves.

use serde_json::{Value, json};

use super::support::*;

#[test]
fn run_prints_the_result_alone_on_stdout() {
    let folder = Folder::with_hello();
    let done = folder.run(&["run", "hello", "-m", "Ada"]);
    assert_eq!(done.succeeded(), "{\n  \"message\": \"Hello, Ada!\"\n}");
    let lines: Vec<&str> = done.stderr.lines().collect();
    assert!(
        lines[0].contains("✓ say") && lines[0].contains("tokens") && lines[1].contains("1 step"),
        "{}",
        done.stderr
    );
    assert!(!folder.path(".noukai").exists());

    let by_file = folder.run(&["run", "hello.flow.yaml", "-m", "-1", "--json"]);
    assert_eq!(by_file.json()["result"], json!({"message": "Hello, -1!"}));
    assert_eq!(by_file.stderr, "");
}

#[test]
fn run_reads_inputs_as_the_flow_wants_them() {
    let folder = Folder::empty();
    let inputs = "input: {code: string, count: integer, tags: {type: array, items: {type: string}, default: []}}";
    let text = flow("typed", "{{ code }} {{ count + 1 }} {{ tags | length }}");
    folder.write("typed.flow.yaml", &text.replace("input: {message: string}", inputs));
    let args = ["run", "typed", "-p", "code=007", "-p", "count=6", "--params", r#"{"tags": ["a", "b"]}"#, "--json"];
    assert_eq!(folder.run(&args).json()["result"], json!({"message": "007 7 2"}));
    folder.run(&["run", "typed", "-p", "code=007", "-p", "count=six"]).failed(2, "of type integer");
    folder.run(&["run", "typed", "-p", "code"]).failed(2, "write KEY=TEXT, or KEY:=JSON");
    folder.run(&["run", "typed", "--params", "[]"]).failed(2, "not a JSON object");
    folder.run(&["run", "typed", "-p", "code=1"]).failed(2, "count");
}

#[test]
fn run_tells_failure_from_wrong_input_from_a_pause() {
    let folder = Folder::with_hello();
    folder.write("paid.flow.yaml", &flow("paid", "x").replace("noukai/echo", "some/model"));
    let failed = folder.run(&["run", "paid", "-m", "x"]);
    assert_eq!((failed.code, failed.stdout.as_str()), (Some(1), ""));
    assert!(failed.stderr.contains("error: step say: ") && failed.stderr.contains("[MODEL_NOT_AVAILABLE]"));
    assert_eq!(folder.run(&["run", "paid", "-m", "x", "--json"]).json()["status"], "failed");

    folder.run(&["run", "nope", "-m", "x"]).failed(2, "no flow nope in .");
    folder.run(&["run", "nope.flow.yaml", "-m", "x"]).failed(2, "nope.flow.yaml does not exist");
    folder.run(&["run", "hello"]).failed(2, "MISSING_MESSAGE");
    folder.write("bad.flow.yaml", "schema: 1\nslug: bad\n");
    folder.run(&["run", "bad", "-m", "x"]).failed(2, "bad.flow.yaml: ");

    folder.write("tool.flow.yaml", &flow("tool", "{{ message }}").replace("model:", "tools_enabled: true, model:"));
    folder.write("tools.json", r#"[{"type": "function", "function": {"name": "look_up"}}]"#);
    let paused = folder.run(&["run", "tool", "-m", "x", "--tools", "tools.json"]);
    assert_eq!(paused.code, Some(3));
    assert_eq!(paused.json()[0]["function"]["name"], "look_up");
    assert!(paused.stderr.contains("hint: "), "{}", paused.stderr);
}

#[test]
fn check_prints_every_problem_of_every_file() {
    let folder = Folder::with_hello();
    assert_eq!(folder.run(&["check", "."]).succeeded(), "");
    folder.write("bad.flow.yaml", "schema: 1\nslug: bad\nstps: []\n");
    let done = folder.run(&["check", "hello.flow.yaml", "bad.flow.yaml"]);
    assert_eq!(done.code, Some(1));
    let lines: Vec<&str> = done.stdout.lines().collect();
    assert!(lines[0].starts_with("bad.flow.yaml: stps: ") && lines[0].ends_with(" [UNKNOWN_KEY]"), "{}", done.stdout);
    assert_eq!((lines.len(), done.stderr.trim_end()), (2, "2 files: 2 errors"));

    let report = folder.run(&["check", "--json", "."]).json();
    assert_eq!((&report["errors"], &report["files"][0]["problems"][0]["path"]), (&json!(2), &json!("stps")));
    assert_eq!(report["files"][1], json!({"file": "hello.flow.yaml", "slug": "hello", "valid": true, "problems": []}));

    folder.write("broken.flow.json", "{");
    assert_eq!(folder.run(&["check", "broken.flow.json"]).code, Some(1));
    folder.run(&["check", "nowhere"]).failed(2, "nowhere does not exist");
}

#[test]
fn warnings_do_not_count_as_errors() {
    let folder = Folder::empty();
    let both = "[{id: a, llm: {prompt: x}}, {id: b, llm: {prompt: y}}]";
    let twice = format!("schema: 1\nslug: twice\nsteps: [{{id: both, parallel: {both}}}]\n");
    folder.write("twice.flow.yaml", &twice);
    let done = folder.run(&["check", "."]);
    assert!(done.succeeded().contains("twice.flow.yaml: warning: "), "{}", done.stdout);
    let running = folder.start(&["dev", "--json", "--port", "0"]);
    running.stderr.wait_for("twice.flow.yaml: warning: ");
    assert!(running.stdout.next().contains("\"twice\""));
}

#[test]
fn versions_are_published_and_promoted_beside_a_running_server() {
    let folder = Folder::with_hello();
    let (running, server) = folder.dev();
    let says = |flow: &str| server.execute(flow, "Ada").1["result"]["message"].clone();
    assert_eq!(folder.run(&["publish", "hello", "--note", "first"]).succeeded(), "published version 1 of hello");
    folder.write("hello.flow.yaml", &flow("hello", "Hey, {{ message }}!"));
    running.stderr.wait_for("reloaded hello");
    let second = folder.run(&["publish", "hello", "--promote", "--json"]).json();
    assert_eq!(second, json!({"flow": "hello", "version": 2, "production": true}));
    assert_eq!((says("hello"), says("hello/v1")), (json!("Hey, Ada!"), json!("Hello, Ada!")));

    let back = folder.run(&["promote", "hello", "--version", "1"]);
    assert_eq!(back.succeeded(), "version 1 of hello is the production version");
    assert_eq!((says("hello"), says("hello/v0")), (json!("Hello, Ada!"), json!("Hey, Ada!")));
    assert_eq!(folder.run(&["promote", "hello"]).succeeded(), "version 2 of hello is the production version");
    assert_eq!(says("hello"), json!("Hey, Ada!"));

    folder.run(&["promote", "hello", "--version", "9"]).failed(1, "VERSION_NOT_FOUND");
    folder.run(&["promote", "gone"]).failed(1, "no flow gone; there is hello");
    folder.run(&["publish", "gone"]).failed(1, "FLOW_NOT_FOUND");
}

#[test]
fn keys_are_made_listed_and_revoked_beside_a_running_server() {
    let folder = Folder::with_hello();
    let (_running, server) = folder.dev();
    let created = folder.run(&["key", "create", "--name", "ci", "--scope", "execute,author", "--json"]).json();
    let (key, key_id) = (created["key"].as_str().unwrap(), created["key_id"].as_str().unwrap());
    assert_eq!(created["scopes"], json!(["execute", "author"]));
    assert!(key.starts_with("nk_live_"));
    let call = |key: &str| server.send("/api/v1/seq/local/dev/hello/execute", key, &json!({"message": "x"})).finish().0;
    assert_eq!(call(key), 200);

    let list = folder.run(&["key", "list"]);
    assert!(list.succeeded().contains(&format!("{key_id}  ci ")), "{}", list.stdout);
    assert!(!list.stdout.contains(key));
    assert_eq!(folder.run(&["key", "revoke", key_id]).succeeded(), format!("revoked {key_id}"));
    let keys = folder.run(&["key", "list", "--json"]).json();
    let revoked = keys["keys"].as_array().unwrap().iter().find(|info| info["key_id"] == *key_id).unwrap();
    assert!(revoked["revoked_at"].is_string());

    let plain = folder.run(&["key", "create", "--name", "plain", "--env", "test"]);
    assert_eq!(call(plain.succeeded()), 200);
    folder.run(&["key", "revoke", "00000000"]).failed(1, "KEY_NOT_FOUND");
    folder.run(&["key", "list", "--project", "local/other"]).failed(2, "no project local/other; there is local/dev");
}

#[test]
fn without_data_there_is_nothing_to_manage() {
    let folder = Folder::empty();
    for args in [&["key", "list"][..], &["key", "revoke", "x"], &["publish", "x"], &["promote", "x"]] {
        folder.run(args).failed(2, "no data in .noukai");
    }
    assert!(!folder.path(".noukai").exists());
}

#[test]
fn several_projects_must_be_told_apart() {
    let folder = Folder::with_hello();
    for project in ["one", "two"] {
        folder.write("noukai.toml", &format!("project = \"{project}\"\n"));
        let project = format!("local/{project}");
        folder.run(&["key", "create", "--name", "x", "--config", "noukai.toml", "--project", &project]).succeeded();
    }
    folder.run(&["key", "list"]).failed(2, "there are several projects: local/one, local/two");
    folder.run(&["key", "list", "--project", "local/two"]).succeeded();
}

#[test]
fn the_configuration_is_shown_without_secrets() {
    let folder = Folder::empty();
    folder.write("noukai.toml", "data = \"there\"\n[provider]\napi_key = \"very-secret\"\n");
    let done = folder.run(&["config", "check", "--config", "noukai.toml"]);
    assert!(done.succeeded().contains("data = \"there\""), "{}", done.stdout);
    assert!(!done.stdout.contains("very-secret"));
    folder.write("noukai.toml", "dta = 1\n");
    folder.run(&["config", "check", "--config", "noukai.toml"]).failed(2, "unknown field `dta`");
}

#[test]
fn the_api_document_and_completions_are_printed() {
    let folder = Folder::empty();
    let document: Value = folder.run(&["openapi"]).json();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        assert!(folder.run(&["completions", shell]).succeeded().contains("noukai"));
    }
}

#[test]
fn every_command_helps_with_examples() {
    let folder = Folder::empty();
    for command in [
        "demo",
        "dev",
        "run",
        "check",
        "serve",
        "key",
        "key create",
        "key list",
        "key revoke",
        "publish",
        "promote",
        "config check",
        "openapi",
        "completions",
    ] {
        let args: Vec<&str> = command.split(' ').chain(["--help"]).collect();
        let help = folder.run(&args);
        assert!(help.succeeded().contains("Examples:") && help.stdout.contains("noukai "), "{command}");
    }
    assert!(folder.run(&["--help"]).succeeded().contains("noukai demo"));
}

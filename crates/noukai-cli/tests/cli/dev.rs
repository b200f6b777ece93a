//! `noukai dev` and `noukai serve`: ready lines, faults at the start, and ends.

use std::net::TcpListener;

use serde_json::{Value, json};

use super::support::*;

#[test]
fn the_ready_line_is_all_there_is_on_stdout() {
    let folder = Folder::with_hello();
    folder.write("b.flow.json", r#"{"schema": 1, "slug": "as-json", "steps": [{"id": "a", "passthrough": {}}]}"#);
    let (mut running, server) = folder.dev();
    let ready = &server.ready;
    let fields: Vec<&String> = ready.as_object().unwrap().keys().collect();
    assert_eq!(fields, ["url", "org", "project", "project_id", "api_key", "flows", "pid"]);
    assert_eq!((&ready["org"], &ready["project"]), (&json!("local"), &json!("dev")));
    assert_eq!(ready["flows"], json!(["as-json", "hello"]));
    assert_eq!(ready["pid"], running.id());

    let (status, reply) = server.execute("hello", "Ada");
    assert_eq!((status, &reply["result"]), (200, &json!({"message": "Hello, Ada!"})));

    running.signal("TERM");
    assert_eq!(running.end(), (Some(0), Vec::new()));
}

#[test]
fn the_key_has_all_scopes_is_private_and_stays() {
    let folder = Folder::with_hello();
    let (mut first, server) = folder.dev();
    let request = json!({"project_id": server.ready["project_id"], "name": "made over HTTP", "environment": "test"});
    assert_eq!(server.send("/api/v1/keys", server.key(), &request).finish().0, 201);
    first.signal("INT");
    assert_eq!(first.end().0, Some(0));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(folder.path(".noukai/dev-key")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    assert_eq!(folder.dev().1.key(), server.key());
    folder.write(".noukai/dev-key", "nk_test_00000000_00000000000000000000000000000000\n");
    let (_again, renewed) = folder.dev();
    assert_ne!(renewed.key(), server.key());
    assert_eq!(renewed.execute("hello", "x").0, 200);
}

#[test]
fn a_person_gets_lines_to_paste() {
    let folder = Folder::with_hello();
    let running = folder.start(&["dev", "--port", "0"]);
    let text: Vec<String> =
        std::iter::repeat_with(|| running.stdout.next()).take_while(|line| !line.contains("Ctrl-C")).collect();
    let after = |words: &str| {
        let found = text.iter().find_map(|line| line.trim().strip_prefix(words));
        found.unwrap_or_else(|| panic!("no {words:?} in {text:#?}")).trim().to_owned()
    };
    let server = Server { ready: json!({"url": after("URL"), "api_key": after("API key")}) };
    let path = format!("{}/api/v1/seq/local/dev/hello/execute", after("URL"));
    assert_eq!(after("curl -s"), format!("{path} \\"));
    let body: Value = serde_json::from_str(after("-d").trim_matches('\'')).unwrap();
    let reply = server.send("/api/v1/seq/local/dev/hello/execute", server.key(), &body).finish();
    assert_eq!((reply.0, &reply.1["result"]), (200, &json!({"message": "Hello, Hello, Noukai!!"})));
    let text = text.join("\n");
    for words in ["from noukai_sdk import Noukai", "@noukai/sdk", "NOUKAI_ENV=dev", "always call localhost:8080"] {
        assert!(text.contains(words), "{text}");
    }
    assert!(!text.contains('\u{1b}'), "{text}");
}

#[test]
fn faults_at_the_start_are_one_clear_line() {
    let folder = Folder::with_hello();
    folder.run(&["dev", "nowhere"]).failed(2, "nowhere does not exist");
    folder.run(&["dev", "hello.flow.yaml"]).failed(2, "hello.flow.yaml is not a folder");
    std::fs::create_dir(folder.path("empty")).unwrap();
    folder.run(&["dev", "empty"]).failed(2, "no flow files");

    folder.write("copy.flow.yaml", &flow("hello", "x"));
    folder.run(&["dev"]).failed(2, "copy.flow.yaml and hello.flow.yaml both have the slug `hello`");

    folder.write("copy.flow.yaml", "schema: 1\nslug: copy\nstps: []\n");
    folder.run(&["dev"]).failed(2, "copy.flow.yaml: stps:");
    folder.run(&["dev"]).failed(2, "(and 1 more; run `noukai check copy.flow.yaml`)");
    folder.run(&["dev", "--config", "none.toml"]).failed(2, "copy.flow.yaml");
    folder.remove("copy.flow.yaml");
    folder.run(&["dev", "--config", "none.toml"]).failed(2, "none.toml");

    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    folder.run(&["dev", "--port", &port]).failed(1, &format!("port {port} is taken"));
}

#[test]
fn two_servers_do_not_share_their_data() {
    let folder = Folder::with_hello();
    let (_running, server) = folder.dev();
    folder.run(&["dev", "--port", "0"]).failed(1, "another noukai server uses it");
    assert_eq!(server.execute("hello", "Ada").0, 200);
}

#[test]
fn a_run_under_way_is_answered_before_the_server_ends() {
    let folder = Folder::empty();
    folder.write("slow.flow.yaml", &slow_flow("slow", 700));
    let (mut running, server) = folder.dev();
    let mut call = server.post("slow/step", "a");
    call.wait_for("event: step_started");
    running.signal("TERM");
    running.stderr.wait_for("stopping");
    call.wait_for("event: flow_completed");
    assert_eq!(running.end().0, Some(0));
}

#[test]
fn a_second_signal_ends_the_server_at_once() {
    let folder = Folder::empty();
    folder.write("slow.flow.yaml", &slow_flow("slow", 50_000));
    let (mut running, server) = folder.dev();
    let mut watched = server.post("slow/step", "a");
    watched.wait_for("event: step_started");
    running.signal("INT");
    running.stderr.wait_for("stopping");
    running.signal("INT");
    assert_eq!(running.end().0, Some(130));
}

#[test]
fn serve_loads_its_folder_and_ends_on_a_signal() {
    let folder = Folder::with_hello();
    let args = ["serve", "--listen", "127.0.0.1:0", "--flows", ".", "--data", "data", "--json", "--log-format", "json"];
    let mut running = folder.start(&args);
    let ready: Value = serde_json::from_str(&running.stdout.next()).unwrap();
    assert_eq!(ready.as_object().unwrap().keys().collect::<Vec<_>>(), ["url", "pid", "setup_token"]);
    let key = folder.run(&["key", "create", "--name", "first", "--data", "data"]);
    let server = Server { ready: json!({"url": ready["url"], "api_key": key.succeeded()}) };
    assert_eq!(server.execute("hello", "Ada").0, 200);
    running.signal("TERM");
    assert_eq!(running.end(), (Some(0), Vec::new()));
    assert!(running.stderr.rest().iter().all(|line| serde_json::from_str::<Value>(line).is_ok()));
}

#[test]
fn a_setup_token_is_shown_as_long_as_nobody_was_there() {
    let folder = Folder::with_hello();
    let args = ["serve", "--listen", "127.0.0.1:0", "--data", "data"];
    let mut running = folder.start(&args);
    assert!(running.stdout.next().starts_with("listening on "));
    let line = running.stdout.next();
    let token = line.rsplit(' ').next().unwrap();
    assert!(token.starts_with("nku_") && token.len() == 44, "{line}");
    running.signal("TERM");
    assert_eq!(running.end().0, Some(0));
    assert!(running.stderr.rest().iter().all(|line| !line.contains(token)), "the log has the token");

    folder.run(&["key", "create", "--name", "first", "--data", "data"]).succeeded();
    let mut running = folder.start(&[&args[..], &["--json"]].concat());
    let ready: Value = serde_json::from_str(&running.stdout.next()).unwrap();
    assert_eq!(ready.get("setup_token"), None, "somebody has a key");
    let other = folder.run(&["setup", "--data", "data"]);
    assert!(other.succeeded().starts_with("nku_"));
    running.signal("TERM");
    running.end();
}

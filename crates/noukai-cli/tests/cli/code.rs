//! Code blocks from the command line: the real binary, which is its own worker.

use std::{io::Write, process::Stdio};

use serde_json::{Value, json};

use super::support::{Done, Folder};

const SHAPE: &str = r#"schema: 1
slug: shape
input: {message: string}
steps:
  - id: count
    code:
      input: [message]
      source: |
        words = message.split()
        print("counting", len(words))
        return {"words": words, "count": len(words)}
      output: {words: {type: array, items: {type: string}}, count: integer}
  - id: line
    code:
      language: javascript
      input: [words, count]
      source: |
        console.log("first", words[0]);
        if (count > 3) {
          throw new Error(`${count} are too many`);
        }
        return {line: words.join("-")};
"#;

fn folder() -> Folder {
    let folder = Folder::empty();
    folder.write("shape.flow.yaml", SHAPE);
    folder
}

#[test]
fn faults_of_sources_are_found_with_their_lines_in_the_file() {
    let folder = folder();
    folder.run(&["check", "."]).succeeded();
    let faulty = SHAPE.replace("message.split()", "eval(message)").replace("if (count > 3) {", "if (count > 3 {");
    folder.write("shape.flow.yaml", &faulty.replace("[words, count]", "[wrods, count]"));
    let done = folder.run(&["check", "."]);
    let lines: Vec<&str> = done.stdout.lines().collect();
    assert_eq!(done.code, Some(1));
    assert!(lines[0].starts_with("shape.flow.yaml: warning: steps[1].code.input[0]: "), "{}", done.stdout);
    assert!(lines[0].ends_with("did you mean `words`? [UNKNOWN_NAME]"), "{}", done.stdout);
    assert!(lines[1].starts_with("shape.flow.yaml:9:"), "{}", done.stdout);
    assert!(
        lines[1].contains("steps[0].code.source: line 1, column ") && lines[1].contains("`eval`"),
        "{}",
        done.stdout
    );
    assert!(lines[2].starts_with("shape.flow.yaml:19:") && lines[2].ends_with(" [CODE_INVALID]"), "{}", done.stdout);
    let report = folder.run(&["check", "--json", "."]).json();
    assert_eq!(report["files"][0]["problems"][1]["line"], 9);
    folder.run(&["dev", "--port", "0"]).failed(2, "shape.flow.yaml:9:");
    folder.run(&["run", "shape", "-m", "x"]).failed(2, "shape.flow.yaml:9:");
}

#[test]
fn a_flow_with_code_runs() {
    let done = folder().run(&["run", "shape", "-m", "a b c", "--json"]);
    assert_eq!(done.json()["result"], json!({"line": "a-b-c"}), "{}", done.stderr);
    let failed = folder().run(&["run", "shape", "-m", "a b c d"]);
    assert_eq!(failed.code, Some(1));
    assert!(failed.stderr.contains("4 are too many") && failed.stderr.contains("[CODE_ERROR]"), "{}", failed.stderr);
}

#[test]
fn one_block_is_called_alone() {
    let folder = folder();
    let done = folder.run(&["block", "run", "shape", "count", "--input", r#"{"message": "a b"}"#]);
    assert_eq!(done.json(), json!({"words": ["a", "b"], "count": 2}));
    assert!(done.stderr.starts_with("| counting 2\ndone in "), "{}", done.stderr);

    folder.write("input.json", r#"{"words": ["a", "b"], "count": 2, "more": true}"#);
    let done = folder.run(&["block", "run", "shape.flow.yaml", "line", "--input", "@input.json", "--json"]).json();
    assert_eq!((&done["status"], &done["output"]), (&json!("completed"), &json!({"line": "a-b"})));
    assert_eq!(done["printed"], "first a\n");
    assert!(done["durationMs"].is_number(), "{done}");
}

#[test]
fn errors_of_a_block_point_into_the_file() {
    let folder = folder();
    let input = r#"{"words": ["a"], "count": 4}"#;
    let done = folder.run(&["block", "run", "shape", "line", "--input", input]);
    assert_eq!((done.code, done.stdout.as_str()), (Some(1), ""));
    assert!(done.stderr.contains("| first a\n"), "{}", done.stderr);
    assert!(done.stderr.contains("error: shape.flow.yaml:20: line 3: Error: 4 are too many"), "{}", done.stderr);
    let report = folder.run(&["block", "run", "shape", "line", "--input", input, "--json"]).json();
    assert_eq!((&report["error"]["line"], &report["fileLine"]), (&json!(3), &json!(20)));

    let missing = folder.run(&["block", "run", "shape", "line", "--input", r#"{"words": []}"#, "--json"]).json();
    assert_eq!(missing["error"]["code"], "CODE_INPUT_INVALID");
    let message = missing["error"]["message"].as_str().unwrap();
    assert!(message.contains("`count`") && message.ends_with("in scope: words, initial, previous_output"), "{message}");
    folder.run(&["block", "run", "shape", "nothing"]).failed(2, "there are count, line");
    folder.run(&["block", "run", "nothing", "line"]).failed(2, "no flow nothing");
    folder.run(&["block", "run", "shape", "line", "--input", "[]"]).failed(2, "--input is not a JSON object");
    folder
        .run(&["block", "run", "shape", "line", "--initial", "@gone.json"])
        .failed(2, "--initial: cannot read gone.json");
}

#[test]
fn a_served_folder_runs_code_and_keeps_the_last_good_version() {
    let folder = folder();
    let (running, server) = folder.dev();
    let (status, reply) = server.execute("shape", "a b");
    assert_eq!((status, &reply["result"]), (200, &json!({"line": "a-b"})), "{reply}");
    folder.write("shape.flow.yaml", &SHAPE.replace("return {line", "return [line"));
    let line = running.stderr.wait_for("invalid");
    assert!(line.contains("shape.flow.yaml:22:"), "{line}");
    assert_eq!(server.execute("shape", "a b").1["result"], json!({"line": "a-b"}));
    folder.write("shape.flow.yaml", &SHAPE.replace("join(\"-\")", "join(\"+\")"));
    running.stderr.wait_for("reloaded");
    assert_eq!(server.execute("shape", "a b").1["result"], json!({"line": "a+b"}));
    server.post("shape/step", "a b").wait_for("step_paused");
}

#[test]
fn a_flow_with_code_gives_the_same_by_every_door() {
    let folder = folder();
    let (_running, server) = folder.dev();
    let line = json!({"line": "a-b"});
    assert_eq!(folder.run(&["run", "shape", "-m", "a b", "--json"]).json()["result"], line);
    assert_eq!(server.execute("shape", "a b").1["result"], line);
    let done = folder.call(&server, &["run", "shape", "-m", "a b", "--json"]);
    assert_eq!(done.json()["result"], line, "{}", done.stderr);
    let job = folder.call(&server, &["job", "submit", "shape", "-m", "a b", "--json"]).json();
    let id = job["executionId"].as_str().unwrap();
    assert_eq!(folder.call(&server, &["job", "wait", "shape", id, "--json"]).json()["result"], line);
    let done = folder.call(&server, &["events", "shape", "-m", "a b", "--json"]);
    let last: Value = serde_json::from_str(done.succeeded().lines().last().unwrap()).unwrap();
    assert_eq!((&last["eventType"], &last["result"]), (&json!("flow_completed"), &line));
    let mut steps = folder.calling(&server, &["steps", "shape", "-m", "a b"]);
    let mut steps = steps.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // On after each step.
    steps.stdin.take().unwrap().write_all(b"\ng\n").unwrap();
    assert_eq!(Done::of(steps.wait_with_output().unwrap()).json(), line);
}

//! `noukai flow test`, without a server and on one.

use serde_json::json;

use super::support::*;

const TESTS: &str = "\
cases:
  - name: greets
    input: {message: Ada}
    expect:
      - {kind: equals, value: {message: 'Hello, Ada!'}}
      - {kind: contains, text: hello, ignore_case: true, at: message}
  - name: shouts
    input: {message: Bob}
    expect: [{kind: equals, value: {message: 'HELLO, BOB!'}}]
  - name: replays
    input: {message: x}
    expect: [{kind: contains, text: recorded}]
    cassette: {version: 1, replies: [{step: say, text: as recorded}]}
";

#[test]
fn a_file_beside_the_flow_is_run_and_reported() {
    let folder = Folder::with_hello();
    folder.write("hello.tests.yaml", TESTS);
    let done = folder.run(&["flow", "test", "hello", "--junit", "report.xml"]);
    assert_eq!(done.code, Some(1), "{}", done.stderr);
    let lines: Vec<&str> = done.stdout.lines().collect();
    assert!(lines[0].starts_with("  ✓ greets") && lines[0].contains('█'), "{}", done.stdout);
    assert!(lines[1].starts_with("  ✗ shouts"));
    assert_eq!(lines[2].trim(), "equals: message: is another value, expected \"HELLO, BOB!\", got \"Hello, Bob!\"");
    assert!(lines[3].starts_with("  ✓ replays") && lines[3].contains("replayed"));
    assert!(lines[5].starts_with("  hello draft 2 of 3 passed in "), "{}", done.stdout);
    let report = std::fs::read_to_string(folder.path("report.xml")).unwrap();
    assert!(report.contains("<testsuite name=\"hello draft\" tests=\"3\"") && report.contains("failures=\"1\""));
    assert!(!folder.path(".noukai").exists());
}

#[test]
fn the_exit_code_and_the_json_tell_how_it_went() {
    let folder = Folder::with_hello();
    folder.write("hello.tests.yaml", TESTS);
    let chosen = ["flow", "test", "hello.flow.yaml", "--case", "greets", "--case", "replays", "--json"];
    let done = folder.run(&chosen);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    let run = done.json();
    assert_eq!(
        (&run["status"], &run["total"], &run["results"][0]["name"]),
        (&json!("passed"), &json!(2), &json!("greets"))
    );

    folder.run(&["flow", "test", "hello", "--case", "nope"]).failed(2, "TEST_CASE_NOT_FOUND");
    folder.write("hello.flow.yaml", "schema: 1\nslug: hello\n");
    folder.run(&["flow", "test", "hello"]).failed(2, "hello.flow.yaml: ");
}

#[test]
fn a_test_file_that_makes_no_sense_is_named() {
    let folder = Folder::with_hello();
    folder.run(&["flow", "test", "hello"]).failed(2, "no test file beside hello.flow.yaml");
    folder.run(&["flow", "test", "nope"]).failed(2, "no flow nope");
    for (text, said) in [
        ("cases: []", "hello.tests.yaml: `cases` is empty"),
        ("cases: [{name: a, expects: []}]", "hello.tests.yaml: cases[0].expects"),
        ("cases: [{name: a}, {name: a}]", "a test case named `a` already"),
        (
            "cases: [{name: a, cassette: {version: 1, replies: [{step: say}]}}]",
            "exactly one of `text`, `json` and `error`",
        ),
    ] {
        folder.write("hello.tests.yaml", text);
        folder.run(&["flow", "test", "hello"]).failed(2, said);
    }
}

#[test]
fn cases_that_a_server_keeps_are_run_there() {
    let folder = Folder::with_hello();
    let (_running, server) = folder.dev();
    let elsewhere = Folder::empty();
    let (_, flows) = server.get("/api/v1/flows?slug=hello");
    let flow = flows["flows"][0]["flow_id"].as_str().unwrap().to_owned();
    for (name, text) in [("greets", "Hello"), ("shouts", "HELLO")] {
        let case = json!({"name": name, "input": {"message": "Ada"}, "expect": [{"kind": "contains", "text": text}]});
        assert_eq!(server.send(&format!("/api/v1/flows/{flow}/test-cases"), server.key(), &case).finish().0, 201);
    }
    let test = |args: &[&str]| elsewhere.call(&server, &[&["flow", "test", "hello"], args].concat());
    let done = test(&["--version", "draft", "--junit", "report.xml"]);
    assert_eq!(done.code, Some(1), "{}", done.stderr);
    assert!(done.stdout.contains("✓ greets") && done.stdout.contains('█'), "{}", done.stdout);
    assert!(done.stdout.contains("hello draft 1 of 2 passed in "), "{}", done.stdout);
    let report = std::fs::read_to_string(elsewhere.path("report.xml")).unwrap();
    assert!(report.contains("<testsuite name=\"hello draft\" tests=\"2\""), "{report}");

    assert_eq!(test(&["--version", "3"]).code, Some(5), "there is no such version");
    elsewhere.call(&server, &["flow", "publish", "hello"]).succeeded();
    let run = test(&["--version", "v1", "--case", "greets", "--json"]).json();
    assert_eq!((&run["status"], &run["version"], &run["total"]), (&json!("passed"), &json!(1), &json!(1)));
    elsewhere.call(&server, &["flow", "test", "helo", "--version", "draft"]).failed(5, "no flow `helo`");
    assert_eq!(test(&["--version", "draft", "--config", "x.toml"]).code, Some(2));
    assert!(test(&[]).stderr.contains("hello"), "without a version it is the file's, and there is none");
}

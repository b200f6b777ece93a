//! Usage and budgets from the command line, beside a running server.

use std::time::{Duration, Instant};

use serde_json::json;

use super::support::*;

#[test]
fn usage_is_shown_as_a_table_as_csv_and_as_json() {
    let folder = Folder::with_hello();
    let (_running, server) = folder.dev();
    assert!(folder.run(&["usage"]).stderr.contains("no model was called"));
    server.execute("hello", "Ada");
    server.execute("hello", "Bob");
    let shown = folder.run(&["usage", "--by", "flow,model"]);
    let lines: Vec<Vec<&str>> = shown.succeeded().lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines[0], ["FLOW", "MODEL", "CALLS", "FAILED", "TOKENS", "USD"]);
    assert_eq!(lines[1][..4], ["hello", "noukai/echo", "2", "0"]);
    assert_eq!((lines[1][5], lines[1][6].chars().count(), lines[2][0]), ("0", 24, "total"));
    let csv = folder.run(&["usage", "--by", "flow", "--csv"]);
    assert!(csv.succeeded().lines().nth(1).is_some_and(|line| line.starts_with("hello,2,0,0,0,")), "{}", csv.stdout);
    let report = folder.run(&["usage", "--json", "--org", "--by", "project,flow"]).json();
    assert_eq!((&report["rows"][0]["flow"], &report["total"]["calls"]), (&json!("hello"), &json!(2)));
    assert_eq!(folder.run(&["usage", "--flow", "other", "--json"]).json()["rows"], json!([]));
    let unknown = folder.run(&["usage", "--by", "colour"]);
    assert!(unknown.code == Some(2) && unknown.stderr.contains("usage is grouped by day, model"), "{}", unknown.stderr);
    folder.run(&["usage", "--from", "soon"]).failed(1, "must be a day");
}

#[test]
fn budgets_are_set_listed_and_removed_and_a_running_server_heeds_them() {
    let folder = Folder::with_hello();
    let (_running, server) = folder.dev();
    assert!(folder.run(&["budget", "list"]).stderr.contains("has no budgets"));
    let wrong = |args: &[&str], words: &str| {
        let done = folder.run(args);
        assert!(done.code == Some(2) && done.stderr.contains(words), "{}", done.stderr);
    };
    wrong(&["budget", "set", "--per", "day"], "--usd <AMOUNT>");
    wrong(&["budget", "set", "--runs", "1", "--tokens", "2", "--per", "day"], "cannot be used with");
    folder.run(&["budget", "set", "--usd", "lots", "--per", "day"]).failed(1, "must be US dollars");
    folder.run(&["budget", "set", "--usd", "1", "--per", "day", "--flow", "gone"]).failed(1, "FLOW_NOT_FOUND");
    let set = folder.run(&["budget", "set", "--runs", "0", "--per", "total", "--flow", "hello", "--json"]).json();
    assert_eq!((&set["scope"], &set["flow"], &set["state"]), (&json!("flow"), &json!("hello"), &json!("exhausted")));
    let begun = Instant::now();
    while server.execute("hello", "Ada").0 != 402 {
        assert!(begun.elapsed() < Duration::from_secs(30), "the server does not heed the budget");
    }
    folder.run(&["budget", "set", "--org", "--usd", "12.50", "--per", "month"]).succeeded();
    let list = folder.run(&["budget", "list"]);
    let lines: Vec<&str> = list.succeeded().lines().collect();
    assert!(lines[1].contains("organisation  ") && lines[1].contains("12.5 usd"), "{}", list.stdout);
    assert!(lines[2].contains("flow local/dev/hello") || lines[2].contains("flow dev/hello"), "{}", list.stdout);
    let id = set["id"].as_str().unwrap();
    assert_eq!(folder.run(&["budget", "remove", id]).succeeded(), format!("removed {id}"));
    folder.run(&["budget", "remove", id]).failed(1, "BUDGET_NOT_FOUND");
    let begun = Instant::now();
    while server.execute("hello", "Ada").0 != 200 {
        assert!(begun.elapsed() < Duration::from_secs(30), "the server does not forget the budget");
    }
}

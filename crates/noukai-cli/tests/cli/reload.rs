//! `noukai dev`: what happens when files change.

use serde_json::json;

use super::support::*;

fn says(server: &Server, flow: &str) -> String {
    match server.execute(flow, "Ada") {
        (200, reply) => reply["result"]["message"].as_str().unwrap().to_owned(),
        (status, reply) => format!("{status} {}", reply["detail"]["code"].as_str().unwrap()),
    }
}

#[test]
fn a_saved_flow_is_served_at_once() {
    let folder = Folder::with_hello();
    let (running, server) = folder.dev();
    folder.write("hello.flow.yaml", &flow("hello", "Good day, {{ message }}!"));
    running.stderr.wait_for("reloaded hello (hello.flow.yaml)");
    assert_eq!(says(&server, "hello"), "Good day, Ada!");
}

#[test]
fn an_invalid_flow_leaves_the_last_good_one_in_place() {
    let folder = Folder::with_hello();
    let (running, server) = folder.dev();
    folder.write("hello.flow.yaml", "schema: 1\nslug: hello\nstps: []\n");
    let problem = running.stderr.wait_for("invalid");
    assert!(problem.starts_with("invalid hello.flow.yaml: stps: ") && problem.ends_with("[UNKNOWN_KEY]"), "{problem}");
    running.stderr.wait_for("the last good version of hello is still served");
    assert_eq!(says(&server, "hello"), "Hello, Ada!");
    folder.write("hello.flow.yaml", &flow("hello", "Well again, {{ message }}."));
    running.stderr.wait_for("reloaded hello");
    assert_eq!(says(&server, "hello"), "Well again, Ada.");
}

#[test]
fn flows_come_go_and_change_their_names() {
    let folder = Folder::with_hello();
    let (running, server) = folder.dev();
    std::fs::create_dir(folder.path("more")).unwrap();
    folder.write("more/bye.flow.yaml", &flow("bye", "Bye, {{ message }}."));
    running.stderr.wait_for("added bye (more/bye.flow.yaml)");
    assert_eq!(says(&server, "bye"), "Bye, Ada.");

    folder.write("copy.flow.yaml", &flow("bye", "x"));
    let refused = running.stderr.wait_for("invalid");
    assert!(refused.contains("both have the slug `bye`"), "{refused}");
    folder.remove("more/bye.flow.yaml");
    running.stderr.wait_for("removed bye");
    assert_eq!(says(&server, "bye"), "404 FLOW_NOT_FOUND");

    folder.write("hello.flow.yaml", &flow("hi-there", "Hi, {{ message }}."));
    running.stderr.wait_for("removed hello");
    assert_eq!(says(&server, "hello"), "404 FLOW_NOT_FOUND");
    assert_eq!(says(&server, "hi-there"), "Hi, Ada.");
}

#[test]
fn a_renamed_file_keeps_its_flow() {
    let folder = Folder::with_hello();
    let (running, server) = folder.dev();
    let before = server.execute("hello", "Ada").1["flowId"].clone();
    std::fs::rename(folder.path("hello.flow.yaml"), folder.path("renamed.flow.yml")).unwrap();
    running.stderr.wait_for("added hello (renamed.flow.yml)");
    assert_eq!(server.execute("hello", "Ada").1["flowId"], before);
}

#[test]
fn flows_of_an_earlier_start_are_gone() {
    let folder = Folder::with_hello();
    drop(folder.dev());
    folder.remove("hello.flow.yaml");
    folder.write("other.flow.yaml", &flow("other", "x"));
    let (_running, server) = folder.dev();
    assert_eq!(server.ready["flows"], json!(["other"]));
    assert_eq!(says(&server, "hello"), "404 FLOW_NOT_FOUND");
}

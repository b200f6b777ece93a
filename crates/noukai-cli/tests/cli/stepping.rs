//! `noukai steps`: a run in the user's hands, by lines and on a terminal.

use std::{
    io::Write,
    process::{Command, Stdio},
};

use serde_json::json;

use super::support::*;

const ADDRESS: &str = "local/dev/two";

fn folder() -> Folder {
    let folder = Folder::empty();
    let steps = "steps:\n  - {id: first, llm: {model: noukai/echo, prompt: \"{{ initial.message }} one\"}}\n  \
                 - {id: second, llm: {model: noukai/echo, prompt: \"{{ message }} two\"}}\n  \
                 - {id: third, llm: {model: noukai/echo, prompt: \"{{ message }} three\"}}\n";
    folder.write("two.flow.yaml", &format!("schema: 1\nslug: two\ninput: {{message: string}}\n{steps}"));
    folder.write("edit.sh", "echo '{\"message\": \"edited\"}' > \"$1\"\n");
    folder.write("spoil.sh", "echo 'no json' > \"$1\"\n");
    folder
}

fn typed(folder: &Folder, server: &Server, editor: &str, lines: &str) -> Done {
    let mut command = folder.calling(server, &["steps", ADDRESS, "-m", "zero"]);
    command.env("EDITOR", editor).env_remove("VISUAL");
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
    Done::of(child.wait_with_output().unwrap())
}

fn result(done: &Done) -> serde_json::Value {
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    done.json()["message"].clone()
}

#[test]
fn each_step_waits_for_a_choice() {
    let folder = folder();
    let (_running, server) = folder.dev();
    let on = typed(&folder, &server, "false", "\ng\n");
    assert_eq!(result(&on), "zero one two three");
    assert!(on.stderr.contains("✓ first") && on.stderr.contains("\"message\": \"zero one\""), "{}", on.stderr);
    assert_eq!(result(&typed(&folder, &server, "false", "r\n")), "zero one two three");

    let quit = typed(&folder, &server, "false", "g\nq\n");
    assert_eq!((quit.code, quit.stdout.as_str()), (Some(0), ""));
    assert!(quit.stderr.contains("✓ second") && quit.stderr.contains("stays where it is"), "{}", quit.stderr);
    let unknown = typed(&folder, &server, "false", "x\nr\n");
    assert!(unknown.stderr.contains("`x` is no choice"), "{}", unknown.stderr);
}

#[test]
fn an_output_is_edited_before_the_next_step() {
    let folder = folder();
    let (_running, server) = folder.dev();
    assert_eq!(result(&typed(&folder, &server, "sh edit.sh", "e\nr\n")), "edited two three");
    let spoiled = typed(&folder, &server, "sh spoil.sh", "e\nr\n");
    assert!(spoiled.stderr.contains("that is no JSON"), "{}", spoiled.stderr);
    assert_eq!(result(&spoiled), "zero one two three");
    assert!(typed(&folder, &server, "false", "e\nr\n").stderr.contains("the editor `false` failed"));
}

#[test]
fn going_back_runs_a_step_again() {
    let folder = folder();
    let (_running, server) = folder.dev();
    // To the second step's pause, back to it, and to the end.
    let back = typed(&folder, &server, "false", "g\nb\nr\n");
    assert_eq!(result(&back), "zero one two three");
    assert!(back.stderr.contains("back to step index 0"), "{}", back.stderr);
    let runs = server.get("/api/v1/flow-runs").1;
    let id = runs["flowRuns"][0]["id"].as_str().unwrap();
    let attempts = folder.call(&server, &["trace", id, "--step", "first", "--attempt", "all", "--json"]).json();
    assert_eq!(attempts.as_array().map(Vec::len), Some(2));
    assert_eq!(attempts[0]["status"], json!("completed"));
}

/// A terminal of its own by `script`, which is part of every Linux.
#[test]
fn a_terminal_gets_a_prompt() {
    let folder = folder();
    let (_running, server) = folder.dev();
    let mut command = Command::new("script");
    let line = format!("{} steps {ADDRESS} -m zero", env!("CARGO_BIN_EXE_noukai"));
    command.args(["-qec", &line, "/dev/null"]).env("NOUKAI_BASE_URL", server.url()).env("NOUKAI_API_KEY", server.key());
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(b"r\n").unwrap();
    let done = child.wait_with_output().unwrap();
    drop(stdin);
    let shown = String::from_utf8_lossy(&done.stdout);
    assert!(shown.contains("[g]o on, [e]dit") && shown.contains("zero one two three"), "{shown}");
}

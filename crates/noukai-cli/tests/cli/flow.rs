//! `noukai flow`: folder and server, the real binary on both sides.

use std::fs;

use serde_json::{Value, json};

use super::support::*;

/// A server of its own folder, and a folder to work in that calls it.
struct Pair {
    _running: Running,
    server: Server,
    _data: Folder,
    here: Folder,
}

impl Pair {
    /// With an empty project; `noukai dev` makes the key that may do all.
    fn start() -> Self {
        let data = Folder::with_hello();
        let (running, server) = data.dev();
        Self { _running: running, server, _data: data, here: Folder::empty() }
    }

    fn flow(&self, args: &[&str]) -> Done {
        self.flow_in(&self.here, args)
    }

    fn flow_in(&self, folder: &Folder, args: &[&str]) -> Done {
        folder.call(&self.server, &[&["flow"], args].concat())
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.here.path(name)).unwrap()
    }
}

const TRIAGE: &str = "# How mail is sorted.\nschema: 1\nslug: triage\nsteps:\n  # The first step.\n  - id: say\n    llm: {model: noukai/echo, prompt: \"one\"}\n";

#[test]
fn a_push_makes_a_flow_and_a_second_one_changes_nothing() {
    let pair = Pair::start();
    pair.here.write("triage.flow.yaml", TRIAGE);
    assert_eq!(pair.flow(&["push", "triage", "--dry-run"]).succeeded(), "triage: would be created");
    assert_eq!(pair.flow(&["push", "triage"]).succeeded(), "triage: created, revision 1");
    assert_eq!(pair.flow(&["push", "triage"]).succeeded(), "triage: nothing to push");

    pair.here.write("triage.flow.yaml", &TRIAGE.replace("\"one\"", "\"two\""));
    let dry = pair.flow(&["push", "triage", "--dry-run", "--json"]).json();
    assert_eq!(dry["flows"][0]["operations"][0]["op"], "update_block_draft");
    let diff = pair.flow(&["diff", "triage"]);
    assert!(diff.succeeded().contains("~ say llm.prompt: \"one\" -> \"two\""), "{}", diff.stdout);
    assert_eq!(pair.flow(&["diff", "triage", "--exit-code"]).code, Some(1));
    let pushed = pair.flow(&["push", "triage"]);
    assert_eq!(pushed.succeeded(), "triage: changed, 1 operation, revision 2\n  set content of `say`");
    assert_eq!(pair.flow(&["diff", "triage", "--exit-code"]).code, Some(0));
    let run = pair.here.call(&pair.server, &["run", "local/dev/triage", "-m", "x", "--json"]).json();
    assert_eq!(run["result"], json!({"message": "two"}));
}

#[test]
fn a_pull_that_changes_nothing_leaves_comments_alone() {
    let pair = Pair::start();
    pair.here.write("triage.flow.yaml", TRIAGE);
    pair.flow(&["push", "triage"]).succeeded();
    pair.flow(&["pull", "triage"]).succeeded();
    assert_eq!(pair.read("triage.flow.yaml"), TRIAGE);

    // Another copy takes it, changes it and puts it back; then the first one is behind.
    let there = Folder::empty();
    assert_eq!(pair.flow_in(&there, &["pull", "triage"]).succeeded(), "triage.flow.yaml: written");
    let text = fs::read_to_string(there.path("triage.flow.yaml")).unwrap();
    assert!(
        text.starts_with("# yaml-language-server: $schema=http://") && text.contains("/api/v1/schemas/flow.json\n"),
        "{text}"
    );
    there.write("triage.flow.yaml", &text.replace("one", "theirs"));
    pair.flow_in(&there, &["push", "triage"]).succeeded();
    let behind = pair.flow(&["push", "triage"]);
    assert!(behind.succeeded().contains("newer on the server"), "{}", behind.stdout);
    assert_eq!(pair.flow(&["pull", "triage"]).succeeded(), "triage.flow.yaml: changed");
    let text = pair.read("triage.flow.yaml");
    assert!(text.starts_with("# How mail is sorted.\n") && text.contains("theirs"), "{text}");
}

#[test]
fn what_both_sides_changed_is_refused_and_explained() {
    let pair = Pair::start();
    pair.here.write("triage.flow.yaml", TRIAGE);
    pair.flow(&["push", "triage"]).succeeded();
    let there = Folder::empty();
    pair.flow_in(&there, &["pull", "triage"]).succeeded();
    pair.here.write("triage.flow.yaml", &TRIAGE.replace("\"one\"", "\"mine\""));
    pair.flow(&["push", "triage"]).succeeded();
    let text = fs::read_to_string(there.path("triage.flow.yaml")).unwrap();
    there.write("triage.flow.yaml", &text.replace("one", "theirs"));

    for action in ["push", "pull"] {
        let refused = pair.flow_in(&there, &[action, "triage"]);
        refused.failed(1, "revision 2 and was at 1 when you last had it");
        assert!(
            refused.stderr.contains("noukai flow diff triage") && refused.stderr.contains("--force"),
            "{}",
            refused.stderr
        );
    }
    let list = pair.flow_in(&there, &["list"]);
    assert!(list.succeeded().contains("changed on both sides"), "{}", list.stdout);
    pair.flow_in(&there, &["push", "triage", "--force"]).succeeded();
    pair.flow(&["pull", "triage"]).succeeded();
    assert!(pair.read("triage.flow.yaml").contains("theirs"));

    // A copy that never saw both equal knows of no side that it is the newer one.
    let fresh = Folder::empty();
    fresh.write("triage.flow.yaml", &TRIAGE.replace("\"one\"", "\"fresh\""));
    pair.flow_in(&fresh, &["push"]).failed(1, "never seen equal");
    pair.flow_in(&fresh, &["pull", "--force"]).succeeded();
    assert!(fs::read_to_string(fresh.path("triage.flow.yaml")).unwrap().contains("theirs"));
}

#[test]
fn versions_are_published_promoted_and_rolled_back() {
    let pair = Pair::start();
    pair.here.write("triage.flow.yaml", TRIAGE);
    pair.flow(&["publish", "triage"]).failed(5, "has no flow `triage`");
    pair.flow(&["push", "triage"]).succeeded();
    pair.flow(&["promote", "triage"]).failed(2, "no version yet");
    assert_eq!(pair.flow(&["publish", "triage", "--note", "first"]).succeeded(), "triage v1");
    assert_eq!(pair.flow(&["promote", "triage"]).succeeded(), "triage: production is v1");
    pair.flow(&["rollback", "triage"]).failed(2, "no other production version");

    pair.here.write("triage.flow.yaml", &TRIAGE.replace("\"one\"", "\"two\""));
    pair.flow(&["publish", "triage"]).failed(2, "is not what the server has");
    pair.flow(&["push", "triage"]).succeeded();
    assert_eq!(pair.flow(&["publish", "triage", "--promote"]).succeeded(), "triage v2, which is production now");
    let diff = pair.flow(&["diff", "triage", "--from", "1", "--to", "v2"]);
    assert!(diff.succeeded().contains("llm.prompt: \"one\" -> \"two\""), "{}", diff.stdout);
    let list = pair.flow(&["list", "--json"]).json();
    let row = list["flows"].as_array().unwrap().iter().find(|row| row["slug"] == "triage").unwrap().clone();
    assert_eq!(
        (&row["standing"], &row["production_version"], &row["latest_version"]),
        (&json!("same"), &json!(2), &json!(2))
    );

    assert_eq!(pair.flow(&["rollback", "triage"]).succeeded(), "triage: production is v1 (was v2)");
    let run = pair
        .here
        .call(&pair.server, &["run", "local/dev/triage", "-m", "x", "--version", "production", "--json"])
        .json();
    assert_eq!(run["result"], json!({"message": "one"}));
    let refused = pair.flow(&["promote", "triage", "9"]);
    assert_eq!(refused.code, Some(5), "{}", refused.stderr);
}

#[test]
fn drafts_with_problems_are_pushed_and_not_published() {
    let pair = Pair::start();
    pair.here.write("triage.flow.yaml", &TRIAGE.replace("prompt:", "promt:"));
    let pushed = pair.flow(&["push", "triage"]);
    assert!(
        pushed.succeeded().contains("created") && pushed.stderr.contains("did you mean `prompt`?"),
        "{}",
        pushed.stderr
    );
    let refused = pair.flow(&["publish", "triage"]);
    assert!(refused.code != Some(0) && refused.stderr.contains("prompt"), "{}", refused.stderr);
    assert_eq!(pair.flow(&["check"]).code, Some(1));
    pair.here.write("triage.flow.yaml", "schema: [");
    pair.flow(&["push"]).failed(2, "triage.flow.yaml");
}

#[test]
fn a_folder_names_its_project_and_gets_no_foreign_key() {
    let pair = Pair::start();
    pair.here.write("noukai.yaml", "org: acme\nproject: demo\n");
    pair.flow(&["list"]).failed(5, "does not reach acme/demo");
    pair.here.write("noukai.yaml", "orgg: local\n");
    pair.flow(&["list"]).failed(2, "orgg");
    pair.here.write("noukai.yaml", &format!("server: {}\norg: local\nproject: dev\n", pair.server.url()));
    let list = |folder: &Folder| {
        let mut command = folder.command(&["flow", "list", "--json"]);
        Done::of(command.env("NOUKAI_API_KEY", pair.server.key()).output().unwrap())
    };
    assert_eq!(list(&pair.here).json()["project"], "local/dev");
    // A folder from elsewhere is sent no key of the environment.
    pair.here.write("noukai.yaml", "server: https://flows.example.com\n");
    list(&pair.here).failed(2, "NOUKAI_API_KEY is not sent there");
    let mut keyless = pair.here.command(&["flow", "list"]);
    Done::of(keyless.output().unwrap()).failed(2, "there is no key for https://flows.example.com");
}

#[test]
fn names_that_are_nowhere_are_refused() {
    let pair = Pair::start();
    for args in [["pull", "helo"], ["push", "helo"], ["diff", "helo"]] {
        let refused = pair.flow(&args);
        refused.failed(5, "no flow `helo`");
        assert!(refused.stderr.contains("hello"), "{}", refused.stderr);
    }
    let pulled: Value = pair.flow(&["pull", "--json"]).json();
    assert_eq!(pulled["flows"], json!([{"slug": "hello", "action": "written"}]));
    assert_eq!(pair.flow(&["check"]).code, Some(0));
    assert!(pair.flow(&["schema"]).json()["definitions"]["llm"].is_object());
}

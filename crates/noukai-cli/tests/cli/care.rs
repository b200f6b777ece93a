//! What keeps an installation well: copies, migrations, the doctor.

use std::fs;

use serde_json::{Value, json};

use crate::{
    model::Model,
    support::{Folder, Server, slow_flow},
};

fn check<'a>(report: &'a Value, name: &str) -> &'a Value {
    report["checks"].as_array().unwrap().iter().find(|check| check["name"] == name).unwrap()
}

#[test]
fn a_copy_made_while_the_server_runs_is_a_server_of_its_own() {
    let folder = Folder::with_hello();
    folder.write("slow.flow.yaml", &slow_flow("slow", 50_000));
    let args = ["serve", "--listen", "127.0.0.1:0", "--flows", ".", "--data", "data", "--json"];
    let mut running = folder.start(&args);
    let ready: Value = serde_json::from_str(&running.stdout.next()).unwrap();
    let key = folder.run(&["key", "create", "--name", "first", "--data", "data"]).succeeded().to_owned();
    let server = Server { ready: json!({"url": ready["url"], "api_key": key}) };
    let done = server.execute("hello", "Ada").1["executionId"].clone();
    let mut under_way = server.post("slow/step", "a");
    under_way.wait_for("event: step_started");
    let job = server.post("hello/jobs", "Ada").finish().1["executionId"].clone();

    let copy = folder.run(&["backup", "--data", "data"]).succeeded().to_owned();
    assert!(copy.starts_with("data/backups/noukai-"), "{copy}");
    folder.run(&["backup", "--data", "data", "--to", &copy]).failed(1, "exists already");
    running.signal("KILL");
    running.end();
    fs::create_dir(folder.path("restored")).unwrap();
    fs::copy(folder.path(&copy), folder.path("restored/noukai.db")).unwrap();

    let args = ["serve", "--listen", "127.0.0.1:0", "--data", "restored", "--json"];
    let restored = folder.start(&args);
    let ready: Value = serde_json::from_str(&restored.stdout.next()).unwrap();
    let server = Server { ready: json!({"url": ready["url"], "api_key": key}) };
    let trace = format!("/api/v1/flow-runs/{}/trace", done.as_str().unwrap());
    assert_eq!(server.get(&trace).1["flowRun"]["status"], "completed");
    let poll = format!("/api/v1/seq/local/dev/hello/jobs/{}?wait=60", job.as_str().unwrap());
    assert_eq!(server.get(&poll).1["status"], "completed");
    assert_eq!(server.execute("hello", "Ada").0, 200);
}

#[test]
fn a_backup_of_nothing_says_so() {
    let folder = Folder::empty();
    folder.run(&["backup", "--data", "none"]).failed(1, "there is no database in none");
    folder.run(&["backup", "--database", "postgres://ann:canary@127.0.0.1:9/x"]).failed(1, "pg_dump");
    folder.run(&["migrate", "--check", "--data", "none"]).failed(1, "there is no database in none");
    assert!(!folder.path("none").exists());
}

#[test]
fn migrations_are_shown_and_applied() {
    let folder = Folder::with_hello();
    folder.run(&["key", "create", "--name", "first", "--data", "data"]).succeeded();
    let current = folder.run(&["migrate", "--check", "--data", "data"]);
    assert!(current.succeeded().ends_with("is current"), "{}", current.stdout);
    fs::create_dir(folder.path("old")).unwrap();
    let made = include_str!("../../../noukai-store/tests/fixtures/schema_0001.sql");
    rusqlite::Connection::open(folder.path("old/noukai.db")).unwrap().execute_batch(made).unwrap();

    let doctor = folder.run(&["doctor", "--json", "--data", "old"]).json();
    assert_eq!(check(&doctor, "schema")["health"], "warn", "{doctor}");
    for _ in 0..2 {
        let pending = folder.run(&["migrate", "--check", "--data", "old"]);
        assert_eq!(pending.code, Some(1));
        assert!(pending.stdout.starts_with("pending: 2 queues"), "{}", pending.stdout);
    }
    assert!(folder.run(&["migrate", "--data", "old"]).succeeded().starts_with("applied: 2 queues"));
    assert!(folder.run(&["migrate", "--data", "old"]).succeeded().ends_with("is current"));
}

#[test]
fn a_schema_is_not_changed_under_a_server() {
    let folder = Folder::with_hello();
    let (_running, _server) = folder.dev();
    folder.run(&["migrate", "--data", ".noukai"]).failed(1, "another noukai server uses it");
    assert!(folder.run(&["migrate", "--check", "--data", ".noukai"]).succeeded().ends_with("is current"));
}

#[test]
fn the_doctor_finds_what_is_well_and_what_is_not() {
    let folder = Folder::with_hello();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    folder.write(
        "bad.toml",
        &format!("listen = ['{address}']\n[provider]\nbase_url = 'http://127.0.0.1:9/v1'\napi_key = 'sk-canary'"),
    );
    let report = folder.run(&["doctor", "--json", "--config", "bad.toml", "--data", "none"]);
    assert_eq!(report.code, Some(1));
    assert!(!report.stdout.contains("canary") && !report.stderr.contains("canary"));
    let found = report.json();
    assert_eq!(found["health"], "fail");
    for (name, health) in
        [("data", "warn"), ("database", "warn"), ("port", "fail"), ("provider", "fail"), ("clock", "ok")]
    {
        assert_eq!(check(&found, name)["health"], health, "{found}");
        assert_eq!(check(&found, name)["advice"].is_string(), health != "ok", "{found}");
    }
    assert!(!folder.path("none").exists(), "it changes nothing");

    let model = Model::start();
    let (_running, _server) = folder.dev();
    folder.write(
        "good.toml",
        &format!("data = '.noukai'\nlisten = ['127.0.0.1:0']\n[provider]\nbase_url = '{}'\napi_key = 'k'", model.url),
    );
    let report = folder.run(&["doctor", "--config", "good.toml"]);
    let lines: Vec<&str> = report.succeeded().lines().collect();
    for words in ["data      .noukai, in use by a server", "database  whole", ", current", "is free", "takes the key"] {
        assert!(lines.iter().any(|line| line.starts_with("ok  ") && line.contains(words)), "{words}: {lines:#?}");
    }
}

#[test]
fn a_damaged_database_is_no_surprise() {
    let folder = Folder::with_hello();
    folder.run(&["key", "create", "--name", "first", "--data", "data"]).succeeded();
    let path = folder.path("data/noukai.db");
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle..].fill(0xa5);
    fs::write(&path, bytes).unwrap();
    let report = folder.run(&["doctor", "--json", "--data", "data"]);
    assert_eq!(report.code, Some(1));
    let found = report.json();
    assert_eq!(check(&found, "database")["health"], "fail", "{found}");
}

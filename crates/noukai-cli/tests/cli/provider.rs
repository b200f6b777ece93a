//! Keys for model providers at the machine: added, tried, replaced, removed, and read again after the master key changed.

use std::{fs, io::Write, process::Stdio};

use serde_json::Value;

use crate::{
    model::Model,
    support::{Done, Folder},
};

const CANARY: &str = "sk-canary-3f0b7d55e1aa-tail";

/// Runs a command that reads a key.
fn with_key(folder: &Folder, key: &str, args: &[&str]) -> Done {
    let mut command = folder.command(args);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    writeln!(child.stdin.take().unwrap(), "{key}").unwrap();
    let done = Done::of(child.wait_with_output().unwrap());
    assert!(!done.stdout.contains("canary") && !done.stderr.contains("canary"), "{}{}", done.stdout, done.stderr);
    done
}

fn provider<'a>(args: &[&'a str]) -> Vec<&'a str> {
    [&["provider"], args, &["--config", "noukai.toml"]].concat()
}

fn listed(folder: &Folder) -> Vec<Value> {
    let list = folder.run(&["provider", "list", "--config", "noukai.toml", "--json"]).json();
    list["provider_keys"].as_array().unwrap().clone()
}

fn master_key(folder: &Folder) -> Value {
    let report = folder.run(&["doctor", "--config", "noukai.toml", "--json"]).json();
    report["checks"].as_array().unwrap().iter().find(|check| check["name"] == "master key").unwrap().clone()
}

#[test]
fn a_key_from_its_adding_to_its_end() {
    let (folder, model) = (Folder::empty(), Model::start());
    folder.write(
        "noukai.toml",
        &format!("data = 'data'\nlisten = ['127.0.0.1:0']\n[providers.my-own]\nbase_url = '{}'", model.url),
    );
    let missing = with_key(&folder, CANARY, &provider(&["add", "my-own"]));
    missing.failed(1, "noukai provider make-master-key");
    let path = folder.run(&provider(&["make-master-key"])).succeeded().to_owned();
    assert!(path.ends_with("data/master.key"), "{path}");
    folder.run(&provider(&["make-master-key"])).failed(1, "exists");
    assert_eq!(master_key(&folder)["health"], "ok");

    with_key(&folder, "", &provider(&["add", "my-own"])).failed(2, "there was no key");
    with_key(&folder, CANARY, &provider(&["add", "openai", "--base-url", "https://10.0.0.1/v1"])).failed(1, "10.0.0.1");
    let id = with_key(&folder, CANARY, &provider(&["add", "my-own", "--name", "Team"])).succeeded().to_owned();
    let key = &listed(&folder)[0];
    assert_eq!((&key["id"], &key["last_four"], &key["readable"]), (&id.clone().into(), &"tail".into(), &true.into()));
    let table = folder.run(&provider(&["list"])).succeeded().to_owned();
    assert!(table.contains("...tail") && table.contains("never") && !table.contains("canary"), "{table}");
    let tried = folder.run(&provider(&["test"])).succeeded().to_owned();
    assert_eq!(
        tried.lines().filter(|line| line.starts_with("ok  ")).count(),
        2,
        "the server's and the project's: {tried}"
    );
    assert!(fs::read(folder.path("data/noukai.db")).unwrap().windows(6).all(|part| part != b"canary"));

    with_key(&folder, "sk-canary-another-1234", &provider(&["replace", &id])).succeeded();
    assert_eq!(listed(&folder)[0]["last_four"], "1234");
    folder.run(&provider(&["remove", "no-id"])).failed(1, "no such provider key");
    assert_eq!(folder.run(&provider(&["remove", &id])).succeeded(), format!("removed {id}"));
    assert!(listed(&folder).is_empty());
}

#[test]
fn the_master_key_is_changed_and_missed() {
    let (folder, model) = (Folder::empty(), Model::start());
    folder.write(
        "noukai.toml",
        &format!("data = 'data'\nlisten = ['127.0.0.1:0']\n[providers.my-own]\nbase_url = '{}'", model.url),
    );
    folder.run(&provider(&["make-master-key"])).succeeded();
    with_key(&folder, CANARY, &provider(&["add", "my-own", "--organization"])).succeeded();
    let file = folder.path("data/master.key");
    let old = fs::read_to_string(&file).unwrap();

    // Another key alone: nothing is lost, and everyone says what is wrong.
    let new = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
    fs::write(&file, new).unwrap();
    let found = master_key(&folder);
    assert_eq!(found["health"], "fail", "{found}");
    assert_eq!(listed(&folder)[0]["readable"], false);
    folder.run(&provider(&["test"])).failed(1, "cannot be read");
    assert_eq!(folder.run(&provider(&["rotate-master-key"])).code, Some(1));

    fs::write(&file, format!("{new}\n{old}")).unwrap();
    assert_eq!(master_key(&folder)["health"], "warn");
    assert!(folder.run(&provider(&["rotate-master-key"])).succeeded().starts_with("1 provider keys sealed anew"));
    assert!(folder.run(&provider(&["rotate-master-key"])).succeeded().starts_with("0 provider keys"));
    fs::write(&file, new).unwrap();
    assert_eq!(master_key(&folder)["health"], "ok");
    folder.run(&provider(&["test"])).succeeded();

    // A file that others may read is none.
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
        let found = master_key(&folder);
        assert!(found["health"] == "fail" && found["found"].as_str().unwrap().contains("chmod 600"), "{found}");
        let serving = folder.start(&["serve", "--config", "noukai.toml"]);
        serving.stderr.wait_for("there is no master key");
    }
}

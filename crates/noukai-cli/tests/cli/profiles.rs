//! Servers and keys that are kept: `noukai login`, `logout`, `profile`.

use std::{fs, io::Write, os::unix::fs::PermissionsExt, process::Stdio};

use serde_json::json;

use super::support::*;

fn login(folder: &Folder, key: &str, args: &[&str]) -> Done {
    let mut command = folder.command(&[&["login"], args].concat());
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(key.as_bytes()).unwrap();
    Done::of(child.wait_with_output().unwrap())
}

#[test]
fn a_stored_key_calls_its_server_and_no_other() {
    let folder = Folder::with_hello();
    let (_running, server) = folder.dev();
    let done = login(&folder, server.key(), &["--server", server.url(), "--profile", "here"]);
    assert_eq!(done.succeeded(), "");
    assert!(done.stderr.contains("profile here for local/dev on "), "{}", done.stderr);
    let file = folder.path("config/noukai/config.toml");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::metadata(file.parent().unwrap()).unwrap().permissions().mode() & 0o777, 0o700);

    let address = "local/dev/hello";
    for args in [
        vec!["run", address, "-m", "x", "--json"],
        vec!["run", "hello", "-m", "x", "--json", "--profile", "here"],
        vec!["run", "hello", "-m", "x", "--json", "--server", server.url()],
    ] {
        assert_eq!(folder.run(&args).json()["result"], json!({"message": "Hello, x!"}), "{args:?}");
    }
    folder.run(&["run", address, "-m", "x", "--server", "http://127.0.0.1:1"]).failed(2, "there is no key for");
    folder.run(&["run", address, "-m", "x", "--profile", "there"]).failed(2, "no profile `there`");

    let listed = folder.run(&["profile", "list", "--json"]);
    assert_eq!(listed.json()["profiles"][0]["name"], "here");
    assert!(!listed.stdout.contains("nk_"), "{}", listed.stdout);
    assert!(folder.run(&["profile", "list"]).succeeded().starts_with("* here"));
    folder.run(&["logout"]).succeeded();
    folder.run(&["run", address, "-m", "x"]).failed(2, "there is no server to call");
}

#[test]
fn a_key_that_the_server_refuses_is_not_stored() {
    let folder = Folder::with_hello();
    let (_running, server) = folder.dev();
    let unknown = "nk_test_aaaaaaaa_bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";
    login(&folder, unknown, &["--server", server.url()]).failed(4, "HTTP 401");
    login(&folder, "", &["--server", server.url()]).failed(2, "there was no key");
    login(&folder, "secret-canary", &["--server", server.url()]).failed(2, "`nk_`");
    assert!(!folder.path("config/noukai/config.toml").exists());
}

#[test]
fn a_file_that_others_can_read_is_refused() {
    let folder = Folder::with_hello();
    let (_running, server) = folder.dev();
    login(&folder, server.key(), &["--server", server.url()]).succeeded();
    let file = folder.path("config/noukai/config.toml");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    folder.run(&["run", "local/dev/hello", "-m", "x"]).failed(2, "others can read it");
}

//! Models and prices: the built-in list, a fetched one, the operator's own.

use std::{
    io::{BufRead, BufReader, Write},
    net::TcpListener,
    thread,
};

use serde_json::Value;

use crate::support::Folder;

/// Answers every call with this.
fn lists(body: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/v1", listener.local_addr().unwrap());
    thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
            while lines.next().is_some_and(|line| line.is_ok_and(|line| !line.is_empty())) {}
            let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length:";
            let _ = write!(stream, "{head} {}\r\n\r\n{body}", body.len());
        }
    });
    url
}

fn listed(folder: &Folder, args: &[&str]) -> Vec<Value> {
    let done = folder.run(&[&["models", "list", "--json"], args].concat());
    serde_json::from_str::<Vec<Value>>(&done.stdout).unwrap()
}

#[test]
fn prices_are_fetched_and_the_operators_own_win() {
    let folder = Folder::empty();
    assert!(folder.run(&["models", "list"]).stdout.contains("openai/gpt-4o-mini"));
    let url = lists(
        r#"{"data": [{"id": "a/b", "pricing": {"prompt": "0.000003", "completion": "0.000015"}}, {"id": "a/c"},
            {"id": "openai/gpt-4o", "pricing": {"prompt": "0.000001", "completion": "0.000002"}}]}"#,
    );
    folder.write("noukai.toml", &format!("[providers.mine]\nbase_url = '{url}'\n"));
    let done = folder.run(&["models", "refresh", "--config", "noukai.toml"]);
    assert!(done.stderr.contains("2 models with prices from mine"), "{}", done.stderr);
    let known = listed(&folder, &["a/"]);
    assert_eq!((known.len(), &known[0]["input"], &known[0]["output"]), (1, &"3".into(), &"15".into()));
    assert_eq!(listed(&folder, &["openai/gpt-4o"])[0]["input"], "1");
    folder.write(
        "own.json",
        r#"{"date": "2030-01-01", "source": "contract", "models": [{"model": "openai/gpt-4o", "input": "0.5", "output": "1",
            "structured_output": "native", "tools": true}]}"#,
    );
    folder.write("noukai.toml", "models_file = 'own.json'\n");
    let own = &listed(&folder, &["openai/gpt-4o", "--config", "noukai.toml"])[0];
    assert_eq!((&own["input"], &own["source"]), (&"0.5".into(), &"contract".into()));
}

#[test]
fn a_list_without_prices_changes_nothing() {
    let folder = Folder::empty();
    let url = lists(r#"{"object": "list", "data": [{"id": "gpt", "object": "model"}]}"#);
    folder.write("noukai.toml", &format!("[providers.mine]\nbase_url = '{url}'\n"));
    for (args, part) in [
        (vec!["--config", "noukai.toml"], "states no prices"),
        (vec!["--config", "noukai.toml", "--provider", "other"], "no provider `other` is configured"),
    ] {
        let done = folder.run(&[&["models", "refresh"], &args[..]].concat());
        assert!(done.code == Some(1) && done.stderr.contains(part), "{}", done.stderr);
    }
    assert!(!folder.path(".noukai/models.json").exists());
}

//! `docs/authoring.md`, done to the letter: its commands, on a server that nobody has used.

use std::{fs, io::Write, process::Stdio};

use serde_json::{Value, json};

use super::support::*;

const GUIDE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/authoring.md");

/// A newcomer at an empty server, with the guide in hand.
struct Newcomer {
    folder: Folder,
    guide: String,
    url: String,
    key: String,
    _server: Running,
}

impl Newcomer {
    /// Does what "A server, and a key" says.
    fn begin() -> Self {
        let (folder, guide) = (Folder::empty(), fs::read_to_string(GUIDE).unwrap());
        let [serve, sign_up] = blocks(section(&guide, "A server, and a key"), "sh")[..] else { panic!("{guide}") };
        let serve: Vec<&str> = serve.trim().strip_prefix("noukai ").unwrap().split_whitespace().collect();
        // The guide has port 8080 to itself.
        let server = folder.start(&[&serve[..], &["--listen", "127.0.0.1:0", "--json"]].concat());
        let ready: Value = serde_json::from_str(&server.stdout.next()).unwrap();
        let url = ready["url"].as_str().unwrap().to_owned();
        let sign_up = sign_up.replace("nku_...", ready["setup_token"].as_str().unwrap());
        let mut newcomer = Self { folder, guide, url, key: String::new(), _server: server };
        let made: Value = serde_json::from_str(newcomer.shell("", &sign_up).succeeded()).unwrap();
        assert!(made["key"].as_str().is_some_and(|key| key.starts_with("nk_live_")), "{made}");
        let again = newcomer.shell("", &sign_up).succeeded().to_owned();
        assert!(again.contains("UNAUTHENTICATED"), "{again}");
        // A key that may do no more than it has to.
        let line = newcomer.guide.split('`').find(|code| code.starts_with("noukai key create")).unwrap().to_owned();
        newcomer.key = newcomer.shell("", &line).succeeded().to_owned();
        newcomer
    }

    fn section(&self, title: &str) -> &str {
        section(&self.guide, title)
    }

    /// What is written for a server at its usual place, for the one that is there.
    fn here(&self, text: &str) -> String {
        let host = self.url.strip_prefix("http://").unwrap();
        text.replace("localhost:8080", host).replace("nk_live_...", &self.key)
    }

    /// Lines of the guide, in a folder below, the key on stdin for who asks for it.
    fn shell(&self, below: &str, lines: &str) -> Done {
        let mut command = self.folder.shell(&self.here(lines));
        command.current_dir(self.folder.path(below)).stdin(Stdio::piped());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // Who asks for nothing has perhaps ended by now.
        let _ = child.stdin.take().unwrap().write_all(self.key.as_bytes());
        Done::of(child.wait_with_output().unwrap())
    }

    /// Commands of the guide, a line each, which say what stands behind them.
    fn each(&self, below: &str, lines: &str) {
        for line in lines.lines() {
            let (command, said) = line.split_once(" # ").unwrap_or((line, ""));
            let done = self.shell(below, command);
            let text = done.succeeded();
            // The rest are words for the reader.
            if said.starts_with("triage") || said.starts_with('~') {
                assert!(reads(text, said), "{command}\n{text}\nis not: {said}");
            }
        }
    }
}

/// Whether a line is as the guide has it, where `...` stands for anything.
fn reads(text: &str, wanted: &str) -> bool {
    let as_wanted = |line: &str| {
        let mut rest = line;
        wanted.trim().split("...").all(|part| match rest.find(part) {
            Some(at) => {
                rest = &rest[at + part.len()..];
                true
            }
            None => false,
        })
    };
    text.lines().any(as_wanted)
}

fn section<'a>(guide: &'a str, title: &str) -> &'a str {
    let start = guide.find(&format!("## {title}\n")).unwrap_or_else(|| panic!("no section {title:?}"));
    let rest = &guide[start + 3..];
    &rest[..rest.find("\n## ").unwrap_or(rest.len())]
}

/// The blocks of a language, in order.
fn blocks<'a>(text: &'a str, language: &str) -> Vec<&'a str> {
    let open = format!("```{language}\n");
    text.split(&open).skip(1).map(|rest| rest.split("```").next().unwrap()).collect()
}

#[test]
fn a_newcomer_promotes_a_flow_with_the_command_line() {
    let newcomer = Newcomer::begin();
    let (commands, files) = (
        blocks(newcomer.section("With the command line"), "sh"),
        blocks(newcomer.section("With the command line"), "yaml"),
    );
    assert_eq!((commands.len(), files.len()), (3, 2));
    newcomer.each("", commands[0]);
    newcomer.folder.write("flows/noukai.yaml", &newcomer.here(files[0]));
    newcomer.folder.write("flows/triage.flow.yaml", &newcomer.here(files[1]));
    newcomer.each("flows", commands[1]);

    let changed = files[1].replace("Label this mail", "Say what this mail is about");
    assert_ne!(changed, files[1]);
    newcomer.folder.write("flows/triage.flow.yaml", &newcomer.here(&changed));
    newcomer.each("flows", commands[2]);
}

#[test]
fn a_newcomer_promotes_a_flow_with_the_api() {
    let newcomer = Newcomer::begin();
    let blocks = blocks(newcomer.section("With the API"), "sh");
    let (before, after) = blocks[0].split_once("flow=...").unwrap();
    let made: Value = serde_json::from_str(newcomer.shell("", before).succeeded()).unwrap();
    assert_eq!((&made["slug"], &made["revision"]), (&json!("greet"), &json!(1)));
    let names: String = before.lines().take(2).map(|line| format!("{line}\n")).collect();
    let rest = format!("{names}flow={}{after}", made["flow_id"].as_str().unwrap());
    let done = newcomer.shell("", &rest);
    let replies: Vec<Value> =
        serde_json::Deserializer::from_str(done.succeeded()).into_iter().map(|reply| reply.unwrap()).collect();
    let [changed, problems, version, production, run] = &replies[..] else { panic!("{replies:#?}") };
    assert_eq!((&changed["created"], &changed["revision"]), (&json!(["say"]), &json!(2)));
    assert_eq!(problems["publishable"], true);
    assert_eq!((&version["version"], &production["version"]), (&json!(1), &json!(1)));
    assert!(run["result"]["greeting"].is_string(), "{run}");
}

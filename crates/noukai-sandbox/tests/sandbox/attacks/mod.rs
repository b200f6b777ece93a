//! What is known to have been tried on systems of this kind: each attack fails with the right error, everyone else goes
//! on meanwhile, and the next call works.

mod javascript;
mod python;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use noukai_engine::{CodeCall, CodeErrorKind};
use noukai_flow::Language;
use noukai_sandbox::{Sandbox, Settings};
use serde_json::json;
use tokio::sync::Mutex;
use tokio::task::JoinHandle;
use uuid::Uuid;

use super::common::*;

/// For attacks on time, which use it up.
const SHORT: Duration = Duration::from_millis(200);

/// For attacks that may use it up.
const MIDDLE: Duration = Duration::from_secs(1);

/// For attacks that should fail before time is up.
const LONG: Duration = Duration::from_secs(8);

/// One attack: what it is called, the body, and what may come of it; nothing said: anything but harm to others.
type Attack = (&'static str, String, &'static [CodeErrorKind]);

/// Pages that the process of the tests may grow by while all attacks run, 4 KiB each.
const GROWTH: u64 = 64 << 8;

fn attack(name: &'static str, body: &str, kinds: &'static [CodeErrorKind]) -> Attack {
    (name, body.to_owned(), kinds)
}

/// One group of attacks at a time: many at once would be an attack on the machine that runs the tests.
static TURN: Mutex<()> = Mutex::const_new(());

#[test]
fn the_guide_names_attacks_that_are_made() {
    let guide = include_str!("../../../../../docs/code-blocks.md");
    let (_, table) = guide.split_once("## What has been tried").unwrap();
    let rows = table.lines().filter(|line| line.starts_with("| "));
    let cells: Vec<Vec<&str>> = rows.map(|row| row.split('|').map(str::trim).collect()).collect();
    let sources = [include_str!("python.rs"), include_str!("javascript.rs")];
    let mut named = 0;
    for row in &cells {
        for (cell, source) in row[2..4].iter().zip(sources) {
            for name in cell.split('`').skip(1).step_by(2) {
                assert!(source.contains(&format!("\"{name}\"")), "`{name}` of {:?}", row[1]);
                named += 1;
            }
        }
    }
    assert!(named > 50, "{named}");
}

/// Runs all attacks in one sandbox, one after the other, beside a project that does its work.
async fn run(language: Language, timeout: Duration, attacks: Vec<Attack>) {
    let _turn = TURN.lock().await;
    let sandbox = Sandbox::new(Settings { memory: 48 << 20, output: 1 << 20, values: 20_000, ..settings() });
    let neighbour = Neighbour::start(&sandbox, language);
    let mut wrong = Vec::new();
    let before = pages();
    for (name, body, kinds) in attacks {
        let call = block(language, &["items"], &body).with(json!({"secret": 1}), [json!([1, 2])]);
        // Where time may run out, it should not take long.
        let timeout = if kinds.contains(&CodeErrorKind::Timeout) { timeout.min(MIDDLE) } else { timeout };
        match sandbox.call(&CodeCall { timeout, ..call }).await {
            Ok(reply) if !kinds.is_empty() => wrong.push(format!("{name}: went through: {reply:?}")),
            Err(error) if !kinds.is_empty() && !kinds.contains(&error.kind) => wrong.push(format!("{name}: {error:?}")),
            _ => {}
        }
        if let Err(error) = sandbox.call(&work(language, Uuid::from_u128(1))).await {
            wrong.push(format!("the call after {name}: {error:?}"));
        }
    }
    let grown = pages().saturating_sub(before);
    neighbour.stop().await;
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
    assert!(grown < GROWTH, "the server's side grew by {grown} pages");
}

/// Pages that this process holds.
fn pages() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    statm.split(' ').nth(1).and_then(|pages| pages.parse().ok()).unwrap_or_default()
}

/// A harmless call.
fn work(language: Language, tenant: Uuid) -> CodeCall {
    let body = match language {
        Language::Python => "return {'count': len(items)}",
        Language::JavaScript => "return {count: items.length}",
    };
    CodeCall { tenant, ..block(language, &["items"], body).with(json!({}), [json!([1, 2, 3])]) }
}

/// Another project, which calls one block after the other.
struct Neighbour {
    stop: Arc<AtomicBool>,
    task: JoinHandle<u32>,
}

impl Neighbour {
    fn start(sandbox: &Sandbox, language: Language) -> Self {
        let (stop, sandbox) = (Arc::new(AtomicBool::new(false)), sandbox.clone());
        let asked = Arc::clone(&stop);
        let task = tokio::spawn(async move {
            let mut calls = 0;
            while !asked.load(Ordering::Relaxed) {
                let reply = sandbox.call(&work(language, Uuid::from_u128(2))).await.unwrap();
                assert_eq!(reply.output, object(json!({"count": 3})));
                calls += 1;
                tokio::task::yield_now().await;
            }
            calls
        });
        Self { stop, task }
    }

    async fn stop(self) {
        self.stop.store(true, Ordering::Relaxed);
        assert!(self.task.await.unwrap() > 0);
    }
}

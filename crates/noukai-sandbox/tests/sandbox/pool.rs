//! Workers are shared fairly, reused, replaced, and gone when nobody needs them.

use std::time::Duration;

use futures::future::join_all;
use noukai_engine::{CodeCall, CodeErrorKind};
use noukai_sandbox::{Sandbox, Settings};
use serde_json::json;
use uuid::Uuid;

use super::common::*;

fn of(tenant: u128, call: CodeCall) -> CodeCall {
    CodeCall { tenant: Uuid::from_u128(tenant), ..call }
}

fn endless() -> CodeCall {
    CodeCall { timeout: Duration::from_secs(60), ..python(&[], "while True:\n    pass").with(json!({}), []) }
}

fn short() -> CodeCall {
    python(&[], "return {'a': 1}").with(json!({}), [])
}

/// Processes that this one has started and that still run.
fn children() -> usize {
    let own = std::process::id().to_string();
    let parent = |pid: &str| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let mut fields = stat.rsplit(") ").next()?.split(' ');
        (fields.next()? != "Z").then_some(())?;
        fields.next().map(str::to_owned)
    };
    let pids = std::fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    pids.filter(|pid| pid.bytes().all(|byte| byte.is_ascii_digit()))
        .filter(|pid| parent(pid).as_ref() == Some(&own))
        .count()
}

#[tokio::test]
async fn one_project_never_has_all_workers() {
    let sandbox = Sandbox::new(Settings { workers: 2, ..settings() });
    let hostile: Vec<_> = (0..20)
        .map(|_| {
            let sandbox = sandbox.clone();
            tokio::spawn(async move { sandbox.call(&of(1, endless())).await })
        })
        .collect();
    for _ in 0..20 {
        assert!(sandbox.call(&of(2, short())).await.is_ok());
    }
    assert!(hostile.iter().all(|task| !task.is_finished()));
    hostile.iter().for_each(tokio::task::JoinHandle::abort);
}

/// It is stopped again and again while others work, and still comes to its end.
#[tokio::test]
async fn a_long_call_beside_short_ones_of_others_ends_well() {
    let sandbox = Sandbox::new(Settings { workers: 2, ..settings() });
    let count = of(1, python(&[], "n = 0\nwhile n < 1000000:\n    n += 1\nreturn {'n': n}").with(json!({}), []));
    let long = sandbox.call(&count);
    let others = async {
        loop {
            assert!(sandbox.call(&of(2, short())).await.is_ok());
        }
    };
    tokio::select! {
        reply = long => assert_eq!(reply.unwrap().output, object(json!({"n": 1_000_000}))),
        () = others => unreachable!("others never stop"),
    }
}

#[tokio::test]
async fn who_waits_too_long_or_too_many_is_told() {
    let settings = Settings { workers: 1, waiting: 1, wait: Duration::from_millis(100), ..settings() };
    let sandbox = Sandbox::new(settings);
    let (busy, calls) = (of(1, endless()), [of(1, short()), of(1, short())]);
    let busy = sandbox.call(&busy);
    let waiting = async {
        let replies = join_all(calls.iter().map(|call| sandbox.call(call))).await;
        replies.into_iter().map(|reply| reply.unwrap_err()).collect::<Vec<_>>()
    };
    tokio::select! {
        biased;
        _ = busy => unreachable!("it never ends"),
        errors = waiting => {
            assert!(errors.iter().all(|error| error.kind == CodeErrorKind::Unavailable), "{errors:?}");
            assert!(errors.iter().any(|error| error.message.contains("too many")), "{errors:?}");
            assert!(errors.iter().any(|error| error.message.contains("in time")), "{errors:?}");
        }
    }
    // The endless call was dropped with its future: its worker is gone, and its place free.
    assert!(sandbox.call(&of(2, short())).await.is_ok());
}

#[tokio::test]
async fn many_calls_at_once_all_get_their_own_answer() {
    let sandbox = Sandbox::new(Settings { workers: 3, ..settings() });
    let block = python(&["n"], "return {'n': n * 2}");
    let calls: Vec<_> = (0..300).map(|n| of(n % 7, block.with(json!({}), [json!(n)]))).collect();
    let replies = join_all(calls.iter().map(|call| sandbox.call(call))).await;
    for (n, reply) in replies.into_iter().enumerate() {
        assert_eq!(reply.unwrap().output, object(json!({"n": n * 2})));
    }
}

#[tokio::test]
async fn printed_text_is_kept_up_to_its_bound() {
    let sandbox = Sandbox::new(Settings { printed: 10, ..settings() });
    for block in [
        python(&[], "print('ab', 1)\nprint('ßßßßß')\nreturn {}"),
        javascript(&[], "console.log('ab', 1)\nconsole.log('ßßßßß')\nreturn {}"),
    ] {
        let reply = sandbox.call(&block.with(json!({}), [])).await.unwrap();
        assert_eq!((&*reply.printed, reply.printed_truncated), ("ab 1\nßß", true));
    }
    let reply = sandbox.call(&javascript(&[], "console.warn({a: [1]})\nreturn {}").with(json!({}), [])).await.unwrap();
    assert_eq!((&*reply.printed, reply.printed_truncated), ("{\"a\":[1]}\n", false));
}

#[tokio::test]
async fn calls_leave_nothing_behind() {
    let sandbox = Sandbox::new(Settings { workers: 1, ..settings() });
    let pollute = javascript(
        &[],
        "globalThis.seen = 1; Object.prototype.seen = 2; Array.prototype.map = null; delete globalThis.JSON\nString.prototype.toWellFormed = () => 'x'; console.log = null\nreturn {}",
    );
    let look = javascript(
        &[],
        "console.log('x'); return {a: typeof seen, b: typeof ({}).seen, c: typeof [].map, d: typeof JSON, e: '\\ud800'}",
    );
    sandbox.call(&pollute.with(json!({}), [])).await.unwrap();
    let clean = object(json!({"a": "undefined", "b": "undefined", "c": "function", "d": "object", "e": "\u{fffd}"}));
    assert_eq!(sandbox.call(&look.with(json!({}), [])).await.unwrap().output, clean);
    let count = python(
        &[],
        "def f(seen=[]):\n    seen.append(1)\n    return len(seen)\nglobal kept\ntry:\n    kept += 1\nexcept NameError:\n    kept = 1\nreturn {'a': f(), 'b': kept}",
    );
    for _ in 0..3 {
        let reply = sandbox.call(&count.with(json!({}), [])).await;
        if let Ok(reply) = reply {
            assert_eq!(reply.output, object(json!({"a": 1, "b": 1})));
        }
    }
}

#[tokio::test]
async fn workers_end_when_nobody_needs_them() {
    let sandbox = Sandbox::new(Settings { idle: Duration::from_millis(50), ..settings() });
    let before = children();
    sandbox.call(&of(1, short())).await.unwrap();
    for _ in 0..1_000 {
        if children() <= before {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{} workers still run", children() - before);
}

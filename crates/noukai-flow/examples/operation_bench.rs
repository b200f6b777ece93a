//! What an operation on a flow of 200 blocks costs: `cargo run --release -p noukai-flow --example operation_bench [ROUNDS]`.
//!
//! Each kind of operation is applied ROUNDS times (2,000 by default) to the same flow: 200 blocks in sequences, parallel
//! containers, loops and branches, each with a prompt of some 400 characters. A round is all that an operation is, up to
//! the changed document, what it touched and the way back. The last lines are what surrounds it: the content hash, the
//! check of the whole document, and the edit script of a change in ten blocks.

use std::{
    error::Error,
    hint::black_box,
    io::Write as _,
    time::{Duration, Instant},
};

use noukai_flow::{Bounds, Operation, apply, check, document_hash, edit_script};
use serde_json::{Value, json};

type Outcome = Result<(), Box<dyn Error + Send + Sync>>;

fn main() -> Outcome {
    let rounds = std::env::args().nth(1).map(|text| text.parse::<usize>()).transpose()?.unwrap_or(2_000).max(1);
    let (flow, bounds) = (flow(), Bounds::default());
    let blocks = check(&flow, &bounds).flow.ok_or("the flow is not valid")?.leaves.len();
    say(&format!("{blocks} blocks, {} bytes, {rounds} rounds", flow.to_string().len()))?;
    for operation in operations()? {
        apply(&flow, &operation, &bounds)?;
        let times = (0..rounds).map(|_| timed(|| apply(&flow, &operation, &bounds).is_ok())).collect();
        say(&format!("{:<28} {}", operation.name(), spread(times)))?;
    }
    let mut changed = flow.clone();
    for number in 0..10 {
        changed["steps"][number]["name"] = json!(format!("Renamed {number}"));
    }
    let around: [(&str, &dyn Fn() -> bool); 3] = [
        ("hash", &|| !document_hash(&flow).is_empty()),
        ("check", &|| check(&flow, &bounds).flow.is_some()),
        ("edit script", &|| edit_script(&flow, &changed).len() == 10),
    ];
    for (name, work) in around {
        say(&format!("{name:<28} {}", spread((0..rounds / 10 + 1).map(|_| timed(work)).collect())))?;
    }
    Ok(())
}

fn timed(work: impl Fn() -> bool) -> Duration {
    let start = Instant::now();
    black_box(work());
    start.elapsed()
}

/// 20 groups of ten blocks: two in a row, a pair at once, a loop of two, a branch with two cases of two.
fn flow() -> Value {
    let steps: Vec<Value> = (0..20).flat_map(group).collect();
    json!({"schema": 1, "slug": "large", "input": {"message": "string", "items": {"type": "array"}}, "steps": steps})
}

fn group(number: usize) -> Vec<Value> {
    let text = "Read what follows with care and answer in one short sentence, in the words of the reader. ".repeat(4);
    let block = |name: &str| {
        json!({"id": format!("{name}-{number}"), "name": format!("Block {name} {number}"), "llm": {
            "prompt": format!("{text}\n\n{{{{ initial.message }}}}"), "config": {"temperature": 0, "max_tokens": 200},
            "output": {"label": {"type": "string"}, "tags": {"type": "array", "items": {"type": "string"}}}}})
    };
    vec![
        block("one"),
        block("two"),
        json!({"id": format!("both-{number}"), "parallel": [block("left"), block("right")]}),
        json!({"id": format!("each-{number}"), "loop": {"over": "initial.items", "steps": [block("each-one"), block("each-two")]}}),
        json!({"id": format!("choose-{number}"), "branch": {"on": "{{ initial.message }}", "cases": {
            "yes": [block("yes-one"), block("yes-two")], "no": [block("no-one"), block("no-two")]}}}),
    ]
}

/// One of each kind, in the middle and at the end of the flow.
fn operations() -> Result<Vec<Operation>, serde_json::Error> {
    let node = json!({"id": "new", "llm": {"prompt": "x"}});
    let all = json!([
        {"op": "add_block", "name": "New", "processor_type": "llm", "prompt": "x", "target_id": "each-one-10", "direction": "below"},
        {"op": "remove_block", "step_id": "choose-10"},
        {"op": "move_block", "step_id": "both-2", "target_id": "no-two-19"},
        {"op": "duplicate_block", "step_id": "choose-19"},
        {"op": "convert_block", "step_id": "no-two-19", "processor_type": "code"},
        {"op": "wrap_in_container", "node_ids": ["one-10", "two-10"], "container_type": "v"},
        {"op": "wrap_in_loop", "node_ids": ["one-19", "two-19"], "array_field": "initial.items"},
        {"op": "wrap_in_branch", "node_ids": ["one-19"], "on": "{{ initial.message }}", "case": "yes"},
        {"op": "unwrap_node", "step_id": "each-19"},
        {"op": "update_container", "step_id": "both-19", "container_type": "h"},
        {"op": "update_loop", "step_id": "each-19", "array_field": "initial.items", "concurrency": 4},
        {"op": "update_branch", "step_id": "choose-19", "add_cases": ["maybe"]},
        {"op": "update_block_draft", "step_id": "no-two-19", "content": "y"},
        {"op": "update_block_output_schema", "step_id": "no-two-19", "content": [{"name": "n", "type": "integer"}]},
        {"op": "update_block_config", "step_id": "no-two-19", "config": {"temperature": 1}},
        {"op": "update_block_model", "step_id": "no-two-19", "model": "a/b"},
        {"op": "update_block_name", "step_id": "no-two-19", "name": "Last"},
        {"op": "update_block", "step_id": "no-two-19", "name": "Last", "content": "y", "notes": "z"},
        {"op": "update_flow_input_schema", "content": [{"name": "message", "type": "string"}]},
        {"op": "update_flow", "name": "Large"},
        {"op": "insert_node", "to": {"index": 0}, "node": node},
        {"op": "remove_node", "step_id": "choose-0"},
        {"op": "move_node", "step_id": "choose-0", "to": {}},
        {"op": "replace_node", "step_id": "no-two-19", "node": node},
        {"op": "set_field", "step_id": "no-two-19", "path": ["llm", "system"], "value": "s"},
    ]);
    serde_json::from_value(all)
}

/// Median, 99th percentile and longest.
fn spread(mut times: Vec<Duration>) -> String {
    times.sort_unstable();
    let at = |part: usize| {
        times.get((times.len() * part / 100).min(times.len() - 1)).map_or(0.0, |time| time.as_secs_f64() * 1e3)
    };
    format!("p50 {:>7.3} ms  p99 {:>7.3} ms  longest {:>7.3} ms", at(50), at(99), at(100))
}

fn say(line: &str) -> std::io::Result<()> {
    writeln!(std::io::stdout(), "{line}")
}

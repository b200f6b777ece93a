//! Recovery: whatever was stored when a process died, the run goes on from there to the same result.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use noukai_engine::{Done, DoneOutputs, Event, LoopPath, RunSpec, Slot};
use noukai_flow::{Block, Flow};
use serde_json::{Value, json};

use crate::{
    passes::reports,
    support::{Ran, Script, drive, flow, roomy, spec},
};

/// What a server rebuilds from the events it stored.
pub fn stored(events: &[Event]) -> DoneOutputs {
    let mut done = DoneOutputs::default();
    for event in events {
        match event {
            Event::AttemptStarted { leaf, path, attempt, .. } => {
                done.announced.insert(*leaf);
                let highest = done.attempts.entry(Slot { leaf: *leaf, path: path.clone() }).or_insert(0);
                *highest = (*highest).max(*attempt);
            }
            Event::AttemptCompleted { leaf, path, output, .. } => {
                if path.is_empty() {
                    done.reported.insert(*leaf, output.clone());
                }
                done.slots.insert(Slot { leaf: *leaf, path: path.clone() }, Done::Output(output.clone()));
            }
            Event::LeafCompleted { leaf, output, .. } => {
                done.reported.insert(*leaf, output.clone());
            }
            Event::Skipped { leaf, .. } => {
                done.reported.insert(*leaf, Arc::new(Value::Null));
            }
            Event::ItemFailed { leaf, path, error } => {
                done.slots.insert(Slot { leaf: *leaf, path: path.clone() }, Done::ItemFailed(error.clone()));
            }
            _ => {}
        }
    }
    done
}

fn completed(events: &[Event]) -> BTreeSet<(usize, LoopPath)> {
    let slot = |event: &Event| match event {
        Event::AttemptCompleted { leaf, path, .. } => Some((*leaf, path.clone())),
        _ => None,
    };
    events.iter().filter_map(slot).collect()
}

fn begun(events: &[Event]) -> Vec<(usize, LoopPath)> {
    let slot = |event: &Event| match event {
        Event::AttemptStarted { leaf, path, .. } => Some((*leaf, path.clone())),
        _ => None,
    };
    events.iter().filter_map(slot).collect()
}

fn is_llm(flow: &Flow, leaf: usize) -> bool {
    matches!(flow.leaf(leaf), Some((_, leaf)) if matches!(leaf.block, Block::Llm(_)))
}

/// Kills a run after each of its events in turn and lets it go on from what was stored. `every` is the distance
/// between the deaths; `numbered`: whether attempts go on counting (errors name them, so that results may differ).
pub async fn check_recovery(ran: &Ran, initial: &Value, script: &Arc<Script>, every: usize, numbered: bool) {
    let flow = &ran.flow;
    for cut in (0..=ran.events.len()).step_by(every) {
        let before = &ran.events[..cut];
        let mut done = stored(before);
        if !numbered {
            done.attempts.clear();
        }
        let asked = script.calls();
        let after = drive(RunSpec { done, ..roomy(spec(flow, initial)) }, script).await;
        let told = || format!("killed after event {cut}:\n{}\n--- and then\n{}", ran.text(), after.text());
        assert_eq!(after.result(), ran.result(), "{}", told());
        let (completed, begun) = (completed(before), begun(&after.events));
        assert!(begun.iter().all(|slot| !completed.contains(slot)), "done twice; {}", told());
        let called = begun.iter().filter(|(leaf, _)| is_llm(flow, *leaf)).count();
        // An attempt may be cut off before it comes to its call.
        assert!(script.calls() - asked <= called, "{}", told());
        let both: Vec<Event> = before.iter().chain(&after.events).cloned().collect();
        assert_reported_once(&both, flow, &told());
    }
}

/// Clients count completions: one per leaf, however often the run was interrupted.
fn assert_reported_once(events: &[Event], flow: &Flow, told: &str) {
    let mut counts: BTreeMap<usize, usize> = BTreeMap::new();
    for (leaf, _) in reports(events) {
        *counts.entry(leaf).or_default() += 1;
    }
    let expected: BTreeMap<usize, usize> = (0..flow.leaves.len()).map(|leaf| (leaf, 1)).collect();
    assert_eq!(counts, expected, "completions by leaf; {told}");
}

async fn check(yaml: &str, initial: Value) {
    let (flow, script) = (flow(yaml), Arc::new(Script::new(crate::support::answer)));
    let ran = drive(spec(&flow, &initial), &script).await;
    let fails = ran.events.iter().any(|event| matches!(event, Event::AttemptFailed { .. }));
    check_recovery(&ran, &initial, &script, 1, !fails).await;
}

#[tokio::test(start_paused = true)]
async fn a_run_survives_a_crash_after_any_event() {
    let yaml = r#"
    - id: a
      llm: {prompt: "a {{ initial.message }}"}
    - id: both
      parallel:
        - {id: left, llm: {prompt: "left {{ message }}"}}
        - id: each
          loop:
            over: initial.items
            concurrency: 2
            steps:
              - {id: one, llm: {prompt: "one {{ item }} {{ message }}"}}
              - id: kind
                branch:
                  on: "{{ index % 2 }}"
                  cases: {"0": [{id: even, llm: {prompt: "even {{ message }}"}}]}
                  else: [{id: inner, loop: {over: initial.items, steps: [{id: deep, llm: {prompt: "deep {{ index }}"}}]}}]
    - id: way
      branch:
        on: "{{ initial.kind }}"
        cases: {x: [{id: bx, passthrough: {}}], y: [{id: by, llm: {prompt: "by"}}]}
    - id: last
      llm: {prompt: "last {{ previous_output }}"}
    "#;
    check(yaml, json!({"message": "hi", "kind": "x", "items": ["p", {"message": "q"}, 3]})).await;
    check(yaml, json!({"message": "hi", "kind": "y", "items": []})).await;
}

#[tokio::test(start_paused = true)]
async fn a_failed_item_is_not_tried_again() {
    let yaml = r#"
    - id: each
      loop:
        over: initial.items
        on_item_error: continue
        steps:
          - {id: first, llm: {prompt: "first {{ item }}"}}
          - {id: bad, llm: {prompt: "bad [fail {{ index }}]"}}
          - {id: after, llm: {prompt: "after {{ message }}"}}
    - id: last
      llm: {prompt: "last {{ previous_output }}"}
    "#;
    let initial = json!({"items": ["p", "q", "r", "s"]});
    check(yaml, initial.clone()).await;
    let (flow, script) = (flow(yaml), Arc::new(Script::new(crate::support::answer)));
    let ran = drive(spec(&flow, &initial), &script).await;
    for (at, event) in ran.events.iter().enumerate() {
        let Event::ItemFailed { leaf, path, .. } = event else { continue };
        let done = stored(&ran.events[..=at]);
        let after = drive(RunSpec { done, ..spec(&flow, &initial) }, &script).await;
        assert!(!begun(&after.events).contains(&(*leaf, path.clone())), "{}", after.text());
    }
}

//! The doors: execute, step, run remaining and job give the same, for any flow; and what is stored says so too.
//!
//! The real application on SQLite, and for some of them on PostgreSQL, its workers running, without HTTP. The model is `noukai/echo`.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on says so and ends")]

#[path = "../../../noukai-engine/tests/engine/plan.rs"]
mod plan;
mod world;

use noukai_api::{RunStatus, StreamEvent};
use noukai_testbed::Postgres;
use plan::{AnyFlow, Style, any_flow};
use proptest::{
    strategy::{Strategy, ValueTree},
    test_runner::{Config, TestRng, TestRunner},
};
use serde_json::{Map, Value, json};
use world::{Station, World, outputs};

/// Echo repeats its prompt, so prompts hold a part of the output before, and its size.
const STYLE: Style = Style {
    prompt: |id| {
        let previous = "{{ previous_output|truncate(length=60) }} {{ previous_output|length }}";
        format!("{id} {previous} {{{{ initial.message }}}}")
    },
    failing: "{% if index % 2 == 1 %}{{ nowhere }}{% endif %}",
    code,
};

/// Functions that give what the blocks above might, in one language or the other.
fn code(id: &str, fails: bool) -> Value {
    let python = id.len().is_multiple_of(2);
    let mut input = vec!["previous_output"];
    let mut source = String::new();
    if fails {
        input.push("index");
        let raise = if python {
            "if index % 2 == 1:\n    raise ValueError('odd')\n"
        } else {
            "if (index % 2 === 1) throw new Error('odd');\n"
        };
        source.push_str(raise);
    }
    if python {
        source.push_str(&format!("part = '{id} ' + previous_output[:60]\nsize = len(previous_output)\n"));
        source.push_str("return {'message': part + str(size), 'label': 'xy'[size % 2], 'list': [part[:4], size]}");
    } else {
        source.push_str(&format!(
            "const part = '{id} ' + previous_output.slice(0, 60), size = previous_output.length;\n"
        ));
        source.push_str("return {message: part + size, label: 'xy'[size % 2], list: [part.slice(0, 4), size]};");
    }
    json!({"language": if python { "python" } else { "javascript" }, "input": input, "source": source})
}

const CASES: usize = 32;

/// The same random flows in every run of the tests, one server for all of them.
fn flows() -> Vec<AnyFlow> {
    let config = Config { failure_persistence: None, ..Config::default() };
    let rng = TestRng::deterministic_rng(config.rng_algorithm);
    let mut runner = TestRunner::new_with_rng(config, rng);
    (0..CASES).map(|_| any_flow(&STYLE).new_tree(&mut runner).unwrap().current()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_door_gives_the_same() {
    let world = World::start().await;
    for (number, any) in flows().into_iter().enumerate() {
        let flow = world.put(&format!("any-{number}"), any.document).await;
        check(&world, &flow, &any.inputs, any.fails).await;
    }
    world.stop().await;
}

/// A part of them on PostgreSQL: the engine's path is the same, only what is stored goes elsewhere.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_door_gives_the_same_on_postgres() {
    let world = World::on(Some(Postgres::shared().unwrap().database().unwrap())).await;
    for (number, any) in flows().into_iter().take(CASES / 4).enumerate() {
        let flow = world.put(&format!("any-{number}"), any.document).await;
        check(&world, &flow, &any.inputs, any.fails).await;
    }
    world.stop().await;
}

/// Flows that random ones hardly hit.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_door_gives_the_same_for_awkward_flows() {
    let llm = |id: &str, prompt: &str| json!({"id": id, "llm": {"prompt": format!("{id} {prompt}")}});
    let failing = || llm("bad", "{% if index % 2 == 1 %}{{ nowhere }}{% endif %}");
    let empty = json!({"id": "way", "branch": {"on": "x", "cases": {"y": []}}});
    let each = |on_error: &str, steps: Vec<Value>| json!({"id": "each", "loop": {"over": "initial.items", "on_item_error": on_error, "steps": steps}});
    let inner = json!({"id": "inner", "loop": {"over": "initial.items", "steps": [failing()]}});
    let slow = json!({"id": "slow", "llm": {"prompt": "slow", "config": {"latency_ms": 20}}});
    let last = || llm("last", "{{ previous_output }}");
    let steps = [
        json!([llm("a", ""), each("fail", vec![empty.clone()])]),
        json!([each("continue", vec![inner]), last()]),
        json!([each("continue", vec![json!({"id": "both", "parallel": [slow, failing()]})]), last()]),
        json!([llm("a", ""), {"id": "w", "branch": {"on": "y", "cases": {"y": [llm("b", ""), llm("c", "")]}, "else": [llm("d", "")]}}]),
        json!([llm("a", ""), {"id": "w", "branch": {"on": "n", "cases": {"y": [llm("b", ""), llm("c", "")]}}}]),
    ];
    let world = World::start().await;
    let inputs = json!({"message": "hi", "items": ["p", "q", "r"]});
    for (number, steps) in steps.into_iter().enumerate() {
        let flow = world.put(&format!("awkward-{number}"), json!({"schema": 1, "steps": steps})).await;
        check(&world, &flow, inputs.as_object().unwrap(), number == 1 || number == 2).await;
    }
    world.stop().await;
}

/// `fails`: an item fails at some block. How far its siblings came by then is chance, and its error names the attempt,
/// which is another when a client goes back; the result of a run is certain all the same.
async fn check(world: &World, flow: &str, inputs: &Map<String, Value>, fails: bool) {
    let session = uuid::Uuid::new_v4().to_string();
    let executed = world.execute(flow, inputs, &session).await;
    assert_eq!(executed.status, RunStatus::Completed, "{flow}: {executed:#?}");
    let expected = &executed.result;

    let stored = world.follow(&executed.execution_id).await;
    assert_eq!(stored.result(), *expected, "{flow}: the stored run");
    let last = world.last_snapshot(&session).await;
    assert_eq!(&last, expected, "{flow}: the session's last step");

    let job = world.run_job(flow, inputs).await;
    assert_eq!((job.status, job.result.as_ref()), (RunStatus::Completed, Some(expected)), "{flow}: {job:#?}");

    let (stations, stepped) = step_through(world, flow, inputs, executed.block_count).await;
    assert_eq!(&stepped, expected, "{flow}: step by step");

    let whole = world.step(flow, inputs, &Station::default(), true).await;
    assert_eq!(whole.result(), *expected, "{flow}: all that remains, from the start");
    let kept = world.follow(whole.execution_id()).await;
    assert_eq!(whole.shapes(), kept.shapes(), "{flow}: what is shown is what is stored");
    if !fails {
        assert_eq!(outputs(&whole), outputs(&stored), "{flow}: step outputs");
    }
    let ids: Vec<u64> = kept.seqs();
    assert!(ids.is_sorted_by(|a, b| a < b), "{flow}: {ids:?}");

    for station in stations.iter().skip(1).filter(|_| !fails) {
        let rest = world.step(flow, inputs, station, true).await;
        assert_eq!(rest.result(), *expected, "{flow}: all that remains, from {}", station.cursor);
    }
}

/// Steps as published clients do: the cursor moves by the completions they count.
async fn step_through(world: &World, flow: &str, inputs: &Map<String, Value>, blocks: u32) -> (Vec<Station>, Value) {
    let mut at = Station::default();
    let mut stations = Vec::new();
    loop {
        let stream = world.step(flow, inputs, &at, false).await;
        at.execution_id = Some(stream.execution_id().to_owned());
        stations.push(at.clone());
        let done = outputs(&stream);
        at.cursor += u32::try_from(done.len()).unwrap();
        at.outputs.extend(done);
        match stream.terminator() {
            StreamEvent::StepPaused { next_step_index, .. } => {
                assert_eq!(*next_step_index, at.cursor, "{flow}: {stream:#?}")
            }
            StreamEvent::FlowCompleted { .. } => {
                assert_eq!(at.cursor, blocks, "{flow}: one completion for each block");
                return (stations, stream.result());
            }
            _ => panic!("{flow}: {stream:#?}"),
        }
    }
}

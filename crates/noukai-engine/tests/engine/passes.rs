//! Passes: a caller that goes unit by unit sees what one pass over the whole flow gives.

use std::{collections::BTreeMap, sync::Arc};

use noukai_engine::{DoneOutputs, Event, Outcome, RunSpec, Until};
use noukai_flow::Flow;
use serde_json::{Map, Value, json};

use crate::support::{Ran, Script, Turn, drive, flow, roomy, spec};

/// The outputs a client holds, and where it stands.
#[derive(Debug, Clone, Default)]
pub struct Client {
    pub outputs: Map<String, Value>,
    pub cursor: usize,
}

impl Client {
    /// What this client would ask for.
    pub fn spec(&self, flow: &Arc<Flow>, initial: &Value, until: Until) -> RunSpec {
        let done = DoneOutputs::from_outputs(flow, &self.outputs, self.cursor).unwrap();
        RunSpec { done, cursor: self.cursor, until, ..roomy(spec(flow, initial)) }
    }

    /// Takes what a pass reported; the steps that were, in order.
    pub fn take(&mut self, ran: &Ran) -> usize {
        let reported = reports(&ran.events);
        let count = reported.len();
        self.outputs.extend(reported.into_iter().map(|(leaf, output)| (ran.flow.leaves[leaf].id.to_string(), output)));
        count
    }

    /// Asks for one unit. Published clients move the cursor by the completions they count; the server's own word for
    /// the next position has to be the same.
    pub async fn step(&mut self, flow: &Arc<Flow>, initial: &Value, script: &Arc<Script>) -> Ran {
        let ran = drive(self.spec(flow, initial, Until::OneUnit), script).await;
        let count = self.take(&ran);
        match &ran.report.outcome {
            Outcome::Boundary { next, .. } => {
                assert_eq!(*next, self.cursor + count, "{}", ran.text());
                assert!(flow.leaves[*next].unit.start == *next, "a cursor inside a unit:\n{}", ran.text());
                self.cursor = *next;
            }
            Outcome::Completed { .. } => assert_eq!(self.cursor + count, flow.leaves.len(), "{}", ran.text()),
            _ => {}
        }
        ran
    }
}

/// What observers are told of each leaf that is done, in order.
pub fn reports(events: &[Event]) -> Vec<(usize, Value)> {
    let report = |event: &Event| match event {
        Event::AttemptCompleted { leaf, path, output, .. } if path.is_empty() => Some((*leaf, output.as_ref().clone())),
        Event::LeafCompleted { leaf, output, .. } => Some((*leaf, output.as_ref().clone())),
        Event::Skipped { leaf, .. } => Some((*leaf, Value::Null)),
        _ => None,
    };
    events.iter().filter_map(report).collect()
}

/// Every position a client stands at on its way through a flow, and the result.
pub async fn step_through(flow: &Arc<Flow>, initial: &Value, script: &Arc<Script>) -> (Vec<Client>, Value) {
    let mut client = Client::default();
    let mut stations = Vec::new();
    for _ in 0..=flow.leaves.len() {
        stations.push(client.clone());
        let ran = client.step(flow, initial, script).await;
        if let Outcome::Completed { .. } = ran.report.outcome {
            return (stations, ran.result());
        }
        assert!(matches!(ran.report.outcome, Outcome::Boundary { .. }), "{}", ran.text());
    }
    panic!("more steps than leaves: {stations:#?}");
}

/// The passes of a client, step by step.
async fn check_steps(yaml: &str, initial: Value, script: Script) -> String {
    let (flow, script) = (flow(yaml), Arc::new(script));
    let mut client = Client::default();
    let mut passes = Vec::new();
    for _ in 0..=flow.leaves.len() {
        let ran = client.step(&flow, &initial, &script).await;
        passes.push(ran.text());
        if !matches!(ran.report.outcome, Outcome::Boundary { .. }) {
            break;
        }
    }
    passes.join("\n\n")
}

const EVERY_KIND: &str = r#"
- id: a
  llm: {prompt: "a: {{ initial.message }}"}
- id: both
  parallel:
    - id: left
      llm: {prompt: "left: {{ message }}"}
    - id: right
      llm: {prompt: "right: {{ message }}"}
- id: way
  branch:
    on: "{{ initial.kind }}"
    cases:
      x: [{id: bx, llm: {prompt: "bx: {{ left.message }}"}}, {id: bx2, llm: {prompt: "bx2: {{ message }}"}}]
      y: [{id: by, llm: {prompt: "by: {{ left.message }}"}}]
- id: each
  loop: {over: initial.items, concurrency: 1, steps: [{id: one, llm: {prompt: "one: {{ item }} {{ a.message }}"}}]}
- id: rest
  sequence:
    - id: keep
      passthrough: {}
    - id: last
      llm: {prompt: "last: {{ count }}"}
"#;

#[tokio::test(start_paused = true)]
async fn one_unit_at_a_time() {
    let initial = json!({"message": "hi", "kind": "x", "items": ["p", "q"]});
    insta::assert_snapshot!(check_steps(EVERY_KIND, initial, Script::echo()).await, @r#"
    start a #1 <- {"message":"hi","kind":"x","items":["p","q"]}
    done a #1 -> {"message":"a: hi"}
    = boundary a | left

    start left #1 <- {"message":"a: hi"}
    start right #1 <- {"message":"a: hi"}
    done left #1 -> {"message":"left: a: hi"}
    done right #1 -> {"message":"right: a: hi"}
    = boundary right | bx

    start bx #1 <- {"message":"right: a: hi","left":{"message":"left: a: hi"},"right":{"message":"right: a: hi"}}
    done bx #1 -> {"message":"bx: left: a: hi"}
    = boundary bx | bx2

    start bx2 #1 <- {"message":"bx: left: a: hi"}
    done bx2 #1 -> {"message":"bx2: bx: left: a: hi"}
    skip by
    = boundary by | one

    start one[0] #1 <- {"message":"bx2: bx: left: a: hi","item":"p","index":0}
    done one[0] #1 of 2 -> {"message":"one: p a: hi"}
    again one[1] #1 <- {"message":"bx2: bx: left: a: hi","item":"q","index":1}
    done one[1] #1 of 2 -> {"message":"one: q a: hi"}
    leaf one -> [{"message":"one: p a: hi"},{"message":"one: q a: hi"}]
    loop each x2
    = boundary one | keep

    start keep #1 <- {"each":[{"message":"one: p a: hi"},{"message":"one: q a: hi"}],"results":[{"message":"one: p a: hi"},{"message":"one: q a: hi"}],"count":2}
    done keep #1 -> {"each":[{"message":"one: p a: hi"},{"message":"one: q a: hi"}],"results":[{"message":"one: p a: hi"},{"message":"one: q a: hi"}],"count":2}
    = boundary keep | last

    start last #1 <- {"each":[{"message":"one: p a: hi"},{"message":"one: q a: hi"}],"results":[{"message":"one: p a: hi"},{"message":"one: q a: hi"}],"count":2}
    done last #1 -> {"message":"last: 2"}
    = {"message":"last: 2"}
    "#);
}

#[tokio::test(start_paused = true)]
async fn steps_give_what_one_pass_gives() {
    for kind in ["x", "y", "z"] {
        for items in [json!([]), json!(["p"]), json!([{"message": "m"}, 2, null])] {
            let initial = json!({"message": "hi", "kind": kind, "items": items});
            let (flow, script) = (flow(EVERY_KIND), Arc::new(Script::echo()));
            let whole = drive(spec(&flow, &initial), &script).await.result();
            let asked = script.calls();
            let (stations, stepped) = step_through(&flow, &initial, &script).await;
            assert_eq!(stepped, whole);
            assert_eq!(script.calls(), 2 * asked, "stepping asks the model as often");
            for client in stations {
                let rest = drive(client.spec(&flow, &initial, Until::End), &script).await;
                assert_eq!(rest.result(), whole, "from {}", client.cursor);
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn going_back_runs_again_from_there() {
    let initial = json!({"message": "hi", "kind": "x", "items": ["p", "q"]});
    let (flow, script) = (flow(EVERY_KIND), Arc::new(Script::echo()));
    let (stations, _) = step_through(&flow, &initial, &script).await;
    let at_loop = stations.iter().find(|client| client.cursor == 6).unwrap();
    let mut spec = at_loop.spec(&flow, &initial, Until::OneUnit);
    for index in 0..2 {
        spec.done.attempts.insert(noukai_engine::Slot { leaf: 6, path: vec![index] }, 1);
    }
    insta::assert_snapshot!(drive(spec, &script).await.text(), @r#"
    start one[0] #2 <- {"message":"bx2: bx: left: a: hi","item":"p","index":0}
    done one[0] #2 of 2 -> {"message":"one: p a: hi"}
    again one[1] #2 <- {"message":"bx2: bx: left: a: hi","item":"q","index":1}
    done one[1] #2 of 2 -> {"message":"one: q a: hi"}
    leaf one -> [{"message":"one: p a: hi"},{"message":"one: q a: hi"}]
    loop each x2
    = boundary one | keep
    "#);
}

#[tokio::test(start_paused = true)]
async fn an_output_changed_by_its_caller_is_what_comes_next() {
    let initial = json!({"message": "hi", "kind": "z", "items": ["p"]});
    let (flow, script) = (flow(EVERY_KIND), Arc::new(Script::echo()));
    let mut client = Client::default();
    client.step(&flow, &initial, &script).await;
    client.outputs.insert("a".to_owned(), json!({"message": "CHANGED"}));
    client.step(&flow, &initial, &script).await;
    assert_eq!(client.outputs["left"], json!({"message": "left: CHANGED"}));
    let rest = drive(client.spec(&flow, &initial, Until::End), &script).await;
    assert_eq!(reports(&rest.events)[3], (6, json!([{"message": "one: p CHANGED"}])), "also by id, further on");
}

#[tokio::test(start_paused = true)]
async fn a_changed_output_may_lead_another_way() {
    let yaml = r#"
    - id: a
      llm: {prompt: "a"}
    - id: way
      branch:
        on: "{{ message }}"
        cases: {x: [{id: bx, llm: {prompt: "bx"}}], y: [{id: by, llm: {prompt: "by"}}]}
    - id: last
      llm: {prompt: "last: {{ message }}"}
    "#;
    let (flow, script) = (flow(yaml), Arc::new(Script::echo().on("a", [Turn::Text("x".to_owned())])));
    let mut client = Client::default();
    for _ in 0..2 {
        client.step(&flow, &json!({}), &script).await;
    }
    assert_eq!((client.cursor, &client.outputs["by"]), (3, &Value::Null));
    client.outputs.insert("a".to_owned(), json!({"message": "y"}));
    let lost = drive(client.spec(&flow, &json!({}), Until::OneUnit), &script).await;
    insta::assert_snapshot!(lost.text(), @r#"
    failed by INVALID_STEP_INDEX: there is no output of `by`, which lies before the cursor; go back to step index 2
    = failed by INVALID_STEP_INDEX: there is no output of `by`, which lies before the cursor; go back to step index 2
    "#);
    client.cursor = 1;
    insta::assert_snapshot!(drive(client.spec(&flow, &json!({}), Until::End), &script).await.text(), @r#"
    skip bx
    start by #1 <- {"message":"y"}
    done by #1 -> {"message":"by"}
    start last #1 <- {"message":"by"}
    done last #1 -> {"message":"last: by"}
    = {"message":"last: by"}
    "#);
}

#[tokio::test(start_paused = true)]
async fn a_replaced_output_is_what_comes_next_in_the_same_pass() {
    let initial = json!({"message": "hi", "kind": "z", "items": ["p", "q"]});
    let (flow, script) = (flow(EVERY_KIND), Arc::new(Script::echo()));
    let put = |step: &str, output: Value| (flow.leaf_index(step).unwrap(), Arc::new(output));
    let replacements: BTreeMap<_, _> =
        [put("a", json!({"message": "A"})), put("left", json!({"message": "L"})), put("one", json!([1, {"x": 2}]))]
            .into();
    let ran = drive(RunSpec { replacements, ..spec(&flow, &initial) }, &script).await;
    let reported: Vec<Value> = reports(&ran.events).into_iter().map(|(_, output)| output).collect();
    assert_eq!(reported[0], json!({"message": "a: hi"}), "what is reported is what the block gave");
    assert_eq!(reported[2], json!({"message": "right: A"}));
    let keep = &reported[7];
    assert_eq!(keep["results"], json!([1, {"x": 2}]), "a loop's leaf is replaced by the list of its outputs");
}

#[test]
fn outputs_before_the_cursor_have_to_be_there_and_fit() {
    let flow = flow(EVERY_KIND);
    let full = json!({
        "a": {"message": "a"}, "left": {}, "right": {}, "bx": null, "bx2": null, "by": null, "one": [{}, {}], "keep": {},
    });
    let read = |outputs: &Value, cursor: usize| DoneOutputs::from_outputs(&flow, outputs.as_object().unwrap(), cursor);
    assert!(read(&full, 8).is_ok());
    assert!(read(&json!({}), 0).is_ok());
    for (step, wrong, cursor) in [
        ("a", None, 1),
        ("a", Some(json!(null)), 1),
        ("right", None, 3),
        ("bx", None, 4),
        ("one", Some(json!({"message": "no list"})), 7),
        ("one", Some(json!(null)), 7),
        ("keep", None, 8),
    ] {
        let mut outputs = full.clone();
        match wrong {
            Some(wrong) => outputs[step] = wrong,
            None => drop(outputs.as_object_mut().unwrap().remove(step)),
        }
        assert_eq!(read(&outputs, cursor).err().as_deref(), Some(step), "{outputs}");
        let before = cursor - 1;
        assert!(read(&outputs, before).is_ok(), "what lies behind the cursor does not count: {outputs} at {before}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_container_without_leaves_is_no_step() {
    for last in [
        "{id: each, loop: {over: initial.items, steps: [{id: way, branch: {on: x, cases: {y: []}}}]}}",
        "{id: both, parallel: [{id: way, branch: {on: x, cases: {y: []}}}]}",
        "{id: way, branch: {on: x, cases: {y: []}}}",
    ] {
        for yaml in [
            format!("- {last}\n- {{id: a, llm: {{prompt: \"a\"}}}}"),
            format!("- {{id: a, llm: {{prompt: \"a\"}}}}\n- {last}"),
            format!("- {{id: a, llm: {{prompt: \"a\"}}}}\n- {last}\n- {{id: b, llm: {{prompt: \"b\"}}}}"),
        ] {
            let (flow, script, initial) = (flow(&yaml), Arc::new(Script::echo()), json!({"items": [1, 2]}));
            let whole = drive(spec(&flow, &initial), &script).await.result();
            let (stations, stepped) = step_through(&flow, &initial, &script).await;
            assert_eq!(stepped, whole, "{yaml}");
            let behind = drive(stations.last().unwrap().spec(&flow, &initial, Until::End), &script).await;
            assert!(stations.len() == 1 || !behind.text().contains("loop each"), "told again: {}", behind.text());
            assert_eq!(stations.len(), flow.leaves.len(), "{yaml}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_failed_item_stays_failed_in_later_passes() {
    let parallel = r#"
      - id: both
        parallel:
          - {id: slow, llm: {prompt: "slow"}}
          - {id: bad, llm: {prompt: "bad [fail {{ index }}]"}}
    "#;
    let inner = r#"
      - id: inner
        loop: {over: initial.items, steps: [{id: bad, llm: {prompt: "bad [fail {{ index }}]"}}]}
    "#;
    let in_template = r#"
      - id: both
        parallel:
          - {id: slow, llm: {prompt: "slow"}}
          - {id: way, branch: {on: "{{ ['fine', nowhere][index % 2] }}", cases: {x: [{id: no, llm: {prompt: "no"}}]}}}
    "#;
    let plain = r#"
      - {id: first, llm: {prompt: "first"}}
      - {id: bad, llm: {prompt: "bad [fail {{ index }}]"}}
      - {id: after, llm: {prompt: "after"}}
    "#;
    for steps in [parallel, inner, in_template, plain] {
        let yaml = format!(
            "- id: each\n  loop:\n    over: initial.items\n    on_item_error: continue\n    steps:{steps}\n- id: last\n  llm: \
             {{prompt: \"last: {{{{ results }}}}\"}}"
        );
        let script = Script::new(|request| match crate::support::answer(request) {
            Turn::After(_, turn) if request.messages.len() == 1 => Turn::after(5, *turn),
            turn => turn,
        });
        let (flow, script, initial) = (flow(&yaml), Arc::new(script), json!({"items": ["p", "q", "r"]}));
        let whole = drive(spec(&flow, &initial), &script).await;
        let (_, stepped) = step_through(&flow, &initial, &script).await;
        assert_eq!(stepped, whole.result(), "{yaml}\n{}", whole.text());
    }
}

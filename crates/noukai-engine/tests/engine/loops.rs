//! Loops: steps once per item.

use std::sync::Arc;

use noukai_engine::{ModelErrorKind, RunBounds, RunSpec};
use serde_json::{Value, json};

use crate::{
    passes::reports,
    support::{Script, Turn, check_run, drive, flow, spec},
};

/// Each item takes less time than the one before it.
fn later_is_quicker() -> Script {
    Script::new(|request| {
        let text = format!("{:?}", request.messages);
        let index = (0..9).find(|index| text.contains(&format!("#{index}"))).unwrap_or(9);
        Turn::after(10 * (10 - index), Turn::Echo)
    })
}

#[tokio::test(start_paused = true)]
async fn results_keep_the_order_of_the_items() {
    let yaml = r##"
    - id: each
      loop:
        over: items
        steps:
          - {id: one, llm: {prompt: "one: #{{ index }} {{ item }}"}}
          - {id: two, llm: {prompt: "two: {{ message }}"}}
    "##;
    insta::assert_snapshot!(check_run(yaml, json!({"items": ["p", "q", "r"]}), later_is_quicker()).await, @r#"
    start one[0] #1 <- {"item":"p","index":0}
    again one[1] #1 <- {"item":"q","index":1}
    again one[2] #1 <- {"item":"r","index":2}
    done one[2] #1 of 3 -> {"message":"one: #2 r"}
    start two[2] #1 <- {"message":"one: #2 r"}
    done one[1] #1 of 3 -> {"message":"one: #1 q"}
    again two[1] #1 <- {"message":"one: #1 q"}
    done one[0] #1 of 3 -> {"message":"one: #0 p"}
    again two[0] #1 <- {"message":"one: #0 p"}
    done two[2] #1 of 3 -> {"message":"two: one: #2 r"}
    done two[1] #1 of 3 -> {"message":"two: one: #1 q"}
    done two[0] #1 of 3 -> {"message":"two: one: #0 p"}
    leaf one -> [{"message":"one: #0 p"},{"message":"one: #1 q"},{"message":"one: #2 r"}]
    leaf two -> [{"message":"two: one: #0 p"},{"message":"two: one: #1 q"},{"message":"two: one: #2 r"}]
    loop each x3
    = {"each":[{"message":"two: one: #0 p"},{"message":"two: one: #1 q"},{"message":"two: one: #2 r"}],"results":[{"message":"two: one: #0 p"},{"message":"two: one: #1 q"},{"message":"two: one: #2 r"}],"count":3}
    "#);
}

#[tokio::test(start_paused = true)]
async fn an_item_brings_its_fields() {
    let yaml = r#"
    - id: each
      loop:
        over: initial.items
        concurrency: 1
        steps:
          - {id: one, llm: {prompt: "one: {{ name }} {{ message }} {{ item.name }} {{ index }}"}}
          - {id: two, llm: {prompt: "two: {{ item.name }} {{ index }} {{ one.message }}"}}
    "#;
    let items = json!([{"name": "ada", "message": "own"}, {"name": "bob", "index": "mine", "item": "mine"}]);
    insta::assert_snapshot!(check_run(yaml, json!({"message": "outer", "items": items}), Script::echo()).await, @r#"
    start one[0] #1 <- {"message":"own","items":[{"name":"ada","message":"own"},{"name":"bob","index":"mine","item":"mine"}],"name":"ada","item":{"name":"ada","message":"own"},"index":0}
    done one[0] #1 of 2 -> {"message":"one: ada own ada 0"}
    start two[0] #1 <- {"message":"one: ada own ada 0"}
    done two[0] #1 of 2 -> {"message":"two: ada 0 one: ada own ada 0"}
    again one[1] #1 <- {"message":"outer","items":[{"name":"ada","message":"own"},{"name":"bob","index":"mine","item":"mine"}],"name":"bob","index":1,"item":{"name":"bob","index":"mine","item":"mine"}}
    done one[1] #1 of 2 -> {"message":"one: bob outer bob 1"}
    again two[1] #1 <- {"message":"one: bob outer bob 1"}
    done two[1] #1 of 2 -> {"message":"two: bob 1 one: bob outer bob 1"}
    leaf one -> [{"message":"one: ada own ada 0"},{"message":"one: bob outer bob 1"}]
    leaf two -> [{"message":"two: ada 0 one: ada own ada 0"},{"message":"two: bob 1 one: bob outer bob 1"}]
    loop each x2
    = {"each":[{"message":"two: ada 0 one: ada own ada 0"},{"message":"two: bob 1 one: bob outer bob 1"}],"results":[{"message":"two: ada 0 one: ada own ada 0"},{"message":"two: bob 1 one: bob outer bob 1"}],"count":2}
    "#);
}

#[tokio::test(start_paused = true)]
async fn nested_loops_nest_their_results() {
    let yaml = r#"
    - id: outer
      loop:
        over: initial.rows
        concurrency: 1
        steps:
          - id: inner
            loop:
              over: item
              concurrency: 1
              steps: [{id: cell, llm: {prompt: "cell: {{ item }}"}}]
          - {id: sum, llm: {prompt: "sum: {{ count }} of row {{ index }}"}}
    "#;
    insta::assert_snapshot!(check_run(yaml, json!({"rows": [["a", "b"], [], ["c"]]}), Script::echo()).await, @r#"
    start cell[0, 0] #1 <- {"rows":[["a","b"],[],["c"]],"item":"a","index":0}
    done cell[0, 0] #1 of 2 -> {"message":"cell: a"}
    again cell[0, 1] #1 <- {"rows":[["a","b"],[],["c"]],"item":"b","index":1}
    done cell[0, 1] #1 of 2 -> {"message":"cell: b"}
    start sum[0] #1 <- {"inner":[{"message":"cell: a"},{"message":"cell: b"}],"results":[{"message":"cell: a"},{"message":"cell: b"}],"count":2}
    done sum[0] #1 of 3 -> {"message":"sum: 2 of row 0"}
    again sum[1] #1 <- {"inner":[],"results":[],"count":0}
    done sum[1] #1 of 3 -> {"message":"sum: 0 of row 1"}
    again cell[2, 0] #1 <- {"rows":[["a","b"],[],["c"]],"item":"c","index":0}
    done cell[2, 0] #1 of 1 -> {"message":"cell: c"}
    again sum[2] #1 <- {"inner":[{"message":"cell: c"}],"results":[{"message":"cell: c"}],"count":1}
    done sum[2] #1 of 3 -> {"message":"sum: 1 of row 2"}
    leaf cell -> [[{"message":"cell: a"},{"message":"cell: b"}],[],[{"message":"cell: c"}]]
    leaf sum -> [{"message":"sum: 2 of row 0"},{"message":"sum: 0 of row 1"},{"message":"sum: 1 of row 2"}]
    loop outer x3
    = {"outer":[{"message":"sum: 2 of row 0"},{"message":"sum: 0 of row 1"},{"message":"sum: 1 of row 2"}],"results":[{"message":"sum: 2 of row 0"},{"message":"sum: 0 of row 1"},{"message":"sum: 1 of row 2"}],"count":3}
    "#);
}

#[tokio::test(start_paused = true)]
async fn no_items_no_work() {
    let yaml = r#"
    - id: each
      loop: {over: items, steps: [{id: one, llm: {prompt: "one: {{ item }}"}}]}
    - {id: last, llm: {prompt: "last: {{ count }}"}}
    "#;
    insta::assert_snapshot!(check_run(yaml, json!({"items": []}), Script::echo()).await, @r#"
    unreached one
    leaf one -> []
    loop each x0
    start last #1 <- {"each":[],"results":[],"count":0}
    done last #1 -> {"message":"last: 0"}
    = {"message":"last: 0"}
    "#);
}

#[tokio::test(start_paused = true)]
async fn what_is_no_list_fails_the_loop() {
    let yaml = "- id: each\n  loop: {over: items, steps: [{id: one, llm: {prompt: \"one\"}}]}";
    insta::assert_snapshot!(check_run(yaml, json!({"things": []}), Script::echo()).await, @r#"
    failed each LOOP_INPUT_INVALID: `loop.over` names `items`, which is not in scope; in scope: things, initial, previous_output
    = failed each LOOP_INPUT_INVALID: `loop.over` names `items`, which is not in scope; in scope: things, initial, previous_output
    "#);
    insta::assert_snapshot!(check_run(yaml, json!({"items": {"a": 1}}), Script::echo()).await, @r#"
    failed each LOOP_INPUT_INVALID: `items` is no array
    = failed each LOOP_INPUT_INVALID: `items` is no array
    "#);
    let many: Value = (0..101).collect();
    insta::assert_snapshot!(check_run(yaml, json!({ "items": many }), Script::echo()).await, @r#"
    failed each LIMIT_EXCEEDED: `items` has 101 items; the limit of loop items is 100
    = failed each LIMIT_EXCEEDED: `items` has 101 items; the limit of loop items is 100
    "#);
    let most: Value = (0..100).collect();
    assert!(check_run(yaml, json!({ "items": most }), Script::echo()).await.contains("loop each x100"));
}

#[tokio::test(start_paused = true)]
async fn a_failing_item_fails_the_loop() {
    let yaml = r##"
    - id: each
      loop:
        over: items
        steps:
          - {id: one, llm: {prompt: "one: #{{ index }}"}}
          - {id: two, llm: {prompt: "two: #{{ index }}"}}
    - {id: never, llm: {prompt: "never"}}
    "##;
    let script = later_is_quicker().on("two", [Turn::Fails(ModelErrorKind::Refused)]);
    insta::assert_snapshot!(check_run(yaml, json!({"items": [0, 1, 2]}), script).await, @r#"
    start one[0] #1 <- {"item":0,"index":0}
    again one[1] #1 <- {"item":1,"index":1}
    again one[2] #1 <- {"item":2,"index":2}
    done one[2] #1 of 3 -> {"message":"one: #2"}
    start two[2] #1 <- {"message":"one: #2"}
    fail two[2] #1 MODEL_ERROR: scripted: Refused
    fail one[0] #1 CANCELLED: cut off because the run ended
    fail one[1] #1 CANCELLED: cut off because the run ended
    failed two MODEL_ERROR: scripted: Refused
    = failed two MODEL_ERROR: scripted: Refused
    "#);
}

#[tokio::test(start_paused = true)]
async fn a_loop_may_go_on_without_a_failed_item() {
    let yaml = r#"
    - id: each
      loop:
        over: items
        on_item_error: continue
        concurrency: 1
        steps:
          - {id: one, llm: {prompt: "one: {{ item }}"}}
          - {id: two, llm: {prompt: "two: {{ item }}"}}
          - {id: three, llm: {prompt: "three: {{ item }}"}}
    - {id: last, llm: {prompt: "last: {{ results.1.error.code }}"}}
    "#;
    let script = Script::echo().on("two", [Turn::Echo, Turn::Fails(ModelErrorKind::Refused), Turn::Echo]);
    insta::assert_snapshot!(check_run(yaml, json!({"items": ["p", "q", "r"]}), script).await, @r#"
    start one[0] #1 <- {"item":"p","index":0}
    done one[0] #1 of 3 -> {"message":"one: p"}
    start two[0] #1 <- {"message":"one: p"}
    done two[0] #1 of 3 -> {"message":"two: p"}
    start three[0] #1 <- {"message":"two: p"}
    done three[0] #1 of 3 -> {"message":"three: p"}
    again one[1] #1 <- {"item":"q","index":1}
    done one[1] #1 of 3 -> {"message":"one: q"}
    again two[1] #1 <- {"message":"one: q"}
    fail two[1] #1 MODEL_ERROR: scripted: Refused
    item two[1] -> {"error":{"code":"MODEL_ERROR","message":"scripted: Refused","stepId":"two","attempt":1,"provider":"test","providerStatus":400}}
    again one[2] #1 <- {"item":"r","index":2}
    done one[2] #1 of 3 -> {"message":"one: r"}
    again two[2] #1 <- {"message":"one: r"}
    done two[2] #1 of 3 -> {"message":"two: r"}
    again three[2] #1 <- {"message":"two: r"}
    done three[2] #1 of 3 -> {"message":"three: r"}
    leaf one -> [{"message":"one: p"},{"message":"one: q"},{"message":"one: r"}]
    leaf two -> [{"message":"two: p"},{"error":{"code":"MODEL_ERROR","message":"scripted: Refused","stepId":"two","attempt":1,"provider":"test","providerStatus":400}},{"message":"two: r"}]
    leaf three -> [{"message":"three: p"},null,{"message":"three: r"}]
    loop each x3
    start last #1 <- {"each":[{"message":"three: p"},{"error":{"code":"MODEL_ERROR","message":"scripted: Refused","stepId":"two","attempt":1,"provider":"test","providerStatus":400}},{"message":"three: r"}],"results":[{"message":"three: p"},{"error":{"code":"MODEL_ERROR","message":"scripted: Refused","stepId":"two","attempt":1,"provider":"test","providerStatus":400}},{"message":"three: r"}],"count":3}
    done last #1 -> {"message":"last: MODEL_ERROR"}
    = {"message":"last: MODEL_ERROR"}
    "#);
}

#[tokio::test(start_paused = true)]
async fn an_inner_failure_fails_the_item_of_the_loop_that_goes_on() {
    let yaml = r#"
    - id: outer
      loop:
        over: initial.rows
        on_item_error: continue
        concurrency: 1
        steps:
          - id: inner
            loop: {over: item, concurrency: 1, steps: [{id: cell, llm: {prompt: "cell: {{ item }}"}}]}
    "#;
    let fails = Turn::Fails(ModelErrorKind::Refused);
    let script = Script::echo().on("cell", [Turn::Echo, Turn::Echo, fails]);
    let text = check_run(yaml, json!({"rows": [["a"], ["b", "c", "d"], "no list", ["e"]]}), script).await;
    insta::assert_snapshot!(text, @r#"
    start cell[0, 0] #1 <- {"rows":[["a"],["b","c","d"],"no list",["e"]],"item":"a","index":0}
    done cell[0, 0] #1 of 1 -> {"message":"cell: a"}
    again cell[1, 0] #1 <- {"rows":[["a"],["b","c","d"],"no list",["e"]],"item":"b","index":0}
    done cell[1, 0] #1 of 3 -> {"message":"cell: b"}
    again cell[1, 1] #1 <- {"rows":[["a"],["b","c","d"],"no list",["e"]],"item":"c","index":1}
    fail cell[1, 1] #1 MODEL_ERROR: scripted: Refused
    item cell[1] -> {"error":{"code":"MODEL_ERROR","message":"scripted: Refused","stepId":"cell","attempt":1,"provider":"test","providerStatus":400}}
    item cell[2] -> {"error":{"code":"LOOP_INPUT_INVALID","message":"`item` is no array","stepId":"inner","attempt":1}}
    again cell[3, 0] #1 <- {"rows":[["a"],["b","c","d"],"no list",["e"]],"item":"e","index":0}
    done cell[3, 0] #1 of 1 -> {"message":"cell: e"}
    leaf cell -> [[{"message":"cell: a"}],{"error":{"code":"MODEL_ERROR","message":"scripted: Refused","stepId":"cell","attempt":1,"provider":"test","providerStatus":400}},{"error":{"code":"LOOP_INPUT_INVALID","message":"`item` is no array","stepId":"inner","attempt":1}},[{"message":"cell: e"}]]
    loop outer x4
    = {"outer":[{"inner":[{"message":"cell: a"}],"results":[{"message":"cell: a"}],"count":1},{"error":{"code":"MODEL_ERROR","message":"scripted: Refused","stepId":"cell","attempt":1,"provider":"test","providerStatus":400}},{"error":{"code":"LOOP_INPUT_INVALID","message":"`item` is no array","stepId":"inner","attempt":1}},{"inner":[{"message":"cell: e"}],"results":[{"message":"cell: e"}],"count":1}],"results":[{"inner":[{"message":"cell: a"}],"results":[{"message":"cell: a"}],"count":1},{"error":{"code":"MODEL_ERROR","message":"scripted: Refused","stepId":"cell","attempt":1,"provider":"test","providerStatus":400}},{"error":{"code":"LOOP_INPUT_INVALID","message":"`item` is no array","stepId":"inner","attempt":1}},{"inner":[{"message":"cell: e"}],"results":[{"message":"cell: e"}],"count":1}],"count":4}
    "#);
}

#[tokio::test(start_paused = true)]
async fn a_container_that_fails_an_item_leaves_the_outputs_before_it_alone() {
    let yaml = r#"
    - id: each
      loop:
        over: initial.items
        on_item_error: continue
        concurrency: 1
        steps:
          - {id: one, llm: {prompt: "one: {{ item }}"}}
          - {id: way, branch: {on: "{{ nowhere }}", cases: {x: []}}}
    "#;
    let (flow, script, initial) = (flow(yaml), Arc::new(Script::echo()), json!({"items": ["p"]}));
    let ran = drive(spec(&flow, &initial), &script).await;
    assert_eq!(ran.result()["results"][0]["error"]["code"], "TEMPLATE_ERROR");
    assert_eq!(reports(&ran.events), [(0, json!([{"message": "one: p"}]))]);
}

#[tokio::test(start_paused = true)]
async fn a_loop_without_leaves_leaves_other_loops_alone() {
    let yaml = r#"
    - id: empty
      loop:
        over: initial.items
        on_item_error: continue
        steps: [{id: way, branch: {on: "{{ nowhere }}", cases: {x: []}}}]
    - id: each
      loop: {over: initial.items, concurrency: 1, steps: [{id: one, llm: {prompt: "one: {{ item }}"}}]}
    "#;
    let result = drive(spec(&flow(yaml), &json!({"items": ["p", "q"]})), &Arc::new(Script::echo())).await.result();
    assert_eq!(result["results"], json!([{"message": "one: p"}, {"message": "one: q"}]));
}

#[tokio::test(start_paused = true)]
async fn no_more_items_at_once_than_allowed() {
    for (concurrency, expected) in [("concurrency: 3,", 3), ("", 5), ("concurrency: 1,", 1)] {
        let yaml = format!(
            "- id: each\n  loop: {{over: items, {concurrency} steps: [{{id: one, llm: {{prompt: \"one: {{{{ item }}}}\"}}}}]}}"
        );
        let script = Arc::new(Script::new(|_| Turn::after(10, Turn::Echo)));
        let items: Value = (0..20).collect();
        let spec = spec(&flow(&yaml), &json!({ "items": items }));
        let bounds = RunBounds { loop_concurrency: 5, ..spec.bounds };
        let ran = drive(RunSpec { bounds, ..spec }, &script).await;
        assert_eq!(script.most_at_once(), expected);
        assert_eq!(ran.result()["results"][19], json!({"message": "one: 19"}));
    }
}

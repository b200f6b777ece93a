//! Branches: the first case that matches, else `else`.

use serde_json::json;

use crate::support::{Script, check_run};

const FORK: &str = r#"
- id: way
  branch:
    on: " {{ initial.kind }} "
    cases:
      x: [{id: bx, llm: {prompt: "bx: {{ message }}"}}, {id: bx2, llm: {prompt: "bx2: {{ message }}"}}]
      y: []
    else: [{id: other, llm: {prompt: "other: {{ message }}"}}]
- {id: last, llm: {prompt: "last: {{ message }}"}}
"#;

#[tokio::test(start_paused = true)]
async fn a_case_is_taken() {
    insta::assert_snapshot!(check_run(FORK, json!({"message": "hi", "kind": "x"}), Script::echo()).await, @r#"
    start bx #1 <- {"message":"hi","kind":"x"}
    done bx #1 -> {"message":"bx: hi"}
    start bx2 #1 <- {"message":"bx: hi"}
    done bx2 #1 -> {"message":"bx2: bx: hi"}
    skip other
    start last #1 <- {"message":"bx2: bx: hi"}
    done last #1 -> {"message":"last: bx2: bx: hi"}
    = {"message":"last: bx2: bx: hi"}
    "#);
}

#[tokio::test(start_paused = true)]
async fn else_is_taken_where_no_case_fits() {
    insta::assert_snapshot!(check_run(FORK, json!({"message": "hi", "kind": "X"}), Script::echo()).await, @r#"
    skip bx
    skip bx2
    start other #1 <- {"message":"hi","kind":"X"}
    done other #1 -> {"message":"other: hi"}
    start last #1 <- {"message":"other: hi"}
    done last #1 -> {"message":"last: other: hi"}
    = {"message":"last: other: hi"}
    "#);
}

#[tokio::test(start_paused = true)]
async fn an_empty_case_hands_its_input_on() {
    insta::assert_snapshot!(check_run(FORK, json!({"message": "hi", "kind": "y"}), Script::echo()).await, @r#"
    skip bx
    skip bx2
    skip other
    start last #1 <- {"message":"hi","kind":"y"}
    done last #1 -> {"message":"last: hi"}
    = {"message":"last: hi"}
    "#);
}

#[tokio::test(start_paused = true)]
async fn where_nothing_fits_and_there_is_no_else_the_input_goes_on() {
    let yaml = r#"
    - id: way
      branch: {on: "{{ initial.kind }}", cases: {x: [{id: bx, llm: {prompt: "bx"}}]}}
    "#;
    insta::assert_snapshot!(check_run(yaml, json!({"kind": 1}), Script::echo()).await, @r#"
    skip bx
    = {"kind":1}
    "#);
}

#[tokio::test(start_paused = true)]
async fn branches_nest_and_hold_containers() {
    let yaml = r#"
    - id: way
      branch:
        on: "{{ initial.kind }}"
        cases:
          x:
            - id: deeper
              branch:
                on: "{{ initial.other }}"
                cases: {"1": [{id: one, llm: {prompt: "one"}}], "2": [{id: two, llm: {prompt: "two"}}]}
            - {id: after, llm: {prompt: "after: {{ message }}"}}
        else:
          - id: each
            loop: {over: initial.items, steps: [{id: item, llm: {prompt: "item"}}]}
          - id: both
            parallel: [{id: left, passthrough: {}}]
    "#;
    let initial = |kind: &str, other: i32| json!({"kind": kind, "other": other, "items": ["p"]});
    insta::assert_snapshot!(check_run(yaml, initial("x", 2), Script::echo()).await, @r#"
    skip one
    start two #1 <- {"kind":"x","other":2,"items":["p"]}
    done two #1 -> {"message":"two"}
    start after #1 <- {"message":"two"}
    done after #1 -> {"message":"after: two"}
    skip item
    skip left
    = {"message":"after: two"}
    "#);
    insta::assert_snapshot!(check_run(yaml, initial("z", 2), Script::echo()).await, @r#"
    skip one
    skip two
    skip after
    start item[0] #1 <- {"kind":"z","other":2,"items":["p"],"item":"p","index":0}
    done item[0] #1 of 1 -> {"message":"item"}
    leaf item -> [{"message":"item"}]
    loop each x1
    start left #1 <- {"each":[{"message":"item"}],"results":[{"message":"item"}],"count":1}
    done left #1 -> {"each":[{"message":"item"}],"results":[{"message":"item"}],"count":1}
    = {"each":[{"message":"item"}],"results":[{"message":"item"}],"count":1,"left":{"each":[{"message":"item"}],"results":[{"message":"item"}],"count":1}}
    "#);
}

#[tokio::test(start_paused = true)]
async fn in_a_loop_each_item_takes_its_own_way() {
    let yaml = r#"
    - id: each
      loop:
        over: initial.items
        concurrency: 1
        steps:
          - id: way
            branch:
              on: "{{ item }}"
              cases: {x: [{id: bx, llm: {prompt: "bx {{ index }}"}}], y: [{id: by, llm: {prompt: "by {{ index }}"}}]}
              else: [{id: never, llm: {prompt: "never"}}]
    "#;
    insta::assert_snapshot!(check_run(yaml, json!({"items": ["x", "y", "x"]}), Script::echo()).await, @r#"
    start bx[0] #1 <- {"items":["x","y","x"],"item":"x","index":0}
    done bx[0] #1 of 3 -> {"message":"bx 0"}
    start by[1] #1 <- {"items":["x","y","x"],"item":"y","index":1}
    done by[1] #1 of 3 -> {"message":"by 1"}
    again bx[2] #1 <- {"items":["x","y","x"],"item":"x","index":2}
    done bx[2] #1 of 3 -> {"message":"bx 2"}
    leaf bx -> [{"message":"bx 0"},null,{"message":"bx 2"}]
    leaf by -> [null,{"message":"by 1"},null]
    unreached never
    leaf never -> [null,null,null]
    loop each x3
    = {"each":[{"message":"bx 0"},{"message":"by 1"},{"message":"bx 2"}],"results":[{"message":"bx 0"},{"message":"by 1"},{"message":"bx 2"}],"count":3}
    "#);
}

#[tokio::test(start_paused = true)]
async fn in_a_parallel_container_leaves_are_skipped_once() {
    let yaml = r#"
    - id: both
      parallel:
        - id: way
          branch: {on: "{{ initial.kind }}", cases: {x: [{id: bx, passthrough: {}}], y: [{id: by, passthrough: {}}]}}
        - {id: other, passthrough: {}}
    "#;
    insta::assert_snapshot!(check_run(yaml, json!({"kind": "y"}), Script::echo()).await, @r#"
    skip bx
    start by #1 <- {"kind":"y"}
    start other #1 <- {"kind":"y"}
    done by #1 -> {"kind":"y"}
    done other #1 -> {"kind":"y"}
    = {"kind":"y","way":{"kind":"y"},"other":{"kind":"y"}}
    "#);
}

#[tokio::test(start_paused = true)]
async fn a_name_that_is_not_there_fails_the_branch() {
    let yaml = r#"
    - id: way
      branch: {on: "{{ nowhere }}", cases: {x: [{id: bx, passthrough: {}}]}}
    "#;
    insta::assert_snapshot!(check_run(yaml, json!({"kind": "y"}), Script::echo()).await, @r#"
    failed way TEMPLATE_ERROR: `branch.on`: line 1: `nowhere` is not there; names in scope: kind, initial, previous_output
    = failed way TEMPLATE_ERROR: `branch.on`: line 1: `nowhere` is not there; names in scope: kind, initial, previous_output
    "#);
}

//! Documents, good and bad.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::{Block, FlowKind, Format, NodeKind, ProblemCode, Severity, parse};

/// Every kind of node and every key.
const WHOLE: &str = r#"
schema: 1
slug: support-triage
name: Support triage
kind: pipeline
input: {message: string, tone: {type: string, default: plain}}
trace_capture: metadata_only
steps:
  - id: classify
    name: Mail kind
    llm:
      model: openai/gpt-4o-mini
      fallback_models: [anthropic/claude-haiku-4-5]
      system: You label support mail.
      prompt: "Label this mail: {{ initial.message }}"
      config: {temperature: 0, max_tokens: 200}
      output: {label: {type: string, enum: [billing, bug, other]}, urgent: boolean}
      tools_enabled: true
      max_tool_iterations: 3
      attachments: always
      cache: {ttl_s: 3600}
    retry: {max_attempts: 2, initial_ms: 100, max_ms: 1000}
    timeout_ms: 60000
  - id: per-kind
    branch:
      on: "{{ label }}"
      cases:
        billing: [{id: bill, llm: {prompt: "{{ urgent }}"}}]
        bug:
          - id: twice
            sequence: [{id: one, llm: {prompt: a}}, {id: two, llm: {prompt: "{{ one.message }}", tools_enabled: true}}]
      else: []
  - id: both
    parallel:
      - {id: reply, llm: {prompt: r, output: {reply: string}}}
      - {id: deep, loop: {over: items, steps: [{id: inner, llm: {prompt: i}}]}}
  - id: each
    loop: {over: classify.items, concurrency: 8, on_item_error: continue, steps: [{id: item-step, llm: {prompt: "{{ item.x }} {{ y }}"}}, {id: then, passthrough: {}}]}
  - id: anchor
    passthrough: {}
"#;

fn checked(yaml: &str) -> Checked {
    check(&parse(yaml, Format::Yaml).unwrap(), &Bounds::default())
}

/// A document with these steps.
fn with_steps(steps: &str) -> String {
    format!("schema: 1\nslug: demo\nsteps:\n{steps}")
}

fn codes(checked: &Checked, severity: Severity) -> Vec<(String, ProblemCode)> {
    let of_severity = checked.problems.iter().filter(|problem| problem.severity == severity);
    of_severity.map(|problem| (problem.path.clone(), problem.code)).collect()
}

#[test]
fn a_whole_document_becomes_a_flow() {
    let checked = checked(WHOLE);
    assert_eq!(checked.problems, []);
    let flow = checked.flow.unwrap();
    assert_eq!(
        (flow.slug.as_str(), flow.name.as_str(), flow.kind),
        ("support-triage", "Support triage", FlowKind::Pipeline)
    );
    assert_eq!(flow.input.fields(), ["message", "tone"]);
    assert_eq!(flow.hash, crate::document_hash(&parse(WHOLE, Format::Yaml).unwrap()));
    let (node, leaf) = flow.leaf(0).unwrap();
    assert_eq!((&*node.id, &*node.name), ("classify", "Mail kind"));
    assert_eq!((leaf.retry.max_attempts, leaf.retry.initial_ms, leaf.timeout_ms), (2, 100, Some(60000)));
    let Block::Llm(block) = &leaf.block else { panic!("{leaf:?}") };
    assert_eq!((block.max_tool_iterations, block.attachments_always, block.tools_enabled), (3, true, true));
    assert_eq!(block.cache, Some(std::time::Duration::from_secs(3600)));
    let NodeKind::Loop(each) = &flow.root[3].kind else { panic!("{:?}", flow.root[3]) };
    assert_eq!((each.over.as_str(), each.concurrency, each.continue_on_error), ("classify.items", Some(8), true));
}

#[test]
fn leaves_know_where_they_stand() {
    let flow = checked(WHOLE).flow.unwrap();
    let leaves = flow.leaves.iter().map(|leaf| {
        let flags = [(leaf.in_branch, "branch"), (leaf.in_unit, "unit"), (leaf.tools_enabled, "tools")];
        let flags: Vec<_> = flags.iter().filter(|(on, _)| *on).map(|(_, name)| *name).collect();
        format!("{} {:?} loops {:?} {}", leaf.id, leaf.unit, leaf.loops, flags.join(" "))
    });
    insta::assert_snapshot!(leaves.collect::<Vec<_>>().join("\n"), @r#"
    classify 0..1 loops [] tools
    bill 1..2 loops [] branch
    one 2..3 loops [] branch
    two 3..4 loops [] branch tools
    reply 4..6 loops [] unit
    inner 4..6 loops ["deep"] unit
    item-step 6..8 loops ["each"] unit
    then 6..8 loops ["each"] unit
    anchor 8..9 loops []
    "#);
    let nodes = flow.root.iter().map(|node| format!("{} {:?}", node.id, node.leaves));
    insta::assert_snapshot!(nodes.collect::<Vec<_>>().join("\n"), @r"
    classify 0..1
    per-kind 1..4
    both 4..6
    each 6..8
    anchor 8..9
    ");
}

#[test]
fn defaults_are_those_of_the_contract() {
    let flow = checked(&with_steps(
        "- {id: a, llm: {prompt: x}}\n- {id: b, loop: {over: c, steps: [{id: d, passthrough: {}}]}}",
    ))
    .flow
    .unwrap();
    assert_eq!((flow.name.as_str(), flow.kind, flow.trace_capture), ("demo", FlowKind::Pipeline, None));
    assert_eq!(flow.input.fields(), ["message"]);
    let (node, leaf) = flow.leaf(0).unwrap();
    let Block::Llm(block) = &leaf.block else { panic!("{leaf:?}") };
    assert_eq!((&*node.name, leaf.retry, leaf.timeout_ms), ("a", crate::Retry::default(), None));
    assert_eq!(
        (block.max_tool_iterations, block.attachments_always, block.tools_enabled, &block.model),
        (25, false, false, &None)
    );
    let NodeKind::Loop(each) = &flow.root[1].kind else { panic!("{:?}", flow.root[1]) };
    assert_eq!((each.concurrency, each.continue_on_error), (None, false));
}

#[test]
fn a_chat_block_needs_a_prompt_or_a_system_message() {
    for (llm, ok) in [("{system: s}", true), ("{prompt: p}", true), ("{model: a/b}", false)] {
        let text = format!("kind: chat\n{}", with_steps(&format!("- {{id: a, llm: {llm}}}")));
        assert_eq!(checked(&text).flow.is_some(), ok, "{llm}");
    }
}

#[test]
fn tops_that_are_wrong() {
    use ProblemCode::*;
    let steps = "steps: [{id: a, passthrough: {}}]";
    for (document, expected) in [
        ("[]".to_owned(), vec![("", WrongType)]),
        ("null".to_owned(), vec![("", WrongType)]),
        ("{}".to_owned(), vec![("schema", MissingKey), ("slug", MissingKey), ("steps", NoSteps)]),
        (format!("slug: demo\n{steps}"), vec![("schema", MissingKey)]),
        (format!("schema: 2\nslug: demo\n{steps}"), vec![("schema", SchemaTooNew)]),
        (format!("schema: \"1\"\nslug: demo\n{steps}"), vec![("schema", InvalidValue)]),
        (format!("schema: 0\nslug: demo\n{steps}"), vec![("schema", InvalidValue)]),
        (format!("schema: 1\n{steps}"), vec![("slug", MissingKey)]),
        (format!("schema: 1\nslug: 7\n{steps}"), vec![("slug", WrongType)]),
        (format!("schema: 1\nslug: demo\nkind: chatt\n{steps}"), vec![("kind", InvalidValue)]),
        (format!("schema: 1\nslug: demo\nname: [a]\n{steps}"), vec![("name", WrongType)]),
        (format!("schema: 1\nslug: demo\ntrace_capture: all\n{steps}"), vec![("trace_capture", InvalidValue)]),
        (format!("schema: 1\nslug: demo\nstpes: []\n{steps}"), vec![("stpes", UnknownKey)]),
        (format!("schema: 1\nslug: demo\ninput: {{a: strnig}}\n{steps}"), vec![("input", SchemaInvalid)]),
        (format!("schema: 1\nslug: demo\ninput: [a]\n{steps}"), vec![("input", SchemaInvalid)]),
        ("schema: 1\nslug: demo\nsteps: {}".to_owned(), vec![("steps", WrongType)]),
        ("schema: 1\nslug: demo\nsteps: []".to_owned(), vec![("steps", NoSteps)]),
        (with_steps("- {id: a, branch: {on: x, cases: {x: []}}}"), vec![("steps", NoSteps)]),
    ] {
        let checked = checked(&document);
        let expected: Vec<_> = expected.into_iter().map(|(path, code)| (path.to_owned(), code)).collect();
        assert_eq!(codes(&checked, Severity::Error), expected, "{document}");
        assert!(checked.flow.is_none(), "{document}");
    }
}

#[test]
fn slugs() {
    for (slug, ok) in [
        ("ab", true),
        ("a-1", true),
        ("0a", true),
        ("a--b", true),
        ("a", false),
        ("", false),
        ("-ab", false),
        ("ab-", false),
        ("Ab", false),
        ("a_b", false),
        ("ä1", false),
        ("../x", false),
        (&"a".repeat(50), true),
        (&"a".repeat(51), false),
    ] {
        let document = json!({"schema": 1, "slug": slug, "steps": [{"id": "a", "passthrough": {}}]});
        assert_eq!(check(&document, &Bounds::default()).flow.is_some(), ok, "{slug}");
    }
}

#[test]
fn steps_that_are_wrong() {
    use ProblemCode::*;
    for (step, path, code) in [
        ("x", "", WrongType),
        ("{passthrough: {}}", ".id", MissingKey),
        ("{id: 1, passthrough: {}}", ".id", WrongType),
        ("{id: a b, passthrough: {}}", ".id", InvalidValue),
        ("{id: '', passthrough: {}}", ".id", InvalidValue),
        ("{id: first, passthrough: {}}", ".id", DuplicateId),
        ("{id: a, sequence: [{id: a, passthrough: {}}]}", ".sequence[0].id", DuplicateId),
        ("{id: a, passthrough: {x: 1}}", ".passthrough.x", UnknownKey),
        ("{id: a, passthrough: }", ".passthrough", WrongType),
        ("{id: a}", "", NodeKind),
        ("{id: a, lmm: {}}", ".lmm", UnknownKey),
        ("{id: a, llm: {prompt: x}, passthrough: {}}", "", NodeKind),
        ("{id: a, passthrough: {}, name: 1}", ".name", WrongType),
        ("{id: a, llm: x}", ".llm", WrongType),
        ("{id: a, llm: {}}", ".llm.prompt", MissingKey),
        ("{id: a, llm: {prompt: [x]}}", ".llm.prompt", WrongType),
        ("{id: a, llm: {promt: x, prompt: x}}", ".llm.promt", UnknownKey),
        ("{id: a, llm: {prompt: '{{ x'}}", ".llm.prompt", TemplateSyntax),
        ("{id: a, llm: {prompt: \"{% include 'x' %}\"}}", ".llm.prompt", TemplateSyntax),
        ("{id: a, llm: {prompt: x, system: '{% if %}'}}", ".llm.system", TemplateSyntax),
        ("{id: a, llm: {prompt: x, model: ''}}", ".llm.model", InvalidValue),
        ("{id: a, llm: {prompt: x, fallback_models: a/b}}", ".llm.fallback_models", WrongType),
        ("{id: a, llm: {prompt: x, fallback_models: [1]}}", ".llm.fallback_models[0]", WrongType),
        ("{id: a, llm: {prompt: x, config: []}}", ".llm.config", WrongType),
        ("{id: a, llm: {prompt: x, config: {temperature: hot}}}", ".llm.config.temperature", WrongType),
        ("{id: a, llm: {prompt: x, output: {label: strnig}}}", ".llm.output", SchemaInvalid),
        ("{id: a, llm: {prompt: x, output: {label: {$ref: 'https://example.com'}}}}", ".llm.output", SchemaInvalid),
        ("{id: a, llm: {prompt: x, tools_enabled: 'yes'}}", ".llm.tools_enabled", WrongType),
        ("{id: a, llm: {prompt: x, max_tool_iterations: 0}}", ".llm.max_tool_iterations", InvalidValue),
        ("{id: a, llm: {prompt: x, cache: true}}", ".llm.cache", WrongType),
        ("{id: a, llm: {prompt: x, cache: {}}}", ".llm.cache.ttl_s", MissingKey),
        ("{id: a, llm: {prompt: x, cache: {ttl_s: 0}}}", ".llm.cache.ttl_s", InvalidValue),
        ("{id: a, llm: {prompt: x, cache: {ttl_s: 2592001}}}", ".llm.cache.ttl_s", InvalidValue),
        ("{id: a, llm: {prompt: x, cache: {ttl_s: 1, ttl: 1}}}", ".llm.cache.ttl", UnknownKey),
        ("{id: a, llm: {prompt: x, attachments: sometimes}}", ".llm.attachments", InvalidValue),
        ("{id: a, llm: {prompt: x}, timeout_ms: -1}", ".timeout_ms", WrongType),
        ("{id: a, llm: {prompt: x}, timeout_ms: 0}", ".timeout_ms", InvalidValue),
        ("{id: a, llm: {prompt: x}, retry: 3}", ".retry", WrongType),
        ("{id: a, llm: {prompt: x}, retry: {max_attempts: 99}}", ".retry.max_attempts", InvalidValue),
        ("{id: a, llm: {prompt: x}, retry: {initial_ms: 5, max_ms: 4}}", ".retry.max_ms", InvalidValue),
        ("{id: a, llm: {prompt: x}, retry: {attempts: 1}}", ".retry.attempts", UnknownKey),
        ("{id: a, sequence: [{id: b, passthrough: {}}], retry: {}}", ".retry", UnknownKey),
        ("{id: a, code: {language: 1, source: x}}", ".code.language", WrongType),
        ("{id: a, code: {language: ruby, source: x}}", ".code.language", InvalidValue),
        ("{id: a, code: {language: python}}", ".code.source", MissingKey),
        ("{id: a, code: {language: python, source: x, input: a}}", ".code.input", WrongType),
        ("{id: a, code: {language: python, source: x, input: {a: b}}}", ".code.input", SchemaInvalid),
        ("{id: a, sequence: []}", ".sequence", NoSteps),
        ("{id: a, sequence: {}}", ".sequence", WrongType),
        ("{id: a, parallel: []}", ".parallel", NoSteps),
        ("{id: a, loop: {steps: [{id: b, passthrough: {}}]}}", ".loop.over", MissingKey),
        ("{id: a, loop: {over: '{{ x }}', steps: [{id: b, passthrough: {}}]}}", ".loop.over", InvalidValue),
        ("{id: a, loop: {over: x..y, steps: [{id: b, passthrough: {}}]}}", ".loop.over", InvalidValue),
        ("{id: a, loop: {over: x, steps: []}}", ".loop.steps", NoSteps),
        ("{id: a, loop: {over: x}}", ".loop.steps", MissingKey),
        (
            "{id: a, loop: {over: x, concurrency: 0, steps: [{id: b, passthrough: {}}]}}",
            ".loop.concurrency",
            InvalidValue,
        ),
        (
            "{id: a, loop: {over: x, on_item_error: skip, steps: [{id: b, passthrough: {}}]}}",
            ".loop.on_item_error",
            InvalidValue,
        ),
        ("{id: a, branch: {cases: {x: []}}}", ".branch.on", MissingKey),
        ("{id: a, branch: {on: x}}", ".branch.cases", MissingKey),
        ("{id: a, branch: {on: x, cases: {}}}", ".branch.cases", InvalidValue),
        ("{id: a, branch: {on: x, cases: [x]}}", ".branch.cases", WrongType),
        ("{id: a, branch: {on: x, cases: {y: {id: b}}}}", ".branch.cases.y", WrongType),
        ("{id: a, branch: {on: x, cases: {' y': []}}}", ".branch.cases. y", InvalidValue),
        ("{id: a, branch: {on: x, cases: {y: []}, else: 1}}", ".branch.else", WrongType),
        ("{id: a, branch: {on: '{{', cases: {y: []}}}", ".branch.on", TemplateSyntax),
    ] {
        let checked = checked(&with_steps(&format!("- {{id: first, passthrough: {{}}}}\n- {step}")));
        let errors = codes(&checked, Severity::Error);
        assert!(errors.contains(&(format!("steps[1]{path}"), code)), "{step}: {:?}", checked.problems);
        assert!(checked.flow.is_none(), "{step}");
    }
}

#[test]
fn tools_where_no_block_can_pause_are_warned_of() {
    for (step, path) in [
        ("{id: a, parallel: [{id: b, llm: {prompt: x, tools_enabled: true}}]}", ".parallel[0].llm.tools_enabled"),
        (
            "{id: a, loop: {over: x, steps: [{id: b, branch: {on: x, cases: {y: [{id: c, llm: {prompt: x, tools_enabled: true}}]}}}]}}",
            ".loop.steps[0].branch.cases.y[0].llm.tools_enabled",
        ),
    ] {
        let checked = checked(&with_steps(&format!("- {step}")));
        let warnings = codes(&checked, Severity::Warning);
        assert!(
            warnings.contains(&(format!("steps[0]{path}"), ProblemCode::ToolsInNonSequentialStep)),
            "{:?}",
            checked.problems
        );
        assert!(checked.flow.is_some(), "{step}");
    }
}

#[test]
fn all_problems_come_at_once_and_say_what_to_do() {
    let checked = checked(
        r#"
schema: 1
slug: Demo
kindd: chat
steps:
  - id: a
    llm: {modle: x/y, prompt: "line one\n{{ a.b }"}
  - id: a
    lopp: {}
  - id: b
    parallel: [{id: c, llm: {prompt: x, tools_enabled: true}}]
    timeout_ms: 5
"#,
    );
    let lines: Vec<_> = checked.problems.iter().map(|problem| format!("{} {problem}", problem.code)).collect();
    insta::assert_snapshot!(lines.join("\n"), @r"
    UNKNOWN_KEY kindd: there is no key `kindd` here; did you mean `kind`? (known: schema, slug, name, description, kind, input, trace_capture, steps)
    INVALID_VALUE slug: `Demo` is no slug: 2 to 50 lower-case letters, digits and hyphens, with no hyphen at either end
    UNKNOWN_KEY steps[0].llm.modle: there is no key `modle` here; did you mean `model`? (known: model, fallback_models, system, prompt, config, output, tools_enabled, max_tool_iterations, attachments, cache)
    TEMPLATE_SYNTAX steps[0].llm.prompt: line 2: unexpected `}`, expected end of variable block
    UNKNOWN_KEY steps[1].lopp: there is no key `lopp` here; did you mean `loop`? (known: id, name, notes, retry, timeout_ms, llm, code, passthrough, sequence, parallel, loop, branch)
    DUPLICATE_ID steps[1].id: `a` is also the id of steps[0]; ids are unique in a flow
    NODE_KIND steps[1]: the step says not what it does; add one of llm, code, passthrough, sequence, parallel, loop, branch
    UNKNOWN_KEY steps[2].timeout_ms: `timeout_ms` belongs to a block; put it on the blocks in the `parallel`
    TOOLS_IN_NON_SEQUENTIAL_STEP steps[2].parallel[0].llm.tools_enabled: a block in a loop or a parallel container cannot take tools; move it out, or remove `tools_enabled`
    ");
}

#[test]
fn a_code_block_has_a_language_parameters_and_a_body() {
    let checked = checked(&with_steps(
        r#"
  - {id: ask, llm: {prompt: x, output: {label: string, items: {type: array}}}}
  - {id: shape, code: {input: [label, items], source: "return {'text': label}", output: {text: string}}}
  - id: again
    code: {language: javascript, input: {text: string, n: {type: integer, default: 1}}, source: "return {text}"}
    retry: {max_attempts: 4}
    timeout_ms: 100
"#,
    ));
    assert_eq!(checked.problems, []);
    let flow = checked.flow.unwrap();
    let blocks = flow.code_blocks();
    let told = blocks.iter().map(|(id, block)| {
        let output = block.output.as_ref().map(|output| output.fields().to_vec());
        format!("{id} {} {:?} {:?} {:?} {output:?}", block.path, block.language, block.input.names(), block.source)
    });
    insta::assert_snapshot!(told.collect::<Vec<_>>().join("\n"), @r#"
    shape steps[1].code Python ["label", "items"] "return {'text': label}" Some(["text"])
    again steps[2].code JavaScript ["text", "n"] "return {text}" None
    "#);
    let attempts = [1, 2].map(|leaf| flow.leaf(leaf).unwrap().1.retry.max_attempts);
    assert_eq!(attempts, [1, 4], "code is tried once unless it says otherwise");
}

#[test]
fn faults_of_code_blocks_are_reported_with_their_place() {
    let long = "#".repeat(65_537);
    let fields: Vec<_> = (0..101).map(|index| format!("f{index}")).collect();
    let fields = fields.join(", ");
    let checked = checked(&with_steps(&format!(
        r#"
  - {{id: a, code: {{}}}}
  - {{id: b, code: {{language: ruby, source: " ", sorce: x}}}}
  - {{id: c, code: {{input: [a b, 1st, initial, __class__, class, ok, ok, "größe"], source: return 1}}}}
  - {{id: d, code: {{language: javascript, input: [def, await, eval, __proto__], source: return 1}}}}
  - {{id: e, code: {{input: {{class: string, fine: strnig}}, source: 1}}}}
  - {{id: f, code: {{input: {{class: string}}, source: "{long}"}}}}
  - {{id: g, code: {{input: text, source: x, output: {{a: strnig}}}}}}
  - {{id: h, code: {{input: [{fields}], source: x}}}}
  - {{id: i, code: {{input: [1], source: x}}}}
"#
    )));
    assert!(checked.flow.is_none());
    let lines: Vec<_> = checked.problems.iter().map(|problem| format!("{} {problem}", problem.code)).collect();
    insta::assert_snapshot!(lines.join("\n"), @r#"
    MISSING_KEY steps[0].code.source: is missing; add the function's body, such as `return {"text": label}`
    UNKNOWN_KEY steps[1].code.sorce: there is no key `sorce` here; did you mean `source`? (known: language, input, source, output)
    INVALID_VALUE steps[1].code.language: `ruby` is none of python, javascript
    INVALID_VALUE steps[1].code.source: is empty; give the function a body, such as `return {"text": label}`
    INVALID_VALUE steps[2].code.input[0]: `a b` cannot be a parameter: a parameter has letters, digits and underscores, and does not begin with a digit; rename the field where it is made
    INVALID_VALUE steps[2].code.input[1]: `1st` cannot be a parameter: a parameter has letters, digits and underscores, and does not begin with a digit; rename the field where it is made
    INVALID_VALUE steps[2].code.input[2]: `initial` is the first parameter of every function; leave it out
    INVALID_VALUE steps[2].code.input[3]: `__class__` cannot be a parameter: names with two leading underscores are kept
    INVALID_VALUE steps[2].code.input[4]: `class` is a word of the language; rename the field where it is made
    INVALID_VALUE steps[2].code.input[6]: `ok` stands there twice; name it once
    INVALID_VALUE steps[2].code.input[7]: `größe` cannot be a parameter: a parameter has letters, digits and underscores, and does not begin with a digit; rename the field where it is made
    INVALID_VALUE steps[3].code.input[1]: `await` is a word of the language; rename the field where it is made
    INVALID_VALUE steps[3].code.input[2]: `eval` is a word of the language; rename the field where it is made
    INVALID_VALUE steps[3].code.input[3]: `__proto__` cannot be a parameter: names with two leading underscores are kept
    SCHEMA_INVALID steps[4].code.input: `fine` `strnig` is no type; there are string, number, integer, boolean, array, object; did you mean `string`?
    WRONG_TYPE steps[4].code.source: has to be text (in quotes, if it looks like something else), not a number
    INVALID_VALUE steps[5].code.input.class: `class` is a word of the language; rename the field where it is made
    TOO_LARGE steps[5].code.source: the body has 65537 bytes; at most 65536 are taken
    WRONG_TYPE steps[6].code.input: has to be a list of fields, or a schema of them, not text
    SCHEMA_INVALID steps[6].code.output: `a` `strnig` is no type; there are string, number, integer, boolean, array, object; did you mean `string`?
    TOO_LARGE steps[7].code.input: 101 fields; at most 100 are taken
    WRONG_TYPE steps[8].code.input[0]: has to be text, not a number
    "#);
}

#[test]
fn parameters_that_nothing_gives_are_named() {
    let checked = checked(&with_steps(
        r#"
  - {id: ask, llm: {prompt: x, output: {label: string}}}
  - {id: near, code: {input: [label, lable], source: return 1}}
  - {id: open, code: {input: [anything, ask, message, index], source: return 1, output: {a: string}}}
  - {id: far, code: {input: {a: string, b: string, c: {type: string, required: false}, near: object}, source: return 1}}
"#,
    ));
    assert!(checked.flow.is_some());
    let lines: Vec<_> = checked.problems.iter().map(|problem| format!("{} {problem}", problem.code)).collect();
    insta::assert_snapshot!(lines.join("\n"), @r#"
    UNKNOWN_NAME steps[1].code.input[1]: nothing before this step gives `lable`; names in scope: label, ask, initial, previous_output, message; did you mean `label`?
    UNKNOWN_NAME steps[3].code.input.b: nothing before this step gives `b`; names in scope: a, ask, near, open, initial, previous_output, message
    "#);
}

#[test]
fn children_that_hide_each_others_fields_are_named() {
    let checked =
        checked(&with_steps("- {id: both, parallel: [{id: a, llm: {prompt: x}}, {id: b, llm: {prompt: y}}]}"));
    assert_eq!(codes(&checked, Severity::Warning), [("steps[0].parallel[1]".to_owned(), ProblemCode::FieldCollision)]);
    assert!(checked.flow.is_some());
}

#[test]
fn names_that_are_certainly_not_there_are_named() {
    let label = "- {id: classify, name: Mail kind, llm: {prompt: x, output: {label: string}}}";
    for (steps, warned) in [
        (format!("{label}\n- {{id: b, llm: {{prompt: '{{{{ lable }}}}'}}}}"), Some("steps[1].llm.prompt")),
        (format!("{label}\n- {{id: b, llm: {{prompt: x, system: '{{{{ lable }}}}'}}}}"), Some("steps[1].llm.system")),
        (
            format!(
                "{label}\n- {{id: b, branch: {{on: '{{{{ gone }}}}', cases: {{x: [{{id: c, passthrough: {{}}}}]}}}}}}"
            ),
            Some("steps[1].branch.on"),
        ),
        (
            format!(
                "{label}\n- {{id: b, llm: {{prompt: '{{{{ label }}}} {{{{ mail_kind.x }}}} {{{{ classify }}}} {{{{ initial.x }}}} {{{{ message }}}} {{{{ previous_output }}}}'}}}}"
            ),
            None,
        ),
        (format!("{label}\n- {{id: b, llm: {{prompt: '{{{{ gone|default(1) }}}} {{gone}}'}}}}"), None),
        (format!("{label}\n- {{id: b, passthrough: {{}}}}\n- {{id: c, llm: {{prompt: '{{{{ label }}}}'}}}}"), None),
        (
            format!(
                "{label}\n- {{id: b, loop: {{over: label, steps: [{{id: c, llm: {{prompt: '{{{{ any }}}}'}}}}]}}}}\n- {{id: d, llm: {{prompt: '{{{{ results }}}} {{{{ count }}}} {{{{ b }}}}'}}}}"
            ),
            None,
        ),
        (
            format!(
                "{label}\n- {{id: b, parallel: [{{id: l, llm: {{prompt: x, output: {{p: string}}}}}}, {{id: r, passthrough: {{}}}}]}}\n- {{id: d, llm: {{prompt: '{{{{ p }}}} {{{{ l.p }}}} {{{{ label }}}}'}}}}"
            ),
            None,
        ),
        ("- {id: a, llm: {prompt: '{{ anything }}'}}".to_owned(), None),
        ("- {id: a, code: {language: python, source: x}}\n- {id: b, llm: {prompt: '{{ anything }}'}}".to_owned(), None),
        (
            "- {id: a, llm: {prompt: x}}\n- {id: b, llm: {prompt: '{{ anything }}'}}".to_owned(),
            Some("steps[1].llm.prompt"),
        ),
    ] {
        let checked = checked(&with_steps(&steps));
        let warnings: Vec<_> = codes(&checked, Severity::Warning)
            .into_iter()
            .filter(|(_, code)| *code == ProblemCode::UnknownName)
            .collect();
        let expected: Vec<_> = warned.into_iter().map(|path| (path.to_owned(), ProblemCode::UnknownName)).collect();
        assert_eq!(warnings, expected, "{steps}: {:?}", checked.problems);
        assert!(checked.flow.is_some(), "{steps}");
    }
}

#[test]
fn a_closed_input_is_known() {
    let document = |schema: Value| json!({"schema": 1, "slug": "demo", "input": schema, "steps": [{"id": "a", "llm": {"prompt": "{{ topic }}{{ tpoic }}"}}]});
    let closed = json!({"type": "object", "properties": {"topic": {"type": "string"}}, "additionalProperties": false});
    let checked = check(&document(closed), &Bounds::default());
    assert_eq!(checked.problems.len(), 1, "{:?}", checked.problems);
    assert!(
        checked.problems[0].message.contains("`tpoic`; names in scope: message, topic"),
        "{}",
        checked.problems[0].message
    );
    assert_eq!(check(&document(json!({"topic": "string"})), &Bounds::default()).problems, []);
}

#[test]
fn size_is_bounded() {
    let block = |index: usize| json!({"id": format!("s{index}"), "passthrough": {}});
    let document = |steps: Value| json!({"schema": 1, "slug": "demo", "steps": steps});
    let error = |steps: Value| codes(&check(&document(steps), &Bounds::default()), Severity::Error);
    let many = |count: usize| (0..count).map(block).collect::<Vec<_>>();
    assert_eq!(error(json!(many(500))), []);
    assert_eq!(error(json!(many(501))), [("steps".to_owned(), ProblemCode::TooLarge)]);
    assert_eq!(error(json!([{"id": "p", "parallel": many(64)}])), []);
    assert_eq!(
        error(json!([{"id": "p", "parallel": many(65)}])),
        [("steps[0].parallel".to_owned(), ProblemCode::TooLarge)]
    );
    let nested = |levels: usize| {
        (0..levels).fold(block(0), |inner, level| json!({"id": format!("n{level}"), "sequence": [inner]}))
    };
    assert_eq!(error(json!([nested(16)])), []);
    assert_eq!(error(json!([nested(17)])).len(), 1);
    assert_eq!(error(json!([nested(100)])).len(), 1);
    let wrong: Vec<_> = (0..10_000).map(|index| json!({"id": index})).collect();
    assert!(check(&document(json!(wrong)), &Bounds::default()).problems.len() <= 500);
}

#[test]
fn checking_evaluates_nothing() {
    let prompt = "{% for i in range(100000) %}{% for j in range(100000) %}{{ 1 / 0 }}{% endfor %}{% endfor %}";
    let document = json!({"schema": 1, "slug": "demo", "steps": [{"id": "a", "llm": {"prompt": prompt}}]});
    assert!(check(&document, &Bounds::default()).flow.is_some());
}

/// Any JSON, with keys and texts that mean something often enough to get past the first check.
fn any_json() -> impl Strategy<Value = Value> {
    let words = || {
        prop::sample::select(vec![
            "schema",
            "slug",
            "steps",
            "id",
            "llm",
            "prompt",
            "code",
            "passthrough",
            "sequence",
            "parallel",
            "loop",
            "branch",
            "on",
            "cases",
            "else",
            "over",
            "input",
            "output",
            "retry",
            "config",
            "type",
            "object",
            "properties",
            "$ref",
            "#",
            "allOf",
            "string",
            "{{ a }}",
            "{% if",
            "a",
            "",
        ])
    };
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        words().prop_map(Value::from),
        any::<String>().prop_map(Value::from)
    ];
    leaf.prop_recursive(8, 128, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map(words().prop_map(str::to_owned), inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_json_never_panics(document in any_json(), steps in any_json()) {
        let checked = check(&document, &Bounds::default());
        prop_assert_eq!(checked.flow.is_some(), !checked.problems.iter().any(Problem::is_error));
        let document = json!({"schema": 1, "slug": "demo", "steps": steps});
        let checked = check(&document, &Bounds::default());
        prop_assert_eq!(checked.flow.is_some(), !checked.problems.iter().any(Problem::is_error));
    }

    #[test]
    fn arbitrary_text_never_panics(text in any::<String>()) {
        for format in [Format::Yaml, Format::Json] {
            let _ = parse(&text, format).map(|document| check(&document, &Bounds::default()));
        }
    }
}

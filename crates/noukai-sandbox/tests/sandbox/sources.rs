//! What a source may say, and what its author is told of its faults.

use std::time::Duration;

use noukai_engine::{CodeErrorKind, CodeProblem};
use noukai_flow::Language;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::json;

use super::common::*;

async fn problems(block: &Block) -> Vec<(u32, u32, String)> {
    let told = |problem: CodeProblem| (problem.line, problem.column, problem.message);
    sandbox().check(&block.0).await.unwrap().into_iter().map(told).collect()
}

#[tokio::test]
async fn python_faults_have_their_place_and_a_remedy() {
    let body = "import os\nx = eval('1')\nreturn {'a': x.__class__, 'b': json.dumps(lable)}";
    let expected = [
        (1, 8, "`os` cannot be imported; a code block may import datetime, json, math, re"),
        (2, 5, "`eval` is not available in a code block"),
        (3, 16, "`.__class__` is not available: attributes with two underscores are the interpreter's"),
        (3, 32, "`json` is not imported; write `import json` first"),
        (3, 43, "`lable` is not defined: the block is called with initial, label, text"),
    ];
    let expected: Vec<_> = expected.map(|(line, column, message)| (line, column, message.to_owned())).into();
    assert_eq!(problems(&python(&["label", "text"], body)).await, expected);
}

#[tokio::test]
async fn javascript_faults_have_their_place_and_a_remedy() {
    let body = "const x = eval('1')\nif (typeof process === 'undefined') { lable }\n\
        const {a: b, ...rest} = new Function('x', 'return 1')(x)\nconst file = import('node:fs')\n\
        return {a: x, b: [b, rest, file].map(one => one.eval), c: JSON.stringify(label), d: Math.max(1, NaN), [`${other}`]: console.log(this)}";
    let expected = [
        (1, 11, "`eval` is not available in a code block: text cannot be run as code"),
        (2, 39, "`lable` is not defined: the block is called with initial, label"),
        (3, 29, "`Function` is not available in a code block: text cannot be run as code"),
        (4, 14, "`import` is not available: a code block imports nothing"),
        (5, 107, "`other` is not defined: the block is called with initial, label"),
    ];
    let expected: Vec<_> = expected.map(|(line, column, message)| (line, column, message.to_owned())).into();
    assert_eq!(problems(&javascript(&["label"], body)).await, expected);
}

#[tokio::test]
async fn syntax_errors_have_their_line() {
    let found = problems(&python(&[], "x = 1\nif x\n    y = 2\nreturn {}")).await;
    assert_eq!((found.len(), found[0].0), (1, 2), "{found:?}");
    assert!(found[0].2.starts_with("syntax error: "), "{found:?}");
    let found = problems(&javascript(&[], "const x = 1\nif x {\n}\nreturn {}")).await;
    assert_eq!((found.len(), found[0].0), (1, 2), "{found:?}");
    assert!(found[0].2.starts_with("syntax error: "), "{found:?}");
}

#[tokio::test]
async fn what_does_not_run_in_the_interpreter_is_told_before() {
    for body in ["match initial:\n    case _:\n        return {}", "del initial['a']\nreturn {}", "", "# only a remark"]
    {
        assert_eq!(problems(&python(&[], body)).await.len(), 1, "{body}");
    }
}

#[tokio::test]
async fn good_sources_have_no_faults() {
    let body = "import re, json, math, datetime\nfrom datetime import date\n\ndef clean(text):\n\treturn re.sub('a', 'b', text)\n\n\
        try:\n    total = sum(x for x in range(3)) + math.floor(1.5)\nexcept (ValueError, KeyError) as error:\n    raise RuntimeError(str(error))\n\
        first = [key for key in initial if key != 'a']\nif (n := len(initial)) > 1:\n    print(n)\n\
        return {'a': [clean(label) for _ in range(2)], 'b': {**initial}, 'c': json.dumps([first]), 'd': f'{total:>3}', 'e': date(2020, 1, 1).isoformat(), 'f': (lambda y: y)(1)}";
    assert_eq!(problems(&python(&["label"], body)).await, []);
    let body = "const {a, ...rest} = initial\nconst clean = (text) => text.replace(/a/g, 'b')\nfunction* two() { yield 1; yield 2 }\n\
        class Counter { #n = 0; next() { return ++this.#n } }\nlabel: for (const x of two()) { continue label }\n\
        return {a, rest, b: [...two()].map(String), c: new Counter().next(), d: `${text}`} // done";
    assert_eq!(problems(&javascript(&["text"], body)).await, []);
}

#[tokio::test]
async fn text_over_several_lines_keeps_its_lines_as_they_are() {
    let body = "a = '''one\n  two\nthree'''\nb = f'''{a}\n  {\n    1 + 1}\nend'''\nc = 'x\\\ny'\nd = (1 +\n2)\nif a:\n\te = '''\n\t'''\nreturn {'a': a, 'b': b, 'c': c, 'd': d, 'e': e}";
    let reply = sandbox().call(&python(&[], body).with(json!({}), [])).await.unwrap();
    let expected =
        json!({"a": "one\n  two\nthree", "b": "one\n  two\nthree\n  2\nend", "c": "xy", "d": 3, "e": "\n\t"});
    assert_eq!(reply.output, object(expected));
    let windows = python(&[], "a = 1\r\nif a:\r\n    b = 2\r\nreturn {'b': b}");
    assert_eq!(sandbox().call(&windows.with(json!({}), [])).await.unwrap().output, object(json!({"b": 2})));
}

#[tokio::test]
async fn names_of_builtins_can_be_fields() {
    let block = python(&["type", "id", "open"], "return {'type': type, 'sum': id + open}");
    assert_eq!(problems(&block).await, []);
    let reply = sandbox().call(&block.with(json!({}), [json!("a"), json!(1), json!(2)])).await.unwrap();
    assert_eq!(reply.output, object(json!({"type": "a", "sum": 3})));
}

#[tokio::test]
async fn keywords_cannot_be_fields() {
    let found = problems(&python(&["from"], "return {}")).await;
    assert_eq!(found[0].2, "the field `from` has the name of a Python keyword; give the field another name");
    let found = problems(&javascript(&["new"], "return {}")).await;
    assert_eq!(found[0].2, "the field `new` has the name of a JavaScript keyword; give the field another name");
}

#[tokio::test]
async fn a_call_is_held_to_the_same_rules() {
    let error = sandbox().call(&python(&[], "x = 1\nreturn {'a': eval('1')}").with(json!({}), [])).await.unwrap_err();
    assert_eq!((error.kind, error.line), (CodeErrorKind::Error, Some(2)));
    let error = sandbox().call(&javascript(&[], "x = 1\nreturn {").with(json!({}), [])).await.unwrap_err();
    assert_eq!((error.kind, error.line), (CodeErrorKind::Error, Some(2)));
}

#[tokio::test]
async fn a_source_that_is_too_large_is_refused() {
    let body = format!("return {{'a': '{}'}}", "x".repeat(300 << 10));
    assert!(problems(&python(&[], &body)).await[0].2.contains("at most 262144 are allowed"));
}

const WORDS: &[&str] = &[
    "return",
    "{",
    "}",
    "(",
    ")",
    "[",
    "]",
    "'",
    "\"",
    "`",
    "${",
    "'''",
    "f'",
    "\n",
    "    ",
    "\t",
    ":",
    ",",
    "if x",
    "for",
    "in",
    "while",
    "def f",
    "function",
    "=>",
    "lambda",
    "async",
    "await",
    "yield",
    "class A",
    "import json",
    "\\",
    "#",
    "//",
    "/*",
    "*/",
    "/a/",
    "__class__",
    "eval",
    "initial",
    "x",
    "1",
    "1e999",
    "0x",
    "=",
    "==",
    "+",
    "...",
    "@",
    ";",
    "\u{feff}",
    "ß",
    "\0",
    "try",
    "except",
    "catch",
    "finally",
    "raise",
    "throw",
    "not",
    "-",
    "**",
    "global x",
    "del x",
    "with x",
    "match x",
    "case _",
];

/// Text that looks like code here and there.
fn any_source() -> impl Strategy<Value = String> {
    let word = prop_oneof![4 => proptest::sample::select(WORDS).prop_map(str::to_owned), 1 => any::<String>()];
    proptest::collection::vec(word, 0..40).prop_map(|words| words.join(" "))
}

#[test]
fn any_source_is_run_or_refused_but_breaks_nothing() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let sandbox = sandbox();
    let mut runner = TestRunner::new(Config { cases: 300, failure_persistence: None, ..Config::default() });
    let check = |(language, body): (Language, String)| {
        let block = block(language, &["x"], &body);
        let mut call = block.with(json!({"a": 1}), [json!([1, 2])]);
        call.timeout = Duration::from_millis(500);
        let called = runtime.block_on(sandbox.call(&call));
        let kind = called.as_ref().err().map(|error| error.kind);
        prop_assert!(
            !matches!(kind, Some(CodeErrorKind::Crashed | CodeErrorKind::Unavailable)),
            "{called:?} of {body:?}"
        );
        if let Err(error) = called {
            let lines = u32::try_from(body.lines().count().max(1)).unwrap();
            prop_assert!(error.line.is_none_or(|line| (1..=lines).contains(&line)), "{error:?}");
        }
        let work = super::common::block(
            language,
            &[],
            if language == Language::Python { "return {'a': 1}" } else { "return {a: 1}" },
        );
        let next = runtime.block_on(sandbox.call(&work.with(json!({}), [])));
        prop_assert!(next.is_ok(), "{next:?} after {body:?}");
        Ok(())
    };
    let languages = prop_oneof![Just(Language::Python), Just(Language::JavaScript)];
    runner.run(&(languages, any_source()), check).unwrap();
}

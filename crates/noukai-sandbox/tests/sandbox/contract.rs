//! The contract with a block's author, in both languages.

use noukai_engine::CodeErrorKind;
use serde_json::json;

use super::common::*;

#[tokio::test]
async fn a_body_is_called_with_its_fields_and_gives_an_object() {
    let sandbox = sandbox();
    let python = python(&["a", "b"], "total = a + b\nreturn {'sum': total, 'of': initial['who']}");
    let reply = sandbox.call(&python.with(json!({"who": "x"}), [json!(2), json!(3)])).await.unwrap();
    assert_eq!(reply.output, object(json!({"sum": 5, "of": "x"})));
    let javascript = javascript(&["a", "b"], "const total = a + b\nreturn {sum: total, of: initial.who}");
    let reply = sandbox.call(&javascript.with(json!({"who": "x"}), [json!(2), json!(3)])).await.unwrap();
    assert_eq!(reply.output, object(json!({"sum": 5, "of": "x"})));
}

#[tokio::test]
async fn errors_point_into_the_authors_lines() {
    let sandbox = sandbox();
    let body = "x = 1\ndef deep(n):\n    return n / 0\nprint('before')\nreturn {'a': deep(x)}";
    let error = sandbox.call(&python(&[], body).with(json!({}), [])).await.unwrap_err();
    assert_eq!((error.kind, error.line, &*error.printed), (CodeErrorKind::Error, Some(3), "before\n"));
    assert_eq!(error.message, "ZeroDivisionError: division by zero");
    let traceback = "  line 5, in the block: return {'a': deep(x)}\n  line 3, in deep: return n / 0\nZeroDivisionError: division by zero";
    assert_eq!(error.traceback.as_deref(), Some(traceback));
    let body = "const x = 1\nfunction deep(n) {\n  return n.a.b\n}\nconsole.log('before')\nreturn {a: deep(x)}";
    let error = sandbox.call(&javascript(&[], body).with(json!({}), [])).await.unwrap_err();
    assert_eq!((error.kind, error.line, &*error.printed), (CodeErrorKind::Error, Some(3), "before\n"));
    assert_eq!(error.message, "TypeError: cannot read property 'b' of undefined");
    let traceback = "  line 3, in deep\n  line 6, in the block\nTypeError: cannot read property 'b' of undefined";
    assert_eq!(error.traceback.as_deref(), Some(traceback));
}

#[tokio::test]
async fn python_has_the_builtins_that_are_promised() {
    let cases = [
        ("abs(-1)", json!(1)),
        ("all([1, 0])", json!(false)),
        ("any([1, 0])", json!(true)),
        ("bool('')", json!(false)),
        ("chr(97)", json!("a")),
        ("dict(a=1)", json!({"a": 1})),
        ("list(divmod(7, 2))", json!([3, 1])),
        ("list(enumerate('ab'))", json!([[0, "a"], [1, "b"]])),
        ("list(filter(None, [0, 1]))", json!([1])),
        ("float('1.5')", json!(1.5)),
        ("sorted(frozenset([2, 1]))", json!([1, 2])),
        ("int('7')", json!(7)),
        ("isinstance(1, int)", json!(true)),
        ("len('abc')", json!(3)),
        ("list('ab')", json!(["a", "b"])),
        ("list(map(str, [1]))", json!(["1"])),
        ("max(1, 2)", json!(2)),
        ("min([3, 2])", json!(2)),
        ("ord('a')", json!(97)),
        ("pow(2, 3)", json!(8)),
        ("list(range(0, 6, 2))", json!([0, 2, 4])),
        ("repr('a')", json!("'a'")),
        ("list(reversed([1, 2]))", json!([2, 1])),
        ("round(2.567, 2)", json!(2.57)),
        ("sorted(set([2, 1, 2]))", json!([1, 2])),
        ("sorted([1, 3, 2], key=lambda x: -x)", json!([3, 2, 1])),
        ("str(1.0)", json!("1.0")),
        ("sum([1, 2], 10)", json!(13)),
        ("tuple([1])", json!([1])),
        ("list(zip('ab', [1, 2]))", json!([["a", 1], ["b", 2]])),
        ("[True, False, None]", json!([true, false, null])),
        ("'{:>5}|{a:.2f}'.format('x', a=1.5)", json!("    x|1.50")),
        ("f'{1 + 1:03d}'", json!("002")),
        ("'a,b'.split(',')", json!(["a", "b"])),
        ("{k: v for k, v in [('a', 1)]}", json!({"a": 1})),
        ("' a '.strip().upper()", json!("A")),
        ("json.loads(json.dumps({'a': [1, None]}))", json!({"a": [1, null]})),
        ("re.sub('[0-9]+', '#', 'a1b22')", json!("a#b#")),
        ("math.floor(math.sqrt(17))", json!(4)),
        ("datetime.date(2024, 2, 28).isoformat()", json!("2024-02-28")),
        ("(datetime.date(2024, 2, 28) + datetime.timedelta(days=2)).isoformat()", json!("2024-03-01")),
        ("re.match('(a)(?P<n>b)', 'ab').groupdict()", json!({"n": "b"})),
    ];
    let sandbox = sandbox();
    let mut wrong = Vec::new();
    for (expression, expected) in cases {
        let body = format!("import json, re, math, datetime\nreturn {{'x': {expression}}}");
        let output =
            sandbox.call(&python(&[], &body).with(json!({}), [])).await.map(|mut reply| reply.output.remove("x"));
        if output != Ok(Some(expected)) {
            wrong.push(format!("{expression}: {output:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn exceptions_are_raised_and_caught() {
    let body = "try:\n    int('x')\nexcept (KeyError, ValueError) as error:\n    found = str(error)\nfinally:\n    done = True\n\
        if not done:\n    raise RuntimeError('never')\nreturn {'found': found}";
    let reply = sandbox().call(&python(&[], body).with(json!({}), [])).await.unwrap();
    assert_eq!(reply.output, object(json!({"found": "invalid literal for int() with base 10: 'x'"})));
    let sandbox = sandbox();
    let cases = [
        (python(&["n"], "if n > 1:\n    raise ValueError(f'too many: {n}')\nreturn {}"), "ValueError: too many: 2"),
        (javascript(&["n"], "\nif (n > 1) throw new RangeError(`too many: ${n}`)"), "RangeError: too many: 2"),
    ];
    for (block, message) in cases {
        let error = sandbox.call(&block.with(json!({}), [json!(2)])).await.unwrap_err();
        assert_eq!((error.kind, &*error.message, error.line), (CodeErrorKind::Error, message, Some(2)));
    }
}

#[tokio::test]
async fn javascript_has_the_language_and_a_clock_and_python_has_none() {
    let body = "const {a: {b = 2} = {}, ...rest} = initial\nconst [first, , third = 3] = x\n\
        return {b, rest, first, third, text: `${first?.toString() ?? ''}`, pairs: Object.entries(rest), \
        groups: Object.fromEntries(Object.entries(Object.groupBy(x, (n) => n > 1 ? 'l' : 's'))), \
        sorted: x.toSorted((p, q) => q - p), at: x.at(-1), big: 2n ** 60n, day: new Date(86400000).toISOString(), \
        now: Date.now() > 1e12, re: 'a1b22'.replace(/[0-9]+/g, '#'), set: [...new Set(x)], json: JSON.parse('{\"a\":1}')}";
    let call = javascript(&["x"], body).with(json!({"c": 1}), [json!([1, 2])]);
    let expected = json!({"b": 2, "rest": {"c": 1}, "first": 1, "third": 3, "text": "1", "pairs": [["c", 1]],
        "groups": {"s": [1], "l": [2]}, "sorted": [2, 1], "at": 2, "big": 1_i64 << 60, "day": "1970-01-02T00:00:00.000Z",
        "now": true, "re": "a#b#", "set": [1, 2], "json": {"a": 1}});
    assert_eq!(sandbox().call(&call).await.unwrap().output, object(expected));
    let call = python(&[], "import datetime\nreturn {'now': datetime.datetime.now().isoformat()}").with(json!({}), []);
    let error = sandbox().call(&call).await.unwrap_err();
    assert_eq!(error.kind, CodeErrorKind::Error);
    assert!(error.message.starts_with("`datetime.now` is not available"), "{error:?}");
}

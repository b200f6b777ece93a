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
    let body = "const x = 1\nfunction deep(n) {\n  return n.a.b\n}\nconsole.log('before')\nreturn {a: deep(x)}";
    let error = sandbox.call(&javascript(&[], body).with(json!({}), [])).await.unwrap_err();
    assert_eq!((error.kind, error.line, &*error.printed), (CodeErrorKind::Error, Some(3), "before\n"));
    assert_eq!(error.message, "TypeError: cannot read property 'b' of undefined");
}

//! A provider's list of models.

use std::sync::Arc;

use noukai_engine::{ModelErrorKind, StructuredOutput, TokenDetails, Tokens};
use serde_json::{Value, json};

use super::mock::{Answer, CANARY, Mock};
use crate::{Catalogue, Egress, Provider, decimal_text};

fn provider(mock: &Mock) -> Provider {
    Provider::new(mock.config(), Egress::new().unwrap(), Arc::new(Catalogue::built_in())).unwrap()
}

fn entry(id: &str, prompt: &str) -> Value {
    json!({
        "id": id, "canonical_slug": id, "name": id, "created": 1, "context_length": 200_000,
        "architecture": {"modality": "text+image->text", "input_modalities": ["text", "image"], "tokenizer": "X"},
        "pricing": {"prompt": prompt, "completion": "0.000015", "request": "0", "image": "0.0048", "web_search": "0",
            "internal_reasoning": "0", "input_cache_read": "0.0000003", "input_cache_write": "0.00000375"},
        "top_provider": {"context_length": 200_000, "max_completion_tokens": 64_000, "is_moderated": true},
        "per_request_limits": null, "supported_parameters": ["tools", "tool_choice", "structured_outputs"],
    })
}

#[tokio::test]
async fn prices_are_exact_and_what_has_none_is_left_out() {
    let list = json!({"data": [entry("a/b", "0.000003"), entry("a/auto", "-1"), {"id": "bare", "object": "model"}]});
    let mock = Mock::start(Answer::json(list)).await;
    let listed = provider(&mock).list("2030-01-02").await.unwrap();
    let asked = mock.last();
    assert_eq!(asked.path, "/v1/models");
    assert_eq!(asked.headers["authorization"], format!("Bearer {CANARY}"));
    assert_eq!((listed.file.models.len(), listed.unpriced), (1, 2));
    assert!(listed.file.source.starts_with("mock, http://127.0.0.1:"), "{}", listed.file.source);

    let mut catalogue = Catalogue::built_in();
    catalogue.add(&serde_json::to_string(&listed.file).unwrap()).unwrap();
    let row = catalogue.get("a/b").unwrap();
    assert_eq!((row.date.as_deref(), row.context, row.max_output), (Some("2030-01-02"), Some(200_000), Some(64_000)));
    assert_eq!((row.structured_output, row.tools, row.image_types.len()), (StructuredOutput::Native, true, 4));
    assert_eq!(row.reasoning, None);
    let details = TokenDetails { cached: 1000, cache_written: 200, reasoning: 0 };
    assert_eq!(decimal_text(&row.cost(Tokens::new(1210, 5), details).unwrap()), "0.001155");
}

#[tokio::test]
async fn what_is_no_list_is_refused() {
    for body in ["{}", "[]", "<html>", r#"{"data": [{"id": 7}]}"#] {
        let mock = Mock::start(Answer::json(body)).await;
        assert_eq!(provider(&mock).list("d").await.unwrap_err().kind, ModelErrorKind::ReplyInvalid, "{body}");
    }
    let mock = Mock::start(Answer::of(401, "application/json", json!({"error": {"message": CANARY}}))).await;
    let error = provider(&mock).list("d").await.unwrap_err();
    assert_eq!(error.kind, ModelErrorKind::KeyRejected);
    assert!(!error.message.contains(CANARY));
    let mut endless = Answer::json(" ".repeat(1_000_000));
    endless.endless = true;
    assert_eq!(provider(&Mock::start(endless).await).list("d").await.unwrap_err().kind, ModelErrorKind::ReplyInvalid);
}

//! Which model goes where.

use noukai_engine::{Model, ModelErrorKind};
use serde_json::json;

use super::{
    mock::{Answer, Mock},
    request,
};
use crate::{ECHO_MODEL, Models, decimal_text};

#[tokio::test]
async fn without_a_provider_only_echo_is_there() {
    let models = Models::new(None, None);
    assert_eq!(models.default_model(), ECHO_MODEL);
    assert!(models.describe(ECHO_MODEL).available.is_ok());
    assert_eq!(models.describe(ECHO_MODEL).image_types.unwrap().len(), 4);
    let why = models.describe("openai/gpt-4o").available.unwrap_err();
    insta::assert_snapshot!(why, @"no provider is configured that serves `openai/gpt-4o`: set NOUKAI_PROVIDER_API_KEY (and NOUKAI_PROVIDER_BASE_URL), or use noukai/echo");
    let error = models.complete(&request("openai/gpt-4o", "hi"), None).await.unwrap_err();
    assert_eq!((error.kind, error.message), (ModelErrorKind::NotAvailable, why));
    assert_eq!(models.complete(&request(ECHO_MODEL, "hi"), None).await.unwrap().text.as_deref(), Some("hi"));
}

#[tokio::test]
async fn with_a_provider_all_others_go_there() {
    let reply = json!({"choices": [{"message": {"content": "from afar"}}]});
    let mock = Mock::start(Answer::json(reply)).await;
    let models = Models::new(Some(mock.provider()), None);
    assert_eq!(models.default_model(), "openai/gpt-4o-mini");
    let got = models.complete(&request("x/y", "hi"), None).await.unwrap();
    assert_eq!(got.text.as_deref(), Some("from afar"));
    assert_eq!(models.complete(&request(ECHO_MODEL, "hi"), None).await.unwrap().text.as_deref(), Some("hi"));
    assert_eq!(mock.asked.lock().len(), 1);
    let error = models.complete(&request("noukai/other", "hi"), None).await.unwrap_err();
    assert_eq!(error.kind, ModelErrorKind::NotAvailable);
    assert_eq!(mock.asked.lock().len(), 1);
}

#[test]
fn capabilities_come_from_the_table() {
    let models = Models::new(None, Some("x/y".to_owned()));
    assert_eq!(models.default_model(), "x/y");
    let text_only = models.describe("openai/gpt-3.5-turbo");
    assert!(text_only.image_types.unwrap().is_empty());
    assert!(!text_only.structured_output);
    let unknown = models.describe("x/y");
    assert_eq!(unknown.image_types, None);
    assert!(unknown.structured_output);
}

#[test]
fn decimals_have_no_exponent() {
    for (text, expected) in [("0.000", "0"), ("-0", "0"), ("0.000120", "0.00012"), ("100.0", "100"), ("1.5", "1.5")] {
        assert_eq!(decimal_text(&text.parse().unwrap()), expected);
    }
}

//! Which model goes where.

use std::sync::Arc;

use noukai_engine::{Model, ModelErrorKind, StructuredOutput};
use serde_json::json;

use super::{
    mock::{Answer, Mock, models},
    request,
};
use crate::{
    Catalogue, Closed, Dialect, ECHO_MODEL, Models, OwnProviders, Provider, ProviderConfig, Secret, Served,
    decimal_text,
};

fn none(default_model: Option<&str>) -> Models {
    Models::new(Vec::new(), default_model.map(str::to_owned), Arc::new(Catalogue::built_in()))
}

fn said(text: &str) -> Answer {
    Answer::json(json!({"choices": [{"message": {"content": text}}]}))
}

fn named(name: &str, url: &str) -> ProviderConfig {
    ProviderConfig::named(name, Some(url.to_owned()), vec![Secret::new("key")]).unwrap()
}

#[tokio::test]
async fn without_a_provider_only_echo_is_there() {
    let models = none(None);
    assert_eq!(models.default_model(), ECHO_MODEL);
    assert!(models.describe(ECHO_MODEL).available.is_ok());
    assert_eq!(models.describe(ECHO_MODEL).image_types.unwrap().len(), 4);
    let why = models.describe("anthropic/claude-sonnet-4.5").available.unwrap_err();
    insta::assert_snapshot!(why, @"no provider is configured that serves `anthropic/claude-sonnet-4.5`; there is noukai/echo alone; set ANTHROPIC_API_KEY or OPENROUTER_API_KEY, or [providers] in the configuration");
    let error = models.complete(&request("anthropic/claude-sonnet-4.5", "hi"), None).await.unwrap_err();
    assert_eq!((error.kind, error.message), (ModelErrorKind::NotAvailable, why));
    assert_eq!(models.complete(&request(ECHO_MODEL, "hi"), None).await.unwrap().text.as_deref(), Some("hi"));
}

#[tokio::test]
async fn with_a_provider_for_all_the_others_go_there() {
    let mock = Mock::start(said("from afar")).await;
    let models = mock.provider();
    assert_eq!(models.default_model(), "openai/gpt-4o-mini");
    let got = models.complete(&request("x/y", "hi"), None).await.unwrap();
    assert_eq!((got.text.as_deref(), got.provider.as_deref()), (Some("from afar"), Some("mock")));
    assert_eq!(mock.last().body["model"], "x/y");
    assert_eq!(models.complete(&request(ECHO_MODEL, "hi"), None).await.unwrap().text.as_deref(), Some("hi"));
    assert_eq!(mock.asked.lock().len(), 1);
    let error = models.complete(&request("noukai/other", "hi"), None).await.unwrap_err();
    assert_eq!(error.kind, ModelErrorKind::NotAvailable);
    assert_eq!(mock.asked.lock().len(), 1);
}

#[tokio::test]
async fn a_direct_key_wins_over_openrouter() {
    let (direct, router) = (Mock::start(said("direct")).await, Mock::start(said("routed")).await);
    let models =
        models(vec![named("openrouter", &router.url), named("openai", &direct.url), named("my-own", &direct.url)]);
    for (model, mock, sent) in [
        ("openai/gpt-4o", &direct, "gpt-4o"),
        ("my-own/llama", &direct, "llama"),
        ("anthropic/claude-sonnet-4.5", &router, "anthropic/claude-sonnet-4.5"),
        ("openaix/gpt", &router, "openaix/gpt"),
    ] {
        models.complete(&request(model, "hi"), None).await.unwrap();
        assert_eq!(mock.last().body["model"], sent, "{model}");
    }
}

#[tokio::test]
async fn the_operator_says_what_a_provider_serves() {
    let (one, two) = (Mock::start(said("one")).await, Mock::start(said("two")).await);
    let mut special = named("special", &one.url);
    special.models = ["openai/gpt-4o", "meta/*", "x-ai/grok-4*"].map(str::to_owned).into();
    let models = models(vec![named("openai", &two.url), special]);
    for (model, by) in [
        ("openai/gpt-4o", Some("special")),
        ("openai/gpt-4o-mini", Some("openai")),
        ("meta/llama", Some("special")),
        ("x-ai/grok-4-fast", Some("special")),
        ("x-ai/grok-3", None),
        ("special/x", None),
    ] {
        assert_eq!(models.describe(model).provider.as_deref(), by, "{model}");
    }
    let why = models.describe("x-ai/grok-3").available.unwrap_err();
    insta::assert_snapshot!(why, @"no provider is configured that serves `x-ai/grok-3`; configured are noukai/echo, openai (openai/), special (openai/gpt-4o meta/* x-ai/grok-4*); set XAI_API_KEY or OPENROUTER_API_KEY, or [providers] in the configuration");
}

#[tokio::test]
async fn a_tenants_own_providers_come_first_the_nearest_before_all() {
    let (near, far, server) =
        (Mock::start(said("near")).await, Mock::start(said("far")).await, Mock::start(said("server")).await);
    let models = models(vec![named("openai", &server.url), named("openrouter", &server.url)]);
    let own = |name: &str, mock: &Mock| {
        let made = Provider::new(named(name, &mock.url), super::mock::egress(), models.catalogue().clone());
        Served::Ready(Box::new(made.unwrap()))
    };
    let why = "its key cannot be read".to_owned();
    let closed = Closed { name: "groq".to_owned(), models: vec!["groq/".to_owned()], why: why.clone() };
    let groups = vec![vec![own("openai", &near), Served::Closed(closed)], vec![own("openai", &far), own("xai", &far)]];
    let own = OwnProviders::new(groups);
    for (model, text) in [("openai/gpt-4o", "near"), ("xai/grok-4", "far"), ("anthropic/any", "server")] {
        let got = models.complete_for(&own, &request(model, "hi"), None).await.unwrap();
        assert_eq!(got.text.as_deref(), Some(text), "{model}");
    }
    assert_eq!(models.complete(&request("openai/gpt-4o", "hi"), None).await.unwrap().text.as_deref(), Some("server"));
    let error = models.complete_for(&own, &request("groq/llama", "hi"), None).await.unwrap_err();
    assert_eq!((error.kind, &error.message), (ModelErrorKind::KeyUnreadable, &why), "nobody stands in for it");
    assert_eq!(models.describe_for(&own, "groq/llama").available, Err(why));
    assert_eq!((own.take_used(), own.take_used()), (vec![(0, 0), (3, 0)], vec![]));

    let bare = none(None);
    assert_eq!((bare.default_model_for(&own), bare.default_model()), ("openai/gpt-4o-mini", ECHO_MODEL));
    let why = bare.describe_for(&own, "mistral/x").available.unwrap_err();
    assert!(why.contains("configured are noukai/echo, openai (openai/), groq (groq/), openai"), "{why}");
}

#[test]
fn capabilities_come_from_the_catalogue_and_the_provider() {
    let bare = none(Some("x/y"));
    assert_eq!(bare.default_model(), "x/y");
    let text_only = bare.describe("openai/gpt-3.5-turbo");
    assert!(text_only.image_types.unwrap().is_empty());
    assert_eq!(text_only.structured_output, StructuredOutput::Tool);
    let unknown = bare.describe("x/y");
    assert_eq!((unknown.image_types, unknown.structured_output), (None, StructuredOutput::Native));
    let models =
        models(["ollama", "deepseek", "groq", "anthropic"].map(|name| named(name, "http://127.0.0.1:9")).into());
    let of = |model: &str| {
        let info = models.describe(model);
        (info.structured_output, info.image_types.map(|types| types.len()))
    };
    assert_eq!(of("ollama/llava"), (StructuredOutput::Native, Some(0)));
    assert_eq!(of("deepseek/deepseek-chat"), (StructuredOutput::Instruction, Some(0)));
    assert_eq!(of("groq/any"), (StructuredOutput::Tool, None));
    assert_eq!(of("anthropic/claude-3-haiku"), (StructuredOutput::Tool, Some(4)));
    assert_eq!(of("anthropic/claude-sonnet-4.5"), (StructuredOutput::Native, Some(4)));
}

#[test]
fn known_vendors_need_no_address_and_others_do() {
    for (name, dialect) in [("anthropic", Dialect::Anthropic), ("gemini", Dialect::Gemini), ("ollama", Dialect::OpenAi)]
    {
        assert_eq!(ProviderConfig::named(name, None, Vec::new()).unwrap().dialect, dialect);
    }
    for name in ["azure", "bedrock", "my-own"] {
        assert!(ProviderConfig::named(name, None, Vec::new()).is_none(), "{name}");
    }
}

#[test]
fn decimals_have_no_exponent() {
    for (text, expected) in [("0.000", "0"), ("-0", "0"), ("0.000120", "0.00012"), ("100.0", "100"), ("1.5", "1.5")] {
        assert_eq!(decimal_text(&text.parse().unwrap()), expected);
    }
}

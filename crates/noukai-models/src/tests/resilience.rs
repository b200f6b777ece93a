//! Keys in turns, a provider left alone, bounds at the same time and on time, and a second call.

use std::{sync::Arc, time::Duration};

use noukai_engine::{Model, ModelError, ModelErrorKind, ModelReply};
use serde_json::json;

use super::{
    Pieces,
    mock::{Answer, CANARY, Mock, config, models, raw},
    request,
};
use crate::{BreakerConfig, Models, ProviderConfig, Secret};

fn said(text: &str) -> Answer {
    Answer::json(json!({"choices": [{"message": {"content": text}, "finish_reason": "stop"}]}))
}

fn streamed(text: &str, finish: Option<&str>) -> Answer {
    let choice = json!({"index": 0, "delta": {"content": text}, "finish_reason": finish});
    Answer::sse(format!("data: {}\n\n", json!({"choices": [choice]})))
}

async fn ask(models: &Models) -> Result<ModelReply, ModelError> {
    models.complete(&request("a/b", "hi"), None).await
}

fn two_keys(mock: &Mock) -> Models {
    let keys = ["key-number-one", "key-number-two"].map(Secret::new).into();
    models(vec![ProviderConfig { keys, ..mock.config() }])
}

fn keys_sent(mock: &Mock) -> Vec<String> {
    mock.asked.lock().iter().map(|asked| asked.headers["authorization"].to_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_refused_key_stands_aside_for_another() {
    let refused = Answer::of(401, "application/json", json!({"error": {"message": "bad key-number-one"}}));
    let mock = Mock::scripted(vec![refused, said("yes")]).await;
    let models = two_keys(&mock);
    let error = ask(&models).await.unwrap_err();
    assert_eq!((error.kind, error.another_key), (ModelErrorKind::KeyRejected, true));
    assert!(!error.message.contains("number-one"), "{}", error.message);
    for _ in 0..3 {
        ask(&models).await.unwrap();
    }
    let sent = keys_sent(&mock);
    assert_ne!(sent[0], sent[1]);
    assert!(sent[1..].iter().all(|key| *key == sent[1]), "{sent:?}");
}

#[tokio::test]
async fn where_all_keys_are_limited_there_is_no_other() {
    let limited = Answer::of(429, "application/json", "{}").with("retry-after", "30");
    let models = two_keys(&Mock::start(limited).await);
    let flags = [ask(&models).await.unwrap_err().another_key, ask(&models).await.unwrap_err().another_key];
    assert_eq!(flags, [true, false]);
    let one = Mock::start(Answer::of(401, "application/json", "{}")).await;
    assert!(!ask(&one.provider()).await.unwrap_err().another_key);
}

#[tokio::test]
async fn keys_take_turns() {
    let mock = Mock::start(said("yes")).await;
    let models = two_keys(&mock);
    for _ in 0..4 {
        ask(&models).await.unwrap();
    }
    let sent = keys_sent(&mock);
    assert_eq!((&sent[0], &sent[1]), (&sent[2], &sent[3]));
    assert_ne!(sent[0], sent[1]);
}

#[tokio::test]
async fn a_provider_that_fails_is_left_alone() {
    let mock = Mock::start(Answer::of(503, "application/json", "{}")).await;
    let breaker = BreakerConfig { failures: 3, pause: Duration::from_secs(3600) };
    let models = models(vec![ProviderConfig { breaker, ..mock.config() }]);
    for _ in 0..3 {
        assert_eq!(ask(&models).await.unwrap_err().kind, ModelErrorKind::Server);
    }
    let error = ask(&models).await.unwrap_err();
    assert_eq!((error.kind, error.provider.as_deref()), (ModelErrorKind::SetAside, Some("mock")));
    assert!(error.message.starts_with("`mock` failed 3 times in a row"), "{}", error.message);
    assert!(error.retry_after.unwrap() > Duration::from_secs(3590));
    assert_eq!(mock.asked.lock().len(), 3, "nothing is sent");
}

#[tokio::test]
async fn what_is_no_failure_of_the_provider_does_not_count() {
    let statuses = [503, 400, 503, 429, 503, 401];
    let answers = statuses.map(|status| Answer::of(status, "application/json", "{}"));
    let mock = Mock::scripted(answers.into()).await;
    let breaker = BreakerConfig { failures: 2, pause: Duration::from_secs(3600) };
    let models = models(vec![ProviderConfig { breaker, ..mock.config() }]);
    for status in statuses {
        assert_eq!(ask(&models).await.unwrap_err().status, Some(status));
    }
}

#[tokio::test]
async fn more_calls_than_allowed_wait_for_their_turn() {
    let mut endless = Answer::json(" ");
    endless.endless = true;
    let mock = Mock::scripted(vec![endless, said("yes")]).await;
    let models = Arc::new(models(vec![ProviderConfig { concurrency: Some(1), ..mock.config() }]));
    let call = |models: Arc<Models>| tokio::spawn(async move { ask(&models).await });
    let first = call(models.clone());
    while mock.asked.lock().is_empty() {
        tokio::task::yield_now().await;
    }
    let second = call(models);
    for _ in 0..1_000 {
        tokio::task::yield_now().await;
    }
    assert_eq!(mock.asked.lock().len(), 1);
    first.abort();
    assert_eq!(second.await.unwrap().unwrap().text.as_deref(), Some("yes"));
}

#[tokio::test]
async fn the_first_token_has_its_time() {
    let first_token = Some(Duration::from_millis(50));
    let silent = config(&raw(None).await);
    // A stream that begins, says that it is alive, and never says anything else.
    let pings =
        raw(Some(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: 999\r\n\r\n: ping\n\n")).await;
    for provider in [silent, config(&pings)] {
        let models = models(vec![ProviderConfig { first_token, ..provider }]);
        let error = models.complete(&request("a/b", "hi"), Some(&Pieces::default())).await.unwrap_err();
        assert_eq!(error.kind, ModelErrorKind::Unreachable, "{error:?}");
    }
}

#[tokio::test]
async fn a_slow_call_gets_a_second_one_where_that_is_wanted() {
    let mut slow = said("slow");
    slow.endless = true;
    slow.pieces = vec![b" ".to_vec()];
    let hedge_after = Some(Duration::from_millis(20));
    let mock = Mock::scripted(vec![slow.clone(), said("quick")]).await;
    let models = models(vec![ProviderConfig { hedge_after, ..mock.config() }]);
    let got = ask(&models).await.unwrap();
    assert_eq!((got.text.as_deref(), got.hedged), (Some("quick"), true));
    let quick = Mock::start(said("quick")).await;
    let patient = ProviderConfig { hedge_after: Some(Duration::from_secs(60)), ..quick.config() };
    assert!(!ask(&super::mock::models(vec![patient])).await.unwrap().hedged);
    assert_eq!(quick.asked.lock().len(), 1);
}

#[tokio::test]
async fn of_two_calls_one_speaks() {
    let mut pinging = Answer::sse(": ping\n\n");
    pinging.endless = true;
    let mock = Mock::scripted(vec![pinging, streamed("hello", Some("stop"))]).await;
    let provider = ProviderConfig { hedge_after: Some(Duration::from_millis(20)), ..mock.config() };
    let pieces = Pieces::default();
    let got = models(vec![provider]).complete(&request("a/b", "hi"), Some(&pieces)).await.unwrap();
    assert_eq!((got.text.as_deref(), pieces.take()), (Some("hello"), vec!["hello".to_owned()]));
}

#[test]
fn keys_are_shown_nowhere() {
    let config = ProviderConfig::for_all("http://127.0.0.1:9/v1", Secret::new(CANARY));
    let text = format!("{config:?} {:?}", models(vec![config.clone()]));
    assert!(!text.contains(CANARY) && text.contains("[secret]"), "{text}");
}

//! Whether a key is taken, asked without a call that costs.

use serde_json::json;

use super::mock::{Answer, CANARY, Mock, config, egress, raw};
use crate::{Egress, Probe, ProviderConfig, Secret, probe};

#[tokio::test]
async fn what_the_provider_makes_of_the_key() {
    let lists = Answer::json(json!({"data": []})).with("date", "Mon, 01 Jun 2026 12:00:00 GMT");
    let mock = Mock::start(lists).await;
    let date = Some("Mon, 01 Jun 2026 12:00:00 GMT".to_owned());
    assert_eq!(probe(&egress(), &mock.config()).await, Probe::Ok { date });
    let asked = mock.last();
    assert_eq!(
        (asked.path.as_str(), asked.headers["authorization"].to_str().unwrap()),
        ("/v1/models", &*format!("Bearer {CANARY}"))
    );
    for (status, found) in
        [(401, Probe::Refused), (403, Probe::Refused), (404, Probe::Other(404)), (503, Probe::Other(503))]
    {
        let mock = Mock::start(Answer::of(status, "application/json", "{}")).await;
        assert_eq!(probe(&egress(), &mock.config()).await, found);
    }
    for (name, header) in [("anthropic", "x-api-key"), ("gemini", "x-goog-api-key")] {
        let mock = Mock::start(Answer::json("{}")).await;
        let named = ProviderConfig::named(name, Some(mock.url.clone()), vec![Secret::new(CANARY)]).unwrap();
        assert!(matches!(probe(&egress(), &named).await, Probe::Ok { .. }));
        assert_eq!(mock.last().headers[header], CANARY);
    }
}

/// The clock runs ahead by itself where nothing else happens.
#[tokio::test(start_paused = true)]
async fn one_that_says_nothing_is_not_waited_for_for_ever() {
    let silent = config(&raw(None).await);
    assert_eq!(probe(&egress(), &silent).await, Probe::Unreachable("the call took too long".to_owned()));
}

#[tokio::test]
async fn a_wrong_host_is_told_without_the_key() {
    let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let Probe::Unreachable(why) = probe(&egress(), &config(&format!("http://{closed}/v1"))).await else { panic!() };
    assert!(!why.is_empty() && !why.contains(CANARY), "{why}");
    let theirs = ProviderConfig { own_url: false, ..config("http://127.0.0.1:9/v1") };
    let Probe::Unreachable(why) = probe(&Egress::new().unwrap(), &theirs).await else { panic!() };
    assert!(why.contains("no public address"), "{why}");
}

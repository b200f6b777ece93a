//! Which hosts a call reaches, and which it does not.

use std::time::Duration;

use super::mock::{Answer, Mock, raw};
use crate::{Egress, EgressError, Target, egress::CallError};

const SPELLINGS: [&str; 9] = [
    "127.0.0.1",
    "2130706433",
    "0x7f000001",
    "0177.0.0.1",
    "017700000001",
    "127.1",
    "0.0.0.0",
    "[::1]",
    "[::ffff:7f00:1]",
];

async fn mock() -> (Mock, String) {
    let mock = Mock::start(Answer::json("{}")).await;
    let port = mock.url.rsplit(':').next().and_then(|rest| rest.split('/').next()).unwrap().to_owned();
    (mock, port)
}

async fn post(egress: &Egress, target: &Target, path: &str) -> Result<u16, CallError> {
    egress
        .post(target, target.uri(path).unwrap(), Duration::from_secs(20))
        .send()
        .await
        .map(|answer| answer.status().as_u16())
}

#[tokio::test]
async fn addresses_that_are_not_public_are_refused_however_they_are_spelled() {
    let (mock, port) = mock().await;
    let egress = Egress::new().unwrap();
    for host in SPELLINGS.into_iter().chain(["169.254.169.254", "10.1", "[64:ff9b::7f00:1]", "[fe80::1]"]) {
        let refused = egress.target(&format!("http://{host}:{port}/v1")).unwrap_err();
        assert!(matches!(refused, EgressError::NotPublic(_)), "{host}: {refused}");
    }
    assert!(mock.asked.lock().is_empty());
}

#[tokio::test]
async fn names_are_checked_when_the_connection_is_made() {
    let (mock, port) = mock().await;
    let egress = Egress::new().unwrap();
    let target = egress.target(&format!("http://localhost:{port}")).unwrap();
    let error = post(&egress, &target, "/x").await.unwrap_err();
    assert!(error.to_string().contains("has no public address"), "{error:?}");
    assert_eq!(mock.connections.load(std::sync::atomic::Ordering::Relaxed), 0);
}

#[tokio::test]
async fn the_operator_allows_hosts_by_name() {
    let (mock, port) = mock().await;
    let egress = Egress::allowing(&["LOCALHOST", &format!("127.0.0.1:{port}")]).unwrap();
    for host in ["localhost", "127.0.0.1"] {
        let target = egress.target(&format!("http://{host}:{port}/base/")).unwrap();
        assert!(post(&egress, &target, "/x?y=1").await.unwrap() == 200);
        assert_eq!(mock.last().path, "/base/x");
    }
    for (host, allowed) in [("127.0.0.1:1", false), ("127.0.0.2", false), ("localhost.evil.example", true)] {
        assert_eq!(egress.target(&format!("http://{host}")).is_ok(), allowed, "{host}");
    }
    let own = Egress::new().unwrap();
    let target = own.operators_target(&format!("http://localhost:{port}/v1")).unwrap();
    assert!(post(&own, &target, "/x").await.unwrap() == 200);
    // What the operator named for one purpose is not open to others.
    assert!(own.target(&format!("http://127.0.0.1:{port}/v1")).is_err());
}

#[test]
fn entries_and_urls_that_are_none_are_refused() {
    for entry in ["", "a b", "http://a", "a/b", "user@a", "a:99999"] {
        assert_eq!(Egress::allowing(&[entry]).unwrap_err(), EgressError::AllowedHost(entry.to_owned()));
    }
    let egress = Egress::allowing(&["plain.example:80"]).unwrap();
    assert!(egress.target("http://plain.example").is_ok());
    for url in ["", "a.example", "ftp://a.example", "https://u:p@a.example", "https://a.example/?x", "file:///etc"] {
        assert_eq!(egress.target(url).unwrap_err(), EgressError::Url, "{url}");
    }
}

#[tokio::test]
async fn a_redirect_leads_nowhere() {
    let (elsewhere, _) = mock().await;
    let egress = Egress::new().unwrap();
    let moved = Mock::start(Answer::of(307, "text/plain", "").with("location", &elsewhere.url)).await;
    let target = egress.operators_target(&moved.url).unwrap();
    assert_eq!(post(&egress, &target, "/x").await.unwrap(), 307);
    let closed = egress.operators_target(&raw(Some(b"")).await).unwrap();
    assert!(post(&egress, &closed, "/x").await.is_err());
    assert!(elsewhere.asked.lock().is_empty());
}

//! Lists of keys, members and object models, page by page, while others change them.

use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    common::TestServer,
    people::{Person, owner},
};

/// What stands at `name` in each entry.
fn all(page: &Value, list: &str, name: &str) -> Vec<String> {
    let entries = page[list].as_array().expect("a list").iter();
    entries.map(|entry| entry.pointer(name).and_then(Value::as_str).expect("text").to_owned()).collect()
}

async fn key(server: &TestServer, name: &str) -> String {
    let body = json!({"project_id": server.project.id, "name": name, "environment": "test"});
    server.post("/keys", &body).send().await.ok()["key_id"].as_str().expect("an id").to_owned()
}

async fn refuses_bad_pages(server: &TestServer, path: &str, more: &[&str]) {
    for bad in ["limit=0", "limit=101", "limit=x", "limit=-1", "cursor=%00"].iter().chain(more) {
        server.get(&format!("{path}?{bad}")).send().await.refused(422, "VALIDATION_ERROR");
    }
}

#[tokio::test]
async fn keys_are_listed_page_by_page() {
    let server = TestServer::with(|config| config.limits.keys_per_project = 30).await;
    let own = server.get("/keys/verify").send().await.ok()["key_id"].as_str().expect("an id").to_owned();
    let mut made = vec![own];
    for number in 0..21 {
        made.push(key(&server, &format!("key {number}")).await);
    }
    made.reverse();
    let page = async |query: &str| {
        let page = server.get(&format!("/keys?{query}")).send().await.ok();
        (all(&page, "keys", "/key_id"), page["next_cursor"].as_str().map(str::to_owned))
    };
    let (ids, next) = page("").await;
    assert_eq!((ids.as_slice(), next.as_ref()), (&made[..20], Some(&made[19])));
    assert_eq!(page("limit=100").await, (made.clone(), None));
    assert_eq!(page("limit=22&cursor=").await, (made.clone(), None), "a full page may be the last");

    let (mut seen, next) = page("limit=8").await;
    let newer = key(&server, "made meanwhile").await;
    server.delete(&format!("/keys/{}", made[7])).send().await.ok();
    let mut next = next;
    while let Some(cursor) = next {
        let (ids, more) = page(&format!("limit=8&cursor={cursor}")).await;
        seen.extend(ids);
        next = more;
    }
    assert_eq!(seen, made);
    assert_eq!(page("limit=1").await, (vec![newer.clone()], Some(newer)));

    let (_, foreign) = server.other_project("rival", "demo").await;
    refuses_bad_pages(&server, "/keys", &["cursor=x", &format!("cursor={}", &foreign[8..16])]).await;
}

#[tokio::test]
async fn members_are_listed_page_by_page() {
    let server = TestServer::start().await;
    let ann = owner(&server).await;
    let (bob, _) = (ann.lets_in("bob@acme.test", "member").await, ann.lets_in("dan@acme.test", "member").await);
    let path = format!("/orgs/{}/members", server.project.org_id);
    let page = async |query: &str| {
        let page = server.get(&format!("{path}?{query}")).send().await.ok();
        (all(&page, "members", "/user/email"), page["nextCursor"].as_str().map(str::to_owned))
    };
    assert_eq!(page("").await, (["ann", "bob", "dan"].map(|name| format!("{name}@acme.test")).to_vec(), None));
    let (first, next) = page("limit=2").await;
    assert_eq!(first, ["ann@acme.test", "bob@acme.test"]);
    let cursor = next.expect("more");
    assert!(!cursor.contains("bob"), "addresses of people do not stand in addresses of requests");

    let leaves = |person: &Person<'_>| format!("/orgs/{{acme}}/members/{}", person.id);
    ann.ask(Method::DELETE, &leaves(&bob), &json!({})).await.ok();
    ann.lets_in("cat@acme.test", "member").await;
    let (rest, end) = page(&format!("limit=2&cursor={cursor}")).await;
    assert_eq!((rest, end), (vec!["cat@acme.test".to_owned(), "dan@acme.test".to_owned()], None));
    refuses_bad_pages(&server, &path, &["cursor=x", "cursor=bob@acme.test", "cursor=Ym9i"]).await;
}

#[tokio::test]
async fn object_models_are_listed_page_by_page() {
    let server = TestServer::start().await;
    let make = async |name: &str| {
        let body = json!({"name": name, "fields": [{"name": "number", "type": "string"}]});
        let made = server.post("/object-models", &body).send().await.ok();
        format!("/object-models/{}", made["object_model_id"].as_str().expect("an id"))
    };
    let mut paths = Vec::new();
    for name in ["Order", "Invoice", "Mail"] {
        paths.push(make(name).await);
    }
    let page = async |query: &str| {
        let page = server.get(&format!("/object-models?{query}")).send().await.ok();
        (all(&page, "object_models", "/name"), page["next_cursor"].as_str().map(str::to_owned))
    };
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    assert_eq!(page("").await, (names(&["Invoice", "Mail", "Order"]), None));
    assert_eq!(page("limit=2").await, (names(&["Invoice", "Mail"]), Some("Mail".to_owned())));
    server.delete(&paths[2]).send().await.ok();
    make("Aside").await;
    make("Note").await;
    assert_eq!(page("limit=2&cursor=Mail").await, (names(&["Note", "Order"]), None));
    refuses_bad_pages(&server, "/object-models", &["cursor=no%20name"]).await;
}

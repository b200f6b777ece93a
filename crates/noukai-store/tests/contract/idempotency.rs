//! Idempotency keys.

use noukai_store::*;

use super::bed::*;

fn key(project: ProjectId, key: &str) -> IdempotencyKey {
    IdempotencyKey { project_id: project, route: "execute acme/demo/triage v0".into(), key: key.into() }
}

async fn begin(store: &Shared, key: &IdempotencyKey, body: &str, when: i64) -> Begun {
    store.begin(key, body, at(when), at(when - 100)).await.unwrap()
}

fn before(body: &str, reply: Option<StoredReply>) -> Begun {
    Begun::Before(IdempotencyRecord { body_hash: body.into(), reply })
}

fn reply(body: &str) -> StoredReply {
    StoredReply { status: 201, content_type: "application/json".into(), body: body.into() }
}

pub async fn first_then_before(store: Shared) {
    let k = key(project(&store, "demo").await, "k");
    assert_eq!(begin(&store, &k, "b1", 200).await, Begun::First);
    assert_eq!(begin(&store, &k, "b2", 201).await, before("b1", None));
}

pub async fn one_of_many_is_first(store: Shared) {
    let k = key(project(&store, "demo").await, "k");
    let outcomes = at_once(20, |_| {
        let (store, k) = (store.clone(), k.clone());
        async move { begin(&store, &k, "b", 200).await }
    })
    .await;
    assert_eq!(outcomes.iter().filter(|begun| **begun == Begun::First).count(), 1);
}

pub async fn reply_is_kept(store: Shared) {
    let k = key(project(&store, "demo").await, "k");
    assert!(is_conflict(&store.finish(&k, &reply("{}")).await));
    begin(&store, &k, "b", 200).await;
    store.finish(&k, &reply("{}")).await.unwrap();
    assert_eq!(begin(&store, &k, "b", 201).await, before("b", Some(reply("{}"))));
    assert!(is_conflict(&store.finish(&k, &reply("other")).await));
    store.abandon(&k).await.unwrap();
    assert_eq!(begin(&store, &k, "b", 202).await, before("b", Some(reply("{}"))), "a reply given is not taken back");
}

pub async fn abandoned_is_free(store: Shared) {
    let k = key(project(&store, "demo").await, "k");
    store.abandon(&k).await.unwrap();
    begin(&store, &k, "b1", 200).await;
    store.abandon(&k).await.unwrap();
    assert_eq!(begin(&store, &k, "b2", 201).await, Begun::First);
}

pub async fn expired_is_free(store: Shared) {
    let k = key(project(&store, "demo").await, "k");
    begin(&store, &k, "b1", 200).await;
    store.finish(&k, &reply("{}")).await.unwrap();
    assert_ne!(begin(&store, &k, "b2", 300).await, Begun::First);
    assert_eq!(begin(&store, &k, "b2", 301).await, Begun::First);
    assert_eq!(begin(&store, &k, "b3", 302).await, before("b2", None));
}

pub async fn keys_are_apart(store: Shared) {
    let (demo, other) = (project(&store, "demo").await, project(&store, "other").await);
    let elsewhere = IdempotencyKey { route: "jobs acme/demo/triage v0".into(), ..key(demo, "k") };
    let hostile = HOSTILE.map(|text| key(demo, text));
    let keys = [key(demo, "k"), key(demo, "K"), key(other, "k"), elsewhere];
    for k in keys.iter().chain(&hostile) {
        assert_eq!(begin(&store, k, "b", 200).await, Begun::First, "{k:?}");
    }
    store.finish(&keys[2], &reply("theirs")).await.unwrap();
    store.abandon(&keys[3]).await.unwrap();
    assert_eq!(begin(&store, &keys[0], "b", 201).await, before("b", None));
}

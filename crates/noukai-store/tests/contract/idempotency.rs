//! Idempotency keys.

use noukai_api::{RunStatus, TriggerType};
use noukai_store::*;
use uuid::Uuid;

use super::bed::*;

fn key(project: ProjectId, key: &str) -> IdempotencyKey {
    IdempotencyKey { project_id: project, route: "execute acme/demo/triage v0".into(), key: key.into() }
}

async fn begin(store: &Shared, key: &IdempotencyKey, body: &str, when: i64) -> Begun {
    store.begin(key, body, run_of(body), at(when), at(when - 100)).await.unwrap()
}

/// The run that a request with that body would make.
fn run_of(body: &str) -> RunId {
    RunId(Uuid::from_u128(body.bytes().fold(1, |number, byte| number << 8 | u128::from(byte))))
}

fn before(body: &str, reply: Option<StoredReply>) -> Begun {
    Begun::Before(IdempotencyRecord { body_hash: body.into(), reply, run: Some(run_of(body)), result: None })
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

/// Whatever becomes of the request, its run is not made a second time under the key.
pub async fn what_was_made_is_not_forgotten(store: Shared) {
    let demo = project(&store, "demo").await;
    for (body, trigger) in [("execute", TriggerType::Execute), ("job", TriggerType::Job)] {
        let (k, run) = (key(demo, body), run_of(body));
        assert_eq!(begin(&store, &k, body, 200).await, Begun::First);
        store.append(create(record(demo, run, trigger))).stored().await.unwrap();
        store.abandon(&k).await.unwrap();
        store.recover(at(201)).await.unwrap();
        assert_eq!(begin(&store, &k, "again", 202).await, before(body, None));
    }
}

pub async fn a_result_waits_for_its_reply(store: Shared) {
    let demo = project(&store, "demo").await;
    let end = || RunChange::Finished(Box::new(RunFinish { result: Some("7".into()), ..finish(RunStatus::Completed) }));
    let at_once = |run| create(record(demo, run, TriggerType::Execute)).change(end()).events(1..=1);
    let later = |run| write(demo, run).change(end()).events(1..=1);
    for (body, writes) in [
        ("at once", vec![at_once(run_of("at once"))]),
        ("later", {
            let run = run_of("later");
            vec![create(record(demo, run, TriggerType::Execute)), later(run)]
        }),
    ] {
        let k = key(demo, body);
        begin(&store, &k, body, 200).await;
        for one in writes {
            store.append(one).stored().await.unwrap();
        }
        let Begun::Before(kept) = begin(&store, &k, body, 201).await else { panic!("the key was used") };
        assert_eq!((kept.reply, kept.result.as_deref()), (None, Some("7")), "{body}");
        store.finish(&k, &reply("{}")).await.unwrap();
        assert_eq!(begin(&store, &k, body, 202).await, before(body, Some(reply("{}"))));
    }
}

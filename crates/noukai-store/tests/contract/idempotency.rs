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
    let run = Some(run_of(body));
    Begun::Before(IdempotencyRecord { body_hash: body.into(), reply, run, begun_after: 0, result: None })
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

/// A key under which a run was gone on with stands for that run from there, and for nobody else's.
pub async fn a_key_stands_for_what_goes_on(store: Shared) {
    let demo = project(&store, "demo").await;
    let id = started(&store, demo, TriggerType::Step).await;
    store.append(write(demo, id).change(pause_with(None)).events(1..=3)).stored().await.unwrap();
    let (won, lost, other) = (key(demo, "won"), key(demo, "lost"), key(demo, "other"));
    for k in [&won, &lost, &other] {
        assert_eq!(begin(&store, k, &k.key, 200).await, Begun::First);
    }
    let resume = |last, body| store.resume(demo, id, last, true, Some(run_of(body)), at(201));
    assert_eq!(resume(3, "won").await.unwrap(), Resumed::Claimed);
    assert_eq!(resume(3, "lost").await.unwrap(), Resumed::Lost);
    for k in [&won, &lost, &other] {
        store.abandon(k).await.unwrap();
    }
    store.recover(at(202)).await.unwrap();
    let Begun::Before(kept) = begin(&store, &won, "won", 203).await else { panic!("it was used") };
    assert_eq!((kept.run, kept.begun_after, kept.reply), (Some(id), 3, None));
    for k in [&lost, &other] {
        assert_eq!(begin(&store, k, "anew", 203).await, Begun::First, "{k:?}");
    }
    store.finish(&won, &reply("{}")).await.unwrap();
    let expired = store.begin(&won, "later", run_of("later"), at(400), at(300)).await.unwrap();
    assert_eq!((expired, begin(&store, &won, "later", 401).await), (Begun::First, before("later", None)));
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

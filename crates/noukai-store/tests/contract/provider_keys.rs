//! Keys for model providers.

use noukai_store::*;
use uuid::Uuid;

use super::bed::*;

fn sealed(with: &str, bytes: &[u8]) -> Sealed {
    Sealed { with: with.into(), bytes: bytes.into() }
}

fn key(org: Uuid, project: Option<ProjectId>, number: u128) -> ProviderKeyRecord {
    ProviderKeyRecord {
        id: Uuid::from_u128(number),
        org_id: org,
        project_id: project,
        provider: "openai".into(),
        base_url: "https://api.openai.com/v1".into(),
        name: "A key".into(),
        last_four: "wxyz".into(),
        sealed: sealed("m1", &[0, 1, 2, 255]),
        created_at: at(i64::try_from(number).unwrap()),
        created_by: "ann".into(),
        changed_at: at(1),
        last_used_at: None,
    }
}

async fn in_org(store: &Shared, org: &str, slug: &str) -> (Uuid, ProjectId) {
    let made = store.ensure_project(org, slug, Uuid::now_v7(), ProjectId(Uuid::now_v7()), at(0)).await.unwrap();
    (made.org_id, made.id)
}

fn ids(keys: &[ProviderKeyRecord]) -> Vec<u128> {
    keys.iter().map(|key| key.id.as_u128()).collect()
}

pub async fn round_trip(store: Shared) {
    let (acme, demo) = in_org(&store, "acme", "demo").await;
    let (own, shared) =
        (key(acme, Some(demo), 2), ProviderKeyRecord { last_used_at: Some(at(5)), ..key(acme, None, 1) });
    assert!(store.add_provider_key(&shared, 9).await.unwrap());
    assert!(store.add_provider_key(&own, 9).await.unwrap());
    assert!(is_conflict(&store.add_provider_key(&own, 9).await));
    assert_eq!(store.provider_keys(demo).await.unwrap(), [own.clone(), shared.clone()], "the project's own first");
    assert_eq!(store.provider_key(acme, own.id).await.unwrap(), Some(own.clone()));

    let to = ChangedKey { sealed: sealed("m2", &[9]), last_four: "abcd".into(), changed_at: at(7) };
    assert!(store.change_provider_key(acme, own.id, &to).await.unwrap());
    let changed = ProviderKeyRecord { sealed: to.sealed, last_four: to.last_four, changed_at: at(7), ..own.clone() };
    assert_eq!(store.provider_key(acme, own.id).await.unwrap(), Some(changed));
    assert!(store.remove_provider_key(acme, own.id).await.unwrap());
    assert!(!store.remove_provider_key(acme, own.id).await.unwrap());
    assert_eq!(store.provider_keys(demo).await.unwrap(), [shared]);
    for text in HOSTILE {
        let hostile = ProviderKeyRecord { name: text.into(), provider: text.into(), ..key(acme, Some(demo), 3) };
        store.add_provider_key(&hostile, 9).await.unwrap();
        assert_eq!(store.provider_key(acme, hostile.id).await.unwrap().as_ref(), Some(&hostile));
        store.remove_provider_key(acme, hostile.id).await.unwrap();
        assert_eq!(store.sealed_otherwise(text, Uuid::nil(), 9).await.unwrap().len(), 1);
    }
}

pub async fn hidden_from_others(store: Shared) {
    let (acme, demo) = in_org(&store, "acme", "demo").await;
    let (_, other) = in_org(&store, "acme", "other").await;
    let (rival, theirs) = in_org(&store, "rival", "demo").await;
    for record in [key(acme, Some(demo), 1), key(acme, None, 2), key(rival, None, 3), key(acme, Some(other), 4)] {
        store.add_provider_key(&record, 9).await.unwrap();
    }
    assert_eq!(ids(&store.provider_keys(demo).await.unwrap()), [1, 2]);
    assert_eq!(ids(&store.provider_keys(other).await.unwrap()), [4, 2]);
    assert_eq!(ids(&store.provider_keys(theirs).await.unwrap()), [3]);
    assert_eq!(store.provider_keys(ProjectId(Uuid::now_v7())).await.unwrap(), []);
    let one = Uuid::from_u128(1);
    let to = ChangedKey { sealed: sealed("m2", &[9]), last_four: "abcd".into(), changed_at: at(7) };
    assert_eq!(store.provider_key(rival, one).await.unwrap(), None);
    assert!(!store.change_provider_key(rival, one, &to).await.unwrap());
    assert!(!store.remove_provider_key(rival, one).await.unwrap());
    assert_eq!(store.provider_key(acme, one).await.unwrap(), Some(key(acme, Some(demo), 1)));
}

pub async fn limit_holds_in_a_race(store: Shared) {
    let (acme, demo) = in_org(&store, "acme", "demo").await;
    for project in [Some(demo), None] {
        let first = if project.is_some() { 1 } else { 100 };
        let added = at_once(12, |number| {
            let (store, number) = (store.clone(), u128::try_from(number).unwrap());
            async move { store.add_provider_key(&key(acme, project, first + number), 5).await.unwrap() }
        })
        .await;
        assert_eq!(added.iter().filter(|added| **added).count(), 5);
    }
    assert_eq!(store.provider_keys(demo).await.unwrap().len(), 10);
}

pub async fn use_is_noted(store: Shared) {
    let (acme, demo) = in_org(&store, "acme", "demo").await;
    for number in 1..=3 {
        store.add_provider_key(&key(acme, Some(demo), number), 9).await.unwrap();
    }
    let of = |numbers: &[u128]| numbers.iter().map(|number| Uuid::from_u128(*number)).collect::<Vec<_>>();
    store.provider_keys_used(&of(&[3, 1, 77]), at(50)).await.unwrap();
    store.provider_keys_used(&of(&[1]), at(40)).await.unwrap();
    let used: Vec<_> = store.provider_keys(demo).await.unwrap().iter().map(|key| key.last_used_at).collect();
    assert_eq!(used, [Some(at(50)), None, Some(at(50))]);
}

pub async fn sealed_anew_one_by_one(store: Shared) {
    let (acme, demo) = in_org(&store, "acme", "demo").await;
    for number in 1..=5 {
        let with = if number == 4 { "m2" } else { "m1" };
        let record = ProviderKeyRecord { sealed: sealed(with, &[7]), ..key(acme, Some(demo), number) };
        store.add_provider_key(&record, 9).await.unwrap();
    }
    assert_eq!(store.sealed_with().await.unwrap(), [("m1".to_owned(), 4), ("m2".to_owned(), 1)]);
    assert_eq!(ids(&store.sealed_otherwise("m2", Uuid::nil(), 2).await.unwrap()), [1, 2]);
    assert_eq!(ids(&store.sealed_otherwise("m2", Uuid::from_u128(2), 9).await.unwrap()), [3, 5]);
    let (old, new) = (sealed("m1", &[7]), sealed("m2", &[8]));
    assert!(store.reseal(Uuid::from_u128(1), &old, &new).await.unwrap());
    assert!(!store.reseal(Uuid::from_u128(1), &old, &new).await.unwrap(), "it is another one by now");
    assert_eq!(store.provider_key(acme, Uuid::from_u128(1)).await.unwrap().unwrap().sealed, new);
    assert_eq!(store.sealed_with().await.unwrap(), [("m1".to_owned(), 3), ("m2".to_owned(), 2)]);
}

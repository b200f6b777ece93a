//! API keys.

use noukai_api::Scope;
use noukai_store::*;

use super::bed::*;

fn key(project: ProjectId, id: &str) -> KeyRecord {
    KeyRecord {
        key_id: id.into(),
        project_id: project,
        secret_hash: "5e".repeat(32),
        environment: "live".into(),
        name: "A key".into(),
        scopes: vec![Scope::Execute, Scope::Admin],
        created_at: at(1),
        created_by: "ann".into(),
        expires_at: None,
        revoked_at: None,
    }
}

pub async fn round_trip(store: Shared) {
    let demo = project(&store, "demo").await;
    let first = KeyRecord { expires_at: Some(at(100)), scopes: vec![], ..key(demo, "k1") };
    let second = KeyRecord { created_at: at(2), ..key(demo, "k2") };
    assert!(store.add_key(&first, 10, at(1)).await.unwrap());
    assert!(store.add_key(&second, 10, at(2)).await.unwrap());
    assert_eq!(store.key("k1").await.unwrap().as_ref(), Some(&first));
    assert_eq!(store.key("k3").await.unwrap(), None);
    assert_eq!(store.keys(demo, None, 9).await.unwrap(), [second.clone(), first]);
    assert!(is_conflict(&store.add_key(&second, 10, at(3)).await));
    for text in HOSTILE {
        assert_eq!(store.key(text).await.unwrap(), None);
        assert_eq!(store.revoke_key(demo, text, at(4)).await.unwrap(), None);
    }
}

pub async fn limit_holds_in_a_race(store: Shared) {
    let demo = project(&store, "demo").await;
    let added = at_once(20, |number| {
        let store = store.clone();
        async move { store.add_key(&key(demo, &format!("k{number}")), 10, at(1)).await.unwrap() }
    })
    .await;
    assert_eq!(added.iter().filter(|added| **added).count(), 10);
    assert_eq!(store.keys(demo, None, 99).await.unwrap().len(), 10);
    let other = project(&store, "other").await;
    assert!(store.add_key(&key(other, "o1"), 10, at(1)).await.unwrap());
}

pub async fn only_active_ones_count(store: Shared) {
    let demo = project(&store, "demo").await;
    let expiring = KeyRecord { expires_at: Some(at(50)), ..key(demo, "k1") };
    assert!(store.add_key(&expiring, 1, at(1)).await.unwrap());
    assert!(!store.add_key(&key(demo, "k2"), 1, at(49)).await.unwrap());
    assert!(store.add_key(&key(demo, "k2"), 1, at(50)).await.unwrap());
    assert!(!store.add_key(&key(demo, "k3"), 1, at(51)).await.unwrap());
    store.revoke_key(demo, "k2", at(52)).await.unwrap();
    assert!(store.add_key(&key(demo, "k3"), 1, at(53)).await.unwrap());
}

pub async fn revoked_once(store: Shared) {
    let demo = project(&store, "demo").await;
    store.add_key(&key(demo, "k1"), 10, at(1)).await.unwrap();
    assert_eq!(store.revoke_key(demo, "k1", at(5)).await.unwrap(), Some(at(5)));
    assert_eq!(store.revoke_key(demo, "k1", at(9)).await.unwrap(), Some(at(5)));
    assert_eq!(store.key("k1").await.unwrap().unwrap().revoked_at, Some(at(5)));
    assert_eq!(store.keys(demo, None, 9).await.unwrap().len(), 1);
    assert_eq!(store.revoke_key(demo, "none", at(5)).await.unwrap(), None);
}

pub async fn paged(store: Shared) {
    let (demo, other) = (project(&store, "demo").await, project(&store, "other").await);
    for (id, made) in [("kb", 1), ("ka", 2), ("kd", 2), ("kc", 2), ("ke", 3)] {
        assert!(store.add_key(&KeyRecord { created_at: at(made), ..key(demo, id) }, 10, at(1)).await.unwrap());
    }
    store.add_key(&key(other, "kf"), 10, at(1)).await.unwrap();
    let page = async |before: Option<(i64, &str)>, limit| {
        let before = before.map(|(made, id)| (at(made), id.to_owned()));
        let found = store.keys(demo, before, limit).await.unwrap();
        found.into_iter().map(|key| key.key_id).collect::<Vec<_>>()
    };
    assert_eq!(page(None, 9).await, ["ke", "kd", "kc", "ka", "kb"]);
    assert_eq!(page(None, 2).await, ["ke", "kd"]);
    assert_eq!(page(Some((2, "kd")), 2).await, ["kc", "ka"]);
    assert_eq!(page(Some((2, "ka")), 2).await, ["kb"]);
    assert_eq!(page(Some((1, "kb")), 2).await, Vec::<String>::new());
}

pub async fn hidden_from_other_projects(store: Shared) {
    let (demo, other) = (project(&store, "demo").await, project(&store, "other").await);
    store.add_key(&key(demo, "k1"), 10, at(1)).await.unwrap();
    assert_eq!(store.keys(other, None, 9).await.unwrap(), []);
    assert_eq!(store.revoke_key(other, "k1", at(5)).await.unwrap(), None);
    assert_eq!(store.key("k1").await.unwrap().unwrap().revoked_at, None);
}

//! Model replies that are given again.

use noukai_store::*;

use super::bed::*;

/// What a row counts for beside its reply.
const ROW: u64 = 512;

fn reply(project: ProjectId, key: &str, text: &str, when: i64) -> CachedReply {
    CachedReply {
        project_id: project,
        key: key.into(),
        reply: text.into(),
        kept_at: at(when),
        expires_at: at(when + 60),
    }
}

async fn found(store: &Shared, project: ProjectId, key: &str, since: i64, now: i64) -> Option<String> {
    store.cached_reply(project, key, at(since), at(now)).await.unwrap()
}

pub async fn kept_for_its_time(store: Shared) {
    let demo = project(&store, "demo").await;
    store.cache_reply(reply(demo, "k", "one", 10), 10_000).await.unwrap();
    assert_eq!(found(&store, demo, "k", 0, 69).await.as_deref(), Some("one"));
    assert_eq!(found(&store, demo, "k", 0, 70).await, None, "past its time");
    assert_eq!(found(&store, demo, "k", 11, 20).await, None, "older than is wanted");
    assert_eq!(found(&store, demo, "other", 0, 20).await, None);
    store.cache_reply(reply(demo, "k", "two", 30), 10_000).await.unwrap();
    assert_eq!(found(&store, demo, "k", 11, 80).await.as_deref(), Some("two"));
    for text in HOSTILE {
        assert_eq!(found(&store, demo, text, 0, 20).await, None);
        store.cache_reply(reply(demo, text, text, 10), 10_000).await.unwrap();
        assert_eq!(found(&store, demo, text, 0, 20).await.as_deref(), Some(text));
    }
}

pub async fn hidden_from_other_projects(store: Shared) {
    let (demo, other) = (project(&store, "demo").await, project(&store, "other").await);
    store.cache_reply(reply(demo, "k", "mine", 10), 10_000).await.unwrap();
    assert_eq!(found(&store, other, "k", 0, 20).await, None);
    store.cache_reply(reply(other, "k", "theirs", 10), 10_000).await.unwrap();
    assert_eq!(found(&store, demo, "k", 0, 20).await.as_deref(), Some("mine"));
}

pub async fn the_oldest_goes_past_the_bound(store: Shared) {
    let (demo, other) = (project(&store, "demo").await, project(&store, "other").await);
    let most = 3 * (ROW + 10);
    store.cache_reply(reply(other, "k0", "0123456789", 0), most).await.unwrap();
    for number in 0..5 {
        store.cache_reply(reply(demo, &format!("k{number}"), "0123456789", number), most).await.unwrap();
    }
    // The same again, and smaller: it takes the old one's room.
    store.cache_reply(reply(demo, "k4", "0", 5), most).await.unwrap();
    let mut there = Vec::new();
    for number in 0..5 {
        there.extend(found(&store, demo, &format!("k{number}"), 0, 20).await.map(|_| number));
    }
    assert_eq!(there, [2, 3, 4]);
    assert!(found(&store, other, "k0", 0, 20).await.is_some(), "another project's room is its own");
    store.cache_reply(reply(demo, "big", &"x".repeat(3 * 512), 6), most).await.unwrap();
    assert_eq!(found(&store, demo, "k4", 0, 20).await, None);
    assert!(found(&store, demo, "big", 0, 20).await.is_some());
}

pub async fn bounds_hold_in_a_race(store: Shared) {
    let demo = project(&store, "demo").await;
    let most = 4 * (ROW + 1);
    at_once(40, |number| {
        let store = store.clone();
        async move {
            store.cache_reply(reply(demo, &format!("k{}", number % 10), "x", 10), most).await.unwrap();
            store.prune_replies(at(5), 10).await.unwrap();
        }
    })
    .await;
    let mut there = 0;
    for number in 0..10 {
        there += usize::from(found(&store, demo, &format!("k{number}"), 0, 20).await.is_some());
    }
    assert_eq!(there, 4);
}

pub async fn what_is_past_its_time_goes(store: Shared) {
    let (demo, other) = (project(&store, "demo").await, project(&store, "other").await);
    let most = 3 * (ROW + 1);
    for (key, when) in [("a", 0), ("b", 1), ("c", 50)] {
        store.cache_reply(reply(demo, key, "x", when), most).await.unwrap();
    }
    store.cache_reply(reply(other, "a", "x", 0), most).await.unwrap();
    assert_eq!(store.prune_replies(at(62), 2).await.unwrap(), 2);
    assert_eq!(store.prune_replies(at(62), 9).await.unwrap(), 1);
    assert_eq!(store.prune_replies(at(62), 9).await.unwrap(), 0);
    // Their room is free again: the third stays.
    for key in ["d", "e"] {
        store.cache_reply(reply(demo, key, "x", 63), most).await.unwrap();
    }
    assert!(found(&store, demo, "c", 0, 63).await.is_some());
}

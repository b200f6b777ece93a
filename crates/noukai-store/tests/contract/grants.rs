//! What people grant to programs: clients, codes, tokens.

use noukai_api::Scope;
use noukai_store::*;
use uuid::Uuid;

use super::{bed::*, identity::installed};

fn client(id: &str) -> ClientRecord {
    ClientRecord {
        id: id.into(),
        name: "An assistant".into(),
        redirect_uris: vec!["http://127.0.0.1/back".into(), "https://a.test/b?c=d".into()],
        created_at: at(1),
        expires_at: at(100),
    }
}

fn token(hash: &str, refresh: bool) -> TokenRecord {
    TokenRecord { token_hash: hash.into(), refresh, expires_at: at(if refresh { 900 } else { 60 }) }
}

async fn code(store: &Shared, hash: &str) -> CodeRecord {
    let found = store.user_by_email("ann@acme.test").await.unwrap();
    let (project, owner) = match found {
        Some(owner) => (store.project_at("acme", "demo").await.unwrap().unwrap(), owner),
        None => installed(store).await,
    };
    let grant = GrantRecord {
        id: Uuid::now_v7(),
        client_id: "c1".into(),
        user_id: owner.id,
        project_id: project.id,
        scopes: vec![Scope::Execute, Scope::Author],
        audience: "mcp".into(),
        created_at: at(5),
        revoked_at: None,
    };
    CodeRecord {
        code_hash: hash.into(),
        grant,
        redirect_uri: "https://a.test/b?c=d".into(),
        challenge: "x".into(),
        expires_at: at(50),
    }
}

/// A grant with tokens `a1` and `r1`.
async fn granted(store: &Shared) -> GrantRecord {
    store.add_client(&client("c1"), 10, at(1)).await.unwrap();
    let code = code(store, "code").await;
    store.add_code(&code).await.unwrap();
    assert!(matches!(store.use_code("code", at(6)).await.unwrap(), CodeUse::First(_)));
    assert!(store.add_tokens(code.grant.id, &[token("a1", false), token("r1", true)], at(900)).await.unwrap());
    code.grant
}

async fn is_void(store: &Shared, access: &str) -> bool {
    store.access_token(access).await.unwrap().is_none_or(|(_, grant)| grant.revoked_at.is_some())
}

pub async fn clients_are_bounded(store: Shared) {
    let added = at_once(10, |number| {
        let store = store.clone();
        async move { store.add_client(&client(&format!("c{number}")), 4, at(1)).await.unwrap() }
    })
    .await;
    assert_eq!(added.iter().filter(|added| **added).count(), 4);
    assert!(store.add_client(&client("late"), 4, at(100)).await.unwrap(), "those that are over do not count");
    let known = ClientRecord { expires_at: at(500), ..client("known") };
    assert!(store.add_client(&known, 99, at(1)).await.unwrap());
    assert_eq!(store.client("known", at(5)).await.unwrap(), Some(known));
    assert_eq!(store.client("known", at(500)).await.unwrap(), None);
    for text in HOSTILE {
        assert_eq!(store.client(text, at(5)).await.unwrap(), None);
    }
}

pub async fn a_code_is_used_once(store: Shared) {
    let code = code(&store, "code").await;
    store.add_code(&code).await.unwrap();
    let uses = at_once(8, |_| {
        let store = store.clone();
        async move { store.use_code("code", at(6)).await.unwrap() }
    })
    .await;
    let first: Vec<_> = uses.iter().filter(|one| matches!(one, CodeUse::First(_))).collect();
    assert_eq!(first, [&CodeUse::First(Box::new(code.clone()))]);
    assert_eq!(uses.iter().filter(|one| **one == CodeUse::Again).count(), 7);
    assert!(!store.add_tokens(code.grant.id, &[token("a1", false)], at(900)).await.unwrap(), "the grant is void");
    assert!(store.access_token("a1").await.unwrap().is_none());
}

pub async fn a_code_is_over_in_time(store: Shared) {
    let code = code(&store, "code").await;
    store.add_code(&code).await.unwrap();
    assert_eq!(store.use_code("code", at(50)).await.unwrap(), CodeUse::Missing);
    assert_eq!(store.use_code("other", at(6)).await.unwrap(), CodeUse::Missing);
    assert!(matches!(store.use_code("code", at(49)).await.unwrap(), CodeUse::First(_)));
}

pub async fn tokens_are_found_by_their_hash(store: Shared) {
    let grant = granted(&store).await;
    let (found, of) = store.access_token("a1").await.unwrap().unwrap();
    assert_eq!((found, of), (token("a1", false), grant));
    assert!(store.access_token("r1").await.unwrap().is_none(), "a refresh token gives no access");
    assert!(store.access_token("none").await.unwrap().is_none());
    assert!(store.client("c1", at(899)).await.unwrap().is_some(), "who holds a token is kept");
}

pub async fn a_refresh_token_is_replaced_once(store: Shared) {
    let grant = granted(&store).await;
    let next = [token("a2", false), token("r2", true)];
    assert_eq!(store.rotate("r1", "other", &next, at(70), at(900)).await.unwrap(), Rotation::Missing);
    assert_eq!(store.rotate("a1", "c1", &next, at(70), at(900)).await.unwrap(), Rotation::Missing, "an access token");
    assert_eq!(store.rotate("r1", "c1", &next, at(900), at(901)).await.unwrap(), Rotation::Missing, "over");
    let done = store.rotate("r1", "c1", &next, at(70), at(900)).await.unwrap();
    assert_eq!(done, Rotation::Done(Box::new(grant)));
    assert!(!is_void(&store, "a2").await);
    let again = store.rotate("r1", "c1", &[token("a3", false)], at(71), at(900)).await.unwrap();
    assert_eq!(again, Rotation::Again);
    assert!(is_void(&store, "a1").await && is_void(&store, "a2").await && is_void(&store, "a3").await);
    assert_eq!(store.rotate("r2", "c1", &[token("a4", false)], at(72), at(900)).await.unwrap(), Rotation::Missing);
}

pub async fn a_grant_is_revoked_by_either_token(store: Shared) {
    granted(&store).await;
    assert!(!store.revoke_grant("a1", "other", at(70)).await.unwrap());
    assert!(!store.revoke_grant("none", "c1", at(70)).await.unwrap());
    assert!(!is_void(&store, "a1").await);
    assert!(store.revoke_grant("r1", "c1", at(70)).await.unwrap());
    assert!(is_void(&store, "a1").await);
}

pub async fn a_new_password_voids_grants(store: Shared) {
    let grant = granted(&store).await;
    store.set_password(grant.user_id, "new", at(70)).await.unwrap();
    assert!(is_void(&store, "a1").await);
}

pub async fn what_is_over_is_forgotten(store: Shared) {
    granted(&store).await;
    assert_eq!(store.prune_identities(at(70), 10).await.unwrap(), 2, "the code and a1");
    assert!(store.access_token("a1").await.unwrap().is_none());
    let next = [token("a2", false)];
    assert!(matches!(store.rotate("r1", "c1", &next, at(71), at(900)).await.unwrap(), Rotation::Done(_)));
    assert_eq!(store.prune_identities(at(1_000), 10).await.unwrap(), 4, "r1, a2, the client, the grant");
}

//! Each route x each part of its path that names something x each thing of others: the answer for what nobody has, and
//! nothing changed. Made from the server's own document: a route or a name that is new is tried, or the test asks for it.
//! Sessions are told apart by contract, and addresses have a guard of their own: `foreign` and `access` have those.

use std::collections::BTreeMap;

use noukai_api::MemberRole;
use noukai_store::{InvitationRecord, UserRecord};
use reqwest::Method;
use serde_json::{Value, json};
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use crate::{
    common::{Reply, TestServer},
    mcp::{Assistant, world::World},
    own_keys::{ONE, master},
    people::{Person, owner},
    roles::{Route, guarded},
};

/// Parts of a path that lead nowhere by themselves, and what stands there.
const PLAIN: &[(&str, &str)] = &[
    ("org", "acme"),
    ("project", "demo"),
    ("flow", "triage"),
    ("version", "v0"),
    ("seq", "1"),
    ("number", "1"),
    ("other", "0"),
    ("step_id", "first"),
    ("session_id", "01985f3e-6d0a-7c3b-9f4e-2b8d5a1c7e90"),
];

/// Ids in bodies and queries: `ID` stands for one of that name. What stands in braces is the caller's own.
fn elsewhere() -> Vec<(Method, &'static str, Value, &'static str)> {
    let (get, post, put) = (Method::GET, Method::POST, Method::PUT);
    let fields = json!([{"name": "a", "type": "string"}]);
    let budget = json!({"scope": "key", "key": "ID", "period": "day", "unit": "usd", "limit": "1"});
    vec![
        (get.clone(), "/flows?project_id=ID", Value::Null, "project_id"),
        (get.clone(), "/object-models?project_id=ID", Value::Null, "project_id"),
        (get.clone(), "/keys?projectId=ID", Value::Null, "project_id"),
        (get, "/flow-runs?flow_id=ID", Value::Null, "flow_id"),
        (post.clone(), "/flows", json!({"project_id": "ID", "slug": "mine"}), "project_id"),
        (post.clone(), "/object-models", json!({"project_id": "ID", "name": "A", "fields": fields}), "project_id"),
        (post.clone(), "/keys", json!({"project_id": "ID", "name": "x", "environment": "test"}), "project_id"),
        (
            post.clone(),
            "/provider-keys",
            json!({"project_id": "ID", "provider": "openai", "api_key": "x"}),
            "project_id",
        ),
        (post.clone(), "/budgets", budget, "key_id"),
        (post.clone(), "/flows/{flow_id}/test-cases", json!({"from_run": "ID"}), "execution_id"),
        (post, "/flows/{flow_id}/test-runs", json!({"cases": ["ID"]}), "case"),
        (put.clone(), "/flows/{flow_id}/publish-gate", json!({"cases": ["ID"]}), "case"),
        (put, "/flows/{flow_id}/production", json!({"version_id": "ID"}), "version_id"),
    ]
}

/// A project in which there is one of everything.
struct Things {
    key: String,
    ids: BTreeMap<&'static str, String>,
}

impl Things {
    async fn of(server: &TestServer, project: &noukai_server::Project, key: &str) -> Self {
        let world = World::built(&Assistant::new(server, key), &project.id.to_string(), "triage").await;
        let text = |name: &str| world.ids[name].as_str().expect("an id").to_owned();
        let mut ids: BTreeMap<&'static str, String> =
            ["flow_id", "checkpoint_id", "test_run_id", "execution_id", "version_id"]
                .map(|name| (name, text(name)))
                .into();
        ids.insert("model_id", text("object_model_id"));
        ids.insert("case", text("test_case_id"));
        ids.insert("project_id", project.id.to_string());
        ids.insert("org_id", project.org_id.to_string());
        ids.insert("key_id", key[8..16].to_owned());
        let things = Self { key: key.to_owned(), ids };
        let provider = json!({"provider": "openai", "api_key": "sk-none-0123456789"});
        let budget = json!({"scope": "project", "period": "month", "unit": "usd", "limit": "9"});
        let mut ids = things.ids.clone();
        for (name, path, body) in [("provider_key_id", "/provider-keys", provider), ("budget_id", "/budgets", budget)] {
            let made = things.ask(server, Method::POST, path, &body).await.ok();
            ids.insert(name, made["id"].as_str().expect("an id").to_owned());
        }
        let (invitation, member) = people(server, project.org_id).await;
        ids.insert("invitation_id", invitation.to_string());
        ids.insert("user_id", member.to_string());
        Self { ids, ..things }
    }

    async fn ask(&self, server: &TestServer, method: Method, path: &str, body: &Value) -> Reply {
        asked(server, &self.key, method, path, body).await
    }

    /// All that the others could have changed.
    async fn all(&self, server: &TestServer) -> Vec<String> {
        let (project, org) = (&self.ids["project_id"], &self.ids["org_id"]);
        let mut all = Vec::new();
        for path in [
            format!("/projects/{project}/hydrate"),
            format!("/keys?projectId={project}"),
            format!("/orgs/{org}"),
            format!("/orgs/{org}/members"),
            format!("/orgs/{org}/invitations"),
            "/provider-keys".to_owned(),
            "/budgets".to_owned(),
            "/flow-runs?limit=100".to_owned(),
        ] {
            all.push(self.ask(server, Method::GET, &path, &Value::Null).await.text);
        }
        all
    }
}

/// An open invitation to the organisation, and a member of it.
async fn people(server: &TestServer, org_id: Uuid) -> (Uuid, Uuid) {
    let (store, now) = (server.store().await, OffsetDateTime::now_utc());
    let invite = |token_hash: String| InvitationRecord {
        id: Uuid::now_v7(),
        org_id,
        email: format!("{token_hash}@rival.test"),
        role: MemberRole::Member,
        token_hash,
        created_by: "test".to_owned(),
        created_at: now,
        expires_at: now + Duration::days(1),
    };
    let (open, used) = (invite(Uuid::now_v7().simple().to_string()), invite(Uuid::now_v7().simple().to_string()));
    let user = UserRecord {
        id: Uuid::now_v7(),
        email: used.email.clone(),
        name: "Eve".to_owned(),
        password_hash: "none".to_owned(),
        created_at: now,
    };
    for invitation in [&open, &used] {
        assert!(store.add_invitation(invitation, 100, now).await.expect("the store"));
    }
    store.accept_invitation(&used.token_hash, &user, now).await.expect("the store").expect("the invitation");
    store.close().await;
    (open.id, user.id)
}

async fn asked(server: &TestServer, credential: &str, method: Method, path: &str, body: &Value) -> Reply {
    let request = server.bare(method, path).header("authorization", format!("Bearer {credential}"));
    if body.is_null() { request.send().await } else { request.json(body).send().await }
}

/// A path with what is the caller's own, and one thing that is not.
fn path(template: &str, own: &Things, one: (&str, &str)) -> String {
    let filled = |part: &str| {
        let Some(name) = part.strip_prefix('{').and_then(|part| part.strip_suffix('}')) else { return part.to_owned() };
        let plain = PLAIN.iter().find(|(plain, _)| *plain == name).map(|(_, value)| (*value).to_owned());
        let value = if name == one.0 { Some(one.1.to_owned()) } else { plain.or_else(|| own.ids.get(name).cloned()) };
        value.unwrap_or_else(|| panic!("{template}: does `{name}` name something? Then put one among the things"))
    };
    template.split('/').map(filled).collect::<Vec<_>>().join("/")
}

/// What there is to try: method, path with `{name}` or `ID` where the foreign id goes, body, the name.
async fn tries(server: &TestServer, own: &Things) -> Vec<(Method, String, Value, String)> {
    let mut all = Vec::new();
    for route in guarded(server).await {
        let Route { method, template, .. } = &route;
        let parts = template.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
        for name in parts.filter(|name| PLAIN.iter().all(|(plain, _)| plain != name)) {
            let body = if *method == Method::GET { Value::Null } else { route.body(server) };
            all.push((method.clone(), path(template, own, (name, "ID")), body, name.to_owned()));
        }
    }
    assert!(all.len() > 60, "{}", all.len());
    for (method, template, body, name) in elsewhere() {
        all.push((method, path(template, own, ("", "")), body, name.to_owned()));
    }
    all
}

#[tokio::test]
async fn what_is_anothers_is_as_good_as_missing() {
    let server = TestServer::with(|config| config.master_key = master(ONE)).await;
    let ann: Person<'_> = owner(&server).await;
    let bob = ann.lets_in("bob@acme.test", "member").await;
    let (rival, rival_key) = server.other_project("rival", "demo").await;
    let (sister, sister_key) = server.other_project("acme", "sister").await;
    let own = Things::of(&server, &server.project, &server.key).await;
    let rival = Things::of(&server, &rival, &rival_key).await;
    let sister = Things::of(&server, &sister, &sister_key).await;
    let before = [rival.all(&server).await, sister.all(&server).await];
    for (method, template, body, name) in tries(&server, &own).await {
        // The owner reaches the sister project, a member does not.
        for (person, strangers) in [(&ann, vec![&rival]), (&bob, vec![&rival, &sister])] {
            let ask = async |id: &str| {
                let body =
                    serde_json::from_str(&body.to_string().replace("\"ID\"", &format!("\"{id}\""))).expect("JSON");
                asked(&server, &person.token, method.clone(), &template.replace("ID", id), &body).await
            };
            let nobodys = match name.as_str() {
                "key_id" => "zzzz9999".to_owned(),
                "version_id" => format!("{}.v1", Uuid::now_v7()),
                _ => Uuid::now_v7().to_string(),
            };
            let missing = ask(&nobodys).await;
            let at = format!("{method} {template} {name}");
            assert!(missing.status == 404 || missing.status == 403 || method == Method::GET, "{at}: {missing:?}");
            for stranger in strangers.iter().filter(|stranger| stranger.ids[&*name] != own.ids[&*name]) {
                let id = &stranger.ids[name.as_str()];
                let theirs = ask(id).await;
                let told = |reply: &Reply, id: &str| (reply.status, reply.text.replace(id, "ID"));
                assert_eq!(told(&theirs, id), told(&missing, &nobodys), "{at}");
            }
        }
    }
    assert_eq!([rival.all(&server).await, sister.all(&server).await], before);
}

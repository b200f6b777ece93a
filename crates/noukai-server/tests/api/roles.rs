//! Every guarded route x everybody who may knock: who is let in, and who is told that it is not for them.

use noukai_api::Scope;
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    common::{Reply, TestServer},
    people::{Person, owner},
};

/// Who asks, by what they hold.
const CALLERS: [&str; 6] = ["execute", "author", "admin", "member", "administrator", "owner"];

/// Whoever holds a key or signed in.
const ANYONE: &[&str] = &CALLERS;
/// Who may run flows: keys of that scope, and people of every role.
const EXECUTE: &[&str] = &["execute", "admin", "member", "administrator", "owner"];
/// Who may change flows.
const AUTHOR: &[&str] = &["author", "admin", "member", "administrator", "owner"];
/// Who may manage keys, projects and settings, and see who belongs to the organisation.
const ADMIN: &[&str] = &["admin", "administrator", "owner"];
/// Who signed in, whatever their role is.
const PEOPLE: &[&str] = &["member", "administrator", "owner"];
/// People alone who may change who belongs to the organisation.
const OWNER: &[&str] = &["owner"];

/// What each route takes, by the beginning of its path; the first that fits counts, so exceptions come first.
const RIGHTS: &[(&str, &str, &[&str])] = &[
    ("", "/seq/", EXECUTE),
    ("", "/flow-runs", EXECUTE),
    ("", "/queue", EXECUTE),
    ("", "/limits", ANYONE),
    ("", "/orgs/{org_id}/members/{user_id}", OWNER),
    ("GET", "/orgs/{org_id}/members", ADMIN),
    ("GET", "/orgs/{org_id}/invitations", ADMIN),
    ("", "/orgs/{org_id}/invitations", OWNER),
    ("GET", "/orgs", ANYONE),
    ("", "/orgs", ADMIN),
    ("GET", "/projects/{project_id}/hydrate", AUTHOR),
    ("GET", "/projects", ANYONE),
    ("", "/projects", ADMIN),
    ("", "/flows", AUTHOR),
    ("", "/object-models", AUTHOR),
    ("", "/test-runs", AUTHOR),
    ("GET", "/keys/verify", ANYONE),
    ("", "/keys", ADMIN),
    ("GET", "/me", ANYONE),
    // A key is told that it is no sign-in.
    ("DELETE", "/me/sign-in", ANYONE),
    ("", "/me", PEOPLE),
    ("", "/provider-keys", ADMIN),
    ("", "/usage", ANYONE),
    ("", "/budgets", ADMIN),
];

/// A route of the server's own document.
pub struct Route {
    pub method: Method,
    pub template: String,
    body: Option<Value>,
}

/// All that are guarded, with the first example of a body; what ends a sign-in comes last.
pub async fn guarded(server: &TestServer) -> Vec<Route> {
    let document = server.bare(Method::GET, "/openapi.json").send().await.ok();
    let mut routes = Vec::new();
    for (template, item) in document["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("operations") {
            if operation["security"] == json!([]) {
                continue;
            }
            let examples = &operation["requestBody"]["content"]["application/json"]["examples"];
            let body = examples.as_object().and_then(|all| all.values().next()).map(|one| one["value"].clone());
            let method = method.to_uppercase().parse().expect("a method");
            routes.push(Route { method, template: template.clone(), body });
        }
    }
    routes.sort_by_key(|route| route.template == "/me/sign-in");
    routes
}

impl Route {
    fn of(&self, server: &TestServer) -> String {
        let id = "01985f3e-6d0a-7c3b-9f4e-2b8d5a1c7e90";
        let own = [("{org}", "acme"), ("{project}", "demo"), ("{flow}", "echo"), ("{version}", "v0"), ("{seq}", "1")];
        let own = own.into_iter().chain([("{number}", "1"), ("{other}", "0"), ("{key_id}", "zzzz9999")]);
        let path = own.fold(self.template.clone(), |path, (name, value)| path.replace(name, value));
        let path = path.replace("{org_id}", &server.project.org_id.to_string());
        path.split('/').map(|part| if part.starts_with('{') { id } else { part }).collect::<Vec<_>>().join("/")
    }

    /// An example, of the project that there is.
    pub fn body(&self, server: &TestServer) -> Value {
        let mut body = self.body.clone().unwrap_or_else(|| json!({}));
        if let Some(project) = body.get_mut("project_id") {
            *project = json!(server.project.id);
        }
        body
    }

    /// Who may, as the table has it.
    fn rights(&self) -> &'static [&'static str] {
        let fits = |(method, path, _): &&(&str, &str, _)| {
            (method.is_empty() || *method == self.method.as_str()) && self.template.starts_with(path)
        };
        let found = RIGHTS.iter().find(fits);
        found.unwrap_or_else(|| panic!("who may {} {}? Say so in the table", self.method, self.template)).2
    }
}

async fn key(server: &TestServer, scopes: &[&str]) -> String {
    let body = json!({"project_id": server.project.id, "name": "one", "environment": "test", "scopes": scopes});
    server.post("/keys", &body).send().await.ok()["key"].as_str().expect("a key").to_owned()
}

fn is_forbidden(reply: &Reply) -> bool {
    reply.status == 403 && reply.json()["detail"]["code"] == "FORBIDDEN"
}

#[tokio::test]
async fn every_route_lets_in_whom_it_is_for() {
    let server = TestServer::start().await;
    let ann: Person<'_> = owner(&server).await;
    let (cat, bob) = (ann.lets_in("cat@acme.test", "admin").await, ann.lets_in("bob@acme.test", "member").await);
    let all: Vec<&str> = Scope::ALL.iter().map(|scope| scope.as_str()).collect();
    let held = [
        key(&server, &["execute"]).await,
        key(&server, &["author"]).await,
        key(&server, &all).await,
        bob.token.clone(),
        cat.token.clone(),
        ann.token.clone(),
    ];
    let mut wrong = Vec::new();
    for route in guarded(&server).await {
        let mut let_in = Vec::new();
        for (caller, credential) in CALLERS.iter().zip(&held) {
            let request = server.bare(route.method.clone(), &route.of(&server));
            let request = request.header("authorization", format!("Bearer {credential}"));
            let reply = if route.method == Method::GET { request } else { request.json(&route.body(&server)) };
            let reply = reply.send().await;
            let wrong_password = route.template == "/me/password" && reply.status == 401;
            assert!(reply.status != 401 || wrong_password, "{} {}: {}", route.method, route.template, reply.text);
            if !is_forbidden(&reply) {
                let_in.push(*caller);
            }
        }
        if let_in != route.rights() {
            wrong.push(format!("{} {}: {let_in:?}", route.method, route.template));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

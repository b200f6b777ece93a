//! The first start, signing in, members and invitations: who gets what, and who is kept out.

use reqwest::Method;
use serde_json::{Value, json};

use crate::common::{Reply, TestServer};

pub const PASSWORD: &str = "a long password of Ann's";

/// Somebody who signed in.
pub struct Person<'a> {
    server: &'a TestServer,
    pub token: String,
    pub id: String,
}

impl<'a> Person<'a> {
    pub fn of(server: &'a TestServer, signed_in: &Value) -> Self {
        let text = |value: &Value| value.as_str().expect("text").to_owned();
        Self { server, token: text(&signed_in["token"]), id: text(&signed_in["user"]["id"]) }
    }

    /// `{acme}` in the path stands for the organisation.
    pub async fn ask(&self, method: Method, path: &str, body: &Value) -> Reply {
        let path = path.replace("{acme}", &self.server.project.org_id.to_string());
        let request = self.server.bare(method, &path).header("authorization", format!("Bearer {}", self.token));
        request.json(body).send().await
    }

    async fn get(&self, path: &str) -> Reply {
        self.ask(Method::GET, path, &json!({})).await
    }

    /// Invites somebody, who accepts.
    pub async fn lets_in(&self, email: &str, role: &str) -> Person<'a> {
        let invited = self.ask(Method::POST, "/orgs/{acme}/invitations", &json!({"email": email, "role": role})).await;
        assert_eq!(invited.status, 201, "{}", invited.text);
        let accepted = accept(self.server, &invited.json()["token"], PASSWORD).await;
        assert_eq!(accepted.status, 201, "{}", accepted.text);
        Self::of(self.server, &accepted.json())
    }
}

fn set_up_body(token: &str) -> Value {
    json!({
        "token": token, "organization": "acme", "project": "demo", "email": "Ann@Acme.Test", "name": "Ann",
        "password": PASSWORD,
    })
}

async fn post(server: &TestServer, path: &str, body: &Value) -> Reply {
    server.bare(Method::POST, path).json(body).send().await
}

async fn accept(server: &TestServer, token: &Value, password: &str) -> Reply {
    post(server, "/invitations/accept", &json!({"token": token, "name": "Bob", "password": password})).await
}

/// The owner of a server's first account.
pub async fn owner(server: &TestServer) -> Person<'_> {
    let token = server.server.app().setup_token().await.expect("the store").expect("a token");
    let reply = post(server, "/setup", &set_up_body(&token)).await;
    assert_eq!(reply.status, 201, "{}", reply.text);
    Person::of(server, &reply.json()["signIn"])
}

async fn sign_in(server: &TestServer, email: &str, password: &str) -> Reply {
    post(server, "/sign-in", &json!({"email": email, "password": password})).await
}

#[tokio::test]
async fn a_setup_token_makes_one_account() {
    let server = TestServer::start().await;
    assert_eq!(server.server.app().first_setup_token().await.unwrap(), None, "there is a key, so somebody was here");
    let token = server.server.app().setup_token().await.unwrap().unwrap();
    let other = server.server.app().setup_token().await.unwrap().unwrap();
    for wrong in ["", "nku_", "null", &format!("{token}x"), &token.to_lowercase()] {
        post(&server, "/setup", &set_up_body(wrong)).await.refused(401, "UNAUTHENTICATED");
    }
    let short = json!({"password": "short", "organization": "A", "email": "nobody", "name": ""});
    let mut body = set_up_body(&token);
    body.as_object_mut().unwrap().extend(short.as_object().unwrap().clone());
    let refused = post(&server, "/setup", &body).await.refused(422, "VALIDATION_ERROR");
    assert_eq!(refused["errors"].as_array().unwrap().len(), 4, "{refused}");

    let made = post(&server, "/setup", &set_up_body(&token)).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let made = made.json();
    let key = made["key"].as_str().unwrap().to_owned();
    let verified = server.bare(Method::GET, "/keys/verify").header("authorization", format!("Bearer {key}"));
    assert_eq!(verified.send().await.ok()["scopes"], json!(["execute", "author", "admin"]));
    let ann = Person::of(&server, &made["signIn"]);
    let me = ann.get("/me").await.ok();
    assert_eq!((&me["user"]["email"], &me["role"]), (&json!("ann@acme.test"), &json!("owner")));
    assert_eq!(me["projectId"], json!(server.project.id), "what was there is taken over");
    for again in [token, other] {
        post(&server, "/setup", &set_up_body(&again)).await.refused(401, "UNAUTHENTICATED");
    }
    assert_eq!(server.server.app().setup_token().await.unwrap(), None);
}

#[tokio::test]
async fn a_sign_in_stands_for_a_person_until_it_ends() {
    let server = TestServer::start().await;
    let ann = owner(&server).await;
    let signed_in = sign_in(&server, " ann@ACME.test ", PASSWORD).await.ok();
    assert_eq!(signed_in["project"], "demo");
    let again = Person::of(&server, &signed_in);
    let run = again.ask(Method::POST, "/seq/acme/demo/echo/execute", &json!({"message": "x"})).await.ok();
    assert_eq!(run["status"], "completed");
    assert_eq!(again.get("/keys").await.status, 200, "an owner manages keys");
    again.ask(Method::POST, "/seq/rival/demo/echo/execute", &json!({})).await.refused(403, "FORBIDDEN");

    again.ask(Method::DELETE, "/me/sign-in", &json!({})).await.ok();
    again.get("/me").await.refused(401, "UNAUTHENTICATED");
    assert_eq!(ann.get("/me").await.status, 200, "only that one");
    server.request(Method::DELETE, "/me/sign-in").send().await.refused(400, "BAD_REQUEST");
    let elsewhere = json!({"email": "ann@acme.test", "password": PASSWORD, "project": "rival/demo"});
    post(&server, "/sign-in", &elsewhere).await.refused(403, "FORBIDDEN");
}

#[tokio::test]
async fn guesses_are_all_alike_and_few() {
    let server = TestServer::start().await;
    owner(&server).await;
    let wrong = sign_in(&server, "ann@acme.test", "not the password").await.refused(401, "UNAUTHENTICATED");
    let unknown = sign_in(&server, "eve@acme.test", "not the password").await.refused(401, "UNAUTHENTICATED");
    assert_eq!(wrong, unknown);
    for _ in 0..9 {
        sign_in(&server, "ann@acme.test", "guess").await.refused(401, "UNAUTHENTICATED");
    }
    let late = sign_in(&server, "ann@acme.test", PASSWORD).await;
    late.refused(429, "RATE_LIMITED");
    let wait: u64 = late.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=900).contains(&wait), "{wait}");
    sign_in(&server, "eve@acme.test", "guess").await.refused(401, "UNAUTHENTICATED");
}

#[tokio::test]
async fn a_new_password_ends_what_the_old_one_began() {
    let server = TestServer::start().await;
    let ann = owner(&server).await;
    let change = |current: &str, new: &str| json!({"current": current, "new": new});
    let path = "/me/password";
    ann.ask(Method::PUT, path, &change("wrong", "another long password")).await.refused(401, "UNAUTHENTICATED");
    ann.ask(Method::PUT, path, &change(PASSWORD, "short")).await.refused(422, "VALIDATION_ERROR");
    let by_key = server.request(Method::PUT, path).json(&change(PASSWORD, "another long password"));
    by_key.send().await.refused(403, "FORBIDDEN");
    ann.ask(Method::PUT, path, &change(PASSWORD, "another long password")).await.ok();
    ann.get("/me").await.refused(401, "UNAUTHENTICATED");
    sign_in(&server, "ann@acme.test", PASSWORD).await.refused(401, "UNAUTHENTICATED");
    sign_in(&server, "ann@acme.test", "another long password").await.ok();
}

#[tokio::test]
async fn roles_say_who_may_do_what() {
    let server = TestServer::start().await;
    let ann = owner(&server).await;
    let (bob, cat) = (ann.lets_in("bob@acme.test", "member").await, ann.lets_in("cat@acme.test", "admin").await);
    assert_eq!(bob.get("/me").await.ok()["scopes"], json!(["execute", "author"]));
    assert_eq!(cat.get("/me").await.ok()["scopes"], json!(["execute", "author", "admin"]));
    for path in ["/orgs/{acme}/members", "/orgs/{acme}/invitations", "/keys"] {
        bob.get(path).await.refused(403, "FORBIDDEN");
        cat.get(path).await.ok();
    }
    let members = ann.get("/orgs/{acme}/members").await.ok();
    let roles: Vec<_> = members["members"].as_array().unwrap().iter().map(|member| member["role"].clone()).collect();
    assert_eq!(roles, ["owner", "member", "admin"]);

    let of = |id: &str| format!("/orgs/{{acme}}/members/{id}");
    let admin = json!({"role": "admin"});
    for other in [&bob, &cat] {
        other.ask(Method::PUT, &of(&other.id), &json!({"role": "owner"})).await.refused(403, "FORBIDDEN");
        other.ask(Method::DELETE, &of(&ann.id), &json!({})).await.refused(403, "FORBIDDEN");
        let invite = json!({"email": "eve@acme.test", "role": "owner"});
        other.ask(Method::POST, "/orgs/{acme}/invitations", &invite).await.refused(403, "FORBIDDEN");
    }
    // A key is nobody, whatever its scopes.
    let path = of(&bob.id).replace("{acme}", &server.project.org_id.to_string());
    server.request(Method::PUT, &path).json(&admin).send().await.refused(403, "FORBIDDEN");
    ann.ask(Method::PUT, &of(&bob.id), &admin).await.ok();
    assert_eq!(bob.get("/me").await.ok()["role"], "admin", "at once");
    ann.ask(Method::PUT, &of(&bob.id), &json!({"role": "king"})).await.refused(422, "VALIDATION_ERROR");
    ann.ask(Method::PUT, &of("nobody"), &admin).await.refused(404, "MEMBER_NOT_FOUND");
    ann.ask(Method::PUT, &of(&ann.id), &admin).await.refused(409, "CONFLICT");
    ann.ask(Method::DELETE, &of(&ann.id), &json!({})).await.refused(409, "CONFLICT");
    ann.ask(Method::DELETE, &of(&bob.id), &json!({})).await.ok();
    bob.get("/me").await.refused(401, "UNAUTHENTICATED");
    sign_in(&server, "bob@acme.test", PASSWORD).await.refused(403, "FORBIDDEN");
}

#[tokio::test]
async fn an_invitation_is_for_one_person_once() {
    let server = TestServer::start().await;
    let ann = owner(&server).await;
    let invite = |email: &str| json!({"email": email, "role": "member"});
    ann.ask(Method::POST, "/orgs/{acme}/invitations", &invite("nobody")).await.refused(422, "VALIDATION_ERROR");
    let first = ann.ask(Method::POST, "/orgs/{acme}/invitations", &invite("bob@acme.test")).await.json();
    let second = ann.ask(Method::POST, "/orgs/{acme}/invitations", &invite("bob@acme.test")).await.json();
    let list = ann.get("/orgs/{acme}/invitations").await;
    assert!(!list.text.contains(second["token"].as_str().unwrap()), "a list shows a token");
    assert_eq!(list.ok()["invitations"].as_array().unwrap().len(), 1);
    for wrong in [&first["token"], &json!(""), &json!("nki_"), &json!("' OR 1=1 --")] {
        accept(&server, wrong, PASSWORD).await.refused(404, "INVITATION_NOT_FOUND");
    }
    accept(&server, &second["token"], "short").await.refused(422, "VALIDATION_ERROR");
    assert_eq!(accept(&server, &second["token"], PASSWORD).await.status, 201);
    accept(&server, &second["token"], PASSWORD).await.refused(404, "INVITATION_NOT_FOUND");

    // Who has an account shows that it is theirs.
    let again = ann.ask(Method::POST, "/orgs/{acme}/invitations", &invite("bob@acme.test")).await.json();
    accept(&server, &again["token"], "not Bob's password").await.refused(401, "UNAUTHENTICATED");
    let gone = format!("/orgs/{{acme}}/invitations/{}", again["id"].as_str().unwrap());
    ann.ask(Method::DELETE, &gone, &json!({})).await.ok();
    ann.ask(Method::DELETE, &gone, &json!({})).await.refused(404, "INVITATION_NOT_FOUND");
    accept(&server, &again["token"], PASSWORD).await.refused(404, "INVITATION_NOT_FOUND");
}

#[tokio::test]
async fn organisations_are_strangers() {
    let server = TestServer::start().await;
    let ann = owner(&server).await;
    let (rival, _) = server.other_project("rival", "demo").await;
    let (rival, none) = (rival.org_id.to_string(), uuid::Uuid::nil().to_string());
    for org in [rival.as_str(), &none, "acme", "nonsense"] {
        for path in ["members", "invitations"] {
            ann.get(&format!("/orgs/{org}/{path}")).await.refused(404, "ORGANIZATION_NOT_FOUND");
        }
        let path = format!("/orgs/{org}/members/{}", ann.id);
        ann.ask(Method::DELETE, &path, &json!({})).await.refused(404, "ORGANIZATION_NOT_FOUND");
    }
}

#[tokio::test]
async fn nothing_that_is_stored_or_logged_holds_a_secret() {
    let server = TestServer::start().await;
    let ann = owner(&server).await;
    let invite = json!({"email": "bob@acme.test", "role": "member"});
    let invited = ann.ask(Method::POST, "/orgs/{acme}/invitations", &invite).await.json();
    let secrets = [PASSWORD, &ann.token, invited["token"].as_str().unwrap()];
    for entry in std::fs::read_dir(server.dir.path()).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap_or_default();
        for secret in secrets {
            assert!(!bytes.windows(secret.len()).any(|window| window == secret.as_bytes()));
        }
    }
}

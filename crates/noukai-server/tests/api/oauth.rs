//! Programs that ask people: registration, consent page, codes, tokens, and what each refuses.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use reqwest::{Client, Method, Response, StatusCode, header::LOCATION, redirect::Policy};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use url::Url;

use crate::{
    common::TestServer,
    people::{PASSWORD, owner},
};

const BACK: &str = "http://127.0.0.1:7777/callback";
const VERIFIER: &str = "dBjftJeZ4CVP-mBcf0MtZ3sB0-4Q2bq-9V4cZpJ1eXo";

/// A browser and a program, in one.
struct Program<'a> {
    server: &'a TestServer,
    http: Client,
    id: String,
}

impl<'a> Program<'a> {
    async fn registered(server: &'a TestServer) -> Self {
        let http = Client::builder().redirect(Policy::none()).build().expect("a client");
        let mut program = Self { server, http, id: String::new() };
        let made = program.register(&json!({"client_name": "<b>An assistant</b>", "redirect_uris": [BACK]})).await;
        assert_eq!(made.status(), 201);
        let made: Value = made.json().await.expect("JSON");
        assert_eq!((&made["token_endpoint_auth_method"], made.get("client_secret")), (&json!("none"), None));
        program.id = made["client_id"].as_str().expect("an id").to_owned();
        program
    }

    fn url(&self, path: &str) -> String {
        format!("{}/api/v1{path}", self.server.server.url())
    }

    async fn register(&self, body: &Value) -> Response {
        self.http.post(self.url("/oauth/register")).json(body).send().await.expect("a reply")
    }

    fn challenge() -> String {
        URL_SAFE_NO_PAD.encode(Sha256::digest(VERIFIER))
    }

    /// The usual question, with some of it changed.
    fn query(&self, change: &[(&str, &str)]) -> String {
        let challenge = Self::challenge();
        let usual = [
            ("response_type", "code"),
            ("client_id", &self.id),
            ("redirect_uri", BACK),
            ("state", "s&t=1"),
            ("scope", "execute author"),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
        ];
        let kept = usual.iter().filter(|(name, _)| !change.iter().any(|(other, _)| other == name));
        let changed = change.iter().filter(|(_, value)| !value.is_empty());
        url::form_urlencoded::Serializer::new(String::new()).extend_pairs(kept.chain(changed)).finish()
    }

    async fn authorize(&self, query: &str, cookie: &str) -> Response {
        let request = self.http.get(self.url(&format!("/oauth/authorize?{query}"))).header("cookie", cookie);
        request.send().await.expect("a reply")
    }

    async fn form(&self, path: &str, origin: &str, cookie: &str, fields: &[(&str, &str)]) -> Response {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let request = self.http.post(self.url(path)).header("content-type", "application/x-www-form-urlencoded");
        request.header("origin", origin).header("cookie", cookie).body(body).send().await.expect("a reply")
    }

    fn origin(&self) -> String {
        self.server.server.url()
    }

    /// Signs in at the page; the cookie.
    async fn cookie(&self, query: &str) -> String {
        let fields = [("query", query), ("email", "ann@acme.test"), ("password", PASSWORD)];
        let reply = self.form("/oauth/sign-in", &self.origin(), "", &fields).await;
        assert_eq!(reply.status(), StatusCode::SEE_OTHER);
        let cookie = reply.headers()["set-cookie"].to_str().expect("text").to_owned();
        assert!(cookie.contains("HttpOnly; SameSite=Lax"), "{cookie}");
        cookie.split(';').next().expect("a pair").to_owned()
    }

    /// Where the program is called back with what.
    async fn decide(&self, query: &str, decision: &str) -> Vec<(String, String)> {
        let cookie = self.cookie(query).await;
        let page = self.authorize(query, &cookie).await.text().await.expect("a page");
        let csrf = between(&page, "name=csrf value=\"", "\"");
        let project = between(&page, "<option value=\"", "\"");
        let fields = [("query", query), ("csrf", csrf), ("project", project), ("decision", decision)];
        called_back(&self.form("/oauth/consent", &self.origin(), &cookie, &fields).await)
    }

    async fn code(&self) -> String {
        let back = self.decide(&self.query(&[]), "allow").await;
        assert_eq!(value(&back, "state"), Some("s&t=1"));
        assert_eq!(value(&back, "iss"), Some(self.origin().as_str()));
        value(&back, "code").expect("a code").to_owned()
    }

    async fn exchange(&self, code: &str, change: &[(&str, &str)]) -> Response {
        let usual = [
            ("grant_type", "authorization_code"),
            ("client_id", &self.id),
            ("code", code),
            ("redirect_uri", BACK),
            ("code_verifier", VERIFIER),
        ];
        let kept = usual.iter().filter(|(name, _)| !change.iter().any(|(other, _)| other == name));
        let fields: Vec<_> = kept.chain(change).copied().collect();
        self.form("/oauth/token", "", "", &fields).await
    }

    async fn refresh(&self, token: &str) -> Response {
        let fields = [("grant_type", "refresh_token"), ("client_id", &self.id), ("refresh_token", token)];
        self.form("/oauth/token", "", "", &fields).await
    }

    async fn tokens(&self, change: &[(&str, &str)]) -> Value {
        let back = self.decide(&self.query(change), "allow").await;
        let reply = self.exchange(value(&back, "code").expect("a code"), &[]).await;
        assert_eq!(reply.status(), 200);
        reply.json().await.expect("JSON")
    }

    /// How the API takes a token.
    async fn api(&self, token: &Value) -> u16 {
        let bearer = format!("Bearer {}", token.as_str().expect("a token"));
        self.http.get(self.url("/me")).header("authorization", bearer).send().await.expect("a reply").status().as_u16()
    }

    /// The usual for the API instead of the MCP server.
    fn for_the_api(&self) -> String {
        self.url("")
    }
}

fn between<'t>(text: &'t str, before: &str, after: &str) -> &'t str {
    let (_, rest) = text.split_once(before).unwrap_or_else(|| panic!("no {before} in {text}"));
    rest.split_once(after).expect("an end").0
}

fn called_back(reply: &Response) -> Vec<(String, String)> {
    assert_eq!(reply.status(), StatusCode::SEE_OTHER);
    let url = Url::parse(reply.headers()[LOCATION].to_str().expect("text")).expect("an address");
    assert!(url.as_str().starts_with(BACK), "{url}");
    url.query_pairs().into_owned().collect()
}

fn value<'v>(pairs: &'v [(String, String)], name: &str) -> Option<&'v str> {
    pairs.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
}

async fn error_of(reply: Response, status: u16) -> String {
    assert_eq!(reply.status(), status);
    let body: Value = reply.json().await.expect("JSON");
    assert!(!body["error_description"].as_str().unwrap_or_default().is_empty(), "{body}");
    body["error"].as_str().expect("a code").to_owned()
}

#[tokio::test]
async fn programs_find_their_way() {
    let server = TestServer::start().await;
    let http = Client::new();
    let get = async |path: &str| {
        let reply = http.get(format!("{}{path}", server.server.url())).send().await.expect("a reply");
        assert_eq!(reply.status(), 200, "{path}");
        reply.json::<Value>().await.expect("JSON")
    };
    let base = server.server.url();
    for path in ["/.well-known/oauth-protected-resource", "/.well-known/oauth-protected-resource/api/v1/mcp"] {
        let resource = get(path).await;
        assert_eq!(resource["resource"], format!("{base}/api/v1/mcp"));
        assert_eq!(resource["authorization_servers"], json!([base]));
    }
    let metadata = get("/.well-known/oauth-authorization-server").await;
    assert_eq!((&metadata["issuer"], &metadata["code_challenge_methods_supported"]), (&json!(base), &json!(["S256"])));
    assert_eq!(metadata["registration_endpoint"], format!("{base}/api/v1/oauth/register"));
    let spoofed = http.get(format!("{base}/.well-known/oauth-authorization-server")).header("host", "evil.test");
    assert_eq!(spoofed.send().await.expect("a reply").status(), 404, "nobody else says what the server is called");
}

#[tokio::test]
async fn a_configured_address_wins_over_what_callers_say() {
    let server = TestServer::with(|config| config.public_url = Some("https://noukai.test".to_owned())).await;
    let reply = Client::new().get(format!("{}/.well-known/oauth-authorization-server", server.server.url()));
    let metadata: Value = reply.header("host", "evil.test").send().await.unwrap().json().await.unwrap();
    assert_eq!(metadata["token_endpoint"], "https://noukai.test/api/v1/oauth/token");
}

#[tokio::test]
async fn a_person_lets_a_program_in() {
    let server = TestServer::start().await;
    owner(&server).await;
    let program = Program::registered(&server).await;
    let page = program.authorize(&program.query(&[]), "").await;
    let policy = page.headers()["content-security-policy"].to_str().unwrap().to_owned();
    assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{policy}");
    let page = page.text().await.unwrap();
    assert!(page.contains("&lt;b&gt;An assistant") && !page.contains("<b>An assistant"), "{page}");

    let tokens = program.tokens(&[("resource", &program.for_the_api())]).await;
    assert_eq!((&tokens["token_type"], &tokens["scope"]), (&json!("Bearer"), &json!("execute author")));
    assert_eq!(program.api(&tokens["access_token"]).await, 200);
    assert_eq!(program.api(&tokens["refresh_token"]).await, 401, "a refresh token is no key");
    let denied = program.decide(&program.query(&[]), "deny").await;
    assert_eq!((value(&denied, "error"), value(&denied, "code")), (Some("access_denied"), None));
}

#[tokio::test]
async fn a_token_is_good_for_what_it_was_granted_for() {
    let server = TestServer::start().await;
    owner(&server).await;
    let program = Program::registered(&server).await;
    let tokens = program.tokens(&[("scope", "execute")]).await;
    assert_eq!(tokens["scope"], "execute");
    assert_eq!(program.api(&tokens["access_token"]).await, 401, "it was granted for the MCP server");
    let code = program.code().await;
    let reply = program.exchange(&code, &[("resource", &program.for_the_api())]).await;
    assert_eq!(error_of(reply, 400).await, "invalid_target");
}

#[tokio::test]
async fn what_a_program_asks_for_is_checked_before_anybody_is_asked() {
    let server = TestServer::start().await;
    owner(&server).await;
    let program = Program::registered(&server).await;
    // Where it is not sure that the address is the program's, nobody is sent there.
    for change in [
        &[("client_id", "nobody")][..],
        &[("client_id", "")],
        &[("redirect_uri", "https://evil.test/")],
        &[("redirect_uri", "http://127.0.0.1:7777/callback/../evil")],
        &[("redirect_uri", "http://localhost:7777/callback")],
        &[("redirect_uri", BACK), ("redirect_uri", "https://evil.test/")],
    ] {
        let query = program.query(change);
        let reply = program.authorize(&query, "").await;
        let is_refused = reply.status() == 400 && reply.headers().get(LOCATION).is_none();
        // With none named there is one that is registered, and it is the program's.
        assert!(is_refused || change.len() == 2, "{change:?}");
        assert!(!reply.text().await.unwrap().contains("name=password") || change.len() == 2, "{change:?}");
    }
    let other_port = program.query(&[("redirect_uri", "http://127.0.0.1:9999/callback")]);
    assert_eq!(program.authorize(&other_port, "").await.status(), 200, "a loopback port is free");
    for (change, error) in [
        (("response_type", "token"), "unsupported_response_type"),
        (("code_challenge_method", "plain"), "invalid_request"),
        (("code_challenge_method", ""), "invalid_request"),
        (("code_challenge", ""), "invalid_request"),
        (("scope", "openid"), "invalid_scope"),
        (("resource", "https://evil.test/mcp"), "invalid_target"),
    ] {
        let back = called_back(&program.authorize(&program.query(&[change]), "").await);
        assert_eq!((value(&back, "error"), value(&back, "state")), (Some(error), Some("s&t=1")), "{change:?}");
    }
}

#[tokio::test]
async fn forms_of_other_sites_are_refused() {
    let server = TestServer::start().await;
    owner(&server).await;
    let program = Program::registered(&server).await;
    let query = program.query(&[]);
    let cookie = program.cookie(&query).await;
    let page = program.authorize(&query, &cookie).await.text().await.unwrap();
    let (csrf, project) = (between(&page, "name=csrf value=\"", "\""), between(&page, "<option value=\"", "\""));
    let sign_in = [("query", query.as_str()), ("email", "ann@acme.test"), ("password", PASSWORD)];
    for origin in ["https://evil.test", "null", "", "http://localhost:1"] {
        let reply = program.form("/oauth/sign-in", origin, "", &sign_in).await;
        assert_eq!(reply.status(), 403, "{origin}");
        let fields = [("query", query.as_str()), ("csrf", csrf), ("project", project), ("decision", "allow")];
        assert_eq!(program.form("/oauth/consent", origin, &cookie, &fields).await.status(), 403, "{origin}");
    }
    for csrf in ["", "0", &"f".repeat(64)] {
        let fields = [("query", query.as_str()), ("csrf", csrf), ("project", project), ("decision", "allow")];
        let reply = program.form("/oauth/consent", &program.origin(), &cookie, &fields).await;
        assert_eq!(reply.status(), 403, "{csrf}");
    }
    let (rival, _) = server.other_project("rival", "demo").await;
    let rival = rival.id.to_string();
    for project in [rival.as_str(), "", "nonsense"] {
        let fields = [("query", query.as_str()), ("csrf", csrf), ("project", project), ("decision", "allow")];
        let back = called_back(&program.form("/oauth/consent", &program.origin(), &cookie, &fields).await);
        assert_eq!((value(&back, "error"), value(&back, "code")), (Some("access_denied"), None), "{project}");
    }
    let wrong = [("query", query.as_str()), ("email", "ann@acme.test"), ("password", "wrong")];
    let reply = program.form("/oauth/sign-in", &program.origin(), "", &wrong).await;
    assert!(reply.status() == 403 && reply.headers().get("set-cookie").is_none());
    let bearer = format!("Bearer {}", cookie.split_once('=').unwrap().1);
    let used = server.bare(Method::GET, "/me").header("authorization", bearer).send().await;
    used.refused(401, "UNAUTHENTICATED");
}

#[tokio::test]
async fn a_code_is_good_once_and_only_for_who_asked() {
    let server = TestServer::start().await;
    owner(&server).await;
    let program = Program::registered(&server).await;
    let other = Program::registered(&server).await;
    for change in [
        ("code_verifier", "dBjftJeZ4CVP-mBcf0MtZ3sB0-4Q2bq-9V4cZpJ1eXX"),
        ("code_verifier", "short"),
        ("redirect_uri", "https://evil.test/"),
        ("client_id", other.id.as_str()),
    ] {
        let code = program.code().await;
        assert_eq!(error_of(program.exchange(&code, &[change]).await, 400).await, "invalid_grant", "{change:?}");
        let again = program.exchange(&code, &[]).await;
        assert_eq!(error_of(again, 400).await, "invalid_grant", "a wrong use is a use");
    }
    let code = program.code().await;
    let tokens: Value = program.exchange(&code, &[]).await.json().await.unwrap();
    assert_eq!(error_of(program.exchange(&code, &[]).await, 400).await, "invalid_grant");
    let refreshed = program.refresh(tokens["refresh_token"].as_str().unwrap()).await;
    assert_eq!(error_of(refreshed, 400).await, "invalid_grant", "a second use voids what came of the first");
    for fields in [&[("grant_type", "password")][..], &[]] {
        let reply = program.form("/oauth/token", "", "", fields).await;
        assert_eq!(error_of(reply, 400).await, "unsupported_grant_type");
    }
    let reply = program.exchange("nkc_none", &[("code_verifier", "")]).await;
    assert_eq!(error_of(reply, 400).await, "invalid_request");
}

#[tokio::test]
async fn refresh_tokens_are_replaced_and_a_thief_is_noticed() {
    let server = TestServer::start().await;
    owner(&server).await;
    let program = Program::registered(&server).await;
    let first = program.tokens(&[("resource", &program.for_the_api())]).await;
    let old = first["refresh_token"].as_str().unwrap();
    let second: Value = program.refresh(old).await.json().await.unwrap();
    assert_eq!(program.api(&second["access_token"]).await, 200);
    assert_eq!(error_of(program.refresh(old).await, 400).await, "invalid_grant");
    assert_eq!(program.api(&second["access_token"]).await, 401, "everything that came of the grant is void");
    assert_eq!(program.api(&first["access_token"]).await, 401);
}

#[tokio::test]
async fn tokens_are_given_back() {
    let server = TestServer::start().await;
    let ann = owner(&server).await;
    let program = Program::registered(&server).await;
    let other = Program::registered(&server).await;
    let tokens = program.tokens(&[("resource", &program.for_the_api())]).await;
    let refresh = tokens["refresh_token"].as_str().unwrap();
    for (who, token) in [(&other, refresh), (&program, "nkr_none")] {
        let reply = who.form("/oauth/revoke", "", "", &[("client_id", &who.id), ("token", token)]).await;
        assert_eq!(reply.status(), 200, "nobody learns whether there was one");
    }
    assert_eq!(program.api(&tokens["access_token"]).await, 200);
    program.form("/oauth/revoke", "", "", &[("client_id", &program.id), ("token", refresh)]).await;
    assert_eq!(program.api(&tokens["access_token"]).await, 401);

    let tokens = program.tokens(&[("resource", &program.for_the_api())]).await;
    let new = json!({"current": PASSWORD, "new": "another long password"});
    ann.ask(Method::PUT, "/me/password", &new).await.ok();
    assert_eq!(program.api(&tokens["access_token"]).await, 401, "a new password ends it too");
}

#[tokio::test]
async fn only_sane_clients_are_registered() {
    let server = TestServer::start().await;
    let program = Program::registered(&server).await;
    for (body, error) in [
        (json!({}), "invalid_redirect_uri"),
        (json!({"redirect_uris": []}), "invalid_redirect_uri"),
        (json!({"redirect_uris": ["javascript:alert(1)"]}), "invalid_redirect_uri"),
        (json!({"redirect_uris": ["http://evil.test/"]}), "invalid_redirect_uri"),
        (json!({"redirect_uris": vec![BACK; 11]}), "invalid_redirect_uri"),
        (json!({"redirect_uris": BACK}), "invalid_client_metadata"),
        (json!({"redirect_uris": [BACK], "client_name": "x".repeat(101)}), "invalid_client_metadata"),
        (json!({"redirect_uris": [BACK], "grant_types": ["client_credentials"]}), "invalid_client_metadata"),
        (json!({"redirect_uris": [BACK], "client_name": "x".repeat(40_000)}), "invalid_client_metadata"),
    ] {
        assert_eq!(error_of(program.register(&body).await, 400).await, error, "{body}");
    }
}

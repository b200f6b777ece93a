//! Examples of keys, people and budgets.

use serde_json::{Value, json};

use super::FLOW;

const PROJECT: &str = "01985f3d-0b11-7c02-9a6e-51d0c2b7f3aa";
const ORGANISATION: &str = "01985f3d-2f40-7b65-8d02-3c9e7a1b5d48";
const PERSON: &str = "01985f3c-77a0-7d19-9b3f-6a2c4e8d0b57";
const AT: &str = "2026-03-01T09:30:00.000000Z";

/// Examples of a handler's request bodies.
pub(super) fn requests(handler: &str) -> Vec<(&'static str, Value)> {
    match handler {
        "keys::create" => vec![
            (
                "to run flows",
                json!({"project_id": PROJECT, "name": "CI", "environment": "test", "expires_at": "2030-01-01T00:00:00Z"}),
            ),
            (
                "to author them, too",
                json!({"project_id": PROJECT, "name": "assistant", "environment": "live", "scopes": ["execute", "author"]}),
            ),
        ],
        "members::set_up" => vec![(
            "first start",
            json!({
                "token": "nku_...", "organization": "acme", "project": "demo", "email": "ann@acme.example",
                "name": "Ann", "password": "a long password of one's own",
            }),
        )],
        "members::sign_in" => vec![(
            "a project",
            json!({"email": "ann@acme.example", "password": "a long password", "project": "acme/demo"}),
        )],
        "members::invite" => vec![("a member", json!({"email": "bob@acme.example", "role": "member"}))],
        "members::change" => vec![("an admin", json!({"role": "admin"}))],
        "members::accept" => {
            vec![("a new account", json!({"token": "nki_...", "name": "Bob", "password": "another long password"}))]
        }
        "budgets::set" => vec![
            ("dollars of a project", json!({"scope": "project", "period": "month", "unit": "usd", "limit": "25.50"})),
            (
                "tokens of a flow",
                json!({"scope": "flow", "flow": "triage", "period": "day", "unit": "tokens", "limit": "100000"}),
            ),
        ],
        "members::change_password" => {
            vec![("both", json!({"current": "a long password", "new": "an even longer password"}))]
        }
        _ => Vec::new(),
    }
}

/// Examples of a handler's replies.
pub(super) fn replies(handler: &str) -> Vec<(&'static str, Value)> {
    match handler {
        "keys::create" => {
            let mut created = key();
            created["key"] = json!("nk_test_k3jd82ms_...");
            vec![("shown this once", created)]
        }
        "keys::list" => vec![("page", json!({"keys": [key()], "next_cursor": "k3jd82ms"}))],
        "keys::verify" => vec![(
            "valid",
            json!({
                "key_id": "k3jd82ms", "project_id": PROJECT, "project": "demo", "organization_id": ORGANISATION,
                "organization": "acme", "environment": "test", "scopes": ["execute"],
            }),
        )],
        "keys::revoke" => vec![("revoked", json!({"key_id": "k3jd82ms", "revoked_at": AT}))],
        "members::set_up" => {
            vec![("the owner, and a first key", json!({"signIn": signed_in("owner"), "key": "nk_live_k3jd82ms_..."}))]
        }
        "members::sign_in" => vec![("signed in", signed_in("admin"))],
        "members::accept" => vec![("signed in", signed_in("member"))],
        "members::me" => vec![("a person", me("admin"))],
        "members::list" => vec![("page", json!({"members": [member()], "nextCursor": "YW5uQGFjbWUuZXhhbXBsZQ"}))],
        "members::change" => vec![("changed", member())],
        "members::invite" => {
            let mut created = invitation();
            created["token"] = json!("nki_...");
            vec![("shown this once", created)]
        }
        "members::invitations" => vec![("one", json!({"invitations": [invitation()]}))],
        "budgets::set" => vec![("as it stands", budget())],
        "budgets::list" => vec![("one", json!({"budgets": [budget()]}))],
        "budgets::remove" => vec![("removed", json!({"id": FLOW}))],
        "members::sign_out" | "members::change_password" | "members::remove" | "members::withdraw" => {
            vec![("done", json!({"done": true}))]
        }
        _ => Vec::new(),
    }
}

fn key() -> Value {
    json!({
        "key_id": "k3jd82ms", "project_id": PROJECT, "organization_id": ORGANISATION, "environment": "test",
        "name": "CI", "scopes": ["execute"], "created_at": AT, "created_by": PERSON,
        "expires_at": "2030-01-01T00:00:00.000000Z",
    })
}

fn budget() -> Value {
    json!({
        "id": FLOW, "scope": "project", "project": "demo", "period": "month", "unit": "usd", "limit": "25.50",
        "warnPercent": 80, "spent": "3.20", "remaining": "22.30", "state": "ok",
        "resetsAt": "2026-04-01T00:00:00.000000Z", "createdAt": AT, "updatedAt": AT, "updatedBy": "k3jd82ms",
    })
}

fn user() -> Value {
    json!({"id": PERSON, "email": "ann@acme.example", "name": "Ann"})
}

fn me(role: &str) -> Value {
    let scopes = if role == "member" { json!(["execute", "author"]) } else { json!(["execute", "author", "admin"]) };
    json!({
        "user": user(), "role": role, "organization": "acme", "organizationId": ORGANISATION, "project": "demo",
        "projectId": PROJECT, "scopes": scopes,
    })
}

fn signed_in(role: &str) -> Value {
    let mut signed_in = me(role);
    signed_in["token"] = json!("nks_...");
    signed_in["expiresAt"] = json!("2026-03-01T21:30:00.000000Z");
    signed_in
}

fn member() -> Value {
    json!({"user": user(), "role": "admin", "since": AT})
}

fn invitation() -> Value {
    json!({
        "id": FLOW, "email": "bob@acme.example", "role": "member", "createdBy": PERSON, "createdAt": AT,
        "expiresAt": "2026-03-08T09:30:00.000000Z",
    })
}

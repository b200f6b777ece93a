//! Examples of how flows come to be.

use serde_json::{Value, json};

use super::FLOW;

const PROJECT: &str = "01985f3d-0b11-7c02-9a6e-51d0c2b7f3aa";
const MODEL: &str = "01985f3d-2f40-7b65-8d02-3c9e7a1b5d48";
const CHECKPOINT: &str = "01985f3e-5c88-7f21-a0d4-8b6e2c9f1d35";
const AT: &str = "2026-03-01T09:30:00.000000Z";

/// Examples of a handler's request bodies.
pub(super) fn requests(handler: &str) -> Vec<(&'static str, Value)> {
    match handler {
        "orgs::update" => vec![("capture", json!({"trace_capture": "redacted"}))],
        "orgs::create_project" => vec![("project", json!({"slug": "mail", "name": "Mail", "flows_as_tools": true}))],
        "orgs::update_project" => vec![("tools", json!({"flows_as_tools": false}))],
        "flows::create" => vec![
            ("empty", json!({"slug": "support-triage", "name": "Support triage"})),
            ("document", json!({"document": document()})),
        ],
        "flows::update" => vec![("rename", json!({"slug": "triage", "name": "Triage"}))],
        "flows::put_document" => vec![("document", document())],
        "flows::apply" => vec![(
            "two",
            json!({"revision": 3, "operations": [
                {"op": "add_block", "name": "Reply", "processor_type": "llm", "prompt": "Answer {{ label }}"},
                {"op": "update_block_model", "step_id": "classify", "model": "openai/gpt-4o-mini"},
            ]}),
        )],
        "flows::undo" | "checkpoints::restore" => vec![("on revision", json!({"revision": 4}))],
        "versions::publish" => {
            vec![("note", json!({"note": "Shorter replies", "revision": 4, "tests": {"all": true}}))]
        }
        "versions::deprecate" => vec![("deprecate", json!({"deprecated": true, "note": "labels were wrong"}))],
        "versions::set_production" => {
            vec![("by number", json!({"version": 3})), ("by id", json!({"version_id": format!("{FLOW}.v3")}))]
        }
        "checkpoints::create" => vec![("before", json!({"step_id": "classify", "note": "before the new prompt"}))],
        "models::create" => vec![(
            "fields",
            json!({"name": "Invoice", "fields": [
                {"name": "number", "type": "string", "description": "As printed"},
                {"name": "total", "type": "number"},
            ]}),
        )],
        "models::update" => vec![("fields", json!({"fields": [{"name": "number", "type": "string"}]}))],
        _ => Vec::new(),
    }
}

/// Examples of a handler's replies.
pub(super) fn replies(handler: &str) -> Vec<(&'static str, Value)> {
    let subject = handler.split("::").next().unwrap_or_default();
    match subject {
        "orgs" => of_orgs(handler),
        "flows" => of_flows(handler),
        "versions" => of_versions(handler),
        _ => of_others(handler),
    }
}

fn of_orgs(handler: &str) -> Vec<(&'static str, Value)> {
    match handler {
        "orgs::list" => vec![("one", json!({"organizations": [organisation()]}))],
        "orgs::get" | "orgs::update" => vec![("organisation", organisation())],
        "orgs::projects" => vec![("page", json!({"projects": [project()], "next_cursor": "mail"}))],
        "orgs::project" | "orgs::create_project" | "orgs::update_project" => vec![("project", project())],
        "orgs::hydrate" => {
            let mut all = draft();
            all["blocks"] = json!([{
                "step_id": "classify", "name": "Classify", "processor_type": "llm",
                "prompt": "Label this mail: {{ initial.message }}",
            }]);
            all["checkpoints"] = json!([checkpoint()]);
            all["versions"] = json!([version()]);
            all["test_cases"] = json!([super::test_cases::case()]);
            vec![("page", json!({"project": project(), "flows": [all], "object_models": [model()]}))]
        }
        _ => Vec::new(),
    }
}

fn of_flows(handler: &str) -> Vec<(&'static str, Value)> {
    match handler {
        "flows::list" => vec![("page", json!({"flows": [flow()], "next_cursor": "support-triage"}))],
        "flows::get" | "flows::create" => vec![("draft", draft())],
        "flows::document" => vec![("document", document())],
        "flows::apply" | "flows::put_document" | "flows::update" => vec![("changed", change(line()))],
        "flows::undo" => {
            let mut undone = line();
            undone["seq"] = json!(8);
            undone["undoes"] = json!(7);
            vec![("undone", change(undone))]
        }
        "flows::delete" => vec![("deleted", json!({"id": FLOW, "deleted": true}))],
        "flows::log" => vec![("page", json!({"operations": [line()], "next_cursor": "7"}))],
        "flows::problems" => vec![(
            "problem",
            json!({"flow_id": FLOW, "revision": 4, "publishable": false, "problems": [{
                "path": "steps[0].llm", "code": "MISSING_KEY", "severity": "error",
                "message": "`prompt` is missing; say what the model is asked, such as `\"{{ message }}\"`",
            }]}),
        )],
        _ => Vec::new(),
    }
}

fn of_versions(handler: &str) -> Vec<(&'static str, Value)> {
    match handler {
        "versions::list" => vec![("page", json!({"versions": [version()], "next_cursor": "3"}))],
        "versions::publish" => vec![("version", version())],
        "versions::get" => {
            let mut whole = version();
            whole["document"] = document();
            vec![("version", whole)]
        }
        "versions::deprecate" => {
            let mut old = version();
            old["deprecated"] = json!({"at": AT, "note": "labels were wrong"});
            vec![("deprecated", old)]
        }
        "versions::diff" => vec![(
            "diff",
            json!({"flow_id": FLOW, "from": 2, "to": 3, "text": "~ classify llm.model\n",
                "changes": [{"change": "changed", "step_id": "classify", "field": "llm.model", "after": "noukai/echo"}]}),
        )],
        "versions::production" | "versions::set_production" => vec![(
            "set",
            json!({"flow_id": FLOW, "version": 3, "history": [
                {"version": 3, "author": "k3jd82ms", "author_name": "CI", "at": AT},
            ]}),
        )],
        _ => Vec::new(),
    }
}

fn of_others(handler: &str) -> Vec<(&'static str, Value)> {
    match handler {
        "checkpoints::list" => vec![("page", json!({"checkpoints": [checkpoint()], "next_cursor": CHECKPOINT}))],
        "checkpoints::create" | "checkpoints::get" => vec![("checkpoint", checkpoint())],
        "checkpoints::delete" => vec![("deleted", json!({"id": CHECKPOINT, "deleted": true}))],
        "checkpoints::restore" => {
            let mut restored = line();
            restored["op"] = json!("replace_node");
            restored["summary"] = json!("replaced `classify`");
            restored["operations"] =
                json!([{"op": "replace_node", "step_id": "classify", "node": document()["steps"][0]}]);
            vec![("restored", change(restored))]
        }
        "models::list" => {
            let mut plain = model();
            plain.as_object_mut().map(|fields| fields.remove("used_by"));
            vec![("page", json!({"object_models": [plain], "next_cursor": "Invoice"}))]
        }
        "models::create" | "models::get" | "models::update" => vec![("model", model())],
        "models::delete" => vec![("deleted", json!({"id": MODEL, "deleted": true}))],
        _ => Vec::new(),
    }
}

fn draft() -> Value {
    let mut draft = flow();
    draft["document"] = document();
    draft["content_versions"] = json!({"classify": 2});
    draft
}

fn change(line: Value) -> Value {
    let mut change = flow();
    change["change"] = line;
    change["created"] = json!([]);
    change
}

fn organisation() -> Value {
    json!({
        "organization_id": MODEL, "slug": "acme", "name": "Acme", "trace_capture": "redacted", "created_at": AT,
    })
}

fn checkpoint() -> Value {
    json!({
        "checkpoint_id": CHECKPOINT, "flow_id": FLOW, "step_id": "classify", "note": "before the new prompt",
        "revision": 4, "content": document()["steps"][0], "author": "k3jd82ms", "author_name": "CI", "created_at": AT,
    })
}

fn document() -> Value {
    json!({"schema": 1, "slug": "support-triage", "steps": [
        {"id": "classify", "llm": {"prompt": "Label this mail: {{ initial.message }}", "output": {"model": "Label"}}},
    ]})
}

fn project() -> Value {
    json!({
        "project_id": PROJECT, "slug": "mail", "name": "Mail", "description": "", "organization_id": MODEL,
        "organization": "acme", "flows_as_tools": true, "created_at": AT,
    })
}

fn flow() -> Value {
    json!({
        "flow_id": FLOW, "project_id": PROJECT, "slug": "support-triage", "name": "Support triage", "description": "",
        "revision": 4, "draft_hash": "9f2c41", "latest_version": 3, "production_version": 3, "created_at": AT,
        "updated_at": AT,
    })
}

fn line() -> Value {
    json!({
        "seq": 7, "revision": 4, "op": "update_block_model", "summary": "set the model of `classify`",
        "operations": [{"op": "update_block_model", "step_id": "classify", "model": "noukai/echo"}],
        "touched": ["classify"], "author": "k3jd82ms", "author_name": "CI", "created_at": AT, "undoable": true,
    })
}

fn version() -> Value {
    json!({
        "version_id": format!("{FLOW}.v3"), "flow_id": FLOW, "version": 3, "hash": "9f2c41", "note": "Shorter replies",
        "author": "k3jd82ms", "author_name": "CI", "created_at": AT, "production": false, "revision": 1,
    })
}

fn model() -> Value {
    json!({
        "object_model_id": MODEL, "project_id": PROJECT, "name": "Invoice", "description": "",
        "fields": [{"name": "number", "type": "string"}],
        "schema": {"type": "object", "properties": {"number": {"type": "string"}}, "required": ["number"]},
        "revision": 1, "author": "k3jd82ms", "author_name": "CI", "created_at": AT, "updated_at": AT,
        "used_by": [{"flow_id": FLOW, "slug": "support-triage", "name": "Support triage", "step_ids": ["classify"]}],
    })
}

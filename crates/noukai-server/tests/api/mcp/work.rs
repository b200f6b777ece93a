//! Every tool at work, and its result as the tool describes it.

use noukai_server::mcp_tool_names;
use serde_json::{Value, json};

use super::{Assistant, text, world::World};
use crate::common::TestServer;

/// Every tool, called once with arguments that fit, in an order in which each can do its work.
#[tokio::test]
async fn every_tool_does_its_work() {
    let server = TestServer::start().await;
    let assistant = Assistant::new(&server, &server.key);
    let project = server.project.id.to_string();
    let world = World::built(&assistant, &project, "triage").await;
    let tools = assistant.tools().await;
    let (flow, first, second) = (&world.ids["flow_id"], &world.ids["step_id"], &world.ids["target_id"]);
    let on = |arguments: Value| {
        let mut all = json!({"flow_id": flow});
        all.as_object_mut().expect("an object").extend(arguments.as_object().expect("an object").clone());
        all
    };
    let mut done: Vec<String> = [
        "create_flow",
        "add_block",
        "update_block_model",
        "update_block",
        "create_checkpoint",
        "create_object_model",
        "create_test_case",
        "run_all_test_cases",
        "publish_version",
        "set_production_version",
        "list_flow_runs",
    ]
    .map(str::to_owned)
    .into();
    let copy = assistant.does("duplicate_block", on(json!({"step_id": second, "name": "Third"}))).await;
    fits(&tools, "duplicate_block", &copy);
    done.push("duplicate_block".to_owned());
    let third = &copy["created"][0];
    let steps: Vec<(&str, Value)> = vec![
        ("list_flows", json!({"project_id": project})),
        ("get_flow", on(json!({}))),
        ("get_flow_structure", on(json!({}))),
        ("get_block", on(json!({"step_id": first}))),
        ("get_operation_history", on(json!({"limit": 2, "offset": 1}))),
        ("hydrate_project", json!({"project_id": project})),
        ("get_test_run_trace", json!({"test_run_id": world.ids["test_run_id"]})),
        ("get_flow_run_trace", json!({"execution_id": world.ids["execution_id"]})),
        ("move_block", on(json!({"step_id": third, "target_id": first, "direction": "left"}))),
        ("convert_block", on(json!({"step_id": third, "processor_type": "passthrough"}))),
        ("wrap_in_container", on(json!({"node_ids": [first, second], "container_type": "v"}))),
        ("update_flow_input_schema", on(json!({"content": {"message": "string", "items": {"type": "array"}}}))),
        ("wrap_in_loop", on(json!({"node_ids": [third], "array_field": "items"}))),
        ("wrap_in_branch", on(json!({"node_ids": [second], "on": "{{ message }}", "case": "a"}))),
        ("update_block_draft", on(json!({"step_id": first, "content": "Again {{ initial.message }}"}))),
        ("update_block_output_schema", on(json!({"step_id": first, "content": {"label": "string"}}))),
        ("update_block_config", on(json!({"step_id": first, "config": {"temperature": 0.5}}))),
        ("update_block_name", on(json!({"step_id": first, "name": "One"}))),
        ("update_block_notes", on(json!({"step_id": first, "notes": "why"}))),
        ("update_object_model", json!({"object_model_id": world.ids["object_model_id"], "description": "d"})),
        ("list_test_cases", on(json!({}))),
        ("update_test_case", on(json!({"test_case_id": world.ids["test_case_id"], "name": "renamed"}))),
        ("run_test_case", on(json!({"test_case_id": world.ids["test_case_id"], "version": "v1"}))),
        ("get_test_run", json!({"test_run_id": world.ids["test_run_id"]})),
        ("create_project", json!({"slug": "another"})),
    ];
    for (name, arguments) in steps {
        let result = assistant.does(name, arguments).await;
        fits(&tools, name, &result);
        done.push(name.to_owned());
    }
    let structure = assistant.does("get_flow_structure", on(json!({}))).await;
    let (mut containers, mut loops) = (Vec::new(), Vec::new());
    collect(&structure["nodes"], &mut containers, &mut loops);
    let code = on(json!({"name": "Code", "processor_type": "code", "prompt": "return {'a': 1}"}));
    let code = assistant.does("add_block", code).await["created"][0].clone();
    for (name, arguments) in [
        ("update_container", on(json!({"step_id": containers[0], "container_type": "h"}))),
        ("update_loop", on(json!({"step_id": loops[0], "concurrency": 2}))),
        ("unwrap_node", on(json!({"step_id": loops[0]}))),
        ("update_block_input_schema", on(json!({"step_id": code, "content": [{"name": "a", "type": "string"}]}))),
        ("remove_block", on(json!({"step_id": code}))),
        ("delete_checkpoint", on(json!({"checkpoint_id": world.ids["checkpoint_id"]}))),
        ("delete_test_case", on(json!({"test_case_id": world.ids["test_case_id"]}))),
        ("delete_object_model", json!({"object_model_id": world.ids["object_model_id"]})),
        ("delete_flow", on(json!({}))),
    ] {
        let result = assistant.does(name, arguments).await;
        fits(&tools, name, &result);
        done.push(name.to_owned());
    }
    done.sort_unstable();
    done.dedup();
    assert_eq!(done.len(), mcp_tool_names().len(), "a tool was left out: {done:?}");
}

fn collect(nodes: &Value, containers: &mut Vec<String>, loops: &mut Vec<String>) {
    for node in nodes.as_array().into_iter().flatten() {
        match node["node_type"].as_str() {
            Some("container") => containers.push(text(&node["step_id"])),
            Some("loop") => loops.push(text(&node["step_id"])),
            _ => {}
        }
        collect(&node["children"], containers, loops);
        node["cases"].as_array().into_iter().flatten().for_each(|case| collect(&case["children"], containers, loops));
    }
}

/// A result is as its tool says.
fn fits(tools: &[Value], name: &str, result: &Value) {
    let tool = tools.iter().find(|tool| tool["name"] == name).expect("the tool");
    let validator = jsonschema::draft202012::new(&tool["outputSchema"]).expect("a schema");
    let errors: Vec<String> = validator.iter_errors(result).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{name}: {errors:#?}\n{result:#}");
}

/// What people and assistants read names the tools that there are: `docs/mcp.md` all of them, no guide another.
#[test]
fn the_guides_name_the_tools_there_are() {
    let docs = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs");
    let read = |name: &str| std::fs::read_to_string(format!("{docs}/{name}")).expect("a guide");
    let tools = mcp_tool_names();
    let verbs: Vec<&str> = tools.iter().filter_map(|tool| tool.split('_').next()).collect();
    for guide in ["mcp.md", "assistant-prompt.md", "building-with-assistants.md"] {
        let text = read(guide);
        let named: Vec<&str> = text.split(|c: char| !c.is_ascii_lowercase() && c != '_').collect();
        let like_tools =
            named.iter().filter(|word| word.split_once('_').is_some_and(|(verb, _)| verbs.contains(&verb)));
        let unknown: Vec<_> = like_tools.filter(|word| !tools.contains(word) && **word != "run_").collect();
        assert!(unknown.is_empty(), "{guide} names {unknown:?}");
        let left_out: Vec<_> = tools.iter().filter(|tool| guide == "mcp.md" && !named.contains(tool)).collect();
        assert!(left_out.is_empty(), "{guide} leaves out {left_out:?}");
    }
}

//! A project in which there is one of everything that a tool can name.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use uuid::Uuid;

use super::{Assistant, text};

/// Everything that can be named in one project, by the names of arguments.
pub struct World {
    pub ids: BTreeMap<&'static str, Value>,
}

impl World {
    /// Builds one by conversation: create, build, test, publish, promote.
    pub async fn built(assistant: &Assistant, project: &str, slug: &str) -> Self {
        Self::of(assistant, project, slug, ["First", "Second"], "Say").await
    }

    /// The same, with other names for its steps and other words in its prompts.
    pub async fn of(assistant: &Assistant, project: &str, slug: &str, names: [&str; 2], words: &str) -> Self {
        let flow = assistant.does("create_flow", json!({"project_id": project, "name": "Triage", "slug": slug})).await;
        let flow = text(&flow["flow_id"]);
        let prompt = format!("{words} {{{{ initial.message }}}}");
        let add = |name: &str| json!({"flow_id": flow, "name": name, "processor_type": "llm", "prompt": prompt});
        let first = text(&assistant.does("add_block", add(names[0])).await["created"][0]);
        let mut second = add(names[1]);
        second["target_id"] = json!(first);
        let second = text(&assistant.does("add_block", second).await["created"][0]);
        let model = json!({"flow_id": flow, "step_id": first, "model": "noukai/echo"});
        assistant.does("update_block_model", model).await;
        let content = format!("So: {{{{ {first}.message }}}}");
        let whole = json!({"flow_id": flow, "step_id": second, "model": "noukai/echo", "content": content});
        assistant.does("update_block", whole).await;
        let checkpoint = json!({"flow_id": flow, "step_id": first, "note": "works"});
        let checkpoint = assistant.does("create_checkpoint", checkpoint).await;
        let fields = json!([{"name": "label", "type": "string", "description": "What it is"}]);
        let model = json!({"project_id": project, "name": format!("Label-{slug}"), "fields": fields});
        let model = assistant.does("create_object_model", model).await;
        let case = json!({
            "flow_id": flow, "name": "says it", "input": {"message": "hello"},
            "expect": [{"kind": "contains", "text": "hello"}],
        });
        let case = assistant.does("create_test_case", case).await;
        let run = assistant.does("run_all_test_cases", json!({"flow_id": flow})).await;
        assert_eq!(run["status"], "passed", "{run}");
        let version = assistant.does("publish_version", json!({"flow_id": flow, "note": "first"})).await;
        let to = json!({"flow_id": flow, "version_id": version["version_id"]});
        assert_eq!(assistant.does("set_production_version", to).await["version"], 1);
        let runs = assistant.does("list_flow_runs", json!({"flow_id": flow})).await;
        let ids = [
            ("project_id", json!(project)),
            ("flow_id", json!(flow)),
            ("step_id", json!(first)),
            ("target_id", json!(second)),
            ("node_ids", json!([first])),
            ("version_id", version["version_id"].clone()),
            ("version", json!("v1")),
            ("checkpoint_id", checkpoint["checkpoint_id"].clone()),
            ("object_model_id", model["object_model_id"].clone()),
            ("test_case_id", case["id"].clone()),
            ("test_run_id", run["id"].clone()),
            ("execution_id", runs["flowRuns"][0]["id"].clone()),
            ("from_run", runs["flowRuns"][0]["id"].clone()),
        ];
        assert!(ids.iter().all(|(_, id)| !id.is_null()), "{ids:?}");
        Self { ids: ids.into() }
    }

    /// Gives its flow a second version.
    pub async fn publish_again(&mut self, assistant: &Assistant) {
        let flow = &self.ids["flow_id"];
        let notes = json!({"flow_id": flow, "step_id": self.ids["step_id"], "notes": "changed"});
        assistant.does("update_block_notes", notes).await;
        let version = assistant.does("publish_version", json!({"flow_id": flow, "note": "second"})).await;
        assert_eq!(version["version"], 2);
        self.ids.insert("version_id", version["version_id"].clone());
        self.ids.insert("version", json!("v2"));
    }

    /// A value for an argument of that name.
    fn value(&self, argument: &str) -> Value {
        if let Some(id) = self.ids.get(argument) {
            return id.clone();
        }
        match argument {
            "slug" => json!(format!("s-{}", Uuid::new_v4().simple())),
            "processor_type" => json!("passthrough"),
            "container_type" => json!("h"),
            "direction" => json!("right"),
            "array_field" => json!("items"),
            "fields" => json!([{"name": "label", "type": "string", "description": ""}]),
            "content" => json!("{{ initial.message }}"),
            "model" => json!("noukai/echo"),
            _ => json!("x"),
        }
    }

    /// Arguments that a tool needs, and those that name something.
    pub fn arguments(&self, tool: &Value) -> serde_json::Map<String, Value> {
        let schema = &tool["inputSchema"];
        let required: Vec<&str> =
            schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let properties = schema["properties"].as_object().expect("properties").keys();
        let wanted =
            properties.filter(|name| required.contains(&name.as_str()) || self.ids.contains_key(name.as_str()));
        wanted.map(|name| (name.clone(), self.value(name))).collect()
    }
}

//! Fields that differ, each as the operation that sets it: by its own name where it has one.

use serde_json::{Map, Value};

use super::{
    super::{
        ClearField, Operation, SetField, UpdateBlockDraft, UpdateBlockModel, UpdateBlockName, UpdateBlockNotes,
        UpdateBlockSchema, UpdateFlow, UpdateFlowInputSchema, nodes,
    },
    GiveUp, Script,
};

/// Objects whose keys are compared one by one. Anything else is set as a whole.
const INSIDE: &[&[&str]] =
    &[&[], &["llm"], &["code"], &["loop"], &["branch"], &["branch", "cases"], &["llm", "config"], &["retry"]];

impl Script {
    /// What stands at the top of the document, but for its steps.
    pub(super) fn flow_fields(&mut self, from: &Value, to: &Value) -> Result<(), GiveUp> {
        let (Some(from), Some(to)) = (from.as_object(), to.as_object()) else { return Err(GiveUp) };
        let mut update = UpdateFlow::default();
        let mut others = Vec::new();
        let gone = from.keys().filter(|key| !to.contains_key(*key)).map(|key| (key, None));
        let differs = |(key, value): &(&String, &Value)| from.get(*key) != Some(*value);
        let set = to.iter().filter(differs).map(|(key, value)| (key, Some(value)));
        for (key, value) in gone.chain(set).filter(|(key, _)| *key != "steps") {
            self.way.touched.flow.push(key.clone());
            if !flow_text(&mut update, key, value) {
                others.push(flow_field(key, value));
            }
        }
        if update != UpdateFlow::default() {
            self.push(Operation::UpdateFlow(update))?;
        }
        others.into_iter().try_for_each(|operation| self.push(operation))
    }

    /// The fields of a step that is in both documents.
    pub(super) fn node_fields(&mut self, step_id: &str, from: &Value, to: &Value) -> Result<(), GiveUp> {
        let (Some(from), Some(to)) = (from.as_object(), to.as_object()) else { return Err(GiveUp) };
        self.touch(step_id);
        self.fields(step_id, &mut Vec::new(), from, to)
    }

    fn fields(
        &mut self,
        step_id: &str,
        path: &mut Vec<String>,
        from: &Map<String, Value>,
        to: &Map<String, Value>,
    ) -> Result<(), GiveUp> {
        for key in from.keys().filter(|key| !to.contains_key(*key)) {
            let path = path.iter().chain([key]).cloned().collect();
            self.push(Operation::ClearField(ClearField { step_id: Some(step_id.to_owned()), path }))?;
        }
        for (key, value) in to.iter().filter(|(key, value)| from.get(*key) != Some(*value)) {
            path.push(key.clone());
            let inside = INSIDE.iter().any(|inside| inside.iter().eq(path.iter()));
            match (from.get(key).and_then(Value::as_object), value.as_object()) {
                (Some(from), Some(to)) if inside => self.fields(step_id, path, from, to)?,
                _ => self.push(set(step_id, path, value))?,
            }
            path.pop();
        }
        Ok(())
    }
}

/// Takes a text at the top of the document into `update`; false where it is none of those.
fn flow_text(update: &mut UpdateFlow, key: &str, value: Option<&Value>) -> bool {
    let text = match value {
        None => None,
        Some(Value::String(text)) if !text.is_empty() => Some(text.clone()),
        Some(_) => return false,
    };
    let field = match key {
        "name" => &mut update.name,
        "description" => &mut update.description,
        "kind" => &mut update.kind,
        "trace_capture" => &mut update.trace_capture,
        _ => return false,
    };
    *field = Some(text);
    true
}

fn flow_field(key: &str, value: Option<&Value>) -> Operation {
    let path = vec![key.to_owned()];
    match value {
        Some(Value::Object(_)) | None if key == "input" => {
            Operation::UpdateFlowInputSchema(UpdateFlowInputSchema { content: value.cloned().unwrap_or(Value::Null) })
        }
        Some(value) => Operation::SetField(SetField { step_id: None, path, value: value.clone() }),
        None => Operation::ClearField(ClearField { step_id: None, path }),
    }
}

/// The operation that sets a field of a step.
fn set(step_id: &str, path: &[String], value: &Value) -> Operation {
    let keys: Vec<&str> = path.iter().map(String::as_str).collect();
    let step_id = step_id.to_owned();
    let text = value.as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    match (keys.as_slice(), value, text) {
        (["name"], _, Some(name)) => Operation::UpdateBlockName(UpdateBlockName { step_id, name }),
        (["notes"], _, Some(notes)) => Operation::UpdateBlockNotes(UpdateBlockNotes { step_id, notes: Some(notes) }),
        (["llm", "prompt"] | ["code", "source"], _, Some(content)) => {
            Operation::UpdateBlockDraft(UpdateBlockDraft { step_id, content })
        }
        (["llm", "model"], _, Some(model)) => {
            Operation::UpdateBlockModel(UpdateBlockModel { step_id, model: Some(model), fallback_models: None })
        }
        (["llm" | "code", "output"], Value::Object(_), _) => {
            Operation::UpdateBlockOutputSchema(UpdateBlockSchema { step_id, content: value.clone() })
        }
        (["code", "input"], Value::Object(_), _) => {
            Operation::UpdateBlockInputSchema(UpdateBlockSchema { step_id, content: value.clone() })
        }
        _ => Operation::SetField(SetField { step_id: Some(step_id), path: path.to_vec(), value: value.clone() }),
    }
}

/// Whether two steps can be made into each other by setting fields: blocks, or containers of like kinds.
pub(super) fn alike(from: &Value, to: &Value) -> bool {
    match (nodes::is_container(from), nodes::is_container(to)) {
        (false, false) => true,
        (true, true) => {
            let row = |kind: Option<&'static str>| if kind == Some("parallel") { Some("sequence") } else { kind };
            row(nodes::kind(from)) == row(nodes::kind(to))
        }
        _ => false,
    }
}

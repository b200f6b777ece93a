//! Operations on what a block says: prompt or source, model, schemas, settings, name and notes.

use serde_json::{Map, Value};

use super::{
    ConvertBlock, Refusal, RefusalCode, UpdateBlock, UpdateFlow,
    containers::inner,
    exact::not_a_document,
    nodes::{self, node_mut},
};
use crate::{nearest::did_you_mean, published};

/// Settings of LLM blocks.
const LLM_SETTINGS: &[&str] =
    &["tools_enabled", "max_tool_iterations", "attachments", "system", "fallback_models", "retry", "timeout_ms"];
/// Settings of code blocks.
const CODE_SETTINGS: &[&str] = &["language", "retry", "timeout_ms"];
/// Settings that stand on the step, beside what it does.
const OF_STEP: &[&str] = &["retry", "timeout_ms"];

/// Changes the named fields of a block.
pub(super) fn update(document: &mut Value, operation: &UpdateBlock) -> Result<(), Refusal> {
    let step_id = &operation.step_id;
    let (node, _) = nodes::find(document, step_id)?;
    let kind = nodes::kind(node);
    let node = node_mut(document, step_id)?;
    set_name(node, operation.name.as_ref());
    if let Some(notes) = &operation.notes {
        set(node, "notes", notes.as_deref().filter(|notes| !notes.is_empty()).map(Value::from));
    }
    if !names_content(operation) {
        return Ok(());
    }
    match kind {
        Some("llm") => llm(node, operation),
        Some("code") => code(node, operation),
        Some("passthrough") => {
            let message = format!(
                "`{step_id}` is a passthrough block, which has only a name and notes; `convert_block` makes it another"
            );
            Err(Refusal::new(RefusalCode::WrongKind, "step_id", message).of_step(step_id))
        }
        Some(container) => {
            let message =
                format!("`{step_id}` is of kind `{container}`, not a block; it has only a name and notes here");
            Err(Refusal::new(RefusalCode::WrongKind, "step_id", message).of_step(step_id))
        }
        None => Err(Refusal::unreadable(Some(step_id), format!("what `{step_id}` does cannot be told; replace it"))),
    }
}

fn names_content(operation: &UpdateBlock) -> bool {
    operation.content.is_some()
        || operation.model.is_some()
        || operation.fallback_models.is_some()
        || operation.input_schema.is_some()
        || operation.output_schema.is_some()
        || operation.config.is_some()
        || operation.processor_config.is_some()
}

fn llm(node: &mut Map<String, Value>, operation: &UpdateBlock) -> Result<(), Refusal> {
    let step_id = &operation.step_id;
    if operation.input_schema.is_some() {
        let message = format!(
            "`{step_id}` is an LLM block: it reads what its prompt names, such as `{{{{ label }}}}`; change the prompt \
             (`update_block_draft`), or what a run takes (`update_flow_input_schema`)"
        );
        return Err(Refusal::new(RefusalCode::WrongKind, "input_schema", message).of_step(step_id));
    }
    if let Some(settings) = &operation.processor_config {
        known_settings(settings, LLM_SETTINGS, step_id)?;
        merge_settings(node, "llm", settings, step_id)?;
    }
    let fields = inner(node, "llm", step_id)?;
    if let Some(prompt) = &operation.content {
        fields.insert("prompt".to_owned(), prompt.as_str().into());
    }
    if let Some(model) = &operation.model {
        set(fields, "model", model.as_deref().map(Value::from));
    }
    if let Some(models) = &operation.fallback_models {
        set(fields, "fallback_models", (!models.is_empty()).then(|| models.clone().into()));
    }
    if let Some(schema) = &operation.output_schema {
        set(fields, "output", schema_of(schema.as_ref(), "output_schema", step_id)?);
    }
    if let Some(config) = &operation.config {
        merge_config(fields, config, step_id)?;
    }
    Ok(())
}

fn code(node: &mut Map<String, Value>, operation: &UpdateBlock) -> Result<(), Refusal> {
    let step_id = &operation.step_id;
    let llm_only = [
        ("model", operation.model.is_some()),
        ("fallback_models", operation.fallback_models.is_some()),
        ("config", operation.config.is_some()),
    ];
    if let Some((argument, _)) = llm_only.into_iter().find(|(_, is_given)| *is_given) {
        let message =
            format!("`{step_id}` is a code block and calls no model; `{argument}` is for LLM blocks, leave it out");
        return Err(Refusal::new(RefusalCode::WrongKind, argument, message).of_step(step_id));
    }
    if let Some(settings) = &operation.processor_config {
        known_settings(settings, CODE_SETTINGS, step_id)?;
        merge_settings(node, "code", settings, step_id)?;
    }
    let fields = inner(node, "code", step_id)?;
    if let Some(source) = &operation.content {
        fields.insert("source".to_owned(), source.as_str().into());
    }
    if let Some(schema) = &operation.input_schema {
        let names = schema.as_ref().filter(|schema| is_names(schema)).cloned();
        let schema =
            names.map_or_else(|| schema_of(schema.as_ref(), "input_schema", step_id), |names| Ok(Some(names)))?;
        set(fields, "input", schema);
    }
    if let Some(schema) = &operation.output_schema {
        set(fields, "output", schema_of(schema.as_ref(), "output_schema", step_id)?);
    }
    Ok(())
}

/// Whether it is a list of names, as code blocks take them.
fn is_names(schema: &Value) -> bool {
    schema.as_array().is_some_and(|items| items.iter().all(Value::is_string))
}

/// The schema as it stands in a document; `None`: none.
pub(super) fn schema_of(
    content: Option<&Value>,
    argument: &'static str,
    step_id: &str,
) -> Result<Option<Value>, Refusal> {
    match content {
        None | Some(Value::Null) => Ok(None),
        Some(schema @ Value::Object(_)) => Ok(Some(schema.clone())),
        Some(Value::Array(fields)) => published::schema_of_fields(fields)
            .map(Some)
            .map_err(|message| Refusal::new(RefusalCode::InvalidValue, argument, message).of_step(step_id)),
        Some(_) => {
            let message =
                "is no schema; give a JSON Schema object, fields as `{label: string}`, or a list of `{name, type}`";
            Err(Refusal::new(RefusalCode::InvalidValue, argument, message).of_step(step_id))
        }
    }
}

fn known_settings(settings: &Map<String, Value>, known: &[&str], step_id: &str) -> Result<(), Refusal> {
    let Some(key) = settings.keys().find(|key| !known.contains(&key.as_str())) else { return Ok(()) };
    let meant = did_you_mean(key, known.iter().copied());
    let message = format!("there is no setting `{key}` of `{step_id}`; there are {}{meant}", known.join(", "));
    Err(Refusal::new(RefusalCode::InvalidValue, "processor_config", message).of_step(step_id))
}

fn merge_settings(
    node: &mut Map<String, Value>,
    kind: &str,
    settings: &Map<String, Value>,
    step_id: &str,
) -> Result<(), Refusal> {
    for (key, value) in settings {
        let fields = if OF_STEP.contains(&key.as_str()) { &mut *node } else { inner(node, kind, step_id)? };
        set(fields, key, (!value.is_null()).then(|| value.clone()));
    }
    Ok(())
}

fn merge_config(fields: &mut Map<String, Value>, config: &Map<String, Value>, step_id: &str) -> Result<(), Refusal> {
    let merged = inner(fields, "config", step_id)?;
    for (key, value) in config {
        set(merged, key, (!value.is_null()).then(|| value.clone()));
    }
    if merged.is_empty() {
        fields.shift_remove("config");
    }
    Ok(())
}

/// Sets the key, or takes it away.
fn set(fields: &mut Map<String, Value>, key: &str, value: Option<Value>) {
    match value {
        Some(value) => drop(fields.insert(key.to_owned(), value)),
        None => drop(fields.shift_remove(key)),
    }
}

/// Sets the name where one is given; an empty one is none.
pub(super) fn set_name(node: &mut Map<String, Value>, name: Option<&Option<String>>) {
    if let Some(name) = name {
        set(node, "name", name.as_deref().filter(|name| !name.is_empty()).map(Value::from));
    }
}

/// Makes a block do something else.
pub(super) fn convert(document: &mut Value, operation: &ConvertBlock) -> Result<(), Refusal> {
    let (node, _) = nodes::find(document, &operation.step_id)?;
    let wanted = operation.processor_type.as_str();
    let old = match nodes::kind(node) {
        Some(kind) if !nodes::is_container(node) => kind,
        _ => {
            let message = format!("`{}` is no block; only blocks can be converted", operation.step_id);
            return Err(Refusal::new(RefusalCode::WrongKind, "step_id", message).of_step(&operation.step_id));
        }
    };
    if old == wanted {
        return Ok(());
    }
    let node = node_mut(document, &operation.step_id)?;
    let output = node.get(old).and_then(|inner| inner.get("output")).cloned();
    node.shift_remove(old);
    let mut inner = Map::new();
    if wanted != "passthrough" {
        inner.extend(output.map(|output| ("output".to_owned(), output)));
    }
    node.insert(wanted.to_owned(), inner.into());
    Ok(())
}

/// Changes what stands at the top of the document.
pub(super) fn update_flow(document: &mut Value, operation: &UpdateFlow) -> Result<(), Refusal> {
    let fields = document.as_object_mut().ok_or_else(not_a_document)?;
    let given = [
        ("name", &operation.name),
        ("description", &operation.description),
        ("kind", &operation.kind),
        ("trace_capture", &operation.trace_capture),
    ];
    for (key, value) in given {
        if let Some(value) = value {
            set(fields, key, value.as_deref().filter(|text| !text.is_empty()).map(Value::from));
        }
    }
    Ok(())
}

/// Sets what a run takes.
pub(super) fn update_flow_input(document: &mut Value, content: &Value) -> Result<(), Refusal> {
    let fields = document.as_object_mut().ok_or_else(not_a_document)?;
    let schema = match content {
        Value::Null => None,
        Value::Object(_) => Some(content.clone()),
        Value::Array(items) => Some(
            published::schema_of_fields(items)
                .map_err(|message| Refusal::new(RefusalCode::InvalidValue, "content", message))?,
        ),
        _ => {
            let message =
                "is no schema; give a JSON Schema object, fields as `{message: string}`, or a list of `{name, type}`";
            return Err(Refusal::new(RefusalCode::InvalidValue, "content", message));
        }
    };
    set(fields, "input", schema);
    Ok(())
}

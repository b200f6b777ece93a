//! The exact operations: any node at any place, any field of anything. Edit scripts and undo are made of them.

use std::collections::HashSet;

use serde_json::{Map, Value};

use super::{
    ClearField, InsertNode, MoveNode, Refusal, RefusalCode, ReplaceNode, SetField,
    nodes::{self, duplicates, ids_below},
};
use crate::nearest::did_you_mean;

/// Inserts a node; its id.
pub(super) fn insert(document: &mut Value, operation: &InsertNode) -> Result<String, Refusal> {
    let id = checked_node(&operation.node)?.to_owned();
    free_of_doubles(document, &operation.node, &HashSet::new())?;
    nodes::put(document, &operation.to, operation.node.clone())?;
    Ok(id)
}

/// Removes a node with all that is in it.
pub(super) fn remove(document: &mut Value, step_id: &str) -> Result<(), Refusal> {
    nodes::take(document, step_id).map(|_| ())
}

/// Moves a node with all that is in it.
pub(super) fn move_to(document: &mut Value, operation: &MoveNode) -> Result<(), Refusal> {
    let (node, _) = nodes::find(document, &operation.step_id)?;
    if let Some(parent) = &operation.to.parent_id {
        not_into_itself(node, &operation.step_id, parent)?;
    }
    let (node, _) = nodes::take(document, &operation.step_id)?;
    nodes::put(document, &operation.to, node)
}

/// Refuses to move `node` beside or into `target` where that is the node itself or inside it.
pub(super) fn not_into_itself(node: &Value, step_id: &str, target: &str) -> Result<(), Refusal> {
    if !ids_below(node).contains(&target) {
        return Ok(());
    }
    let message = if step_id == target {
        format!("`{step_id}` cannot be moved to itself; name another step")
    } else {
        format!("`{target}` is inside `{step_id}`, which cannot be moved into itself; move `{target}` out first")
    };
    Err(Refusal::new(RefusalCode::IntoItself, "target_id", message).of_step(step_id))
}

/// Replaces a node with all that is in it; the id of the new one.
pub(super) fn replace(document: &mut Value, operation: &ReplaceNode) -> Result<String, Refusal> {
    let id = checked_node(&operation.node)?.to_owned();
    let (old, site) = nodes::find(document, &operation.step_id)?;
    let leaving: HashSet<String> = ids_below(old).into_iter().map(str::to_owned).collect();
    free_of_doubles(document, &operation.node, &leaving)?;
    if let Some(slot) = nodes::list_at(document, &site)?.get_mut(site.index) {
        *slot = operation.node.clone();
    }
    Ok(id)
}

/// Sets any field.
pub(super) fn set_field(document: &mut Value, operation: &SetField) -> Result<(), Refusal> {
    let (last, before) = path_of(&operation.path, operation.step_id.as_deref())?;
    // A draft whose steps are taken as a whole may come with whatever ids it has; anything smaller adds no second one.
    let whole = operation.step_id.is_none() && last == "steps" && before.is_empty();
    let known: HashSet<String> = duplicates(document).into_iter().map(str::to_owned).collect();
    let mut fields = root(document, operation.step_id.as_deref())?;
    for key in before {
        let inner = fields.entry(key.clone()).or_insert_with(|| Value::Object(Map::new()));
        fields = inner.as_object_mut().ok_or_else(|| no_object(&operation.path, key))?;
    }
    fields.insert(last.to_owned(), operation.value.clone());
    match duplicates(document).into_iter().find(|id| !whole && !known.contains(*id)) {
        Some(id) => Err(doubled(id)),
        None => Ok(()),
    }
}

/// Takes any field away.
pub(super) fn clear_field(document: &mut Value, operation: &ClearField) -> Result<(), Refusal> {
    let (last, before) = path_of(&operation.path, operation.step_id.as_deref())?;
    let mut fields = root(document, operation.step_id.as_deref())?;
    for key in before {
        let known: Vec<String> = fields.keys().cloned().collect();
        let inner = fields.get_mut(key).ok_or_else(|| no_field(&operation.path, key, &known))?;
        fields = inner.as_object_mut().ok_or_else(|| no_object(&operation.path, key))?;
    }
    let known: Vec<String> = fields.keys().cloned().collect();
    fields.shift_remove(last).map(|_| ()).ok_or_else(|| no_field(&operation.path, last, &known))
}

fn root<'a>(document: &'a mut Value, step_id: Option<&str>) -> Result<&'a mut Map<String, Value>, Refusal> {
    match step_id {
        Some(step_id) => nodes::node_mut(document, step_id),
        None => document.as_object_mut().ok_or_else(not_a_document),
    }
}

/// The document is no object.
pub(super) fn not_a_document() -> Refusal {
    Refusal::unreadable(None, "the draft is no document; replace it with one (`replace_document`)")
}

fn path_of<'a>(path: &'a [String], step_id: Option<&str>) -> Result<(&'a str, &'a [String]), Refusal> {
    match path.split_last() {
        None => Err(Refusal::new(RefusalCode::InvalidValue, "path", "the path is empty; name a field")),
        Some((last, [])) if last == "id" && step_id.is_some() => {
            let message =
                "an id cannot be changed: it is how operations name the step; `replace_node` puts another node there";
            Err(Refusal::new(RefusalCode::InvalidValue, "path", message))
        }
        Some((last, before)) => Ok((last, before)),
    }
}

fn no_object(path: &[String], key: &str) -> Refusal {
    let message = format!("`{key}` in `{}` is no object, so it has no fields; set `{key}` as a whole", path.join("."));
    Refusal::new(RefusalCode::InvalidValue, "path", message)
}

fn no_field(path: &[String], key: &str, known: &[String]) -> Refusal {
    let meant = did_you_mean(key, known.iter().map(String::as_str));
    let message = format!("there is no `{key}` in `{}`{meant}; nothing to take away", path.join("."));
    Refusal::new(RefusalCode::InvalidValue, "path", message)
}

fn checked_node(node: &Value) -> Result<&str, Refusal> {
    nodes::id(node).filter(|id| !id.is_empty()).ok_or_else(|| {
        let message = "a node is an object with an `id`, such as `{\"id\": \"greet\", \"llm\": {\"prompt\": \"...\"}}`";
        Refusal::new(RefusalCode::InvalidValue, "node", message)
    })
}

/// Refuses a node that brings an id which is there already, or twice.
fn free_of_doubles(document: &Value, node: &Value, leaving: &HashSet<String>) -> Result<(), Refusal> {
    let mut taken: HashSet<&str> = nodes::ids(document).into_iter().filter(|id| !leaving.contains(*id)).collect();
    match ids_below(node).into_iter().find(|id| !taken.insert(id)) {
        Some(id) => Err(doubled(id)),
        None => Ok(()),
    }
}

fn doubled(id: &str) -> Refusal {
    let message = format!("`{id}` would be the id of two steps; ids are unique in a flow: give one another id");
    Refusal::new(RefusalCode::DuplicateId, "node", message).of_step(id)
}

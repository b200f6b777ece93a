//! Operations on the tree: adding, removing, moving, copying and wrapping steps.

use std::collections::HashSet;

use serde_json::{Map, Value, json};

use super::{
    AddBlock, ContainerType, Direction, DuplicateBlock, MoveBlock, Place, ProcessorType, Refusal, RefusalCode,
    exact::{self, not_a_document, not_into_itself},
    nodes::{self, Site, free_id},
};

/// Adds a block; its id.
pub(super) fn add(document: &mut Value, operation: &AddBlock) -> Result<String, Refusal> {
    if operation.name.trim().is_empty() {
        let message = "the name is empty; give the block a name, such as `Classify`";
        return Err(Refusal::new(RefusalCode::InvalidValue, "name", message));
    }
    let id = match &operation.step_id {
        Some(id) => given_id(document, id)?,
        None => free_id(&taken(document), &operation.name),
    };
    let mut node = Map::new();
    node.insert("id".to_owned(), id.as_str().into());
    if operation.name != id {
        node.insert("name".to_owned(), operation.name.as_str().into());
    }
    node.insert(operation.processor_type.as_str().to_owned(), inner(operation)?);
    place_beside(document, node.into(), operation.target_id.as_deref(), operation.direction)?;
    Ok(id)
}

fn inner(operation: &AddBlock) -> Result<Value, Refusal> {
    match (operation.processor_type, &operation.prompt) {
        (_, None) => Ok(json!({})),
        (ProcessorType::Llm, Some(prompt)) => Ok(json!({"prompt": prompt})),
        (ProcessorType::Code, Some(source)) => Ok(json!({"source": source})),
        (ProcessorType::Passthrough, Some(_)) => {
            let message =
                "a passthrough block has no prompt: its output is its input; leave `prompt` out, or add an `llm` block";
            Err(Refusal::new(RefusalCode::InvalidValue, "prompt", message))
        }
    }
}

fn given_id(document: &Value, id: &str) -> Result<String, Refusal> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    if !(1..=64).contains(&id.len()) || !id.bytes().all(plain) {
        let message = "an id has 1 to 64 letters, digits, underscores and hyphens";
        return Err(Refusal::new(RefusalCode::InvalidValue, "step_id", message));
    }
    if nodes::ids(document).contains(&id) {
        let message = format!("there is a step `{id}` already; choose another id, or leave it out");
        return Err(Refusal::new(RefusalCode::DuplicateId, "step_id", message).of_step(id));
    }
    Ok(id.to_owned())
}

fn taken(document: &Value) -> HashSet<&str> {
    nodes::ids(document).into_iter().collect()
}

/// Removes a step. A sequence or parallel container that it leaves empty goes too.
pub(super) fn remove(document: &mut Value, step_id: &str) -> Result<(), Refusal> {
    let (_, site) = nodes::take(document, step_id)?;
    tidy(document, site.parent)
}

/// Removes `container` if it is a sequence or parallel container without children, and so on outwards.
fn tidy(document: &mut Value, mut container: Option<String>) -> Result<(), Refusal> {
    while let Some(id) = container.take() {
        // A container whose id is not unique stays, as it cannot be told which one is meant.
        let Ok((node, site)) = nodes::find(document, &id) else { return Ok(()) };
        let emptied = ["sequence", "parallel"].iter().any(|key| node.get(key) == Some(&json!([])));
        if emptied && nodes::kind(node).is_some() {
            exact::remove(document, &id)?;
            container = site.parent;
        }
    }
    Ok(())
}

/// Moves a step beside another.
pub(super) fn move_beside(document: &mut Value, operation: &MoveBlock) -> Result<(), Refusal> {
    let (node, _) = nodes::find(document, &operation.step_id)?;
    not_into_itself(node, &operation.step_id, &operation.target_id)?;
    nodes::find(document, &operation.target_id)?;
    let (node, from) = nodes::take(document, &operation.step_id)?;
    place_beside(document, node, Some(&operation.target_id), operation.direction)?;
    tidy(document, from.parent)
}

/// Copies a step with all that is in it, under ids of its own; the copy's id.
pub(super) fn duplicate(document: &mut Value, operation: &DuplicateBlock) -> Result<String, Refusal> {
    let (node, _) = nodes::find(document, &operation.step_id)?;
    let mut copy = node.clone();
    let mut taken: HashSet<String> = nodes::ids(document).into_iter().map(str::to_owned).collect();
    renew_ids(&mut copy, &mut taken);
    if let (Some(name), Some(fields)) = (&operation.name, copy.as_object_mut()) {
        fields.insert("name".to_owned(), name.as_str().into());
    }
    let id = nodes::id(&copy).unwrap_or_default().to_owned();
    let target = operation.target_id.as_deref().unwrap_or(&operation.step_id);
    place_beside(document, copy, Some(target), operation.direction)?;
    Ok(id)
}

/// Gives every node of the subtree an id that nobody has.
fn renew_ids(node: &mut Value, taken: &mut HashSet<String>) {
    if let Some(old) = nodes::id(node) {
        let known = taken.iter().map(String::as_str).collect();
        let id = free_id(&known, &format!("{old}-copy"));
        taken.insert(id.clone());
        if let Some(fields) = node.as_object_mut() {
            fields.insert("id".to_owned(), id.into());
        }
    }
    let lists: Vec<Vec<String>> =
        nodes::child_lists(node).iter().map(|list| list.keys.iter().map(|key| (*key).to_owned()).collect()).collect();
    for keys in lists {
        let list = keys.iter().try_fold(&mut *node, |value, key| value.get_mut(key)).and_then(Value::as_array_mut);
        list.into_iter().flatten().for_each(|child| renew_ids(child, taken));
    }
}

/// Puts a node beside the target: left and right in a sequence, above and below in a parallel container, which is made
/// where the target does not stand in one. Without a target at the end of the flow, or with `left` at its beginning.
fn place_beside(
    document: &mut Value,
    node: Value,
    target: Option<&str>,
    direction: Option<Direction>,
) -> Result<(), Refusal> {
    let direction = direction.unwrap_or(Direction::Right);
    let Some(target) = target else { return place_in_root(document, node, direction) };
    let (beside, site) = nodes::find(document, target)?;
    let wanted = direction.container();
    let stands_in = if site.parallel { ContainerType::V } else { ContainerType::H };
    if stands_in == wanted {
        let index = if direction.is_before() { site.index } else { site.index + 1 };
        nodes::list_at(document, &site)?.insert(index, node);
    } else if nodes::kind(beside) == Some(wanted.key()) {
        // The target is such a container itself: the node becomes its first or its last child.
        let index = direction.is_before().then_some(0);
        nodes::put(document, &Place { parent_id: Some(target.to_owned()), case: None, index }, node)?;
    } else {
        wrap_with(document, &site, node, direction);
    }
    Ok(())
}

fn place_in_root(document: &mut Value, node: Value, direction: Direction) -> Result<(), Refusal> {
    if direction.container() == ContainerType::V {
        let message = "above and below are beside a step; name it in `target_id`";
        return Err(Refusal::new(RefusalCode::InvalidValue, "direction", message));
    }
    if !document.is_object() {
        return Err(not_a_document());
    }
    nodes::put(document, &Place { index: direction.is_before().then_some(0), ..Place::default() }, node)
}

/// Puts a container in the target's place that holds both.
fn wrap_with(document: &mut Value, site: &Site, node: Value, direction: Direction) {
    let key = direction.container().key();
    let id = free_id(&nodes::ids(document).into_iter().chain(nodes::ids_below(&node)).collect(), key);
    let slot = nodes::at_mut(document, &site.list).and_then(|list| list.get_mut(site.index));
    if let Some(slot) = slot {
        let target = slot.take();
        let children = if direction.is_before() { [node, target] } else { [target, node] };
        *slot = json!({"id": id, key: children});
    }
}

/// Puts steps that stand side by side into the container that `make` builds of them; the container's id.
pub(super) fn wrap(
    document: &mut Value,
    node_ids: &[String],
    base: &str,
    make: impl FnOnce(&str, Vec<Value>) -> Value,
) -> Result<String, Refusal> {
    let sites = side_by_side(document, node_ids)?;
    let id = free_id(&taken(document), base);
    let Some(first) = sites.first() else { return Err(no_nodes()) };
    let list = nodes::list_at(document, first)?;
    // From the back, so that the indexes stay right.
    let mut children: Vec<Value> = sites.iter().rev().map(|site| list.remove(site.index)).collect();
    children.reverse();
    list.insert(first.index, make(&id, children));
    Ok(id)
}

/// The places of the steps, in order: all in one list, and without gaps where order matters.
fn side_by_side(document: &Value, node_ids: &[String]) -> Result<Vec<Site>, Refusal> {
    let refuse = |message: String| Refusal::new(RefusalCode::NotSideBySide, "node_ids", message);
    let mut sites = Vec::new();
    for id in node_ids {
        let (_, site) =
            nodes::find(document, id).map_err(|refusal| Refusal { argument: Some("node_ids"), ..refusal })?;
        sites.push((site, id));
    }
    sites.sort_by_key(|(site, _)| site.index);
    for pair in sites.windows(2) {
        let [(left, left_id), (right, right_id)] = pair else { continue };
        if left == right {
            return Err(refuse(format!("`{left_id}` is named twice; name each step once")).of_step(left_id));
        }
        if left.list != right.list {
            let message =
                format!("`{left_id}` and `{right_id}` are not in the same container; move one to the other first");
            return Err(refuse(message).of_step(right_id));
        }
        if !left.parallel && left.index + 1 != right.index {
            let message =
                format!("there are steps between `{left_id}` and `{right_id}`; name them too, or move them away");
            return Err(refuse(message).of_step(right_id));
        }
    }
    if sites.is_empty() { Err(no_nodes()) } else { Ok(sites.into_iter().map(|(site, _)| site).collect()) }
}

fn no_nodes() -> Refusal {
    Refusal::new(RefusalCode::InvalidValue, "node_ids", "no step is named; name at least one")
}

/// Puts a container's children in its place.
pub(super) fn unwrap(document: &mut Value, step_id: &str) -> Result<(), Refusal> {
    let (node, site) = nodes::find(document, step_id)?;
    if !nodes::is_container(node) {
        let message = format!("`{step_id}` is a block and holds no steps; only containers can be unwrapped");
        return Err(Refusal::new(RefusalCode::WrongKind, "step_id", message).of_step(step_id));
    }
    let filled: Vec<Vec<Value>> =
        nodes::child_lists(node).iter().filter(|list| !list.nodes.is_empty()).map(|list| list.nodes.to_vec()).collect();
    if filled.len() > 1 {
        let message = format!(
            "`{step_id}` has steps in {} cases, of which only one runs; remove or move the others before you unwrap it",
            filled.len()
        );
        return Err(Refusal::new(RefusalCode::NotEmpty, "step_id", message).of_step(step_id));
    }
    let children = filled.into_iter().next().unwrap_or_default();
    nodes::list_at(document, &site)?.splice(site.index..=site.index, children);
    tidy(document, site.parent)
}

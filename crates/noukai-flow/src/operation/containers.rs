//! Operations on containers, loops and branches themselves, and the check that a loop has an array to walk over.

use serde_json::{Map, Value, json};

use super::{
    ContainerType, OnItemError, Refusal, RefusalCode, UpdateBranch, UpdateContainer, UpdateLoop, WrapInBranch,
    WrapInContainer, WrapInLoop,
    content::set_name,
    given,
    nodes::{self, node_mut},
    structure,
};
use crate::nearest::{did_you_mean, list};

/// Wraps steps in a container; its id.
pub(super) fn wrap_in_container(document: &mut Value, operation: &WrapInContainer) -> Result<String, Refusal> {
    let key = operation.container_type.key();
    structure::wrap(document, &operation.node_ids, key, |id, children| json!({"id": id, key: children}))
}

/// Wraps steps in a loop; its id.
pub(super) fn wrap_in_loop(document: &mut Value, operation: &WrapInLoop) -> Result<String, Refusal> {
    let over = &operation.array_field;
    let make = |id: &str, children| json!({"id": id, "loop": {"over": over, "steps": children}});
    let id = structure::wrap(document, &operation.node_ids, "loop", make)?;
    array_is_given(document, &id, over)?;
    Ok(id)
}

/// Wraps steps in a case of a branch; its id.
pub(super) fn wrap_in_branch(document: &mut Value, operation: &WrapInBranch) -> Result<String, Refusal> {
    let (on, case) = (&operation.on, &operation.case);
    let make = |id: &str, children: Vec<Value>| json!({"id": id, "branch": {"on": on, "cases": {case: children}}});
    structure::wrap(document, &operation.node_ids, "branch", make)
}

/// Changes a sequence or a parallel container.
pub(super) fn update_container(document: &mut Value, operation: &UpdateContainer) -> Result<(), Refusal> {
    let node = node_of_kind(document, &operation.step_id, &["sequence", "parallel"])?;
    if let Some(wanted) = operation.container_type {
        let old = if node.contains_key("parallel") { ContainerType::V } else { ContainerType::H };
        if let Some(children) = node.get_mut(old.key()).filter(|_| old != wanted).map(Value::take) {
            node.shift_remove(old.key());
            node.insert(wanted.key().to_owned(), children);
        }
    }
    set_name(node, operation.name.as_ref());
    Ok(())
}

/// Changes a loop.
pub(super) fn update_loop(document: &mut Value, operation: &UpdateLoop) -> Result<(), Refusal> {
    let node = node_of_kind(document, &operation.step_id, &["loop"])?;
    set_name(node, operation.name.as_ref());
    let fields = inner(node, "loop", &operation.step_id)?;
    if let Some(over) = &operation.array_field {
        fields.insert("over".to_owned(), over.as_str().into());
    }
    match operation.concurrency {
        Some(Some(items)) => drop(fields.insert("concurrency".to_owned(), items.into())),
        Some(None) => drop(fields.shift_remove("concurrency")),
        None => {}
    }
    match operation.on_item_error {
        Some(OnItemError::Continue) => drop(fields.insert("on_item_error".to_owned(), "continue".into())),
        Some(OnItemError::Fail) => drop(fields.shift_remove("on_item_error")),
        None => {}
    }
    match &operation.array_field {
        Some(over) => array_is_given(document, &operation.step_id, over),
        None => Ok(()),
    }
}

/// Changes a branch.
pub(super) fn update_branch(document: &mut Value, operation: &UpdateBranch) -> Result<(), Refusal> {
    let step_id = &operation.step_id;
    let node = node_of_kind(document, step_id, &["branch"])?;
    set_name(node, operation.name.as_ref());
    let fields = inner(node, "branch", step_id)?;
    if let Some(on) = &operation.on {
        fields.insert("on".to_owned(), on.as_str().into());
    }
    let cases = fields.entry("cases").or_insert_with(|| json!({}));
    let unreadable =
        || Refusal::unreadable(Some(step_id), format!("the cases of `{step_id}` are no object; replace the node"));
    let cases = cases.as_object_mut().ok_or_else(unreadable)?;
    operation.add_cases.iter().try_for_each(|case| add_case(cases, step_id, case))?;
    operation.remove_cases.iter().try_for_each(|case| remove_case(cases, step_id, case))
}

fn add_case(cases: &mut Map<String, Value>, step_id: &str, case: &str) -> Result<(), Refusal> {
    if cases.contains_key(case) {
        let message = format!("`{step_id}` has a case `{case}` already");
        return Err(Refusal::new(RefusalCode::InvalidValue, "add_cases", message).of_step(step_id));
    }
    cases.insert(case.to_owned(), json!([]));
    Ok(())
}

fn remove_case(cases: &mut Map<String, Value>, step_id: &str, case: &str) -> Result<(), Refusal> {
    let names: Vec<&str> = cases.keys().map(String::as_str).collect();
    let refuse = |code, message| Err(Refusal::new(code, "remove_cases", message).of_step(step_id));
    match cases.get(case) {
        None => {
            let meant = did_you_mean(case, names.iter().copied());
            refuse(
                RefusalCode::InvalidValue,
                format!("`{step_id}` has no case `{case}`; it has {}{meant}", list(&names)),
            )
        }
        Some(Value::Array(steps)) if !steps.is_empty() => {
            refuse(RefusalCode::NotEmpty, format!("there are steps in the case `{case}`; move or remove them first"))
        }
        Some(_) => {
            cases.shift_remove(case);
            Ok(())
        }
    }
}

/// The node of that id, which is to be of one of the kinds.
fn node_of_kind<'a>(
    document: &'a mut Value,
    step_id: &str,
    kinds: &[&str],
) -> Result<&'a mut Map<String, Value>, Refusal> {
    let (node, _) = nodes::find(document, step_id)?;
    match nodes::kind(node) {
        Some(kind) if kinds.contains(&kind) => node_mut(document, step_id),
        Some(kind) => {
            let message = format!("`{step_id}` is of kind `{kind}`; this operation is for {}", kinds.join(" and "));
            Err(Refusal::new(RefusalCode::WrongKind, "step_id", message).of_step(step_id))
        }
        None => Err(Refusal::unreadable(Some(step_id), format!("what `{step_id}` does cannot be told; replace it"))),
    }
}

/// What stands under the node's kind; made where there is nothing.
pub(super) fn inner<'a>(
    node: &'a mut Map<String, Value>,
    kind: &str,
    step_id: &str,
) -> Result<&'a mut Map<String, Value>, Refusal> {
    let value = node.entry(kind.to_owned()).or_insert_with(|| json!({}));
    if value.is_null() {
        *value = json!({});
    }
    let message = || format!("`{kind}` of `{step_id}` is no object; replace the node (`replace_node`)");
    value.as_object_mut().ok_or_else(|| Refusal::unreadable(Some(step_id), message()))
}

/// Refuses a loop over what certainly is not there, or certainly is no array.
fn array_is_given(document: &Value, step_id: &str, over: &str) -> Result<(), Refusal> {
    let refuse = |code, message| Err(Refusal::new(code, "array_field", message).of_step(step_id));
    let plain = |part: &str| !part.is_empty() && !part.contains(|c: char| c.is_whitespace() || "{}[]|()".contains(c));
    if !over.split('.').all(plain) {
        let message =
            format!("`{over}` is no path; write names with dots, without braces: `items` or `classify.items`");
        return refuse(RefusalCode::InvalidValue, message);
    }
    let Some(scope) = given::before(document, step_id) else { return Ok(()) };
    let faulty = |fault: given::Fault| match fault {
        given::Fault::Missing { name, known } => {
            let of_run = format!("initial.{name}");
            let meant = match known.contains(&of_run) {
                true => format!("; a run takes it: write `{of_run}`"),
                false => did_you_mean(&name, known.iter().map(String::as_str)),
            };
            let advice =
                "give a step before it an output with that field, or declare it with `update_flow_input_schema`";
            let message =
                format!("nothing before `{step_id}` gives `{name}`; there are {}{meant}; {advice}", list(&known));
            refuse(RefusalCode::UnknownField, message)
        }
        given::Fault::NoArray { kind } => {
            let message = format!("`{over}` is of type {kind}; a loop walks over an array: name a field of type array");
            refuse(RefusalCode::InvalidValue, message)
        }
    };
    scope.array(over).map_or(Ok(()), faulty)
}

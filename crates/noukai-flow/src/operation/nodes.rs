//! Nodes of a document that need not be sound: where they stand, what they hold. Reads and writes places, decides nothing.

use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value};

use super::{Place, Refusal, RefusalCode};
use crate::check::keys::KINDS;
use crate::nearest::{did_you_mean, list};

/// Those that hold other nodes.
pub(super) const CONTAINERS: [&str; 4] = ["sequence", "parallel", "loop", "branch"];

/// A key on the way through a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Key<'a> {
    Name(&'a str),
    Index(usize),
}

/// [`Key`], owned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    Name(String),
    Index(usize),
}

impl From<Key<'_>> for Step {
    fn from(key: Key<'_>) -> Self {
        match key {
            Key::Name(name) => Self::Name(name.to_owned()),
            Key::Index(index) => Self::Index(index),
        }
    }
}

/// A list of nodes inside a node.
pub(crate) struct ChildList<'a> {
    /// Keys from the node to the list.
    pub keys: Vec<&'a str>,
    /// In a branch, which case; `None`: its `else`, or the only list of another container.
    pub case: Option<&'a str>,
    pub nodes: &'a [Value],
}

/// The lists of nodes in `node`, as far as they are lists. Every walk asks every node, so that its keys are gone through
/// once, and none is looked up.
pub(crate) fn child_lists<'a>(node: &'a Value) -> Vec<ChildList<'a>> {
    let mut lists = Vec::new();
    for (key, value) in node.as_object().into_iter().flatten() {
        match key.as_str() {
            "sequence" | "parallel" => lists.extend(child_list(vec![key], None, Some(value))),
            "loop" => lists.extend(child_list(vec!["loop", "steps"], None, value.get("steps"))),
            "branch" => {
                // A branch's cases come before its `else`.
                let cases = value.get("cases").and_then(Value::as_object).into_iter().flatten();
                let case = |(case, nodes): (&'a String, &'a Value)| {
                    child_list(vec!["branch", "cases", case], Some(case), Some(nodes))
                };
                lists.extend(cases.filter_map(case));
                lists.extend(child_list(vec!["branch", "else"], None, value.get("else")));
            }
            _ => {}
        }
    }
    lists
}

fn child_list<'a>(keys: Vec<&'a str>, case: Option<&'a str>, nodes: Option<&'a Value>) -> Option<ChildList<'a>> {
    Some(ChildList { keys, case, nodes: nodes?.as_array()? })
}

/// A node as the walk comes by it.
pub(crate) struct Visit<'a, 'p> {
    pub node: &'a Value,
    pub parent: Option<&'a Value>,
    pub case: Option<&'a str>,
    /// Keys from the document to the node; the last is its index.
    pub path: &'p [Key<'a>],
    /// Containers around it.
    pub depth: usize,
}

/// Shows every node, in tree order.
pub(crate) fn walk<'a>(document: &'a Value, visit: &mut impl FnMut(&Visit<'a, '_>)) {
    if let Some(steps) = document.get("steps").and_then(Value::as_array) {
        let mut path = vec![Key::Name("steps")];
        walk_list(steps, (None, None), &mut path, 0, visit);
    }
}

/// Shows every node of a subtree, the first one included.
pub(super) fn walk_node<'a>(node: &'a Value, visit: &mut impl FnMut(&Visit<'a, '_>)) {
    walk_list(std::slice::from_ref(node), (None, None), &mut Vec::new(), 0, visit);
}

fn walk_list<'a>(
    nodes: &'a [Value],
    (parent, case): (Option<&'a Value>, Option<&'a str>),
    path: &mut Vec<Key<'a>>,
    depth: usize,
    visit: &mut impl FnMut(&Visit<'a, '_>),
) {
    for (index, node) in nodes.iter().enumerate() {
        path.push(Key::Index(index));
        visit(&Visit { node, parent, case, path, depth });
        for list in child_lists(node) {
            let before = path.len();
            path.extend(list.keys.iter().map(|key| Key::Name(key)));
            walk_list(list.nodes, (Some(node), list.case), path, depth + 1, visit);
            path.truncate(before);
        }
        path.pop();
    }
}

/// The node's id, where it has one.
pub(crate) fn id(node: &Value) -> Option<&str> {
    node.get("id")?.as_str()
}

/// What the node does; `None` where it says not, or more than once.
pub(crate) fn kind(node: &Value) -> Option<&'static str> {
    let keys = node.as_object()?.keys();
    let mut kinds = keys.filter_map(|key| KINDS.iter().find(|kind| key == *kind).copied());
    kinds.next().filter(|_| kinds.next().is_none())
}

/// Whether it holds other nodes.
pub(crate) fn is_container(node: &Value) -> bool {
    node.as_object().is_some_and(|fields| fields.keys().any(|key| CONTAINERS.contains(&key.as_str())))
}

/// The prompt or the source of a block.
fn content(node: &Value) -> Option<&str> {
    node.pointer("/llm/prompt").or_else(|| node.pointer("/code/source"))?.as_str()
}

/// Ids of the blocks whose prompt or source is new or another, in tree order.
pub(super) fn with_new_content(before: &Value, after: &Value) -> Vec<String> {
    let mut old = HashMap::new();
    walk(before, &mut |visit| {
        old.extend(id(visit.node).zip(content(visit.node)));
    });
    let mut changed = Vec::new();
    walk(after, &mut |visit| {
        let block = id(visit.node).zip(content(visit.node));
        changed.extend(block.filter(|(id, content)| old.get(id) != Some(content)).map(|(id, _)| id.to_owned()));
    });
    changed
}

/// All ids, in tree order.
pub(super) fn ids(document: &Value) -> Vec<&str> {
    let mut ids = Vec::new();
    walk(document, &mut |visit| ids.extend(id(visit.node)));
    ids
}

/// The ids of a subtree, in tree order, its own first.
pub(super) fn ids_below(node: &Value) -> Vec<&str> {
    let mut ids = Vec::new();
    walk_node(node, &mut |visit| ids.extend(id(visit.node)));
    ids
}

/// Ids that stand more than once.
pub(super) fn duplicates(document: &Value) -> HashSet<&str> {
    let mut seen = HashSet::new();
    ids(document).into_iter().filter(|id| !seen.insert(*id)).collect()
}

/// Where a node stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Site {
    /// Keys from the document to the list the node stands in.
    pub list: Vec<Step>,
    pub index: usize,
    pub parent: Option<String>,
    pub case: Option<String>,
    /// Whether the nodes of the list run at once.
    pub parallel: bool,
}

impl Site {
    fn of(visit: &Visit<'_, '_>) -> Self {
        let (index, list) = match visit.path.split_last() {
            Some((Key::Index(index), list)) => (*index, list),
            _ => (0, visit.path),
        };
        Self {
            // A case may have that name too.
            parallel: visit.case.is_none() && list.last() == Some(&Key::Name("parallel")),
            list: list.iter().copied().map(Step::from).collect(),
            index,
            parent: visit.parent.and_then(id).map(str::to_owned),
            case: visit.case.map(str::to_owned),
        }
    }
}

/// The only node of that id.
pub(crate) fn find<'a>(document: &'a Value, step_id: &str) -> Result<(&'a Value, Site), Refusal> {
    let mut found = None;
    let mut times = 0;
    walk(document, &mut |visit| {
        if id(visit.node) == Some(step_id) {
            times += 1;
            found = found.take().or_else(|| Some((visit.node, Site::of(visit))));
        }
    });
    match found {
        Some(found) if times == 1 => Ok(found),
        Some(_) => {
            let message =
                format!("{times} steps have the id `{step_id}`; replace the document with one where ids are unique");
            Err(Refusal::new(RefusalCode::AmbiguousId, "step_id", message).of_step(step_id))
        }
        None => Err(Refusal::not_found(step_id, &ids(document))),
    }
}

/// The value those keys lead to.
pub(super) fn at_mut<'a>(value: &'a mut Value, keys: &[Step]) -> Option<&'a mut Value> {
    keys.iter().try_fold(value, |value, key| match key {
        Step::Name(name) => value.get_mut(name),
        Step::Index(index) => value.get_mut(*index),
    })
}

/// The node of that id, to change it.
pub(super) fn node_mut<'a>(document: &'a mut Value, step_id: &str) -> Result<&'a mut Map<String, Value>, Refusal> {
    let (_, site) = find(document, step_id)?;
    let list = list_at(document, &site)?;
    // `find` has just seen it there, with an id, so it is an object.
    list.get_mut(site.index).and_then(Value::as_object_mut).ok_or_else(|| unreadable_list(Some(step_id)))
}

/// The list a node stands in.
pub(super) fn list_at<'a>(document: &'a mut Value, site: &Site) -> Result<&'a mut Vec<Value>, Refusal> {
    let parent = site.parent.as_deref();
    at_mut(document, &site.list).and_then(Value::as_array_mut).ok_or_else(|| unreadable_list(parent))
}

/// Takes the node out of its list.
pub(super) fn take(document: &mut Value, step_id: &str) -> Result<(Value, Site), Refusal> {
    let (_, site) = find(document, step_id)?;
    let list = list_at(document, &site)?;
    if site.index < list.len() { Ok((list.remove(site.index), site)) } else { Err(unreadable_list(Some(step_id))) }
}

/// Puts the node at a place.
pub(super) fn put(document: &mut Value, place: &Place, node: Value) -> Result<(), Refusal> {
    let list = list_of(document, place)?;
    let index = place.index.unwrap_or(list.len()).min(list.len());
    list.insert(index, node);
    Ok(())
}

/// The list of a place; made where it may be absent.
pub(super) fn list_of<'a>(document: &'a mut Value, place: &Place) -> Result<&'a mut Vec<Value>, Refusal> {
    let Some(parent) = &place.parent_id else {
        if place.case.is_some() {
            let message = "a case is one of a branch; name the branch in `parent_id`";
            return Err(Refusal::new(RefusalCode::InvalidValue, "case", message));
        }
        return list_in(document, &["steps"], None);
    };
    let (node, site) = find(document, parent)?;
    let keys = list_keys(node, parent, place.case.as_deref())?;
    let list = list_at(document, &site)?;
    let node = list.get_mut(site.index).ok_or_else(|| unreadable_list(Some(parent)))?;
    list_in(node, &keys.iter().map(String::as_str).collect::<Vec<_>>(), Some(parent))
}

/// The keys from a container to the list of its children that is meant.
fn list_keys(node: &Value, step_id: &str, case: Option<&str>) -> Result<Vec<String>, Refusal> {
    let keys: &[&str] = match (kind(node), case) {
        (Some("branch"), Some(case)) => return case_keys(node, step_id, case),
        (Some("branch"), None) => &["branch", "else"],
        (Some("sequence"), None) => &["sequence"],
        (Some("parallel"), None) => &["parallel"],
        (Some("loop"), None) => &["loop", "steps"],
        (Some("sequence" | "parallel" | "loop"), Some(_)) => {
            let message = format!("`{step_id}` is no branch and has no cases; leave `case` out");
            return Err(Refusal::new(RefusalCode::InvalidValue, "case", message).of_step(step_id));
        }
        (Some(kind), _) => {
            let message =
                format!("`{step_id}` is a block ({kind}) and holds no steps; name a container, or use `target_id`");
            return Err(Refusal::new(RefusalCode::WrongKind, "parent_id", message).of_step(step_id));
        }
        (None, _) => {
            return Err(Refusal::unreadable(
                Some(step_id),
                format!("what `{step_id}` does cannot be told; replace it"),
            ));
        }
    };
    Ok(keys.iter().map(|key| (*key).to_owned()).collect())
}

fn case_keys(node: &Value, step_id: &str, case: &str) -> Result<Vec<String>, Refusal> {
    let cases = node.pointer("/branch/cases").and_then(Value::as_object);
    let names: Vec<&str> = cases.into_iter().flatten().map(|(name, _)| name.as_str()).collect();
    if names.contains(&case) {
        return Ok(["branch", "cases", case].map(str::to_owned).to_vec());
    }
    let meant = did_you_mean(case, names.iter().copied());
    let message =
        format!("`{step_id}` has no case `{case}`; it has {}{meant}; `update_branch` adds cases", list(&names));
    Err(Refusal::new(RefusalCode::InvalidValue, "case", message).of_step(step_id))
}

/// The list under `keys`, made where it is absent.
fn list_in<'a>(value: &'a mut Value, keys: &[&str], step_id: Option<&str>) -> Result<&'a mut Vec<Value>, Refusal> {
    let (last, before) = keys.split_last().ok_or_else(|| unreadable_list(step_id))?;
    let mut value = value;
    for key in before {
        value = value.get_mut(key).ok_or_else(|| unreadable_list(step_id))?;
    }
    let fields = value.as_object_mut().ok_or_else(|| unreadable_list(step_id))?;
    let list = fields.entry((*last).to_owned()).or_insert_with(|| Value::Array(Vec::new()));
    list.as_array_mut().ok_or_else(|| unreadable_list(step_id))
}

fn unreadable_list(step_id: Option<&str>) -> Refusal {
    let whose = step_id.map_or_else(|| "the flow".to_owned(), |id| format!("`{id}`"));
    Refusal::unreadable(step_id, format!("the steps of {whose} are no list; replace them with one"))
}

/// An id that no step has: `base`, or `base` with a number.
pub(super) fn free_id(taken: &HashSet<&str>, base: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '_' { c.to_ascii_lowercase() } else { '-' };
    let words: String = base.chars().map(plain).collect();
    let words: Vec<&str> = words.split('-').filter(|word| !word.is_empty()).collect();
    let base: String = words.join("-").chars().take(56).collect();
    let base = if base.is_empty() { "step" } else { base.trim_end_matches('-') };
    if !taken.contains(base) {
        return base.to_owned();
    }
    let numbered = (2_u32..).map(|number| format!("{base}-{number}"));
    numbered.into_iter().find(|id| !taken.contains(id.as_str())).unwrap_or_else(|| base.to_owned())
}

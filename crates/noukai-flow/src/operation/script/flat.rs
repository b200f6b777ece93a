//! A document's tree laid out by id: which node stands in which list. Only for trees whose ids tell the nodes apart.

use std::{borrow::Cow, collections::HashMap};

use serde_json::{Map, Value, json};

use super::super::{Place, nodes};

/// A list of nodes: whose, and in a branch which case. `(None, None)` is the root.
pub(super) type Spot<'a> = (Option<&'a str>, Option<&'a str>);

/// A tree, laid out.
pub(super) struct Flat<'a> {
    pub nodes: HashMap<&'a str, Entry<'a>>,
    /// Ids in tree order.
    pub order: Vec<&'a str>,
    /// Every list with the ids in it, a container's before those inside it.
    pub lists: Vec<List<'a>>,
}

pub(super) struct List<'a> {
    pub spot: Spot<'a>,
    /// Keys from the container to the list.
    pub keys: Vec<&'a str>,
    pub ids: Vec<&'a str>,
}

pub(super) struct Entry<'a> {
    pub node: &'a Value,
    pub spot: Spot<'a>,
}

impl<'a> Flat<'a> {
    /// `None` where the tree cannot be laid out: a node without an id or with another's, or one that is a container and
    /// something else as well.
    pub(super) fn of(document: &'a Value) -> Option<Self> {
        let steps = match document.get("steps") {
            None => &[],
            Some(steps) => steps.as_array()?.as_slice(),
        };
        let mut flat = Self { nodes: HashMap::new(), order: Vec::new(), lists: Vec::new() };
        flat.read((None, None), vec!["steps"], steps)?;
        Some(flat)
    }

    fn read(&mut self, spot: Spot<'a>, keys: Vec<&'a str>, children: &'a [Value]) -> Option<()> {
        let ids: Option<Vec<&str>> = children.iter().map(nodes::id).collect();
        self.lists.push(List { spot, keys, ids: ids? });
        for node in children {
            let id = nodes::id(node).filter(|id| !id.is_empty())?;
            if self.nodes.insert(id, Entry { node, spot }).is_some() {
                return None;
            }
            self.order.push(id);
            if nodes::is_container(node) {
                nodes::kind(node)?;
                for list in nodes::child_lists(node) {
                    self.read((Some(id), list.case), list.keys, list.nodes)?;
                }
            }
        }
        Some(())
    }

    /// The id of the container a node stands in.
    pub(super) fn parent(&self, id: &str) -> Option<&'a str> {
        self.nodes.get(id)?.spot.0
    }
}

/// A spot as operations name it.
pub(super) fn place((parent, case): Spot<'_>, index: usize) -> Place {
    Place { parent_id: parent.map(str::to_owned), case: case.map(str::to_owned), index: Some(index) }
}

/// The node without what is in it: its lists of nodes are empty.
pub(in super::super) fn shell(node: &Value) -> Cow<'_, Value> {
    if nodes::is_container(node) { Cow::Owned(keep(node, &|_| false)) } else { Cow::Borrowed(node) }
}

/// The node with those children alone that are `wanted`, and so on inwards.
pub(super) fn keep(node: &Value, wanted: &dyn Fn(&str) -> bool) -> Value {
    let children = |list: &Value| -> Value {
        let Some(items) = list.as_array() else { return list.clone() };
        items.iter().filter(|child| nodes::id(child).is_some_and(wanted)).map(|child| keep(child, wanted)).collect()
    };
    let Some(fields) = node.as_object() else { return node.clone() };
    let field = |(key, value): (&String, &Value)| {
        let value = match key.as_str() {
            "sequence" | "parallel" => children(value),
            "loop" => each_field(value, |key, value| if key == "steps" { children(value) } else { value.clone() }),
            "branch" => each_field(value, |key, value| match key {
                "else" => children(value),
                "cases" => each_field(value, |_, value| children(value)),
                _ => value.clone(),
            }),
            _ => value.clone(),
        };
        (key.clone(), value)
    };
    fields.iter().map(field).collect::<Map<_, _>>().into()
}

fn each_field(value: &Value, change: impl Fn(&str, &Value) -> Value) -> Value {
    match value.as_object() {
        Some(fields) => {
            json!(fields.iter().map(|(key, value)| (key.clone(), change(key, value))).collect::<Map<_, _>>())
        }
        None => value.clone(),
    }
}

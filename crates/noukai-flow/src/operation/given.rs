//! Which fields are there before a step, as far as a draft says so. Nothing is said where it cannot be known.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use serde_json::Value;

use super::nodes;
use crate::{schema::short, scope::variable};

/// Fields an output has, each with its schema; `None`: any.
type Known = Option<Arc<BTreeMap<String, Value>>>;

/// What a step can name.
#[derive(Debug, Clone, Default)]
pub(super) struct Given {
    /// Fields of what runs before it.
    input: Known,
    /// Earlier steps by id and by name.
    steps: BTreeMap<String, Known>,
    /// What a run takes.
    initial: Known,
    /// Whether an item may bring any field.
    in_loop: bool,
}

/// Why a path is not one of an array.
pub(super) enum Fault {
    /// Nothing gives `name`; these are given.
    Missing { name: String, known: Vec<String> },
    /// It is of another type.
    NoArray { kind: String },
}

impl Given {
    /// What certainly speaks against walking over `path`.
    pub(super) fn array(&self, path: &str) -> Option<Fault> {
        let mut parts = path.split('.');
        let name = parts.next()?;
        let fields = self.input.as_ref().filter(|_| !self.in_loop)?;
        let mut schema = match (fields.get(name), self.steps.get(name)) {
            (Some(schema), _) => schema.clone(),
            (None, Some(Some(fields))) => object_schema(fields),
            (None, Some(None)) => return None,
            (None, None) if matches!(name, "initial" | "previous_output" | "message") => return None,
            (None, None) => {
                let initial =
                    self.initial.iter().flat_map(|fields| fields.keys()).map(|name| format!("initial.{name}"));
                let known: BTreeSet<String> = fields
                    .keys()
                    .chain(self.steps.keys())
                    .cloned()
                    .chain(initial)
                    .filter(|name| !name.is_empty())
                    .collect();
                return Some(Fault::Missing { name: name.to_owned(), known: known.into_iter().collect() });
            }
        };
        for part in parts {
            let properties = schema.get("properties").and_then(Value::as_object)?;
            let Some(inner) = properties.get(part) else {
                let closed = schema.get("additionalProperties") == Some(&Value::Bool(false));
                let known = || properties.keys().cloned().collect();
                return closed.then(|| Fault::Missing { name: part.to_owned(), known: known() });
            };
            schema = inner.clone();
        }
        let kind = schema.get("type")?.as_str()?;
        (kind != "array").then(|| Fault::NoArray { kind: kind.to_owned() })
    }
}

fn object_schema(fields: &BTreeMap<String, Value>) -> Value {
    let properties: serde_json::Map<String, Value> = fields.clone().into_iter().collect();
    serde_json::json!({"type": "object", "properties": properties, "additionalProperties": false})
}

/// What the step of that id can name; `None` where there is no such step.
pub(super) fn before(document: &Value, step_id: &str) -> Option<Given> {
    let steps = document.get("steps")?.as_array()?;
    let initial = inputs(document);
    let mut walk = Walk { wanted: step_id, found: None, steps: BTreeMap::new(), initial: initial.clone(), loops: 0 };
    walk.sequence(steps, initial);
    walk.found
}

struct Walk<'w> {
    wanted: &'w str,
    found: Option<Given>,
    steps: BTreeMap<String, Known>,
    initial: Known,
    loops: usize,
}

impl Walk<'_> {
    fn sequence(&mut self, nodes: &[Value], input: Known) -> Known {
        let mut known = input;
        for node in nodes {
            if self.found.is_some() {
                return None;
            }
            known = self.node(node, known);
            self.seen(node, &known);
        }
        known
    }

    fn node(&mut self, node: &Value, input: Known) -> Known {
        if nodes::id(node) == Some(self.wanted) && self.found.is_none() {
            self.found = Some(Given {
                input: input.clone(),
                steps: self.steps.clone(),
                initial: self.initial.clone(),
                in_loop: self.loops > 0,
            });
        }
        match nodes::kind(node) {
            Some("llm") => match node.pointer("/llm/output") {
                Some(schema) => output(schema),
                None => Some(Arc::new([("message".to_owned(), serde_json::json!({"type": "string"}))].into())),
            },
            Some("code") => output(node.pointer("/code/output")?),
            Some("passthrough") => input,
            Some("sequence") => self.sequence(node.get("sequence")?.as_array()?, input),
            Some("parallel") => self.parallel(node.get("parallel")?.as_array()?, &input),
            Some("loop") => self.each(node),
            Some("branch") => self.branch(node, &input),
            _ => None,
        }
    }

    fn parallel(&mut self, children: &[Value], input: &Known) -> Known {
        let outputs: Vec<Known> = children.iter().map(|child| self.node(child, input.clone())).collect();
        let mut all = BTreeMap::new();
        let mut certain = true;
        for (child, known) in children.iter().zip(outputs) {
            self.seen(child, &known);
            match known {
                Some(known) => {
                    all.extend(nodes::id(child).map(|id| (id.to_owned(), object_schema(&known))));
                    all.extend(known.iter().map(|(name, schema)| (name.clone(), schema.clone())));
                }
                None => certain = false,
            }
        }
        certain.then(|| Arc::new(all))
    }

    fn each(&mut self, node: &Value) -> Known {
        self.loops += 1;
        if let Some(steps) = node.pointer("/loop/steps").and_then(Value::as_array) {
            self.sequence(steps, None);
        }
        self.loops -= 1;
        let array = serde_json::json!({"type": "array"});
        let results = ["results", nodes::id(node)?].map(|name| (name.to_owned(), array.clone()));
        let count = ("count".to_owned(), serde_json::json!({"type": "integer"}));
        Some(Arc::new(results.into_iter().chain([count]).collect()))
    }

    /// Any of the fields that any case gives, of no certain type.
    fn branch(&mut self, node: &Value, input: &Known) -> Known {
        let lists = nodes::child_lists(node);
        let otherwise = lists.iter().any(|list| list.case.is_none());
        let mut outputs: Vec<Known> = lists.iter().map(|list| self.sequence(list.nodes, input.clone())).collect();
        outputs.extend((!otherwise).then(|| input.clone()));
        let mut all: BTreeMap<String, Value> = BTreeMap::new();
        for known in outputs {
            for (name, schema) in known?.iter() {
                let other = all.entry(name.clone()).or_insert_with(|| schema.clone());
                if other != schema {
                    *other = Value::Bool(true);
                }
            }
        }
        Some(Arc::new(all))
    }

    fn seen(&mut self, node: &Value, known: &Known) {
        let id = nodes::id(node).unwrap_or_default();
        let name = node.get("name").and_then(Value::as_str).unwrap_or(id);
        for name in [id.to_owned(), id.replace('-', "_"), variable(name)] {
            self.steps.insert(name, known.clone());
        }
    }
}

/// What a run takes: what is declared, or anything where nothing is.
fn inputs(document: &Value) -> Known {
    let schema = short::json_schema(document.get("input")?, false).ok()?;
    let mut fields = properties(&schema)?;
    Arc::make_mut(&mut fields).entry("message".to_owned()).or_insert_with(|| serde_json::json!({"type": "string"}));
    Some(fields)
}

/// What a block with that output schema gives.
fn output(schema: &Value) -> Known {
    let schema = short::json_schema(schema, true).ok()?;
    let closed =
        schema.get("additionalProperties") == Some(&Value::Bool(false)) && schema.get("patternProperties").is_none();
    properties(&schema).filter(|_| closed)
}

fn properties(schema: &Value) -> Known {
    let properties = schema.get("properties")?.as_object()?;
    Some(Arc::new(properties.iter().map(|(name, schema)| (name.clone(), schema.clone())).collect()))
}

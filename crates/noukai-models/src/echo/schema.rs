//! A JSON Schema read as layers: the schema itself, what it refers to, all of its `allOf`, one branch of its `anyOf`
//! and `oneOf`. Questions are answered over all layers at once. Makes no values.

use std::str::FromStr;

use rust_decimal::Decimal;
use serde_json::{Map, Value};

const MOST_LAYERS: usize = 64;

/// A schema's layers, and the references followed to reach them.
pub(super) struct Layers<'a> {
    maps: Vec<&'a Map<String, Value>>,
    pub(super) refs: Vec<&'a str>,
}

impl<'a> Layers<'a> {
    /// Reads several schemas that a value must fit at once. References in `open` are being expanded further out.
    pub(super) fn read(root: &'a Value, schemas: &[&'a Value], open: &[&'a str]) -> Self {
        let mut layers = Self { maps: Vec::new(), refs: Vec::new() };
        for schema in schemas {
            layers.add(root, schema, open);
        }
        layers
    }

    fn add(&mut self, root: &'a Value, schema: &'a Value, open: &[&'a str]) {
        let Value::Object(map) = schema else { return };
        if self.maps.len() >= MOST_LAYERS {
            return;
        }
        self.maps.push(map);
        if let Some(reference) = reference(schema)
            && !self.refs.contains(&reference)
        {
            self.refs.push(reference);
            if let Some(target) = target(root, reference) {
                self.add(root, target, open);
            }
        }
        for schema in map.get("allOf").and_then(Value::as_array).into_iter().flatten() {
            self.add(root, schema, open);
        }
        for keyword in ["anyOf", "oneOf"] {
            if let Some(branch) = map.get(keyword).and_then(|branches| pick(branches, open)) {
                self.add(root, branch, open);
            }
        }
    }

    /// A keyword's values, outermost layer first.
    pub(super) fn all(&self, keyword: &str) -> impl Iterator<Item = &'a Value> {
        self.maps.iter().filter_map(move |map| map.get(keyword))
    }

    /// A keyword's first value.
    pub(super) fn first(&self, keyword: &str) -> Option<&'a Value> {
        self.all(keyword).next()
    }

    pub(super) fn has(&self, keywords: &[&str]) -> bool {
        keywords.iter().any(|keyword| self.first(keyword).is_some())
    }

    /// The largest of a lower bound on a count.
    pub(super) fn at_least(&self, keyword: &str) -> u64 {
        self.all(keyword).filter_map(count).max().unwrap_or(0)
    }

    /// The smallest of an upper bound on a count.
    pub(super) fn at_most(&self, keyword: &str) -> u64 {
        self.all(keyword).filter_map(count).min().unwrap_or(u64::MAX)
    }

    pub(super) fn decimals(&self, keyword: &str) -> impl Iterator<Item = Decimal> {
        self.all(keyword).filter_map(decimal)
    }

    /// Whether a layer says `true`.
    pub(super) fn is_set(&self, keyword: &str) -> bool {
        self.all(keyword).any(|value| value == &Value::Bool(true))
    }

    /// The schemas a property must fit.
    pub(super) fn property(&self, name: &str) -> Vec<&'a Value> {
        let named: Vec<_> = self.all("properties").filter_map(|properties| properties.get(name)).collect();
        if named.is_empty() { self.all("additionalProperties").collect() } else { named }
    }

    /// Whether a layer allows a type by name; `integer` is a `number`.
    pub(super) fn allows(&self, kind: &str) -> bool {
        self.all("type").all(|types| {
            let allowed = |name: &Value| name == kind || (name == "number" && kind == "integer");
            types.as_array().map_or_else(|| allowed(types), |names| names.iter().any(allowed))
        })
    }
}

/// A decimal, unless it is beyond what decimals hold.
pub(super) fn decimal(value: &Value) -> Option<Decimal> {
    let text = value.as_number()?.to_string();
    Decimal::from_str(&text).or_else(|_| Decimal::from_scientific(&text)).ok()
}

/// Whether a schema leads straight back to one that is being expanded.
pub(super) fn leads_back(schema: &Value, open: &[&str]) -> bool {
    reference(schema).is_some_and(|reference| open.contains(&reference))
}

/// The first branch that ends and is not null; else one that ends; else the first.
fn pick<'a>(branches: &'a Value, open: &[&str]) -> Option<&'a Value> {
    let branches = branches.as_array()?;
    let ends = |branch: &&Value| !leads_back(branch, open) && branch != &&Value::Bool(false);
    let says = |branch: &&Value| branch.get("type").is_none_or(|kind| kind != "null");
    let best = branches.iter().find(|branch| ends(branch) && says(branch));
    best.or_else(|| branches.iter().find(ends)).or_else(|| branches.first())
}

fn count(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_f64().filter(|number| *number >= 0.0).map(|number| number as u64))
}

fn reference(schema: &Value) -> Option<&str> {
    schema.get("$ref").and_then(Value::as_str)
}

/// What a reference within the document points to.
fn target<'a>(root: &'a Value, reference: &str) -> Option<&'a Value> {
    root.pointer(reference.strip_prefix('#')?)
}

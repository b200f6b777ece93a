//! JSON as the engine's values, converted where a template looks and nowhere else.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use minijinja::{
    Error, ErrorKind, Value,
    value::{Enumerator, Object, ObjectRepr},
};
use serde_json::Value as Json;

use crate::{Scope, scope::Found};

/// Bytes of text that one rendering may read out of its scope.
const MAX_READ: usize = 64 * 1024 * 1024;

/// The names in scope as the engine's root object. Owns a cheap copy of the scope.
#[derive(Debug)]
pub(super) struct Root {
    scope: Scope,
    meter: Arc<Meter>,
}

impl Root {
    pub(super) fn new(scope: &Scope) -> Self {
        Self { scope: scope.clone(), meter: Arc::new(Meter(AtomicUsize::new(MAX_READ))) }
    }
}

impl Object for Root {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.get_value_by_str(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        Some(match self.scope.lookup(key)? {
            Found::Whole(value) => self.meter.value(value, || (Arc::clone(value), Vec::new())),
            Found::Field { of, value } => self.meter.value(value, || (Arc::clone(of), vec![Step::Key(key.into())])),
            Found::Made(value) => self.meter.value(&value, || (Arc::new(value.clone()), Vec::new())),
        })
    }
}

/// What is left of [`MAX_READ`].
#[derive(Debug)]
struct Meter(AtomicUsize);

impl Meter {
    /// `json` as a value of the engine; `at` says where it stands, should it be an object or array.
    fn value(self: &Arc<Self>, json: &Json, at: impl FnOnce() -> (Arc<Json>, Vec<Step>)) -> Value {
        match json {
            Json::Null => Value::from(()),
            Json::Bool(value) => Value::from(*value),
            Json::Number(number) => number_value(number),
            Json::String(text) => self.text(text),
            Json::Array(_) | Json::Object(_) => {
                let (root, path) = at();
                Value::from_object(Node { root, path, meter: Arc::clone(self) })
            }
        }
    }

    /// The text, if there is enough left to read it; else a value that fails what uses it.
    fn text(&self, text: &str) -> Value {
        match self.0.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(text.len())) {
            Ok(_) => Value::from(text),
            Err(_) => Value::from(Error::new(
                ErrorKind::InvalidOperation,
                format!("the template reads more than {MAX_READ} bytes of text"),
            )),
        }
    }
}

fn number_value(number: &serde_json::Number) -> Value {
    match (number.as_i64(), number.as_u64()) {
        (Some(number), _) => Value::from(number),
        (None, Some(number)) => Value::from(number),
        (None, None) => Value::from(number.as_f64().unwrap_or(f64::NAN)),
    }
}

/// An object or array somewhere in a JSON value that is shared, not copied.
pub(super) struct Node {
    root: Arc<Json>,
    path: Vec<Step>,
    meter: Arc<Meter>,
}

#[derive(Debug, Clone)]
enum Step {
    Key(Box<str>),
    Index(usize),
}

impl Step {
    fn of<'a>(&self, json: &'a Json) -> Option<&'a Json> {
        match self {
            Self::Key(key) => json.get(&**key),
            Self::Index(index) => json.get(*index),
        }
    }
}

impl Node {
    /// The JSON value.
    pub(super) fn json(&self) -> &Json {
        // The path was walked when the node was made, and the value cannot have changed since.
        self.path.iter().try_fold(&*self.root, |json, step| step.of(json)).unwrap_or(&Json::Null)
    }

    fn child(&self, step: Step) -> Option<Value> {
        let json = step.of(self.json())?;
        Some(self.meter.value(json, || {
            let mut path = Vec::with_capacity(self.path.len() + 1);
            path.extend_from_slice(&self.path);
            path.push(step);
            (Arc::clone(&self.root), path)
        }))
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.json())
    }
}

impl Object for Node {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        if self.json().is_array() { ObjectRepr::Seq } else { ObjectRepr::Map }
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        match key.as_str() {
            Some(key) => self.get_value_by_str(key),
            None => self.child(Step::Index(key.as_usize()?)),
        }
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        self.child(Step::Key(key.into()))
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        match self.json() {
            Json::Array(items) => Enumerator::Seq(items.len()),
            Json::Object(fields) => Enumerator::Values(fields.keys().map(|key| self.meter.text(key)).collect()),
            _ => Enumerator::Empty,
        }
    }

    fn enumerator_len(self: &Arc<Self>) -> Option<usize> {
        match self.json() {
            Json::Array(items) => Some(items.len()),
            Json::Object(fields) => Some(fields.len()),
            _ => Some(0),
        }
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.json())
    }
}

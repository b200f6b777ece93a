//! What a block sees: names, from near to far. Owns the order of the lookup; knows nothing of templates.

use std::{borrow::Cow, sync::Arc};

use serde_json::Value;

/// Everything a block may name.
#[derive(Debug, Clone)]
pub struct Scope {
    /// The output of what ran before in the block's sequence; for the first, `initial`.
    pub pipeline: Arc<Value>,
    /// The item at hand, inside a loop (of the innermost one).
    pub item: Option<LoopItem>,
    /// Outputs of the earlier steps that are in scope, in order; later ones win.
    pub steps: Vec<StepOutput>,
    /// The run's inputs.
    pub initial: Arc<Value>,
}

/// One iteration of a loop.
#[derive(Debug, Clone)]
pub struct LoopItem {
    /// The item.
    pub item: Arc<Value>,
    /// From 0.
    pub index: u32,
}

/// What an earlier step gave.
#[derive(Debug, Clone)]
pub struct StepOutput {
    /// The step's id.
    pub id: Arc<str>,
    /// The step's name; a variable as a slug with underscores.
    pub name: Arc<str>,
    /// Its output.
    pub output: Arc<Value>,
}

/// What a name stands for. Nothing is copied until someone asks for a value of their own.
#[derive(Debug, Clone)]
pub enum Found<'a> {
    /// A whole value.
    Whole(&'a Arc<Value>),
    /// The field of that name in an object.
    Field {
        /// The object.
        of: &'a Arc<Value>,
        /// The field.
        value: &'a Value,
    },
    /// A value made on the spot (`index`, `previous_output`).
    Made(Value),
}

impl Found<'_> {
    /// The value itself.
    pub fn value(&self) -> &Value {
        match self {
            Self::Whole(value) => value,
            Self::Field { value, .. } => value,
            Self::Made(value) => value,
        }
    }
}

impl Scope {
    /// What `name` stands for, the nearest first: the pipeline input's fields, `item` and `index`, earlier steps (later
    /// ones first) by id and by name, `initial`, `previous_output`, `message`.
    pub fn lookup(&self, name: &str) -> Option<Found<'_>> {
        field(&self.pipeline, name)
            .or_else(|| self.item.as_ref()?.lookup(name))
            .or_else(|| {
                self.steps.iter().rev().find(|step| step.answers_to(name)).map(|step| Found::Whole(&step.output))
            })
            .or_else(|| match name {
                "initial" => Some(Found::Whole(&self.initial)),
                "previous_output" => Some(Found::Made(Value::String(as_text(&self.pipeline).into_owned()))),
                "message" => field(&self.initial, name),
                _ => None,
            })
    }

    /// All names, near to far, each once.
    pub fn names(&self) -> Vec<String> {
        let fields = self.pipeline.as_object().into_iter().flat_map(|fields| fields.keys().cloned());
        let item = self.item.iter().flat_map(|_| ["item".to_owned(), "index".to_owned()]);
        let steps = self.steps.iter().rev().flat_map(|step| [step.id.to_string(), variable(&step.name)]);
        let rest = ["initial", "previous_output"].map(str::to_owned);
        let message = field(&self.initial, "message").map(|_| "message".to_owned());
        let mut names: Vec<String> = Vec::new();
        for name in fields.chain(item).chain(steps).chain(rest).chain(message) {
            // A name for people may have no letter to make a variable of.
            if !name.is_empty() && !names.contains(&name) {
                names.push(name);
            }
        }
        names
    }

    /// The value at a dotted path (`classify.items.0`): a name, then fields of objects and indexes of arrays, from 0.
    pub fn resolve(&self, dotted_path: &str) -> Option<Arc<Value>> {
        let (name, rest) = match dotted_path.split_once('.') {
            Some((name, rest)) => (name, Some(rest)),
            None => (dotted_path, None),
        };
        let found = self.lookup(name)?;
        match (rest, &found) {
            (None, Found::Whole(value)) => Some(Arc::clone(value)),
            (None, _) => Some(Arc::new(found.value().clone())),
            (Some(rest), _) => rest.split('.').try_fold(found.value(), step_into).cloned().map(Arc::new),
        }
    }
}

impl LoopItem {
    fn lookup(&self, name: &str) -> Option<Found<'_>> {
        match name {
            "item" => Some(Found::Whole(&self.item)),
            "index" => Some(Found::Made(self.index.into())),
            _ => None,
        }
    }
}

impl StepOutput {
    fn answers_to(&self, name: &str) -> bool {
        *self.id == *name || is_spelled(&self.id, name) || variable(&self.name) == name
    }
}

/// Whether `name` is `id` with underscores for hyphens.
fn is_spelled(id: &str, name: &str) -> bool {
    id.len() == name.len() && id.bytes().zip(name.bytes()).all(|(id, name)| id == name || (id == b'-' && name == b'_'))
}

/// A name for people as a variable: lower case, underscores for everything that is no letter or digit.
pub(crate) fn variable(name: &str) -> String {
    let words = name.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    words.map(str::to_ascii_lowercase).collect::<Vec<_>>().join("_")
}

/// The field or element of `value` that `key` names.
pub(crate) fn step_into<'a>(value: &'a Value, key: &str) -> Option<&'a Value> {
    match value {
        Value::Object(fields) => fields.get(key),
        Value::Array(items) => items.get(key.parse::<usize>().ok()?),
        _ => None,
    }
}

/// A value as text: a string, or an object's only field if that is a string, as it is; anything else as JSON.
pub(crate) fn as_text(value: &Value) -> Cow<'_, str> {
    let only = match value {
        Value::Object(fields) if fields.len() == 1 => fields.values().next(),
        other => Some(other),
    };
    match only {
        Some(Value::String(text)) => Cow::Borrowed(text),
        _ => Cow::Owned(value.to_string()),
    }
}

fn field<'a>(of: &'a Arc<Value>, name: &str) -> Option<Found<'a>> {
    of.get(name).map(|value| Found::Field { of, value })
}

#[cfg(test)]
pub(crate) mod tests {
    use serde_json::json;

    use super::*;

    /// The scope of a block after `classify-mail` ("Mail Kind!"), inside a loop.
    pub(crate) fn example() -> Scope {
        let step = |id: &str, name: &str, output: Value| StepOutput {
            id: id.into(),
            name: name.into(),
            output: output.into(),
        };
        Scope {
            pipeline: json!({"label": "bug", "nested": {"list": [1, {"deep": "x"}]}}).into(),
            item: Some(LoopItem { item: json!({"sku": 7}).into(), index: 2 }),
            steps: vec![
                step("classify-mail", "Mail Kind!", json!({"label": "bug"})),
                step("twice", "same", json!({"n": 1})),
                step("again", "same", json!({"n": 2})),
            ],
            initial: json!({"message": "hello", "tone": "plain"}).into(),
        }
    }

    #[test]
    fn names_are_found_from_near_to_far() {
        let scope = example();
        for (name, expected) in [
            ("label", Some(json!("bug"))),
            ("item", Some(json!({"sku": 7}))),
            ("index", Some(json!(2))),
            ("classify-mail", Some(json!({"label": "bug"}))),
            ("classify_mail", Some(json!({"label": "bug"}))),
            ("mail_kind", Some(json!({"label": "bug"}))),
            ("same", Some(json!({"n": 2}))),
            ("initial", Some(json!({"message": "hello", "tone": "plain"}))),
            ("message", Some(json!("hello"))),
            ("previous_output", Some(json!(r#"{"label":"bug","nested":{"list":[1,{"deep":"x"}]}}"#))),
            ("tone", None),
            ("", None),
        ] {
            assert_eq!(scope.lookup(name).map(|found| found.value().clone()), expected, "{name}");
        }
    }

    #[test]
    fn a_pipeline_field_hides_everything_else() {
        let pipeline = Arc::new(json!({"message": "near", "initial": 1, "item": 2, "twice": 3}));
        let scope = Scope { pipeline, ..example() };
        for (name, expected) in
            [("message", json!("near")), ("initial", json!(1)), ("item", json!(2)), ("twice", json!(3))]
        {
            assert_eq!(scope.lookup(name).unwrap().value(), &expected, "{name}");
        }
    }

    #[test]
    fn paths_go_through_objects_and_arrays() {
        let scope = example();
        for (path, expected) in [
            ("nested.list", Some(json!([1, {"deep": "x"}]))),
            ("nested.list.1.deep", Some(json!("x"))),
            ("classify-mail.label", Some(json!("bug"))),
            ("item.sku", Some(json!(7))),
            ("nested.list.2", None),
            ("nested.list.-1", None),
            ("nested..list", None),
            ("gone.list", None),
            ("label.x", None),
        ] {
            assert_eq!(scope.resolve(path).as_deref(), expected.as_ref(), "{path}");
        }
    }

    #[test]
    fn every_listed_name_is_found() {
        let scope = example();
        let names = scope.names();
        assert!(names.iter().all(|name| scope.lookup(name).is_some()), "{names:?}");
        assert_eq!(names[..4], ["label", "nested", "item", "index"]);
        assert_eq!(names.iter().filter(|name| *name == "same").count(), 1);
    }

    #[test]
    fn previous_output_is_text() {
        for (pipeline, expected) in [
            (json!({"message": "only"}), "only"),
            (json!("bare"), "bare"),
            (json!({"n": 1}), r#"{"n":1}"#),
            (json!({"a": "x", "b": "y"}), r#"{"a":"x","b":"y"}"#),
            (json!({}), "{}"),
            (json!(null), "null"),
        ] {
            assert_eq!(as_text(&pipeline), expected);
        }
    }
}

//! Expectations of a flow's result: whether they hold, and where they do not.
//!
//! Pure. What a rubric asks of a model is asked elsewhere.

mod differences;
#[cfg(test)]
mod tests;

use noukai_api::{Difference, Expectation};
use serde_json::Value;

use self::differences::{Found, short};
use crate::{
    ValueSchema,
    scope::{as_text, step_into},
};

/// What became of an expectation.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// It holds.
    Holds,
    /// It does not, here and there.
    Differs(Vec<Difference>),
    /// A model has to be asked about this part of the result.
    AskModel(Value),
}

/// Whether `expectation` holds of a flow's result.
pub fn evaluate(expectation: &Expectation, result: &Value) -> Verdict {
    let path = expectation.at().unwrap_or_default();
    let part = match part_of(result, path) {
        Ok(part) => part,
        Err(difference) => return Verdict::Differs(vec![difference]),
    };
    let mut found = Found::at(path);
    match expectation {
        Expectation::Equals { value, .. } => found.compare(value, part),
        Expectation::Subset { value, .. } => found.cover(value, part),
        Expectation::Contains { text, ignore_case, .. } => found.contain(text, *ignore_case, part),
        Expectation::Schema { schema, .. } => found.fit(schema, part),
        Expectation::Rubric { .. } => return Verdict::AskModel(part.clone()),
    }
    match found.differences {
        none if none.is_empty() => Verdict::Holds,
        some => Verdict::Differs(some),
    }
}

/// The part of a result that a dotted path leads to; the whole for an empty one.
///
/// # Errors
/// There is nothing: how far the path leads, and what there is.
pub fn part_of<'a>(result: &'a Value, path: &str) -> Result<&'a Value, Difference> {
    let mut part = result;
    let mut been = Vec::new();
    for key in path.split('.').filter(|_| !path.is_empty()) {
        match step_into(part, key) {
            Some(next) => part = next,
            None => {
                let at = been.join(".");
                let message = format!("there is no `{key}` here; {}", what_is_there(part));
                return Err(Difference { at, message, expected: Some(format!("`{path}`")), got: Some(short(part)) });
            }
        }
        been.push(key);
    }
    Ok(part)
}

fn what_is_there(value: &Value) -> String {
    match value {
        Value::Object(fields) if fields.is_empty() => "the object is empty".to_owned(),
        Value::Object(fields) => {
            let names: Vec<&str> = fields.keys().take(20).map(String::as_str).collect();
            format!("there is {}", names.join(", "))
        }
        Value::Array(items) => format!("the list has {} items, counted from 0", items.len()),
        other => format!("it is {}", differences::kind(other)),
    }
}

impl Found {
    fn contain(&mut self, wanted: &str, ignore_case: bool, part: &Value) {
        let text = as_text(part);
        let holds =
            if ignore_case { text.to_lowercase().contains(&wanted.to_lowercase()) } else { text.contains(wanted) };
        if !holds {
            self.add("the text does not contain the expected one", Some(short(&wanted.into())), Some(short(part)));
        }
    }

    fn fit(&mut self, schema: &Value, part: &Value) {
        match ValueSchema::compile(schema) {
            Err(error) => self.add(&format!("the schema {error}"), Some(short(schema)), None),
            Ok(schema) => {
                for (path, message) in schema.faults(part) {
                    let there = part_of(part, &path).ok().map(short);
                    self.below(&path, &message, there);
                }
            }
        }
    }
}

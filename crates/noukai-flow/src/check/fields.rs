//! Reads the keys of an object: types, ranges, unknown keys. Knows no key by name.

use serde_json::{Map, Value};

use crate::{Problem, ProblemCode, nearest::did_you_mean};

/// More problems than anyone reads; the rest shows when these are gone.
const MAX_PROBLEMS: usize = 500;

/// Problems as they are found.
#[derive(Default)]
pub(super) struct Report(Vec<Problem>);

impl Report {
    pub(super) fn error(&mut self, path: &str, code: ProblemCode, message: impl Into<String>) {
        self.add(Problem::error(path, code, message));
    }

    pub(super) fn warning(&mut self, path: &str, code: ProblemCode, message: impl Into<String>) {
        self.add(Problem::warning(path, code, message));
    }

    /// Past the limit only the first error is still taken: with none, the flow would count as sound.
    fn add(&mut self, problem: Problem) {
        if self.0.len() < MAX_PROBLEMS || (problem.is_error() && !self.has_errors()) {
            self.0.push(problem);
        }
    }

    pub(super) fn has_errors(&self) -> bool {
        self.0.iter().any(Problem::is_error)
    }

    pub(super) fn into_problems(self) -> Vec<Problem> {
        self.0
    }
}

/// An object of the document, and where it stands.
pub(super) struct Fields<'a> {
    pub(super) path: String,
    map: &'a Map<String, Value>,
}

impl<'a> Fields<'a> {
    /// `value` as an object; reports what is none.
    pub(super) fn read(path: &str, value: &'a Value, report: &mut Report) -> Option<Self> {
        match value {
            Value::Object(map) => Some(Self { path: path.to_owned(), map }),
            other => {
                report.error(path, ProblemCode::WrongType, expected("an object", other));
                None
            }
        }
    }

    /// Reports every key that is not in `known`.
    pub(super) fn only(&self, known: &[&str], report: &mut Report) {
        for key in self.map.keys().filter(|key| !known.contains(&key.as_str())) {
            let meant = did_you_mean(key, known.iter().copied());
            let message = format!("there is no key `{key}` here{meant} (known: {})", known.join(", "));
            report.error(&self.at(key), ProblemCode::UnknownKey, message);
        }
    }

    /// The path of a key.
    pub(super) fn at(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    pub(super) fn get(&self, key: &str) -> Option<&'a Value> {
        self.map.get(key)
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = &'a str> {
        self.map.keys().map(String::as_str)
    }

    /// Reports that `key` is missing, with what to do.
    pub(super) fn missing(&self, key: &str, advice: &str, report: &mut Report) {
        report.error(&self.at(key), ProblemCode::MissingKey, format!("is missing; {advice}"));
    }

    /// Reports that the value of `key` is not allowed.
    pub(super) fn invalid(&self, key: &str, message: impl Into<String>, report: &mut Report) {
        report.error(&self.at(key), ProblemCode::InvalidValue, message);
    }

    /// A text, if `key` is there; reports what is none.
    pub(super) fn text(&self, key: &str, report: &mut Report) -> Option<&'a str> {
        self.typed(key, "text (in quotes, if it looks like something else)", Value::as_str, report)
    }

    pub(super) fn flag(&self, key: &str, report: &mut Report) -> bool {
        self.typed(key, "true or false", Value::as_bool, report).unwrap_or(false)
    }

    pub(super) fn list(&self, key: &str, report: &mut Report) -> Option<&'a [Value]> {
        self.typed(key, "a list", |value| value.as_array().map(Vec::as_slice), report)
    }

    /// A nested object, if `key` is there; reports what is none.
    pub(super) fn object(&self, key: &str, report: &mut Report) -> Option<Fields<'a>> {
        Self::read(&self.at(key), self.get(key)?, report)
    }

    /// A whole number within a range; reports what is none.
    pub(super) fn number(&self, key: &str, (least, most): (u64, u64), report: &mut Report) -> Option<u64> {
        let number = self.typed(key, "a whole number", Value::as_u64, report)?;
        if !(least..=most).contains(&number) {
            self.invalid(key, format!("has to be from {least} to {most}, not {number}"), report);
        }
        Some(number)
    }

    /// One of a few texts; reports what is none of them.
    pub(super) fn one_of<T: Copy>(&self, key: &str, choices: &[(&str, T)], report: &mut Report) -> Option<T> {
        let text = self.text(key, report)?;
        let found = choices.iter().find(|(name, _)| *name == text);
        if found.is_none() {
            let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
            let meant = did_you_mean(text, names.iter().copied());
            self.invalid(key, format!("`{text}` is none of {}{meant}", names.join(", ")), report);
        }
        found.map(|(_, value)| *value)
    }

    /// A list of texts, none of them empty; reports what is none.
    pub(super) fn texts(&self, key: &str, report: &mut Report) -> Vec<String> {
        let mut texts = Vec::new();
        for (index, item) in self.list(key, report).into_iter().flatten().enumerate() {
            match item.as_str() {
                Some(text) if !text.is_empty() => texts.push(text.to_owned()),
                _ => {
                    report.error(&format!("{}[{index}]", self.at(key)), ProblemCode::WrongType, expected("text", item))
                }
            }
        }
        texts
    }

    fn typed<T>(
        &self,
        key: &str,
        what: &str,
        read: impl FnOnce(&'a Value) -> Option<T>,
        report: &mut Report,
    ) -> Option<T> {
        let value = self.get(key)?;
        let read = read(value);
        if read.is_none() {
            report.error(&self.at(key), ProblemCode::WrongType, expected(what, value));
        }
        read
    }
}

/// `has to be a list, not text`.
pub(super) fn expected(what: &str, found: &Value) -> String {
    let found = match found {
        Value::Null => "nothing",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    };
    format!("has to be {what}, not {found}")
}

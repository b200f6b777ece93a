//! Where two values part: by dotted path, what was expected there, what is there. Bounded in number and length.

use noukai_api::Difference;
use serde_json::Value;

/// Differences of one value that are told.
const MOST: usize = 20;
/// Characters of a value that are shown.
const SHOWN: usize = 200;

/// The differences found so far, and where the search stands.
pub(super) struct Found {
    path: Vec<String>,
    pub differences: Vec<Difference>,
}

impl Found {
    pub fn at(path: &str) -> Self {
        let path = path.split('.').filter(|part| !part.is_empty()).map(str::to_owned).collect();
        Self { path, differences: Vec::new() }
    }

    pub fn add(&mut self, message: &str, expected: Option<String>, got: Option<String>) {
        if self.differences.len() < MOST {
            let difference = Difference { at: self.path.join("."), message: message.to_owned(), expected, got };
            self.differences.push(difference);
        }
    }

    /// One further down.
    pub fn below(&mut self, path: &str, message: &str, got: Option<String>) {
        let depth = self.path.len();
        self.path.extend(path.split('.').filter(|part| !part.is_empty()).map(str::to_owned));
        self.add(message, None, got);
        self.path.truncate(depth);
    }

    fn inside(&mut self, key: &str, work: impl FnOnce(&mut Self)) {
        self.path.push(key.to_owned());
        work(self);
        self.path.pop();
    }

    /// Both must be the same.
    pub fn compare(&mut self, expected: &Value, got: &Value) {
        match (expected, got) {
            (Value::Object(wanted), Value::Object(there)) => {
                for (key, value) in wanted {
                    self.inside(key, |found| match there.get(key) {
                        Some(got) => found.compare(value, got),
                        None => found.add("is missing", Some(short(value)), None),
                    });
                }
                for (key, value) in there.iter().filter(|(key, _)| !wanted.contains_key(*key)) {
                    self.inside(key, |found| found.add("is not expected", None, Some(short(value))));
                }
            }
            (Value::Array(wanted), Value::Array(there)) => {
                for (index, (value, got)) in wanted.iter().zip(there).enumerate() {
                    self.inside(&index.to_string(), |found| found.compare(value, got));
                }
                self.lengths(wanted.len(), there.len());
            }
            _ => self.leaf(expected, got),
        }
    }

    /// `got` must have at least what is expected: fields, and items in the same order.
    pub fn cover(&mut self, expected: &Value, got: &Value) {
        match (expected, got) {
            (Value::Object(wanted), Value::Object(there)) => {
                for (key, value) in wanted {
                    self.inside(key, |found| match there.get(key) {
                        Some(got) => found.cover(value, got),
                        None => found.add("is missing", Some(short(value)), None),
                    });
                }
            }
            (Value::Array(wanted), Value::Array(there)) => self.cover_items(wanted, there),
            _ => self.leaf(expected, got),
        }
    }

    /// Each expected item is looked for behind the one found before it.
    fn cover_items(&mut self, wanted: &[Value], there: &[Value]) {
        let mut from = 0;
        for value in wanted {
            match there[from..].iter().position(|got| covers(value, got)) {
                Some(position) => from += position + 1,
                // Lists of one length: the item at the same place tells more than that none fits.
                None if wanted.len() == there.len() => {
                    return wanted.iter().zip(there).enumerate().for_each(|(index, (value, got))| {
                        self.inside(&index.to_string(), |found| found.cover(value, got));
                    });
                }
                None => {
                    let message = match from {
                        0 => "no item fits".to_owned(),
                        _ => format!("no item after number {} fits", from - 1),
                    };
                    return self.add(&message, Some(short(value)), Some(short(&there.into())));
                }
            }
        }
    }

    fn leaf(&mut self, expected: &Value, got: &Value) {
        if same(expected, got) {
            return;
        }
        let message = match (kind(expected), kind(got)) {
            (wanted, there) if wanted != there => format!("is {there}, not {wanted}"),
            _ => "is another value".to_owned(),
        };
        self.add(&message, Some(short(expected)), Some(short(got)));
    }

    fn lengths(&mut self, expected: usize, got: usize) {
        if expected != got {
            let items = |count: usize| format!("{count} {}", if count == 1 { "item" } else { "items" });
            self.add("has another number of items", Some(items(expected)), Some(items(got)));
        }
    }
}

fn covers(expected: &Value, got: &Value) -> bool {
    let mut found = Found::at("");
    found.cover(expected, got);
    found.differences.is_empty()
}

/// 1 and 1.0 are one number.
fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) if one != other => {
            let whole = one.is_f64() != other.is_f64();
            whole && one.as_f64().is_some_and(|one| other.as_f64() == Some(one))
        }
        _ => one == other,
    }
}

pub(super) const fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// A value for people: its JSON, cut where it is long.
pub(super) fn short(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

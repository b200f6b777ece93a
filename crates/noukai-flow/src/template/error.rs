//! What can go wrong with a template, in words for its author. Quotes the template, never a run's values.

use minijinja::ErrorKind;

use crate::{Scope, nearest, scope::step_into};

/// A template that does not parse or did not render.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.text())]
pub struct TemplateError {
    message: String,
    line: Option<usize>,
}

impl TemplateError {
    pub(super) fn new(message: impl Into<String>, line: Option<usize>) -> Self {
        Self { message: message.into(), line }
    }

    /// What is wrong and what to do, without the line.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The line in the template's source, from 1, where it is known.
    pub fn line(&self) -> Option<usize> {
        self.line
    }

    fn text(&self) -> String {
        match self.line {
            Some(line) => format!("line {line}: {}", self.message),
            None => self.message.clone(),
        }
    }

    /// A fault found while compiling.
    pub(super) fn syntax(error: &minijinja::Error) -> Self {
        Self::new(error.detail().unwrap_or("the template does not parse"), error.line())
    }

    /// A fault found while rendering.
    pub(super) fn render(error: &minijinja::Error, scope: &Scope) -> Self {
        let detail = error.detail().unwrap_or_default();
        let message = match error.kind() {
            ErrorKind::UndefinedError => undefined(detail, scope),
            ErrorKind::OutOfFuel => "the template takes too many steps; shorten its loops".to_owned(),
            ErrorKind::WriteFailure => format!("the rendered text is longer than {} bytes", super::MAX_OUTPUT),
            kind if detail.is_empty() => kind.to_string(),
            kind => format!("{kind}: {detail}"),
        };
        Self::new(message, error.line())
    }
}

/// What to say of an undefined expression; the engine's detail is "... `a.b` is undefined ...".
fn undefined(detail: &str, scope: &Scope) -> String {
    match detail.split('`').nth(1) {
        Some(expression) => format!("`{expression}` is not there; {}", remedy(expression, scope)),
        None => format!("an expression has no value; names in scope: {}", nearest::list(&scope.names())),
    }
}

fn remedy(expression: &str, scope: &Scope) -> String {
    let mut parts = expression.split('.').map(str::trim);
    let root = parts.next().unwrap_or_default();
    let Some(found) = scope.lookup(root) else {
        let names = scope.names();
        let meant = nearest::did_you_mean(root, names.iter().map(String::as_str));
        return format!("names in scope: {}{meant}", nearest::list(&names));
    };
    let mut value = found.value();
    let mut path = root.to_owned();
    for part in parts {
        let Some(next) = step_into(value, part) else { return fields_of(value, &path, part) };
        value = next;
        path = format!("{path}.{part}");
    }
    format!("`{path}` is there, but not what is asked of it")
}

fn fields_of(value: &serde_json::Value, path: &str, missing: &str) -> String {
    let Some(fields) = value.as_object() else { return format!("`{path}` is no object") };
    let names: Vec<&str> = fields.keys().map(String::as_str).collect();
    let meant = nearest::did_you_mean(missing, names.iter().copied());
    format!("fields of `{path}`: {}{meant}", nearest::list(&names))
}

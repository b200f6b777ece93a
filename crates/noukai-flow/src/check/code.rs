//! Code blocks as documents say them: language, parameters, body. What the body says is checked where it runs.

use std::{collections::BTreeSet, sync::Arc};

use serde_json::Value;

use super::{
    Bounds,
    block::reported_schema,
    fields::{Fields, Report, expected},
    keys,
};
use crate::{CodeBlock, Language, Parameters, ProblemCode, SchemaError};

/// The first parameter of every function.
const INITIAL: &str = "initial";
/// Words that cannot be parameters in Python.
const PYTHON_WORDS: &str = "False None True and as assert async await break class continue def del elif else except \
    finally for from global if import in is lambda nonlocal not or pass raise return try while with yield";
/// Words that cannot be parameters in JavaScript, strict mode included.
const JAVASCRIPT_WORDS: &str = "arguments await break case catch class const continue debugger default delete do else \
    enum eval export extends false finally for function if implements import in instanceof interface let new null \
    package private protected public return static super switch this throw true try typeof var void while with yield";

/// The code block that `fields` describe; reports what is wrong with it.
pub(super) fn read(fields: &Fields, bounds: &Bounds, report: &mut Report) -> Option<CodeBlock> {
    fields.only(keys::CODE, report);
    let languages = Language::ALL.map(|language| (language.as_str(), language));
    let language = match fields.get("language") {
        None => Some(Language::Python),
        Some(_) => fields.one_of("language", &languages, report),
    };
    let input = parameters(fields, language, bounds, report);
    let source = source(fields, language, bounds, report);
    let output = fields.get("output").and_then(|schema| reported_schema(&fields.at("output"), schema, report));
    Some(CodeBlock { path: fields.path.clone(), language: language?, input: input?, source: source?, output })
}

fn source(fields: &Fields, language: Option<Language>, bounds: &Bounds, report: &mut Report) -> Option<Arc<str>> {
    let returns = match language {
        Some(Language::JavaScript) => "`return {text: label}`",
        _ => "`return {\"text\": label}`",
    };
    if fields.get("source").is_none() {
        fields.missing("source", &format!("add the function's body, such as {returns}"), report);
    }
    let source = fields.text("source", report)?;
    if source.trim().is_empty() {
        fields.invalid("source", format!("is empty; give the function a body, such as {returns}"), report);
    } else if source.len() > bounds.code_bytes {
        let message = format!("the body has {} bytes; at most {} are taken", source.len(), bounds.code_bytes);
        report.error(&fields.at("source"), ProblemCode::TooLarge, message);
    }
    Some(source.into())
}

fn parameters(fields: &Fields, language: Option<Language>, bounds: &Bounds, report: &mut Report) -> Option<Parameters> {
    let parameters = declared(fields, report)?;
    if parameters.names().len() > bounds.code_parameters {
        let message = format!("{} fields; at most {} are taken", parameters.names().len(), bounds.code_parameters);
        report.error(&fields.at("input"), ProblemCode::TooLarge, message);
    }
    let mut seen = BTreeSet::new();
    for (index, name) in parameters.names().iter().enumerate() {
        if let Some(message) = fault(name, language, &mut seen) {
            report.error(&parameters.place(&fields.at("input"), index), ProblemCode::InvalidValue, message);
        }
    }
    Some(parameters)
}

/// `input` as a list of names, or as a schema whose fields are the names.
fn declared(fields: &Fields, report: &mut Report) -> Option<Parameters> {
    match fields.get("input") {
        None => Some(Parameters::of_names(Vec::new())),
        Some(Value::Array(items)) => {
            let names = fields.texts("input", report);
            // Names that are no text have been reported.
            (names.len() == items.len()).then(|| Parameters::of_names(names))
        }
        Some(schema @ Value::Object(_)) => {
            let parameters = Parameters::compile(schema);
            let invalid = |error: SchemaError| {
                report.error(&fields.at("input"), ProblemCode::SchemaInvalid, error.to_string());
            };
            parameters.map_err(invalid).ok()
        }
        Some(other) => {
            let message = expected("a list of fields, or a schema of them", other);
            report.error(&fields.at("input"), ProblemCode::WrongType, message);
            None
        }
    }
}

/// Why a field cannot be a parameter.
fn fault<'a>(name: &'a str, language: Option<Language>, seen: &mut BTreeSet<&'a str>) -> Option<String> {
    let words = match language {
        Some(Language::Python) => PYTHON_WORDS,
        Some(Language::JavaScript) => JAVASCRIPT_WORDS,
        None => "",
    };
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let is_identifier = name.chars().all(plain) && !name.starts_with(|c: char| c.is_ascii_digit());
    if !is_identifier {
        let rule = "a parameter has letters, digits and underscores, and does not begin with a digit";
        Some(format!("`{name}` cannot be a parameter: {rule}; rename the field where it is made"))
    } else if name == INITIAL {
        Some("`initial` is the first parameter of every function; leave it out".to_owned())
    } else if name.starts_with("__") {
        Some(format!("`{name}` cannot be a parameter: names with two leading underscores are kept"))
    } else if words.split_whitespace().any(|word| word == name) {
        Some(format!("`{name}` is a word of the language; rename the field where it is made"))
    } else if !seen.insert(name) {
        Some(format!("`{name}` stands there twice; name it once"))
    } else {
        None
    }
}

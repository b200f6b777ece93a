//! Single braces: `{name}` stands for the variable `name` where there is one, and for itself where there is none.
//!
//! Works on source at compile time, never on values: what a run brings in is not looked at for braces.

use super::segments::{Segment, segments};

/// Words of the template language, which are no names, and names the engine gives.
const RESERVED: &[&str] = &[
    "and",
    "elif",
    "else",
    "false",
    "False",
    "for",
    "if",
    "in",
    "is",
    "loop",
    "none",
    "None",
    "not",
    "or",
    "range",
    "recursive",
    "self",
    "true",
    "True",
];

/// The source with each `{name}` of its text as an expression that falls back to the written text. Adds no line.
pub(super) fn expand(source: &str) -> String {
    let mut out = String::with_capacity(source.len() + 32);
    for segment in segments(source) {
        match segment {
            Segment::Text(text) => expand_text(text, &mut out),
            other => out.push_str(other.source()),
        }
    }
    out
}

fn expand_text(mut text: &str, out: &mut String) {
    while let Some(at) = text.find('{') {
        out.push_str(&text[..at]);
        text = &text[at + 1..];
        match name(text) {
            Some(name) => {
                out.push_str(&format!("{{{{{}}}}}", or_itself(name)));
                text = &text[name.len() + 1..];
            }
            None => out.push('{'),
        }
    }
    out.push_str(text);
}

/// The plain identifier that `text` begins with, if a closing brace follows at once.
fn name(text: &str) -> Option<&str> {
    let (name, _) = text.split_once('}')?;
    is_name(name).then_some(name)
}

/// The expression that `{name}` stands for.
pub(super) fn or_itself(name: &str) -> String {
    format!("{name}|default('{{{name}}}')")
}

/// Whether it is an identifier that may name a variable.
pub(super) fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'_')
        && !RESERVED.contains(&text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_names_in_text_are_expanded() {
        for (source, expected) in [
            ("{name}", "{{name|default('{name}')}}"),
            ("a{_x1}b{y}", "a{{_x1|default('{_x1}')}}b{{y|default('{y}')}}"),
            (r#"{"a": {"b": 1}}"#, r#"{"a": {"b": 1}}"#),
            (r#"{"a": {b}}"#, r#"{"a": {{b|default('{b}')}}}"#),
            ("{ name }", "{ name }"),
            ("{name }", "{name }"),
            ("{a.b}", "{a.b}"),
            ("{1}", "{1}"),
            ("{}", "{}"),
            ("{", "{"),
            ("{a", "{a"),
            ("{true} {none} {range} {loop}", "{true} {none} {range} {loop}"),
            ("{naïve}", "{naïve}"),
            ("{{ name }} {{ {'a': b} }}", "{{ name }} {{ {'a': b} }}"),
            ("{% if a %}{b}{% endif %}", "{% if a %}{{b|default('{b}')}}{% endif %}"),
            ("{# {a} #}{% raw %}{a}{% endraw %}", "{# {a} #}{% raw %}{a}{% endraw %}"),
            ("{\n}", "{\n}"),
        ] {
            assert_eq!(expand(source), expected, "{source}");
        }
    }
}

//! Documents as YAML for people: known keys in their usual order, texts of several lines as such. Reading it gives exactly
//! the document again.

use serde_json::{Map, Value};

use crate::{
    Document, Format,
    check::keys::{BRANCH, CODE, FLOW, LLM, LOOP, NODE},
    parse,
};

/// The document as YAML; as JSON, which is YAML too, where the writer's YAML would be read as something else.
pub fn to_yaml(document: &Document) -> String {
    let ordered = ordered(document);
    let options = serde_saphyr::ser_options! {
        prefer_block_scalars: true,
        // Long lines stay whole: what is folded is hard to edit.
        folded_wrap_chars: 1_000_000,
        yaml_12: true,
        no_lang_directive: true,
    };
    let yaml = serde_saphyr::to_string_with_options(&ordered, options).unwrap_or_default();
    let is_it = |text: &String| parse(text, Format::Yaml).is_ok_and(|read| read == *document);
    let spellings = [without_blanks(&yaml), yaml];
    spellings.into_iter().find(is_it).unwrap_or_else(|| format!("{ordered:#}\n"))
}

/// Without spaces on lines that have nothing else: the writer indents the empty lines of a text too.
fn without_blanks(yaml: &str) -> String {
    yaml.lines().flat_map(|line| [if line.trim().is_empty() { "" } else { line }, "\n"]).collect()
}

/// The document with its known keys in their usual order, unknown ones behind them.
fn ordered(document: &Value) -> Value {
    in_order(document, FLOW, |key, value| if key == "steps" { nodes(value) } else { value.clone() })
}

fn nodes(value: &Value) -> Value {
    match value.as_array() {
        Some(nodes) => nodes.iter().map(node).collect(),
        None => value.clone(),
    }
}

fn node(value: &Value) -> Value {
    in_order(value, NODE, |key, value| match key {
        "llm" => in_order(value, LLM, |_, value| value.clone()),
        "code" => in_order(value, CODE, |_, value| value.clone()),
        "sequence" | "parallel" => nodes(value),
        "loop" => in_order(value, LOOP, |key, value| if key == "steps" { nodes(value) } else { value.clone() }),
        "branch" => in_order(value, BRANCH, |key, value| match key {
            "cases" => in_order(value, &[], |_, value| nodes(value)),
            "else" => nodes(value),
            _ => value.clone(),
        }),
        _ => value.clone(),
    })
}

fn in_order(value: &Value, keys: &[&str], each: impl Fn(&str, &Value) -> Value) -> Value {
    let Some(fields) = value.as_object() else { return value.clone() };
    let known = keys.iter().filter_map(|key| fields.get_key_value(*key));
    let others = fields.iter().filter(|(key, _)| !keys.contains(&key.as_str()));
    known.chain(others).map(|(key, value)| (key.clone(), each(key, value))).collect::<Map<_, _>>().into()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::operation::property_tests::{broken, document};

    #[test]
    fn people_can_read_it() {
        let document = json!({
            "steps": [
                {"llm": {"prompt": "Label this:\n\n{{ message }}\n", "model": "a/b"}, "id": "classify"},
                {"branch": {"else": [], "cases": {"yes": [{"id": "x", "passthrough": {}}]}, "on": "{{ label }}"}, "id": "b"},
            ],
            "name": "Demo: all", "slug": "demo", "schema": 1,
        });
        insta::assert_snapshot!(to_yaml(&document), @r#"
        schema: 1
        slug: demo
        name: "Demo: all"
        steps:
        - id: classify
          llm:
            model: a/b
            prompt: |
              Label this:

              {{ message }}
        - id: b
          branch:
            on: "{{ label }}"
            cases:
              yes:
              - id: x
                passthrough: {}
            else: []
        "#);
    }

    #[test]
    fn odd_texts_survive() {
        for text in [
            "",
            " ",
            "yes",
            "no",
            "~",
            "1",
            "1e3",
            "0x10",
            "2020-01-01",
            "a: b",
            "- a",
            "#a",
            "a #b",
            "\n",
            "a\n\nb\n\n",
            "  indented\nless",
            "\ttab",
            "end ",
            "'",
            "\"",
            "\\",
            "{{ x }}",
            "*a",
            "&a",
            "!x",
            "%x",
            "@x",
            "`x",
            "\u{85}",
            "\u{2028}",
            "\u{feff}x",
            "é\r\nx",
            "---",
            "...",
            "\u{0}",
        ] {
            let document = json!({text: text, "list": [text, {text: [text]}]});
            assert_eq!(parse(&to_yaml(&document), Format::Yaml).ok(), Some(document), "{text:?}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, cases: 64, ..ProptestConfig::default() })]

        #[test]
        fn what_is_written_is_read_again(document in prop_oneof![document(), broken()], text in any::<String>()) {
            let mut document = document;
            document["name"] = text.into();
            prop_assert_eq!(parse(&to_yaml(&document), Format::Yaml).unwrap(), document);
        }
    }
}

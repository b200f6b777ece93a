//! What differs between two documents, for people and for programs.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use similar::{ChangeTag, TextDiff};

use crate::{
    Document,
    operation::{Operation, Place, Site, between, find, id, kind, shown},
};

/// Unchanged lines shown around changed ones.
const CONTEXT: usize = 2;

/// What differs between two documents. Prints as indented lines: `+` came, `-` went, `>` moved, `~` changed.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Diff {
    /// In the order in which they would be made.
    pub changes: Vec<DiffChange>,
}

/// One difference.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "change", rename_all = "snake_case")]
pub enum DiffChange {
    /// A step is new.
    Added {
        /// The step.
        step_id: String,
        /// What it does, as the key in the document.
        kind: String,
        /// Where it stands.
        place: String,
        /// The step with what came with it.
        node: Value,
    },
    /// A step is no more.
    Removed {
        /// The step.
        step_id: String,
        /// What it did, as the key in the document.
        kind: String,
        /// The step with what went with it.
        node: Value,
    },
    /// A step stands elsewhere.
    Moved {
        /// The step.
        step_id: String,
        /// Where it stands now.
        place: String,
    },
    /// A field is another.
    Changed {
        /// The step; absent: the flow itself.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        step_id: Option<String>,
        /// Keys that lead to it, with dots.
        field: String,
        /// What it was; absent: it was not there.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        before: Option<Value>,
        /// What it is; absent: it is no more.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        after: Option<Value>,
    },
}

/// What differs between two documents.
pub fn diff(before: &Document, after: &Document) -> Diff {
    let way = between(before, after);
    let changes = way.operations.iter().flat_map(|operation| changes(operation, before, after)).collect();
    Diff { changes }
}

fn changes(operation: &Operation, before: &Document, after: &Document) -> Vec<DiffChange> {
    match operation {
        Operation::InsertNode(insert) => vec![DiffChange::Added {
            step_id: id(&insert.node).unwrap_or_default().to_owned(),
            kind: kind(&insert.node).unwrap_or("step").to_owned(),
            place: place(after, id(&insert.node).unwrap_or_default()),
            node: insert.node.clone(),
        }],
        Operation::RemoveNode(of) => find(before, &of.step_id)
            .map(|(node, _)| DiffChange::Removed {
                step_id: of.step_id.clone(),
                kind: kind(node).unwrap_or("step").to_owned(),
                node: node.clone(),
            })
            .into_iter()
            .collect(),
        Operation::MoveNode(to) => {
            vec![DiffChange::Moved { step_id: to.step_id.clone(), place: place(after, &to.step_id) }]
        }
        Operation::UpdateContainer(update) => {
            vec![changed(
                Some(&update.step_id),
                "kind".to_owned(),
                kind_of(before, &update.step_id),
                kind_of(after, &update.step_id),
            )]
        }
        Operation::ReplaceNode(replace) => {
            let node = |document: &Document| find(document, &replace.step_id).ok().map(|(node, _)| node.clone());
            vec![changed(Some(&replace.step_id), String::new(), node(before), node(after))]
        }
        Operation::ReplaceDocument(_) => vec![changed(None, String::new(), Some(before.clone()), Some(after.clone()))],
        operation => fields(operation).into_iter().filter_map(|field| field_changed(&field, before, after)).collect(),
    }
}

/// Where a step stands, such as `steps[2]` or `` `choose`.bug[0] ``.
fn place(document: &Document, step_id: &str) -> String {
    let place = |site: Site| Place { parent_id: site.parent, case: site.case, index: Some(site.index) };
    find(document, step_id).map(|(_, site)| place(site).to_string()).unwrap_or_default()
}

fn kind_of(document: &Document, step_id: &str) -> Option<Value> {
    find(document, step_id).ok().and_then(|(node, _)| kind(node)).map(Value::from)
}

/// A field that an operation sets: of which step, and the keys that lead to it.
type Field = (Option<String>, Vec<String>);

/// The fields that an operation of an edit script sets.
fn fields(operation: &Operation) -> Vec<Field> {
    let one = |step_id: &str, path: &[&str]| {
        vec![(Some(step_id.to_owned()), path.iter().map(|key| (*key).to_owned()).collect())]
    };
    match operation {
        Operation::SetField(set) => vec![(set.step_id.clone(), set.path.clone())],
        Operation::ClearField(clear) => vec![(clear.step_id.clone(), clear.path.clone())],
        Operation::UpdateBlockName(name) => one(&name.step_id, &["name"]),
        Operation::UpdateBlockNotes(notes) => one(&notes.step_id, &["notes"]),
        Operation::UpdateBlockModel(model) => one(&model.step_id, &["llm", "model"]),
        Operation::UpdateBlockInputSchema(input) => one(&input.step_id, &["code", "input"]),
        Operation::UpdateBlockDraft(draft) => {
            [one(&draft.step_id, &["llm", "prompt"]), one(&draft.step_id, &["code", "source"])].concat()
        }
        Operation::UpdateBlockOutputSchema(output) => {
            [one(&output.step_id, &["llm", "output"]), one(&output.step_id, &["code", "output"])].concat()
        }
        Operation::UpdateFlowInputSchema(_) => vec![(None, vec!["input".to_owned()])],
        Operation::UpdateFlow(_) => {
            ["name", "description", "kind", "trace_capture"].map(|key| (None, vec![key.to_owned()])).to_vec()
        }
        _ => Vec::new(),
    }
}

fn field_changed((step_id, path): &Field, before: &Document, after: &Document) -> Option<DiffChange> {
    let value = |document: &Document| {
        let root = match step_id {
            Some(step_id) => find(document, step_id).ok()?.0,
            None => document,
        };
        path.iter().try_fold(root, |value, key| value.get(key)).cloned()
    };
    let (before, after) = (value(before), value(after));
    (before != after).then(|| changed(step_id.as_deref(), path.join("."), before, after))
}

fn changed(step_id: Option<&str>, field: String, before: Option<Value>, after: Option<Value>) -> DiffChange {
    DiffChange::Changed { step_id: step_id.map(str::to_owned), field, before, after }
}

impl fmt::Display for Diff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.changes.iter().try_for_each(|change| write!(f, "{change}"))
    }
}

impl fmt::Display for DiffChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Added { step_id, kind, place, .. } => writeln!(f, "+ {step_id} ({kind}) at {place}"),
            Self::Removed { step_id, kind, .. } => writeln!(f, "- {step_id} ({kind})"),
            Self::Moved { step_id, place } => writeln!(f, "> {step_id} to {place}"),
            Self::Changed { step_id, field, before, after } => {
                write!(f, "~ {}", step_id.as_deref().unwrap_or("flow"))?;
                if !field.is_empty() {
                    write!(f, " {field}")?;
                }
                values(f, before.as_ref(), after.as_ref())
            }
        }
    }
}

/// `: before -> after`, or the lines that differ where there are several.
fn values(f: &mut fmt::Formatter<'_>, before: Option<&Value>, after: Option<&Value>) -> fmt::Result {
    let (old, new) = (before.map(lines), after.map(lines));
    let (old, new) = (old.unwrap_or_default(), new.unwrap_or_default());
    if old.lines().count() <= 1 && new.lines().count() <= 1 {
        let word = |value: Option<&Value>| value.map_or_else(|| "nothing".to_owned(), shown);
        return writeln!(f, ": {} -> {}", word(before), word(after));
    }
    writeln!(f)?;
    let diff = TextDiff::from_lines(&old, &new);
    for (number, group) in diff.grouped_ops(CONTEXT).iter().enumerate() {
        if number > 0 {
            writeln!(f, "      ...")?;
        }
        for change in group.iter().flat_map(|part| diff.iter_changes(part)) {
            let sign = match change.tag() {
                ChangeTag::Delete => '-',
                ChangeTag::Insert => '+',
                ChangeTag::Equal => ' ',
            };
            writeln!(f, "    {sign} {}", change.value().trim_end_matches(['\n', '\r']))?;
        }
    }
    Ok(())
}

/// A text as it is, anything else as JSON: on one line where it is short.
fn lines(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        scalar if !scalar.is_array() && !scalar.is_object() => scalar.to_string(),
        other => {
            let line = other.to_string();
            if line.len() <= 60 { line } else { serde_json::to_string_pretty(other).unwrap_or(line) }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn documents() -> (Document, Document) {
        let text = |text: &str| crate::parse(text, crate::Format::Yaml).unwrap();
        let before = text(
            r#"
schema: 1
slug: demo
name: Demo
steps:
  - {id: classify, llm: {prompt: "one\ntwo\nthree\nfour\nfive\n", model: a/b}}
  - {id: old, code: {source: return 1}}
  - {id: both, parallel: [{id: reply, llm: {prompt: r}}, {id: last, passthrough: {}}]}
"#,
        );
        let after = text(
            r#"
schema: 1
slug: demo
name: Better
steps:
  - {id: greet, llm: {prompt: hi}}
  - {id: classify, llm: {prompt: "one\ntwo\n3\nfour\nfive\n", config: {temperature: 0}}}
  - {id: both, sequence: [{id: reply, llm: {prompt: r}}]}
  - {id: last, llm: {prompt: x}}
"#,
        );
        (before, after)
    }

    #[test]
    fn people_read_what_differs() {
        let (before, after) = documents();
        insta::assert_snapshot!(diff(&before, &after).to_string(), @r#"
        ~ flow name: "Demo" -> "Better"
        ~ both kind: "parallel" -> "sequence"
        + greet (llm) at steps[0]
        > last to steps[3]
        - old (code)
        ~ classify llm.model: "a/b" -> nothing
        ~ classify llm.prompt
              one
              two
            - three
            + 3
              four
              five
        ~ classify llm.config: nothing -> {"temperature":0}
        ~ last: {"id":"last","passthrough":{}} -> {"id":"last","llm":{"prompt":"x"}}
        "#);
    }

    #[test]
    fn programs_read_it_too() {
        let (before, after) = documents();
        let changes = serde_json::to_value(diff(&before, &after)).unwrap();
        let find = |change: &str| changes["changes"].as_array().unwrap().iter().find(|entry| entry["change"] == change);
        assert_eq!(find("added").unwrap()["node"], after["steps"][0]);
        assert_eq!(
            find("removed").unwrap(),
            &json!({"change": "removed", "step_id": "old", "kind": "code", "node": before["steps"][1]})
        );
        assert_eq!(
            find("changed").unwrap(),
            &json!({"change": "changed", "field": "name", "before": "Demo", "after": "Better"})
        );
        assert!(diff(&after, &after).changes.is_empty());
    }

    #[test]
    fn documents_without_ids_differ_as_a_whole() {
        let text = diff(&json!({"steps": [{}]}), &json!({"steps": [{"id": "a"}]})).to_string();
        insta::assert_snapshot!(text, @r#"~ flow steps: [{}] -> [{"id":"a"}]"#);
    }
}
